//! DEL: the rules for the attachment's addresses are removed, unless another attachment has such an address by now.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::tools::{deadline, log_changes};
use crate::base::attachment::Attachment;
use crate::cni::ChainedDel;
use crate::config::ChainedOptions;
use crate::failure::Result;
use crate::routes::Network;
use crate::store::Store;

/// Serves a DEL. The addresses are those of the attachment's records and of the previous result, whichever there are. The second DEL
/// of a pod, without either, ends before the kernel is asked.
///
/// Whatever keeps it from finding out what to remove is for the log, and no failure: no pod stays because of that, and what is left
/// over goes with the next ADD of the address, a GC or a `flush`.
///
/// # Errors
/// When the kernel refuses to remove a rule.
pub(super) fn del(call: &ChainedDel, options: &ChainedOptions<'_>) -> Result<()> {
    let owner = &call.attachment;
    let store = match options.data_directory().map(|directory| Store::open(&directory)) {
        Ok(Ok(store)) => store,
        Ok(Err(error)) => return left_over(&error),
        Err(error) => return left_over(&error),
    };
    // Nothing is recorded and nothing can be locked where there is no directory, and none is made.
    match store.is_there() {
        Ok(true) => {}
        Ok(false) => {
            log::debug!("there is no {}", store.directory().display());
            return Ok(());
        }
        Err(error) => return left_over(&error),
    }
    let recorded = store.addresses_of(owner).unwrap_or_else(|error| {
        log::warn!("the addresses of this attachment are taken from prevResult alone: {error}");
        BTreeSet::new()
    });
    let given = call.prev_result.addresses.iter().map(ipnetwork::IpNetwork::ip);
    let addresses: BTreeSet<IpAddr> = recorded.into_iter().chain(given).collect();
    if addresses.is_empty() {
        log::debug!("nothing is recorded for this attachment, and it has no prevResult");
        return Ok(());
    }
    let deadline = deadline();
    let network = Network::open(deadline)?;
    let _lock = match store.lock_routes(deadline) {
        Ok(lock) => lock,
        Err(error) => return left_over(&error),
    };
    let mut outcome = Ok(());
    for address in addresses.into_iter().filter(|address| is_free(&store, *address, owner)) {
        match network.remove_pod(address) {
            Ok(changes) => log_changes(&changes, owner),
            // The other addresses all the same.
            Err(error) => outcome = outcome.and(Err(error.into())),
        }
    }
    outcome
}

/// Whether no other attachment uses the address.
fn is_free(store: &Store, address: IpAddr, owner: &Attachment) -> bool {
    match store.another_user_of(address, owner) {
        Ok(None) => true,
        Ok(Some(user)) => {
            log::info!("{address} is {user}'s by now, so its rule stays");
            false
        }
        Err(error) => {
            log::warn!("the rule for {address} stays: {error}");
            false
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what the DEL answers")]
fn left_over(why: &dyn std::fmt::Display) -> Result<()> {
    log::error!("the rules for this attachment's addresses may be left over: {why}");
    Ok(())
}
