//! The link of an ENI: found by its hardware address, brought up, put into the group of ENIs.

use std::net::IpAddr;

use netlink_packet_core::{NlaBuffer, NlasIterator, parse_string, parse_u32};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkMessage};

use crate::routes::reach;
use crate::routes::socket::{Answer, Conversation, Refusal};

/// Attributes of a link. They are read one by one, because a link has many, and one that the library cannot read must not hide it.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const GROUP: u16 = 27;

/// The attribute of `LINK_INFO` that says what sort of link it is.
const KIND: u16 = 1;

/// Links that are made of others may have the hardware address of an ENI.
const MADE_OF_OTHERS: [&str; 9] =
    ["bond", "bridge", "ipvlan", "ipvtap", "macvlan", "macvtap", "team", "vlan", "vrf"];

/// The length of the header of a link.
const HEADER: usize = 16;

/// A link, as far as the routes depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) mac: Vec<u8>,
    pub(super) is_up: bool,
    pub(super) has_carrier: bool,
    pub(super) group: u32,
    is_made_of_others: bool,
}

impl Link {
    /// Whether it is the link of the ENI with this hardware address.
    fn is_of(&self, mac: [u8; 6]) -> bool {
        self.mac == mac && !self.is_made_of_others
    }

    fn read((_, body): Answer<'_>) -> Option<Self> {
        let header = LinkHeader::parse(body).ok()?;
        let mut link = Self {
            index: header.index,
            name: String::new(),
            mac: Vec::new(),
            is_up: header.flags.contains(LinkFlags::Up),
            has_carrier: header.flags.contains(LinkFlags::LowerUp),
            group: 0,
            is_made_of_others: false,
        };
        for attribute in NlasIterator::new(body.get(HEADER..)?).flatten() {
            let value = attribute.value();
            match attribute.kind() {
                ADDRESS => link.mac = value.to_vec(),
                NAME => link.name = parse_string(value).ok()?,
                GROUP => link.group = parse_u32(value).ok()?,
                LINK_INFO => link.is_made_of_others = is_made_of_others(value),
                _ => {}
            }
        }
        Some(link)
    }
}

fn is_made_of_others(link_info: &[u8]) -> bool {
    let kind = |it: &NlaBuffer<&[u8]>| (it.kind() == KIND).then(|| parse_string(it.value()).ok()).flatten();
    let kind = NlasIterator::new(link_info).flatten().find_map(|it| kind(&it));
    kind.is_some_and(|kind| MADE_OF_OTHERS.contains(&kind.as_str()))
}

/// The link of the ENI with this hardware address, if one of its own addresses leads to it: two questions, however many links there are.
pub(super) fn by_addresses(
    kernel: &Conversation,
    addresses: &[IpAddr],
    mac: [u8; 6],
) -> Result<Option<Link>, Refusal> {
    for address in addresses {
        let Some(index) = reach::link_with(kernel, *address)? else { continue };
        let link = by_index(kernel, index)?.filter(|link| link.is_of(mac));
        if link.is_some() {
            return Ok(link);
        }
    }
    Ok(None)
}

/// The link of the ENI with this hardware address, of all links.
pub(super) fn of_mac(links: &[Link], mac: [u8; 6]) -> Option<&Link> {
    links.iter().filter(|link| link.is_of(mac)).min_by_key(|link| link.index)
}

/// All links.
pub(super) fn list(kernel: &Conversation) -> Result<Vec<Link>, Refusal> {
    let mut message = LinkMessage::default();
    // A third of the bytes are counters.
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    kernel.list(&RouteNetlinkMessage::GetLink(message), Link::read)
}

/// The link with this index, if there is one.
pub(super) fn by_index(kernel: &Conversation, index: u32) -> Result<Option<Link>, Refusal> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    match kernel.get(&RouteNetlinkMessage::GetLink(message), Link::read) {
        Err(refusal) if refusal.is(libc::ENODEV) => Ok(None),
        link => link,
    }
}

/// Brings a link up.
pub(super) fn bring_up(kernel: &Conversation, index: u32) -> Result<(), Refusal> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    kernel.tell(&RouteNetlinkMessage::SetLink(message), 0, |_| {})
}

/// Puts a link into a group.
pub(super) fn set_group(kernel: &Conversation, index: u32, group: u32) -> Result<(), Refusal> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Group(group));
    kernel.tell(&RouteNetlinkMessage::SetLink(message), 0, |_| {})
}
