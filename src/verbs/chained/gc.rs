//! GC: removes the rules for addresses that no active record names.

use std::collections::BTreeMap;

use super::tools::{deadline, log_changes};
use crate::config::ChainedOptions;
use crate::failure::Result;
use crate::node::enis::known;
use crate::node::pods::NodePods;
use crate::routes::{DifferenceKind, Expected, Network};
use crate::store::Store;

/// Serves a GC. Which attachments are valid is the IPAM plugin's to judge: as long as a record is active, its addresses keep their
/// rules. So does what libcni or a route of this host shows to be used, for the store may have been lost.
///
/// # Errors
/// When the store cannot be read, and what the kernel refuses to remove.
pub(super) fn gc(options: &ChainedOptions<'_>) -> Result<()> {
    let store = Store::open(&options.data_directory()?)?;
    if !store.is_there() {
        return Ok(());
    }
    let deadline = deadline();
    let network = Network::open(deadline)?;
    let _lock = store.lock_routes(deadline)?;
    let others = store.all_active()?.iter().flat_map(|active| active.0.ips().collect::<Vec<_>>()).collect();
    let expected = Expected { enis: known(&store), pods: BTreeMap::new(), others };
    let mut pods = None;
    let mut outcome = Ok(());
    for difference in network.differences(&expected)? {
        let (DifferenceKind::LeftOver, Some(address)) = (difference.kind, difference.address) else {
            continue;
        };
        if let Some(user) = pods.get_or_insert_with(NodePods::look).user_of(address) {
            log::warn!("{difference} by the store, but {user} has the address, so it stays");
            continue;
        }
        match network.remove_pod(address) {
            Ok(changes) => log_changes(&changes, &"no pod has the address"),
            // The others all the same.
            Err(error) => outcome = outcome.and(Err(error.into())),
        }
    }
    outcome
}
