//! The plugins of a network, which have to fit each other and the VPC.

use std::fs;

use harness::{Answer, Fault, Node, World};
use serde_json::{Value, json};

use super::{expect, lines};
use crate::node;

/// What `doctor` says of a network with these plugins.
fn doctor_of(node: &Node, plugins: &[Value]) -> Answer {
    let file = node.directory().join("pods.conflist");
    fs::write(&file, node.conflist_of(plugins).to_string()).unwrap();
    node.operator_with(&file, &["doctor", "--json"])
}

fn main(node: &Node, plugin: &str) -> Value {
    json!({"type": plugin, "ipam": node.ipam})
}

/// The entry that routes the pods of `node`.
fn entry(node: &Node) -> Value {
    json!({"type": "aliyun-eni-ipam", "dataDir": node.ipam["dataDir"], "metadataEndpoint": node.ipam["metadataEndpoint"],
           "logFile": node.ipam["logFile"]})
}

#[test]
fn ptp_alone_fails_on_a_secondary_eni_and_is_well_on_the_primary_one() {
    let mut node = node();
    let portmap = json!({"type": "portmap"});
    let answer = doctor_of(&node, &[main(&node, "ptp"), portmap.clone()]);
    expect(
        &answer,
        "plugins",
        "fail",
        &[Node::ENI, "secondary", "{\"", "\"type\":\"aliyun-eni-ipam\"", "behind"],
    );
    assert!(lines(&answer, "plugins")[0].contains(node.store().to_str().unwrap()), "{answer:?}");
    // Without a word of ECS, metadata tells.
    node.cloud.inject(Fault::code("Forbidden.RAM").action("DescribeNetworkInterfaces"));
    expect(&doctor_of(&node, &[main(&node, "ptp")]), "plugins", "fail", &[Node::ENI, "secondary"]);
    node.cloud.clear_faults();
    node.set("networkInterfaceId", World::PRIMARY_ENI);
    assert_eq!(lines(&doctor_of(&node, &[main(&node, "ptp")]), "plugins"), [""; 0]);
    node.cloud.inject(Fault::code("Forbidden.RAM").action("DescribeNetworkInterfaces"));
    assert_eq!(lines(&doctor_of(&node, &[main(&node, "ptp")]), "plugins"), [""; 0]);
}

#[test]
fn behind_ptp_the_plugin_routes_the_pods_of_a_secondary_eni() {
    let node = node();
    let answer = doctor_of(&node, &[main(&node, "ptp"), json!({"type": "portmap"}), entry(&node)]);
    assert_eq!(lines(&answer, "plugins"), [""; 0], "{answer:?}");
}

#[test]
fn an_entry_that_looks_for_records_elsewhere_fails() {
    let node = node();
    let mut elsewhere = entry(&node);
    elsewhere.as_object_mut().unwrap().remove("dataDir");
    let answer = doctor_of(&node, &[main(&node, "ptp"), elsewhere.clone()]);
    let own = node.store().display().to_string();
    expect(&answer, "plugins", "fail", &["/var/lib/cni/aliyun-eni-ipam", &own]);
    elsewhere["dataDir"] = "store".into();
    expect(
        &doctor_of(&node, &[main(&node, "ptp"), elsewhere.clone()]),
        "plugins",
        "fail",
        &["dataDir", "store"],
    );
    // Another name of the same directory.
    fs::create_dir(node.store()).unwrap();
    let link = node.directory().join("link");
    std::os::unix::fs::symlink(node.store(), &link).unwrap();
    elsewhere["dataDir"] = link.display().to_string().into();
    assert_eq!(lines(&doctor_of(&node, &[main(&node, "ptp"), elsewhere]), "plugins"), [""; 0]);
}

#[test]
fn an_entry_before_the_main_plugin_fails() {
    let node = node();
    let answer = doctor_of(&node, &[entry(&node), main(&node, "ptp")]);
    expect(&answer, "plugins", "fail", &["before ptp", "move it behind"]);
    assert_eq!(lines(&answer, "plugins").len(), 1, "{answer:?}");
}

#[test]
fn plugins_whose_frames_the_vpc_drops_fail_on_every_eni() {
    let mut node = node();
    for eni in [Node::ENI, World::PRIMARY_ENI] {
        node.set("networkInterfaceId", eni);
        for plugin in ["macvlan", "bridge"] {
            let answer = doctor_of(&node, &[main(&node, plugin)]);
            expect(&answer, "plugins", "fail", &[plugin, "the VPC drops", "Use ptp"]);
            assert_eq!(lines(&answer, "plugins").len(), 1, "{answer:?}");
        }
        assert_eq!(lines(&doctor_of(&node, &[main(&node, "ipvlan")]), "plugins"), [""; 0]);
    }
}
