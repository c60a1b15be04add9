//! `flush` from a container, whose `/proc` shows none of the node's processes.

use std::fs::{self, File};

use harness::{Need, Node};
use serde_json::json;

use crate::host::PLUGIN;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        a_flush_in_a_container_gives_back_nothing_that_an_add_of_the_node_waits_for,
        a_flush_in_a_container_knows_a_dead_add_from_a_living_one;
}

const CONTAINER: [&str; 3] = ["--pid", "--fork", "--mount-proc"];

/// The intent of an ADD that waits for an address, and that lives as long as the file is open.
fn waiting_add(node: &Node) -> File {
    let head = json!({"schema": 1, "intention": {
        "owner": {"containerId": "c9", "ifname": "eth0"}, "network": node.network, "since": "2026-11-22T09:12:44.250Z",
    }});
    let waits = json!({"waits": {
        "networkInterfaceIds": [Node::ENI], "ipv4": true, "ipv6": false, "until": "9999-01-01T00:00:00Z",
    }});
    let path = node.store().join("assigning/c9-0123");
    fs::write(&path, format!("\u{1e}{head}\n\u{1e}\0{waits}\n")).unwrap();
    let file = File::open(&path).unwrap();
    file.lock().unwrap();
    file
}

/// A node with an address in the reserve that no configuration keeps.
fn with_surplus() -> Node {
    let mut node = Node::new(PLUGIN);
    let _ = node.add("c0").address();
    node.set("reserve", 5);
    node.del("c0").ok();
    node.set("reserve", 0);
    assert_eq!(node.reserved_addresses().len(), 1);
    node
}

fn flush_in_a_container(node: &Node) {
    let flushed = node.command(&["flush"]).under("unshare", &CONTAINER.map(str::to_owned)).run();
    assert_eq!(flushed.status(), 0, "{flushed:?}");
}

fn a_flush_in_a_container_gives_back_nothing_that_an_add_of_the_node_waits_for() {
    let node = with_surplus();
    let add = waiting_add(&node);
    flush_in_a_container(&node);
    assert_eq!(node.reserved_addresses().len(), 1, "{}", node.scene());
    drop(add);
    flush_in_a_container(&node);
    assert!(node.reserved_addresses().is_empty() && node.on_eni().is_empty(), "{}", node.scene());
}

fn a_flush_in_a_container_knows_a_dead_add_from_a_living_one() {
    let node = with_surplus();
    let add = waiting_add(&node);
    flush_in_a_container(&node);
    assert!(node.store().join("assigning/c9-0123").exists());
    drop(add);
    flush_in_a_container(&node);
    assert!(!node.store().join("assigning/c9-0123").exists(), "{}", node.scene());
}
