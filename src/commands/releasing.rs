//! Releases what a person has asked for, and says what came of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::base::eni::EniId;
use crate::commands::error::CommandError;
use crate::commands::output::{print, print_lines};
use crate::commands::unreleased::Unreleased;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
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
) -> Result<Outcome> {
    let enis: BTreeSet<&EniId> = pending.iter().map(|one| &one.eni).collect();
    for eni in enis {
        let forgotten = context.store.lock_eni(eni, context.deadline).and_then(|mut it| it.set_backoff(None));
        if let Err(error) = forgotten {
            log::warn!("{error}");
        }
    }
    let mut outcome = Ok(());
    for one in pending {
        match context.release_one(one) {
            // It is among what is left.
            Ok(()) | Err(Failure::NotReleased { .. }) => {}
            failed @ Err(_) => outcome = outcome.and(failed),
        }
    }
    outcome?;
    let mut left = Vec::new();
    for one in pending {
        if let Some((releasing, why)) = context.left(one)? {
            left.push(Unreleased::new(&releasing.allocation, why));
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

    /// Prints what was released, and a line for each release that is left.
    pub(super) fn print(&self) -> std::result::Result<(), CommandError> {
        if !self.released.is_empty() {
            print(format!("released {}", join(&self.released)))?;
        }
        print_lines(self.left.iter().map(Unreleased::left_to_later_calls))
    }
}
