//! `reconcile`: compares the records with what ECS shows on this node's ENIs. On request it releases orphans, records again what
//! pods have, or asks ECS for what pods have lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::json;

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_id};
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::commands::adopt::Adoption;
use crate::commands::compare::{Comparison, Ghost};
use crate::commands::consent::Consent;
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::output::{print, print_json, print_lines};
use crate::commands::releasing::{Outcome, release_now};
use crate::commands::restore::{self, restore_on};
use crate::commands::table;
use crate::context::CallContext;
use crate::failure;
use crate::failure::Failure;
use crate::node::facts::find_eni;
use crate::node::ownership;
use crate::node::pods::NodePods;
use crate::pool::release::REQUEST_TIMEOUT;
use crate::store::{Allocation, EniLock, Listed, ReleaseId, ReleaseProgress, State, join};

/// What to do about the differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphans {
    /// They are only shown.
    Shown,
    /// They are released, with this consent.
    Released(Consent),
    /// What pods have is recorded again.
    Adopted,
    /// They are only shown, and ghosts are restored.
    ShownGhostsRestored,
}

/// Compares, and releases the orphans if the person wants that.
pub(super) fn reconcile(network: &Network, orphans: Orphans, as_json: bool) -> Result<(), CommandError> {
    CallContext::open(network.ipam())?.run_then_write_metrics(resolve_interrupted)?;
    let mut found = CallContext::open(network.ipam())?.run_then_write_metrics(compare_all)?;
    let (mut outcome, mut adoption, mut restored) = (Outcome::default(), Adoption::default(), Vec::new());
    if orphans == Orphans::Adopted {
        let context = CallContext::open(network.ipam())?;
        outcome =
            context.run_then_write_metrics(|context| adopt(context, network, &mut found, &mut adoption))?;
    }
    if orphans == Orphans::ShownGhostsRestored {
        let context = CallContext::open(network.ipam())?;
        restored =
            context.run_then_write_metrics(|context| restore_ghosts(context, network.name(), &mut found))?;
    }
    if let Orphans::Released(consent) = orphans
        && found.iter().any(|it| !it.orphans.is_empty())
        && consent.obtain(&question(&found))
    {
        // Opened now, because its deadline must not run while a person thinks.
        let context = CallContext::open(network.ipam())?;
        outcome = context.run_then_write_metrics(|context| release(context, network, &mut found))?;
    }
    if as_json {
        let enis: Vec<_> = found.iter().map(Comparison::to_json).collect();
        let left: Vec<IpAddr> = outcome.left_addresses().collect();
        let unseen = unseen(&found);
        let restored: Vec<IpAddr> = restored.iter().map(|it| it.address).collect();
        print_json(&json!({
            "enis": enis,
            "adopted": adoption.addresses(),
            "restored": restored,
            "released": outcome.released,
            "left": left,
            "unseen": unseen,
        }))?;
    } else {
        adoption.print()?;
        show(&found)?;
        restore::print(&restored, &found)?;
        outcome.print()?;
        if !outcome.released.is_empty() || found.iter().any(|it| !it.orphans.is_empty()) {
            let unseen = unseen(&found);
            print_lines(
                unseen
                    .iter()
                    .map(|it| format!("Not looked at, so it may show that a pod has an orphan: {it}")),
            )?;
        }
    }
    let clean = outcome.left.is_empty() && found.iter().all(Comparison::is_clean);
    if clean { Ok(()) } else { Err(CommandError::LeftOver) }
}

/// Finds out what interrupted ADDs got. If ECS does not tell now, the addresses that they may have got are in doubt. This
/// step has a deadline of its own, so that it cannot use up the time to compare.
fn resolve_interrupted(context: &CallContext<'_>) -> failure::Result<()> {
    if let Err(error) = context.store.release_dead_intents(context.deadline, |_| true) {
        log::error!("{error}");
    }
    let listed = context.store.list()?;
    if listed.iter().any(|it| !it.progress.in_doubt.is_empty())
        && !is_out_of_date(&listed)
        && let Err(error) = context.drain(false)
    {
        log::warn!("{error}");
    }
    Ok(())
}

/// Whether a release names what a pod of another attachment is seen to use. Then the store is from a backup, and nothing may be
/// released before `--adopt` has given the address to that pod.
fn is_out_of_date(listed: &[Listed]) -> bool {
    let pods = NodePods::look();
    let is_anothers =
        |it: &Listed, address| pods.attachments_with(address).any(|other| other.owner != it.owner);
    let mut releasing = listed.iter().filter(|it| it.state == State::Releasing);
    releasing.any(|it| it.allocation.iter().flat_map(Allocation::ips).any(|address| is_anothers(it, address)))
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
            Ok((comparison, _eni_lock)) => comparison,
            // An error with one ENI does not hide the differences of the others.
            Err(failure) => Comparison::new(eni.clone(), region, Some(failure.to_string())),
        };
        // A remembered ENI without records may have left this node: an error with it tells nothing.
        if recorded.contains(&eni) || comparison.problem.is_none() {
            found.push(comparison);
        }
    }
    Ok(found)
}

/// Asks ECS for the ghosts of all ENIs, and updates `found`. Returns those that are no ghosts any more.
fn restore_ghosts(
    context: &CallContext<'_>,
    network: &str,
    found: &mut [Comparison],
) -> failure::Result<Vec<Ghost>> {
    let mut restored = Vec::new();
    for comparison in found.iter_mut().filter(|it| restore::has_any(it)) {
        match look(context, &comparison.eni, &comparison.region) {
            Ok((now, eni_lock)) => {
                *comparison = now;
                restored.extend(restore_on(context, network, comparison, eni_lock)?);
            }
            Err(failure) => {
                comparison.problem = Some(failure.to_string());
                restore::give_up(comparison);
            }
        }
    }
    Ok(restored)
}

/// Compares one ENI. The comparison is valid while the returned lock is held: an ADD holds it from before its request to ECS
/// until its record is active, and a release holds it until the record is gone.
fn look<'s>(
    context: &'s CallContext<'_>,
    eni: &EniId,
    region: &RegionId,
) -> failure::Result<(Comparison, EniLock<'s>)> {
    let (client, foreign) = (context.client()?, context.foreign()?);
    let eni_lock = context.store.lock_eni(eni, context.deadline)?;
    let described = client.describe(region, eni, context.deadline.at_most(REQUEST_TIMEOUT))?;
    let listed: Vec<Listed> = context.store.list()?;
    let mut comparison = Comparison::new(eni.clone(), region.clone(), None);
    comparison.pods = NodePods::look();
    let mut everything = BTreeSet::new();
    // An address can be called an orphan only if the ENI surely belongs to this node.
    match described {
        None => comparison.problem = Some(format!("ECS does not show {eni} in {region}: {GONE}")),
        Some(it) => {
            everything = &it.addresses | &it.primary;
            let mac = ownership::mac_of_described(&context.store, client, &it, context.deadline);
            if mac?.is_none() {
                comparison.problem = Some(Failure::NotOurs { eni: eni.clone() }.to_string());
            } else if it.service_managed {
                comparison.problem = Some(Failure::ServiceManaged { eni: eni.clone() }.to_string());
            } else {
                comparison.find_orphans(&it.addresses, &listed, foreign, context.store.directory());
            }
        }
    }
    let now = Timestamp::now();
    let recorded = listed.iter().filter_map(|it| it.allocation.as_ref()).flat_map(Allocation::ips);
    everything.extend(recorded.filter(|address| eni_lock.state().is_assigned_again(*address, now)));
    comparison.find_ghosts(&everything, &listed, now);
    Ok((comparison, eni_lock))
}

const GONE: &str = "it was deleted, is in another region, or the credentials are not allowed to see it";

/// Records what pods of this node have, and updates `found`.
fn adopt(
    context: &CallContext<'_>,
    network: &Network,
    found: &mut [Comparison],
    adoption: &mut Adoption,
) -> failure::Result<Outcome> {
    for comparison in found.iter_mut().filter(|it| !it.adopters().is_empty()) {
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
    adoption.release_ended(context)
}

/// Releases the orphans in `found` that are still orphans, and updates `found`.
fn release(
    context: &CallContext<'_>,
    network: &Network,
    found: &mut [Comparison],
) -> failure::Result<Outcome> {
    let mut pending = Vec::new();
    for comparison in found {
        let agreed = std::mem::take(&mut comparison.orphans);
        if agreed.is_empty() {
            continue;
        }
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
        now.orphans.retain(|address| pending.iter().all(|(recorded, _)| recorded != address));
        *comparison = now;
    }
    let (addresses, pending): (BTreeSet<IpAddr>, Vec<ReleaseId>) = pending.into_iter().unzip();
    release_now(context, &pending, &addresses)
}

/// Records the release of an orphan like any other release: if this process is killed, the next call goes on with it, and
/// an ADD that gets the address in the meantime ends it.
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

/// What it means that an address is called an orphan.
const LOOKED_AT: &str = "No pod of this node is seen to use them: neither libcni's cache nor a route of this host names one. But pods \
                         of ipvlan and macvlan have no route, and a runtime may keep its cache elsewhere.";

/// What could not be looked at, and may show that a pod has an address.
fn unseen(found: &[Comparison]) -> BTreeSet<&str> {
    found.iter().flat_map(|it| it.pods.unseen()).map(String::as_str).collect()
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
    lines.push(LOOKED_AT.to_owned());
    lines.extend(unseen(found).iter().map(|what| format!("Not looked at: {what}")));
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
    advise_on_pods(found)?;
    if found.iter().any(restore::is_advisable) {
        print(
            "Ghosts: the pod of an active one has no network; to ask ECS for its address again, run `aliyun-eni-ipam \
             reconcile --restore`.",
        )?;
    }
    if found.iter().flat_map(|it| &it.ghosts).any(|it| it.state == State::Releasing) {
        print("A releasing ghost ends by itself.")?;
    }
    Ok(())
}

/// Says what to do about what pods have and no record of theirs names. None of it may cost a pod its address.
fn advise_on_pods(found: &[Comparison]) -> Result<(), CommandError> {
    let in_use = || found.iter().flat_map(|it| &it.in_use).map(|it| it.adopter.is_ok());
    let conflicts = || found.iter().flat_map(|it| &it.conflicts).map(|it| it.adopter.is_ok());
    let advice = [
        (
            in_use().any(|can_be_adopted| can_be_adopted),
            "In use: a pod has the address though no record says so. To record it again, run `aliyun-eni-ipam reconcile --adopt`.",
        ),
        (
            in_use().any(|can_be_adopted| !can_be_adopted),
            "In use, but: leave it alone; if it is not recorded, it is an orphan when its pod has ended.",
        ),
        (
            conflicts().any(|can_be_adopted| can_be_adopted),
            "Conflicts: the record is out of date, and its release would take the address from the pod that has it now. Do not \
             release it; run `aliyun-eni-ipam reconcile --adopt`, which gives the address to that pod.",
        ),
        (
            conflicts().any(|can_be_adopted| !can_be_adopted),
            "Conflicts, but: do not release the record; delete the pod that uses the address, so that it gets another one.",
        ),
    ];
    print_lines(advice.iter().filter(|(applies, _)| *applies).map(|(_, text)| text))
}
