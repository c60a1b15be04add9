//! `reconcile`: what ECS and the store say is compared, and nobody loses an address by it.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use harness::simulator::Eni;
use harness::{Answer, Effect, Fault, Node, World};
use serde_json::{Value, json};

use crate::{eventually, node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn reconcile(node: &Node) -> Answer {
    node.operator(&["reconcile", "--json"])
}

fn release_orphans(node: &Node) -> Answer {
    node.operator(&["reconcile", "--release-orphans", "--yes", "--json"])
}

/// The entry of the node's ENI.
fn entry(answer: &Answer) -> Value {
    let enis = answer.json()["enis"].as_array().cloned().unwrap_or_default();
    let found = enis.into_iter().find(|entry| entry["networkInterfaceId"] == Node::ENI);
    found.unwrap_or_else(|| answer.fail("the ENI among others"))
}

/// Puts an address on the ENI that nobody has recorded.
fn orphan(node: &Node, text: &str) -> IpAddr {
    let address = text.parse().unwrap();
    node.cloud.assign(Node::ENI, address);
    address
}

fn only_active_record(node: &Node) -> PathBuf {
    fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path()
}

/// Makes the only active record look older than any lag of ECS.
fn age(node: &Node) {
    let path = only_active_record(node);
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["allocation"]["since"] = "2026-01-01T00:00:00.000Z".into();
    fs::write(&path, record.to_string()).unwrap();
}

#[test]
fn a_node_on_which_all_is_recorded_has_nothing_to_reconcile() {
    let node = node().with("ipv6", true);
    let _ = node.add("c0").addresses();
    let expected = json!({"enis": [{
        "networkInterfaceId": Node::ENI, "regionId": World::REGION_ID,
        "orphans": [], "inUse": [], "conflicts": [], "foreign": [], "ghosts": [], "undecided": [], "problem": null,
    }], "adopted": [], "restored": [], "released": [], "left": [], "causes": [], "unseen": []});
    assert_eq!(reconcile(&node).result(), expected);
    let text = node.operator(&["reconcile"]);
    assert!(text.status() == 0 && text.stdout().contains(Node::ENI), "{text:?}");
}

#[test]
fn orphans_and_ghosts_are_shown_and_nothing_is_done_about_them() {
    let node = node();
    let ghost = node.add("c0").address();
    age(&node);
    node.cloud.unassign(Node::ENI, ghost);
    let orphan = orphan(&node, "192.168.0.77");
    let answer = reconcile(&node);
    assert_eq!(answer.status(), 1);
    assert_eq!(entry(&answer)["orphans"], json!([orphan]));
    let expected = json!([{"address": ghost, "containerId": "c0", "ifname": "eth0", "state": "active", "pod": null, "why": null}]);
    assert_eq!(entry(&answer)["ghosts"], expected);
    let table = node.operator(&["reconcile"]);
    assert_eq!(table.status(), 1);
    for words in [format!("orphan  {orphan}"), format!("ghost   {ghost}")] {
        assert!(table.stdout().contains(&words), "{table:?}");
    }
    assert_eq!(node.on_eni(), BTreeSet::from([orphan]));
    assert_eq!((node.counts(), node.cloud.count(UNASSIGN)), ([0, 1, 0, 0], 0));
}

#[test]
fn an_address_that_was_assigned_a_moment_ago_is_no_ghost() {
    let node = node();
    // ECS describes an ENI as it was a moment ago.
    let address = node.add("c0").address();
    node.cloud.unassign(Node::ENI, address);
    assert_eq!(entry(&reconcile(&node))["ghosts"], json!([]));
}

#[test]
fn orphans_are_released_and_nobody_elses_addresses() {
    let node = node().with("ipv6", true);
    let live: BTreeSet<_> = node.add("c0").addresses().into_iter().collect();
    let orphans = [orphan(&node, "192.168.0.77"), orphan(&node, "2001:db8:1234:1a00::77")];
    node.cloud.clear_ledger();
    let answer = release_orphans(&node);
    assert_eq!(answer.result()["released"], json!(orphans));
    assert_eq!(node.on_eni(), live);
    let named: Vec<_> =
        node.cloud.ledger().into_iter().filter(|it| it.action.starts_with("Unassign")).collect();
    assert_eq!(named.iter().flat_map(|it| it.addresses.clone()).collect::<Vec<_>>(), orphans);
    assert_eq!(node.counts(), [0, 1, 0, 0]);
    assert_eq!(reconcile(&node).status(), 0);
}

#[test]
fn the_question_lists_the_addresses_and_no_is_no() {
    let node = node();
    let orphan = orphan(&node, "192.168.0.77");
    let conversation = node.command(&["reconcile", "--release-orphans"]).ask();
    let question = conversation.question();
    assert!(question.contains(&orphan.to_string()) && question.contains(Node::ENI), "{question}");
    let answer = conversation.answer("n");
    assert!(answer.status() == 1 && answer.stdout().contains("orphan"), "{answer:?}");
    assert_eq!(node.on_eni(), BTreeSet::from([orphan]));
    let answer = node.command(&["reconcile", "--release-orphans"]).ask().answer("y");
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert!(node.on_eni().is_empty());
}

#[test]
fn an_orphan_that_becomes_a_pods_while_the_person_thinks_is_not_released() {
    let node = node();
    let address = orphan(&node, "192.168.0.77");
    let conversation = node.command(&["reconcile", "--release-orphans"]).ask();
    assert!(conversation.question().contains("192.168.0.77"));
    node.cloud.unassign(Node::ENI, address);
    assert_eq!(node.call("ADD", "c0").env("CNI_ARGS", "IP=192.168.0.77").run().address(), address);
    let answer = conversation.answer("yes");
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
    assert_eq!(node.cloud.count(UNASSIGN), 0);
}

#[test]
fn an_orphan_that_ecs_does_not_release_is_recorded_and_left_to_later_calls() {
    let node = node();
    let address = orphan(&node, "192.168.0.77");
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    let answer = release_orphans(&node);
    assert_eq!((answer.status(), &answer.json()["left"]), (1, &json!([address])));
    assert_eq!(node.counts(), [0, 0, 1, 0]);
    assert_eq!(entry(&reconcile(&node))["orphans"], json!([]));
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn an_address_that_an_add_under_way_has_just_got_is_no_orphan() {
    let node = node();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::DelayAnswer(Duration::from_secs(1))));
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    let answer = release_orphans(&node);
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(node.on_eni(), BTreeSet::from([add.wait().address()]));
    assert_eq!(node.cloud.count(UNASSIGN), 0);
}

#[test]
fn what_a_killed_add_has_got_is_found_out_first() {
    let node = node();
    kill_add(&node);
    let answer = reconcile(&node);
    assert_eq!(entry(&answer)["orphans"], json!([]), "{}", node.scene());
    assert!(answer.status() == 0 && node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn what_a_killed_add_may_have_got_is_undecided_as_long_as_ecs_does_not_tell() {
    let node = node().with("timeoutSeconds", 2);
    let got = kill_add(&node);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
    let answer = release_orphans(&node);
    assert_eq!((answer.status(), &answer.json()["released"]), (1, &json!([])));
    assert_eq!(entry(&answer)["undecided"][0]["address"], json!(got));
    assert_eq!(node.on_eni(), BTreeSet::from([got]));
}

#[test]
fn what_an_add_has_got_that_is_killed_meanwhile_is_undecided() {
    let node = node();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    let got = node.on_eni();
    // It has found the ADD alive, and waits for the lock that the ADD holds.
    let words = ["reconcile", "--release-orphans", "--yes", "--json"];
    let reconcile = node.command(&words).start();
    let lock = node.store().join(format!("eni/{}.lock", Node::ENI));
    eventually("it waits for the lock", || has_open(reconcile.pid(), &lock));
    add.kill();
    let answer = reconcile.wait();
    assert_eq!((answer.status(), &answer.json()["released"]), (1, &json!([])));
    assert_eq!(entry(&answer)["undecided"].as_array().unwrap().len(), 1);
    assert_eq!(node.on_eni(), got);
    // Now it is dead for everybody to see.
    assert_eq!(release_orphans(&node).status(), 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

/// Whether a process has a file open.
fn has_open(pid: u32, path: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|it| fs::read_link(it.path()).ok()).any(|it| it == path)
}

/// An ADD that is killed when ECS has assigned an address and has not answered; the address.
fn kill_add(node: &Node) -> IpAddr {
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
    node.on_eni().into_iter().next().unwrap()
}

#[test]
fn what_a_damaged_record_may_name_is_not_released_before_somebody_has_looked() {
    let node = node();
    let live = node.add("c0").address();
    fs::write(only_active_record(&node), "{").unwrap();
    for _ in 0..2 {
        let answer = release_orphans(&node);
        assert_eq!((answer.status(), &answer.json()["released"]), (1, &json!([])));
        assert_eq!(entry(&answer)["undecided"][0]["address"], json!(live));
        // The second time from where a CHECK has set it aside.
        let text =
            node.call("CHECK", "c0").config(|it| it["prevResult"] = json!({"cniVersion": "1.1.0"})).run();
        let _ = text.any_error();
    }
    assert_eq!(node.on_eni(), BTreeSet::from([live]));
    let damaged = fs::read_dir(node.store().join("quarantine")).unwrap().next().unwrap().unwrap().path();
    assert!(node.operator(&["reconcile"]).stdout().contains(damaged.to_str().unwrap()));
    fs::remove_file(damaged).unwrap();
    assert_eq!(release_orphans(&node).result()["released"], json!([live]));
}

#[test]
fn an_eni_that_is_not_this_nodes_to_change_is_left_alone() {
    let spoil: [fn(&mut Eni); 2] =
        [|eni| eni.instance_id = Some("i-bp1another00000000".into()), |eni| eni.service_managed = true];
    for spoil in spoil {
        let node = node();
        let others = orphan(&node, "192.168.0.77");
        node.cloud.with_world(|world| spoil(world.eni_mut(Node::ENI)));
        let answer = release_orphans(&node);
        assert_eq!((answer.status(), &entry(&answer)["orphans"]), (1, &json!([])));
        assert!(entry(&answer)["problem"].as_str().unwrap().contains(Node::ENI), "{answer:?}");
        assert_eq!(node.on_eni(), BTreeSet::from([others]));
    }
}

#[test]
fn an_eni_that_records_name_is_compared_though_it_is_configured_no_more() {
    let mut node = node();
    let _ = node.add("c0").address();
    let orphan = orphan(&node, "192.168.0.77");
    node.set("networkInterfaceId", World::PRIMARY_ENI);
    let answer = reconcile(&node);
    assert_eq!(answer.json()["enis"].as_array().unwrap().len(), 2);
    assert_eq!(entry(&answer)["orphans"], json!([orphan]));
}

#[test]
fn an_eni_that_ecs_does_not_show_leaves_ghosts() {
    let node = node();
    let address = node.add("c0").address();
    age(&node);
    node.cloud.with_world(|world| world.enis.remove(Node::ENI));
    let answer = reconcile(&node);
    assert_eq!((answer.status(), &entry(&answer)["ghosts"][0]["address"]), (1, &json!(address)));
    assert!(entry(&answer)["problem"].as_str().unwrap().contains("does not show"));
}

#[test]
fn amid_adds_and_dels_it_finds_nothing_and_takes_nothing() {
    const WORKERS: usize = 4;
    let world = World::single_node().with_latency(Duration::from_millis(5));
    let node = node_in(world).with("timeoutSeconds", 60).with("logLevel", "info");
    thread::scope(|scope| {
        let work = |worker: usize| {
            let node = &node;
            move || {
                for round in 0..6 {
                    let container = format!("c{worker}-{round}");
                    let address = node.add(&container).address();
                    assert!(node.on_eni().contains(&address), "{}", node.scene());
                    if round % 3 > 0 {
                        node.del(&container).ok();
                    }
                }
            }
        };
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(work(worker))).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            let answer = release_orphans(&node);
            assert_eq!(answer.status(), 0, "{answer:?}");
        }
    });
    assert_eq!(node.on_eni().len(), WORKERS * 2);
    assert_eq!(node.on_eni(), node.recorded());
}
