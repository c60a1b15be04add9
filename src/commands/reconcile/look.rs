//! The look at this node's ENIs: what ECS shows, compared with what the store records.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::commands::progress::Progress;
use crate::commands::reconcile::compare::Comparison;
use crate::config::AddressSettings;
use crate::context::CallContext;
use crate::failure::{Failure, Result, UnusableEni};
use crate::node::network_enis::{ConfiguredEni, find_enis};
use crate::node::ownership;
use crate::node::pods::NodePods;
use crate::pool::release::{Doing, REQUEST_TIMEOUT};
use crate::store::{Allocation, EniLock, Listed, State};

/// Finds out what interrupted ADDs got. If ECS does not tell now, the addresses that they may have got are in doubt. This
/// step has a deadline of its own, so that it cannot use up the time to compare.
pub(super) fn resolve_interrupted(context: &CallContext<'_>, progress: &Progress) -> Result<()> {
    progress.step(|| "looking for what interrupted ADDs got".to_owned());
    if let Err(error) = context.store.release_dead_intents(context.patience(), |_| true) {
        log::error!("{error}");
    }
    let listed = context.store.list()?;
    if listed.iter().any(|it| !it.progress.in_doubt.is_empty()) && !is_out_of_date(&listed) {
        let watch = |eni: &EniId, doing: Doing, left: usize| progress.on_eni(eni, doing, left);
        let errors: Vec<Failure> = match context.drain(false, progress.is_shown().then_some(&watch)) {
            Ok(drained) => drained.into_iter().filter_map(|(_, it)| it.err()).collect(),
            Err(error) => vec![error],
        };
        for error in errors {
            log::warn!("{error}");
        }
    }
    Ok(())
}

/// Whether a release names what a pod of another attachment is seen to use. Then the store is from a backup, and nothing may be
/// released before `--adopt` has given the address to that pod.
fn is_out_of_date(listed: &[Listed]) -> bool {
    let pods = NodePods::look();
    let is_anothers = |it: &Listed, address| pods.another_with(address, &it.owner).is_some();
    let mut releasing = listed.iter().filter(|it| it.state == State::Releasing);
    releasing.any(|it| it.allocation.iter().flat_map(Allocation::ips).any(|address| is_anothers(it, address)))
}

/// Compares every ENI that is configured, recorded or remembered.
pub(super) fn compare_all(context: &CallContext<'_>, progress: &Progress) -> Result<Vec<Comparison>> {
    progress.step(|| "looking for this node's ENIs".to_owned());
    let settings = context.ipam.address()?;
    let configured = configured(context, &settings)?;
    let mut enis: BTreeMap<EniId, RegionId> = BTreeMap::new();
    if let Some((region, _)) = configured.first() {
        for eni in context.store.known_enis()? {
            enis.insert(eni, region.clone());
        }
    }
    let mut recorded = BTreeSet::new();
    for (region, eni) in configured {
        recorded.insert(eni.clone());
        enis.insert(eni, region);
    }
    for allocation in context.store.list()?.into_iter().filter_map(|it| it.allocation) {
        enis.insert(allocation.eni.clone(), allocation.region);
        recorded.insert(allocation.eni);
    }
    let mut found = Vec::new();
    let all = enis.len();
    for ((eni, region), number) in enis.into_iter().zip(1..) {
        progress.step(|| format!("comparing {eni}, {number} of {all}"));
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

/// The ENIs of the network. One of several that is not known is left out, and so is nothing of it that a record names.
fn configured(context: &CallContext<'_>, settings: &AddressSettings) -> Result<Vec<(RegionId, EniId)>> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for ConfiguredEni { name, found } in
        find_enis(context.client()?, &context.store, settings, context.patience())?
    {
        match found {
            Ok(eni) => known.push(eni),
            Err(why) if settings.interfaces.is_none() => return Err(why),
            Err(why) => {
                log::warn!("{name} is not compared: {why}");
                unknown.push(UnusableEni { eni: name, why });
            }
        }
    }
    if known.is_empty() && !unknown.is_empty() {
        return Err(Failure::NoUsableEni { each: unknown });
    }
    Ok(known)
}

/// Compares one ENI. The comparison is valid while the returned lock is held: an ADD holds it from before its request to ECS
/// until its record is active, and a release holds it until the record is gone.
pub(super) fn look<'s>(
    context: &'s CallContext<'_>,
    eni: &EniId,
    region: &RegionId,
) -> Result<(Comparison, EniLock<'s>)> {
    let (client, foreign) = (context.client()?, context.foreign()?);
    let eni_lock = context.store.lock_eni(eni, context.patience())?;
    let described = client.describe(region, eni, context.patience().at_most(REQUEST_TIMEOUT))?;
    // Before the records: a pod can get an address of the reserve meanwhile, and has a record before anything shows it.
    let pods = NodePods::look();
    let listed: Vec<Listed> = context.store.list_at_once(context.patience())?;
    let mut comparison = Comparison::new(eni.clone(), region.clone(), None);
    comparison.pods = pods;
    let mut everything = BTreeSet::new();
    // An address can be called an orphan only if the ENI surely belongs to this node.
    match described {
        None => comparison.problem = Some(format!("ECS does not show {eni} in {region}: {GONE}")),
        Some(it) => {
            everything = &it.addresses | &it.primary;
            let mac = ownership::mac_of_described(&context.store, client, &it, context.patience());
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
