//! Releases what a person has asked for, and says what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::commands::causes::{self, FEW};
use crate::commands::error::CommandError;
use crate::commands::output::{print, print_lines};
use crate::commands::progress::Progress;
use crate::commands::unreleased::Unreleased;
use crate::context::CallContext;
use crate::failure::Result;
use crate::store;
use crate::store::{ReleaseId, join};

/// What came of the addresses that a person wanted to release.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) released: BTreeSet<IpAddr>,
    pub(super) left: Vec<Unreleased>,
}

/// Releases `pending`, which holds `addresses`, by the release that all calls share. Earlier failures do not count: the
/// person may have removed their cause.
pub(super) fn release_now(
    context: &CallContext<'_>,
    pending: &[ReleaseId],
    addresses: &BTreeSet<IpAddr>,
    progress: &Progress,
) -> Result<Outcome> {
    let enis: BTreeSet<&EniId> = pending.iter().map(|one| &one.eni).collect();
    let mut outcome = Ok(());
    // Those of an ENI that another call does not let go are left to later calls, and no other one waits for them.
    let mut why_left = BTreeMap::new();
    for eni in enis {
        let forgotten =
            context.store.lock_eni(eni, context.patience()).and_then(|mut it| it.set_backoff(None));
        match forgotten {
            Err(error @ store::Error::EniBusy { .. }) => drop(why_left.insert(eni, error.to_string())),
            Err(error) => log::warn!("{error}"),
            Ok(()) => {}
        }
    }
    let mut reasons = vec![None; pending.len()];
    for ((one, reason), number) in pending.iter().zip(&mut reasons).zip(1..) {
        progress.step(|| format!("releasing from {}, {number} of {}", one.eni, pending.len()));
        *reason = why_left.get(&one.eni).cloned();
        if reason.is_some() {
            continue;
        }
        match context.release_or_defer(one) {
            // What is left is among what is left below.
            Ok(why) => *reason = why,
            Err(failure) => outcome = outcome.and(Err(failure)),
        }
    }
    outcome?;
    let mut left = Vec::new();
    for (one, reason) in pending.iter().zip(reasons) {
        // Another call may have released it since.
        if let Some((releasing, why)) = context.left(one)? {
            left.push(Unreleased::new(&releasing.allocation, &releasing.progress, reason.unwrap_or(why)));
        }
    }
    let left_addresses = left.iter().flat_map(|it| &it.addresses).copied().collect();
    Ok(Outcome { released: addresses - &left_addresses, left })
}

impl Outcome {
    /// The addresses that are left.
    pub(super) fn left_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.left.iter().flat_map(|it| &it.addresses).copied()
    }

    /// Prints what was released, and what is left and why.
    pub(super) fn print(&self) -> std::result::Result<(), CommandError> {
        let done = match self.released.len() {
            0 => "nothing was released".to_owned(),
            1..=FEW => format!("released {}", join(&self.released)),
            many => format!("released {many} addresses"),
        };
        if self.left.is_empty() {
            return if self.released.is_empty() { Ok(()) } else { print(done) };
        }
        print_lines(causes::in_words(&done, &self.left, Timestamp::now()))?;
        print("Later calls retry what is left; `aliyun-eni-ipam flush` retries it now.")
    }
}
