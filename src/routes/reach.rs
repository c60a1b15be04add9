//! What the kernel answers when it is asked for the way to one address.

use std::net::IpAddr;

use netlink_packet_core::Parseable;
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::routes::socket::{Conversation, Refusal};

/// The way to an address.
#[derive(Debug)]
pub(super) struct Way {
    /// Whether the address is the node's own.
    pub(super) is_local: bool,
    /// The link that it leads to, or, if it is local, that has it.
    pub(super) link: Option<u32>,
    /// How many bits of the address its route looks at.
    prefix: u8,
    is_ipv6: bool,
}

impl Way {
    /// Whether its route is for this one address of another than the node.
    pub(super) fn is_to_one_address(&self) -> bool {
        !self.is_local && self.prefix == if self.is_ipv6 { 128 } else { 32 }
    }
}

/// The number of bits of an address.
pub(super) fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address family of an address.
pub(super) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// The link that has this address as one of its own.
pub(super) fn link_with(kernel: &Conversation, address: IpAddr) -> Result<Option<u32>, Refusal> {
    Ok(way_to(kernel, address)?.filter(|way| way.is_local).and_then(|way| way.link))
}

/// The way to an address, if there is one.
pub(super) fn way_to(kernel: &Conversation, address: IpAddr) -> Result<Option<Way>, Refusal> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(address);
    message.header.destination_prefix_length = bits(address);
    // The route as it is in the table, not the way that was made of it: that leads to `lo`.
    message.header.flags = RouteFlags::FibMatch;
    message.attributes.push(RouteAttribute::Destination(address.into()));
    match kernel.get(&RouteNetlinkMessage::GetRoute(message), |(_, body)| RouteMessage::parse(body).ok()) {
        Ok(route) => Ok(route.map(|route| Way {
            is_local: route.header.kind == RouteType::Local,
            prefix: route.header.destination_prefix_length,
            is_ipv6: address.is_ipv6(),
            link: route.attributes.iter().find_map(|it| match it {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            }),
        })),
        Err(refusal) if refusal.is_one_of(&NO_WAY) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// What the kernel says where there is no way, or one that ends at once.
const NO_WAY: [i32; 5] =
    [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EACCES, libc::EINVAL, libc::EAFNOSUPPORT];
