//! A DEL's release of its own record, by this process or by another.

use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::pool::release::Releaser;
use crate::pool::release::decision::{Decision, Why};
use crate::pool::release::leader::Step;
use crate::pool::release::step::step;
use crate::store;
use crate::store::ReleaseId;

/// How often a follower looks whether its record is gone or the lock is free.
const POLL: Duration = Duration::from_millis(10);

/// How a release ended for the one who waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// ECS is known to have unassigned the addresses.
    Released,
    /// It is not; the record stays and every later call tries again.
    Deferred {
        /// Why, for the person who reads the log or the error.
        why: String,
    },
}

impl Releaser<'_> {
    /// Releases `mine`, by this process or another, until `deadline`. While releases from this ENI fail and whoever tried
    /// last has given up, it does not wait: an outage costs one pod the wait, not every pod.
    ///
    /// # Errors
    /// The store's. Nothing is lost: the record is still releasing.
    pub(crate) fn release(&self, mine: &ReleaseId, deadline: Deadline) -> store::Result<Outcome> {
        let mut last = String::from("other calls held the lock of the ENI until the time ran out");
        loop {
            let Some(record) = self.store.releasing(mine)? else {
                return Ok(Outcome::Released);
            };
            last = record.progress.last_error.clone().unwrap_or(last);
            match self.decide(&self.store.eni_state(&mine.eni)?, Some(&record), deadline) {
                Decision::Go => {}
                // Another call may release the record meanwhile.
                Decision::WaitUntil(_) => {
                    deadline.sleep(POLL);
                    continue;
                }
                Decision::GiveUp(Why::EniIsFailing(why)) => return Ok(Outcome::Deferred { why }),
                Decision::GiveUp(Why::NoTime | Why::RecordWaits) => {
                    return Ok(Outcome::Deferred { why: last });
                }
            }
            let Some(mut eni_lock) = self.store.try_lock_eni(&mine.eni)? else {
                deadline.sleep(POLL);
                continue;
            };
            // Another call may have failed, or released this record, between the look and the lock.
            let decision = self.decide(eni_lock.state(), Some(&record), deadline);
            if decision != Decision::Go || !self.store.is_pending(mine)? {
                continue;
            }
            if step(self, &mut eni_lock, Some(mine), deadline)? == Step::Nothing {
                return Ok(Outcome::Deferred { why: last });
            }
        }
    }
}
