//! One step of one process.

use crate::routes::mistake::Mistake;
use crate::routes::model::Routes;
use crate::routes::process::{At, Process, Verb};
use crate::routes::state::{ENIS, Pid, State};
use crate::set::Set;

/// A process that is about to take its next step; a step is `None` where it is not possible now, or not with this choice.
pub(super) struct Turn<'a> {
    pub(super) model: &'a Routes,
    pub(super) state: &'a mut State,
    pub(super) pid: Pid,
    /// Which of several ways to go on.
    pub(super) choice: u8,
}

impl At {
    /// How many ways there are to go on from here.
    pub(super) fn choices(self) -> u8 {
        match self {
            // The ENI; or another address.
            Self::Commit => ENIS + 1,
            Self::PutRemove | Self::RemovePod | Self::RemoveAll => ENIS,
            // It gets the lock, or its deadline has come.
            _ if self.waits() => 2,
            _ => 1,
        }
    }

    /// Whether it waits for the lock.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::AddLock | Self::DelLock | Self::RepairLock | Self::RemoveLock)
    }

    /// Where a process begins.
    pub(super) fn first(verb: Verb, mistake: Option<Mistake>) -> Self {
        match verb {
            Verb::None => Self::Done,
            Verb::Add(_) => Self::Commit,
            Verb::Del(_) if mistake == Some(Mistake::DelReadsBeforeLock) => Self::DelRead,
            Verb::Del(_) => Self::DelLock,
            Verb::Release(_) => Self::EndRecord,
            Verb::Repair
                if matches!(
                    mistake,
                    Some(
                        Mistake::RepairReadsBeforeLock
                            | Mistake::RepairAddsByOldRecords
                            | Mistake::RepairListsBeforeLock
                    )
                ) =>
            {
                Self::RepairRead
            }
            Verb::Repair => Self::RepairLock,
            Verb::Remove => Self::RemoveLock,
        }
    }
}

impl Turn<'_> {
    /// Takes the step.
    pub(super) fn take(&mut self) -> Option<()> {
        match self.me().at {
            At::Commit => self.commit(),
            At::AddLock => self.add_lock(),
            At::AddRead => self.add_read(),
            At::PutRemove => self.put_remove(),
            At::PutRule => self.put_rule(),
            At::AddUnlock => self.add_unlock(),
            At::DelLock => self.del_lock(),
            At::DelRead => self.del_read(),
            At::RemovePod => self.remove_pod(),
            At::DelUnlock => self.del_unlock(),
            At::EndRecord => self.end_record(),
            At::RepairLock => self.repair_lock(),
            At::RepairRead => self.repair_read(),
            At::RepairList => self.repair_list(),
            At::RepairRemove => self.repair_remove(),
            At::RepairAdd => self.repair_add(),
            At::RepairUnlock | At::RemoveUnlock => self.unlock_and_end(),
            At::RemoveLock => self.lock_then(At::RemoveAll),
            At::RemoveAll => self.remove_all(),
            At::Done => None,
        }
    }

    pub(super) fn me(&mut self) -> &mut Process {
        &mut self.state.processes[usize::from(self.pid)]
    }

    pub(super) fn makes(&self, mistake: Mistake) -> bool {
        self.model.mistake == Some(mistake)
    }

    #[expect(clippy::unnecessary_wraps, reason = "every step ends with where the process goes")]
    pub(super) fn go(&mut self, at: At) -> Option<()> {
        self.me().at = at;
        Some(())
    }

    /// It has ended, and keeps nothing: states that differ in what a dead process knew are one.
    #[expect(clippy::unnecessary_wraps, reason = "every step ends with where the process goes")]
    pub(super) fn end(&mut self) -> Option<()> {
        *self.me() = Process::default();
        Some(())
    }

    /// Waits for the lock, until the deadline at most.
    pub(super) fn lock_then(&mut self, at: At) -> Option<()> {
        if self.choice == 1 {
            return if self.makes(Mistake::WaitsWithoutDeadline) { None } else { self.end() };
        }
        if self.state.lock.is_some() {
            return None;
        }
        self.state.lock = Some(self.pid);
        self.go(at)
    }

    pub(super) fn unlock(&mut self) {
        if self.state.lock == Some(self.pid) {
            self.state.lock = None;
        }
    }

    pub(super) fn unlock_and_end(&mut self) -> Option<()> {
        self.unlock();
        self.end()
    }

    /// Removes the rule that leads to one ENI's table, or goes on when there is none of these any more.
    pub(super) fn remove_one_of(&mut self, rules: Set, then: At) -> Option<()> {
        if rules.is_empty() {
            return if self.choice == 0 { self.go(then) } else { None };
        }
        let eni = rules.iter().nth(usize::from(self.choice))?;
        self.state.rules = self.state.rules.without(Set::of(eni));
        Some(())
    }

    /// `Network::remove_all`: a person has asked for it.
    fn remove_all(&mut self) -> Option<()> {
        self.state.put = Set::EMPTY;
        self.remove_one_of(self.state.rules, At::RemoveUnlock)
    }
}
