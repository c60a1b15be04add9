//! `flush` and GC: `src/commands/flush.rs`, `src/verbs/gc.rs`, `Store::release_dead_intents` and `Releaser::drain`.

use crate::process::{At, Leader, Outcome, Verb};
use crate::set::Set;
use crate::state::{Active, OWNERS, PROCESSES};
use crate::turn::Turn;

impl Turn<'_> {
    pub(crate) fn release_dead_intents(&mut self) -> Option<()> {
        if self.next_owner(|turn, owner| turn.state.disk.assigning[owner].is_some()) {
            return self.go(At::BuryOneLock);
        }
        self.me().owner = 0;
        let gc = matches!(self.me().verb, Verb::Gc(_));
        self.go(if gc { At::GcList } else { At::EarlierBootList })
    }

    pub(crate) fn bury_one_lock(&mut self) -> Option<()> {
        self.take_store_lock()?;
        self.go(At::BuryOneFind)
    }

    pub(crate) fn bury_one_find(&mut self) -> Option<()> {
        let (owner, pid) = (self.owner(), self.pid);
        match &mut self.state.disk.assigning[owner] {
            Some(dead) if dead.lock.is_none() => {
                dead.lock = Some(pid);
                self.me().after_bury = At::BuryOneUnlock;
                self.go(At::Bury)
            }
            _ => self.go(At::BuryOneUnlock),
        }
    }

    pub(crate) fn bury_one_unlock(&mut self) -> Option<()> {
        self.drop_store_lock();
        if matches!(self.me().verb, Verb::Add(_) | Verb::Del(_)) {
            return self.go(At::ReleaseBacklog);
        }
        self.me().owner += 1;
        self.go(At::ReleaseDeadIntents)
    }

    /// What attachments have in use that are no more. Only what was there at the beginning is as old as `gcGraceSeconds`.
    pub(crate) fn gc_list(&mut self) -> Option<()> {
        let old = |active: Active| active.by == PROCESSES;
        if self.next_owner(|turn, owner| turn.state.disk.active[owner].is_some_and(old)) {
            return self.begin_release_of(PROCESSES);
        }
        self.go(At::PendingByEni)
    }

    /// The next owner that it is about, and for which `has` holds.
    pub(crate) fn next_owner(&mut self, has: impl Fn(&Self, usize) -> bool) -> bool {
        let chosen = match self.me().verb {
            Verb::Gc(stale) => stale,
            _ => Set::below(8),
        };
        let next = (self.me().owner..8)
            .find(|&owner| usize::from(owner) < OWNERS && chosen.has(owner) && has(self, usize::from(owner)));
        if let Some(next) = next {
            self.me().owner = next;
        }
        next.is_some()
    }

    pub(crate) fn pending_by_eni(&mut self) -> Option<()> {
        if self.state.disk.names(|_| true).is_empty() { self.end() } else { self.go(At::DrainLockEni) }
    }

    pub(crate) fn drain_lock_eni(&mut self) -> Option<()> {
        if self.choice == 1 {
            return self.state.eni_lock.and_then(|_| self.end());
        }
        self.me().after_step = At::DrainDropEniLock;
        self.take_eni_lock(At::Step)
    }

    /// The ENI's lock is taken anew for every request, so that ADDs and DELs get their turn.
    pub(crate) fn drain_drop_eni_lock(&mut self) -> Option<()> {
        let outcome = self.me().leader.outcome;
        self.drop_eni_lock();
        self.me().leader = Leader::default();
        match (outcome, self.choice) {
            (Outcome::Done, 0) | (Outcome::Failed, 1) => self.go(At::DrainLockEni),
            (Outcome::Nothing | Outcome::Failed, 0) => self.end(),
            _ => None,
        }
    }
}
