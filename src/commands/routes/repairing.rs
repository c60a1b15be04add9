//! Puts in place what is missing of the node's routes, and removes what is left over.

use crate::base::deadline::Deadline;
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::routes::comparison::compare;
use crate::commands::routes::stores::NodeStores;
use crate::routes::{self, Change, Difference, EniNetwork, Expected};

/// What was changed, and how the node's routes are now.
pub(in crate::commands) struct Repair {
    pub(in crate::commands) changes: Vec<Change>,
    /// What is still otherwise than it should be.
    pub(in crate::commands) left: Vec<Difference>,
    pub(super) expected: Expected,
}

/// Repairs the node's routes by the records of all networks, on a node where those of `routed` need routes. The ENIs are asked for
/// before the lock is taken, so that no ADD waits for metadata.
pub(in crate::commands) fn repair(
    networks: &[Network],
    routed: &Network,
    deadline: Deadline,
) -> Result<Repair, CommandError> {
    let mut stores = NodeStores::open(networks)?;
    let enis: Vec<EniNetwork> = stores.ask_enis(routed, deadline)?;
    stores.add_claimed(&enis)?;
    let _locks = stores.lock(deadline)?;
    let kernel = routes::Network::open(deadline)?;
    let (expected, found) = compare(&kernel, &stores, &enis)?;
    // Most of the time nothing differs.
    if found.is_empty() {
        return Ok(Repair { changes: Vec::new(), left: found, expected });
    }
    let changes = kernel.repair(&expected)?;
    for change in &changes {
        log::info!("{change}");
    }
    let left = kernel.differences(&expected)?;
    Ok(Repair { changes, left, expected })
}
