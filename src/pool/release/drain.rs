//! Release of everything that is releasing on one ENI.

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::moment;
use crate::pool::release::Releaser;
use crate::pool::release::decision::{Decision, Why};
use crate::pool::release::due::MAX_WAIT;
use crate::pool::release::leader::Step;
use crate::pool::release::step::step;
use crate::pool::release::watch::{Doing, Watch};
use crate::store;
use crate::store::{EniLock, EniState, Error, ReleaseId};

/// How the release of everything on one ENI ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Nothing is left that may be asked for now.
    All,
    /// The last attempts have failed. The error of the last one.
    Failing(String),
    /// The caller's time is over.
    NoTime,
}

/// By when the work on one ENI ends.
struct Patience {
    whole: Deadline,
    /// From the first failure on, while nothing is released: the next attempts have until then.
    failing: Option<Deadline>,
}

impl Releaser<'_> {
    /// Releases everything of one ENI that may be released now: for GC, `flush` and the other commands that speak for the whole
    /// node. It goes on until `deadline` as long as something is released; else it gives up for all after one call's time, so
    /// that no DEL waits for longer because of a caller that has more. With `anew` it forgets that earlier attempts have failed.
    ///
    /// # Errors
    /// The store's. Nothing is lost.
    pub(crate) fn drain(
        &self,
        any: &ReleaseId,
        anew: bool,
        deadline: Deadline,
        watch: Watch<'_>,
    ) -> store::Result<Drained> {
        let drained = self.drain_watched(any, anew, deadline, watch);
        self.tell(watch, &any.eni, Doing::Ended);
        drained
    }

    fn drain_watched(
        &self,
        any: &ReleaseId,
        anew: bool,
        deadline: Deadline,
        watch: Watch<'_>,
    ) -> store::Result<Drained> {
        let eni = &any.eni;
        let mut held: Option<EniLock<'_>> = None;
        if anew {
            let Some(mut eni_lock) = self.turn(eni, None, deadline, watch)? else { return Ok(Drained::All) };
            // When the account's next calls are taken is known, and no earlier one would be.
            if !eni_lock.state().backoff.as_ref().is_some_and(|it| it.throttled) {
                eni_lock.set_backoff(None)?;
            }
            eni_lock.set_resolving(None)?;
            forget_failures(&eni_lock)?;
            held = Some(eni_lock);
        }
        let mut patience = Patience { whole: deadline, failing: None };
        loop {
            let state = self.store.eni_state(eni)?;
            match self.decide(&state, None, patience.until(self)) {
                Decision::GiveUp(why) => {
                    let Some(moment) = self.end_of_throttling(&state, deadline) else {
                        return Ok(ended(why, &state));
                    };
                    held = None;
                    self.tell(watch, eni, Doing::Pausing(moment));
                    deadline.sleep(moment.wait(Timestamp::now(), MAX_WAIT));
                    patience.failing = None;
                    continue;
                }
                Decision::WaitUntil(moment) => {
                    held = None;
                    self.tell(watch, eni, Doing::Pausing(moment));
                    patience.failing = Some(patience.until(self));
                    deadline.sleep(moment.wait(Timestamp::now(), MAX_WAIT));
                }
                Decision::Go => {}
            }
            // ADDs and DELs that wait by now get their turn before the next request.
            let Some(mut eni_lock) = self.turn(eni, held.take(), deadline, watch)? else {
                return Ok(Drained::All);
            };
            let until = patience.until(self);
            if self.decide(eni_lock.state(), None, until) == Decision::Go {
                self.tell(watch, eni, Doing::Asking);
                let before = self.store.count_releases_of(eni)?;
                let taken = step(self, &mut eni_lock, None, until)?;
                if taken == Step::Nothing {
                    return Ok(Drained::All);
                }
                let is_further = taken == Step::Done || self.store.count_releases_of(eni)? < before;
                patience.failing = if is_further { None } else { Some(until) };
            }
            held = Some(eni_lock);
        }
    }

    /// Takes the ENI's lock in turn, or goes on with `held` after those who wait for it by now. It waits for one call's time, and
    /// for longer only while those before it release something. `None` if they have released everything.
    fn turn<'s>(
        &'s self,
        eni: &EniId,
        held: Option<EniLock<'s>>,
        deadline: Deadline,
        watch: Watch<'_>,
    ) -> store::Result<Option<EniLock<'s>>> {
        let started = moment::now();
        let (mut left, mut held) = (self.store.count_releases_of(eni)?, held);
        loop {
            self.tell(watch, eni, Doing::Waiting);
            let until = deadline.at_most(self.timeout);
            let taken = if let Some(eni_lock) = held.take() {
                match eni_lock.let_others_go_first(until) {
                    Err(Error::EniBusy { .. }) => None,
                    taken => Some(taken?),
                }
            } else {
                let needless = || Ok(self.store.count_releases_of(eni)? == 0);
                self.store.lock_eni_unless(eni, until, needless)?
            };
            if taken.is_some() {
                return Ok(taken);
            }
            match self.store.count_releases_of(eni)? {
                0 => return Ok(None),
                fewer if fewer < left && !deadline.has_passed() => left = fewer,
                _ => return Err(self.store.eni_busy(eni, moment::since(started))),
            }
        }
    }

    /// When ECS takes requests again that it limits now, if that is before the caller's time is over. Nobody else waits for it:
    /// what is remembered of the ENI says that whoever tried last has given up.
    fn end_of_throttling(&self, state: &EniState, deadline: Deadline) -> Option<Timestamp> {
        let moment = state.backoff.as_ref().filter(|it| it.throttled)?.not_before;
        let wait = moment.wait(Timestamp::now(), MAX_WAIT);
        (!wait.is_zero() && wait + self.min_time() <= deadline.remaining()).then_some(moment)
    }

    fn tell(&self, watch: Watch<'_>, eni: &EniId, doing: Doing) {
        if let Some(watch) = watch {
            watch(eni, doing, self.store.count_releases_of(eni).unwrap_or_default());
        }
    }
}

impl Patience {
    fn until(&self, releaser: &Releaser<'_>) -> Deadline {
        self.failing.unwrap_or_else(|| self.whole.at_most(releaser.timeout))
    }
}

/// Why nothing is asked any more.
fn ended(why: Why, state: &EniState) -> Drained {
    match (why, &state.backoff) {
        (Why::EniIsFailing(error), _) => Drained::Failing(error),
        (Why::NoTime | Why::RecordWaits, Some(backoff)) => Drained::Failing(backoff.error.clone()),
        (Why::NoTime | Why::RecordWaits, None) => Drained::NoTime,
    }
}

/// Lets every record be tried that is held back because ECS refused it. One that was never tried is held back because an
/// old request can still take effect, and stays so.
fn forget_failures(eni_lock: &EniLock<'_>) -> store::Result<()> {
    let now = Timestamp::now();
    for mut record in eni_lock.releasing()? {
        let before = record.progress.clone();
        if before.attempts > 0 {
            record.progress.not_before = None;
            for until in record.progress.in_doubt.iter_mut().filter_map(|ask| ask.not_before.as_mut()) {
                *until = now.min(*until);
            }
        }
        if record.progress != before {
            eni_lock.update(&record)?;
        }
    }
    Ok(())
}
