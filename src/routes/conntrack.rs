//! What connection tracking remembers of an address. An entry that names the pod that had it would send packets to its next pod.

use std::net::IpAddr;

use netlink_packet_core::{Nla, NlasIterator, Parseable};
use netlink_packet_netfilter::conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, Tuple};
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};

use crate::routes::socket::{Answer, Conversation, Refusal};

/// What says which entry is meant: its identifier and its zone (`CTA_ID`, `CTA_ZONE`).
const IDENTIFIES: [u16; 2] = [12, 18];

/// Deletes the entries whose connection began at the address, or is answered from it. Returns how many there were.
pub(super) fn forget(kernel: &Conversation, address: IpAddr) -> Result<usize, Refusal> {
    let family = if address.is_ipv4() { NetfilterProtoFamily::IPv4 } else { NetfilterProtoFamily::IPv6 };
    let message = |inner| NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), inner);
    let entries = match kernel.list(&message(ConntrackMessage::Get(Vec::new())), |it| of_address(it, address))
    {
        // The kernel has no connection tracking, so it remembers nothing.
        Err(refusal) if refusal.is_one_of(&[libc::EINVAL, libc::EOPNOTSUPP, libc::EPROTONOSUPPORT]) => {
            return Ok(0);
        }
        entries => entries?,
    };
    let mut deleted = 0;
    for entry in entries {
        match kernel.tell(&message(ConntrackMessage::Delete(entry)), 0, |_| {}) {
            // It has ended by itself.
            Err(refusal) if refusal.is(libc::ENOENT) => {}
            done => {
                done?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

/// What identifies an entry, if it is of the address.
fn of_address((_, body): Answer<'_>, address: IpAddr) -> Option<Vec<ConntrackAttribute>> {
    let attributes = NlasIterator::new(body.get(4..)?).flatten();
    let attributes: Vec<_> = attributes.filter_map(|it| ConntrackAttribute::parse(&it).ok()).collect();
    let comes_from_it = |tuple: &Tuple| match tuple {
        Tuple::Ip(parts) => parts.contains(&IPTuple::SourceAddress(address)),
        _ => false,
    };
    let is_of_it = attributes.iter().any(|attribute| match attribute {
        ConntrackAttribute::CtaTupleOrig(tuple) | ConntrackAttribute::CtaTupleReply(tuple) => {
            tuple.iter().any(comes_from_it)
        }
        _ => false,
    });
    let identifies = |it: &ConntrackAttribute| {
        matches!(it, ConntrackAttribute::CtaTupleOrig(_)) || IDENTIFIES.contains(&it.kind())
    };
    is_of_it.then(|| attributes.into_iter().filter(identifies).collect())
}
