//! ADD.

use serde_json::json;

use crate::node;

#[test]
fn an_add_gets_an_address_that_is_on_the_eni_and_recorded() {
    let node = node();
    let answer = node.add("c1");
    let address = answer.address();
    assert_eq!(
        answer.result()["ips"],
        json!([{"address": format!("{address}/24"), "gateway": "192.168.0.253"}])
    );
    assert!(node.on_eni().contains(&address));
    assert_eq!(node.on_eni(), node.recorded());
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn an_add_that_is_repeated_gets_the_same_address_again() {
    let node = node();
    assert_eq!(node.add("c1").address(), node.add("c1").address());
    assert_eq!(node.on_eni().len(), 1);
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 1);
}
