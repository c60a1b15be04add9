//! DEL: the chained DEL by `Network::remove_pod` in `src/routes/network.rs`, then the record's end by `src/verbs/del.rs`.

use crate::routes::mistake::Mistake;
use crate::routes::process::{At, Verb};
use crate::routes::turn::Turn;
use crate::set::Set;

impl Turn<'_> {
    /// From here on nothing is promised to the pod.
    fn begin_del(&mut self) {
        let pod = self.me().pod();
        self.state.up = self.state.up.without(Set::of(pod));
        self.state.deleted = self.state.deleted.with(pod);
    }

    /// `Store::lock_routes`.
    pub(super) fn del_lock(&mut self) -> Option<()> {
        self.begin_del();
        let then = if self.makes(Mistake::DelReadsBeforeLock) { At::RemovePod } else { At::DelRead };
        if self.makes(Mistake::DelWithoutLock) && self.choice == 0 {
            return self.go(then);
        }
        self.lock_then(then)
    }

    /// Whether another pod's active record names the address. This pod's own may be gone: `prevResult` names it too.
    pub(super) fn del_read(&mut self) -> Option<()> {
        self.begin_del();
        let pod = usize::from(self.me().pod());
        let others = self.state.active.iter().enumerate().any(|(other, eni)| other != pod && eni.is_some());
        if others && !self.makes(Mistake::DelDoesNotAsk) {
            return self.go(At::DelUnlock);
        }
        self.go(if self.makes(Mistake::DelReadsBeforeLock) { At::DelLock } else { At::RemovePod })
    }

    /// `Network::remove_pod`: every rule for the address, one at a time.
    pub(super) fn remove_pod(&mut self) -> Option<()> {
        self.remove_one_of(self.state.rules, At::DelUnlock)
    }

    pub(super) fn del_unlock(&mut self) -> Option<()> {
        self.unlock();
        self.go(At::EndRecord)
    }

    /// `Store::begin_release`: from here on ECS may give the address to another pod.
    pub(super) fn end_record(&mut self) -> Option<()> {
        if let Verb::Release(_) = self.me().verb {
            self.begin_del();
        }
        let pod = usize::from(self.me().pod());
        self.state.active[pod] = None;
        self.end()
    }
}
