//! `reconcile --adopt`: records again what this node's pods have, after the store was lost or brought back from a backup.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_of_records};
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::output::print_lines;
use crate::commands::progress::Progress;
use crate::commands::reconcile::compare::Comparison;
use crate::commands::reconcile::look::look;
use crate::commands::releasing::{Outcome, release_now};
use crate::context::CallContext;
use crate::failure::Result;
use crate::node::pods::CachedAttachment;
use crate::store::{Active, Adopted, Allocation, EniLock, Error, join};

/// What was recorded again.
#[derive(Default)]
pub(super) struct Adoption(Vec<Record>);

/// A record that was made, or that an address was taken to.
struct Record {
    active: Active,
    user: String,
    /// The file of libcni's cache by which the pod is known to live.
    cached: PathBuf,
}

/// Records what pods of this node have, and updates `found`.
pub(super) fn adopt_all(
    context: &CallContext<'_>,
    network: &Network,
    found: &mut [Comparison],
    adoption: &mut Adoption,
    progress: &Progress,
) -> Result<Outcome> {
    for comparison in found.iter_mut().filter(|it| !it.adopters().is_empty()) {
        progress.step(|| format!("recording what pods have on {}", comparison.eni));
        let (eni, region) = (comparison.eni.clone(), comparison.region.clone());
        let adopted = look(context, &eni, &region).and_then(|(now, eni_lock)| {
            adoption.adopt(context, network.name(), (&eni_lock, &now));
            drop(eni_lock);
            look(context, &eni, &region)
        });
        match adopted {
            Ok((now, _eni_lock)) => *comparison = now,
            Err(failure) => comparison.problem = Some(failure.to_string()),
        }
    }
    adoption.release_ended(context, progress)
}

impl Adoption {
    /// Records what can be recorded of one ENI, by a comparison under the ENI's lock, which is still held. A failure with one
    /// attachment does not keep the others from it.
    pub(super) fn adopt(
        &mut self,
        context: &CallContext<'_>,
        network: &str,
        (eni_lock, comparison): (&EniLock<'_>, &Comparison),
    ) {
        for owner in comparison.adopters() {
            let granted: BTreeSet<IpAddr> = comparison.granted_to(&owner).collect();
            // libcni can have several files of it, of networks that had other names.
            let cached: Vec<_> = comparison
                .pods
                .attachments()
                .filter(|it| it.owner == owner && it.is_of(context.store.directory()))
                .filter(|it| it.addresses.iter().any(|its| granted.contains(&its.address.ip())))
                .collect();
            let Some(&first) = cached.first() else { continue };
            let addresses = cached.iter().flat_map(|it| &it.addresses);
            let addresses = addresses.filter(|it| granted.contains(&it.address.ip()));
            let active = record_of(first, addresses, comparison, network);
            match make_or_find(context, eni_lock, &active) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    log::error!("{} is not recorded for {owner}: {error}", join(&granted));
                    continue;
                }
            }
            take_from_stale(context, eni_lock, comparison, &owner);
            self.0.push(Record { active, user: first.user(), cached: first.path.clone() });
        }
    }

    /// Begins the release of what was recorded for attachments that have ended meanwhile. Their DELs found nothing, and after a DEL
    /// that succeeded libcni removes its file.
    pub(super) fn release_ended(
        &mut self,
        context: &CallContext<'_>,
        progress: &Progress,
    ) -> Result<Outcome> {
        let (ended, living): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|it| has_gone(&it.cached));
        self.0 = living;
        let (mut pending, mut addresses) = (Vec::new(), BTreeSet::new());
        for Record { active, .. } in &ended {
            active.0.event("given up: the pod has ended meanwhile").info();
            match context.store.begin_release_of(active, context.patience()) {
                // It has another record by now.
                Ok(begun) if begun.is_empty() => {}
                Ok(begun) => {
                    addresses.extend(active.0.ips());
                    pending.extend(begun);
                }
                Err(error) => active
                    .0
                    .event("still active, though the pod has ended")
                    .error(error)
                    .log(log::Level::Error),
            }
        }
        release_now(context, &pending, &addresses, progress)
    }

    /// The addresses that are recorded.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        self.0.iter().flat_map(|it| it.active.0.ips()).collect()
    }

    /// Prints a line for each record.
    pub(super) fn print(&self) -> std::result::Result<(), CommandError> {
        print_lines(self.0.iter().map(|it| format!("recorded {} for {}", it.active.0, it.user)))
    }
}

/// The record of a pod's addresses, each of them once.
fn record_of<'a>(
    cached: &CachedAttachment,
    all: impl Iterator<Item = &'a Address>,
    comparison: &Comparison,
    network: &str,
) -> Active {
    let mut addresses: Vec<Address> = Vec::new();
    for address in all {
        if addresses.iter().all(|it| it.address.ip() != address.address.ip()) {
            addresses.push(address.clone());
        }
    }
    let now = Timestamp::now();
    Active(Allocation {
        owner: cached.owner.clone(),
        network: if cached.network.is_empty() { network.to_owned() } else { cached.network.clone() },
        eni: comparison.eni.clone(),
        region: comparison.region.clone(),
        addresses,
        pod: cached.pod.clone(),
        boot_id: boot_of_records(),
        // libcni has written its file when the ADD had ended.
        since: cached.written.map_or(now, Timestamp::from).min(now),
    })
}

/// Makes the record. Whether it is there, or another one of the same attachment that names the same.
fn make_or_find(context: &CallContext<'_>, eni_lock: &EniLock<'_>, active: &Active) -> Result<bool> {
    let adopt = || context.store.adopt(eni_lock, active, context.patience());
    // A damaged record of the attachment is out of the way by then.
    let adopted = match adopt() {
        Err(Error::Quarantined { path, why }) => {
            log::warn!("the record of {} was damaged ({why}), and is now {}", active.0.owner, path.display());
            adopt()?
        }
        adopted => adopted?,
    };
    if adopted == Adopted::Active {
        active.0.event("adopted: recorded again").info();
        return Ok(true);
    }
    let there = context.store.active(&active.0.owner)?;
    Ok(there.is_some_and(|there| active.0.ips().all(|address| there.0.ips().any(|its| its == address))))
}

/// Takes from out-of-date records what `owner` has a record of by now.
fn take_from_stale(
    context: &CallContext<'_>,
    eni_lock: &EniLock<'_>,
    comparison: &Comparison,
    owner: &Attachment,
) {
    for conflict in comparison.conflicts.iter().filter(|it| it.adopter.as_ref() == Ok(owner)) {
        let (stale, address) = (&conflict.owner, conflict.address);
        match context.store.hand_over_to(owner, (stale, address), eni_lock, context.patience()) {
            Ok(()) => log::info!("{address} is no longer recorded for {stale}: {owner} has it"),
            Err(error) => log::error!("{address} is still recorded for {stale} as well: {error}"),
        }
    }
}

/// Whether a file is known to be gone.
fn has_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
