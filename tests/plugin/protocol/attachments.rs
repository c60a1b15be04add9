//! The list of attachments that a GC is told to keep. That it is not there, that it is empty, and that it names some are three
//! things, and it has two names.

use harness::Node;
use serde_json::{Value, json};

use super::{error, expect_error};
use crate::node;

const KEY: &str = "cni.dev/valid-attachments";
const OLD_KEY: &str = "cni.dev/attachments";

/// A node with the pods c1, c2 and c3, all old enough to be released.
fn with_pods() -> Node {
    let node = node().with("gcGraceSeconds", 0);
    for container in ["c1", "c2", "c3"] {
        let _ = node.add(container).address();
    }
    node.cloud.clear_ledger();
    node
}

fn gc(node: &Node, lists: &Value) -> harness::Answer {
    let lists = lists.as_object().unwrap().clone();
    node.call("GC", "").config(|config| config.as_object_mut().unwrap().extend(lists)).run()
}

fn list(containers: &[&str]) -> Value {
    containers.iter().map(|container| json!({"containerID": container, "ifname": "eth0"})).collect()
}

#[test]
fn only_a_list_that_is_there_says_what_is_left_over() {
    for (lists, left) in [
        (json!({}), 3),
        (json!({KEY: null}), 3),
        (json!({KEY: null, OLD_KEY: null}), 3),
        (json!({KEY: list(&["c1", "c2", "c3"])}), 3),
        (json!({KEY: list(&["c1", "c3"])}), 2),
        (json!({OLD_KEY: list(&["c2"])}), 1),
        (json!({KEY: list(&["c1"]), OLD_KEY: list(&["c1"])}), 1),
        // What either of them names is in use.
        (json!({KEY: list(&["c1"]), OLD_KEY: list(&["c2"])}), 2),
        (json!({KEY: [], OLD_KEY: list(&["c2"])}), 1),
        (json!({KEY: list(&["c9"])}), 0),
        (json!({KEY: []}), 0),
    ] {
        let node = with_pods();
        gc(&node, &lists).ok();
        assert_eq!(node.counts(), [0, left, 0, 0], "{lists}");
        assert_eq!(node.on_eni(), node.recorded(), "{lists}");
        assert_eq!(node.cloud.ledger().is_empty(), left == 3, "{lists}");
    }
}

#[test]
fn an_interface_of_another_name_is_another_attachment() {
    let node = with_pods();
    gc(
        &node,
        &json!({KEY: [{"containerID": "c1", "ifname": "eth1"}, {"containerID": "c2", "ifname": "eth0"}]}),
    )
    .ok();
    assert_eq!(node.counts(), [0, 1, 0, 0]);
    assert_eq!(node.records()[0].0["containerId"], "c2");
}

#[test]
fn a_list_that_cannot_be_read_releases_nothing() {
    let node = with_pods();
    for key in [KEY, OLD_KEY] {
        for (bad, reason) in [
            (json!({}), "it must be a list, but is an object"),
            (json!("c1"), "it must be a list, but is a string"),
            (json!(["c1"]), "entry 0: invalid type: string \"c1\", expected struct Attachment"),
            (json!([{"containerID": "c1"}]), "entry 0: missing field `ifname`"),
            (
                json!([{"containerID": 5, "ifname": "eth0"}]),
                "entry 0: invalid type: integer `5`, expected a string",
            ),
            (
                json!([{"containerID": "../c", "ifname": "eth0"}]),
                "entry 0: invalid characters in containerID; ../c",
            ),
        ] {
            let mut lists = json!({KEY: list(&["c1"]), OLD_KEY: list(&["c1"])});
            lists[key] = bad;
            let expected = error(Some("1.1.0"), 7, &format!("invalid {key}"), reason);
            expect_error(&gc(&node, &lists), &expected);
        }
    }
    assert_eq!(node.counts(), [0, 3, 0, 0]);
    assert!(node.cloud.ledger().is_empty());
}
