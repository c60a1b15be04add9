//! `reconcile`: what ECS says of the ENIs is compared with what is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::json;

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_id};
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::ecs::ownership;
use crate::commands::compare::Comparison;
use crate::commands::consent::Consent;
use crate::commands::networks::Network;
use crate::commands::releasing::{Unreleased, release_now};
use crate::commands::{CommandError, print, print_json, print_lines, table};
use crate::context::CallContext;
use crate::failure;
use crate::failure::Failure;
use crate::node::facts::find_eni;
use crate::pool::release::REQUEST_TIMEOUT;
use crate::store::{Allocation, EniLock, Listed, ReleaseId, ReleaseProgress, join};

/// What is wanted of orphans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphans {
    /// That they are shown.
    Shown,
    /// That they are released, with this consent.
    Released(Consent),
}

/// Compares, and releases orphans where that is wanted.
pub(super) fn reconcile(network: &Network, orphans: Orphans, as_json: bool) -> Result<(), CommandError> {
    settle_interrupted(network)?;
    let context = CallContext::open(network.ipam())?;
    let mut found = compare_all(&context)?;
    drop(context);
    let mut outcome = Outcome::default();
    if let Orphans::Released(consent) = orphans
        && found.iter().any(|it| !it.orphans.is_empty())
        && consent.obtain(&question(&found))
    {
        outcome = release(network, &mut found)?;
    }
    let Outcome { released, left } = outcome;
    if as_json {
        let enis: Vec<_> = found.iter().map(Comparison::to_json).collect();
        let left: Vec<_> = left.iter().flat_map(|it| it.allocation.ips()).collect();
        print_json(&json!({ "enis": enis, "released": released, "left": left }))?;
    } else {
        show(&found)?;
        if !released.is_empty() {
            print(format!("released {}", join(&released)))?;
        }
        print_lines(&left)?;
    }
    let clean = left.is_empty() && found.iter().all(Comparison::is_clean);
    if clean { Ok(()) } else { Err(CommandError::LeftOver) }
}

/// Finds out what ADDs have got that ended without anybody knowing. Where ECS does not tell now, what they may have got is
/// undecided. It has a time of its own: that it takes long must not keep anybody from comparing.
fn settle_interrupted(network: &Network) -> failure::Result<()> {
    let context = CallContext::open(network.ipam())?;
    if let Err(error) = context.store.release_dead_intents(context.deadline, |_| true) {
        log::error!("{error}");
    }
    if context.store.list()?.iter().any(|it| !it.progress.unanswered.is_empty())
        && let Err(error) = context.drain(false)
    {
        log::warn!("{error}");
    }
    Ok(())
}

fn compare_all(context: &CallContext<'_>) -> failure::Result<Vec<Comparison>> {
    let settings = context.ipam.address()?;
    let (region, configured) = find_eni(context.client()?, &context.store, &settings, context.deadline)?;
    let mut enis: BTreeMap<EniId, RegionId> = BTreeMap::new();
    for eni in context.store.known_enis()? {
        enis.insert(eni, region.clone());
    }
    let mut recorded = BTreeSet::from([configured.clone()]);
    enis.insert(configured, region);
    for allocation in context.store.list()?.into_iter().filter_map(|it| it.allocation) {
        enis.insert(allocation.eni.clone(), allocation.region);
        recorded.insert(allocation.eni);
    }
    let mut found = Vec::new();
    for (eni, region) in enis {
        let comparison = match look(context, &eni, &region) {
            Ok((comparison, _lease)) => comparison,
            // CommandError with one ENI must not hide the others'.
            Err(failure) => Comparison::new(eni.clone(), region, Some(failure.to_string())),
        };
        // One that is merely remembered, and not this node's any more, is nobody's concern.
        if recorded.contains(&eni) || comparison.problem.is_none() {
            found.push(comparison);
        }
    }
    Ok(found)
}

/// Compares one ENI. The lock comes with the answer, and the answer holds as long as the lock is held: an ADD has it from
/// before it asks ECS until its record is active, and whoever releases has it until the record is gone.
fn look<'s>(
    context: &'s CallContext<'_>,
    eni: &EniId,
    region: &RegionId,
) -> failure::Result<(Comparison, EniLock<'s>)> {
    let client = context.client()?;
    let is_ours = ownership::mac_of(client.metadata(), eni, context.deadline)?.is_some();
    let eni_lock = context.store.lock_eni(eni, context.deadline)?;
    let described = client.describe(region, eni, context.deadline.at_most(REQUEST_TIMEOUT))?;
    let listed: Vec<Listed> = context.store.list()?;
    let mut comparison = Comparison::new(eni.clone(), region.clone(), None);
    let mut everything = BTreeSet::new();
    // Only what is surely this node's can be said to have no reason to be there.
    match described {
        None => comparison.problem = Some(format!("ECS does not show {eni} in {region}: {GONE}")),
        Some(it) => {
            everything = &it.addresses | &it.primary;
            if !is_ours {
                comparison.problem = Some(Failure::NotOurs { eni: eni.clone() }.to_string());
            } else if it.service_managed {
                comparison.problem = Some(Failure::ServiceManaged { eni: eni.clone() }.to_string());
            } else {
                comparison.find_orphans(&it.addresses, &listed);
            }
        }
    }
    comparison.find_ghosts(&everything, &listed, Timestamp::now());
    Ok((comparison, eni_lock))
}

const GONE: &str = "it was deleted, is in another region, or the credentials are not allowed to see it";

/// What became of orphans that were to be released.
#[derive(Default)]
struct Outcome {
    released: BTreeSet<IpAddr>,
    left: Vec<Unreleased>,
}

/// Releases the orphans that were found, as far as they still are some, and updates what was found.
fn release(network: &Network, found: &mut [Comparison]) -> failure::Result<Outcome> {
    // Opened now, because its deadline must not run while a person thinks.
    let context = CallContext::open(network.ipam())?;
    let mut pending = Vec::new();
    for comparison in found {
        let agreed = std::mem::take(&mut comparison.orphans);
        if agreed.is_empty() {
            continue;
        }
        let (mut now, eni_lock) = match look(&context, &comparison.eni, &comparison.region) {
            Ok(found) => found,
            Err(failure) => {
                comparison.orphans = agreed;
                comparison.problem = Some(failure.to_string());
                continue;
            }
        };
        // However many there are: what there is no time for stays an orphan, and is shown as one.
        for &address in agreed.intersection(&now.orphans).take_while(|_| !context.deadline.has_passed()) {
            pending.push((address, record(&context, network, &eni_lock, &now.region, address)?));
        }
        now.orphans.retain(|address| pending.iter().all(|(recorded, _)| recorded != address));
        *comparison = now;
    }
    let (addresses, pending): (BTreeSet<IpAddr>, Vec<ReleaseId>) = pending.into_iter().unzip();
    let left = release_now(&context, &pending)?;
    let still: BTreeSet<IpAddr> = left.iter().flat_map(|it| it.allocation.ips()).collect();
    Ok(Outcome { released: &addresses - &still, left })
}

/// Makes an orphan a release like any other: if this process is killed now, the next call goes on with it; and an ADD that
/// is given the address after all ends it.
fn record(
    context: &CallContext<'_>,
    network: &Network,
    eni_lock: &EniLock<'_>,
    region: &RegionId,
    orphan: IpAddr,
) -> failure::Result<ReleaseId> {
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
    log::info!("releasing the orphan {orphan} from {}", eni_lock.eni());
    Ok(context.store.put_releasing(allocation, ReleaseProgress::default())?)
}

fn question(found: &[Comparison]) -> Vec<String> {
    let mut lines =
        vec!["These addresses are on this node's ENIs, but no record of this plugin has them:".to_owned()];
    for it in found.iter().filter(|it| !it.orphans.is_empty()) {
        lines.push(format!("  {}: {}", it.eni, join(&it.orphans)));
    }
    lines.push(
        "Whatever uses one of them loses it: other software, a network with another dataDir, a person."
            .to_owned(),
    );
    lines.push("Release them?".to_owned());
    lines
}

fn show(found: &[Comparison]) -> Result<(), CommandError> {
    let rows: Vec<_> = found.iter().flat_map(Comparison::rows).collect();
    if rows.is_empty() {
        let enis: Vec<_> = found.iter().map(|it| it.eni.to_string()).collect();
        return print(format!("the records match ECS for {}", enis.join(", ")));
    }
    print_lines(table::render(["ENI", "WHAT", "ADDRESS", "WHY"], rows.into_iter()))?;
    if found.iter().any(|it| !it.orphans.is_empty()) {
        print("Orphans: to release them, run `aliyun-eni-ipam reconcile --release-orphans`.")?;
    }
    if found.iter().any(|it| !it.ghosts.is_empty()) {
        print(
            "Ghosts: the pod of an active one has no network, so delete the pod; a releasing one ends by itself.",
        )?;
    }
    Ok(())
}
