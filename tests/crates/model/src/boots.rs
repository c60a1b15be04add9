//! What a reboot does, and what is done about the records of before: `src/commands/earlier_boot.rs`, and `Store::take_over` in
//! `src/store/boots.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Process};
use crate::protocol::Protocol;
use crate::set::Set;
use crate::state::{Active, OWNERS, PROCESSES, Releasing, State};
use crate::turn::Turn;

impl Protocol {
    /// The processes are gone, and so are the pods. What has not begun yet begins after it.
    pub(crate) fn reboot(state: &mut State, late: bool) -> Option<()> {
        state.left.reboots = state.left.reboots.checked_sub(1)?;
        let (kills, may_be_late) = (state.left.kills, state.left.late);
        for pid in 0..PROCESSES {
            let process = state.processes[usize::from(pid)];
            if process.is_done() || process == Process::new(process.verb) {
                continue;
            }
            state.left.kills = 1;
            let is_late = late && process.waits_for_cloud() && state.left.late > 0;
            Self::kill(state, pid, is_late)?;
        }
        state.left.kills = kills;
        if late && state.left.late == may_be_late {
            return None;
        }
        for active in state.disk.active.iter_mut().flatten() {
            active.old = true;
        }
        state.told = Set::EMPTY;
        Some(())
    }
}

impl Turn<'_> {
    /// An ADD has found a record of its own attachment that is of an earlier boot.
    pub(crate) fn found_of_earlier_boot(&mut self, found: Active) -> Option<()> {
        if self.makes(Mistake::AnswersWithEarlierBoot) {
            self.me().inode = found.by;
            self.state.told = self.state.told.with(self.me().owner);
            return self.end();
        }
        (self.me().inode, self.me().add.got) = (found.by, found.addresses);
        self.go(At::TakeOverLock)
    }

    /// Either the ENI still has the addresses, or they are given up.
    pub(crate) fn take_over_lock(&mut self) -> Option<()> {
        self.take_store_lock()?;
        self.go(if self.choice == 0 { At::TakeOver } else { At::GiveUp })
    }

    /// A DEL or a `flush` may have come meanwhile, or another ADD.
    pub(crate) fn take_over(&mut self) -> Option<()> {
        let (owner, addresses) = (self.owner(), self.me().add.got);
        if self.is_as_found() || self.makes(Mistake::RenewsUnlooked) {
            self.state.disk.active[owner] = Some(Active { addresses, by: self.pid, old: false });
        } else {
            self.me().add.got = Set::EMPTY;
        }
        self.go(At::TakeOverUnlock)
    }

    pub(crate) fn give_up(&mut self) -> Option<()> {
        let owner = self.owner();
        if self.is_as_found()
            && let Some(Active { addresses, .. }) = self.state.disk.active[owner].take()
        {
            let owner = Some(self.me().owner);
            self.put_releasing(Releasing { owner, addresses, ..Releasing::default() });
        }
        self.me().add.got = Set::EMPTY;
        self.go(At::TakeOverUnlock)
    }

    /// Without the record it begins anew.
    pub(crate) fn take_over_unlock(&mut self) -> Option<()> {
        self.drop_store_lock();
        let got = std::mem::take(&mut self.me().add.got);
        self.me().inode = 0;
        self.go(if got.is_empty() { At::BeginAdd } else { At::Print })
    }

    fn is_as_found(&mut self) -> bool {
        let (owner, by) = (self.owner(), self.me().inode);
        self.state.disk.active[owner].is_some_and(|active| active.by == by)
    }

    /// The next record of an earlier boot becomes a release, if it is still one.
    pub(crate) fn earlier_boot_list(&mut self) -> Option<()> {
        let is_old = |turn: &Self, owner: usize| turn.state.disk.active[owner].is_some_and(|it| it.old);
        if !self.next_owner(is_old) {
            self.me().owner = 0;
            return self.go(At::PendingByEni);
        }
        let owner = self.owner();
        let by = self.state.disk.active[owner.min(OWNERS - 1)]?.by;
        if self.makes(Mistake::FlushDoesNotLookAgain) {
            return self.go(At::BeginReleaseLock);
        }
        self.begin_release_of(by)
    }
}
