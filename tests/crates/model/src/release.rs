//! Waiting for a release, as leader or follower: `src/pool/release/mod.rs`; and `EniLock::new`.

use crate::mistake::Mistake;
use crate::process::{At, Leader, Outcome};
use crate::set::Set;
use crate::turn::Turn;

impl Turn<'_> {
    /// The top of `Releaser::release`'s loop.
    pub(crate) fn progress(&mut self) -> Option<()> {
        let Some(one) = self.me().mine.first() else { return self.end_of_work() };
        if self.choice == 1 || self.state.disk.record(one).is_none() {
            // Deferred because of the deadline or of an earlier failure, or released.
            return self.next_of_mine(one);
        }
        self.go(At::TryLockEni)
    }

    pub(crate) fn try_lock_eni(&mut self) -> Option<()> {
        let one = self.me().mine.first()?;
        if self.choice == 1 {
            return self.state.eni_lock.and_then(|_| self.next_of_mine(one));
        }
        if self.state.eni_lock.is_some() && self.state.disk.record(one).is_none() {
            return self.next_of_mine(one);
        }
        self.take_eni_lock(At::IsPending)
    }

    pub(crate) fn is_pending(&mut self) -> Option<()> {
        let one = self.me().mine.first()?;
        if self.state.disk.record(one).is_none() {
            self.me().leader.outcome = Outcome::Done;
            return self.go(At::ReleaseDropEniLock);
        }
        self.me().leader.own = Some(one);
        self.me().after_step = At::ReleaseDropEniLock;
        self.go(At::Step)
    }

    pub(crate) fn release_drop_eni_lock(&mut self) -> Option<()> {
        self.drop_eni_lock();
        let Leader { outcome, .. } = std::mem::take(&mut self.me().leader);
        match (outcome, self.me().mine.first()) {
            (Outcome::Nothing, Some(one)) => self.next_of_mine(one),
            _ => self.go(At::Progress),
        }
    }

    fn next_of_mine(&mut self, one: u8) -> Option<()> {
        let me = self.me();
        me.mine = me.mine.without(Set::of(one));
        if me.mine.is_empty() { self.end_of_work() } else { self.go(At::Progress) }
    }

    /// The last holder of the lock was killed with a request on its way.
    pub(crate) fn eni_lock_new(&mut self) -> Option<()> {
        self.mark_in_doubt();
        let then = self.me().after_eni_lock;
        self.go(then)
    }

    /// `EniLock::unknown`.
    pub(crate) fn mark_in_doubt(&mut self) {
        let in_flight = std::mem::take(&mut self.state.disk.in_flight);
        if !self.makes(Mistake::NoDoubt) {
            self.state.disk.in_doubt = self.state.disk.in_doubt.and(in_flight);
        }
    }
}
