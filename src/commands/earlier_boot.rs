//! What an earlier boot left: no pod has it any more, and where the runtime has lost its own state, no DEL will come for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::clock::{booted_at, up_for};
use crate::base::eni::EniId;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::node::eni_link::EniLink;
use crate::node::pods::{CachedAttachment, NodePods};
use crate::store::{Active, Allocation, State, join};

/// For so long after the boot the runtime may still delete the pods of before by itself, or make them anew.
const RUNTIME_COMES_FIRST: Duration = Duration::from_mins(10);

/// What became of the records of an earlier boot, in all stores so far.
#[derive(Default)]
pub(super) struct EarlierBoot {
    /// The addresses whose release has begun.
    begun: BTreeSet<IpAddr>,
    /// The addresses whose turn comes with a later `flush`.
    waiting: BTreeSet<IpAddr>,
    pub(super) kept: Vec<Kept>,
}

/// A record whose addresses are seen to be in use all the same.
pub(super) struct Kept {
    addresses: Vec<IpAddr>,
    eni: EniId,
    why: String,
}

impl EarlierBoot {
    /// Begins the release of what an earlier boot left in this store, unless somebody is seen to use it. Each record is looked at
    /// again under the store's lock: an ADD may have taken it over.
    ///
    /// # Errors
    /// The store's first one. The rest has been done all the same.
    pub(super) fn begin_releases(&mut self, context: &CallContext<'_>) -> Result<()> {
        let active = context.store.list()?.into_iter().filter(|it| it.state == State::Active);
        let left = active.filter_map(|it| it.allocation).filter(Allocation::is_of_earlier_boot);
        let mut left = left.peekable();
        if left.peek().is_none() {
            return Ok(());
        }
        let is_time = up_for().is_some_and(|up| up >= RUNTIME_COMES_FIRST);
        let pods = is_time.then(NodePods::look);
        // All links of the node are looked at for one ENI.
        let mut missing = BTreeMap::new();
        // What follows needs the rest of the command's time.
        let (deadline, mut outcome) = (context.patience(), Ok(()));
        for allocation in left {
            let Some(pods) = pods.as_ref().filter(|_| !deadline.has_passed()) else {
                self.waiting.extend(allocation.ips());
                continue;
            };
            let eni = &allocation.eni;
            let is_missing = || EniLink::has_left(&context.store, eni);
            let is_missing = *missing.entry(eni.clone()).or_insert_with(is_missing);
            let why = is_missing.then(|| not_here(eni)).or_else(|| why_in_use(pods, &allocation));
            if let Some(why) = why {
                self.keep(&allocation, why);
                continue;
            }
            match context.store.begin_release_of(&Active(allocation.clone()), deadline) {
                Ok(begun) if begun.is_empty() => {}
                Ok(_) => {
                    allocation.event("given up: left by an earlier boot").info();
                    self.begun.extend(allocation.ips());
                }
                Err(error) => outcome = outcome.and(Err(Failure::from(error))),
            }
        }
        outcome
    }

    fn keep(&mut self, allocation: &Allocation, why: String) {
        let Allocation { eni, .. } = allocation;
        self.kept.push(Kept { addresses: allocation.ips().collect(), eni: eni.clone(), why });
    }

    pub(super) fn to_json(&self) -> Value {
        let kept = |Kept { addresses, eni, why }: &Kept| json!({ "addresses": addresses, "networkInterfaceId": eni, "why": why });
        json!({
            "begun": self.begun,
            "waiting": self.waiting,
            "kept": self.kept.iter().map(kept).collect::<Vec<_>>(),
        })
    }

    pub(super) fn is_some_left(&self) -> bool {
        !(self.waiting.is_empty() && self.kept.is_empty())
    }

    /// A line for what was begun, one for what waits, and one for each record that is kept.
    pub(super) fn in_words(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.begun.is_empty() {
            lines.push(format!("left by an earlier boot, and no pod's any more: {}", join(&self.begun)));
        }
        if !self.waiting.is_empty() {
            lines.push(format!("left by an earlier boot: {}, {}", join(&self.waiting), WHAT_FLUSH_DOES));
        }
        lines.extend(self.kept.iter().map(|Kept { addresses, eni, why }| {
            format!("{} on {eni} was left by an earlier boot, but is not released: {why}", join(addresses))
        }));
        lines
    }
}

/// What `flush` does with records of an earlier boot, for people.
pub(super) const WHAT_FLUSH_DOES: &str =
    "which `aliyun-eni-ipam flush` releases from ten minutes after boot on";

/// Why this boot need not be the node's. A sandbox with a kernel of its own has a boot of its own, too.
fn not_here(eni: &EniId) -> String {
    format!(
        "no link of this network namespace is {eni}: run `aliyun-eni-ipam flush` on the node itself, or `aliyun-eni-ipam release` if \
         the node has lost the ENI for good"
    )
}

/// Why these addresses are somebody's although their record is of an earlier boot.
fn why_in_use(pods: &NodePods, allocation: &Allocation) -> Option<String> {
    allocation.ips().find_map(|address| {
        if let Some(link) = pods.link_to(address) {
            return Some(format!(
                "this host has a route to {address} by {link}; if no pod has it any more, run `aliyun-eni-ipam release {address}`"
            ));
        }
        let mut cached = pods.attachments_with(address);
        let cached = cached.find(|it| it.owner != allocation.owner || is_of_this_boot(it))?;
        let (user, path) = (cached.user(), cached.path.display());
        Some(if cached.owner == allocation.owner {
            format!("{user} has {address} in this boot; if that pod is gone, delete {path}")
        } else {
            format!(
                "{user} has {address}: run `aliyun-eni-ipam reconcile --adopt`, which gives the address to that pod; if that pod is \
                 gone, delete {path}"
            )
        })
    })
}

/// Whether the runtime has added it since the machine booted: by a version that did not take records over, or before the store came
/// back from a backup. The cache survives a boot, so its files prove nothing of a record's own attachment otherwise.
fn is_of_this_boot(cached: &CachedAttachment) -> bool {
    cached.written.zip(booted_at()).is_some_and(|(written, booted)| written >= booted)
}
