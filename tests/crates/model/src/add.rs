//! ADD: `src/verbs/add.rs`, and `Store::begin_add`, `Store::commit` and `Store::abandon` in `src/store/adding.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Process, Verb};
use crate::set::Set;
use crate::state::{Active, Intent, Releasing};
use crate::turn::Turn;

impl Turn<'_> {
    pub(crate) fn begin_add(&mut self) -> Option<()> {
        let owner = self.owner();
        match self.state.disk.active[owner] {
            Some(active) if active.old => self.found_of_earlier_boot(active),
            Some(_) => self.end(),
            None => self.go(At::IntentCreate),
        }
    }

    pub(crate) fn intent_create(&mut self) -> Option<()> {
        let (owner, pid) = (self.owner(), self.pid);
        let path = &mut self.state.disk.assigning[owner];
        if path.is_some() {
            return self.go(At::IntentFind);
        }
        *path =
            Some(Intent { inode: pid, lock: Some(pid), asks: Set::EMPTY, noted: Set::EMPTY, deleted: false });
        self.go(At::BeginAddAgain)
    }

    pub(crate) fn intent_find(&mut self) -> Option<()> {
        let (owner, pid) = (self.owner(), self.pid);
        match &mut self.state.disk.assigning[owner] {
            None => self.go(At::IntentCreate),
            Some(Intent { lock: Some(_), .. }) => self.end(),
            Some(dead) => {
                dead.lock = Some(pid);
                self.go(At::BeginAddLock)
            }
        }
    }

    pub(crate) fn begin_add_lock(&mut self) -> Option<()> {
        self.take_store_lock()?;
        self.me().after_bury = At::BeginAddUnlock;
        self.go(At::Bury)
    }

    pub(crate) fn begin_add_unlock(&mut self) -> Option<()> {
        self.drop_store_lock();
        self.go(At::IntentCreate)
    }

    pub(crate) fn begin_add_again(&mut self) -> Option<()> {
        let owner = self.owner();
        let existing = self.state.disk.active[owner].is_some();
        self.go(if existing { At::BeginAddForget } else { At::LockEni })
    }

    pub(crate) fn begin_add_forget(&mut self) -> Option<()> {
        self.forget();
        self.end()
    }

    pub(crate) fn lock_eni(&mut self) -> Option<()> {
        if self.choice == 1 {
            // The deadline passes.
            if self.makes(Mistake::WaitsWithoutDeadline) {
                return None;
            }
            return self.state.eni_lock.and_then(|_| self.fail());
        }
        self.take_eni_lock(At::ResolvePredecessor)
    }

    pub(crate) fn commit_lock(&mut self) -> Option<()> {
        if self.choice == 1 {
            return self.state.store_lock.and_then(|_| self.fail());
        }
        if !self.makes(Mistake::NoStoreLock) {
            self.take_store_lock()?;
        }
        self.go(At::CommitIsDeleted)
    }

    pub(crate) fn commit_is_deleted(&mut self) -> Option<()> {
        if self.own_intent_is_deleted() && !self.makes(Mistake::CommitDoesNotLook) {
            self.me().add.failed = true;
            return self.go(At::CommitUnlock);
        }
        self.go(if self.makes(Mistake::ForgetBeforeActive) { At::CommitForget } else { At::CommitReplace })
    }

    pub(crate) fn commit_replace(&mut self) -> Option<()> {
        let owner = self.owner();
        let add = self.me().add;
        self.state.disk.active[owner] = Some(Active { addresses: add.got, by: self.pid, old: false });
        self.state.broken.outlived |= add.overtaken;
        self.go(if self.makes(Mistake::ForgetBeforeActive) { At::CommitUnlock } else { At::CommitForget })
    }

    pub(crate) fn commit_forget(&mut self) -> Option<()> {
        self.forget();
        self.go(if self.makes(Mistake::ForgetBeforeActive) { At::CommitReplace } else { At::CommitUnlock })
    }

    pub(crate) fn commit_unlock(&mut self) -> Option<()> {
        self.drop_store_lock();
        if self.me().add.failed {
            return self.fail();
        }
        let late = self.makes(Mistake::SettleAfterCommit) && self.has_to_settle();
        self.go(if late { At::AcceptSettle } else { At::AddDropEniLock })
    }

    pub(crate) fn add_drop_eni_lock(&mut self) -> Option<()> {
        self.drop_eni_lock();
        // What the lock's holder has been given is forgotten with the lock.
        self.me().add.got = Set::EMPTY;
        self.go(At::Print)
    }

    pub(crate) fn print(&mut self) -> Option<()> {
        if self.choice == 0 {
            self.tell();
            return self.end_of_work();
        }
        // Nobody reads: what it got is released.
        let unread = &mut self.state.left.unread;
        *unread = unread.checked_sub(1)?;
        let pid = self.pid;
        self.begin_release_of(pid)
    }

    /// The runtime knows of the pod's addresses from here on, unless it is deleting it already.
    pub(crate) fn tell(&mut self) {
        let owner = self.me().owner;
        let by = self.state.disk.active[usize::from(owner)].map(|active| active.by);
        let deletes = |it: &Process| it.verb == Verb::Del(owner) && it.at != At::KnowsAssigning;
        if by == Some(self.pid) && !self.state.processes.iter().any(deletes) {
            self.state.told = self.state.told.with(owner);
        }
    }

    /// The ADD ends badly: what it got is given back.
    pub(crate) fn fail(&mut self) -> Option<()> {
        self.me().add.failed = true;
        let early = self.makes(Mistake::EniLockEndsBeforeAbandon) && self.state.eni_lock == Some(self.pid);
        self.go(if early { At::AbandonDropEniLock } else { At::AbandonPutReleasing })
    }

    pub(crate) fn abandon_put_releasing(&mut self) -> Option<()> {
        let owner = self.owner();
        let add = self.me().add;
        let asks = self.state.disk.assigning[owner].map_or(Set::EMPTY, |intent| intent.asks);
        let unanswered = asks.without(add.answered);
        if (add.got.is_empty() && unanswered.is_empty()) || self.makes(Mistake::AbandonForgetsFirst) {
            self.me().add.answered = unanswered;
            return self.abandon_forget();
        }
        self.put_abandoned(unanswered);
        self.go(At::AbandonForget)
    }

    fn put_abandoned(&mut self, unanswered: Set) {
        let (owner, addresses) = (Some(self.me().owner), self.me().add.got);
        let intent = self.state.disk.assigning[self.owner()];
        let noted = intent.map_or(Set::EMPTY, |intent| intent.noted).common(unanswered);
        let name =
            self.put_releasing(Releasing { owner, addresses, unanswered, noted, ..Releasing::default() });
        self.me().mine = Set::of(name);
    }

    pub(crate) fn abandon_forget(&mut self) -> Option<()> {
        let add = self.me().add;
        if self.makes(Mistake::AbandonForgetsFirst) {
            let owner = self.owner();
            if self.state.disk.assigning[owner].is_some_and(|intent| intent.lock == Some(self.pid)) {
                self.forget();
                return self.go(At::AbandonForget);
            }
            if !(add.got.is_empty() && add.answered.is_empty()) {
                self.put_abandoned(add.answered);
            }
        } else {
            self.forget();
        }
        if self.state.eni_lock == Some(self.pid) { self.go(At::AbandonDropEniLock) } else { self.abandoned() }
    }

    pub(crate) fn abandon_drop_eni_lock(&mut self) -> Option<()> {
        self.drop_eni_lock();
        if !self.makes(Mistake::EniLockEndsBeforeAbandon) {
            self.me().add.got = Set::EMPTY;
        }
        if self.makes(Mistake::EniLockEndsBeforeAbandon) {
            return self.go(At::AbandonPutReleasing);
        }
        self.abandoned()
    }

    fn abandoned(&mut self) -> Option<()> {
        if self.me().mine.is_empty() { self.end_of_work() } else { self.go(At::Progress) }
    }

    /// `Store::forget`.
    fn forget(&mut self) {
        let owner = self.owner();
        self.state.disk.assigning[owner] = None;
    }

    pub(crate) fn own_intent_is_deleted(&mut self) -> bool {
        let owner = self.owner();
        self.state.disk.assigning[owner].is_some_and(|intent| intent.deleted)
    }
}
