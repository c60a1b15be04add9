//! One step of one process.

use crate::mistake::Mistake;
use crate::process::{At, Process, Request};
use crate::protocol::Protocol;
use crate::set::Set;
use crate::state::{Call, Pid, Releasing, Reply, State, TOKENS};

/// How many sets there are of the addresses that one batch is chosen from.
pub(crate) const BATCHES: u8 = 8;

/// A process that is about to take its next step. Each step is a method that bears the name of the code's function; it is
/// `None` where the step is not possible now, or not with this choice.
pub(crate) struct Turn<'a> {
    pub(crate) model: &'a Protocol,
    pub(crate) state: &'a mut State,
    pub(crate) pid: Pid,
    /// Which of several ways to go on.
    pub(crate) choice: u8,
}

impl At {
    /// How many ways there are to go on from here.
    pub(crate) fn choices(self) -> u8 {
        match self {
            // The set of addresses to release, as bits, or a request in doubt.
            Self::Step => BATCHES + TOKENS,
            Self::Describe => 4,
            Self::Look | Self::ReleaseBacklog => 3,
            Self::LockEni
            | Self::RestoreLockEni
            | Self::RestoreLook
            | Self::RestoreAnswered
            | Self::RequestAnswered
            | Self::LockEniAgain
            | Self::LetGo
            | Self::CommitLock
            | Self::Print
            | Self::Progress
            | Self::TakeOverLock
            | Self::TryLockEni
            | Self::DrainLockEni
            | Self::DrainDropEniLock => 2,
            _ => 1,
        }
    }
}

impl Turn<'_> {
    /// Takes the step.
    pub(crate) fn take(&mut self) -> Option<()> {
        match self.me().at {
            At::BeginAdd => self.begin_add(),
            At::IntentCreate => self.intent_create(),
            At::IntentFind => self.intent_find(),
            At::BeginAddLock => self.begin_add_lock(),
            At::BeginAddUnlock => self.begin_add_unlock(),
            At::BeginAddAgain => self.begin_add_again(),
            At::BeginAddForget => self.begin_add_forget(),
            At::TakeOverLock => self.take_over_lock(),
            At::TakeOver => self.take_over(),
            At::GiveUp => self.give_up(),
            At::TakeOverUnlock => self.take_over_unlock(),
            At::LockEni => self.lock_eni(),
            At::ResolvePredecessor => self.resolve_predecessor(),
            At::PredecessorResolved => self.predecessor_resolved(),
            At::IsDeleted => self.is_deleted(),
            At::LockEniAgain => self.lock_eni_again(),
            At::Ask => self.ask(),
            At::Request => self.request(),
            At::RequestAnswered => self.request_answered(),
            At::Settled => self.settled(),
            At::MadeRoom => self.made_room(),
            At::LetGo => self.let_go(),
            At::NoteAnswer => self.note_answer(),
            At::AcceptReleasing => self.accept_releasing(),
            At::AcceptReturn => self.accept_return(),
            At::AcceptSettle => self.accept_settle(),
            At::AcceptSettled => self.accept_settled(),
            At::CommitLock => self.commit_lock(),
            At::CommitIsDeleted => self.commit_is_deleted(),
            At::CommitReplace => self.commit_replace(),
            At::CommitForget => self.commit_forget(),
            At::CommitUnlock => self.commit_unlock(),
            At::AddDropEniLock => self.add_drop_eni_lock(),
            At::Print => self.print(),
            At::AbandonPutReleasing => self.abandon_put_releasing(),
            At::AbandonForget => self.abandon_forget(),
            At::AbandonDropEniLock => self.abandon_drop_eni_lock(),
            At::KnowsAssigning => self.knows_assigning(),
            At::KnowsActive => self.knows_active(),
            At::KnowsReleasing => self.knows_releasing(),
            At::BeginReleaseLock => self.begin_release_lock(),
            At::BeginReleaseFind => self.begin_release_find(),
            At::Mark => self.mark(),
            At::BeginReleaseActive => self.begin_release_active(),
            At::BeginReleaseRename => self.begin_release_rename(),
            At::Pending => self.pending(),
            At::BeginReleaseUnlock => self.begin_release_unlock(),
            At::BeginReleaseOfLock => self.begin_release_of_lock(),
            At::BeginReleaseOfActive => self.begin_release_of_active(),
            At::Bury => self.bury(),
            At::BuryRemove => self.bury_remove(),
            At::Progress => self.progress(),
            At::TryLockEni => self.try_lock_eni(),
            At::IsPending => self.is_pending(),
            At::ReleaseDropEniLock => self.release_drop_eni_lock(),
            At::EniLockNew => self.eni_lock_new(),
            At::Step => self.step(),
            At::Sending => self.sending(),
            At::Unassign => self.unassign(),
            At::UnassignAnswered => self.unassign_answered(),
            At::Unknown => self.unknown(),
            At::Failed => self.failed(),
            At::Settle => self.settle(),
            At::Answered => self.answered(),
            At::AnsweredThenLook => self.answered_then_look(),
            At::Look => self.look(),
            At::LookSettle => self.look_settle(),
            At::Describe => self.describe(),
            At::Described => self.described(),
            At::EndLapsed => self.end_lapsed(),
            At::Repeat => self.repeat(),
            At::RepeatAnswered => self.repeat_answered(),
            At::OwnerOf => self.owner_of(),
            At::InDoubtHoldBack => self.in_doubt_hold_back(),
            At::InDoubtUpdate => self.in_doubt_update(),
            At::InDoubtOver => self.in_doubt_over(),
            At::ReleaseBacklog => self.release_backlog(),
            At::BacklogDropEniLock => self.backlog_drop_eni_lock(),
            At::ReleaseDeadIntents => self.release_dead_intents(),
            At::BuryOneLock => self.bury_one_lock(),
            At::BuryOneFind => self.bury_one_find(),
            At::BuryOneUnlock => self.bury_one_unlock(),
            At::EarlierBootList => self.earlier_boot_list(),
            At::GcList => self.gc_list(),
            At::PendingByEni => self.pending_by_eni(),
            At::DrainLockEni => self.drain_lock_eni(),
            At::DrainDropEniLock => self.drain_drop_eni_lock(),
            At::RestoreLockEni => self.restore_lock_eni(),
            At::RestoreLook => self.restore_look(),
            At::RestorePut => self.restore_put(),
            At::RestoreAsk => self.restore_ask(),
            At::RestoreAnswered => self.restore_answered(),
            At::RestoreOver => self.restore_over(),
            At::RestoreDropEniLock => self.restore_drop_eni_lock(),
            At::Done => None,
        }
    }

    pub(crate) fn me(&mut self) -> &mut Process {
        &mut self.state.processes[usize::from(self.pid)]
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.model.mistake == Some(mistake)
    }

    /// The next step is this.
    #[expect(clippy::unnecessary_wraps, reason = "every step ends with it")]
    pub(crate) fn go(&mut self, at: At) -> Option<()> {
        self.me().at = at;
        Some(())
    }

    /// This way to go on is the only one there is here.
    pub(crate) fn only(&self) -> Option<()> {
        (self.choice == 0).then_some(())
    }

    /// The process exits.
    #[expect(clippy::unnecessary_wraps, reason = "every step ends with it")]
    pub(crate) fn end(&mut self) -> Option<()> {
        *self.me() = Process::default();
        Some(())
    }

    /// The process has done what it was started for.
    pub(crate) fn end_of_work(&mut self) -> Option<()> {
        if self.model.backlog { self.go(At::ReleaseBacklog) } else { self.end() }
    }

    /// The name of this owner's intent.
    pub(crate) fn owner(&mut self) -> usize {
        usize::from(self.me().owner)
    }

    pub(crate) fn take_store_lock(&mut self) -> Option<()> {
        self.state.store_lock.is_none().then(|| self.state.store_lock = Some(self.pid))
    }

    pub(crate) fn drop_store_lock(&mut self) {
        if self.state.store_lock == Some(self.pid) {
            self.state.store_lock = None;
        }
    }

    /// Takes the ENI's lock, if it is free, and goes on with `then` after `EniLock::new`.
    pub(crate) fn take_eni_lock(&mut self, then: At) -> Option<()> {
        if self.state.eni_lock.is_some() {
            return None;
        }
        self.state.eni_lock = Some(self.pid);
        if self.state.disk.in_flight.is_empty() {
            return self.go(then);
        }
        self.me().after_eni_lock = then;
        self.go(At::EniLockNew)
    }

    pub(crate) fn drop_eni_lock(&mut self) {
        if self.state.eni_lock == Some(self.pid) {
            self.state.eni_lock = None;
        }
    }

    /// Sends a request; its answer is what comes next.
    pub(crate) fn send(&mut self, call: Call, then: At) -> Option<()> {
        self.me().request = Some(Request { call, reply: None });
        self.go(then)
    }

    /// The answer, once it is there.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let reply = self.me().request?.reply?;
        self.me().request = None;
        Some(reply)
    }

    /// `Store::put_releasing`: a record under a name that no other has or had in anybody's memory.
    pub(crate) fn put_releasing(&mut self, record: Releasing) -> u8 {
        let remembered = self.state.processes.iter().map(|it| it.mine.and(it.leader.records));
        let taken = remembered.fold(self.state.disk.names(|_| true), Set::and);
        let name = (0..16).find(|&name| !taken.has(name)).unwrap_or(16);
        let place = self.state.disk.releasing.get_mut(usize::from(name));
        *place.unwrap_or_else(|| panic!("more records than the model has room for")) = Some(record);
        name
    }

    /// `EniLock::finish`, one record's worth of it.
    pub(crate) fn settle_one(&mut self) {
        let Some(name) = self.next_to_settle() else { return };
        let over = self.me().leader.over;
        let record = &mut self.state.disk.releasing[usize::from(name)];
        if let Some(releasing) = record {
            releasing.addresses = releasing.addresses.without(over);
        }
        record.take_if(|releasing| releasing.is_over());
    }

    /// Whether there is any record that `EniLock::finish` would change.
    pub(crate) fn has_to_settle(&mut self) -> bool {
        self.next_to_settle().is_some()
    }

    fn next_to_settle(&mut self) -> Option<u8> {
        let leader = self.me().leader;
        leader.records.iter().find(|&name| {
            let record = self.state.disk.record(name);
            record.is_some_and(|record| record.is_over() || record.addresses.has_any(leader.over))
        })
    }
}
