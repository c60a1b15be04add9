//! What the holder of the ENI's lock does: `src/pool/release/step.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Leader, Outcome};
use crate::set::Set;
use crate::state::{Call, Releasing, Reply};
use crate::turn::{BATCHES, Turn};

impl Turn<'_> {
    /// Gathers, and decides what to do. What is the oldest is left out: any addresses or request come first, after its own.
    pub(crate) fn step(&mut self) -> Option<()> {
        let own = self.me().leader.own;
        let disk = &self.state.disk;
        let records = disk.names(|_| true);
        let is_due = |record: &Releasing| !record.due_requests().is_empty();
        let addresses = |names: Set| {
            names.iter().filter_map(|name| disk.record(name)).fold(Set::EMPTY, |all, it| all.and(it.due()))
        };
        let (due, open, own) = (addresses(records), disk.names(is_due), own.map_or(Set::EMPTY, Set::of));
        let (own_due, own_open) = (addresses(own), own.common(open));
        self.me().leader = Leader { own: own.first(), records, ..Leader::default() };
        if let Some(token) = self.choice.checked_sub(BATCHES) {
            // Its own come first, be they addresses or requests.
            let open = match () {
                () if !own_open.is_empty() => own_open,
                () if !own_due.is_empty() => return None,
                () => open,
            };
            return self.look_into(open, token);
        }
        if due.is_empty() {
            self.only()?;
            return if open.is_empty() { self.finish(Outcome::Nothing) } else { None };
        }
        if own_due.is_empty() && !own_open.is_empty() {
            return None;
        }
        let batch = Set::from_bits(self.choice);
        let own_first = batch.has_all(own_due) || own_due.has_all(batch);
        if !due.has_all(batch) || batch.len() != due.len().min(self.model.most) || !own_first {
            return None;
        }
        self.me().leader.batch = batch;
        let in_doubt = self.state.disk.in_doubt.has_any(batch);
        self.go(if in_doubt { At::Look } else { At::Sending })
    }

    pub(crate) fn sending(&mut self) -> Option<()> {
        if !self.makes(Mistake::SendingNotWritten) {
            self.state.disk.in_flight = self.me().leader.batch;
        }
        self.go(At::Unassign)
    }

    pub(crate) fn unassign(&mut self) -> Option<()> {
        let batch = self.me().leader.batch;
        self.state.broken.sent |= self.state.disk.in_use().has_any(batch);
        if self.makes(Mistake::SettleBeforeAnswer) {
            self.me().leader.over = batch;
            while self.has_to_settle() {
                self.settle_one();
            }
        }
        self.send(Call::Unassign(batch), At::UnassignAnswered)
    }

    pub(crate) fn unassign_answered(&mut self) -> Option<()> {
        let alone = self.me().leader.batch.len() == 1 || self.makes(Mistake::NobodyLooks);
        match self.reply()? {
            Reply::Done => self.released(),
            Reply::IpUnassigned if alone => self.released(),
            Reply::IpUnassigned => self.go(At::AnsweredThenLook),
            Reply::Unknown => self.go(At::Unknown),
            Reply::Refused | Reply::Full | Reply::Spent | Reply::Assigned(_) | Reply::Unfit(_) => {
                self.go(At::Failed)
            }
        }
    }

    fn released(&mut self) -> Option<()> {
        let leader = &mut self.me().leader;
        leader.over = leader.batch;
        if self.has_to_settle() { self.go(At::Settle) } else { self.go(At::Answered) }
    }

    pub(crate) fn settle(&mut self) -> Option<()> {
        self.settle_one();
        if self.has_to_settle() { Some(()) } else { self.go(At::Answered) }
    }

    /// The answer is known, and acted upon.
    pub(crate) fn answered(&mut self) -> Option<()> {
        self.state.disk.in_flight = Set::EMPTY;
        self.one_by_one()
    }

    /// `Leader::failed` after no answer.
    pub(crate) fn unknown(&mut self) -> Option<()> {
        self.mark_in_doubt();
        self.finish(Outcome::Failed)
    }

    /// `Leader::failed` after a refusal.
    pub(crate) fn failed(&mut self) -> Option<()> {
        self.state.disk.in_flight = Set::EMPTY;
        self.finish(Outcome::Failed)
    }

    pub(crate) fn answered_then_look(&mut self) -> Option<()> {
        self.state.disk.in_flight = Set::EMPTY;
        self.me().leader.less = true;
        self.go(At::Look)
    }

    pub(crate) fn look(&mut self) -> Option<()> {
        let missing = self.me().leader.batch.without(self.state.cloud.assigned);
        let gone = match self.choice {
            0 => missing,
            // All are too young for that to prove anything.
            1 if !missing.is_empty() => Set::EMPTY,
            // ECS does not answer.
            2 => {
                let lost = &mut self.state.left.lost;
                *lost = lost.checked_sub(1)?;
                return self.finish(Outcome::Failed);
            }
            _ => return None,
        };
        self.me().leader.over = gone;
        if self.has_to_settle() { self.go(At::LookSettle) } else { self.looked() }
    }

    pub(crate) fn look_settle(&mut self) -> Option<()> {
        self.settle_one();
        if self.has_to_settle() { Some(()) } else { self.looked() }
    }

    /// `Leader::look_then_send` and `Leader::look_then_send_less`.
    fn looked(&mut self) -> Option<()> {
        let Leader { batch, over, less, .. } = self.me().leader;
        let left = batch.without(over);
        if less && left.len() == batch.len() {
            self.me().leader.singles = left;
            return self.one_by_one();
        }
        if left.is_empty() {
            return self.finish(Outcome::Done);
        }
        self.me().leader.batch = left;
        self.go(At::Sending)
    }

    fn one_by_one(&mut self) -> Option<()> {
        let leader = &mut self.me().leader;
        let Some(next) = leader.singles.first() else { return self.finish(Outcome::Done) };
        leader.batch = Set::of(next);
        leader.singles = leader.singles.without(leader.batch);
        self.go(At::Sending)
    }

    /// The step is over.
    pub(crate) fn finish(&mut self, outcome: Outcome) -> Option<()> {
        let me = self.me();
        me.leader = Leader { outcome, ..Leader::default() };
        let then = me.after_step;
        self.go(then)
    }
}
