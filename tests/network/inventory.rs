//! What the cloud knows: two nodes with three ENIs each, in one vSwitch or in two.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use harness::World;
use harness::simulator::{Eni, EniType, VSwitch};

/// Which vSwitch each of a node's ENIs is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum VSwitches {
    One,
    /// The primary ENI in one, both secondary ENIs in another.
    Two,
}

/// How many ENIs a node has.
pub(crate) const ENIS: usize = 3;

/// The address with this number in a vSwitch.
pub(crate) fn ipv4(vswitch: u8, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, vswitch, number)
}

/// The same in its IPv6 block.
pub(crate) fn ipv6(vswitch: u8, number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0x1234, 0x1a00 + u16::from(vswitch), 0, 0, 0, u16::from(number))
}

/// The gateways of a vSwitch.
pub(crate) fn gateways(vswitch: u8) -> (Ipv4Addr, Ipv6Addr) {
    let [a, b, c, d, ..] = ipv6(vswitch, 0).segments();
    (ipv4(vswitch, 253), Ipv6Addr::new(a, b, c, d, 0xffff, 0xffff, 0xffff, 0xfff5))
}

impl VSwitches {
    /// That of a node's ENI.
    pub(crate) fn of_eni(self, index: usize) -> u8 {
        u8::from(self == Self::Two && index > 0)
    }
}

/// The number of an ENI's own addresses in its vSwitch.
pub(crate) fn own_number(node: u8, index: usize) -> u8 {
    node * 10 + u8::try_from(index).unwrap()
}

/// The hardware address of an ENI.
pub(crate) fn mac(node: u8, index: usize) -> String {
    format!("00:16:3e:00:0{node}:0{index}")
}

/// The addresses of its vSwitch that a pod of this node never gets, because each node has a cloud of its own: what the other node's
/// may hand out.
fn elsewhere(node: u8) -> std::ops::RangeInclusive<u8> {
    if node == 1 { 100..=250 } else { 1..=99 }
}

/// The cloud as one of two nodes sees it.
pub(crate) fn world(node: u8, vswitches: VSwitches) -> World {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // What is claimed in `/run` is one node's alone.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut world = World::single_node();
    world.instance.id = format!("i-bp1network{node}");
    world.vswitches.clear();
    world.enis.clear();
    for vswitch in [0, 1] {
        let id = vswitch_id(vswitch);
        let (gateway, gateway6) = gateways(vswitch);
        let mut it = VSwitch::new(&id, format!("{}/24", ipv4(vswitch, 0)).parse().unwrap(), gateway);
        it.cidr6 = Some(format!("{}/64", ipv6(vswitch, 0)).parse().unwrap());
        it.gateway6 = Some(gateway6);
        world.vswitches.insert(id.clone(), it);
        // Has what the other node's cloud may hand out, and what nodes have themselves.
        let mut others =
            Eni::new(&format!("eni-bp1elsewhere{vswitch}"), "00:16:3e:00:00:ff", ipv4(vswitch, 99));
        others.instance_id = None;
        others.vswitch_id = id;
        others.addresses = elsewhere(node).chain(10..=29).flat_map(|it| addresses(vswitch, it)).collect();
        world = world.with_eni(others);
    }
    for index in 0..ENIS {
        let (vswitch, own) = (vswitches.of_eni(index), own_number(node, index));
        let id = format!("eni-bp1network{count}{node}{index}");
        let mut eni = Eni::new(&id, &mac(node, index), ipv4(vswitch, own));
        if index == 0 {
            eni.kind = EniType::Primary;
        }
        eni.instance_id = Some(world.instance.id.clone());
        eni.vswitch_id = vswitch_id(vswitch);
        eni.primary_ipv6 = Some(ipv6(vswitch, own));
        world = world.with_eni(eni);
    }
    world
}

fn vswitch_id(vswitch: u8) -> String {
    format!("vsw-bp1network{vswitch}")
}

fn addresses(vswitch: u8, number: u8) -> [IpAddr; 2] {
    [ipv4(vswitch, number).into(), ipv6(vswitch, number).into()]
}
