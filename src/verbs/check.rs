//! CHECK: what ADD gave is still in place, as far as the store knows. The cloud is not asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cni::Check;
use crate::config::Ipam;
use crate::failure::{Failure, Result};
use crate::store::{Store, join};

/// Serves a CHECK: the attachment's record is active, and its addresses are those of prevResult.
///
/// # Errors
/// What is not as it should be, and what to do.
pub(super) fn check(call: &Check) -> Result<()> {
    let owner = &call.attachment;
    let ipam = Ipam::new(&call.network.ipam);
    // A wrong value keeps everything from being released, so whoever looks at the pod hears of it.
    ipam.foreign_addresses()?;
    let store = Store::open(&ipam.data_directory()?)?;
    let Some(active) = store.active(owner)? else {
        let what = if !store.pending(owner)?.is_empty() {
            "the addresses of this attachment are being released"
        } else if store.is_assigning(owner)? {
            "the ADD of this attachment has not finished"
        } else {
            "no addresses are recorded for this attachment"
        };
        return Err(Failure::Check(format!("{what}: delete the pod, so that it is created again")));
    };
    if active.0.is_of_earlier_boot() {
        return Err(Failure::Check(
            "the addresses of this attachment were assigned before the machine booted, which no pod survives: delete the pod, so \
             that it is created again"
                .into(),
        ));
    }
    let recorded: BTreeSet<IpAddr> = active.0.ips().collect();
    let expected: BTreeSet<IpAddr> =
        call.prev_result.addresses.iter().map(ipnetwork::IpNetwork::ip).collect();
    if recorded != expected {
        return Err(Failure::Check(format!(
            "the record has {}, but prevResult has {}: delete the pod, so that it is created again",
            in_words(&recorded),
            in_words(&expected)
        )));
    }
    Ok(())
}

fn in_words(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.is_empty() { "no address".into() } else { join(addresses) }
}
