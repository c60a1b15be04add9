//! ADD: what the attachment's addresses, their ENI and the node need is put in place.

use std::io;

use serde_json::Value;

use super::tools::{deadline, log_changes, metadata};
use crate::base::attachment::Attachment;
use crate::cni::ChainedAdd;
use crate::config::ChainedOptions;
use crate::failure::{Failure, Result};
use crate::node::enis::known_or_asked;
use crate::routes::Network;
use crate::store::{Allocation, Store};

/// Serves an ADD, and answers what the plugins before this one have given. Doing it again changes nothing, and puts back what a
/// link that went down or a network manager took away.
///
/// # Errors
/// When the attachment has no active record in this store, when the ENI is not known, and when the kernel refuses. A runtime sends
/// a DEL then, so nothing is undone here.
pub(super) fn add(
    call: &ChainedAdd,
    options: &ChainedOptions<'_>,
    print: &mut dyn FnMut(&Value) -> io::Result<()>,
) -> Result<()> {
    options.check_all()?;
    for warning in options.warnings() {
        log::warn!("{warning}");
    }
    let store = Store::open(&options.data_directory()?)?;
    let deadline = deadline();
    let pod = recorded(&store, &call.attachment)?;
    // Before the lock is taken: metadata may be slow.
    let enis = known_or_asked(&metadata(options)?, &store, &pod, deadline)?;
    let network = Network::open(deadline)?;
    {
        let _lock = store.lock_routes(deadline)?;
        // A DEL may have come meanwhile.
        let allocation = recorded(&store, &call.attachment)?;
        let addresses: Vec<_> = allocation.ips().collect();
        let mut changes = network.put(&enis, &allocation.eni, &addresses)?;
        // The pod's gateway on the node's end of its link answers at once then.
        changes.extend(network.skip_duplicate_detection(&addresses)?);
        match &allocation.pod {
            Some(pod) => log_changes(&changes, pod),
            None => log_changes(&changes, &call.attachment),
        }
    }
    print(&call.answer).map_err(Failure::Unread)
}

/// The active record of the attachment.
fn recorded(store: &Store, owner: &Attachment) -> Result<Allocation> {
    let missing = || Failure::NotRecorded { directory: store.directory().to_owned() };
    store.active(owner)?.map(|active| active.0).ok_or_else(missing)
}
