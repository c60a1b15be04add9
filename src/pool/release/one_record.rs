//! A DEL's release of its own record, by this process or by another.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::moment;
use crate::cloud::rpc::{Error, WithoutIds};
use crate::pool::release::Releaser;
use crate::pool::release::decision::{Decision, Why};
use crate::pool::release::due::MAX_WAIT;
use crate::pool::release::leader::Step;
use crate::pool::release::step::step;
use crate::store;
use crate::store::{LOOK, Release, ReleaseId};

/// How a release ended for the one who waited for it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// ECS is known to have unassigned the addresses.
    Released,
    /// It is not; the record stays and every later call tries again.
    Deferred(Box<Deferred>),
}

/// A release that is left to later calls.
#[derive(Debug)]
pub(crate) struct Deferred {
    /// Its record.
    release: Release,
    /// Why, for the person who reads the log or the error.
    pub(crate) why: String,
    /// What ECS has answered to this call, if it was asked.
    failure: Option<Error>,
}

impl Deferred {
    /// Writes the line of the log about it.
    pub(crate) fn log(&self) {
        let failure = self.failure.as_ref();
        let event = self
            .release
            .event(DEFERRED, self.release.allocation.ips())
            .attempt(self.release.progress.attempts)
            .request(failure.and_then(|error| error.request_id.as_deref()))
            .ecs_code(failure.and_then(|error| error.code.as_deref()));
        match failure {
            Some(error) => event.error(WithoutIds(error)).warn(),
            None => event.error(&self.why).warn(),
        }
    }
}

/// What the log says of a release that is left to later calls.
pub(crate) const DEFERRED: &str = "deferred";

impl Releaser<'_> {
    /// Releases `mine`, by this process or another, until `deadline`. While releases from this ENI fail and whoever tried
    /// last has given up, it does not wait: an outage costs one pod the wait, not every pod.
    ///
    /// # Errors
    /// The store's. Nothing is lost: the record is still releasing.
    pub(crate) fn release(&self, mine: &ReleaseId, deadline: Deadline) -> store::Result<Outcome> {
        // For the turn that has not come yet.
        let mut waited = Duration::ZERO;
        self.failure.take();
        loop {
            let Some((record, decision)) = self.look(mine, deadline)? else {
                return Ok(Outcome::Released);
            };
            match decision {
                Decision::Go => {}
                // Another call may release the record meanwhile.
                Decision::WaitUntil(moment) => {
                    deadline.sleep_or_look(moment.wait(Timestamp::now(), MAX_WAIT), LOOK);
                    continue;
                }
                Decision::GiveUp(Why::EniIsFailing(why)) => return Ok(self.left(record, why)),
                Decision::GiveUp(Why::NoTime | Why::RecordWaits) => {
                    return Ok(self.deferred(mine, record, waited));
                }
            }
            let started = moment::now();
            // In line, another call may release the record, or fail and give up for all.
            let needless = || {
                let look = self.look(mine, deadline)?;
                Ok(!matches!(look, Some((_, Decision::Go | Decision::WaitUntil(_)))))
            };
            let Some(mut eni_lock) = self.store.lock_eni_unless(&mine.eni, deadline, needless)? else {
                waited = moment::since(started);
                continue;
            };
            waited = Duration::ZERO;
            // The same, between the last look and the lock.
            let decision = self.decide(eni_lock.state(), Some(&record), deadline);
            if decision != Decision::Go || !self.store.is_pending(mine)? {
                continue;
            }
            if step(self, &mut eni_lock, Some(mine), deadline)? == Step::Nothing {
                return Ok(self.deferred(mine, record, waited));
            }
        }
    }

    /// The record, and what to do about it; `None` if it is released.
    fn look(&self, mine: &ReleaseId, deadline: Deadline) -> store::Result<Option<(Release, Decision)>> {
        let Some(record) = self.store.releasing(mine)? else { return Ok(None) };
        let decision = self.decide(&self.store.eni_state(&mine.eni)?, Some(&record), deadline);
        Ok(Some((record, decision)))
    }

    fn left(&self, release: Release, why: String) -> Outcome {
        Outcome::Deferred(Box::new(Deferred { release, why, failure: self.failure.take() }))
    }

    /// Says what has kept the record: its last failure, or a turn that did not come in the time that was `waited`.
    fn deferred(&self, mine: &ReleaseId, record: Release, waited: Duration) -> Outcome {
        let why = match &record.progress.last_error {
            Some(error) => error.clone(),
            None if waited.is_zero() => "this call had no time left to ask ECS".to_owned(),
            None => self.store.eni_busy(&mine.eni, waited).to_string(),
        };
        self.left(record, why)
    }
}
