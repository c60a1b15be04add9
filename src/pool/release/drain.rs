//! Release of everything that is releasing on one ENI.

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::pool::release::Releaser;
use crate::pool::release::decision::Decision;
use crate::pool::release::due::MAX_WAIT;
use crate::pool::release::leader::Step;
use crate::pool::release::step::step;
use crate::store;
use crate::store::{EniLock, ReleaseId};

impl Releaser<'_> {
    /// Releases everything of one ENI that may be released now, until `deadline`: for GC, `flush` and the other commands
    /// that speak for the whole node. With `anew` it forgets that earlier attempts have failed.
    ///
    /// # Errors
    /// The store's. Nothing is lost.
    pub(crate) fn drain(&self, any: &ReleaseId, anew: bool, deadline: Deadline) -> store::Result<()> {
        let mut held: Option<EniLock<'_>> = None;
        if anew {
            let mut eni_lock = self.store.lock_eni(&any.eni, deadline)?;
            eni_lock.set_backoff(None)?;
            eni_lock.set_resolving(None)?;
            forget_failures(&eni_lock)?;
            held = Some(eni_lock);
        }
        loop {
            match self.decide(&self.store.eni_state(&any.eni)?, None, deadline) {
                Decision::GiveUp(_) => return Ok(()),
                Decision::WaitUntil(moment) => {
                    held = None;
                    deadline.sleep(moment.wait(Timestamp::now(), MAX_WAIT));
                }
                Decision::Go => {}
            }
            // ADDs and DELs that wait by now get their turn before the next request.
            let mut eni_lock = match held.take() {
                Some(eni_lock) => eni_lock.let_others_go_first(deadline)?,
                None => self.store.lock_eni(&any.eni, deadline)?,
            };
            if self.decide(eni_lock.state(), None, deadline) == Decision::Go
                && step(self, &mut eni_lock, None, deadline)? == Step::Nothing
            {
                return Ok(());
            }
            held = Some(eni_lock);
        }
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
