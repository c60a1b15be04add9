//! `reconcile --release-orphans`: releases what nobody has, after a person has agreed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_id};
use crate::base::region::RegionId;
use crate::commands::networks::Network;
use crate::commands::progress::Progress;
use crate::commands::reconcile::compare::Comparison;
use crate::commands::reconcile::look::look;
use crate::commands::releasing::{Outcome, release_now};
use crate::context::CallContext;
use crate::failure::Result;
use crate::store::{Allocation, EniLock, ReleaseId, ReleaseProgress, join};

/// What it means that an address is called an orphan.
const LOOKED_AT: &str = "No pod of this node is seen to use them: neither libcni's cache nor a route of this host names one. But pods \
                         of ipvlan and macvlan have no route, and a runtime may keep its cache elsewhere.";

/// Whether there is anything to release on this ENI. An address of the reserve that is not on it is nobody's either.
pub(super) fn has_any(comparison: &Comparison) -> bool {
    !(comparison.orphans.is_empty() && comparison.reserved_ghosts().is_empty())
}

/// What the person is asked.
pub(super) fn question(found: &[Comparison]) -> Vec<String> {
    let mut lines = Vec::new();
    if found.iter().any(|it| !it.orphans.is_empty()) {
        lines.push(
            "These addresses are on this node's ENIs, but no record of this plugin has them:".to_owned(),
        );
        lines.extend(of_each_eni(found, |it| it.orphans.clone()));
        lines.push(
            "Whatever uses one of them loses it: other software, a network with another dataDir, a person."
                .to_owned(),
        );
        lines.push(LOOKED_AT.to_owned());
        lines.extend(Comparison::unseen(found).iter().map(|what| format!("Not looked at: {what}")));
    }
    let ghosts: Vec<String> = of_each_eni(found, Comparison::reserved_ghosts).collect();
    if !ghosts.is_empty() {
        lines.push(
            "These addresses are in the reserve, but not on their ENIs, and no pod has them:".to_owned(),
        );
        lines.extend(ghosts);
    }
    lines.push("Release them?".to_owned());
    lines
}

/// A line for each ENI that has any.
fn of_each_eni(
    found: &[Comparison],
    addresses: impl Fn(&Comparison) -> BTreeSet<IpAddr>,
) -> impl Iterator<Item = String> {
    let all = found.iter().map(move |it| (&it.eni, addresses(it)));
    all.filter(|(_, its)| !its.is_empty()).map(|(eni, its)| format!("  {eni}: {}", join(&its)))
}

/// Releases the orphans in `found` that are still orphans, and what is still in the reserve and not on the ENI, and updates `found`.
pub(super) fn release(
    context: &CallContext<'_>,
    network: &Network,
    found: &mut [Comparison],
    progress: &Progress,
) -> Result<Outcome> {
    let mut pending = Vec::new();
    for comparison in found {
        if !has_any(comparison) {
            continue;
        }
        progress.step(|| format!("comparing {} again", comparison.eni));
        let ghosts = comparison.reserved_ghosts();
        let agreed = std::mem::take(&mut comparison.orphans);
        let (mut now, eni_lock) = match look(context, &comparison.eni, &comparison.region) {
            Ok(found) => found,
            Err(failure) => {
                comparison.orphans = agreed;
                comparison.problem = Some(failure.to_string());
                continue;
            }
        };
        // An address for which no time is left stays an orphan and is shown as one.
        for &address in agreed.intersection(&now.orphans).take_while(|_| !context.deadline.has_passed()) {
            pending.push((address, record(context, network, &eni_lock, &now.region, address)?));
        }
        let ghosts = &ghosts & &now.reserved_ghosts();
        if !ghosts.is_empty() {
            log::info!("giving up {} of the reserve, which {} does not have", join(&ghosts), now.eni);
            for address in ghosts {
                let begun = context.store.release_reserved(&now.eni, &[address], context.patience())?;
                pending.extend(begun.into_iter().map(|release| (address, release)));
            }
        }
        let is_left = |address: &IpAddr| pending.iter().all(|(recorded, _)| recorded != address);
        now.orphans.retain(is_left);
        now.ghosts.retain(|ghost| is_left(&ghost.address));
        *comparison = now;
    }
    let (addresses, pending): (BTreeSet<IpAddr>, Vec<ReleaseId>) = pending.into_iter().unzip();
    release_now(context, &pending, &addresses, progress)
}

/// Records the release of an orphan like any other release: if this process is killed, the next call goes on with it, and
/// an ADD that gets the address in the meantime ends it.
fn record(
    context: &CallContext<'_>,
    network: &Network,
    eni_lock: &EniLock<'_>,
    region: &RegionId,
    orphan: IpAddr,
) -> Result<ReleaseId> {
    let allocation = Allocation {
        owner: Attachment::nobody(),
        network: network.name().to_owned(),
        eni: eni_lock.eni().clone(),
        region: region.clone(),
        addresses: vec![Address::alone(orphan)],
        pod: None,
        boot_id: boot_id(),
        since: Timestamp::now(),
    };
    allocation.event("an orphan: releasing it").info();
    Ok(context.store.put_releasing(allocation, ReleaseProgress::default())?)
}
