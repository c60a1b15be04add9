//! From what the person typed to what is done and said.

use std::time::Duration;

use crate::commands::consent::Consent;
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::own_time::OwnTime;
use crate::commands::progress::Progress;
use crate::commands::reconcile::compare::Comparison;
use crate::commands::reconcile::report::Done;
use crate::commands::reconcile::{adopt, look, orphans, report, restore};
use crate::context::CallContext;
use crate::failure::Result;

/// What to do about the differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Remedy {
    /// They are only shown.
    None,
    /// Orphans are released, with this consent.
    ReleaseOrphans(Consent),
    /// What pods have is recorded again.
    Adopt,
    /// ECS is asked for what pods have lost.
    Restore,
}

/// Compares, and does what the person wants. Each step has `timeout` of its own, or the usual time: none may use up the time of the
/// next, nor run while a person thinks.
pub(in crate::commands) fn reconcile(
    network: &Network,
    remedy: Remedy,
    timeout: Option<Duration>,
    as_json: bool,
) -> std::result::Result<(), CommandError> {
    let (time, progress) = (OwnTime::starts(timeout), &Progress::new(as_json));
    let take = Steps { network, time, progress };
    take.step(|context| look::resolve_interrupted(context, progress))?;
    let mut found = take.step(|context| look::compare_all(context, progress))?;
    let mut done = Done::default();
    match remedy {
        Remedy::None => {}
        Remedy::ReleaseOrphans(consent) => {
            if found.iter().any(orphans::has_any) && consent.obtain(&orphans::question(&found)) {
                done.outcome =
                    take.step(|context| orphans::release(context, network, &mut found, progress))?;
            }
        }
        Remedy::Adopt => {
            done.outcome = take.step(|context| {
                adopt::adopt_all(context, network, &mut found, &mut done.adoption, progress)
            })?;
        }
        Remedy::Restore => {
            done.restored =
                take.step(|context| restore::restore_all(context, network.name(), &mut found, progress))?;
        }
    }
    if as_json {
        report::print_as_json(&found, &done)?;
    } else {
        report::print_in_words(&found, &done)?;
    }
    let clean = done.outcome.left.is_empty() && found.iter().all(Comparison::is_clean);
    if clean { Ok(()) } else { Err(CommandError::LeftOver) }
}

/// What each step works with.
struct Steps<'a> {
    network: &'a Network,
    time: OwnTime,
    progress: &'a Progress,
}

impl Steps<'_> {
    fn step<T>(&self, work: impl FnOnce(&CallContext<'_>) -> Result<T>) -> Result<T> {
        let context = self.time.again().open(self.network.ipam())?;
        self.progress.while_shown(|| context.run_then_write_metrics(work))
    }
}
