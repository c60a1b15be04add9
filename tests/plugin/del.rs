//! DEL.

use std::fs;

use harness::{Answer, Calling, Effect, Fault, Node};
use serde_json::json;

use crate::{eventually, node};

#[test]
fn a_del_unassigns_the_address_and_forgets_it() {
    let node = node();
    let _ = node.add("c1").address();
    node.del("c1").ok();
    assert!(node.on_eni().is_empty());
    assert_eq!(node.counts(), [0, 0, 0, 0]);
    assert_eq!(node.cloud.count("UnassignPrivateIpAddresses"), 1);
}

#[test]
fn a_del_without_a_record_asks_nothing_and_makes_nothing() {
    let node = node().with("logLevel", "info");
    node.del("c1").ok();
    assert!(node.cloud.ledger().is_empty() && node.cloud.metadata_requests().is_empty());
    assert!(!node.store().exists() && node.log().is_empty());
}

/// Makes the call while the disk takes no byte: names can be moved and removed, and nothing else.
fn on_a_full_disk(call: Calling<'_>) -> Answer {
    // Of such a write the process is told, instead of being killed for it.
    let call = call.under("env", &["--ignore-signal=XFSZ".to_owned()]);
    call.under("prlimit", &["--fsize=0".to_owned()]).run()
}

/// What is on the ENI is releasing, and is released by the `flush` that comes when all is well again.
#[track_caller]
fn expect_left_to_later_calls(node: &Node, answer: &Answer) {
    if node.counts() != [0, 0, 1, 0] || node.on_eni().len() != 1 {
        answer.fail("a release that is left to later calls");
    }
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_full_disk_does_not_keep_a_pod_from_being_deleted() {
    let node = node();
    let _ = node.add("c1").address();
    let deleted = on_a_full_disk(node.call("DEL", "c1"));
    deleted.ok();
    expect_left_to_later_calls(&node, &deleted);
}

#[test]
fn with_fail_a_full_disk_is_said() {
    let node = node().with("onReleaseFailure", "fail");
    let _ = node.add("c1").address();
    let deleted = on_a_full_disk(node.call("DEL", "c1"));
    assert!(deleted.error(100).contains("eni"), "{}", deleted.stdout());
    expect_left_to_later_calls(&node, &deleted);
}

#[test]
fn a_full_disk_does_not_keep_the_pod_of_a_killed_add_from_being_deleted() {
    let node = node();
    let _ = node.add("c0").address();
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c1").start();
    eventually("the address is assigned", || node.on_eni().len() == 2);
    add.kill();
    on_a_full_disk(node.call("DEL", "c1")).ok();
    // The intent of the dead ADD leads to its address as well as a release would.
    assert_eq!(node.counts(), [1, 1, 0, 0], "{}", node.scene());
    let refused = node.call("DEL", "c1").config(|config| config["ipam"]["onReleaseFailure"] = json!("fail"));
    let _ = on_a_full_disk(refused).error(100);
    node.del("c0").ok();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_lock_of_the_eni_that_cannot_be_made_does_not_keep_a_pod_from_being_deleted() {
    let node = node();
    let _ = node.add("c1").address();
    let directory = node.store().join("eni");
    fs::remove_dir_all(&directory).unwrap();
    fs::write(&directory, "").unwrap();
    let deleted = node.del("c1");
    deleted.ok();
    assert!(node.log().contains(": deferred addresses="), "{}", node.log());
    fs::remove_file(directory).unwrap();
    expect_left_to_later_calls(&node, &deleted);
}

#[test]
fn an_older_release_that_cannot_be_read_does_not_keep_a_pod_from_being_deleted() {
    let node = node().with("timeoutSeconds", 1);
    let older = node.add("c1").address();
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("ServiceUnavailable")));
    node.del("c1").ok();
    let _ = node.add("c1").address();
    for entry in fs::read_dir(node.store().join("releasing")).unwrap().flatten() {
        fs::write(entry.path(), "{").unwrap();
    }
    // Nothing else says what it named.
    fs::remove_file(node.store().join("address").join(format!("{}-{older}", Node::ENI))).unwrap();
    node.del("c1").ok();
    assert_eq!(node.counts(), [0, 0, 1, 1], "{}", node.scene());
    assert!(node.log().contains("is left to later calls: cannot read the record"), "{}", node.log());
}
