//! GC: removes the rules for addresses that no active record names.

use std::collections::BTreeMap;

use super::tools::{deadline, log_changes};
use crate::config::ChainedOptions;
use crate::failure::Result;
use crate::node::enis::known;
use crate::node::pods::NodePods;
use crate::routes::{Difference, DifferenceKind, Expected, Network};
use crate::store::Store;

/// Serves a GC. Which attachments are valid is the IPAM plugin's to judge: as long as a record is active, its addresses keep their
/// rules. So does what libcni or a route of this host shows to be used, for the store may have been lost, and what leads to an ENI
/// that this store has never used, for a pod of another store may have it.
///
/// # Errors
/// When the store cannot be read, and what the kernel refuses to remove.
pub(super) fn gc(options: &ChainedOptions<'_>) -> Result<()> {
    let store = Store::open(&options.data_directory()?)?;
    let enis = known(&store);
    if enis.is_empty() {
        log::debug!("no ADD of this store has changed routes in this boot");
        return Ok(());
    }
    let deadline = deadline();
    let network = Network::open(deadline)?;
    let _lock = store.lock_routes(deadline)?;
    let used = store.used_enis()?;
    let others = store.all_active()?.iter().flat_map(|active| active.0.ips().collect::<Vec<_>>()).collect();
    let expected = Expected { enis, pods: BTreeMap::new(), others };
    let is_of_this_store = |it: &Difference| {
        it.kind == DifferenceKind::LeftOver && it.eni.as_ref().is_some_and(|eni| used.contains(eni))
    };
    let mut pods = None;
    let mut outcome = Ok(());
    for difference in network.differences(&expected)?.iter().filter(|it| is_of_this_store(it)) {
        let Some(address) = difference.address else { continue };
        if let Some(user) = pods.get_or_insert_with(NodePods::look).user_of(address) {
            log::warn!("{difference} by the store, but {user} has the address, so it stays");
            continue;
        }
        match network.remove_pod(address) {
            Ok(changes) => log_changes(&changes, &"an address that no pod has"),
            // The others all the same.
            Err(error) => outcome = outcome.and(Err(error.into())),
        }
    }
    outcome
}
