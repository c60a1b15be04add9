//! One request's worth of releasing by a call that came for something else. Its failure is remembered, and is not the call's.

use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::pool::release::decision::Decision;
use crate::pool::release::leader::{Leader, Step};
use crate::pool::release::step::step;
use crate::pool::release::{Releaser, in_doubt};
use crate::store;
use crate::store::{EniLock, ReleaseId};

impl Releaser<'_> {
    /// Releases what earlier calls have left, after the caller's own work and unless somebody waits for the ENI: on a node
    /// where little happens, nobody else may come for long. Only `flush` and GC release more than one request's worth.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn release_backlog(&self, eni: &EniId, deadline: Deadline) -> store::Result<()> {
        if !self.store.has_backlog()? {
            return Ok(());
        }
        let Some(mut eni_lock) = self.store.try_lock_eni(eni)? else { return Ok(()) };
        self.store.release_a_dead_intent(deadline)?;
        if self.may_ask(&eni_lock, deadline) {
            step(self, &mut eni_lock, None, deadline)?;
        }
        Ok(())
    }

    /// Before an ADD asks for anything: finds out what became of the requests that earlier ADDs of its attachment left in
    /// doubt, so that they do not pile up. What they brought is released and never given to the pod: since the ENI's lock was
    /// let go of, such an address may have been given to another, released, and be off the ENI. Returns why a request is
    /// still to be heard of, if one is.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn resolve_predecessor(
        &self,
        eni_lock: &mut EniLock<'_>,
        owner: &Attachment,
        deadline: Deadline,
    ) -> store::Result<Option<String>> {
        let pending = match self.store.pending(owner) {
            Ok(pending) => pending,
            // A record that nobody can read keeps no pod from an address.
            Err(error) => {
                log::error!("{error}");
                return Ok(None);
            }
        };
        let is_here = |it: &ReleaseId| it.eni == *eni_lock.eni() && it.region == *self.region;
        let pending: Vec<ReleaseId> = pending.into_iter().filter(is_here).collect();
        for mine in pending {
            // An ADD asks ECS in any case, so it waits for no moment before which nobody should ask about this request.
            while let Some(record) = self.store.releasing(&mine)? {
                let Some(ask) = in_doubt::unheard(&record, Timestamp::now()) else { break };
                let mut leader = Leader::new(self, eni_lock, vec![record], deadline);
                if in_doubt::hear(&mut leader, &ask)? != Step::Done {
                    let record = self.store.releasing(&mine)?;
                    return Ok(record.and_then(|record| record.progress.last_error));
                }
            }
        }
        Ok(None)
    }

    /// Makes room on an ENI that is full. Whether there is some now.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn make_room(&self, eni_lock: &mut EniLock<'_>, deadline: Deadline) -> store::Result<bool> {
        Ok(self.may_ask(eni_lock, deadline) && step(self, eni_lock, None, deadline)? == Step::Done)
    }

    /// Whether ECS may be asked now: nobody waits for releases that are not his own.
    pub(super) fn may_ask(&self, eni_lock: &EniLock<'_>, deadline: Deadline) -> bool {
        self.decide(eni_lock.state(), None, deadline) == Decision::Go
    }
}
