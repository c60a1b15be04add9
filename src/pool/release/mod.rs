//! The shared release: whoever holds an ENI's lock unassigns for everybody.
//!
//! A DEL has made its record *releasing* before it comes here. Then either somebody else, who holds the ENI's lock, releases
//! it together with up to nine others, or the DEL takes the lock itself and does so for the rest. So a drained node makes
//! one call for the first pod and one for every ten of the others, and ECS sees one mutation of an ENI at a time. What
//! happened to a request is written into the records and the ENI's state, so that nobody repeats a call that just failed.

mod answer;
mod backoff;
mod batch;
mod eni_ownership;
mod in_doubt;
mod leader;

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::region::RegionId;
use crate::cloud::ecs::Client;
use crate::store;
use crate::store::{Backoff, EniLock, Release, ReleaseId, Store};
pub(crate) use answer::Answer;
pub(crate) use backoff::pause as pause_after;
use leader::Step;
pub(crate) use leader::{DESCRIBE_LAG, REQUEST_TIMEOUT};

/// How often a follower looks whether its record is gone or the lock is free.
const POLL: Duration = Duration::from_millis(10);

/// An attempt that has less time than this is not begun: it could only end in an error that hides the last one.
const MIN_TIME_FOR_REQUEST: Duration = Duration::from_millis(250);

/// How a release ended for the one who waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// ECS is known to have unassigned the addresses.
    Released,
    /// It is not; the record stays and every later call tries again.
    Deferred {
        /// Why, for the person who reads the log or the error.
        why: String,
    },
}

/// What a release needs beside the store.
#[derive(Clone, Copy, Debug)]
pub struct Releaser<'a> {
    /// The store.
    pub store: &'a Store,
    /// ECS.
    pub client: &'a Client,
    /// The region of the ENI.
    pub region: &'a RegionId,
    /// The most addresses in one request.
    pub max_per_request: usize,
}

impl Releaser<'_> {
    /// Releases `mine`, by this process or another, until `deadline`. While the last attempts of this ENI have failed and
    /// whoever made them has given up, it does not wait: an outage costs one pod the wait, not every pod.
    ///
    /// # Errors
    /// The store's. Nothing is lost: the record is still releasing.
    pub fn release(&self, mine: &ReleaseId, deadline: Deadline) -> store::Result<Outcome> {
        let mut last = String::from("other calls held the lock of the ENI until the time ran out");
        loop {
            let Some(record) = self.store.releasing(mine)? else {
                return Ok(Outcome::Released);
            };
            last = record.progress.last_error.clone().unwrap_or(last);
            if let Some(backoff) = self.store.eni_state(&mine.eni)?.backoff
                && let Some(wait) = pause(&backoff, deadline)
            {
                let Some(wait) = wait else { return Ok(Outcome::Deferred { why: backoff.error }) };
                deadline.sleep(wait.min(POLL));
                continue;
            }
            if deadline.remaining() < MIN_TIME_FOR_REQUEST || is_held_back(&record) {
                return Ok(Outcome::Deferred { why: last });
            }
            match self.store.try_lock_eni(&mine.eni)? {
                None => deadline.sleep(POLL),
                // Somebody may have failed, or released this record, between the look and the lock.
                Some(eni_lock) if is_paused(&eni_lock) || !self.store.is_pending(mine)? => {}
                Some(mut eni_lock) => match leader::step(self, &mut eni_lock, Some(mine), deadline)? {
                    Step::Done | Step::Failed => {}
                    Step::Nothing => return Ok(Outcome::Deferred { why: last }),
                },
            }
        }
    }

    /// Releases everything of one ENI that may be released now, until `deadline`: for GC, `flush` and the other commands
    /// that speak for the whole node. With `anew` it forgets that earlier attempts have failed.
    ///
    /// # Errors
    /// The store's. Nothing is lost.
    pub fn drain(&self, any: &ReleaseId, anew: bool, deadline: Deadline) -> store::Result<()> {
        if anew {
            let mut eni_lock = self.store.lock_eni(&any.eni, deadline)?;
            eni_lock.set_backoff(None)?;
            forget_failures(&eni_lock)?;
        }
        while !deadline.has_passed() {
            match self.store.eni_state(&any.eni)?.backoff.and_then(|backoff| pause(&backoff, deadline)) {
                Some(None) => break,
                Some(Some(wait)) => deadline.sleep(wait),
                None => {}
            }
            // Taken anew for every request, so that ADDs and DELs get their turn.
            let mut eni_lock = self.store.lock_eni(&any.eni, deadline)?;
            if !is_paused(&eni_lock) && leader::step(self, &mut eni_lock, None, deadline)? == Step::Nothing {
                break;
            }
        }
        Ok(())
    }

    /// One request's worth of what earlier calls had to leave, for an ADD that holds the lock anyway. Its failure is
    /// remembered, and is not the ADD's.
    ///
    /// # Errors
    /// The store's.
    pub fn release_backlog(&self, eni_lock: &mut EniLock<'_>, deadline: Deadline) -> store::Result<()> {
        if !is_paused(eni_lock)
            && eni_lock.releasing()?.iter().any(|releasing| releasing.progress.attempts > 0)
        {
            leader::step(self, eni_lock, None, deadline)?;
        }
        Ok(())
    }

    /// One request's worth of anything that is releasing: makes room on an ENI that is full. Whether there was any.
    ///
    /// # Errors
    /// The store's.
    pub fn make_room(&self, eni_lock: &mut EniLock<'_>, deadline: Deadline) -> store::Result<bool> {
        Ok(!is_paused(eni_lock) && leader::step(self, eni_lock, None, deadline)? == Step::Done)
    }
}

/// Lets every record be tried that is held back because ECS refused it. One that was never tried is held back because an
/// old request may still be on its way, and stays so.
fn forget_failures(eni_lock: &EniLock<'_>) -> store::Result<()> {
    for mut record in eni_lock.releasing()? {
        let before = record.progress.clone();
        if before.attempts > 0 {
            record.progress.not_before = None;
            for until in record.progress.unanswered.iter_mut().filter_map(|ask| ask.not_before.as_mut()) {
                *until = Timestamp::now().min(*until);
            }
        }
        if record.progress != before {
            eni_lock.update(&record)?;
        }
    }
    Ok(())
}

/// Whether the ENI is to be left alone at the moment: `None` if not, else how long, or `Some(None)` if it is of no use to
/// wait for it.
#[expect(clippy::option_option, reason = "the outer one is whether, the inner one how long")]
fn pause(backoff: &Backoff, deadline: Deadline) -> Option<Option<Duration>> {
    let wait = backoff.not_before.wait(Timestamp::now(), backoff::MAX_WAIT);
    if wait.is_zero() {
        return None;
    }
    Some((!backoff.gave_up && wait + MIN_TIME_FOR_REQUEST < deadline.remaining()).then_some(wait))
}

fn is_paused(eni_lock: &EniLock<'_>) -> bool {
    let now = Timestamp::now();
    eni_lock.state().backoff.as_ref().is_some_and(|it| !it.not_before.wait(now, backoff::MAX_WAIT).is_zero())
}

/// Whether this one record must wait, whatever the ENI's state.
fn is_held_back(record: &Release) -> bool {
    let now = Timestamp::now();
    let has_work = !record.allocation.addresses.is_empty() || in_doubt::has_due(record, now);
    !batch::is_due(record, now) || !has_work
}
