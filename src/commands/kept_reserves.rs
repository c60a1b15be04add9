//! How many addresses the configurations keep in reserve, and on which ENIs.

use std::collections::BTreeMap;

use crate::base::eni::EniId;
use crate::commands::networks::Network;
use crate::node::eni_link::EniLink;
use crate::node::network_enis::only_eni_of;
use crate::store::Store;

/// What the networks of one store keep.
pub(super) struct KeptReserves<'s> {
    store: &'s Store,
    /// By the network's name; `None` of one whose number cannot be read.
    networks: BTreeMap<String, Option<KeptReserve>>,
    /// Whether there are no others.
    are_all: bool,
}

/// What one network keeps.
struct KeptReserve {
    entries: usize,
    /// Its only ENI, where it has one and that is known.
    eni: Option<EniId>,
}

impl<'s> KeptReserves<'s> {
    /// Reads the configurations of the networks with this store. `are_all` says whether there are no others: a file that cannot be
    /// read may configure one.
    pub(super) fn read<'n>(
        store: &'s Store,
        networks: impl Iterator<Item = &'n Network>,
        are_all: bool,
    ) -> Self {
        let read = |network: &Network| {
            let entries = network.ipam().reserve().ok()?.reserve;
            let eni = network.addresses().ok().and_then(|settings| only_eni_of(store, &settings));
            Some(KeptReserve { entries, eni })
        };
        let networks = networks.map(|it| (it.name().to_owned(), read(it))).collect();
        Self { store, networks, are_all }
    }

    /// How many entries of `network` are kept on `eni`, in each family; `None` where nobody knows. Of a network that is not configured
    /// nothing is kept, nor on an ENI that it does not use, or that the node has lost.
    pub(super) fn on(&self, eni: &EniId, network: &str) -> Option<usize> {
        let kept = match self.networks.get(network) {
            Some(Some(kept)) if kept.eni.as_ref().is_none_or(|used| used == eni) => kept.entries,
            Some(None) => return None,
            None if !self.are_all => return None,
            Some(Some(_)) | None => 0,
        };
        Some(if kept > 0 && EniLink::has_left(self.store, eni) { 0 } else { kept })
    }
}
