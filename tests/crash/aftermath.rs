//! What may come after a call that was interrupted. None of it may lose an address or take a live pod's.

use std::time::Duration;

use harness::Node;

use crate::checks::{Recorded, guarded};
use crate::course::NEXT;
use crate::moment::Moment;
use crate::scenario::{ADOPTED, NEIGHBOUR, ORPHAN, POD};

/// Longer than anything is in doubt or held back.
pub(crate) const IN_DOUBT: Duration = Duration::from_mins(6);

/// Every way of going on from the present moment.
pub(crate) fn all(node: &Node) {
    let moment = Moment::of(node);
    assert_eq!(node.counts()[3], 0, "every record can be read\n{}", node.scene());
    for go_on in [the_runtime_deletes_the_pod, an_operator_flushes, another_pod_comes] {
        moment.restore(node);
        go_on(node);
    }
}

/// What a runtime does after an ADD or a DEL that failed or vanished.
pub(crate) fn the_runtime_deletes_the_pod(node: &Node) {
    guarded(node, &[POD], || node.del(POD)).ok();
    end(node);
}

fn an_operator_flushes(node: &Node) {
    // What is in use stays, and all else is released.
    let _ = guarded(node, &[], || node.operator(&["flush"]));
    the_runtime_deletes_the_pod(node);
}

/// The next pod may be given an address that was being released.
fn another_pod_comes(node: &Node) {
    let _ = guarded(node, &[], || node.add(NEXT)).address();
    guarded(node, &[POD], || node.del(POD)).ok();
    let _ = guarded(node, &[], || node.operator(&["flush"]));
    guarded(node, &[NEXT], || node.del(NEXT)).ok();
    end(node);
}

/// With the pod and all others gone and a `flush` nothing is left but the neighbour's addresses. What is in doubt waits until
/// no old request can take effect any more, of which the files are made to say that it is so.
pub(crate) fn end(node: &Node) {
    let recorded = Recorded::read(&Moment::of(node).tree).expect("a store that can be read");
    // A stale record before that of the pod which has its address by now.
    for pod in recorded.active.keys().rev().filter(|pod| ![POD, NEIGHBOUR].contains(&pod.as_str())) {
        guarded(node, &[pod], || node.del(pod)).ok();
    }
    if guarded(node, &[], || node.operator(&["flush"])).status() != 0 {
        node.let_time_pass(IN_DOUBT);
        let flushed = guarded(node, &[], || node.operator(&["flush"]));
        if flushed.status() != 0 {
            flushed.fail("nothing left over");
        }
    }
    // Its DEL has come, whether it had a record or not.
    node.forget_pod(ADOPTED);
    if node.on_eni().contains(&ORPHAN) {
        let _ = guarded(node, &[], || node.operator(&["reconcile", "--release-orphans", "--yes"]));
    }
    let moment = Moment::of(node);
    let recorded = Recorded::read(&moment.tree).expect("a store that can be read");
    let scene = || node.scene();
    assert!(recorded.active.keys().all(|pod| pod == NEIGHBOUR), "{}", scene());
    assert!(recorded.open.is_empty(), "{:?} is left\n{}", recorded.open, scene());
    let in_use = recorded.active.into_values().flatten().collect();
    assert_eq!(node.on_eni(), in_use, "{}", scene());
}
