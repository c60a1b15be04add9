//! Release what a person has asked for.

use std::collections::BTreeSet;
use std::slice;

use crate::base::eni::EniId;
use crate::context::CallContext;
use crate::failure::{Failure, Result};
use crate::store::{Allocation, ReleaseId};

/// A release that ECS has not confirmed.
pub(super) struct Unreleased {
    pub(super) allocation: Allocation,
    pub(super) why: String,
}

/// Releases these by the release that all calls share, and returns what is left. Earlier failures do not count: a person
/// who asks may have removed their cause.
pub(super) fn release_now(context: &CallContext<'_>, pending: &[ReleaseId]) -> Result<Vec<Unreleased>> {
    let enis: BTreeSet<&EniId> = pending.iter().map(|one| &one.eni).collect();
    for eni in enis {
        let forgotten = context.store.lock_eni(eni, context.deadline).and_then(|mut it| it.set_backoff(None));
        if let Err(error) = forgotten {
            log::warn!("{error}");
        }
    }
    let mut outcome = Ok(());
    for one in pending {
        match context.release(slice::from_ref(one)) {
            // It is among what is left.
            Ok(()) | Err(Failure::NotReleased { .. }) => {}
            failed @ Err(_) => outcome = outcome.and(failed),
        }
    }
    outcome?;
    let mut left = Vec::new();
    for one in pending {
        if let Some((releasing, why)) = context.left(one)? {
            left.push(Unreleased { allocation: releasing.allocation, why });
        }
    }
    Ok(left)
}

impl std::fmt::Display for Unreleased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is still releasing and is retried by later calls: {}", self.allocation, self.why)
    }
}
