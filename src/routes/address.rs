//! Addresses of links.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Parseable};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::routes::numbers::ADDRESS_PROTOCOL;
use crate::routes::reach::{bits, family};
use crate::routes::socket::{Answer, Conversation, Refusal};

/// An address that a link has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkAddress {
    pub(super) link: u32,
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
    /// Whether others may use it to reach this node: it is not of the link or of the host alone.
    pub(super) is_global: bool,
    flags: AddressFlags,
    /// What put it there; `None` where nobody said, and on kernels before 5.18.
    protocol: Option<AddressProtocol>,
}

impl LinkAddress {
    fn read((_, body): Answer<'_>) -> Option<Self> {
        let message = AddressMessage::parse(body).ok()?;
        let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
        let (mut local, mut peer, mut protocol) = (None, None, None);
        for attribute in message.attributes {
            match attribute {
                AddressAttribute::Local(address) => local = Some(address),
                AddressAttribute::Address(address) => peer = Some(address),
                AddressAttribute::Flags(all) => flags = all,
                AddressAttribute::Protocol(it) => protocol = Some(it),
                _ => {}
            }
        }
        Some(Self {
            link: message.header.index,
            address: local.or(peer)?,
            prefix: message.header.prefix_len,
            is_global: message.header.scope == AddressScope::Universe,
            flags,
            protocol,
        })
    }

    /// Whether the kernel says what put an address there.
    pub(super) fn has_protocol(&self) -> bool {
        self.protocol.is_some()
    }

    /// Whether [`add`] put it there. A kernel that does not know that is asked what it knows: DHCP's addresses have a network
    /// behind them or end one day.
    pub(super) fn is_ours(&self, kernel_knows: bool) -> bool {
        let looks_so = self.prefix == bits(self.address)
            && self.flags.contains(AddressFlags::Noprefixroute | AddressFlags::Permanent);
        looks_so && (!kernel_knows || self.protocol == Some(ADDRESS_PROTOCOL.into()))
    }

    /// Whether it still waits for the end of duplicate address detection, and does not work until then.
    pub(super) fn is_tentative(&self) -> bool {
        self.flags.contains(AddressFlags::Tentative)
    }
}

/// The addresses of a link, or of all links.
pub(super) fn list(
    kernel: &Conversation,
    family: AddressFamily,
    link: Option<u32>,
) -> Result<Vec<LinkAddress>, Refusal> {
    let mut message = AddressMessage::default();
    message.header.family = family;
    message.header.index = link.unwrap_or(0);
    let is_of_link = |it: &LinkAddress| link.is_none_or(|link| it.link == link);
    kernel.list(&RouteNetlinkMessage::GetAddress(message), |answer| {
        LinkAddress::read(answer).filter(is_of_link)
    })
}

fn single(link: u32, address: IpAddr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = bits(address);
    message.header.index = link;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

/// Gives a link one address without a network behind it.
pub(super) fn add(kernel: &Conversation, link: u32, address: IpAddr) -> Result<(), Refusal> {
    let mut message = single(link, address);
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute | AddressFlags::Nodad));
    message.attributes.push(AddressAttribute::Protocol(ADDRESS_PROTOCOL.into()));
    kernel.tell(&RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL, |_| {})
}

/// Takes what [`add`] gave.
pub(super) fn remove(kernel: &Conversation, link: u32, address: IpAddr) -> Result<(), Refusal> {
    kernel.tell(&RouteNetlinkMessage::DelAddress(single(link, address)), 0, |_| {})
}

/// Has an address work at once, without waiting for the end of duplicate address detection.
pub(super) fn end_duplicate_detection(kernel: &Conversation, it: &LinkAddress) -> Result<(), Refusal> {
    let mut message = single(it.link, it.address);
    message.header.prefix_len = it.prefix;
    kernel.tell(&RouteNetlinkMessage::DelAddress(message.clone()), 0, |_| {})?;
    let keep = AddressFlags::Noprefixroute & it.flags;
    message.attributes.push(AddressAttribute::Flags(keep | AddressFlags::Nodad));
    kernel.tell(&RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE, |_| {})
}
