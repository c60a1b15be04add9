//! What a call has done when it says that it has, and what it says when it has not.

use harness::{Answer, Node};

use crate::checks::Recorded;
use crate::moment::Moment;
use crate::scenario::{POD, Verb};

/// A call that was not interrupted has ended as it should.
pub(crate) fn is_as_planned(node: &Node, verb: Verb, answer: &Answer) {
    match (verb, answer.status()) {
        (Verb::FailingAdd | Verb::UnreadAdd, 0) => answer.fail("an error"),
        (Verb::FailingAdd | Verb::UnreadAdd, _) => has_nothing(node, answer),
        (_, 0) => has_done(node, verb, answer),
        _ => answer.fail("success of the call that is to be interrupted"),
    }
}

/// A call that reports success has done its work, or has recorded what is left to do.
pub(crate) fn has_done(node: &Node, verb: Verb, answer: &Answer) {
    match verb {
        Verb::Add => {
            let addresses = answer.addresses().into_iter().collect();
            if recorded(node).active.get(POD) != Some(&addresses) {
                answer.fail("a record of what the ADD answered");
            }
        }
        Verb::Del | Verb::Gc => has_nothing(node, answer),
        Verb::FailingAdd | Verb::UnreadAdd => answer.fail("no success"),
        Verb::Command => {}
    }
}

/// The pod has no address in use, and gets none any more.
pub(crate) fn has_nothing(node: &Node, answer: &Answer) {
    if recorded(node).active.contains_key(POD) {
        answer.fail("no address in use by a pod that is deleted");
    }
}

/// A call that has failed says so to whoever listens, unless it was this that failed.
pub(crate) fn has_said(verb: Verb, failed: &str, answer: &Answer) {
    match verb {
        Verb::FailingAdd if failed.starts_with("write(1,") => {}
        Verb::Add | Verb::FailingAdd | Verb::Del | Verb::Gc => drop(answer.any_error()),
        Verb::Command if answer.stdout().is_empty() && answer.stderr().is_empty() => answer.fail("a reason"),
        Verb::Command | Verb::UnreadAdd => {}
    }
}

fn recorded(node: &Node) -> Recorded {
    Recorded::read(&Moment::of(node).tree).expect("a store that can be read")
}
