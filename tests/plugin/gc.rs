//! GC.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::simulator::World;
use harness::{Answer, Effect, Fault, Node};
use serde_json::{Value, json};

use crate::{node, node_in};

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Calls GC with these attachments as the valid ones; `None` leaves the key out.
fn gc(node: &Node, valid: Option<&[String]>) -> Answer {
    let attachment = |container: &String| json!({"containerID": container, "ifname": "eth0"});
    let list: Option<Vec<Value>> = valid.map(|valid| valid.iter().map(attachment).collect());
    node.call("GC", "")
        .without("CNI_CONTAINERID")
        .without("CNI_IFNAME")
        .without("CNI_NETNS")
        .config(|config| {
            if let Some(list) = list {
                config["cni.dev/valid-attachments"] = list.into();
            }
        })
        .run()
}

fn containers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("c{number}")).collect()
}

fn with_pods(containers: &[String]) -> Node {
    let world = World::single_node().with_vswitch("192.168.0.0/20", "192.168.15.253");
    let node = node_in(world).with("gcGraceSeconds", 0).with("timeoutSeconds", 60).with("logLevel", "info");
    for container in containers {
        let _ = node.add(container).address();
    }
    node.cloud.clear_ledger();
    node
}

#[test]
fn a_gc_releases_150_of_200_in_5_calls_and_leaves_the_50_alone() {
    let containers = containers(200);
    let node = with_pods(&containers);
    let (valid, stale) = containers.split_at(50);
    let keep: BTreeSet<_> = valid.iter().map(|container| node.add(container).address()).collect();
    gc(&node, Some(valid)).ok();
    assert_eq!(node.on_eni(), keep);
    assert_eq!(node.recorded(), keep);
    let calls = node.cloud.count(UNASSIGN);
    println!("{} stale of {} records: {calls} calls", stale.len(), containers.len());
    assert!((5..=6).contains(&calls), "{calls} calls");
}

#[test]
fn a_gc_that_is_not_told_what_is_valid_does_nothing() {
    let node = with_pods(&containers(2));
    gc(&node, None).ok();
    assert!(node.cloud.ledger().is_empty());
    assert_eq!(node.counts(), [0, 2, 0, 0]);
}

#[test]
fn a_gc_that_is_told_that_nothing_is_valid_releases_everything() {
    let node = with_pods(&containers(2));
    gc(&node, Some(&[])).ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn a_gc_with_a_malformed_list_releases_nothing() {
    let node = with_pods(&containers(1));
    let call = node
        .call("GC", "")
        .config(|config| config["cni.dev/valid-attachments"] = json!([{"containerID": 1}]));
    let _ = call.run().error(7);
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn a_gc_goes_on_past_an_address_that_is_refused_and_names_it() {
    let containers = containers(150);
    let node = with_pods(&containers);
    let refused = *node.on_eni().iter().nth(70).unwrap();
    node.cloud
        .inject(Fault::on(UNASSIGN).address(refused).effect(Effect::code("InvalidVSwitchId.IpInvalid")));
    let text = gc(&node, Some(&[])).error(11);
    assert!(text.contains(&refused.to_string()), "{text}");
    assert_eq!(node.on_eni(), BTreeSet::from([refused]));
    assert_eq!(node.counts(), [0, 0, 1, 0]);
}

#[test]
fn a_gc_that_leaves_ecs_alone_after_a_failure_says_what_failed() {
    let node = with_pods(&containers(2));
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let text = gc(&node, Some(&[])).error(11);
    assert!(text.contains("Forbidden.RAM"), "{text}");
    assert_eq!((node.cloud.count(UNASSIGN), node.counts()), (1, [0, 0, 2, 0]));
}

#[test]
fn a_gc_leaves_other_networks_alone() {
    let mut node = with_pods(&containers(1));
    node.network = "others".into();
    gc(&node, Some(&[])).ok();
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn a_gc_leaves_alone_what_is_younger_than_the_grace_time() {
    let mut node = with_pods(&containers(1));
    node.set("gcGraceSeconds", 3600);
    gc(&node, Some(&[])).ok();
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn a_gc_undoes_what_a_killed_add_left() {
    let node = with_pods(&[]);
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    crate::eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
    assert_eq!(node.counts(), [1, 0, 0, 0]);
    gc(&node, Some(&[])).ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_gc_that_cannot_find_out_what_a_killed_add_was_given_says_so() {
    let node = with_pods(&[]).with("timeoutSeconds", 2);
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    crate::eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::code("ServiceUnavailable")));
    let text = gc(&node, Some(&[])).error(11);
    let expected = format!("an interrupted ADD on {} is still releasing", Node::ENI);
    assert!(text.contains(&expected) && text.contains("ServiceUnavailable"), "{text}");
    let log = node.log();
    assert!(log.contains(&format!("requests in doubt on {} stay so for now: ", Node::ENI)), "{log}");
}

#[test]
fn a_gc_does_not_touch_an_add_that_is_under_way() {
    let node = with_pods(&[]);
    node.cloud.inject(
        Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::DelayAnswer(Duration::from_secs(1))),
    );
    let add = node.call("ADD", "c0").start();
    crate::eventually("the address is assigned", || !node.on_eni().is_empty());
    gc(&node, Some(&[])).ok();
    let address = add.wait().address();
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
    assert_eq!(node.counts(), [0, 1, 0, 0]);
    assert_eq!(node.cloud.count(UNASSIGN), 0);
}

#[test]
fn a_record_of_an_earlier_boot_is_not_released_for_that_alone() {
    let node = node().with("gcGraceSeconds", 0);
    let address = node.add("c0").address();
    let active = node.store().join("active");
    let file = std::fs::read_dir(&active).unwrap().next().unwrap().unwrap().path();
    let mut record: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    record["allocation"]["bootId"] = "another boot".into();
    std::fs::write(&file, record.to_string()).unwrap();
    gc(&node, Some(&["c0".into()])).ok();
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
    let table = node.operator(&["list"]).stdout();
    assert!(table.contains(" earlier "), "{table}");
    gc(&node, Some(&[])).ok();
    assert!(node.on_eni().is_empty() && node.log().contains("before the last boot"));
}
