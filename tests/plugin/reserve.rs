//! The reserve: a DEL keeps the address on the ENI, a later ADD takes it, and both cost no request.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use harness::simulator::AddressPolicy;
use harness::{Node, World, all_ok, at_once};

use crate::start_together::{ASSIGN, UNASSIGN, names};
use crate::{node, node_in};

/// How long an address rests in these tests.
const REST: Duration = Duration::from_secs(1);

/// A node with a reserve of ten addresses that rest for [`REST`].
fn node_with_reserve() -> Node {
    node().with("reserve", 10).with("reuseDelaySeconds", REST.as_secs())
}

/// The addresses in the reserve.
fn entries(node: &Node) -> BTreeSet<IpAddr> {
    let names = fs::read_dir(node.store().join("reserved").join(Node::ENI)).into_iter().flatten().flatten();
    names.filter_map(|name| name.file_name().to_str()?.parse().ok()).collect()
}

/// Expects that what the ENI has is recorded, and that nothing waits to be released.
#[track_caller]
fn expect_nothing_left_over(node: &Node) {
    assert_eq!(node.recorded(), node.on_eni(), "{}", node.scene());
    let [assigning, _, releasing, quarantined] = node.counts();
    assert_eq!([assigning, releasing, quarantined], [0; 3], "{}", node.scene());
    assert_eq!(node.cloud.overlaps(), 0, "{}", node.scene());
}

/// A clock that passes by itself, and faster when the node's time is moved on.
struct Time<'a> {
    node: &'a Node,
    began: Instant,
    skipped: Duration,
}

impl<'a> Time<'a> {
    fn of(node: &'a Node) -> Self {
        Self { node, began: Instant::now(), skipped: Duration::ZERO }
    }

    fn now(&self) -> Duration {
        self.began.elapsed() + self.skipped
    }

    fn pass(&mut self, time: Duration) {
        if !time.is_zero() {
            self.node.let_time_pass(time);
            self.skipped += time;
        }
    }
}

/// Pods that come and go one after the other, one every so often. None is given an address from the reserve that was another pod's
/// less than [`REST`] ago. How many were given one from the reserve.
fn come_and_go(node: &Node, pods: usize, every: Duration) -> usize {
    let mut time = Time::of(node);
    // When the DEL of the last pod that had it began, and how many requests there had been.
    let mut freed: BTreeMap<IpAddr, (Duration, usize)> = BTreeMap::new();
    let mut reused = 0;
    for pod in names("c", pods) {
        let began = time.now();
        let address = node.add(&pod).address();
        let given = time.now();
        let ledger = node.cloud.ledger();
        if let Some((freed, before)) = freed.get(&address) {
            // ECS may hand out again what it was given back.
            let from_ecs = ledger[*before..]
                .iter()
                .any(|entry| entry.action == ASSIGN[0] && entry.addresses.contains(&address));
            if !from_ecs {
                let rested = given.saturating_sub(*freed);
                assert!(rested >= REST, "{address} after {rested:?}\n{}", node.scene());
                reused += 1;
            }
        }
        freed.insert(address, (time.now(), ledger.len()));
        node.del(&pod).ok();
        let rest_of_interval = (began + every).saturating_sub(time.now());
        time.pass(rest_of_interval);
    }
    reused
}

#[test]
fn pods_that_come_and_go_with_time_between_them_cost_few_requests() {
    let node = node_with_reserve();
    let reused = come_and_go(&node, 100, Duration::from_millis(300));
    assert!(reused >= 80, "{reused} of 100 got an address from the reserve\n{}", node.scene());
    let requests = node.cloud.ledger().len();
    assert!(requests <= 25, "{requests} requests\n{}", node.scene());
    assert_eq!(entries(&node).len(), 10, "{}", node.scene());
    expect_nothing_left_over(&node);
}

#[test]
fn pods_that_come_and_go_faster_than_addresses_can_rest_get_rested_ones_or_new_ones() {
    let node = node_with_reserve();
    come_and_go(&node, 100, Duration::ZERO);
    assert!(entries(&node).len() <= 10, "{}", node.scene());
    expect_nothing_left_over(&node);
}

#[test]
fn without_a_reserve_each_del_unassigns() {
    let node = node();
    come_and_go(&node, 100, Duration::ZERO);
    assert_eq!([ASSIGN, UNASSIGN].map(|[action, _]| node.cloud.count(action)), [100, 100]);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    assert_eq!(node.reserved(), 0);
}

#[test]
fn pods_that_are_restarted_together_all_run_on_a_small_eni_with_a_large_reserve() {
    for policy in [AddressPolicy::LowestFree, AddressPolicy::RoundRobin] {
        // The primary address counts.
        let node = node_in(World::single_node().with_quota(6, 6).with_policy(policy))
            .with("reserve", 10)
            .with("timeoutSeconds", 60);
        let [before, after] = ["old", "new"].map(|prefix| names(prefix, 5));
        let there = at_once(before.iter().map(|pod| node.call("ADD", pod)));
        node.expect_in_use(there.iter().map(|timed| timed.answer.address()));
        // First the old pods go, which is what most runtimes do; then they go while the new ones come.
        all_ok(&at_once(before.iter().map(|pod| node.call("DEL", pod))));
        let there = at_once(after.iter().map(|pod| node.call("ADD", pod)));
        let addresses: BTreeSet<_> = there.iter().map(|timed| timed.answer.address()).collect();
        assert_eq!((addresses.len(), node.on_eni()), (5, addresses.clone()), "{}", node.scene());
        node.expect_in_use(addresses);

        let calls = after
            .iter()
            .map(|pod| node.call("DEL", pod))
            .chain(before.iter().map(|pod| node.call("ADD", pod)));
        let answers = at_once(calls);
        all_ok(&answers[..5]);
        for (pod, timed) in before.iter().zip(&answers[5..]) {
            // An ADD that came before any DEL found no room, and the runtime tries again.
            if timed.answer.status() != 0 {
                let _ = timed.answer.error(112);
                let _ = node.add(pod).address();
            }
        }
        assert_eq!(node.counts()[1], 5, "{}", node.scene());
        expect_nothing_left_over(&node);
    }
}

/// Ends pods one after the other.
fn delete_each(node: &Node, pods: &[String]) {
    for pod in pods {
        node.del(pod).ok();
    }
}

/// Ten addresses that were pods' rest in the reserve, and nothing else is there. Its first ADD fills the reserve with addresses
/// that were nobody's: other pods take them.
fn let_ten_addresses_rest(node: &Node) -> BTreeSet<IpAddr> {
    let pods = names("resting", 11);
    let addresses: Vec<_> = pods.iter().map(|pod| node.add(pod).address()).collect();
    assert_eq!(entries(node), BTreeSet::new(), "{}", node.scene());
    delete_each(node, &pods);
    let resting: BTreeSet<_> = addresses[..10].iter().copied().collect();
    assert_eq!((entries(node), node.on_eni()), (resting.clone(), resting.clone()), "{}", node.scene());
    resting
}

#[test]
fn networks_on_one_eni_leave_each_others_reserve_alone() {
    // Addresses rest for so long that nobody takes one here.
    let mut node = node().with("reserve", 10);
    let resting = let_ten_addresses_rest(&node);
    node.network = "other".into();
    node.set("reserve", 0);
    node.cloud.clear_ledger();
    for pod in names("c", 3) {
        let address = node.add(&pod).address();
        assert!(!resting.contains(&address), "{}", node.scene());
        node.del(&pod).ok();
        assert!(!node.on_eni().contains(&address), "{}", node.scene());
    }
    assert_eq!([ASSIGN, UNASSIGN].map(|[action, _]| node.cloud.count(action)), [3, 3]);
    assert_eq!(entries(&node), resting, "{}", node.scene());

    // A third network has room for ten addresses of its own.
    node.network = "third".into();
    node.set("reserve", 10);
    let pods = names("third", 11);
    for pod in &pods {
        let _ = node.add(pod).address();
    }
    delete_each(&node, &pods);
    assert!(entries(&node).is_superset(&resting), "{}", node.scene());
    assert_eq!(entries(&node).len(), 20, "{}", node.scene());
    expect_nothing_left_over(&node);
}

#[test]
fn what_a_network_has_in_the_reserve_any_network_may_take() {
    let mut node = node().with("reserve", 10).with("reuseDelaySeconds", 0);
    let resting = let_ten_addresses_rest(&node);
    node.network = "other".into();
    node.set("reserve", 0);
    node.cloud.clear_ledger();
    let address = node.add("c").address();
    assert!(resting.contains(&address), "{}", node.scene());
    assert_eq!(node.cloud.ledger(), [], "it costs no request");
    node.del("c").ok();
    assert_eq!(entries(&node), &resting - &BTreeSet::from([address]), "{}", node.scene());
    expect_nothing_left_over(&node);
}

#[test]
fn room_is_made_in_each_family_for_a_pod_that_wants_both() {
    // Room for one pod: the primary address counts.
    let mut node = node_in(World::single_node().with_quota(2, 1)).with("reserve", 1);
    node.set("ipv6", true);
    let before: BTreeSet<_> = node.add("old").addresses().into_iter().collect();
    node.del("old").ok();
    assert_eq!((node.reserved(), before.len()), (2, 2), "{}", node.scene());
    let after: BTreeSet<_> = node.add("new").addresses().into_iter().collect();
    assert_eq!((after.len(), node.on_eni()), (2, after.clone()), "{}", node.scene());
    node.expect_in_use(after);
}
