//! The stores whose records say what the node's routes should be. The kernel has one set of rules for all networks, so whoever
//! compares it has to know the records of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::cloud::ecs::Client;
use crate::commands::networks::Network;
use crate::failure::{Failure, Result};
use crate::node::facts::known_region;
use crate::node::{enis, routing};
use crate::routes::{EniNetwork, Expected};
use crate::store::{RoutesLock, Store};

/// The stores of all networks, in the order of their paths.
pub(in crate::commands) struct NodeStores<'n> {
    stores: BTreeMap<PathBuf, Records<'n>>,
    networks: &'n [Network],
}

/// A store, and the networks of it whose pods are routed.
struct Records<'n> {
    store: Store,
    routed: BTreeSet<&'n str>,
}

impl<'n> NodeStores<'n> {
    /// Opens the stores of these networks.
    ///
    /// # Errors
    /// When one of them cannot be used: then nobody knows which rules are left over.
    pub(in crate::commands) fn open(networks: &'n [Network]) -> Result<Self> {
        let mut stores = BTreeMap::new();
        for network in networks {
            let directory = network.store_directory()?;
            let records = match stores.remove(&directory) {
                Some(records) => records,
                None => Records { store: Store::open(&directory)?, routed: BTreeSet::new() },
            };
            let records: &mut Records<'n> = stores.entry(directory).or_insert(records);
            if network.is_routed() {
                records.routed.insert(network.name());
            }
        }
        Ok(Self { stores, networks })
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Store> {
        self.stores.values().map(|it| &it.store)
    }

    /// The first network whose pods are routed.
    pub(in crate::commands) fn routed(&self) -> Option<&'n Network> {
        self.networks.iter().find(|network| network.is_routed())
    }

    /// The ENIs of this node as metadata shows them now or, where it does not answer, as they were known earlier in this boot.
    pub(super) fn ask_enis(&self, network: &Network, deadline: Deadline) -> Result<Vec<EniNetwork>> {
        let store = Store::open(&network.store_directory()?)?;
        let client = Client::new(network.ipam().cloud()?.keeping_no_keys());
        enis::ask(client.metadata(), &store, deadline).or_else(|failure| {
            let in_use: BTreeSet<EniId> = store.all_active()?.into_iter().map(|it| it.0.eni).collect();
            let known = |eni: &EniId| enis::known_or_asked(client.metadata(), &store, eni, deadline).ok();
            in_use.iter().find_map(known).ok_or(failure)
        })
    }

    /// Adds stores that no configuration names and that have claimed one of these ENIs: their pods are on this node as well.
    pub(in crate::commands) fn add_claimed(&mut self, enis: &[EniNetwork]) -> Result<()> {
        for network in self.networks {
            let store = Store::open(&network.store_directory()?)?;
            let settings = network.ipam().address()?;
            let client = Client::new(network.ipam().cloud()?.keeping_no_keys());
            let region = known_region(&store, &settings);
            let cloud = region.and_then(|region| client.cloud_on_this_machine(&region));
            for eni in enis {
                let claimed = store.claimed_by_another(&eni.eni, cloud.as_deref())?;
                if let Some(directory) = claimed.filter(|it| !self.stores.contains_key(it)) {
                    let store = Store::open(&directory)?;
                    self.stores.insert(directory, Records { store, routed: BTreeSet::new() });
                }
            }
        }
        Ok(())
    }

    /// Keeps all others from changing routes by what these stores say. What is read afterwards is true while this is held.
    pub(super) fn lock(&self, deadline: Deadline) -> Result<Vec<RoutesLock>> {
        let existing = self.stores.values().filter(|it| it.store.directory().is_dir());
        existing.map(|it| it.store.lock_routes(deadline).map_err(Failure::from)).collect()
    }

    /// What the kernel should have on a node with these ENIs.
    pub(in crate::commands) fn expected(&self, enis: &[EniNetwork]) -> Result<Expected> {
        let mut all = Expected { enis: enis.to_vec(), ..Expected::default() };
        for Records { store, routed } in self.stores.values() {
            let of_store = routing::expected(store, routed, enis.to_vec())?;
            all.pods.extend(of_store.pods);
            all.others.extend(of_store.others);
        }
        Ok(all)
    }
}
