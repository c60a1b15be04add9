//! DEL: the attachment's addresses are looked up in the store and unassigned from their ENI, or left there for the next pod.

use std::time::Duration;

use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_of_records};
use crate::base::logging;
use crate::cni::Del;
use crate::config::Ipam;
use crate::node::eni_link::EniLink;
use crate::store::{Active, BegunRelease, Room, Store};

use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::facts::known_region;

/// How often the end of an ADD is looked for.
const POLL: Duration = Duration::from_millis(20);

/// What the log says of addresses that the reserve might have room for.
const NOT_KEPT: &str = "not kept in the reserve";

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

/// Makes what is recorded of the attachment releasing, or puts it into the reserve. A damaged record cannot be moved: it is set
/// aside, by this call or by an earlier one, and becomes a release if the store knows otherwise what it named.
fn begin_release(context: &CallContext<'_>, call: &Del) -> Result<BegunRelease> {
    let Del { attachment: owner, network, .. } = call;
    let region = || known_region(&context.store, &context.ipam.address().ok()?);
    let is_fit = |active: &Active| is_fit_for_reserve(context, active);
    let entries = reserve_of(context);
    let room = (entries > 0).then_some(Room { entries, is_fit: &is_fit });
    loop {
        let begun = context.store.begin_release(owner, room.as_ref(), context.deadline);
        if let Ok(BegunRelease { kept: Some(kept), .. }) = &begun {
            kept.event("kept in the reserve").took(logging::elapsed()).info();
        }
        if !context.store.release_set_aside(owner, &network.name, region, context.deadline)? {
            return Ok(begun?);
        }
    }
}

/// How many addresses are kept. While that cannot be read, none is: an address that is released is lost to nobody.
fn reserve_of(context: &CallContext<'_>) -> usize {
    context.ipam.reserve().map_or_else(
        |error| {
            log::warn!("nothing is put into the reserve: {error}");
            0
        },
        |settings| settings.reserve,
    )
}

/// Whether another pod can have the addresses of this record. One of an earlier boot says nothing of where the ENI is, and so does
/// one whose link has gone.
fn is_fit_for_reserve(context: &CallContext<'_>, Active(allocation): &Active) -> bool {
    let boot = boot_of_records();
    if boot.is_empty() || allocation.boot_id != boot || EniLink::has_gone(&context.store, &allocation.eni) {
        return false;
    }
    let (foreign, state) = match (context.foreign(), context.store.eni_state(&allocation.eni)) {
        (Ok(foreign), Ok(state)) => (foreign, state),
        (Err(error), _) => {
            allocation.event(NOT_KEPT).error(error).warn();
            return false;
        }
        (_, Err(error)) => {
            allocation.event(NOT_KEPT).error(error).warn();
            return false;
        }
    };
    let now = Timestamp::now();
    allocation.ips().all(|ip| !foreign.contains(ip) && !state.is_in_doubt(ip, now))
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
