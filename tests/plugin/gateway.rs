//! The gateway that a result names: below `ptp`, which puts it on the node's end of each pod's interface, the ENI's own primary
//! address; elsewhere the vSwitch's.

use std::fs;

use harness::{Answer, Node, World};
use serde_json::{Value, json};

use crate::node;

/// The primary addresses of the two ENIs, and the gateways of their vSwitch.
const OF_PRIMARY_ENI: &str = "192.168.0.10";
const OF_SECONDARY_ENI: &str = "192.168.0.11";
const OF_VSWITCH: &str = "192.168.0.253";
const OF_VSWITCH6: &str = "2001:db8:1234:1a00:ffff:ffff:ffff:fff5";

/// An ADD by a main plugin of this type.
fn add(node: &Node, container: &str, main_plugin: &Value) -> Answer {
    node.call("ADD", container).config(|config| config["type"] = main_plugin.clone()).run()
}

fn gateways(answer: &Answer) -> Vec<String> {
    let result = answer.result();
    let ips = result["ips"].as_array().unwrap().iter();
    ips.map(|ip| ip["gateway"].as_str().unwrap_or_default().to_owned()).collect()
}

fn asked_for_a_gateway(node: &Node) -> usize {
    node.cloud.metadata_requests().iter().filter(|(_, path, _)| path.ends_with("gateway")).count()
}

#[test]
fn below_ptp_it_is_the_enis_own_primary_address_and_nobody_is_asked_for_another() {
    let mut node = node();
    assert_eq!(gateways(&add(&node, "c0", &json!("ptp"))), [OF_SECONDARY_ENI]);
    node.ipam.remove("networkInterfaceId");
    assert_eq!(gateways(&add(&node, "c1", &json!("ptp"))), [OF_PRIMARY_ENI]);
    // From the facts that were kept.
    assert_eq!(gateways(&add(&node, "c2", &json!("ptp"))), [OF_PRIMARY_ENI]);
    assert_eq!(asked_for_a_gateway(&node), 0);
}

#[test]
fn elsewhere_it_is_the_vswitchs() {
    for main_plugin in ["ipvlan", "macvlan", "bridge", "PTP", ""].map(|it| json!(it)) {
        assert_eq!(gateways(&add(&node(), "c0", &main_plugin)), [OF_VSWITCH], "{main_plugin}");
    }
    for no_type in [json!(null), json!(5), json!(["ptp"])] {
        assert_eq!(gateways(&add(&node(), "c0", &no_type)), [OF_VSWITCH], "{no_type}");
    }
}

#[test]
fn networks_with_different_main_plugins_share_what_is_known_of_their_eni() {
    let node = node().with("ipv6", true);
    for (container, main_plugin, expected) in [
        ("c0", "ptp", [OF_SECONDARY_ENI, "fe80::1"]),
        ("c1", "ipvlan", [OF_VSWITCH, OF_VSWITCH6]),
        ("c2", "ptp", [OF_SECONDARY_ENI, "fe80::1"]),
        ("c3", "ipvlan", [OF_VSWITCH, OF_VSWITCH6]),
    ] {
        assert_eq!(gateways(&add(&node, container, &json!(main_plugin))), expected, "{container}");
    }
    assert_eq!(asked_for_a_gateway(&node), 2, "{}", node.scene());
    assert_eq!(node.cloud.count("DescribeNetworkInterfaces"), 1);
}

#[test]
fn of_ipv6_it_is_the_enis_primary_address_where_ecs_knows_one() {
    let node = node().with("ipv6", true);
    let primary = "2001:db8:1234:1a00::9";
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).primary_ipv6 = Some(primary.parse().unwrap()));
    assert_eq!(gateways(&node.add("c0")), [OF_SECONDARY_ENI, primary]);
    assert!(!node.recorded().contains(&primary.parse().unwrap()));
}

#[test]
fn one_that_is_configured_wins() {
    let node = node().with("ipv6", true).with("gateway", "192.168.0.9").with("gateway6", "fe80::9");
    for main_plugin in ["ptp", "ipvlan"] {
        assert_eq!(gateways(&add(&node, main_plugin, &json!(main_plugin))), ["192.168.0.9", "fe80::9"]);
    }
    assert_eq!(asked_for_a_gateway(&node), 0);
}

#[test]
fn a_record_keeps_the_one_that_its_pod_was_told() {
    let mut node = node();
    assert_eq!(gateways(&add(&node, "c0", &json!("ipvlan"))), [OF_VSWITCH]);
    assert_eq!(gateways(&add(&node, "c0", &json!("ptp"))), [OF_VSWITCH]);
    assert_eq!(gateways(&add(&node, "c1", &json!("ptp"))), [OF_SECONDARY_ENI]);
    node.set("gateway", "192.168.0.9");
    assert_eq!(gateways(&add(&node, "c1", &json!("ptp"))), [OF_SECONDARY_ENI]);
}

#[test]
fn one_outside_of_a_wrong_subnet_is_refused_before_an_address_is_assigned() {
    let node = node().with("subnet", "10.0.0.0/24");
    for (main_plugin, expected) in [
        (
            "ptp",
            "ipam.subnet is 10.0.0.0/24, but must be the CIDR block of the ENI's vSwitch, which has the ENI's primary address \
             192.168.0.11",
        ),
        ("ipvlan", "ipam.gateway is 192.168.0.253, but must be an address inside 10.0.0.0/24"),
    ] {
        let text = add(&node, "c0", &json!(main_plugin)).error(7);
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 0);
}

#[test]
fn without_metadata_it_need_not_be_configured_below_ptp() {
    let node = node()
        .with("regionId", World::REGION_ID)
        .with("subnet", "192.168.0.0/24")
        .with("ipv6", true)
        .with("subnet6", "2001:db8:1234:1a00::/64")
        .with("metadataEndpoint", "http://127.0.0.1:1");
    // Every machine has a link with this hardware address.
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).mac = "00:00:00:00:00:00".into());
    let text = add(&node, "c0", &json!("ipvlan")).error(11);
    assert!(text.ends_with("to do without metadata, set ipam.gateway, ipam.gateway6"), "{text}");
    assert_eq!(gateways(&add(&node, "c0", &json!("ptp"))), [OF_SECONDARY_ENI, "fe80::1"]);
    let file = node.directory().join("ptp.conflist");
    let plugins = [json!({"type": "ptp", "ipam": node.ipam})];
    fs::write(&file, node.conflist_of(&plugins).to_string()).unwrap();
    let doctor = node.operator_with(&file, &["doctor"]);
    let text = doctor.stdout();
    assert!(
        !text.contains("fail  metadata") && text.contains("this configuration does without it"),
        "{text}"
    );
}
