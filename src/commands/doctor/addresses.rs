//! Whether ECS shows the addresses of active records on their ENIs. A pod whose address is not there has no network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::cloud::ecs::Eni;
use crate::commands::doctor::cloud::Way;
use crate::commands::doctor::report::{Report, some};
use crate::commands::output::short_id;
use crate::pool::release::{DESCRIBE_LAG, REQUEST_TIMEOUT};
use crate::store::{Allocation, Listed, State, Store, join};

const NAME: &str = "addresses";

/// As many ENIs as are described only because a record names them: a node has a few.
const MOST_ENIS: usize = 8;

/// Compares the records of one store with the ENIs that they name. Returns the addresses on these and on the way's own ENIs, unless
/// ECS could not be asked.
pub(super) fn check(store: &Store, way: &Way<'_>, report: &mut Report) -> Option<BTreeSet<IpAddr>> {
    let on = |eni: &Eni| &eni.addresses | &eni.primary;
    let mut on_enis: BTreeSet<IpAddr> = way.described.iter().flat_map(&on).collect();
    // What cannot be listed is another check's.
    let named = enis_of(&store.list().ok()?);
    if named.is_empty() {
        return (!way.described.is_empty()).then_some(on_enis);
    }
    if !way.is_open {
        report.not_tested(NAME, "ECS cannot be asked what the ENIs have");
        return None;
    }
    let (mut missing, mut hidden, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut reserved = BTreeSet::new();
    let mut count = 0;
    for (eni, allocation) in named {
        let known = way.described.iter().find(|it| it.id == eni).cloned();
        let is_new = known.is_none();
        count += usize::from(is_new);
        let described = match known {
            Some(known) => Ok(Some(known)),
            None if count > MOST_ENIS => {
                unknown.push(format!("{eni}: these are too many ENIs"));
                continue;
            }
            None => way.client.describe(&allocation.region, &eni, way.deadline.at_most(REQUEST_TIMEOUT)),
        };
        // Listed after the ENI was described: whose record has ended meanwhile is not missed.
        let old = old_of(store, &eni);
        match described {
            Err(error) => unknown.push(error.to_string()),
            Ok(None) if old.is_empty() => {}
            Ok(None) => hidden.push((eni, old)),
            Ok(Some(described)) => {
                let on_this = on(&described);
                missing.extend(old.into_iter().filter(|(address, _)| !on_this.contains(address)));
                reserved.extend(&old_in_reserve(store, &eni) - &on_this);
                on_enis.extend(on_this);
            }
        }
    }
    if !reserved.is_empty() {
        report.warn(
            NAME,
            format!(
                "ECS does not show these addresses of the reserve on their ENI: {}: run `aliyun-eni-ipam reconcile \
                 --release-orphans`",
                join(&reserved)
            ),
        );
    }
    if reserved.is_empty() && missing.is_empty() && hidden.is_empty() && unknown.is_empty() {
        report.ok(NAME, "ECS shows the addresses of all active records");
    }
    if !missing.is_empty() {
        report.fail(
            NAME,
            format!(
                "ECS does not show these addresses of pods on their ENI, so these pods have no network: {}: run `aliyun-eni-ipam \
                 reconcile --restore`",
                in_words(&missing)
            ),
        );
    }
    for (eni, old) in hidden {
        report.fail(
            NAME,
            format!(
                "ECS does not show {eni}, on which pods have addresses: {}: it was deleted, or the credentials are not allowed to \
                 see it. If it was deleted, delete these pods",
                in_words(&old)
            ),
        );
    }
    for why in unknown {
        report.not_tested(NAME, why);
    }
    Some(on_enis)
}

/// The ENIs that active records name and those with a reserve, each with one of these records.
fn enis_of(listed: &[Listed]) -> BTreeMap<EniId, Allocation> {
    let with_addresses = listed.iter().filter(|it| matches!(it.state, State::Active | State::Reserved));
    with_addresses.filter_map(|it| it.allocation.clone()).map(|it| (it.eni.clone(), it)).collect()
}

/// The addresses of active records on `eni` that are old enough to be seen in a description, each with who has it.
fn old_of(store: &Store, eni: &EniId) -> Vec<(IpAddr, String)> {
    let now = Timestamp::now();
    let listed = store.list().unwrap_or_default();
    let active = listed.iter().filter(|it| it.state == State::Active).filter_map(|it| it.allocation.as_ref());
    // What an earlier boot has left is no pod's any more.
    let living = active.filter(|it| it.eni == *eni && !it.is_of_earlier_boot());
    let old = living.filter(|it| it.since.age(now) >= DESCRIBE_LAG);
    old.flat_map(|it| it.ips().map(|address| (address, owner(it)))).collect()
}

/// The addresses in the reserve of `eni` that are old enough to be seen in a description.
fn old_in_reserve(store: &Store, eni: &EniId) -> BTreeSet<IpAddr> {
    let now = Timestamp::now();
    let entries = store.reserved(eni).unwrap_or_default();
    entries.into_iter().filter(|it| it.entry.since.age(now) >= DESCRIBE_LAG).map(|it| it.address).collect()
}

fn owner(allocation: &Allocation) -> String {
    match &allocation.pod {
        Some(pod) => format!("pod {pod}"),
        None => format!("container {}", short_id(&allocation.owner.container_id)),
    }
}

fn in_words(addresses: &[(IpAddr, String)]) -> String {
    some(addresses.iter().map(|(address, owner)| format!("{address} ({owner})")))
}
