//! `reconcile --restore`: asks ECS for the addresses of pods that are not on their ENI any more, because somebody has unassigned
//! them in the console or with another tool.

use crate::base::clock::Timestamp;
use crate::base::logging::Event;
use crate::cloud::rpc::Error;
use crate::commands::error::CommandError;
use crate::commands::output::print_lines;
use crate::commands::progress::Progress;
use crate::commands::reconcile::compare::{Comparison, Ghost};
use crate::commands::reconcile::look::look;
use crate::context::CallContext;
use crate::failure::Result;
use crate::node::pods::NodePods;
use crate::pool::release::{Releaser, Restored};
use crate::store::{Allocation, EniLock, Listed, State};

/// Whether there is anything to restore on this ENI.
fn has_any(comparison: &Comparison) -> bool {
    comparison.ghosts.iter().any(is_of_pod)
}

/// Whether a person is to be told to restore it: the ENI can be compared, and nobody has just tried.
pub(super) fn is_advisable(comparison: &Comparison) -> bool {
    comparison.problem.is_none() && comparison.ghosts.iter().any(|it| is_of_pod(it) && it.why.is_none())
}

/// A releasing ghost ends by itself.
fn is_of_pod(ghost: &Ghost) -> bool {
    ghost.state == State::Active
}

/// Asks ECS for the ghosts of all ENIs, and updates `found`. Returns those that are no ghosts any more.
pub(super) fn restore_all(
    context: &CallContext<'_>,
    network: &str,
    found: &mut [Comparison],
    progress: &Progress,
) -> Result<Vec<Ghost>> {
    let mut restored = Vec::new();
    for comparison in found.iter_mut().filter(|it| has_any(it)) {
        progress.step(|| format!("comparing {} again", comparison.eni));
        match look(context, &comparison.eni, &comparison.region) {
            Ok((now, eni_lock)) => {
                *comparison = now;
                restored.extend(restore_on(context, network, comparison, eni_lock, progress)?);
            }
            Err(failure) => {
                comparison.problem = Some(failure.to_string());
                give_up(comparison);
            }
        }
    }
    Ok(restored)
}

/// Asks for each ghost of a pod, while the ENI's lock is held under which it was found to be one. Returns those that are none any
/// more; the others stay in `comparison`, each with the reason.
fn restore_on(
    context: &CallContext<'_>,
    network: &str,
    comparison: &mut Comparison,
    mut eni_lock: EniLock<'_>,
    progress: &Progress,
) -> Result<Vec<Ghost>> {
    if comparison.problem.is_some() {
        give_up(comparison);
        return Ok(Vec::new());
    }
    // Another store's pod may have got the address.
    if let Err(failure) = context.claim(&comparison.eni, &comparison.region) {
        comparison.problem = Some(failure.to_string());
        give_up(comparison);
        return Ok(Vec::new());
    }
    let releaser = context.releaser(&comparison.region)?;
    let listed = context.store.list()?;
    let (mut restored, mut left) = (Vec::new(), Vec::new());
    for mut ghost in std::mem::take(&mut comparison.ghosts) {
        if is_of_pod(&ghost) {
            ghost.why = reason_against(&releaser, &eni_lock, &ghost, &listed, &comparison.pods)?;
            if ghost.why.is_none() {
                progress.step(|| format!("asking ECS for {} on {}", ghost.address, comparison.eni));
                match releaser.restore(&mut eni_lock, network, ghost.address, context.patience())? {
                    Restored::Yes => {
                        Event::new("restored")
                            .of(&ghost.owner, ghost.pod.as_ref(), network)
                            .addresses([ghost.address])
                            .eni(&comparison.eni)
                            .info();
                        restored.push(ghost);
                        continue;
                    }
                    // Its DEL releases what the request has brought.
                    Restored::Deleted => continue,
                    Restored::Refused(error) => ghost.why = Some(refused(&ghost, &error)),
                    Restored::InDoubt(why) => {
                        ghost.why = Some(format!("the outcome is unknown ({why}): {FINDS_OUT}"));
                    }
                }
            }
        }
        left.push(ghost);
    }
    comparison.ghosts = left;
    Ok(restored)
}

/// Leaves all ghosts as they are.
fn give_up(comparison: &mut Comparison) {
    for ghost in comparison.ghosts.iter_mut().filter(|it| is_of_pod(it)) {
        ghost.why = Some(format!("there is a problem with {}", comparison.eni));
    }
}

/// Why ECS is not asked for this ghost.
fn reason_against(
    releaser: &Releaser<'_>,
    eni_lock: &EniLock<'_>,
    ghost: &Ghost,
    listed: &[Listed],
    pods: &NodePods,
) -> Result<Option<String>> {
    let (address, eni) = (ghost.address, eni_lock.eni());
    if releaser.foreign.contains(address) {
        return Ok(Some(format!("ipam.foreignAddresses names it: delete {}", ghost.whose())));
    }
    let mut records = listed.iter().filter(|it| it.state == State::Active && it.owner == ghost.owner);
    if records.any(|it| it.allocation.as_ref().is_some_and(Allocation::is_of_earlier_boot)) {
        return Ok(Some(
            "its pod ended with an earlier boot, and `aliyun-eni-ipam flush` ends its record".to_owned(),
        ));
    }
    if eni_lock.state().is_in_doubt(address, Timestamp::now()) {
        return Ok(Some("an earlier release of it is in doubt: run this again in a minute".to_owned()));
    }
    let mut asks = listed.iter().flat_map(|it| &it.progress.in_doubt);
    if asks.any(|ask| ask.eni == *eni && ask.addresses.contains(&address)) {
        return Ok(Some(format!("an earlier request for it is in doubt: {FINDS_OUT}")));
    }
    // Without an entry that leads to its record, what ECS assigns would be taken for nobody's.
    if eni_lock.owner_of(address)?.as_ref() != Some(&ghost.owner) {
        let why = "no entry of the store leads from it to its record. If that stays so, delete";
        return Ok(Some(format!("{why} {}", ghost.whose())));
    }
    let other = pods.another_with(address, &ghost.owner).map(|it| &it.owner);
    Ok(other.map(|other| format!("{other} is seen to use it: delete {}", ghost.whose())))
}

const FINDS_OUT: &str = "later calls find out; run `aliyun-eni-ipam reconcile` in three minutes";

fn refused(ghost: &Ghost, error: &Error) -> String {
    match error.subject() {
        // A person may have assigned it again a moment ago, which ECS does not show yet.
        subject if subject.is_an_address() => format!(
            "ECS refuses it ({error}). If it is still a ghost in a minute, delete {}, which then gets another address",
            ghost.whose()
        ),
        subject if subject.is_full() => {
            format!(
                "ECS has no room for it ({error}). Run this again when another pod is gone, or delete {}",
                ghost.whose()
            )
        }
        _ => format!("nothing was assigned ({error}). Run this again when the cause is gone"),
    }
}

/// Prints what was restored, and why the rest was not.
pub(super) fn print(restored: &[Ghost], found: &[Comparison]) -> std::result::Result<(), CommandError> {
    print_lines(restored.iter().map(|it| format!("restored {} for {}", it.address, it.whose())))?;
    let left = found.iter().flat_map(|it| &it.ghosts).filter_map(|it| Some((it.address, it.why.as_ref()?)));
    let left: Vec<_> = left.map(|(address, why)| format!("{address} is not restored: {why}")).collect();
    print_lines(&left)?;
    let (done, all) = (restored.len(), restored.len() + left.len());
    print_lines((all > 1).then(|| format!("restored {done} of {all} addresses")))
}
