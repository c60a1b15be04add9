//! DEL: the attachment's addresses are looked up in the store and unassigned from their ENI.

use std::time::Duration;

use crate::base::attachment::Attachment;
use crate::cni::Del;
use crate::config::Ipam;
use crate::store::{BegunRelease, Store};

use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::facts::known_region;

/// How often the end of an ADD is looked for.
const POLL: Duration = Duration::from_millis(20);

/// Opens the store for a DEL. `None` if nothing is recorded for the attachment: runtimes send a second DEL for every pod, and
/// it ends here.
///
/// # Errors
/// When the store cannot be used.
pub(super) fn open(call: &Del) -> Result<Option<CallContext<'_>>> {
    let ipam = Ipam::new(&call.network.ipam);
    let store = Store::open(&ipam.data_directory()?)?;
    if store.knows(&call.attachment)? {
        return CallContext::with_store(ipam, store).map(Some);
    }
    log::debug!("nothing is recorded for this attachment");
    Ok(None)
}

/// Serves a DEL. It needs nothing but the attachment: no network namespace, no prevResult, no network name, and no ADD before.
///
/// # Errors
/// When it cannot be made durable that the attachment has nothing in use, or, where `onReleaseFailure` is `fail`, when ECS did
/// not confirm in time. Nothing is lost: the record is active or releasing, and the next DEL goes on with it.
pub(super) fn del(context: &CallContext<'_>, call: &Del) -> Result<()> {
    let owner = &call.attachment;
    let BegunRelease { mut pending, unfinished, .. } = begin_release(context, call)?;
    let fails = context.ipam.fails_when_not_released()?;
    match unfinished {
        Some(error) if fails => return Err(error.into()),
        Some(error) => log::warn!("the rest of this DEL is left to later calls: {error}"),
        None => {}
    }
    if pending.is_empty() && fails {
        wait_for_add(context, owner)?;
        pending = context.store.pending(owner)?;
    }
    context.release(&pending)?;
    if let Some(one) = pending.first() {
        context.release_backlog(&one.eni, &one.region);
    }
    Ok(())
}

/// Makes what is recorded of the attachment releasing. A damaged record cannot be moved: it is set aside, by this call or by an
/// earlier one, and becomes a release if the store knows otherwise what it named.
fn begin_release(context: &CallContext<'_>, call: &Del) -> Result<BegunRelease> {
    let Del { attachment: owner, network, .. } = call;
    let region = || known_region(&context.store, &context.ipam.address().ok()?);
    loop {
        let begun = context.store.begin_release(owner, None, context.deadline);
        if !context.store.release_set_aside(owner, &network.name, region, context.deadline)? {
            return Ok(begun?);
        }
    }
}

/// Waits until an ADD that is still under way has undone itself, as the DEL's mark tells it to, or has died: DEL must not
/// report success before. What a dead ADD left is releasing then.
fn wait_for_add(context: &CallContext<'_>, owner: &Attachment) -> Result<()> {
    while context.store.has_living_add(owner, context.deadline)? {
        if context.deadline.has_passed() {
            return Err(Failure::StillAssigning);
        }
        context.deadline.sleep(POLL);
    }
    Ok(())
}
