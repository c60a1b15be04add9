//! `reconcile --restore`: a pod whose address somebody has unassigned gets that very address back, or the person is told what to do.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use harness::{Answer, Effect, Fault, Node, World, eventually};
use serde_json::{Value, json};

use crate::node;

const ASSIGN: &str = "AssignPrivateIpAddresses";

/// As long as a request stays in doubt, and a description lags behind it.
const LAPSES: Duration = Duration::from_mins(3);

fn restore(node: &Node) -> Answer {
    node.operator(&["reconcile", "--restore", "--json"])
}

/// What a run has restored, and why it has not restored the ghosts that are left.
fn outcome(answer: &Answer) -> (Vec<IpAddr>, Vec<String>) {
    let document = answer.json();
    let restored = document["restored"].as_array().unwrap().iter();
    let enis = document["enis"].as_array().unwrap().iter();
    let ghosts = enis.flat_map(|eni| eni["ghosts"].as_array().unwrap());
    (
        restored.map(|it| it.as_str().unwrap().parse().unwrap()).collect(),
        ghosts.map(|ghost| ghost["why"].as_str().unwrap_or_default().to_owned()).collect(),
    )
}

/// A pod whose address a person has unassigned.
fn ghost(node: &Node) -> IpAddr {
    let address = node.call("ADD", "c0").env("CNI_ARGS", POD).run().address();
    node.let_time_pass(LAPSES);
    node.cloud.unassign(Node::ENI, address);
    node.cloud.clear_ledger();
    address
}

const POD: &str = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0";

fn requests(node: &Node) -> usize {
    node.cloud.count(ASSIGN) + node.cloud.count("UnassignPrivateIpAddresses")
}

#[test]
fn a_pod_gets_its_very_address_back_and_its_del_releases_it() {
    let node = node().with("ipv6", true);
    let addresses = node.add("c0").addresses();
    let both: BTreeSet<_> = addresses.iter().copied().collect();
    node.let_time_pass(LAPSES);
    for address in &addresses {
        node.cloud.unassign(Node::ENI, *address);
    }
    let advice = node.operator(&["reconcile"]);
    assert!(advice.status() == 1 && advice.stdout().contains("reconcile --restore"), "{advice:?}");
    let answer = restore(&node);
    assert_eq!((answer.status(), outcome(&answer)), (0, (addresses, vec![])), "{answer:?}");
    assert_eq!((node.on_eni(), node.counts()), (both, [0, 1, 0, 0]), "{}", node.scene());
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn while_ecs_does_not_show_it_yet_what_was_restored_is_no_ghost() {
    let node = node();
    let address = ghost(&node);
    node.cloud.set_description_lag(Node::ENI, Duration::from_mins(5));
    let text = node.operator(&["reconcile", "--restore"]);
    assert!(text.stdout().contains(&format!("restored {address} for pod default/web-0")), "{text:?}");
    for _ in 0..2 {
        let answer = restore(&node);
        assert_eq!((answer.status(), outcome(&answer)), (0, (vec![], vec![])), "{answer:?}");
    }
    assert_eq!(node.cloud.count(ASSIGN), 1);
}

#[test]
fn what_an_add_brought_back_to_its_pod_is_no_ghost_either() {
    let node =
        crate::node_in(World::single_node().with_policy(harness::simulator::AddressPolicy::LowestFree));
    let address = ghost(&node);
    node.cloud.set_description_lag(Node::ENI, Duration::from_mins(5));
    assert_ne!(node.add("c1").address(), address);
    let answer = restore(&node);
    assert_eq!((answer.status(), outcome(&answer)), (0, (vec![], vec![])), "{answer:?}");
}

#[test]
fn what_somebody_else_has_by_now_is_refused_and_the_pod_named_that_is_to_be_deleted() {
    let node = node();
    let address = ghost(&node);
    node.cloud.assign(World::PRIMARY_ENI, address);
    let answer = restore(&node);
    let (restored, why) = outcome(&answer);
    assert_eq!((answer.status(), restored, why.len()), (1, vec![], 1), "{answer:?}");
    assert!(why[0].contains("delete pod default/web-0"), "{why:?}");
    assert_eq!((node.counts(), node.on_eni()), ([0, 1, 0, 0], BTreeSet::new()), "{}", node.scene());
    // The DEL does not take it from who has it.
    node.del("c0").ok();
    let theirs = node.cloud.with_world(|world| world.enis[World::PRIMARY_ENI].addresses.clone());
    assert_eq!((theirs, node.counts()), (BTreeSet::from([address]), [0, 0, 0, 0]));
}

#[test]
fn while_ecs_is_down_the_request_stays_in_doubt_and_ends_by_itself() {
    let node = node().with("timeoutSeconds", 2);
    let address = ghost(&node);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
    let answer = restore(&node);
    assert!(outcome(&answer).1[0].contains("the outcome is unknown"), "{answer:?}");
    assert_eq!((answer.status(), node.counts()), (1, [0, 1, 1, 0]), "{}", node.scene());
    node.cloud.clear_faults();
    // An earlier copy may still take effect, so nobody asks anew.
    let asked = node.cloud.count(ASSIGN);
    let again = restore(&node);
    assert!(outcome(&again).1[0].contains("an earlier request for it is in doubt"), "{again:?}");
    assert_eq!(node.cloud.count(ASSIGN), asked);
    node.let_time_pass(LAPSES);
    let answer = restore(&node);
    assert_eq!((answer.status(), outcome(&answer)), (0, (vec![address], vec![])), "{answer:?}");
    assert_eq!((node.counts(), node.on_eni()), ([0, 1, 0, 0], BTreeSet::from([address])), "{}", node.scene());
}

#[test]
fn a_lost_answer_is_asked_for_once_more() {
    let node = node();
    let address = ghost(&node);
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::DropAfter));
    let answer = restore(&node);
    assert_eq!((answer.status(), outcome(&answer)), (0, (vec![address], vec![])), "{answer:?}");
    assert_eq!((node.counts(), node.on_eni()), ([0, 1, 0, 0], BTreeSet::from([address])), "{}", node.scene());
}

#[test]
fn a_request_that_acts_unheard_after_the_pods_del_is_released() {
    let node = node().with("timeoutSeconds", 2);
    let address = ghost(&node);
    node.cloud.hold_late();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::Late(Duration::ZERO)));
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("InvalidIp.IpAssigned")));
    // The refusal of the second copy proves nothing about the first.
    assert_eq!(restore(&node).status(), 1);
    node.cloud.clear_faults();
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.counts() == [0, 0, 1, 0], "{}", node.scene());
    node.cloud.let_go();
    eventually("it acts", || node.on_eni() == BTreeSet::from([address]));
    node.let_time_pass(LAPSES);
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn beside_other_softwares_addresses_a_description_ends_the_request_all_the_same() {
    let node = node().with("timeoutSeconds", 2);
    let _ = ghost(&node);
    let others = "192.168.0.77".parse().unwrap();
    node.cloud.assign(Node::ENI, others);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
    assert_eq!(restore(&node).status(), 1);
    node.cloud.clear_faults();
    node.del("c0").ok();
    node.let_time_pass(LAPSES);
    node.cloud.clear_ledger();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((requests(&node), node.on_eni()), (0, BTreeSet::from([others])), "{}", node.scene());
}

#[test]
fn a_del_that_comes_meanwhile_leaves_nothing_behind() {
    let node = node();
    let _ = ghost(&node);
    node.cloud.hold(ASSIGN);
    let running = node.command(&["reconcile", "--restore", "--json"]).start();
    eventually("ECS is asked", || node.cloud.count(ASSIGN) == 1);
    let del = node.call("DEL", "c0").start();
    eventually("the DEL has begun", || node.counts()[1] == 0);
    node.cloud.let_go();
    let answer = running.wait();
    assert_eq!((answer.status(), outcome(&answer)), (0, (vec![], vec![])), "{answer:?}");
    del.wait().ok();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

/// Something that is changed before the command.
type Change = fn(&mut Node, IpAddr);

#[test]
fn ecs_is_not_asked_for_what_the_pod_must_not_have() {
    let changes: [(&str, Change); 7] = [
        ("its pod ended with an earlier boot", |node, _| node.reboot()),
        ("ipam.foreignAddresses names it", |node, address| node.set("foreignAddresses", json!([address]))),
        ("an earlier release of it is in doubt", |node, address| {
            let state = json!({"schema": 1, "inFlight": [address]});
            fs::write(node.store().join(format!("eni/{}.json", Node::ENI)), state.to_string()).unwrap();
        }),
        ("is seen to use it", |node, address| node.cache("another", &[address])),
        ("no entry of the store leads from it", |node, _| {
            fs::remove_dir_all(node.store().join("address")).unwrap();
        }),
        ("", |node, _| {
            node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-another".into()));
        }),
        ("", |node, _| node.cloud.with_world(|world| world.eni_mut(Node::ENI).service_managed = true)),
    ];
    for (expected, change) in changes {
        let mut node = node();
        let address = ghost(&node);
        change(&mut node, address);
        let answer = restore(&node);
        assert!(outcome(&answer).1[0].contains(expected), "{expected}: {answer:?}");
        assert_eq!((answer.status(), requests(&node), node.counts()), (1, 0, [0, 1, 0, 0]), "{expected}");
    }
}

#[test]
fn a_release_under_way_is_left_to_end_by_itself() {
    let node = node();
    let _ = ghost(&node);
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    let short = |config: &mut Value| config["ipam"]["timeoutSeconds"] = 1.into();
    node.call("DEL", "c0").config(short).run().ok();
    let answer = restore(&node);
    assert_eq!((answer.status(), node.cloud.count(ASSIGN)), (1, 0), "{answer:?}");
    assert_eq!(answer.json()["enis"][0]["ghosts"][0]["state"], "releasing");
}

#[test]
fn a_release_in_doubt_does_not_end_by_a_description_that_is_older_than_the_restoration() {
    let node = node().with("timeoutSeconds", 2);
    let address = ghost(&node);
    node.cloud.set_description_lag(Node::ENI, Duration::from_mins(5));
    assert_eq!(restore(&node).status(), 0, "{}", node.scene());
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::DropBefore));
    node.del("c0").ok();
    node.cloud.clear_faults();
    let _ = node.operator(&["flush"]);
    assert!(!node.on_eni().contains(&address) || !node.records().is_empty(), "{}", node.scene());
}
