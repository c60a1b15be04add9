//! ADDs that share a request: one asks for all that wait, and what is not its own the others take out of the reserve.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::net::IpAddr;
use std::time::Duration;

use harness::simulator::{AddressPolicy, Entry};
use harness::{Answer, Effect, Fault, Node, World};
use serde_json::{Value, json};

use crate::{eventually, node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const ASSIGN6: &str = "AssignIpv6Addresses";

fn containers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("c{number}")).collect()
}

/// A node on which an ADD has come and gone: it knows its ENI.
fn warm(node: Node) -> Node {
    let _ = node.add("first").addresses();
    node.del("first").ok();
    node.cloud.clear_ledger();
    node
}

fn lowest_first() -> Node {
    warm(node_in(World::single_node().with_policy(AddressPolicy::LowestFree)).with("timeoutSeconds", 30))
}

fn assigns(node: &Node) -> Vec<Entry> {
    let all = node.cloud.ledger().into_iter();
    all.filter(|entry| [ASSIGN, ASSIGN6].contains(&entry.action.as_str())).collect()
}

/// Starts an ADD of each and waits for all.
fn add_at_once(node: &Node, containers: &[String]) -> Vec<Answer> {
    let running: Vec<_> = containers.iter().map(|container| node.call("ADD", container).start()).collect();
    running.into_iter().map(harness::Running::wait).collect()
}

/// How many entries the reserve has, whether they count or not.
fn reserved(node: &Node) -> usize {
    fs::read_dir(node.store().join("reserved").join(Node::ENI)).into_iter().flatten().flatten().count()
}

/// Makes ADDs of all these wait for the ENI's lock, and lets them go on together.
fn add_behind_a_lock(node: &Node, containers: &[String]) -> Vec<Answer> {
    let lock =
        OpenOptions::new().write(true).open(node.store().join(format!("eni/{}.lock", Node::ENI))).unwrap();
    lock.try_lock().unwrap();
    let running: Vec<_> = containers.iter().map(|container| node.call("ADD", container).start()).collect();
    let waits =
        |path: &std::path::Path| fs::read_to_string(path).is_ok_and(|text| text.contains("\"waits\""));
    let intents = || fs::read_dir(node.store().join("assigning")).unwrap().flatten();
    eventually("all wait", || intents().filter(|it| waits(&it.path())).count() == containers.len());
    drop(lock);
    running.into_iter().map(harness::Running::wait).collect()
}

fn distinct(answers: &[Answer]) -> BTreeSet<IpAddr> {
    let all: Vec<IpAddr> = answers.iter().flat_map(Answer::addresses).collect();
    let distinct: BTreeSet<IpAddr> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "{all:?}");
    distinct
}

#[test]
fn thirty_adds_at_once_share_a_few_requests_and_each_gets_an_address_of_its_own() {
    let node = warm(node().with("timeoutSeconds", 30));
    node.cloud.set_latency(Duration::from_millis(300));
    let addresses = distinct(&add_at_once(&node, &containers(30)));
    assert_eq!((addresses.len(), node.recorded()), (30, addresses));
    assert!(assigns(&node).len() <= 6, "{} requests: {}", assigns(&node).len(), node.scene());
    assert_eq!(node.cloud.overlaps(), 0);
}

#[test]
fn adds_that_wait_together_share_one_request_of_each_family_and_leave_nothing_over() {
    let node = warm(node().with("ipv6", true).with("timeoutSeconds", 30));
    let answers = add_behind_a_lock(&node, &containers(8));
    assert!(answers.iter().all(|it| it.addresses()[0].is_ipv4() && it.addresses()[1].is_ipv6()));
    let addresses = distinct(&answers);
    assert_eq!((addresses.len(), node.on_eni()), (16, addresses), "{}", node.scene());
    assert_eq!((node.cloud.count(ASSIGN), node.cloud.count(ASSIGN6)), (1, 1), "{}", node.scene());
    assert_eq!((reserved(&node), node.counts()), (0, [0, 8, 0, 0]), "{}", node.scene());
}

#[test]
fn an_add_that_a_del_overtakes_while_it_waits_ends_at_once() {
    let node = warm(node().with("timeoutSeconds", 60));
    let lock =
        OpenOptions::new().write(true).open(node.store().join(format!("eni/{}.lock", Node::ENI))).unwrap();
    lock.try_lock().unwrap();
    let add = node.call("ADD", "c0").start();
    eventually("the ADD waits", || node.counts()[0] == 1);
    node.del("c0").ok();
    let text = add.wait().error(11);
    assert!(text.contains("a DEL came"), "{text}");
    drop(lock);
    assert_eq!((assigns(&node).len(), node.counts()), (0, [0; 4]), "{}", node.scene());
}

#[test]
fn a_request_for_more_than_are_left_is_repeated_for_fewer() {
    let node = warm(node_in(World::single_node().with_quota(6, 1)).with("timeoutSeconds", 20));
    let room = 6 - 1;
    let answers = add_behind_a_lock(&node, &containers(9));
    let (well, badly): (Vec<_>, Vec<_>) = answers.into_iter().partition(|it| it.status() == 0);
    assert_eq!((well.len(), badly.len()), (room, 9 - room), "{}", node.scene());
    for it in &badly {
        let _ = it.error(112);
    }
    assert_eq!(node.on_eni(), distinct(&well), "{}", node.scene());
    assert_eq!((node.counts(), reserved(&node)), ([0, room, 0, 0], 0), "{}", node.scene());
}

#[test]
fn what_an_add_had_asked_for_that_was_killed_is_not_lost_and_the_others_ask_anew() {
    let node = warm(node().with("timeoutSeconds", 30));
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let lock =
        OpenOptions::new().write(true).open(node.store().join(format!("eni/{}.lock", Node::ENI))).unwrap();
    lock.try_lock().unwrap();
    let names = containers(5);
    let mut running: Vec<_> = names.iter().map(|name| (name, node.call("ADD", name).start())).collect();
    let intents = || {
        let files = fs::read_dir(node.store().join("assigning")).unwrap().flatten();
        files.filter_map(|it| fs::read_to_string(it.path()).ok()).collect::<Vec<_>>()
    };
    eventually("all wait", || intents().iter().filter(|it| it.contains("\"waits\"")).count() == names.len());
    drop(lock);
    eventually("one has asked for all", || node.on_eni().len() == names.len());
    let asked = intents().into_iter().find(|it| it.contains("\"ask\"")).unwrap();
    let leader = running.iter().position(|(name, _)| asked.contains(&format!("\"{name}\""))).unwrap();
    let (killed, add) = running.remove(leader);
    add.kill();
    let answers: Vec<_> = running.into_iter().map(|(_, add)| add.wait()).collect();
    assert_eq!(distinct(&answers).len(), 4);
    node.del(killed).ok();
    assert_eq!(
        (node.on_eni(), node.recorded()),
        (distinct(&answers), distinct(&answers)),
        "{}",
        node.scene()
    );
    assert_eq!((node.counts(), reserved(&node)), ([0, 4, 0, 0], 0), "{}", node.scene());
}

#[test]
fn of_an_answer_for_several_no_pod_gets_what_is_other_softwares_or_in_doubt() {
    let node = lowest_first();
    let probes = add_behind_a_lock(&node, &containers(3));
    let [foreign, doubtful, _] = distinct(&probes).into_iter().collect::<Vec<_>>()[..] else { panic!() };
    for container in containers(3) {
        node.del(&container).ok();
    }
    assert!(node.on_eni().is_empty(), "{}", node.scene());
    let node = node.with("foreignAddresses", json!([foreign]));
    let state = node.store().join(format!("eni/{}.json", Node::ENI));
    let mut known: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    known["suspects"] = json!([{"address": doubtful, "until": "9999-01-01T00:00:00Z"}]);
    fs::write(&state, known.to_string()).unwrap();
    node.cloud.clear_ledger();
    let addresses = distinct(&add_behind_a_lock(&node, &containers(6)));
    assert!(addresses.len() == 6 && !addresses.contains(&foreign) && !addresses.contains(&doubtful));
    assert_eq!(assigns(&node).len(), 2, "{}", node.scene());
    let releasing: BTreeSet<IpAddr> = &node.recorded() - &addresses;
    assert_eq!(releasing, [doubtful].into(), "{}", node.scene());
    assert_eq!(&node.on_eni() - &addresses, [foreign, doubtful].into(), "{}", node.scene());
}

#[test]
fn a_requested_address_that_is_in_the_reserve_is_taken_from_it_although_it_rests() {
    let node = node().with("reserve", 1);
    let _ = node.add("c0").addresses();
    let entries = || fs::read_dir(node.store().join("reserved").join(Node::ENI)).unwrap().flatten();
    let kept: IpAddr = entries().next().unwrap().file_name().to_str().unwrap().parse().unwrap();
    node.cloud.clear_ledger();
    let requested = |config: &mut Value| config["runtimeConfig"] = json!({"ips": [kept]});
    assert_eq!(node.call("ADD", "c1").config(requested).run().address(), kept);
    assert_eq!((assigns(&node).len(), reserved(&node)), (0, 0), "{}", node.scene());
}

#[test]
fn what_metadata_does_not_show_any_more_is_not_taken_from_the_reserve_but_released() {
    let node = node().with("reserve", 1);
    let first = node.add("c0").address();
    let gone = *node.on_eni().iter().find(|it| **it != first).unwrap();
    node.cloud.unassign(Node::ENI, gone);
    node.let_time_pass(Duration::from_mins(2));
    let address = node.add("c1").address();
    assert_ne!(address, gone);
    assert!(node.on_eni().contains(&address), "{}", node.scene());
    let entries = fs::read_dir(node.store().join("reserved").join(Node::ENI)).unwrap().flatten();
    assert!(
        entries.into_iter().all(|it| it.file_name().to_str() != Some(&gone.to_string())),
        "{}",
        node.scene()
    );
}
