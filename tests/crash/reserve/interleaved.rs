//! Calls that meet in the middle: an ADD that takes from the reserve is stopped at a certain moment, and others do their work.

use std::collections::BTreeSet;
use std::path::Path;

use harness::{Answer, Need, Node};

use crate::aftermath;
use crate::checks::{Recorded, guarded};
use crate::course::{is_marked, wait_until};
use crate::moment::Moment;
use crate::scenario::{POD, Scenario, Verb, full_reserve};
use crate::short_writes::run;
use crate::tracer::{self, Tracing, trace_of};

harness::tests! {
    needs [Need::Strace]:
        an_add_that_comes_too_late_to_remove_its_entry_leaves_that_of_the_del,
        an_entry_that_another_add_has_taken_meanwhile_is_not_taken_twice,
        an_entry_that_is_given_back_meanwhile_is_not_taken,
        an_add_that_a_del_has_overtaken_takes_nothing;
}

/// The moments of an ADD that takes from the reserve, by how many calls to `fsync` it has made: of its intent and of that one's
/// name, of its record, and of the two names of that.
const HAS_CHOSEN: usize = 3;
const IS_DURABLE: usize = 5;

/// Stops the pod's ADD at this moment, lets others do their work, and lets it go on.
fn stopped(reserve: usize, moment: usize, meanwhile: impl FnOnce(&Node)) -> (Node, Answer) {
    let mut node = Scenario::new("ADD that is stopped", Verb::Add, full_reserve).node();
    node.set("reserve", reserve);
    let trace = trace_of(&node);
    let answer = guarded(&node, &[POD], || {
        let add = Tracing::stop("fsync", moment).apply(node.call("ADD", POD), &trace).start();
        wait_until("the ADD has stopped", || has_stopped(&trace));
        meanwhile(&node);
        run("kill", &["-CONT", &tracer::process(&trace)]);
        add.wait()
    });
    (node, answer)
}

fn has_stopped(trace: &Path) -> bool {
    trace.exists() && tracer::has_stopped(trace)
}

/// The addresses that pods have.
fn in_use(node: &Node) -> Vec<std::net::IpAddr> {
    Recorded::read(&Moment::of(node).tree)
        .expect("a store that can be read")
        .active
        .into_values()
        .flatten()
        .collect()
}

fn an_add_that_comes_too_late_to_remove_its_entry_leaves_that_of_the_del() {
    let (node, _) = stopped(3, IS_DURABLE, |node| {
        let entries = in_reserve(node);
        node.del(POD).ok();
        assert_eq!(in_reserve(node), entries, "it has kept the address\n{}", node.scene());
    });
    aftermath::the_runtime_deletes_the_pod(&node);
}

fn an_entry_that_another_add_has_taken_meanwhile_is_not_taken_twice() {
    let (node, answer) = stopped(2, HAS_CHOSEN, |node| {
        // They take all that there is.
        for pod in ["first", "second"] {
            let _ = node.add(pod).address();
        }
    });
    let _ = answer.address();
    let in_use = in_use(&node);
    assert_eq!(in_use.len(), 4, "{}", node.scene());
    assert_eq!(in_use.iter().collect::<BTreeSet<_>>().len(), 4, "{}", node.scene());
    aftermath::the_runtime_deletes_the_pod(&node);
}

fn an_entry_that_is_given_back_meanwhile_is_not_taken() {
    let (node, answer) = stopped(2, HAS_CHOSEN, |node| {
        let _ = aftermath::flush_without_reserve(node);
    });
    let _ = answer.address();
    aftermath::the_runtime_deletes_the_pod(&node);
}

fn an_add_that_a_del_has_overtaken_takes_nothing() {
    let (node, answer) = stopped(2, HAS_CHOSEN, |node| {
        node.del(POD).ok();
        assert!(is_marked(node), "{}", node.scene());
    });
    let _ = answer.any_error();
    assert_eq!(in_use(&node).len(), 1, "{}", node.scene());
    aftermath::the_runtime_deletes_the_pod(&node);
}

/// How many entries there are, whether they count or not.
fn in_reserve(node: &Node) -> usize {
    Recorded::read(&Moment::of(node).tree).expect("a store that can be read").entries().count()
}
