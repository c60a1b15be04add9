//! The stores whose records say what the node's routes should be. The kernel has one set of rules for all networks, so whoever
//! compares it has to know the records of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::base::deadline::Deadline;
use crate::cloud::ecs::Client;
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::failure::{Failure, Result};
use crate::node::facts::{asked_from_metadata, known_region};
use crate::node::{enis, routing};
use crate::routes::{EniNetwork, Expected};
use crate::store::{Listed, RoutesLock, State, Store};

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

    /// A damaged record, which hides whose its addresses are.
    pub(in crate::commands) fn damaged(&self) -> Result<Option<PathBuf>> {
        for store in self.all() {
            let mut listed = store.list()?.into_iter().filter(|it| it.state == State::Quarantined);
            let is_in_place = |it: &Listed| it.path.parent().is_some_and(|it| it.ends_with("active"));
            if let Some(damaged) = listed.find(is_in_place) {
                return Ok(Some(damaged.path));
            }
        }
        Ok(None)
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

/// The ENIs of this node as metadata shows them now or, without it, as far as the store knows them. Nothing is written.
///
/// # Errors
/// When nobody tells which one is the primary ENI.
pub(in crate::commands) fn ask_enis(
    network: &Network,
    deadline: Deadline,
) -> std::result::Result<Vec<EniNetwork>, CommandError> {
    let store = Store::open(&network.store_directory().map_err(Failure::from)?).map_err(Failure::from)?;
    let client = Client::new(network.ipam().cloud().map_err(Failure::from)?.keeping_no_keys());
    let settings = network.ipam().address().map_err(Failure::from)?;
    let is_without = asked_from_metadata(&client, &settings).is_empty();
    let without = is_without.then_some(enis::WithoutMetadata { ipv6: settings.ipv6 });
    let enis = enis::ask(client.metadata(), &store, without, deadline)?;
    if enis.iter().any(|eni| eni.is_primary) {
        return Ok(enis);
    }
    let why = client.metadata().last_error().map_or_else(
        || "instance metadata does not tell which ENI is the primary one".to_owned(),
        |error| error.to_string(),
    );
    Err(CommandError::Failed(format!("the ENIs of this node are not known: {why}")))
}
