//! A node whose metadata service is switched off or blocked: what is configured need not be asked for, and a link with the
//! ENI's hardware address proves that the ENI is this node's.

use std::fs;

use harness::{Answer, Effect, Fault, Node, World};
use serde_json::json;

use crate::another_node::reboot;
use crate::node;

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Every machine has a link with this hardware address.
const HERE: &str = "00:00:00:00:00:00";

/// The ways in which metadata does not answer.
const SILENCES: [fn(&mut Node); 3] = [
    |node| node.set("metadataEndpoint", "http://127.0.0.1:1"),
    |node| node.cloud.inject_metadata("/", Effect::Empty { status: 403 }, None),
    |node| node.cloud.inject_metadata("/", Effect::Stall, None),
];

/// A node that knows everything without metadata; its ENI has no link here.
fn configured() -> Node {
    node()
        .with("regionId", World::REGION_ID)
        .with("subnet", "192.168.0.0/24")
        .with("gateway", "192.168.0.253")
        .with("gcGraceSeconds", 0)
}

/// The same with a link of the ENI.
fn with_link() -> Node {
    let node = configured();
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = HERE.into());
    node
}

fn check(node: &Node, container: &str, address: &str) -> Answer {
    let previous = json!({"ips": [{"address": address}]});
    node.call("CHECK", container).config(|config| config["prevResult"] = previous).run()
}

#[test]
fn every_call_and_command_does_without_what_is_configured() {
    for silence in SILENCES {
        let mut node = with_link();
        silence(&mut node);
        node.call("STATUS", "").run().ok();
        let address = node.add("c0").address();
        check(&node, "c0", &format!("{address}/24")).ok();
        let reconciled = node.operator(&["reconcile"]);
        assert_eq!(reconciled.status(), 0, "{reconciled:?}");
        node.del("c0").ok();
        let _ = node.add("c1").address();
        node.call("GC", "").config(|config| config["cni.dev/valid-attachments"] = json!([])).run().ok();
        assert_eq!(node.operator(&["flush"]).status(), 0);
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
        assert!(node.cloud.metadata_requests().is_empty(), "{}", node.scene());
        let doctor = node.operator(&["doctor"]);
        let text = doctor.stdout();
        assert!(doctor.status() == 0 && text.contains("this configuration does without it"), "{text}");
        assert!(text.contains("is attached to this instance"), "{text}");
    }
}

#[test]
fn both_families_do_without_metadata() {
    let mut node = with_link().with("ipv6", true);
    SILENCES[0](&mut node);
    let text = node.add("c0").error(11);
    assert!(text.ends_with("to do without metadata, set ipam.subnet6"), "{text}");
    node.set("subnet6", "2001:db8:1234:1a00::/64");
    let _ = node.add("c0").addresses();
    assert_eq!(node.on_eni().len(), 2, "{}", node.scene());
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn all_keys_that_are_missing_are_named_at_once_and_no_others() {
    for silence in SILENCES {
        let mut node = node().with("gateway", "192.168.0.253").with("ipv6", true);
        node.ipam.remove("networkInterfaceId");
        silence(&mut node);
        let text = node.add("c0").error(11);
        let keys = "set ipam.regionId, ipam.networkInterfaceId, ipam.subnet, ipam.subnet6";
        assert!(text.trim_end().ends_with(keys), "{text}");
        let text = node.call("ADD", "c0").config(|config| config["type"] = json!("ipvlan")).run().error(11);
        assert!(text.trim_end().ends_with(&format!("{keys}, ipam.gateway6")), "{text}");
    }
    let mut node = configured().with("credentials", json!({"source": "ecs-ram-role"}));
    node.ipam.remove("subnet");
    SILENCES[0](&mut node);
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = HERE.into());
    let text = node.add("c0").error(11);
    assert!(text.ends_with("to do without metadata, set ipam.subnet, ipam.credentials"), "{text}");
}

#[test]
fn after_a_reboot_the_link_proves_that_the_eni_is_still_here() {
    let mut node = with_link();
    let (first, _) = (node.add("c0").address(), node.add("c1").address());
    reboot(&node);
    SILENCES[1](&mut node);
    node.del("c0").ok();
    assert!(!node.on_eni().contains(&first), "{}", node.scene());
    assert_eq!(node.operator(&["flush"]).status(), 0);
    node.del("c1").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn without_link_and_metadata_nothing_is_assigned_and_the_error_says_what_is_not_proved() {
    for silence in SILENCES {
        let mut node = configured();
        silence(&mut node);
        let text = node.add("c0").error(11);
        for words in [
            "cannot prove that eni-bp1secondary000000001 is attached to this instance",
            "00:16:3e:00:00:02",
            World::INSTANCE_ID,
            "ipam.networkInterfaceId",
            "ipam.metadataEndpoint",
            "instance metadata",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!((node.cloud.count(ASSIGN), node.counts()), (0, [0, 0, 0, 0]), "{}", node.scene());
    }
}

#[test]
fn a_node_that_was_made_from_anothers_image_takes_nothing_from_that_one() {
    for silence in SILENCES {
        let mut node = configured();
        let address = node.add("c0").address();
        reboot(&node);
        node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-the-original".into()));
        silence(&mut node);
        node.del("c0").ok();
        let flushed = node.operator(&["flush"]);
        assert!(flushed.status() == 1 && flushed.stdout().contains("i-the-original"), "{flushed:?}");
        assert_eq!((node.cloud.count(UNASSIGN), node.counts()), (0, [0, 0, 1, 0]), "{}", node.scene());
        assert!(node.on_eni().contains(&address));
        node.cloud.assign(Node::ENI, "192.168.0.77".parse().unwrap());
        let reconciled = node.operator(&["reconcile", "--release-orphans", "--yes"]);
        assert_eq!((reconciled.status(), node.cloud.count(UNASSIGN)), (1, 0), "{reconciled:?}");
    }
}

#[test]
fn an_eni_that_is_nobodys_any_more_gets_its_addresses_released() {
    let mut node = configured();
    let _ = node.add("c0").address();
    reboot(&node);
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = None);
    SILENCES[0](&mut node);
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn orphans_are_released_where_a_link_proves_the_eni_to_be_here() {
    let mut node = with_link();
    SILENCES[0](&mut node);
    node.cloud.assign(Node::ENI, "192.168.0.77".parse().unwrap());
    let reconciled = node.operator(&["reconcile", "--release-orphans", "--yes"]);
    assert_eq!(reconciled.status(), 0, "{reconciled:?}");
    assert!(node.on_eni().is_empty(), "{}", node.scene());
}

#[test]
fn an_eni_that_ecs_does_not_know_is_gone_only_if_its_link_is() {
    let mut node = with_link();
    let _ = node.add("c0").address();
    SILENCES[0](&mut node);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("InvalidEniId.NotFound")));
    node.del("c0").ok();
    let why = node.records()[0].0["lastError"].as_str().unwrap().to_owned();
    assert!(why.contains("attached to this instance") && why.contains("credentials"), "{why}");

    // What is found where the link was is another's.
    let path = node.store().join(format!("cache/link-{}.json", Node::ENI));
    let known = fs::read_to_string(&path).unwrap();
    fs::write(&path, known.replace(HERE, "00:16:3e:00:00:77")).unwrap();
    node.cloud.with_world(|world| world.enis.remove(Node::ENI));
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.records().is_empty(), "{}", node.scene());
}

#[test]
fn an_eni_that_ecs_does_not_know_and_that_never_had_a_link_here_may_exist() {
    let mut node = configured().with("timeoutSeconds", 5);
    let _ = node.add("c0").address();
    SILENCES[0](&mut node);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("InvalidEniId.NotFound")));
    node.del("c0").ok();
    assert_eq!(node.counts(), [0, 0, 1, 0], "{}", node.scene());
    let why = node.records()[0].0["lastError"].as_str().unwrap().to_owned();
    assert!(why.contains("instance metadata does not answer"), "{why}");
}

#[test]
fn a_service_that_never_answers_is_asked_once() {
    let node = node().with("timeoutSeconds", 10);
    node.cloud.inject_metadata("/", Effect::Stall, None);
    let text = node.add("c0").error(11);
    assert!(text.contains("within 1 s") && !text.contains("the time of this call ran out"), "{text}");
    // For a token, and without one.
    assert_eq!(node.cloud.metadata_requests().len(), 2, "{}", node.scene());
}
