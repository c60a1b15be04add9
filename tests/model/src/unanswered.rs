//! Repeating the requests of dead ADDs: `release/unanswered.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Outcome, Verb};
use crate::set::Set;
use crate::state::{Call, Releasing, Reply};
use crate::turn::Turn;

impl Turn<'_> {
    pub(crate) fn repeat(&mut self) -> Option<()> {
        let token = self.record_at_work()?.unanswered.first()?;
        self.me().leader.open = self.is_on_its_way(token);
        self.send(Call::Assign(token), At::RepeatAnswered)
    }

    pub(crate) fn repeat_answered(&mut self) -> Option<()> {
        match self.reply()? {
            Reply::Assigned(address) => {
                self.only()?;
                self.me().leader.found = Some(address);
                self.go(if self.makes(Mistake::NoInUseGuard) { At::UnansweredUpdate } else { At::Holder })
            }
            // A copy of the request may still be on its way, of which nobody says that it is refused as well.
            Reply::Full if self.choice == 0 => {
                let token = self.record_at_work()?.unanswered.first()?;
                let open = if self.makes(Mistake::OpenJudgedByAnswer) {
                    self.is_on_its_way(token)
                } else {
                    self.me().leader.open && !self.makes(Mistake::RefusalCrossesOff)
                };
                (!open).then_some(())?;
                self.go(At::UnansweredUpdate)
            }
            Reply::Full => self.go(At::UnansweredHoldBack),
            Reply::Spent => {
                self.only()?;
                self.go(At::UnansweredUpdate)
            }
            Reply::Refused | Reply::Unknown | Reply::Done | Reply::IpUnassigned => {
                self.only()?;
                self.finish(Outcome::Failed)
            }
        }
    }

    /// Whether a copy of the request may come: surely before `open_until`, then.
    fn is_on_its_way(&self, token: u8) -> bool {
        self.state.cloud.strays.contains(&Some(Call::Assign(token)))
    }

    pub(crate) fn unanswered_hold_back(&mut self) -> Option<()> {
        self.record_at_work()?.held_back = true;
        self.finish(Outcome::Done)
    }

    /// The answer is that of the first time: what it names may be somebody's by now.
    pub(crate) fn holder(&mut self) -> Option<()> {
        let mut in_use = self.state.disk.in_use();
        if matches!(self.me().verb, Verb::Add(_)) && !self.makes(Mistake::GotNotInUse) {
            in_use = in_use.and(self.me().add.got);
        }
        let found = &mut self.me().leader.found;
        *found = found.filter(|&address| !in_use.has(address));
        self.go(At::UnansweredUpdate)
    }

    /// Crosses the request off, and names what it had assigned, in one.
    pub(crate) fn unanswered_update(&mut self) -> Option<()> {
        let later = self.makes(Mistake::CrossedOffBeforeNamed);
        let found = if later { None } else { self.me().leader.found };
        let record = self.record_at_work()?;
        let token = record.unanswered.first()?;
        let mut updated = *record;
        updated.unanswered = updated.unanswered.without(Set::of(token));
        updated.addresses = found.map_or(updated.addresses, |address| updated.addresses.with(address));
        let missing = later && self.me().leader.found.is_some();
        // A record of which nothing is left is not written, but removed.
        if !updated.is_over() || missing || self.makes(Mistake::EmptyRecordWritten) {
            *self.record_at_work()? = updated;
        }
        match () {
            () if updated.is_over() || missing => self.go(At::UnansweredOver),
            () if !updated.unanswered.is_empty() => self.go(At::Repeat),
            () => self.finish(Outcome::Done),
        }
    }

    /// `Lease::settle` of a record of which nothing is left.
    pub(crate) fn unanswered_over(&mut self) -> Option<()> {
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
