//! DEL: the attachment's addresses are looked up in the store and unassigned from their ENI.

use std::time::Duration;

use crate::base::attachment::Attachment;
use crate::cni::Del;
use crate::config::Ipam;
use crate::store::Store;

use crate::context::CallContext;
use crate::failure::{Failure, Result};

/// How often the end of an ADD is looked for.
const POLL: Duration = Duration::from_millis(20);

/// Serves a DEL. The attachment alone says what it is about: neither a network namespace nor a prevResult is needed, nor
/// the network's name, nor that there was an ADD.
///
/// # Errors
/// When the store cannot be used, or, where `onReleaseFailure` is `fail`, when ECS did not confirm in time. Nothing is lost:
/// the record is active or releasing, and the next DEL goes on with it.
pub(super) fn del(call: &Del) -> Result<()> {
    let owner = &call.attachment;
    // Every pod gets at least two DELs: one that finds nothing costs nothing.
    let ipam = Ipam::new(&call.network.ipam);
    let store = Store::open(&ipam.data_directory()?)?;
    if !store.knows(owner)? {
        log::debug!("nothing is recorded for this attachment");
        return Ok(());
    }
    let context = CallContext::open(ipam)?;
    let mut pending = context.store.begin_release(owner, context.deadline)?;
    if pending.is_empty() && context.ipam.fails_when_not_released()? {
        wait_for_add(&context, owner)?;
        pending = context.store.pending(owner)?;
    }
    context.release(&pending)
}

/// An ADD that is still under way has been told to undo itself. Where DEL must not report more than is true, it waits for
/// that, or for the ADD's death: a dead one's undoing is left to DEL.
fn wait_for_add(context: &CallContext<'_>, owner: &Attachment) -> Result<()> {
    while context.store.has_living_add(owner, context.deadline)? {
        if context.deadline.has_passed() {
            return Err(Failure::StillAssigning);
        }
        context.deadline.sleep(POLL);
    }
    Ok(())
}
