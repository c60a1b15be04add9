//! DEL.

use crate::node;

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
