//! From what the person typed to what is done and said.

use crate::commands::consent::Consent;
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::reconcile::compare::Comparison;
use crate::commands::reconcile::report::Done;
use crate::commands::reconcile::{adopt, look, orphans, report, restore};
use crate::context::CallContext;

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

/// Compares, and does what the person wants. Each step has a deadline of its own: none may use up the time of the next, nor run while
/// a person thinks.
pub(in crate::commands) fn reconcile(
    network: &Network,
    remedy: Remedy,
    as_json: bool,
) -> Result<(), CommandError> {
    let open = || CallContext::open(network.ipam());
    open()?.run_then_write_metrics(look::resolve_interrupted)?;
    let mut found = open()?.run_then_write_metrics(look::compare_all)?;
    let mut done = Done::default();
    match remedy {
        Remedy::None => {}
        Remedy::ReleaseOrphans(consent) => {
            if found.iter().any(orphans::has_any) && consent.obtain(&orphans::question(&found)) {
                done.outcome = open()?
                    .run_then_write_metrics(|context| orphans::release(context, network, &mut found))?;
            }
        }
        Remedy::Adopt => {
            done.outcome = open()?.run_then_write_metrics(|context| {
                adopt::adopt_all(context, network, &mut found, &mut done.adoption)
            })?;
        }
        Remedy::Restore => {
            done.restored = open()?.run_then_write_metrics(|context| {
                restore::restore_all(context, network.name(), &mut found)
            })?;
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
