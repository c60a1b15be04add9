//! What an ADD warns of: a main plugin below which its pod cannot talk.

use std::fs;
use std::time::Duration;

use harness::Node;

use crate::node;

const MISSING: &str = "no chained plugin has set routes for its pods";

/// An ADD by a main plugin of this type.
fn add(node: &Node, container: &str, main_plugin: &str) {
    let _ = node.call("ADD", container).config(|config| config["type"] = main_plugin.into()).run().address();
}

fn warnings(node: &Node, of: &str) -> usize {
    node.log().lines().filter(|line| line.contains("WARN") && line.contains(of)).count()
}

#[test]
fn a_main_plugin_that_cannot_work_is_warned_of_once_in_each_add() {
    for main_plugin in ["macvlan", "bridge"] {
        let node = node();
        let of = format!("the main plugin {main_plugin} does not work on ECS");
        for (container, expected) in [("c0", 1), ("c1", 2)] {
            add(&node, container, main_plugin);
            assert_eq!(warnings(&node, &of), expected, "{}", node.log());
        }
        node.call("DEL", "c0").config(|config| config["type"] = main_plugin.into()).run().ok();
        assert_eq!(warnings(&node, &of), 2);
    }
    for main_plugin in ["ptp", "ipvlan", "", "another"] {
        let node = node();
        add(&node, "c0", main_plugin);
        assert_eq!(warnings(&node, ""), 0, "{main_plugin}: {}", node.log());
    }
}

#[test]
fn ptp_on_a_secondary_eni_without_the_chained_plugin_is_warned_of() {
    let node = node();
    // Which come at once when the first pods start.
    for container in ["c0", "c1", "c2"] {
        add(&node, container, "ptp");
    }
    assert_eq!(warnings(&node, MISSING), 0, "{}", node.log());
    node.let_time_pass(Duration::from_mins(2));
    add(&node, "c3", "ptp");
    assert_eq!(warnings(&node, MISSING), 1, "{}", node.log());
    assert!(node.log().contains(r#"add {"type": "aliyun-eni-ipam"} behind ptp"#), "{}", node.log());
    // Again and again, but not where the record is there already.
    add(&node, "c3", "ptp");
    add(&node, "c4", "ptp");
    assert_eq!(warnings(&node, MISSING), 2, "{}", node.log());
    // What the chained plugin makes in its first ADD.
    fs::write(node.store().join("routes.lock"), "").unwrap();
    add(&node, "c5", "ptp");
    assert_eq!(warnings(&node, MISSING), 2, "{}", node.log());
}

#[test]
fn the_first_pod_of_a_store_is_not_one_without_routes() {
    let node = node();
    add(&node, "c0", "ptp");
    node.del("c0").ok();
    node.let_time_pass(Duration::from_mins(2));
    // The chained plugin comes after it.
    add(&node, "c1", "ptp");
    assert_eq!(warnings(&node, MISSING), 0, "{}", node.log());
}

#[test]
fn neither_another_main_plugin_nor_the_primary_eni_needs_the_chained_plugin() {
    let mut node = node();
    add(&node, "c0", "ipvlan");
    node.let_time_pass(Duration::from_mins(2));
    add(&node, "c1", "ipvlan");
    node.ipam.remove("networkInterfaceId");
    add(&node, "c2", "ptp");
    node.let_time_pass(Duration::from_mins(2));
    add(&node, "c3", "ptp");
    assert_eq!(warnings(&node, MISSING), 0, "{}", node.log());
}
