//! How many addresses one request covers, and what is remembered of an ENI where ECS takes fewer.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use harness::simulator::{AddressPolicy, Entry};
use harness::{Effect, Fault, Node, World, eventually};
use serde_json::{Value, json};

use crate::{node, node_in};

const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const UNASSIGN6: &str = "UnassignIpv6Addresses";

/// A world that refuses requests about more addresses.
fn taking(most: Option<usize>) -> World {
    World::single_node().with_most_per_request(most)
}

fn patient(config: &mut Value) {
    config["ipam"]["timeoutSeconds"] = 60.into();
}

fn impatient(config: &mut Value) {
    config["ipam"]["timeoutSeconds"] = 1.into();
}

/// Gives an address to each of `count` pods.
fn add(node: &Node, count: usize) -> Vec<IpAddr> {
    let added = (0..count).map(|number| node.call("ADD", &format!("c{number}")).config(patient).run());
    added.flat_map(|answer| answer.addresses()).collect()
}

/// Deletes `count` pods that have just got addresses, while ECS is away.
fn leave_releasing(node: &Node, count: usize) -> Vec<IpAddr> {
    let addresses = add(node, count);
    for action in [UNASSIGN, UNASSIGN6] {
        node.cloud.inject(Fault::on(action).effect(Effect::code("ServiceUnavailable")));
    }
    for number in 0..count {
        node.call("DEL", &format!("c{number}")).config(impatient).run().ok();
    }
    node.cloud.clear_faults();
    node.cloud.clear_ledger();
    assert_eq!(node.counts(), [0, 0, count, 0], "{}", node.scene());
    addresses
}

fn requests(node: &Node, action: &str) -> Vec<Entry> {
    node.cloud.ledger().into_iter().filter(|entry| entry.action == action).collect()
}

/// How many addresses each request of an action named since the last look, in the order of the requests.
fn sizes(node: &Node, action: &str) -> Vec<usize> {
    requests(node, action).iter().map(|entry| entry.addresses.len()).collect()
}

/// Releases everything, and says how many addresses each request named.
#[track_caller]
fn flush(node: &Node) -> Vec<usize> {
    node.cloud.clear_ledger();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    sizes(node, UNASSIGN)
}

#[test]
fn a_hundred_and_ten_dels_at_once_take_five_requests_and_where_ecs_takes_ten_thirteen() {
    for (most, expected) in [(Some(32), 5), (Some(10), 13)] {
        let node = node_in(taking(most)).with("timeoutSeconds", 60).with("ipv6", true);
        let _ = add(&node, 110);
        node.cloud.clear_ledger();
        // ECS is so slow that all of them have begun before it answers the first.
        node.cloud.hold(UNASSIGN);
        let running: Vec<_> =
            (0..110).map(|number| node.call("DEL", &format!("c{number}")).start()).collect();
        eventually("all pods are being deleted", || node.counts() == [0, 0, 110, 0]);
        node.cloud.let_go();
        for call in running {
            call.wait().ok();
        }
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
        for action in [UNASSIGN, UNASSIGN6] {
            let sizes = sizes(&node, action);
            println!("{most:?}, {action}: {sizes:?}");
            assert!(sizes.len() <= expected + 1, "{action}: {sizes:?}");
        }
        assert_eq!(node.cloud.overlaps(), 0);
    }
}

#[test]
fn that_ecs_takes_ten_is_found_out_once_and_remembered_until_the_next_boot() {
    let node = node_in(taking(Some(10)));
    let _ = leave_releasing(&node, 23);
    assert_eq!(flush(&node), [23, 10, 10, 3]);
    let doctor = node.operator(&["doctor"]).stdout();
    assert!(doctor.contains("; ECS takes 10 IPv4 addresses in a request\n"), "{doctor}");
    // Another process.
    let _ = leave_releasing(&node, 12);
    assert_eq!(flush(&node), [10, 2]);
    node.let_time_pass(Duration::from_hours(24));
    let _ = leave_releasing(&node, 12);
    assert_eq!(flush(&node), [10, 2]);
    // The instance type may be another one.
    node.reboot();
    let _ = leave_releasing(&node, 12);
    assert_eq!(flush(&node), [12, 10, 2]);
}

#[test]
fn the_key_says_how_many_addresses_are_tried_at_most() {
    for (most, configured, expected) in [
        (None, 50, &[40][..]),
        (None, 11, &[11, 11, 11, 7]),
        (Some(10), 4, &[4; 10]),
        (Some(32), 50, &[40, 10, 10, 10, 10]),
    ] {
        let node = node_in(taking(most)).with("maxAddressesPerCall", configured);
        let _ = leave_releasing(&node, 40);
        assert_eq!(flush(&node), expected, "{configured} of {most:?}");
    }
}

#[test]
fn the_families_have_limits_of_their_own() {
    let world = World::single_node();
    assert_eq!(world.per_request.ipv6.unassign, Some(10), "as documented");
    let node = node_in(world).with("ipv6", true);
    for expected in [&[12, 10, 2][..], &[10, 2]] {
        let _ = leave_releasing(&node, 12);
        assert_eq!(flush(&node), [12]);
        assert_eq!(sizes(&node, UNASSIGN6), expected);
    }
}

#[test]
fn addresses_of_the_other_family_leave_no_place_of_a_request_empty() {
    let node = node().with("ipv6", true).with("maxAddressesPerCall", 4);
    let _ = leave_releasing(&node, 8);
    assert_eq!(flush(&node), [4, 4]);
    assert_eq!(sizes(&node, UNASSIGN6), [4, 4]);
}

#[test]
fn a_code_that_nobody_knows_may_mean_too_many() {
    for code in
        ["InvalidPrivateIpAddress.LimitExceeded", "InvalidOperation.Ipv4CountExceeded", "MissingParameter"]
    {
        let node = node_in(taking(Some(10)));
        node.cloud.with_world(|world| world.per_request.code = code.to_owned());
        let _ = leave_releasing(&node, 15);
        assert_eq!(flush(&node), [15, 10, 5], "{code}");
    }
}

#[test]
fn a_refusal_that_may_be_about_an_address_is_narrowed_down_to_it_by_tens_and_one_by_one() {
    // The second code says nothing of the number, so the next request is as large as before.
    for (code, learned) in [("InvalidParameter", true), ("InvalidVSwitchId.IpInvalid", false)] {
        let node = node();
        let addresses = leave_releasing(&node, 25);
        node.cloud.inject(Fault::on(UNASSIGN).address(addresses[0]).effect(Effect::code(code)));
        assert_eq!(node.operator(&["flush"]).status(), 1);
        assert_eq!(node.on_eni(), [addresses[0]].into(), "{code}\n{}", node.scene());
        assert!(node.records()[0].0["lastError"].as_str().unwrap().contains(code));
        let sizes = sizes(&node, UNASSIGN);
        println!("{code}: {sizes:?}");
        assert_eq!(sizes.iter().filter(|size| **size == 1).count(), 10, "{code}: {sizes:?}");
        // At most: all, ten of them, all others, ten of these, and so on.
        assert!(sizes.len() <= 10 + 5, "{code}: {sizes:?}");
        node.cloud.clear_faults();
        let _ = flush(&node);
        let _ = leave_releasing(&node, 12);
        assert_eq!(flush(&node), if learned { &[10, 2][..] } else { &[12] }, "{code}");
    }
}

#[test]
fn a_batch_of_ten_is_taken_apart_where_ecs_refuses_one_of_it() {
    let node = node();
    let addresses = leave_releasing(&node, 10);
    node.cloud.inject(Fault::on(UNASSIGN).address(addresses[4]).effect(Effect::code("InvalidParameter")));
    assert_eq!(node.operator(&["flush"]).status(), 1);
    assert_eq!(node.on_eni(), [addresses[4]].into(), "{}", node.scene());
    assert_eq!(sizes(&node, UNASSIGN), [[10].as_slice(), &[1; 10]].concat());
}

#[test]
fn of_many_addresses_one_that_is_off_already_keeps_ten_at_most_waiting_for_single_requests() {
    let node = node();
    let addresses = leave_releasing(&node, 25);
    // Descriptions go on showing it.
    node.cloud.let_descriptions_lag(Node::ENI);
    node.cloud.unassign(Node::ENI, addresses[0]);
    let sizes = flush(&node);
    println!("{sizes:?}");
    assert_eq!(sizes.iter().filter(|size| **size == 1).count(), 10, "{sizes:?}");
    assert!(sizes.len() <= 10 + 5, "{sizes:?}");
}

#[test]
fn a_leader_that_is_killed_before_it_has_tried_fewer_leaves_nothing_behind() {
    let node = node_in(taking(Some(10)));
    let _ = leave_releasing(&node, 15);
    node.cloud.inject(Fault::on(UNASSIGN).skip(1).times(1).effect(Effect::Stall));
    let flushing = node.command(&["flush"]).start();
    eventually("ten are being released", || sizes(&node, UNASSIGN).len() == 2);
    flushing.kill();
    // That there were too many is no failure of a release.
    let failed =
        |it: &harness::Record| it.0["lastError"].as_str().is_some_and(|why| why.contains("Parameter"));
    assert!(!node.records().iter().any(failed), "{}", node.scene());
    // They are in doubt, so ECS is asked first which of them it still has.
    assert_eq!(flush(&node), [10, 5]);
}

#[test]
fn too_many_in_a_request_is_no_failure_in_the_metrics() {
    let text_where_ecs_takes = |most| {
        let mut node = node_in(taking(most));
        let file = node.directory().join("aliyun_eni_ipam.prom");
        node.set("metricsFile", file.to_str().unwrap());
        let _ = leave_releasing(&node, 12);
        let _ = flush(&node);
        let text = fs::read_to_string(file).unwrap();
        let of_failures = text.lines().filter(|line| line.contains("_fail"));
        of_failures.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let (ten, any) = (text_where_ecs_takes(Some(10)), text_where_ecs_takes(None));
    assert!(any.contains("release_failures{eni="), "{any}");
    assert_eq!(ten, any);
}

#[test]
fn a_release_makes_room_for_requests_that_were_refused_because_few_addresses_were_left() {
    let node = node();
    let _ = add(&node, 1);
    let file = node.store().join("eni").join(format!("{}.json", Node::ENI));
    let at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    fs::write(&file, json!({"schema": 1, "fewerThan": {"ipv4": {"count": 8, "at": at}}}).to_string())
        .unwrap();
    node.del("c0").ok();
    let state = fs::read_to_string(&file).unwrap();
    assert!(!state.contains("fewerThan"), "{state}");
}

/// Five pods of an ENI with five places are deleted at once and replaced, and the answer to the request that releases all five is lost.
fn five_pods_are_replaced(policy: AddressPolicy) -> Node {
    let world = World::single_node().with_quota(6, 0).with_policy(policy);
    let node = node_in(world);
    let _ = leave_releasing(&node, 5);
    // A description proves nothing of an address that ECS has only just assigned.
    node.let_time_pass(Duration::from_mins(2));
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::DropAfter));
    assert_eq!(flush(&node), [5]);
    node
}

#[test]
fn addresses_in_doubt_take_up_no_room_on_a_small_eni() {
    let node = five_pods_are_replaced(AddressPolicy::RoundRobin);
    assert_eq!(add(&node, 5).len(), 5);
}

#[test]
fn a_small_eni_to_which_ecs_assigns_the_addresses_in_doubt_again_is_full_for_a_minute() {
    let node = five_pods_are_replaced(AddressPolicy::LowestFree);
    let _ = node.add("c0").error(112);
    assert_eq!(node.counts(), [0, 0, 5, 0], "{}", node.scene());
    node.let_time_pass(Duration::from_mins(1));
    assert_eq!(add(&node, 5).len(), 5);
}
