//! Pods that start together, and pods that end together: they share requests, and each gets an address of its own.
//!
//! What is counted here does not depend on how fast the machine is: the first request is held back until all calls are known to
//! wait. `cargo bench -- together` measures what it costs when nobody holds anything back.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use harness::simulator::Entry;
use harness::{Node, Timed, World, all_ok, at_once, at_once_while};

use crate::{eventually, node_in};

pub(crate) const ASSIGN: [&str; 2] = ["AssignPrivateIpAddresses", "AssignIpv6Addresses"];
pub(crate) const UNASSIGN: [&str; 2] = ["UnassignPrivateIpAddresses", "UnassignIpv6Addresses"];

/// So many pods of a node start or end together.
pub(crate) const PODS: usize = 110;

/// One row: how many addresses ECS takes in one request, in how many families, and how many requests of each action are enough
/// then. Where it takes fewer than the plugin begins with, one request is spent to learn it.
const ENOUGH: [(usize, usize, usize); 4] = [(32, 1, 6), (32, 2, 6), (10, 1, 14), (10, 2, 14)];

/// How long a request takes.
const LATENCIES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];

/// A node whose ECS takes so many addresses in one request, with time enough for any machine.
fn node_with_limit(limit: usize, families: usize) -> Node {
    let node = node_in(World::single_node()).with("timeoutSeconds", 300).with("ipv6", families == 2);
    limit_requests(&node, limit);
    warm_up(&node);
    node
}

/// Has the node find out about its ENI: what a hundred calls ask metadata for at once, a slow machine does not answer in time.
fn warm_up(node: &Node) {
    let _ = node.add("warm").address();
    node.del("warm").ok();
    assert_eq!((node.reserved(), node.on_eni().len()), (0, 0), "{}", node.scene());
    node.cloud.clear_ledger();
}

/// From now on ECS takes no more addresses than this in one request.
pub(crate) fn limit_requests(node: &Node, limit: usize) {
    node.cloud.with_world(|world| world.set_most_per_request(Some(limit)));
}

pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

/// The addresses of pods that are all there at once.
fn addresses_of(answers: &[Timed]) -> Vec<IpAddr> {
    answers.iter().flat_map(|timed| timed.answer.addresses()).collect()
}

/// Starts pods together. The first request is held back until all others wait for it.
pub(crate) fn add_together(node: &Node, pods: &[String]) -> Vec<Timed> {
    node.cloud.hold(ASSIGN[0]);
    at_once_while(pods.iter().map(|pod| node.call("ADD", pod)), || {
        eventually("all of them wait, and one has asked", || {
            node.cloud.count(ASSIGN[0]) == 1 && node.waiting_adds() == pods.len()
        });
        node.cloud.let_go();
    })
}

/// Ends pods together. The first request is held back until all others wait for it.
pub(crate) fn delete_together(node: &Node, pods: &[String]) {
    node.cloud.hold(UNASSIGN[0]);
    let answers = at_once_while(pods.iter().map(|pod| node.call("DEL", pod)), || {
        eventually("all of them are recorded, and one has asked", || {
            node.cloud.count(UNASSIGN[0]) == 1 && node.pending_releases() == pods.len()
        });
        node.cloud.let_go();
    });
    all_ok(&answers);
}

/// Expects that each answer has an address of its own of each family, and that these are all there are, in use.
#[track_caller]
fn expect_one_each(node: &Node, answers: &[Timed], families: usize) {
    assert!(answers.iter().all(|timed| timed.answer.addresses().len() == families), "{}", node.scene());
    let addresses = addresses_of(answers);
    let distinct: BTreeSet<_> = addresses.iter().collect();
    assert_eq!(distinct.len(), addresses.len(), "{}", node.scene());
    node.expect_in_use(addresses);
    assert_eq!(node.reserved(), 0, "{}", node.scene());
}

/// Expects no more than this many requests of an action in each family.
#[track_caller]
fn expect_at_most(node: &Node, actions: [&str; 2], families: usize, most: usize) {
    let counts = actions.map(|action| node.cloud.count(action));
    assert!(
        counts[..families].iter().all(|count| (1..=most).contains(count)),
        "{counts:?}\n{}",
        node.scene()
    );
    assert!(counts[families..].iter().all(|count| *count == 0), "{counts:?}");
}

#[test]
fn pods_that_start_together_share_requests_where_ecs_takes_many_addresses_in_one() {
    for latency in LATENCIES {
        let node = node_with_limit(32, 1);
        node.cloud.set_latency(latency);
        let answers = add_together(&node, &names("c", PODS));
        expect_at_most(&node, ASSIGN, 1, 6);
        expect_one_each(&node, &answers, 1);
    }
}

#[test]
fn pods_that_start_together_share_requests_of_each_family() {
    let node = node_with_limit(32, 2);
    node.cloud.set_latency(LATENCIES[1]);
    let answers = add_together(&node, &names("c", PODS));
    expect_at_most(&node, ASSIGN, 2, 6);
    expect_one_each(&node, &answers, 2);
}

#[test]
fn pods_that_start_together_share_requests_where_ecs_has_to_be_learned_to_take_ten() {
    for families in [1, 2] {
        let node = node_with_limit(10, families);
        node.cloud.set_latency(LATENCIES[0]);
        let answers = add_together(&node, &names("c", PODS));
        expect_at_most(&node, ASSIGN, families, 14);
        expect_one_each(&node, &answers, families);
    }
}

#[test]
fn pods_that_end_together_share_requests_whatever_ecs_takes_in_one() {
    for (limit, families, enough) in ENOUGH {
        let node = node_with_limit(50, families);
        let pods = names("c", PODS);
        let answers = at_once(pods.iter().map(|pod| node.call("ADD", pod)));
        expect_one_each(&node, &answers, families);
        limit_requests(&node, limit);
        node.cloud.set_latency(LATENCIES[0]);
        node.cloud.clear_ledger();
        delete_together(&node, &pods);
        expect_at_most(&node, UNASSIGN, families, enough);
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
        assert_eq!((node.cloud.overlaps(), node.reserved()), (0, 0), "{}", node.scene());
    }
}

#[test]
fn where_each_request_is_for_one_address_there_is_a_request_for_each_pod() {
    let node = node_with_limit(32, 1).with("maxAddressesPerCall", 1);
    let pods = names("c", 12);
    let answers = add_together(&node, &pods);
    assert_eq!(node.cloud.count(ASSIGN[0]), pods.len(), "{}", node.scene());
    expect_one_each(&node, &answers, 1);
    delete_together(&node, &pods);
    assert_eq!(node.cloud.count(UNASSIGN[0]), pods.len(), "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn pods_that_start_and_pods_that_end_at_the_same_time_starve_nobody() {
    const EACH: usize = 50;
    // Small requests, so that there are many of both kinds.
    let node = node_with_limit(32, 1).with("maxAddressesPerCall", 2);
    let (old, new) = (names("old", EACH), names("new", EACH));
    let there = at_once(old.iter().map(|pod| node.call("ADD", pod)));
    expect_one_each(&node, &there, 1);
    node.cloud.clear_ledger();
    node.cloud.hold(ASSIGN[0]);
    node.cloud.hold(UNASSIGN[0]);
    // A few of each kind at a time, because who comes first is served first: by chance all of one kind may come before the others.
    let (mut dels, mut adds) = (Vec::new(), Vec::new());
    for (old, new) in old.chunks(EACH / 5).zip(new.chunks(EACH / 5)) {
        dels.extend(old.iter().map(|pod| node.call("DEL", pod).start()));
        adds.extend(new.iter().map(|pod| node.call("ADD", pod).start()));
        eventually("all of them wait", || {
            let are_recorded = node.pending_releases() == dels.len() && node.waiting_adds() == adds.len();
            let are_in_line = node.in_line().len() == dels.len() + adds.len() - 1;
            node.cloud.ledger().len() == 1 && are_recorded && are_in_line
        });
    }
    node.cloud.let_go();
    let added: Vec<_> = adds.into_iter().flat_map(|add| add.wait().addresses()).collect();
    for del in dels {
        del.wait().ok();
    }
    assert_eq!(added.iter().collect::<BTreeSet<_>>().len(), EACH, "{}", node.scene());
    assert_eq!(node.on_eni(), added.iter().copied().collect(), "{}", node.scene());
    assert_eq!((node.counts(), node.reserved(), node.cloud.overlaps()), ([0, EACH, 0, 0], 0, 0));

    // No more requests than each kind needs by itself, and neither kind waits for the end of the other.
    let sent: Vec<_> = node.cloud.ledger().into_iter().map(|entry: Entry| entry.action).collect();
    let of = |kind: &str| sent.iter().filter(|action| *action == kind).count();
    assert!(of(ASSIGN[0]) <= EACH / 2 + 1 && of(UNASSIGN[0]) <= EACH / 2 + 1, "{sent:?}");
    for (kind, other) in [(ASSIGN[0], UNASSIGN[0]), (UNASSIGN[0], ASSIGN[0])] {
        let last = sent.iter().rposition(|action| action == kind).unwrap();
        let meanwhile = sent[..last].iter().filter(|action| *action == other).count();
        assert!(meanwhile >= 3, "{meanwhile} of {other} until the last {kind}: {sent:?}");
    }
}
