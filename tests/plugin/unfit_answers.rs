//! Answers to ADD's request that are not answers to it: they prove nothing, nothing of them is recorded, and what the ENI
//! has decides.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use harness::{Effect, Fault, Node};
use serde_json::{Value, json};

use crate::node;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The first `count` addresses from 192.168.0.200 on, most of which are outside the vSwitch's block.
fn many(count: u32) -> Vec<IpAddr> {
    let first = u32::from(Ipv4Addr::new(192, 168, 0, 200));
    (first..first + count).map(|number| Ipv4Addr::from(number).into()).collect()
}

/// A node whose ECS acts upon requests to assign, and answers with these addresses.
fn answering(addresses: &[IpAddr]) -> Node {
    let node = node().with("timeoutSeconds", 5);
    answer_with(&node, addresses);
    node
}

fn answer_with(node: &Node, addresses: &[IpAddr]) {
    node.cloud.clear_faults();
    for action in ["AssignPrivateIpAddresses", "AssignIpv6Addresses"] {
        node.cloud.inject(Fault::on(action).effect(Effect::AnswerWith(addresses.to_vec())));
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The record of the request that is in doubt.
fn in_doubt(node: &Node) -> (PathBuf, Value) {
    let with_request = |path: PathBuf| {
        let content: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let requests = content["release"]["unanswered"].as_array().map_or(0, Vec::len);
        (requests > 0).then_some((path, content))
    };
    let mut found: Vec<_> =
        files(&node.store().join("releasing")).into_iter().filter_map(with_request).collect();
    assert_eq!(found.len(), 1, "{}", node.scene());
    found.remove(0)
}

/// Lets so much time pass that no copy of the request in doubt can take effect, and a description shows what did.
fn let_time_pass(node: &Node) {
    let (path, mut content) = in_doubt(node);
    let past = json!("2026-01-01T00:00:00Z");
    content["release"]["notBefore"] = past.clone();
    for request in content["release"]["unanswered"].as_array_mut().unwrap() {
        request["openUntil"] = past.clone();
        request["notBefore"] = past.clone();
    }
    fs::write(path, content.to_string()).unwrap();
}

/// A node with the request of a failed ADD in doubt, which was answered with these addresses, and the address that ECS
/// assigned to it.
fn left_in_doubt(answer: &[IpAddr]) -> (Node, IpAddr) {
    let node = node().with("timeoutSeconds", 5);
    let kept = node.add("kept").address();
    answer_with(&node, answer);
    let _ = node.add("c0").error(11);
    let mut assigned = node.on_eni();
    assigned.remove(&kept);
    assert_eq!(assigned.len(), 1, "{}", node.scene());
    let_time_pass(&node);
    (node, assigned.pop_first().unwrap())
}

#[test]
fn an_answer_that_is_not_one_to_the_request_is_not_believed_and_ends_the_add_at_once() {
    let primary = address("192.168.0.11");
    for (answer, why) in [
        (many(40_000), "names 40000: 192.168.0.200, 192.168.0.201, 192.168.0.202 and 39997 more"),
        (many(3), "1 was asked for, and the answer names 3"),
        (many(2), "1 was asked for, and the answer names 2"),
        (vec![address("192.168.0.200"); 2], "names 2"),
        (vec![], "names 0"),
        (vec![address("10.0.0.1")], "10.0.0.1, which is not in 192.168.0.0/24: set ipam.subnet"),
        (vec![primary], "192.168.0.11, which is the ENI's primary address"),
        (vec![address("2001:db8:1234:1a00::77")], "not an IPv4 address"),
    ] {
        let node = answering(&answer);
        let text = node.add("c0").error(11);
        assert!(text.contains(why) && text.contains("RequestId"), "{text}");
        assert_eq!(node.counts(), [0, 0, 1, 0], "{why}\n{}", node.scene());
        assert!(node.recorded().is_empty(), "{why}\n{}", node.scene());
        assert!(files(&node.store()).len() < 10, "{why}\n{}", node.scene());
        // Twice by the ADD, and once by the release of what it left.
        assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 3, "{why}\n{}", node.scene());
        assert_eq!(node.cloud.count("UnassignPrivateIpAddresses"), 0, "{why}\n{}", node.scene());
        // The cloud is well again.
        node.cloud.clear_faults();
        assert_eq!(node.operator(&["flush"]).status(), 0, "{why}\n{}", node.scene());
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{why}\n{}", node.scene());
    }
}

#[test]
fn an_unfit_answer_to_the_second_request_of_a_pod_gives_back_the_first_address() {
    let node = node().with("timeoutSeconds", 5).with("ipv6", true);
    let answer = vec![address("2001:db8:1234:1a00::77"); 2];
    node.cloud.inject(Fault::on("AssignIpv6Addresses").effect(Effect::AnswerWith(answer)));
    let _ = node.add("c0").error(11);
    // The IPv4 address need not wait for what becomes of the request.
    assert!(node.on_eni().iter().all(IpAddr::is_ipv6) && node.recorded().is_empty(), "{}", node.scene());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn an_address_outside_a_misconfigured_subnet_is_given_back_once_the_eni_shows_it() {
    let node = node().with("subnet", "10.0.0.0/24").with("gateway", "10.0.0.253");
    let text = node.add("c0").error(11);
    assert!(text.contains("not in 10.0.0.0/24") && text.contains("ipam.subnet"), "{text}");
    assert!(node.on_eni().is_empty() && node.recorded().is_empty(), "{}", node.scene());
    // That it brought nothing else is certain only later.
    let_time_pass(&node);
    let asked = node.cloud.count("AssignPrivateIpAddresses");
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.records().is_empty(), "{}", node.scene());
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), asked, "{}", node.scene());
}

#[test]
fn a_request_that_has_left_nothing_on_the_eni_is_over() {
    let (node, assigned) = left_in_doubt(&many(40_000));
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).addresses.remove(&assigned));
    let asked = node.cloud.count("AssignPrivateIpAddresses");
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!(node.counts(), [0, 1, 0, 0], "{}", node.scene());
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), asked, "{}", node.scene());
}

#[test]
fn a_request_ends_on_what_the_eni_has_only_when_no_copy_of_it_can_take_effect() {
    let node = answering(&many(40_000));
    let _ = node.add("c0").error(11);
    let assigned = node.on_eni();
    // As if it had not been carried out yet, or a description did not show it yet.
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).addresses.clear());
    let _ = node.operator(&["flush"]);
    assert_eq!(node.counts(), [0, 0, 1, 0], "{}", node.scene());
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).addresses.extend(&assigned));
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn what_the_answer_and_the_eni_both_have_is_released_and_a_pods_address_is_not() {
    let (node, assigned) = left_in_doubt(&many(40_000));
    let kept: IpAddr = node.recorded().pop_first().unwrap();
    answer_with(&node, &[kept, assigned, address("192.168.0.222")]);
    let _ = node.operator(&["flush"]);
    // The request itself is over when the repetition of just now cannot have brought another one.
    assert_eq!((node.on_eni(), node.counts()), ([kept].into(), [0, 1, 1, 0]), "{}", node.scene());
    let_time_pass(&node);
    let _ = node.operator(&["flush"]);
    assert_eq!((node.on_eni(), node.counts()), ([kept].into(), [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn a_request_after_an_unfit_answer_is_not_ended_by_its_refusal_alone() {
    let (node, _) = left_in_doubt(&many(40_000));
    node.cloud.clear_faults();
    node.cloud
        .inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::code("InvalidVSwitchId.IpNotEnough")));
    let _ = node.operator(&["flush"]);
    assert_eq!(node.counts(), [0, 1, 1, 0], "{}", node.scene());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn a_request_that_nobody_can_decide_stays_and_tells_a_person_and_keeps_no_release_from_being_made() {
    let foreign = address("192.168.0.200");
    let names_all = |assigned: IpAddr| vec![assigned, foreign];
    let names_too_many = |_| many(40_000);
    // Believing this one would end the request, and its own address would be lost.
    let names_another = |_| vec![foreign, address("192.168.0.222")];
    let answers: [&dyn Fn(IpAddr) -> Vec<IpAddr>; 3] = [&names_all, &names_too_many, &names_another];
    for answer in answers {
        let (node, assigned) = left_in_doubt(&many(40_000));
        node.cloud.assign(Node::ENI, foreign);
        answer_with(&node, &answer(assigned));
        assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
        let why = in_doubt(&node).1["release"]["lastError"].to_string();
        assert!(why.contains("2 of the ENI's addresses") && why.contains("reconcile"), "{why}");
        assert!(why.contains(&assigned.to_string()) && why.contains(&foreign.to_string()), "{why}");
        let state = fs::read_to_string(node.store().join("eni").join(format!("{}.json", Node::ENI)));
        assert!(!state.unwrap_or_default().contains("backoff"), "{}", node.scene());
        node.del("kept").ok();
        assert_eq!(node.on_eni(), [assigned, foreign].into(), "{}", node.scene());
        assert_eq!(node.counts(), [0, 0, 1, 0], "{}", node.scene());
        // A person has unassigned what nobody uses.
        let_time_pass(&node);
        node.cloud.with_world(|world| world.eni_mut(Node::ENI).addresses.clear());
        assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
        assert!(node.records().is_empty(), "{}", node.scene());
    }
}

#[test]
fn an_answer_longer_than_any_request_is_not_evidence_against_what_is_on_the_eni() {
    let (node, assigned) = left_in_doubt(&many(40_000));
    let foreign = address("192.168.0.200");
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).addresses.remove(&assigned));
    node.cloud.assign(Node::ENI, foreign);
    let _ = node.operator(&["flush"]);
    assert!(node.on_eni().contains(&foreign), "{}", node.scene());
    assert_eq!(node.counts(), [0, 1, 1, 0], "{}", node.scene());
}

#[test]
fn a_damaged_record_may_name_what_is_on_the_eni() {
    let (node, assigned) = left_in_doubt(&many(40_000));
    let record = files(&node.store().join("active")).remove(0);
    fs::write(record, "garbage").unwrap();
    // The first call that reads it sets it aside.
    let _ = node.add("kept").error(102);
    answer_with(&node, &[assigned, address("192.168.0.222")]);
    let on_eni = node.on_eni();
    let _ = node.operator(&["flush"]);
    assert_eq!(node.on_eni(), on_eni, "{}", node.scene());
    let why = in_doubt(&node).1["release"]["lastError"].to_string();
    assert!(why.contains("quarantine"), "{why}");
}

#[test]
fn a_description_that_ecs_refuses_leaves_the_request_in_doubt_and_no_release_waits_for_it() {
    let (node, _) = left_in_doubt(&many(40_000));
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::code("Forbidden.RAM")));
    let _ = node.operator(&["flush"]);
    assert_eq!(node.counts(), [0, 1, 1, 0], "{}", node.scene());
    node.del("kept").ok();
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 0, 1, 0]), "{}", node.scene());
}
