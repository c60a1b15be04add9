//! What becomes of the requests of dead ADDs: `src/pool/release/in_doubt.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Leader, Outcome, Verb};
use crate::set::Set;
use crate::state::{Call, Releasing, Reply};
use crate::turn::Turn;

impl Turn<'_> {
    /// `Leader::next_in_doubt` has chosen this request of one of these records.
    pub(crate) fn look_into(&mut self, records: Set, token: u8) -> Option<()> {
        let disk = &self.state.disk;
        let has = |&name: &u8| disk.record(name).is_some_and(|record| record.due_requests().has(token));
        let record = records.iter().find(has)?;
        (self.me().leader.record, self.me().leader.token) = (record, token);
        self.resolve()
    }

    /// The attachment's own next caller repeats a request at once. To others the ENI tells whether there is anything to ask
    /// for, as it does to everybody when no copy of the request can take effect any more.
    pub(crate) fn resolve(&mut self) -> Option<()> {
        let Leader { own, record, token, .. } = self.me().leader;
        if self.record_at_work()?.noted.has(token) {
            let found = self.state.cloud.assigned_by(Set::of(token)).first();
            self.me().leader.found = found;
            return self.go(At::OwnerOf);
        }
        let lapsed = self.lapsed().has(token);
        self.go(if own == Some(record) && !lapsed { At::Repeat } else { At::Describe })
    }

    /// The description shows all that lapsed requests assigned. Of others it may not show it yet, and it may still show what
    /// has just been released.
    pub(crate) fn describe(&mut self) -> Option<()> {
        let token = self.me().leader.token;
        let lapsed = self.lapsed();
        let (assigned, ghosts) = (self.state.cloud.assigned, self.state.cloud.ghosts);
        let not_yet = self.unexplained(assigned).without(self.state.cloud.assigned_by(lapsed));
        let shown = match self.choice {
            0 => assigned,
            1 if !ghosts.is_empty() => assigned.and(ghosts),
            2 if !lapsed.has(token) && !not_yet.is_empty() => assigned.without(not_yet),
            // ECS does not answer.
            3 => {
                let lost = &mut self.state.left.lost;
                *lost = lost.checked_sub(1)?;
                self.me().leader.unknown = true;
                return self.go(At::InDoubtHoldBack);
            }
            _ => return None,
        };
        let leader = &mut self.me().leader;
        (leader.shown, leader.lapsed) = (shown, lapsed);
        self.go(At::Described)
    }

    pub(crate) fn described(&mut self) -> Option<()> {
        if self.makes(Mistake::LapseJudgedByAnswer) {
            self.me().leader.lapsed = self.lapsed();
        }
        let shown = std::mem::take(&mut self.me().leader.shown);
        let Leader { lapsed, token, .. } = self.me().leader;
        let unexplained = self.unexplained(shown);
        let is_proof = self.proves_nothing_left(unexplained, token)
            || (self.makes(Mistake::EndsWithUnexplained) && !lapsed.is_empty());
        let mut ended = Set::EMPTY;
        for token in lapsed.iter() {
            let is_proven = self.proves_nothing_left(unexplained, token)
                || self.makes(Mistake::EndsWithUnexplained)
                || self.makes(Mistake::ProofOfOneEndsAll);
            ended = if is_proven { ended.with(token) } else { ended };
        }
        self.me().leader.lapsed = if is_proof { ended } else { lapsed };
        if !is_proof || self.makes(Mistake::RepeatsAnyway) {
            return self.go(At::Repeat);
        }
        self.go(if ended.is_empty() { At::InDoubtHoldBack } else { At::EndLapsed })
    }

    /// Whether a request can have left nothing of what is on the ENI unexplained. One for one address has left that or nothing.
    fn proves_nothing_left(&self, unexplained: Set, token: u8) -> bool {
        self.model.wish(token).map_or(unexplained.is_empty(), |address| !unexplained.has(address))
    }

    /// Every request of which the description proves that it left nothing ends, one record after the other.
    pub(crate) fn end_lapsed(&mut self) -> Option<()> {
        let Leader { records, lapsed, .. } = self.me().leader;
        let has = |state: &crate::state::State, name: &u8| {
            state.disk.record(*name).is_some_and(|record| record.unanswered.has_any(lapsed))
        };
        let ended = records.iter().find(|name| has(self.state, name));
        if let Some(record) = ended.and_then(|name| self.state.disk.releasing.get_mut(usize::from(name))) {
            record.as_mut()?.cross_off(lapsed);
            record.take_if(|record| record.is_over());
        }
        if records.iter().any(|name| has(self.state, &name)) { Some(()) } else { self.finish(Outcome::Done) }
    }

    /// The requests of which no copy can take effect any more, of the records as they were read. A kill can leave two records
    /// of one request: the one that was repeated last counts.
    fn lapsed(&mut self) -> Set {
        let records = self.me().leader.records;
        let records = || records.iter().filter_map(|name| self.state.disk.record(name));
        let ends_noted = self.makes(Mistake::NotedIsEnded);
        let noted = |record: &Releasing| if ends_noted { Set::EMPTY } else { record.noted };
        let lapsed = records().fold(Set::EMPTY, |all, record| all.and(record.lapsed.without(noted(record))));
        if self.makes(Mistake::LapsedInOneRecord) {
            return lapsed;
        }
        records().fold(lapsed, |all, record| all.without(record.unanswered.without(record.lapsed)))
    }

    /// What of this no record names, no noted answer, and no ADD that has been given it.
    fn unexplained(&mut self, shown: Set) -> Set {
        let mut named = self.state.disk.in_use();
        if matches!(self.me().verb, Verb::Add(_)) {
            named = named.and(self.me().add.got);
        }
        let mut noted = Set::EMPTY;
        for record in self.state.disk.releasing.iter().flatten() {
            named = named.and(record.addresses);
            noted = noted.and(record.noted);
        }
        for intent in self.state.disk.assigning.iter().flatten() {
            noted = noted.and(intent.noted);
        }
        shown.without(named).without(self.state.cloud.assigned_by(noted))
    }

    /// Until when this copy can take effect is written before it is sent, because its sender can be killed: with
    /// `EniLock::update`. That covers the time until it is sent, so it is one step.
    pub(crate) fn repeat(&mut self) -> Option<()> {
        let token = self.me().leader.token;
        if !self.makes(Mistake::RepetitionNotWritten) {
            let record = self.record_at_work()?;
            record.lapsed = record.lapsed.without(Set::of(token));
        }
        self.send(Call::Assign(token), At::RepeatAnswered)
    }

    pub(crate) fn repeat_answered(&mut self) -> Option<()> {
        let Leader { lapsed, token, .. } = self.me().leader;
        let is_lapsed = lapsed.has(token);
        match self.reply()? {
            Reply::Assigned(address) => {
                self.me().leader.found = Some(address);
                self.go(if self.makes(Mistake::NoInUseGuard) { At::InDoubtUpdate } else { At::OwnerOf })
            }
            Reply::Unfit(address) if self.makes(Mistake::UnfitBelieved) => {
                self.me().leader.found = Some(address);
                self.go(At::OwnerOf)
            }
            // It was refused for good the first time.
            Reply::Spent if is_lapsed => self.go(At::InDoubtUpdate),
            Reply::Full if is_lapsed && self.makes(Mistake::RefusalCrossesOff) => self.go(At::InDoubtUpdate),
            Reply::Refused if self.makes(Mistake::RestoreRefusalEnds) && self.restores().is_some() => {
                self.go(At::InDoubtUpdate)
            }
            // Before it is looked at whether the request is known, it may be looked at whether there is room for it.
            // It is repeated again later; the room may be there then.
            Reply::Spent | Reply::Full | Reply::Refused => self.go(At::InDoubtHoldBack),
            Reply::Unknown | Reply::Unfit(_) | Reply::Done | Reply::IpUnassigned => {
                self.me().leader.unknown = true;
                self.go(At::InDoubtHoldBack)
            }
        }
    }

    /// The request waits by itself: nothing else is held up.
    pub(crate) fn in_doubt_hold_back(&mut self) -> Option<()> {
        let Leader { token, unknown, .. } = self.me().leader;
        if !self.makes(Mistake::RefusedIsRepeated) {
            let record = self.record_at_work()?;
            record.waiting = record.waiting.with(token);
        }
        self.finish(if unknown { Outcome::Failed } else { Outcome::Done })
    }

    /// The answer is that of the first time: what it names may be somebody's by now.
    pub(crate) fn owner_of(&mut self) -> Option<()> {
        let mut in_use = self.state.disk.in_use();
        if matches!(self.me().verb, Verb::Add(_)) && !self.makes(Mistake::GotNotInUse) {
            in_use = in_use.and(self.me().add.got);
        }
        let found = &mut self.me().leader.found;
        *found = found.filter(|&address| !in_use.has(address));
        let Leader { found, token, .. } = self.me().leader;
        let is_predecessors = self.me().after_step == At::PredecessorResolved;
        if let Some(address) = found.filter(|_| is_predecessors && self.makes(Mistake::ContinuesForThePod)) {
            let name = usize::from(self.me().leader.record);
            self.record_at_work()?.cross_off(Set::of(token));
            self.state.disk.releasing[name].take_if(|record| record.is_over());
            (self.me().add.given, self.me().add.token) = (address, token);
            return self.go(At::AcceptReleasing);
        }
        self.go(At::InDoubtUpdate)
    }

    /// Crosses the request off, and names what it had assigned, in one.
    pub(crate) fn in_doubt_update(&mut self) -> Option<()> {
        let later = self.makes(Mistake::CrossedOffBeforeNamed);
        let Leader { token, found, .. } = self.me().leader;
        let missing = later && found.is_some();
        let mut updated = *self.record_at_work()?;
        updated.cross_off(Set::of(token));
        if let Some(address) = found.filter(|_| !later) {
            updated.addresses = updated.addresses.with(address);
        }
        // A record of which nothing is left is not written, but removed.
        if !updated.is_over() || missing || self.makes(Mistake::EmptyRecordWritten) {
            *self.record_at_work()? = updated;
        }
        if updated.is_over() || missing { self.go(At::InDoubtOver) } else { self.finish(Outcome::Done) }
    }

    /// `EniLock::finish` of a record of which nothing is left.
    pub(crate) fn in_doubt_over(&mut self) -> Option<()> {
        let name = usize::from(self.me().leader.record);
        let found = self.me().leader.found;
        match found.filter(|_| self.makes(Mistake::CrossedOffBeforeNamed)) {
            Some(address) => self.record_at_work()?.addresses = Set::of(address),
            None => self.state.disk.releasing[name] = None,
        }
        self.finish(Outcome::Done)
    }

    fn record_at_work(&mut self) -> Option<&mut Releasing> {
        let name = usize::from(self.me().leader.record);
        self.state.disk.releasing[name].as_mut()
    }
}
