//! GC, `flush` and `routes --repair`: `Network::repair` in `src/routes/network.rs`.

use crate::routes::mistake::Mistake;
use crate::routes::process::At;
use crate::routes::state::PODS;
use crate::routes::turn::Turn;
use crate::set::Set;

impl Turn<'_> {
    /// `Store::lock_routes`.
    pub(super) fn repair_lock(&mut self) -> Option<()> {
        let then = if self.makes(Mistake::RepairListsBeforeLock) {
            At::RepairRemove
        } else if self.reads_before_lock() {
            At::RepairList
        } else {
            At::RepairRead
        };
        if self.makes(Mistake::RepairWithoutLock) && self.choice == 0 {
            return self.go(then);
        }
        self.lock_then(then)
    }

    /// The active records.
    pub(super) fn repair_read(&mut self) -> Option<()> {
        self.me().read = self.state.active;
        self.go(if self.reads_before_lock() { At::RepairLock } else { At::RepairList })
    }

    fn reads_before_lock(&self) -> bool {
        self.makes(Mistake::RepairReadsBeforeLock) || self.makes(Mistake::RepairAddsByOldRecords)
    }

    /// `Network::differences`: the kernel's rules.
    pub(super) fn repair_list(&mut self) -> Option<()> {
        let rules = self.state.rules;
        self.me().listed = rules;
        if self.makes(Mistake::RepairListsBeforeLock) {
            return self.go(At::RepairLock);
        }
        self.go(if self.makes(Mistake::RepairOnlyAdds) { At::RepairAdd } else { At::RepairRemove })
    }

    /// What is left over, one rule at a time.
    pub(super) fn repair_remove(&mut self) -> Option<()> {
        let (listed, expected) = (self.me().listed, self.expected());
        let expected =
            if self.makes(Mistake::RepairAddsByOldRecords) { wanted(self.state.active) } else { expected };
        let Some(eni) = listed.without(expected).first() else {
            return self.go(At::RepairAdd);
        };
        self.me().listed = listed.without(Set::of(eni));
        self.state.rules = self.state.rules.without(Set::of(eni));
        Some(())
    }

    /// What is missing.
    pub(super) fn repair_add(&mut self) -> Option<()> {
        let (listed, expected) = (self.me().listed, self.expected());
        let missing = expected.without(listed);
        if !missing.is_empty() {
            self.state.rules = self.state.rules.and(missing);
            let pods = (0..).zip(self.me().read).filter(|(_, eni)| eni.is_some());
            self.state.put = pods.fold(self.state.put, |put, (pod, _)| put.with(pod));
        }
        self.go(At::RepairUnlock)
    }

    fn expected(&mut self) -> Set {
        wanted(self.me().read)
    }
}

/// The tables to which the address leads if these are the active records.
fn wanted(active: [Option<u8>; PODS]) -> Set {
    active.iter().flatten().fold(Set::EMPTY, |all, eni| all.with(*eni))
}
