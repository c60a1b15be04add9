//! One request's worth of releasing for an ADD, which holds the ENI's lock anyway. Its failure is remembered, and is not the
//! ADD's.

use crate::base::deadline::Deadline;
use crate::pool::release::Releaser;
use crate::pool::release::decision::{Decision, decide_now};
use crate::pool::release::leader::Step;
use crate::pool::release::step::step;
use crate::store;
use crate::store::EniLock;

impl Releaser<'_> {
    /// Tries again what earlier calls could not release.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn release_backlog(
        &self,
        eni_lock: &mut EniLock<'_>,
        deadline: Deadline,
    ) -> store::Result<()> {
        if may_ask(eni_lock, deadline)
            && eni_lock.releasing()?.iter().any(|record| record.progress.attempts > 0)
        {
            step(self, eni_lock, None, deadline)?;
        }
        Ok(())
    }

    /// Makes room on an ENI that is full. Whether there is some now.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn make_room(&self, eni_lock: &mut EniLock<'_>, deadline: Deadline) -> store::Result<bool> {
        Ok(may_ask(eni_lock, deadline) && step(self, eni_lock, None, deadline)? == Step::Done)
    }
}

/// Whether ECS may be asked now: an ADD does not wait for releases.
fn may_ask(eni_lock: &EniLock<'_>, deadline: Deadline) -> bool {
    decide_now(eni_lock.state().backoff.as_ref(), None, deadline) == Decision::Go
}
