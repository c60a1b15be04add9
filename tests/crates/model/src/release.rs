//! Waiting for a release, as leader or follower: `release/mod.rs`; and `Lease::new`.

use crate::mistake::Mistake;
use crate::process::{At, Leader, Outcome};
use crate::set::Set;
use crate::turn::Turn;

impl Turn<'_> {
    /// The top of `Releaser::release`'s loop.
    pub(crate) fn progress(&mut self) -> Option<()> {
        let Some(one) = self.me().mine.first() else { return self.end() };
        if self.choice == 1 || self.state.disk.record(one).is_none() {
            // Deferred because of the deadline or of an earlier failure, or released.
            return self.next_of_mine(one);
        }
        self.go(At::TryLease)
    }

    pub(crate) fn try_lease(&mut self) -> Option<()> {
        let one = self.me().mine.first()?;
        if self.choice == 1 {
            return self.state.lease.and_then(|_| self.next_of_mine(one));
        }
        if self.state.lease.is_some() && self.state.disk.record(one).is_none() {
            return self.next_of_mine(one);
        }
        self.take_lease(At::IsPending)
    }

    pub(crate) fn is_pending(&mut self) -> Option<()> {
        let one = self.me().mine.first()?;
        if self.state.disk.record(one).is_none() {
            self.me().leader.outcome = Outcome::Done;
            return self.go(At::ReleaseDropLease);
        }
        self.me().leader.own = Some(one);
        self.me().after_step = At::ReleaseDropLease;
        self.go(At::Step)
    }

    pub(crate) fn release_drop_lease(&mut self) -> Option<()> {
        self.drop_lease();
        let Leader { outcome, .. } = std::mem::take(&mut self.me().leader);
        match (outcome, self.me().mine.first()) {
            (Outcome::Nothing, Some(one)) => self.next_of_mine(one),
            _ => self.go(At::Progress),
        }
    }

    fn next_of_mine(&mut self, one: u8) -> Option<()> {
        let me = self.me();
        me.mine = me.mine.without(Set::of(one));
        if me.mine.is_empty() { self.end() } else { self.go(At::Progress) }
    }

    /// The last holder of the lock was killed with a request on its way.
    pub(crate) fn lease_new(&mut self) -> Option<()> {
        self.suspect();
        let then = self.me().after_lease;
        self.go(then)
    }

    /// `Lease::unknown`.
    pub(crate) fn suspect(&mut self) {
        let in_flight = std::mem::take(&mut self.state.disk.in_flight);
        if !self.makes(Mistake::NoSuspicion) {
            self.state.disk.suspects = self.state.disk.suspects.and(in_flight);
        }
    }
}
