//! GC: releases what attachments of this network left that are not valid any more, and what the network has in the reserve beyond what
//! it keeps. Nothing of that goes into the reserve.

use std::collections::BTreeSet;

use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, is_earlier_boot};
use crate::base::eni::EniId;
use crate::cni::Gc;
use crate::config::Ipam;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::facts::known_region;
use crate::node::network_enis::only_eni_of;
use crate::node::pods::{CachedAttachment, NodePods};
use crate::store::{Active, Allocation, Kept, ReleaseId, State};

/// Opens the store for a GC, with the attachments that are valid. `None` if the runtime does not say which are: then nothing is
/// known to be left over, and nothing is done.
///
/// # Errors
/// When the configuration or the store cannot be used.
pub(super) fn open(call: &Gc) -> Result<Option<(CallContext<'_>, BTreeSet<Attachment>)>> {
    let Some(valid) = &call.valid_attachments else {
        log::debug!("the runtime did not pass cni.dev/valid-attachments, so nothing is released");
        return Ok(None);
    };
    let context = CallContext::open(Ipam::new(&call.network.ipam))?;
    Ok(Some((context, valid.iter().cloned().collect())))
}

/// Serves a GC. It releases as much as it can, goes on past errors, and reports them at the end. An attachment that is younger
/// than the grace time may be missing only because the runtime's list is older.
///
/// # Errors
/// Everything that could not be released.
pub(super) fn gc(context: &CallContext<'_>, call: &Gc, valid: &BTreeSet<Attachment>) -> Result<()> {
    let (now, grace) = (Timestamp::now(), context.ipam.gc_grace()?);
    let is_stale = |network: &str, owner: &Attachment, since: Timestamp| {
        network == call.network.name && !valid.contains(owner) && since.age(now) >= grace
    };

    let mut errors = Vec::new();
    let mut pods = None;
    let dead =
        context.store.release_dead_intents(context.deadline, |it| is_stale(&it.network, &it.owner, it.since));
    let mut pending = dead.unwrap_or_else(|error| keep(&mut errors, &error));
    for listed in context.store.list()? {
        match (&listed.allocation, listed.state) {
            (Some(it), State::Active) if is_stale(&it.network, &it.owner, it.since) => {
                let pods = pods.get_or_insert_with(NodePods::look);
                if let Some(why) = used_by_another(it, (&call.network.name, valid), pods) {
                    errors.push(why);
                    continue;
                }
                it.event(why_given_up(&it.boot_id)).info();
                let begun = context.store.begin_release_of(&Active(it.clone()), context.deadline);
                pending.extend(begun.unwrap_or_else(|error| keep(&mut errors, &error)));
            }
            (_, State::Quarantined) => errors.extend(listed.progress.last_error),
            _ => {}
        }
    }
    if let Err(error) = give_back(context, &call.network.name) {
        errors.push(error.to_string());
    }
    match context.drain(false, None) {
        Ok(drained) => {
            errors.extend(drained.into_iter().filter_map(|(_, it)| it.err()).map(|it| it.to_string()));
        }
        Err(error) => errors.push(error.to_string()),
    }
    errors.extend(pending.iter().filter_map(|one| still_pending(context, one)));
    errors.dedup();
    if errors.is_empty() { Ok(()) } else { Err(Failure::Leftover(errors)) }
}

/// Begins the release of what the network has in the reserve beyond what it keeps. Those of other networks are left to their GC, and all
/// while nobody can read how many are kept.
fn give_back(context: &CallContext<'_>, network: &str) -> Result<()> {
    let keep = match context.ipam.reserve() {
        Ok(settings) => settings.reserve,
        Err(error) => {
            log::warn!("nothing of the reserve is given back: {error}");
            return Ok(());
        }
    };
    let settings = context.ipam.address().ok();
    let region = settings.as_ref().and_then(|settings| known_region(&context.store, settings));
    let used = settings.and_then(|settings| only_eni_of(&context.store, &settings));
    let of = |eni: &EniId, its: &str, _| {
        let keep = if used.as_ref().is_none_or(|used| used == eni) { keep } else { 0 };
        (its == network).then_some(keep)
    };
    let kept = Kept { of: &of, most: usize::MAX, region: region.as_ref() };
    context.store.release_all_surplus(&kept, context.deadline)?;
    Ok(())
}

/// Why a stale record stays: libcni remembers one of its addresses for an attachment that is valid, or of another network, of which
/// this list does not tell. So the record is out of date.
fn used_by_another(
    it: &Allocation,
    (network, valid): (&str, &BTreeSet<Attachment>),
    pods: &NodePods,
) -> Option<String> {
    let is_others = |other: &&CachedAttachment| {
        other.owner != it.owner && (valid.contains(&other.owner) || other.network != network)
    };
    let (address, other) = it.ips().find_map(|ip| Some((ip, pods.attachments_with(ip).find(is_others)?)))?;
    let (owner, user) = (&it.owner, other.user());
    Some(format!(
        "{address} is recorded for {owner}, which is not valid any more, but {user} has it, so it is not released: run \
         `aliyun-eni-ipam reconcile --adopt`, which gives the address to that pod"
    ))
}

fn keep<T: Default>(errors: &mut Vec<String>, error: &crate::store::Error) -> T {
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

/// For the log: a reboot explains why the record is stale, but does not make it so.
fn why_given_up(boot: &str) -> &'static str {
    if is_earlier_boot(boot) {
        "given up: not a valid attachment any more (its ADD ran before the last boot)"
    } else {
        "given up: not a valid attachment any more"
    }
}
