//! ADDs that share a request: one asks for all that wait, and what is not its own the others take out of the reserve.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use harness::Node;
use harness::simulator::Entry;

use crate::node;

const ASSIGN: &str = "AssignPrivateIpAddresses";
const ASSIGN6: &str = "AssignIpv6Addresses";

fn containers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("c{number}")).collect()
}

/// A node on which an ADD has come and gone: it knows its ENI.
fn warm(node: Node) -> Node {
    let _ = node.add("first").address();
    node.del("first").ok();
    node.cloud.clear_ledger();
    node
}

fn assigns(node: &Node) -> Vec<Entry> {
    let all = node.cloud.ledger().into_iter();
    all.filter(|entry| [ASSIGN, ASSIGN6].contains(&entry.action.as_str())).collect()
}

/// Starts an ADD of each and waits for all. Returns the addresses of each.
fn add_at_once(node: &Node, containers: &[String]) -> Vec<Vec<IpAddr>> {
    let running: Vec<_> = containers.iter().map(|container| node.call("ADD", container).start()).collect();
    running.into_iter().map(|call| call.wait().addresses()).collect()
}

#[test]
fn thirty_adds_at_once_share_a_few_requests_and_each_gets_an_address_of_its_own() {
    let containers = containers(30);
    let node = warm(node().with("timeoutSeconds", 30));
    node.cloud.set_latency(Duration::from_millis(300));
    let addresses: Vec<IpAddr> = add_at_once(&node, &containers).into_iter().flatten().collect();
    let distinct: BTreeSet<IpAddr> = addresses.iter().copied().collect();
    assert_eq!((addresses.len(), distinct.len()), (30, 30));
    assert_eq!(node.recorded(), distinct);
    assert!(assigns(&node).len() <= 6, "{} requests: {}", assigns(&node).len(), node.scene());
    assert_eq!(node.cloud.overlaps(), 0);
}
