//! What may come after a call that was interrupted. None of it may lose an address or take a live pod's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use harness::{Answer, Node};
use serde_json::json;

use crate::checks::{Recorded, guarded, on_enis};
use crate::course::NEXT;
use crate::moment::Moment;
use crate::scenario::{ADOPTED, GHOST, NEIGHBOUR, ORPHAN, POD};

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
    // On an ENI that the pod's own address has filled, too.
    node.cloud.with_world(|world| world.quota.ipv4 = world.quota.ipv4.max(20));
    let _ = guarded(node, &[], || node.add(NEXT)).address();
    guarded(node, &[POD], || node.del(POD)).ok();
    let _ = guarded(node, &[], || node.operator(&["flush"]));
    guarded(node, &[NEXT], || node.del(NEXT)).ok();
    end(node);
}

/// No call and what comes after it makes more requests than this.
const MOST_REQUESTS: usize = 60;

/// With the pod and all others gone and a `flush` nothing is left but the neighbour's addresses and what the reserve is to keep,
/// and without a reserve not even that. What is in doubt waits until no old request can take effect any more, of which the files are
/// made to say that it is so.
pub(crate) fn end(node: &Node) {
    let recorded = Recorded::read(&Moment::of(node).tree).expect("a store that can be read");
    // A stale record before that of the pod which has its address by now.
    let pods = recorded.active.keys().rev().chain(&recorded.unfinished);
    for pod in pods.filter(|pod| ![POD, NEIGHBOUR].contains(&pod.as_str())) {
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
    if on_enis(node).contains(&ORPHAN) {
        let _ = guarded(node, &[], || node.operator(&["reconcile", "--release-orphans", "--yes"]));
    }
    let recorded = at_rest(node);
    keeps_no_more_than_its_reserve(node, &recorded);
    if recorded.entries().next().is_some() {
        let flushed = guarded(node, &[], || flush_without_reserve(node));
        if flushed.status() != 0 || at_rest(node).entries().next().is_some() {
            flushed.fail("nothing left in the reserve");
        }
    }
    let requests = node.cloud.ledger().len();
    assert!(requests <= MOST_REQUESTS, "{requests} requests\n{}", node.scene());
}

/// What is recorded when nothing is under way: the ENIs have just that.
fn at_rest(node: &Node) -> Recorded {
    let recorded = Recorded::read(&Moment::of(node).tree).expect("a store that can be read");
    let scene = || node.scene();
    let mut pods = recorded.active.keys().chain(&recorded.unfinished);
    assert!(pods.all(|pod| pod == NEIGHBOUR), "{}", scene());
    assert!(recorded.open.is_empty(), "{:?} is left\n{}", recorded.open, scene());
    let named: BTreeSet<IpAddr> =
        recorded.active.values().flatten().copied().chain(recorded.entries()).collect();
    // Only an ADD notices that a person has taken it off.
    let on_enis = on_enis(node);
    let named = named.into_iter().filter(|it| *it != GHOST || on_enis.contains(it)).collect();
    assert_eq!(on_enis, named, "{}", scene());
    recorded
}

/// On each ENI, of each family; and nothing of a network that nobody configures.
fn keeps_no_more_than_its_reserve(node: &Node, recorded: &Recorded) {
    let most = node.ipam.get("reserve").and_then(serde_json::Value::as_u64).unwrap_or_default();
    let mut kept = BTreeMap::<_, u64>::new();
    for (eni, address, network) in recorded.on_offer() {
        *kept.entry((eni, address.is_ipv6(), network)).or_default() += 1;
    }
    let is_too_much =
        |((_, _, network), count): (&(&str, bool, &str), &u64)| *network != node.network || *count > most;
    assert!(!kept.iter().any(is_too_much), "{kept:?} is kept, {most} may be\n{}", node.scene());
}

/// `flush` when the reserve has been given up.
pub(crate) fn flush_without_reserve(node: &Node) -> Answer {
    let mut config = node.conflist();
    config["plugins"][0]["ipam"]["reserve"] = json!(0);
    let path = node.directory().join("without-reserve.conflist");
    fs::write(&path, config.to_string()).expect("the configuration can be written");
    node.operator_with(&path, &["flush"])
}
