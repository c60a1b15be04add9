//! GC: what this network's attachments left that are no more.

use std::collections::BTreeSet;

use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_id};
use crate::cni::Gc;
use crate::config::Ipam;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::store::{Active, ReleaseId, State};

/// Serves a GC. Where the runtime does not say which attachments are valid, nothing is known to be left over, and nothing is
/// done. It releases as much as it can, goes on past errors, and reports them at the end. What is younger than the grace
/// time may be an attachment that the runtime's list is too old to have.
///
/// # Errors
/// Everything that could not be released.
pub(super) fn gc(call: &Gc) -> Result<()> {
    let Some(valid) = &call.valid_attachments else {
        log::debug!("the runtime did not pass cni.dev/valid-attachments, so nothing is released");
        return Ok(());
    };
    let context = CallContext::open(Ipam::new(&call.network.ipam))?;
    let valid: BTreeSet<&Attachment> = valid.iter().collect();
    let (now, grace) = (Timestamp::now(), context.ipam.gc_grace()?);
    let is_stale = |network: &str, owner: &Attachment, since: Timestamp| {
        network == call.network.name && !valid.contains(owner) && since.age(now) >= grace
    };

    let mut errors = Vec::new();
    let buried =
        context.store.release_dead_intents(context.deadline, |it| is_stale(&it.network, &it.owner, it.since));
    let mut pending = buried.unwrap_or_else(|error| note(&mut errors, &error));
    for listed in context.store.list()? {
        match (&listed.allocation, listed.state) {
            (Some(it), State::Active) if is_stale(&it.network, &it.owner, it.since) => {
                log::info!(
                    "releasing {it}: {} is not a valid attachment any more{}",
                    it.owner,
                    from_earlier_boot(&it.boot_id)
                );
                let begun = context.store.begin_release_of(&Active(it.clone()), context.deadline);
                pending.extend(begun.unwrap_or_else(|error| note(&mut errors, &error)));
            }
            (_, State::Quarantined) => errors.extend(listed.progress.last_error),
            _ => {}
        }
    }
    if let Err(error) = context.drain(false) {
        errors.push(error.to_string());
    }
    errors.extend(pending.iter().filter_map(|one| still_pending(&context, one)));
    errors.dedup();
    if errors.is_empty() { Ok(()) } else { Err(Failure::Leftover(errors)) }
}

fn note<T: Default>(errors: &mut Vec<String>, error: &crate::store::Error) -> T {
    errors.push(error.to_string());
    T::default()
}

/// Why a release has not happened; `None` when it has.
fn still_pending(context: &CallContext<'_>, pending: &ReleaseId) -> Option<String> {
    match context.left(pending) {
        Ok(None) => None,
        Ok(Some((releasing, why))) => Some(format!("{} is still releasing: {why}", releasing.allocation)),
        Err(error) => Some(error.to_string()),
    }
}

/// A reboot explains why; it is no reason to release anything.
fn from_earlier_boot(boot: &str) -> &'static str {
    if boot == boot_id() { "" } else { " (its ADD ran before the last boot)" }
}
