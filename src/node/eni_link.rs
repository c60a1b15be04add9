//! The link of an ENI on this machine. By it a call notices, without asking anybody, that the ENI was moved to another instance
//! while this one runs.
//!
//! One file is looked at, however many links the pods have: all of them are searched only when the ENI is found out, once a
//! boot, and after its link has gone. An ENI whose link was not there then, because it is in another network namespace, is one
//! of which nothing can be noticed.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use crate::base::clock::boot_id;
use crate::base::eni::EniId;
use crate::store;
use crate::store::Store;

/// Where the kernel shows the links of this network namespace.
const LINKS: &str = "/sys/class/net";

/// What was known of an ENI when metadata last said that it is this instance's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EniLink {
    boot_id: String,
    mac: String,
    /// The name of the link with that hardware address, if there was one.
    link: Option<String>,
}

impl EniLink {
    /// Looks for the link of an ENI that has this hardware address, and remembers it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn remember(store: &Store, eni: &EniId, mac: &str) -> store::Result<()> {
        store.remember(&cache_name(eni), &Self { boot_id: boot_id(), mac: mac.to_owned(), link: find(mac) })
    }

    /// Whether the link of the ENI was there earlier in this boot and is not there any more.
    pub(crate) fn has_gone(store: &Store, eni: &EniId) -> bool {
        let Some(Self { boot_id: boot, mac, link: Some(link) }) = store.remembered(&cache_name(eni)) else {
            return false;
        };
        boot == boot_id() && !has_mac(&link, &mac)
    }

    /// The hardware address of the ENI, as it was known in this boot or an earlier one, if a link has it now.
    pub(crate) fn mac_if_here(store: &Store, eni: &EniId) -> Option<String> {
        let Self { mac, link, .. } = store.remembered(&cache_name(eni))?;
        let is_still_here = link.is_some_and(|link| has_mac(&link, &mac)) || is_here(&mac);
        is_still_here.then_some(mac)
    }

    /// Whether a link of the ENI was known here, in any boot, and none has its hardware address now. Then this is not the node, but
    /// a container with another network or another kernel, or the node has lost the ENI.
    pub(crate) fn has_left(store: &Store, eni: &EniId) -> bool {
        let known: Option<Self> = store.remembered(&cache_name(eni));
        known.is_some_and(|known| known.link.is_some() && !is_here(&known.mac))
    }
}

fn cache_name(eni: &EniId) -> String {
    format!("link-{eni}")
}

pub(super) fn has_mac(link: &str, mac: &str) -> bool {
    mac_of(link).is_ok_and(|of_link| of_link == mac)
}

/// Whether an ENI with this hardware address is on this machine.
pub(super) fn is_here(mac: &str) -> bool {
    find(mac).is_some()
}

/// The name of the link with this hardware address.
pub(crate) fn find(mac: &str) -> Option<String> {
    let mut names =
        fs::read_dir(LINKS).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.find(|name| has_mac(name, mac) && !is_made_of_others(name))
}

/// The names of the links with these hardware addresses, by one look at all links.
pub(super) fn find_all(macs: &[String]) -> Vec<Option<String>> {
    let mut found = vec![None; macs.len()];
    let entries = fs::read_dir(LINKS).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        let Ok(mac) = mac_of(&name) else { continue };
        if let Some(at) = macs.iter().position(|it| *it == mac)
            && !is_made_of_others(&name)
        {
            found[at] = Some(name);
        }
    }
    found
}

/// Whether the link is a bridge, a bond, a VLAN or another that is made of others: it may keep the hardware address of an ENI
/// that has gone.
fn is_made_of_others(link: &str) -> bool {
    let read = |file: &str| fs::read_to_string(format!("{LINKS}/{link}/{file}")).unwrap_or_default();
    read("uevent").contains("DEVTYPE=") || read("iflink") != read("ifindex")
}

/// The hardware address of the link with this name.
pub(super) fn mac_of(link: &str) -> io::Result<String> {
    fs::read_to_string(format!("{LINKS}/{link}/address")).map(|mac| mac.trim().to_owned())
}
