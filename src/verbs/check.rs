//! CHECK: what ADD gave is still in place, as far as the store knows. The cloud is not asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cni::Check;
use crate::config::Ipam;
use crate::context::owner;
use crate::failure::{Failure, Result};
use crate::store::{Store, join};

/// Serves a CHECK: the attachment's record is active, and its addresses are those of prevResult.
///
/// # Errors
/// What is not as it should be, and what to do.
pub(super) fn check(call: &Check) -> Result<()> {
    let owner = owner(&call.attachment);
    let store = Store::open(&Ipam::new(&call.network.ipam).data_directory()?)?;
    let Some(active) = store.active(&owner)? else {
        let what = if !store.pending(&owner)?.is_empty() {
            "its addresses are being released"
        } else if store.is_assigning(&owner)? {
            "its ADD has not ended"
        } else {
            "it has no addresses"
        };
        return Err(Failure::Check(format!("{what}: delete the pod, so that another takes its place")));
    };
    let recorded: BTreeSet<IpAddr> = active.0.ips().collect();
    let expected: BTreeSet<IpAddr> =
        call.prev_result.addresses.iter().map(ipnetwork::IpNetwork::ip).collect();
    if recorded != expected {
        return Err(Failure::Check(format!(
            "it has {}, but prevResult says {}: delete the pod, so that another takes its place",
            in_words(&recorded),
            in_words(&expected)
        )));
    }
    Ok(())
}

fn in_words(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() { "no address".into() } else { join(addresses) }
}
