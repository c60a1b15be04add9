//! Whether the records say of this node's pods what is true: each pod that lives has a record, and nobody else has what a record
//! names. What pods use is seen in libcni's cache.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::commands::doctor::report::{Report, some};
use crate::commands::output::short_id;
use crate::commands::reconcile::{Adoptable, Conflict};
use crate::node::pods::{CachedAttachment, NodePods};
use crate::store::{Allocation, Listed, State, Store, join};

const NAME: &str = "pods";

/// How long a DEL may take from the end of its record to the end of libcni's file.
const PAUSE: Duration = Duration::from_secs(1);

/// Checks the pods of one store. `on_enis` are the addresses on this node's ENIs, where ECS has told them.
pub(super) fn check(store: &Store, on_enis: Option<&BTreeSet<IpAddr>>, report: &mut Report) {
    let mut pods = NodePods::look();
    let mut listed = store.list();
    // What is under way looks like a difference for a moment.
    if listed.as_ref().is_ok_and(|listed| differ(store, &pods, listed)) {
        thread::sleep(PAUSE);
        (pods, listed) = (NodePods::look(), store.list());
    }
    if let Err(error) = listed.map(|listed| compare(store, &pods, &listed, on_enis, report)) {
        report.not_tested(NAME, error);
    }
}

fn differ(store: &Store, pods: &NodePods, listed: &[Listed]) -> bool {
    let directory = store.directory();
    !pods.without_record(directory, listed).is_empty() || !conflicts(directory, pods, listed, None).is_empty()
}

/// Addresses of records that another attachment has got since, as `reconcile` sees them. Without ECS's word on what the ENIs have,
/// they are taken to have what is recorded.
fn conflicts(
    directory: &Path,
    pods: &NodePods,
    listed: &[Listed],
    on_enis: Option<&BTreeSet<IpAddr>>,
) -> Vec<Conflict> {
    let recorded =
        || listed.iter().filter_map(|it| it.allocation.as_ref()).flat_map(Allocation::ips).collect();
    let on_enis = on_enis.map_or_else(recorded, BTreeSet::clone);
    Adoptable { pods, store: directory, listed }.conflicts(&on_enis, Timestamp::now())
}

fn compare(
    store: &Store,
    pods: &NodePods,
    listed: &[Listed],
    on_enis: Option<&BTreeSet<IpAddr>>,
    report: &mut Report,
) {
    let directory = store.directory();
    let conflicts = conflicts(directory, pods, listed, on_enis);
    let is_told = |address: IpAddr| conflicts.iter().any(|conflict| conflict.address == address);
    let ips = |it: &CachedAttachment| it.addresses.iter().map(|its| its.address.ip()).collect::<Vec<_>>();
    let mut without = pods.without_record(directory, listed);
    without.retain(|it| !ips(it).into_iter().all(is_told));
    let is_on_eni =
        |it: &&CachedAttachment| on_enis.is_none_or(|on_enis| ips(it).iter().any(|ip| on_enis.contains(ip)));
    let (without, gone): (Vec<_>, Vec<_>) = without.into_iter().partition(is_on_eni);
    let is_damaged = listed.iter().any(|it| it.state == State::Quarantined && it.damaged_entry().is_none());
    if !without.is_empty() && is_damaged {
        report.fail(
            NAME,
            format!(
                "no record that can be read has the addresses of {}: a damaged one may be theirs, see `records`. Release nothing",
                some(without.iter().map(|it| named(it)))
            ),
        );
    } else if !without.is_empty() {
        report.fail(
            NAME,
            format!(
                "no record in {} has the addresses of {}: the store is younger than these pods, or an old copy. Release nothing, \
                 and run `aliyun-eni-ipam reconcile --adopt`",
                directory.display(),
                some(without.iter().map(|it| named(it)))
            ),
        );
    }
    if !conflicts.is_empty() {
        report.fail(
            NAME,
            format!(
                "another pod has the address of a record: {}. The records in {} are probably an old copy: release nothing, and run \
                 `aliyun-eni-ipam reconcile --adopt` at once",
                some(conflicts.iter().map(in_words)),
                directory.display()
            ),
        );
    }
    if !gone.is_empty() {
        report.warn(
            NAME,
            format!(
                "neither a record nor the ENI has the addresses of {}: probably the runtime has not ended their DEL, or they have \
                 no network",
                some(gone.iter().map(|it| named(it)))
            ),
        );
    }
    if !pods.unseen().is_empty() {
        report.warn(
            NAME,
            format!(
                "not all pods can be seen: {}. If the runtime keeps libcni's cache elsewhere, name it in the variable CNI_CACHE_DIR",
                some(pods.unseen().iter().cloned())
            ),
        );
    } else if without.is_empty() && conflicts.is_empty() && gone.is_empty() {
        report.ok(NAME, "each pod in libcni's cache has its record");
    }
}

fn in_words(conflict: &Conflict) -> String {
    let Conflict { address, owner, state, used_by, .. } = conflict;
    if *state == State::Reserved {
        return format!("{address} is in the reserve, but {used_by} has it");
    }
    let id = short_id(&owner.container_id);
    format!(
        "{address} is recorded as {} for container {id}, {}, but {used_by} has it",
        state.name(),
        owner.ifname
    )
}

fn named(it: &CachedAttachment) -> String {
    format!("{} ({})", it.user(), join(it.addresses.iter().map(|its| its.address.ip())))
}
