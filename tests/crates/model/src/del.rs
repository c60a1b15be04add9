//! DEL: `src/verbs/del.rs`, `Store::begin_release` in `src/store/releasing.rs`, and `Store::end_dead_intent` in `src/store/adding.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Verb};
use crate::set::Set;
use crate::state::{Active, Intent, Pid, Releasing};
use crate::turn::Turn;

impl Turn<'_> {
    pub(crate) fn knows_assigning(&mut self) -> Option<()> {
        let owner = self.owner();
        self.state.told = self.state.told.without(Set::of(self.me().owner));
        let known = self.state.disk.assigning[owner].is_some();
        self.go(if known { At::BeginReleaseLock } else { At::KnowsActive })
    }

    pub(crate) fn knows_active(&mut self) -> Option<()> {
        let owner = self.owner();
        let known = self.state.disk.active[owner].is_some();
        self.go(if known { At::BeginReleaseLock } else { At::KnowsReleasing })
    }

    pub(crate) fn knows_releasing(&mut self) -> Option<()> {
        if self.names_of_owner().is_empty() { self.end() } else { self.go(At::BeginReleaseLock) }
    }

    pub(crate) fn begin_release_lock(&mut self) -> Option<()> {
        if !self.makes(Mistake::NoStoreLock) {
            self.take_store_lock()?;
        }
        self.go(At::BeginReleaseFind)
    }

    pub(crate) fn begin_release_find(&mut self) -> Option<()> {
        let (owner, pid) = (self.owner(), self.pid);
        let Some(intent) = &mut self.state.disk.assigning[owner] else {
            return self.go(At::BeginReleaseActive);
        };
        if intent.lock.is_some() {
            self.me().inode = intent.inode;
            if self.makes(Mistake::DelDoesNotMark) {
                self.overtake();
                return self.go(At::BeginReleaseActive);
            }
            return self.go(At::Mark);
        }
        intent.lock = Some(pid);
        self.me().after_bury = At::BeginReleaseActive;
        self.go(At::Bury)
    }

    pub(crate) fn mark(&mut self) -> Option<()> {
        let (owner, inode) = (self.owner(), self.me().inode);
        // The mark goes into the file that was found, whether it still has its name or not.
        if let Some(intent) = self.state.disk.assigning[owner].as_mut().filter(|it| it.inode == inode) {
            intent.deleted = true;
            self.overtake();
        }
        self.go(At::BeginReleaseActive)
    }

    /// From here on the ADD whose intent was found must not end well.
    fn overtake(&mut self) {
        let (verb, inode) = (Verb::Add(self.me().owner), self.me().inode);
        let add = &mut self.state.processes[usize::from(inode)];
        add.add.overtaken |= add.verb == verb;
    }

    pub(crate) fn begin_release_active(&mut self) -> Option<()> {
        let owner = self.owner();
        let active = self.state.disk.active[owner].is_some();
        self.go(if active { At::BeginReleaseRename } else { At::Pending })
    }

    pub(crate) fn begin_release_rename(&mut self) -> Option<()> {
        let owner = self.owner();
        if let Some(Active { addresses, .. }) = self.state.disk.active[owner].take() {
            let owner = Some(self.me().owner);
            self.put_releasing(Releasing { owner, addresses, ..Releasing::default() });
        }
        self.go(At::Pending)
    }

    /// `Store::begin_release_of` of the record that this process, or another, made.
    pub(crate) fn begin_release_of(&mut self, by: Pid) -> Option<()> {
        self.me().inode = by;
        self.go(if self.makes(Mistake::ReleasesAnything) {
            At::BeginReleaseLock
        } else {
            At::BeginReleaseOfLock
        })
    }

    pub(crate) fn begin_release_of_lock(&mut self) -> Option<()> {
        self.take_store_lock()?;
        self.go(At::BeginReleaseOfActive)
    }

    /// A DEL may have come meanwhile, and another ADD.
    pub(crate) fn begin_release_of_active(&mut self) -> Option<()> {
        let (owner, by) = (self.owner(), self.me().inode);
        let same = self.state.disk.active[owner].is_some_and(|active| active.by == by);
        self.go(if same { At::BeginReleaseRename } else { At::BeginReleaseUnlock })
    }

    pub(crate) fn pending(&mut self) -> Option<()> {
        self.me().mine = self.names_of_owner();
        self.go(At::BeginReleaseUnlock)
    }

    pub(crate) fn begin_release_unlock(&mut self) -> Option<()> {
        self.drop_store_lock();
        let me = self.me();
        let list = match me.verb {
            Verb::Gc(_) => At::GcList,
            Verb::Flush => At::EarlierBootList,
            _ if me.mine.is_empty() => return self.end(),
            _ => return self.go(At::Progress),
        };
        (me.owner, me.mine) = (me.owner + 1, Set::EMPTY);
        self.go(list)
    }

    /// `Store::end_dead_intent`: the intent's lock is held, and the store's.
    pub(crate) fn bury(&mut self) -> Option<()> {
        let owner = self.owner();
        let Intent { mut asks, mut noted, .. } = self.state.disk.assigning[owner]?;
        if asks.is_empty() {
            return self.bury_remove();
        }
        let mut given = Set::EMPTY;
        if self.makes(Mistake::NotedIsReleasedAtOnce) {
            given = self.state.cloud.assigned_by(noted).without(self.state.disk.in_use());
            (asks, noted) = (asks.without(noted), Set::EMPTY);
        }
        if self.makes(Mistake::BuryRemovesFirst) {
            self.state.disk.assigning[owner] = None;
            self.me().leader.over = asks;
        } else {
            self.put_buried(given, asks, noted);
        }
        self.go(At::BuryRemove)
    }

    fn put_buried(&mut self, addresses: Set, unanswered: Set, noted: Set) {
        let owner = Some(self.me().owner);
        self.put_releasing(Releasing { owner, addresses, unanswered, noted, ..Releasing::default() });
    }

    pub(crate) fn bury_remove(&mut self) -> Option<()> {
        let owner = self.owner();
        self.state.disk.assigning[owner] = None;
        let removed_first = std::mem::take(&mut self.me().leader.over);
        if !removed_first.is_empty() {
            self.put_buried(Set::EMPTY, removed_first, Set::EMPTY);
        }
        let then = self.me().after_bury;
        self.go(then)
    }

    fn names_of_owner(&mut self) -> Set {
        let owner = self.me().owner;
        self.state.disk.names(|record| record.owner == Some(owner))
    }
}
