//! A store that has come to another node, or to a node that has changed: what it names may be somebody else's by now.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use harness::{Answer, Effect, Fault, Node, World};
use serde_json::{Value, json};

use crate::node;

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Makes the records look as after a reboot; so does the store of a node that was made from another's image.
pub(crate) fn reboot(node: &Node) {
    for state in ["active", "releasing"] {
        for entry in fs::read_dir(node.store().join(state)).unwrap() {
            let path = entry.unwrap().path();
            let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            record["allocation"]["bootId"] = "another boot".into();
            fs::write(&path, record.to_string()).unwrap();
        }
    }
    fs::remove_dir_all(node.store().join("cache")).unwrap();
}

fn attach_to(node: &Node, instance: Option<&str>) {
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = instance.map(str::to_owned));
}

fn gc(node: &Node) -> Answer {
    node.call("GC", "").config(|config| config["cni.dev/valid-attachments"] = json!([])).run()
}

#[test]
fn a_node_that_was_made_from_anothers_image_takes_nothing_from_that_one() {
    let node = node().with("gcGraceSeconds", 0);
    let address = node.add("c0").address();
    reboot(&node);
    attach_to(&node, Some("i-the-original"));

    let text = gc(&node).error(11);
    assert!(text.contains("i-the-original") && text.contains(&address.to_string()), "{text}");
    node.del("c0").ok();
    assert_eq!(node.operator(&["flush"]).status(), 1);
    assert_eq!(node.cloud.count(UNASSIGN), 0, "{}", node.scene());
    assert_eq!(node.counts(), [0, 0, 1, 0]);
}

#[test]
fn an_eni_that_is_nobodys_any_more_gets_its_addresses_released() {
    let node = node();
    let _ = node.add("c0").address();
    reboot(&node);
    attach_to(&node, None);
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn after_a_reboot_it_is_made_sure_once_that_the_eni_is_still_this_instances() {
    let node = node();
    for container in ["c0", "c1"] {
        let _ = node.add(container).address();
    }
    reboot(&node);
    let before = node.cloud.metadata_requests().len();
    node.del("c0").ok();
    let asked = node.cloud.metadata_requests().len();
    assert!(asked > before);
    node.del("c1").ok();
    assert_eq!(node.cloud.metadata_requests().len(), asked);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn that_ecs_does_not_know_the_eni_is_not_believed_while_it_is_attached() {
    let node = node().with("timeoutSeconds", 2);
    let address = node.add("c0").address();
    // As it answers to the key of another account, or in another region.
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("InvalidEniId.NotFound")));
    node.del("c0").ok();
    assert_eq!(node.recorded(), BTreeSet::from([address]), "{}", node.scene());
    let why = node.records()[0].0["lastError"].as_str().unwrap().to_owned();
    assert!(why.contains("attached to this instance") && why.contains("credentials"), "{why}");
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn what_a_killed_add_got_is_not_forgotten_because_ecs_does_not_know_the_eni_for_a_while() {
    let node = node().with("timeoutSeconds", 2);
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    crate::eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
    // Long enough ago that no copy of the request can still be carried out.
    let intent = fs::read_dir(node.store().join("assigning")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&intent).unwrap();
    let (before, rest) = text.split_once("\"openUntil\":\"").unwrap();
    fs::write(&intent, format!("{before}\"openUntil\":\"2026-01-01T00:00:00.000Z{}", &rest[24..])).unwrap();

    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("InvalidEniId.NotFound")));
    assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn an_interface_that_is_another_eni_by_now_is_noticed_without_a_reboot() {
    let mut node = node().with("interface", "lo");
    node.ipam.remove("networkInterfaceId");
    // Every machine has this interface, with this hardware address.
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = "00:00:00:00:00:00".into());
    let first = node.add("c0").address();
    assert!(node.on_eni().contains(&first));

    // What was found out when the interface was another ENI.
    let facts = node.store().join("cache/facts-of-interface-lo.json");
    let mut known: Value = serde_json::from_slice(&fs::read(&facts).unwrap()).unwrap();
    known["mac"] = "00:16:3e:00:00:01".into();
    known["eni"] = World::PRIMARY_ENI.into();
    known["ours"] = World::PRIMARY_ENI.into();
    fs::write(&facts, known.to_string()).unwrap();

    let second = node.add("c1").address();
    assert_eq!(node.on_eni(), BTreeSet::from([first, second]), "{}", node.scene());
    let asked = node.cloud.metadata_requests().len();
    let _ = node.add("c2").address();
    assert_eq!(node.cloud.metadata_requests().len(), asked);
}

/// A pod on an ENI whose link is on this machine: every machine has one with this hardware address.
fn with_link(node: &Node) -> IpAddr {
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = "00:00:00:00:00:00".into());
    node.add("c0").address()
}

/// The link of the ENI goes: what is found where it was is another's.
fn take_link_away(node: &Node) {
    let path = node.store().join(format!("cache/link-{}.json", Node::ENI));
    let known = fs::read_to_string(&path).unwrap();
    assert!(known.contains("\"link\":\""), "{known}");
    fs::write(&path, known.replace("00:00:00:00:00:00", "00:16:3e:00:00:77")).unwrap();
}

#[test]
fn an_eni_that_was_moved_within_a_boot_gets_nothing_released_from_here() {
    let node = node();
    let address = with_link(&node);
    attach_to(&node, Some("i-another"));
    take_link_away(&node);
    node.del("c0").ok();
    let flushed = node.operator(&["flush"]);
    assert!(flushed.status() == 1 && flushed.stdout().contains("i-another"), "{flushed:?}");
    assert_eq!((node.cloud.count(UNASSIGN), node.counts()), (0, [0, 0, 1, 0]), "{}", node.scene());
    // Nor do pods get addresses of it.
    assert!(node.add("c1").error(113).contains("not attached to this instance"));
    // It comes back.
    attach_to(&node, Some(World::INSTANCE_ID));
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(!node.on_eni().contains(&address), "{}", node.scene());
}

#[test]
fn what_somebody_unassigns_from_an_eni_that_was_moved_is_left_over_here_no_more() {
    let node = node();
    let address = with_link(&node);
    attach_to(&node, Some("i-another"));
    take_link_away(&node);
    node.del("c0").ok();
    assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
    node.cloud.unassign(Node::ENI, address);
    // A description lags, so it proves nothing of an address that was assigned a moment ago.
    assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
    node.let_time_pass(Duration::from_mins(2));
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.records().is_empty(), "{}", node.scene());
    assert_eq!(node.cloud.count(UNASSIGN), 0, "{}", node.scene());
}

#[test]
fn whether_an_eni_was_moved_is_asked_only_when_its_link_has_gone() {
    let node = node();
    let _ = with_link(&node);
    let _ = (node.add("c1").address(), node.add("c2").address(), node.add("c3").address());
    let asked = || node.cloud.metadata_requests().len();
    let before = asked();
    node.del("c0").ok();
    assert_eq!(asked(), before);
    take_link_away(&node);
    node.del("c1").ok();
    let once = asked();
    assert!(once > before);
    node.del("c2").ok();
    node.del("c3").ok();
    assert_eq!(asked(), once);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_clock_that_was_set_back_does_not_withhold_an_address_for_long() {
    let node = node();
    let address = node.add("c0").address();
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::DropAfter));
    node.del("c0").ok();
    let request = || node.call("ADD", "c1").env("CNI_ARGS", format!("IP={address}")).run();
    let _ = request().error(11);

    let state = node.store().join(format!("eni/{}.json", Node::ENI));
    let with_end = |end: &str| {
        let mut known: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
        known["suspects"][0]["until"] = end.into();
        fs::write(&state, known.to_string()).unwrap();
    };
    with_end("2126-01-01T00:00:00.000Z");
    let _ = request().error(11);
    let text = fs::read_to_string(&state).unwrap();
    assert!(!text.contains("2126"), "{text}");
    with_end("2026-01-01T00:00:00.000Z");
    assert_eq!(request().address(), address);
}
