//! Whether the records say of this node's pods what is true: each pod that lives has a record, and nobody else has what a record
//! names. What pods use is seen in libcni's cache.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crate::commands::doctor::report::Report;
use crate::node::pods::{CachedAttachment, NodePods};
use crate::store;
use crate::store::{Listed, State, Store, join};

const NAME: &str = "pods";

/// How long a DEL may take from the end of its record to the end of libcni's file.
const PAUSE: Duration = Duration::from_secs(1);

/// As many pods as a line names.
const MOST: usize = 20;

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
    !pods.without_record(store.directory(), listed).is_empty() || !taken(pods, listed).is_empty()
}

fn compare(
    store: &Store,
    pods: &NodePods,
    listed: &[Listed],
    on_enis: Option<&BTreeSet<IpAddr>>,
    report: &mut Report,
) {
    let is_on_eni = |it: &&CachedAttachment| {
        on_enis.is_none_or(|on_enis| it.addresses.iter().any(|its| on_enis.contains(&its.address.ip())))
    };
    let without = pods.without_record(store.directory(), listed);
    let (without, gone): (Vec<_>, Vec<_>) = without.into_iter().partition(is_on_eni);
    let taken = taken(pods, listed);
    if !without.is_empty() {
        report.fail(
            NAME,
            format!(
                "no record in {} has the addresses of {}: the store is younger than these pods, or an old copy. Release nothing, \
                 and run `aliyun-eni-ipam reconcile --adopt`",
                store.directory().display(),
                some(without.iter().map(|it| named(it)))
            ),
        );
    }
    if !taken.is_empty() {
        report.fail(
            NAME,
            format!(
                "another pod has the address of a record: {}. The records in {} are probably an old copy: run \
                 `aliyun-eni-ipam reconcile --adopt`",
                some(taken.iter().cloned()),
                store.directory().display()
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
    } else if without.is_empty() && taken.is_empty() && gone.is_empty() {
        report.ok(NAME, "each pod in libcni's cache has its record");
    }
}

/// Addresses of active records that another attachment has got since, for people.
fn taken(pods: &NodePods, listed: &[Listed]) -> Vec<String> {
    let mut taken = Vec::new();
    for record in listed.iter().filter(|it| it.state == State::Active) {
        for address in record.allocation.iter().flat_map(store::Allocation::ips) {
            let of_owner = pods.attachments_with(address).find(|it| it.owner == record.owner);
            let is_younger = |it: &&CachedAttachment| {
                it.owner != record.owner && of_owner.is_none_or(|of_owner| it.written > of_owner.written)
            };
            if let Some(other) = pods.attachments_with(address).find(is_younger) {
                let path = record.path.display();
                taken.push(format!(
                    "{address} is recorded for {}, in {path}, but {} has it",
                    record.owner,
                    other.user()
                ));
            }
        }
    }
    taken
}

fn named(it: &CachedAttachment) -> String {
    format!("{} ({})", it.user(), join(it.addresses.iter().map(|its| its.address.ip())))
}

/// As many as a line takes.
fn some(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MOST);
    let shown = all.take(MOST).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
