//! The shared release: who asks ECS, how often, and what is remembered of a failure.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use harness::simulator::Entry;
use harness::{Effect, Fault, Node};

use crate::node;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Names for `count` containers.
fn containers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("c{number}")).collect()
}

/// A node on which each of `containers` has an address.
fn with_pods(node: Node, containers: &[String]) -> Node {
    // The time of the calls that are looked at is short.
    let patient = |config: &mut serde_json::Value| config["ipam"]["timeoutSeconds"] = 30.into();
    for container in containers {
        let _ = node.call("ADD", container).config(patient).run().address();
    }
    node.cloud.clear_ledger();
    node
}

fn unassigns(node: &Node) -> Vec<Entry> {
    node.cloud.ledger().into_iter().filter(|entry| entry.action == UNASSIGN).collect()
}

/// Starts a DEL of each and waits for all.
fn delete_at_once(node: &Node, containers: &[String]) {
    let running: Vec<_> = containers.iter().map(|container| node.call("DEL", container).start()).collect();
    for call in running {
        call.wait().ok();
    }
}

#[test]
fn thirty_dels_at_once_share_a_few_calls_that_never_overlap() {
    let containers = containers(30);
    let node = with_pods(node().with("timeoutSeconds", 30), &containers);
    node.cloud.set_latency(Duration::from_millis(200));
    delete_at_once(&node, &containers);
    assert!(node.on_eni().is_empty(), "{}", node.scene());
    assert_eq!(node.counts(), [0; 4]);
    assert!(unassigns(&node).len() <= 5, "{}", node.scene());
    assert_eq!(node.cloud.overlaps(), 0);
    assert!(unassigns(&node).iter().all(|entry| entry.addresses.len() <= 32));
}

#[test]
fn an_outage_defers_the_release_and_a_later_call_makes_up_for_it() {
    let node = with_pods(node().with("timeoutSeconds", 5), &containers(2));
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.del("c0").ok();
    assert_eq!(node.counts(), [0, 1, 1, 0]);
    let asked = unassigns(&node).len();
    assert!(asked >= 2, "it is tried again within the deadline: {}", node.scene());

    // The next pod's deletion does not wait for what has just failed.
    node.del("c1").ok();
    assert_eq!(unassigns(&node).len(), asked);
    let records = node.records();
    assert!(
        records
            .iter()
            .any(|it| it.0["lastError"].as_str().is_some_and(|why| why.contains("ServiceUnavailable")))
    );

    node.cloud.clear_faults();
    let flushed = node.operator(&["flush", "--json"]);
    assert_eq!(flushed.result()["left"], 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn with_fail_a_del_fails_until_ecs_has_confirmed_and_the_second_one_is_no_exception() {
    let node = with_pods(node().with("timeoutSeconds", 1).with("onReleaseFailure", "fail"), &containers(1));
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    for _ in 0..2 {
        let text = node.del("c0").error(11);
        assert!(text.contains(Node::ENI) && text.contains("ServiceUnavailable"), "{text}");
    }
    assert_eq!(node.counts(), [0, 0, 1, 0]);
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    node.del("c0").ok();
}

#[test]
fn a_release_whose_answer_was_lost_is_found_to_have_happened() {
    for effect in [Effect::DropAfter, Effect::Html502AfterActing] {
        let node = with_pods(node(), &containers(1));
        node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(effect));
        node.del("c0").ok();
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    }
}

#[test]
fn a_release_whose_request_was_lost_is_asked_for_again() {
    let node = with_pods(node(), &containers(1));
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::DropBefore));
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn what_was_assigned_a_moment_ago_is_not_taken_for_released_because_descriptions_lag() {
    let node = with_pods(node(), &containers(0));
    node.cloud.let_descriptions_lag(Node::ENI);
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    crate::eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
    // The ADD had waited for long before it got so far.
    let intent = fs::read_dir(node.store().join("assigning")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&intent).unwrap();
    let (before, since) = text.split_once("\"since\":\"").unwrap();
    let old =
        format!("{before}\"since\":\"2026-01-01T00:00:00.000Z{}", &since["2026-01-01T00:00:00.000Z".len()..]);
    fs::write(&intent, old).unwrap();
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::DropBefore));
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn an_address_that_is_off_already_does_not_keep_the_others_of_its_batch() {
    let containers = containers(4);
    let node = with_pods(node().with("timeoutSeconds", 1), &containers);
    let gone = *node.on_eni().first().unwrap();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    for container in &containers {
        node.del(container).ok();
    }
    node.cloud.clear_faults();
    node.cloud.unassign(Node::ENI, gone);
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn an_address_that_ecs_refuses_does_not_keep_the_others_of_its_batch() {
    let containers = containers(4);
    let node = with_pods(node().with("timeoutSeconds", 1), &containers);
    let refused = *node.on_eni().first().unwrap();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    for container in &containers {
        node.del(container).ok();
    }
    node.cloud.clear_faults();
    node.cloud
        .inject(Fault::on(UNASSIGN).address(refused).effect(Effect::code("InvalidVSwitchId.IpInvalid")));
    let flushed = node.operator(&["flush"]);
    assert_eq!(flushed.status(), 1);
    assert_eq!(node.on_eni(), BTreeSet::from([refused]));
    assert_eq!(node.counts(), [0, 0, 1, 0]);
    assert!(node.records()[0].0["lastError"].as_str().unwrap().contains("IpInvalid"));
}

#[test]
fn an_eni_that_is_gone_has_no_addresses_to_release() {
    let containers = containers(2);
    let node = with_pods(node(), &containers);
    node.cloud.with_world(|world| world.enis.remove(Node::ENI));
    node.del("c0").ok();
    node.del("c1").ok();
    assert!(node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_leader_that_is_killed_with_its_request_on_the_way_leaves_nothing_behind() {
    let node = with_pods(node(), &containers(1));
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::Stall));
    let leader = node.call("DEL", "c0").start();
    crate::eventually("the request is under way", || !unassigns(&node).is_empty());
    leader.kill();
    assert_eq!(node.counts(), [0, 0, 1, 0]);
    // Its successor asks what has become of it before it asks again.
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    let actions: Vec<_> = node.cloud.ledger().into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [UNASSIGN, "DescribeNetworkInterfaces", UNASSIGN]);
}

#[test]
fn a_late_release_does_not_take_the_address_from_a_pod_that_got_it_meanwhile() {
    use harness::simulator::AddressPolicy;
    let node = with_pods(
        crate::node_in(harness::World::single_node().with_policy(AddressPolicy::LowestFree))
            .with("timeoutSeconds", 5),
        &containers(1),
    );
    // The first request seems lost, but is carried out after the second one has been.
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::Late(Duration::from_secs(3))));
    node.del("c0").ok();
    assert!(node.on_eni().is_empty(), "{}", node.scene());
    // The cloud hands the same address out again at once.
    let address = node.add("c1").address();
    crate::eventually("the late request is carried out", || {
        unassigns(&node).iter().filter(|entry| entry.ended_ms.is_some()).count() >= 2
            && node
                .cloud
                .ledger()
                .iter()
                .any(|entry| entry.action == UNASSIGN && entry.executed && !entry.answered)
    });
    assert!(node.on_eni().contains(&address), "{}", node.scene());
    assert!(unassigns(&node).iter().all(|entry| !entry.addresses.contains(&address)), "{}", node.scene());
}

#[test]
fn addresses_of_both_families_are_released_one_family_a_request() {
    let node = node().with("ipv6", true);
    let addresses = node.add("c0").addresses();
    assert_eq!(addresses.len(), 2);
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6());
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty());
    assert_eq!((node.cloud.count(UNASSIGN), node.cloud.count("UnassignIpv6Addresses")), (1, 1));
}

#[test]
fn a_hundred_dels_at_once_ask_the_metadata_service_for_a_key_once() {
    let containers = containers(100);
    let credentials = serde_json::json!({"source": "ecs-ram-role"});
    let node = with_pods(node().with("credentials", credentials).with("timeoutSeconds", 60), &containers);
    // What an earlier call has kept is not to help.
    std::fs::remove_dir_all(node.store().join("cache")).unwrap();
    let keys = |node: &Node| {
        let asked = node.cloud.metadata_requests().into_iter();
        asked.filter(|(_, path, _)| path.contains("ram/security-credentials/Node")).count()
    };
    let before = keys(&node);
    delete_at_once(&node, &containers);
    assert!(node.on_eni().is_empty() && node.records().is_empty());
    println!("{} requests for a key", keys(&node) - before);
    assert!(keys(&node) - before <= 2, "{} requests for a key", keys(&node) - before);
}
