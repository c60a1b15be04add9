//! Records that a disk, or somebody, has been at: what the store knows of them otherwise is enough to release them.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use harness::{Answer, Effect, Fault, Node};
use serde_json::json;

use crate::node;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// The record of a pod in a directory of the store.
fn record(node: &Node, directory: &str, pod: &str) -> PathBuf {
    let mut paths = fs::read_dir(node.store().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{pod}-"))).unwrap()
}

/// Changes one text of a record for another of the same length, as a flipped bit does.
fn flip(path: &PathBuf, from: &str, to: &str) {
    let content = fs::read_to_string(path).unwrap();
    assert!(content.contains(from) && from.len() == to.len(), "{content}");
    fs::write(path, content.replacen(from, to, 1)).unwrap();
}

/// A CHECK, which reads the record and comes without any DEL.
fn check(node: &Node, pod: &str) -> Answer {
    let result = json!({"cniVersion": "1.1.0", "ips": []});
    node.call("CHECK", pod).config(|config| config["prevResult"] = result).run()
}

#[track_caller]
fn expect_nothing_left(node: &Node) {
    assert_eq!((node.on_eni().len(), node.counts()), (0, [0, 0, 0, 0]), "{}", node.scene());
    let entries = fs::read_dir(node.store().join("address")).unwrap().count();
    assert_eq!(entries, 0, "{}", node.scene());
}

#[test]
fn a_del_releases_the_addresses_of_a_damaged_record() {
    for damage in ["", "{", "[]", "{\"schema\":1}", "\u{0}\u{0}\u{0}"] {
        let node = node().with("ipv6", true).with("onReleaseFailure", "fail");
        assert_eq!(node.add("c0").addresses().len(), 2);
        fs::write(record(&node, "active", "c0"), damage).unwrap();
        node.del("c0").ok();
        expect_nothing_left(&node);
        // As if it had never been.
        let _ = node.add("c0").address();
    }
}

#[test]
fn a_del_releases_the_addresses_of_a_record_that_was_set_aside_before() {
    let node = node().with("onReleaseFailure", "fail");
    let _ = node.add("c0").address();
    fs::write(record(&node, "active", "c0"), "{").unwrap();
    assert!(check(&node, "c0").error(102).contains("quarantine"));
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 0, 0, 1]), "{}", node.scene());
    node.del("c0").ok();
    expect_nothing_left(&node);
}

#[test]
fn a_record_in_which_a_byte_has_changed_is_not_believed() {
    for (from, to) in
        [("192.168.0.1/", "192.168.0.9/"), (Node::ENI, "eni-bp1secondary000000003"), ("\"c0\"", "\"c8\"")]
    {
        let node = node().with("onReleaseFailure", "fail");
        let address = node.call("ADD", "c0").env("CNI_ARGS", "IP=192.168.0.1").run().address();
        // Other software's.
        let foreign: IpAddr = "192.168.0.9".parse().unwrap();
        node.cloud.assign(Node::ENI, foreign);
        flip(&record(&node, "active", "c0"), from, to);
        assert!(check(&node, "c0").error(102).contains("digest"));
        node.del("c0").ok();
        assert!(!node.on_eni().contains(&address), "{from}: {}", node.scene());
        assert!(node.on_eni().contains(&foreign), "{from}: {}", node.scene());
        assert_eq!(node.counts(), [0, 0, 0, 0], "{}", node.scene());
    }
}

#[test]
fn a_release_whose_record_is_damaged_goes_on() {
    let node = node().with("timeoutSeconds", 1);
    for pod in ["c0", "c1"] {
        let _ = node.add(pod).address();
    }
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    // Its failure is written into its record.
    node.del("c0").ok();
    flip(&record(&node, "releasing", "c0"), "\"addresses\"", "\"addressed\"");
    node.cloud.clear_faults();
    // The other record says where the ENI is.
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 1, 0, 0]), "{}", node.scene());
    node.del("c1").ok();
    expect_nothing_left(&node);
}

#[test]
fn a_damaged_record_that_no_entry_leads_to_is_left_to_a_person() {
    let node = node();
    let _ = node.add("c0").address();
    fs::remove_dir_all(node.store().join("address")).unwrap();
    fs::write(record(&node, "active", "c0"), "{").unwrap();
    assert!(node.del("c0").error(102).contains("quarantine"));
    node.del("c0").ok();
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 0, 0, 1]), "{}", node.scene());
}

#[test]
fn a_damaged_record_takes_nothing_from_the_pod_that_has_its_address_now() {
    let node = node().with("timeoutSeconds", 1);
    let address = node.add("c0").address();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    node.cloud.clear_faults();
    // A person takes it off the ENI by hand, and ECS gives it to another pod; a disk brings the old record back, damaged.
    let released = record(&node, "releasing", "c0");
    let copy = node.store().join("copy");
    fs::hard_link(&released, &copy).unwrap();
    node.cloud.unassign(Node::ENI, address);
    let asking = format!("IP={address}");
    assert_eq!(node.call("ADD", "c1").env("CNI_ARGS", &asking).run().address(), address);
    fs::rename(&copy, &released).unwrap();
    fs::write(&released, "{").unwrap();
    let _ = node.operator(&["flush"]);
    assert!(node.on_eni().contains(&address), "{}", node.scene());
    assert_eq!(node.add("c1").address(), address);
}
