//! Addresses that somebody else takes off the ENI, in the console or with another tool, while pods have them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use harness::simulator::AddressPolicy;
use harness::{Node, World};

/// A node whose cloud hands out first what was taken off last.
fn node() -> Node {
    crate::node_in(World::single_node().with_policy(AddressPolicy::LowestFree))
}

fn files(node: &Node, directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(node.store().join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_was_taken_off_and_is_handed_out_again_goes_back_to_its_pod() {
    let node = node();
    let first = node.add("c0").address();
    node.cloud.unassign(Node::ENI, first);
    let second = node.add("c1").address();
    assert_ne!(second, first, "{}", node.scene());
    // Each has its own again, and each DEL releases its own.
    assert_eq!(node.on_eni(), BTreeSet::from([first, second]));
    node.del("c0").ok();
    assert_eq!(node.on_eni(), BTreeSet::from([second]), "{}", node.scene());
    node.del("c1").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn what_was_taken_off_cannot_be_asked_for_by_another_pod() {
    let node = node();
    let first = node.add("c0").address();
    node.cloud.unassign(Node::ENI, first);
    let asking = node.call("ADD", "c1").env("CNI_ARGS", format!("IP={first}"));
    assert!(asking.run().any_error().contains(&first.to_string()));
    assert_eq!(node.counts(), [0, 1, 0, 0], "{}", node.scene());
    assert_eq!(node.on_eni(), BTreeSet::from([first]));
}

#[test]
fn a_release_that_names_what_another_record_has_in_use_ends_without_a_request() {
    let node = node();
    let address = node.add("c0").address();
    let active = files(&node, "active").remove(0);
    let name = format!("{}.0123456789abcdef", active.file_name().unwrap().to_str().unwrap());
    fs::copy(&active, node.store().join("releasing").join(name)).unwrap();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
    assert_eq!((node.counts(), node.cloud.count("UnassignPrivateIpAddresses")), ([0, 1, 0, 0], 0));
}

#[test]
fn who_has_an_address_is_found_although_the_entry_for_it_is_damaged() {
    let node = node();
    let first = node.add("c0").address();
    node.cloud.unassign(Node::ENI, first);
    let entry = files(&node, "address").remove(0);
    fs::remove_file(&entry).unwrap();
    fs::write(&entry, "{").unwrap();
    assert_ne!(node.add("c1").address(), first, "{}", node.scene());
}

#[test]
fn no_entry_outlives_the_release_of_its_address() {
    let node = node().with("ipv6", true);
    assert_eq!(node.add("c0").addresses().len(), 2);
    assert_eq!(files(&node, "address").len(), 2);
    node.del("c0").ok();
    assert_eq!(files(&node, "address"), Vec::<PathBuf>::new());
}
