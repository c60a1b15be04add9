//! ADD: the record by `src/verbs/add.rs`, then the chained ADD by `Network::put` in `src/routes/network.rs`.

use crate::routes::mistake::Mistake;
use crate::routes::process::At;
use crate::routes::turn::Turn;
use crate::set::Set;

impl Turn<'_> {
    /// `Store::commit`: ECS has given the address, unless somebody has it, on one of the ENIs; or another address.
    pub(super) fn commit(&mut self) -> Option<()> {
        let pod = usize::from(self.me().pod());
        let last = self.me().eni;
        if self.choice == 2 {
            return self.end();
        }
        let eni = last.unwrap_or(self.choice);
        if self.state.eni().is_some() || eni != self.choice {
            return None;
        }
        if self.makes(Mistake::ChainedFirst) && last.is_none() {
            self.me().eni = Some(eni);
            return self.go(At::AddLock);
        }
        self.state.active[pod] = Some(eni);
        self.me().eni = Some(eni);
        if self.makes(Mistake::ChainedFirst) {
            return self.returned();
        }
        self.go(if self.makes(Mistake::AddReadsBeforeLock) { At::AddRead } else { At::AddLock })
    }

    /// `Store::lock_routes`.
    pub(super) fn add_lock(&mut self) -> Option<()> {
        let found = self.makes(Mistake::AddReadsBeforeLock) || self.makes(Mistake::ChainedFirst);
        let then = if found { At::PutRemove } else { At::AddRead };
        if self.makes(Mistake::AddWithoutLock) && self.choice == 0 {
            return self.go(then);
        }
        self.lock_then(then)
    }

    /// The pod's own active record, without which a chained ADD fails.
    pub(super) fn add_read(&mut self) -> Option<()> {
        let pod = usize::from(self.me().pod());
        if self.state.active[pod].is_none() && !self.makes(Mistake::AddWithoutRecord) {
            return self.unlock_and_end();
        }
        self.go(if self.makes(Mistake::AddReadsBeforeLock) { At::AddLock } else { At::PutRemove })
    }

    /// `Network::put`: rules that lead the address elsewhere, one at a time.
    pub(super) fn put_remove(&mut self) -> Option<()> {
        let mine = Set::of(self.me().eni?);
        if self.makes(Mistake::AddLeavesOthers) {
            return if self.choice == 0 { self.go(At::PutRule) } else { None };
        }
        if self.makes(Mistake::AddTakesAnyRule) && !self.state.rules.is_empty() {
            self.mark_put();
            return if self.choice == 0 { self.go(At::AddUnlock) } else { None };
        }
        self.remove_one_of(self.state.rules.without(mine), At::PutRule)
    }

    /// `Network::put`: the pod's own.
    pub(super) fn put_rule(&mut self) -> Option<()> {
        let eni = self.me().eni?;
        self.state.rules = self.state.rules.with(eni);
        self.mark_put();
        self.go(At::AddUnlock)
    }

    fn mark_put(&mut self) {
        let pod = self.me().pod();
        self.state.put = self.state.put.with(pod);
    }

    pub(super) fn add_unlock(&mut self) -> Option<()> {
        self.unlock();
        if self.makes(Mistake::ChainedFirst) {
            return self.go(At::Commit);
        }
        self.returned()
    }

    /// The runtime has the result. If it has called DEL meanwhile, it asks nothing more of this ADD.
    fn returned(&mut self) -> Option<()> {
        let pod = self.me().pod();
        if !self.state.deleted.has(pod) {
            self.state.up = self.state.up.with(pod);
        }
        self.end()
    }
}
