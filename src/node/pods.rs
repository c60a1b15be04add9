//! What this node's pods are seen to use, whatever the store says: libcni's cache, and routes of this host to single addresses.
//!
//! That nobody is seen to use an address does not prove that nobody does: pods of `ipvlan` and `macvlan` have no route on the host,
//! and a runtime may keep its cache elsewhere. So this can only hold something back, never allow it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

use crate::base::attachment::Attachment;
use crate::store::Listed;

use super::cni_cache::{CniCache, Unreadable};
use super::host_routes::HostRoutes;

pub(crate) use super::cni_cache::CachedAttachment;

/// What this node's pods are seen to use; by default nothing.
#[derive(Debug, Default)]
pub(crate) struct NodePods {
    cache: CniCache,
    routes: HostRoutes,
    unseen: Vec<String>,
}

impl NodePods {
    /// Looks now. What cannot be read is among what is unseen.
    pub(crate) fn look() -> Self {
        let mut unseen = Vec::new();
        let cache = CniCache::look(&mut unseen);
        let routes = HostRoutes::look(&mut unseen);
        Self { cache, routes, unseen }
    }

    /// What could not be read, each with the reason, for people.
    pub(crate) fn unseen(&self) -> &[String] {
        &self.unseen
    }

    /// Who uses `address`, for people; `None` if nobody is seen to.
    pub(crate) fn user_of(&self, address: IpAddr) -> Option<String> {
        if let Some(cached) = self.attachments_with(address).next() {
            return Some(cached.user());
        }
        if let Some(link) = self.routes.link_to(address) {
            return Some(format!("a route of this host by {link}"));
        }
        let file = self.cache.unreadable.iter().find(|it| it.mentions(address))?;
        Some(format!("a pod, by {}, which cannot be read", file.path.display()))
    }

    /// The link to which this host's route to this one address leads. A `ptp` pod that lives has such a route for each address.
    pub(crate) fn link_to(&self, address: IpAddr) -> Option<&str> {
        self.routes.link_to(address)
    }

    /// The attachments in libcni's cache that have `address`.
    pub(crate) fn attachments_with(&self, address: IpAddr) -> impl Iterator<Item = &CachedAttachment> {
        self.attachments().filter(move |it| it.addresses.iter().any(|its| its.address.ip() == address))
    }

    /// Another attachment than `owner` that libcni remembers with `address`.
    pub(crate) fn another_with(&self, address: IpAddr, owner: &Attachment) -> Option<&CachedAttachment> {
        self.attachments_with(address).find(|it| it.owner != *owner)
    }

    /// All attachments in libcni's cache.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = &CachedAttachment> {
        self.cache.attachments.iter()
    }

    /// The attachments of this plugin and of the store in `directory` that have addresses, and of which none of the store's records
    /// is. An attachment whose DEL is under way may be among them for a moment.
    pub(crate) fn without_record(&self, directory: &Path, listed: &[Listed]) -> Vec<&CachedAttachment> {
        let recorded: BTreeSet<&Attachment> = listed.iter().map(|it| &it.owner).collect();
        let of_store = |it: &&CachedAttachment| it.is_of(directory) && !it.addresses.is_empty();
        self.attachments().filter(of_store).filter(|it| !recorded.contains(&it.owner)).collect()
    }
}

impl CachedAttachment {
    /// Whether its IPAM plugin is this one, with the store in `directory`.
    pub(crate) fn is_of(&self, directory: &Path) -> bool {
        let is_same = |store: &Path| {
            store.canonicalize().ok().zip(directory.canonicalize().ok()).is_some_and(|(a, b)| a == b)
        };
        self.store.as_deref().is_some_and(|store| store == directory || is_same(store))
    }
}

impl Unreadable {
    /// Whether `address` stands anywhere in it.
    fn mentions(&self, address: IpAddr) -> bool {
        let is_part = |character: char| character.is_ascii_hexdigit() || ".:".contains(character);
        self.text.split(|character| !is_part(character)).any(|word| word.parse() == Ok(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_damaged_file_is_found_and_no_part_of_another() {
        let file = Unreadable::example(r#"{"ips":[{"address":"192.168.0.77/24"},{"address":"2001:db8::7/64"#);
        let mentions = |text: &str| file.mentions(text.parse().unwrap());
        assert!(mentions("192.168.0.77") && mentions("2001:db8::7"));
        assert!(!mentions("192.168.0.7") && !mentions("92.168.0.77") && !mentions("2001:db8::"));
    }
}
