//! Asking ECS for an address: `src/pool/assign/asking.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Leader, Outcome};
use crate::set::Set;
use crate::state::{Call, Releasing, Reply, TRIES};
use crate::turn::Turn;

impl Turn<'_> {
    /// What an earlier ADD of the attachment left in doubt is found out before it asks anew.
    pub(crate) fn resolve_predecessor(&mut self) -> Option<()> {
        let owner = self.me().owner;
        let disk = &self.state.disk;
        let records = disk.names(|record| record.owner == Some(owner) && !record.due_requests().is_empty());
        let Some(record) = records.first() else { return self.go(At::IsDeleted) };
        let token = disk.record(record)?.due_requests().first()?;
        let records = disk.names(|_| true);
        let me = self.me();
        me.leader = Leader { own: Some(record), records, record, token, ..Leader::default() };
        me.after_step = At::PredecessorResolved;
        self.resolve()
    }

    /// If its outcome is unknown again, there is no request of its own.
    pub(crate) fn predecessor_resolved(&mut self) -> Option<()> {
        if self.me().leader.outcome == Outcome::Failed {
            return self.fail();
        }
        self.go(At::ResolvePredecessor)
    }

    pub(crate) fn is_deleted(&mut self) -> Option<()> {
        if self.own_intent_is_deleted() || self.me().add.asks == self.model.tries {
            return self.fail();
        }
        self.go(if self.state.eni_lock == Some(self.pid) { At::Ask } else { At::LockEniAgain })
    }

    /// The ENI's lock, taken again where it was let go of.
    pub(crate) fn lock_eni_again(&mut self) -> Option<()> {
        if self.choice == 1 {
            return self.state.eni_lock.and_then(|_| self.fail());
        }
        self.take_eni_lock(At::Ask)
    }

    pub(crate) fn ask(&mut self) -> Option<()> {
        let token = self.pid * TRIES + self.me().add.asks;
        let in_doubt = self.state.disk.in_doubt;
        if !self.makes(Mistake::AskNotWritten) {
            self.write_ask(token);
        }
        let add = &mut self.me().add;
        (add.asks, add.token, add.in_doubt) = (add.asks + 1, token, in_doubt);
        (add.unseen, add.full) = (false, false);
        self.me().leader = Leader::default();
        self.go(At::Request)
    }

    fn write_ask(&mut self, token: u8) {
        let owner = self.owner();
        if let Some(intent) = &mut self.state.disk.assigning[owner] {
            intent.asks = intent.asks.with(token);
        }
    }

    pub(crate) fn request(&mut self) -> Option<()> {
        let token = self.me().add.token;
        self.send(Call::Assign(token), At::RequestAnswered)
    }

    pub(crate) fn request_answered(&mut self) -> Option<()> {
        let reply = self.reply()?;
        if self.makes(Mistake::AskNotWritten) {
            let token = self.me().add.token;
            self.write_ask(token);
        }
        match reply {
            Reply::Assigned(address) => {
                self.only()?;
                self.me().add.given = address;
                self.go(if self.model.notes_answers { At::NoteAnswer } else { At::AcceptReleasing })
            }
            Reply::Unknown => {
                self.me().add.unseen = true;
                if self.choice == 0 { self.go(At::Request) } else { self.fail() }
            }
            // A copy that was lost sight of may be carried out after this one was refused.
            Reply::Refused | Reply::Full
                if self.me().add.unseen && !self.makes(Mistake::RefusalSettlesUnseen) =>
            {
                self.only()?;
                self.fail()
            }
            reply => {
                self.only()?;
                self.me().add.full = reply == Reply::Full;
                self.go(At::Settled)
            }
        }
    }

    /// If it is killed from here on, its request need not be repeated.
    pub(crate) fn note_answer(&mut self) -> Option<()> {
        let (owner, token) = (self.owner(), self.me().add.token);
        if let Some(intent) = &mut self.state.disk.assigning[owner] {
            intent.noted = intent.noted.with(token);
        }
        self.go(At::AcceptReleasing)
    }

    /// The answer says that nothing was assigned.
    pub(crate) fn settled(&mut self) -> Option<()> {
        self.settle_ask();
        let add = &mut self.me().add;
        if !add.full || std::mem::replace(&mut add.made_room, true) {
            return self.go(At::LetGo);
        }
        self.me().after_step = At::MadeRoom;
        self.go(At::Step)
    }

    /// Lets go of the ENI's lock while it waits, unless it has been given something; or gives up.
    pub(crate) fn let_go(&mut self) -> Option<()> {
        if self.me().add.answered.is_empty() || self.makes(Mistake::LetsGoWithAnswers) {
            self.drop_eni_lock();
        }
        let last = self.me().add.full;
        match self.choice {
            0 if !last => self.go(At::IsDeleted),
            0 => self.fail(),
            1 if !last => self.fail(),
            _ => None,
        }
    }

    pub(crate) fn made_room(&mut self) -> Option<()> {
        if self.me().leader.outcome == Outcome::Done {
            return self.go(At::IsDeleted);
        }
        self.go(At::LetGo)
    }

    pub(crate) fn accept_releasing(&mut self) -> Option<()> {
        let add = self.me().add;
        // A person had taken it off the ENI: its pod has it again. This is looked at only where there is such a person, because
        // elsewhere it would be the last of several guards.
        if self.model.console && self.state.disk.in_use().has(add.given) {
            self.me().add.usable = false;
            self.me().leader.over = Set::of(add.given);
            self.me().leader.records = self.state.disk.names(|record| record.addresses.has(add.given));
            return if self.has_to_settle() { self.go(At::AcceptSettle) } else { self.accepted() };
        }
        let in_doubt =
            if self.makes(Mistake::DoubtJudgedByAnswer) { self.state.disk.in_doubt } else { add.in_doubt };
        self.me().add.usable = !in_doubt.has(add.given);
        self.me().leader.over = Set::of(add.given);
        self.me().leader.records = self.state.disk.names(|record| record.addresses.has(add.given));
        if in_doubt.has(add.given) {
            let first =
                if self.makes(Mistake::SettledBeforeReturn) { At::AcceptSettled } else { At::AcceptReturn };
            return self.go(first);
        }
        if self.makes(Mistake::SettleAfterCommit) || !self.has_to_settle() {
            return self.accepted();
        }
        self.go(At::AcceptSettle)
    }

    pub(crate) fn accept_return(&mut self) -> Option<()> {
        let addresses = Set::of(self.me().add.given);
        self.put_releasing(Releasing { addresses, held_back: true, ..Releasing::default() });
        if self.has_to_settle() { self.go(At::AcceptSettle) } else { self.accepted() }
    }

    pub(crate) fn accept_settle(&mut self) -> Option<()> {
        self.settle_one();
        if self.has_to_settle() {
            return Some(());
        }
        if self.state.disk.active[self.owner()].is_some() && self.makes(Mistake::SettleAfterCommit) {
            return self.go(At::AddDropEniLock);
        }
        self.accepted()
    }

    fn accepted(&mut self) -> Option<()> {
        if !self.makes(Mistake::SettleAfterCommit) {
            self.me().leader = Leader::default();
        }
        if !self.me().add.usable {
            let is_settled = self.makes(Mistake::SettledBeforeReturn);
            return self.go(if is_settled { At::IsDeleted } else { At::AcceptSettled });
        }
        if self.makes(Mistake::EniLockEndsBeforeCommit) {
            self.drop_eni_lock();
        }
        let wanted = self.model.wanted;
        let add = &mut self.me().add;
        add.answered = add.answered.with(add.token);
        add.got = add.got.with(add.given);
        if add.got.len() == wanted {
            return self.go(At::CommitLock);
        }
        add.made_room = false;
        self.go(At::IsDeleted)
    }

    pub(crate) fn accept_settled(&mut self) -> Option<()> {
        self.settle_ask();
        self.go(if self.makes(Mistake::SettledBeforeReturn) { At::AcceptReturn } else { At::IsDeleted })
    }

    /// `OpenIntent::resolve`.
    fn settle_ask(&mut self) {
        let (owner, token) = (self.owner(), self.me().add.token);
        if let Some(intent) = &mut self.state.disk.assigning[owner] {
            intent.asks = intent.asks.without(Set::of(token));
            intent.noted = intent.noted.without(Set::of(token));
        }
    }
}
