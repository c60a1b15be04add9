//! The reserve of a store: what it has, and what stays there though nobody needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::commands::doctor::report::{Report, some};
use crate::commands::networks::Network;
use crate::node::network_enis::configured_enis_of;
use crate::store::{Allocation, Listed, State, Store, join};

const NAME: &str = "reserve";

/// By when a `flush` of the timer has come, which gives back what is too much. The timer of conf-examples runs it every minute.
const FLUSH_HAS_RUN: Duration = Duration::from_mins(15);

const FLUSH_GIVES_BACK: &str = "`aliyun-eni-ipam flush` releases that";

/// Checks the reserve of one store. `configured` are all networks of the node. Where the reserve is empty, there is no line.
pub(super) fn check(store: &Store, configured: &[&Network], report: &mut Report) {
    // What cannot be listed is another check's.
    let Ok(listed) = store.list() else { return };
    let damaged: BTreeSet<_> = listed.iter().filter_map(Listed::damaged_entry).map(|(_, it)| it).collect();
    let of_store: Vec<_> = configured
        .iter()
        .filter(|it| it.store_directory().is_ok_and(|directory| directory == store.directory()))
        .collect();
    let used = enis_of(store, &of_store);
    let (mut kept, mut problems) = (Vec::new(), Vec::new());
    for ((network, eni), entries) in grouped(&listed) {
        kept.push(format!("{} of network {network} on {eni}", entries.len()));
        if used.as_ref().is_some_and(|used| !used.contains(eni)) {
            let addresses: Vec<_> = entries.iter().flat_map(|it| it.ips()).map(|it| it.to_string()).collect();
            let addresses = some(addresses.into_iter());
            problems.push(format!(
                "no network uses {eni} any more: run `aliyun-eni-ipam release` with {addresses}"
            ));
            continue;
        }
        let limit = of_store.iter().find(|it| it.name() == network).map(|it| it.ipam().reserve());
        match limit {
            // Without a configuration nobody knows which networks there are.
            None if of_store.is_empty() => {}
            None => {
                problems.push(format!("network {network} is not configured any more: {FLUSH_GIVES_BACK}"));
            }
            // A wrong value is another check's.
            Some(Err(_)) => {}
            Some(Ok(limit)) => {
                let surplus = surplus(&entries, limit.reserve);
                if surplus > 0 {
                    problems.push(format!(
                        "network {network} has {surplus} more on {eni} than `reserve` says, for longer than 15 minutes: \
                         {FLUSH_GIVES_BACK}"
                    ));
                }
            }
        }
    }
    if !damaged.is_empty() {
        problems.push(format!("the entry of {} cannot be read: {FLUSH_GIVES_BACK}", join(&damaged)));
    }
    if kept.is_empty() && problems.is_empty() {
        return;
    }
    let kept = if kept.is_empty() { "no address".to_owned() } else { some(kept.into_iter()) };
    if problems.is_empty() {
        report.ok(NAME, format!("for new pods: {kept}"));
    } else {
        report.warn(NAME, format!("for new pods: {kept}; {}", problems.join("; ")));
    }
}

/// The ENIs that these networks use; `None` where not all of them are known.
fn enis_of(store: &Store, networks: &[&&Network]) -> Option<BTreeSet<EniId>> {
    let mut used = BTreeSet::new();
    for network in networks {
        let known = configured_enis_of(store, &network.addresses().ok()?).ok()?;
        used.extend(known.into_iter().collect::<Option<Vec<_>>>()?);
    }
    (!used.is_empty()).then_some(used)
}

/// The entries of each network on each ENI.
fn grouped(listed: &[Listed]) -> BTreeMap<(&str, &EniId), Vec<&Allocation>> {
    let mut groups: BTreeMap<_, Vec<&Allocation>> = BTreeMap::new();
    for entry in
        listed.iter().filter(|it| it.state == State::Reserved).filter_map(|it| it.allocation.as_ref())
    {
        groups.entry((entry.network.as_str(), &entry.eni)).or_default().push(entry);
    }
    groups
}

/// How many of these are more than `limit` in their family, and have been for long.
fn surplus(entries: &[&Allocation], limit: usize) -> usize {
    let now = Timestamp::now();
    let old = |family: Family| {
        let of_family = entries.iter().filter(|it| it.ips().any(|address| Family::of(address) == family));
        of_family.filter(|it| it.since.age(now) >= FLUSH_HAS_RUN).count()
    };
    [Family::V4, Family::V6].map(|family| old(family).saturating_sub(limit)).iter().sum()
}
