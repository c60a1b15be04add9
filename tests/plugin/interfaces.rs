//! A network of several ENIs (`interfaces`), as far as no link is needed: what the links decide is in `tests/machine/interfaces.rs`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use harness::simulator::Eni;
use harness::{Node, World};

use crate::node_in;

const SECOND: &str = "eni-bp1secondary000000002";
const THIRD: &str = "eni-bp1secondary000000003";

/// A node whose pods get addresses of all ENIs but the primary one. No link of this machine has their MAC addresses, so they are
/// in the order of these.
fn node() -> Node {
    let second = Eni::new(SECOND, "00:16:3e:00:00:03", Ipv4Addr::new(192, 168, 0, 12));
    let third = Eni::new(THIRD, "00:16:3e:00:00:04", Ipv4Addr::new(192, 168, 0, 13));
    let world = World::single_node().with_eni(third).with_eni(second);
    let mut node = node_in(world).with("interfaces", "secondary");
    node.ipam.remove("networkInterfaceId");
    node
}

fn on(node: &Node, eni: &str) -> BTreeSet<IpAddr> {
    node.cloud.with_world(|world| world.eni_mut(eni).addresses.clone())
}

#[test]
fn the_first_eni_of_several_is_filled_first() {
    let node = node();
    let addresses = BTreeSet::from([node.add("c1").address(), node.add("c2").address()]);
    assert_eq!(on(&node, Node::ENI), addresses, "{}", node.scene());
    assert!(on(&node, World::PRIMARY_ENI).is_empty());
}
