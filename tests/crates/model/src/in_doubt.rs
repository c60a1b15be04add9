//! Repeating the requests of dead ADDs: `src/pool/release/in_doubt.rs`.

use crate::mistake::Mistake;
use crate::process::{At, Leader, Outcome, Verb};
use crate::set::Set;
use crate::state::{Call, Releasing, Reply};
use crate::turn::Turn;

impl Turn<'_> {
    pub(crate) fn repeat(&mut self) -> Option<()> {
        let record = *self.record_at_work()?;
        let token = record.unanswered.first()?;
        let open = self.is_on_its_way(token);
        self.me().leader.open = open;
        // Whether so much time has passed that the ENI has all that the request can have brought, and shows it.
        let lapsed = record.in_doubt.has(token) && (!open || self.makes(Mistake::DecidesTooEarly));
        match self.choice {
            0 if lapsed => {
                let shown = self.unexplained();
                if shown.is_empty() {
                    return self.go(At::InDoubtUpdate);
                }
                self.me().leader.shown = Some(shown);
            }
            0 => {}
            _ => lapsed.then_some(())?,
        }
        self.send(Call::Assign(token), At::RepeatAnswered)
    }

    /// What the ENI has and no file names.
    fn unexplained(&mut self) -> Set {
        let mut named = self.state.disk.in_use();
        if matches!(self.me().verb, Verb::Add(_)) {
            named = named.and(self.me().add.got);
        }
        for record in self.state.disk.releasing.iter().flatten() {
            named = named.and(record.addresses);
        }
        self.state.cloud.assigned.without(named)
    }

    pub(crate) fn repeat_answered(&mut self) -> Option<()> {
        match self.reply()? {
            Reply::Assigned(address) => {
                self.only()?;
                self.me().leader.found = Some(address);
                self.go(if self.makes(Mistake::NoInUseGuard) { At::InDoubtUpdate } else { At::OwnerOf })
            }
            Reply::Unfit(address) => {
                self.only()?;
                let borne_out = self.me().leader.shown == Some(Set::of(address));
                self.me().leader.found = borne_out.then_some(address);
                if self.makes(Mistake::UnfitBelieved) || (borne_out && self.makes(Mistake::UnfitEndsRequest))
                {
                    self.me().leader.found = Some(address);
                    return self.go(At::OwnerOf);
                }
                self.me().leader.unfit = true;
                self.go(At::InDoubtHoldBack)
            }
            // A copy of the request may still be on its way, of which nobody says that it is refused as well.
            Reply::Full if self.choice == 0 => {
                let token = self.record_at_work()?.unanswered.first()?;
                let open = if self.makes(Mistake::OpenJudgedByAnswer) {
                    self.is_on_its_way(token)
                } else {
                    self.me().leader.open && !self.makes(Mistake::RefusalCrossesOff)
                };
                let doubted = self.record_at_work()?.in_doubt.has(token);
                (!open && !doubted).then_some(())?;
                self.go(At::InDoubtUpdate)
            }
            Reply::Full => self.go(At::InDoubtHoldBack),
            Reply::Spent => {
                self.only()?;
                self.go(At::InDoubtUpdate)
            }
            Reply::Refused | Reply::Unknown | Reply::Done | Reply::IpUnassigned => {
                self.only()?;
                self.finish(Outcome::Failed)
            }
        }
    }

    /// Whether a copy of the request may come: surely before `AssignRequest::in_doubt_until`, then.
    fn is_on_its_way(&self, token: u8) -> bool {
        self.state.cloud.strays.contains(&Some(Call::Assign(token)))
    }

    pub(crate) fn in_doubt_hold_back(&mut self) -> Option<()> {
        let Leader { unfit, found, .. } = self.me().leader;
        let record = self.record_at_work()?;
        if unfit {
            record.in_doubt = record.in_doubt.with(record.unanswered.first()?);
            record.addresses = found.map_or(record.addresses, |address| record.addresses.with(address));
        }
        record.held_back = true;
        self.finish(Outcome::Done)
    }

    /// The answer is that of the first time: what it names may be somebody's by now.
    pub(crate) fn owner_of(&mut self) -> Option<()> {
        let mut in_use = self.state.disk.in_use();
        if matches!(self.me().verb, Verb::Add(_)) && !self.makes(Mistake::GotNotInUse) {
            in_use = in_use.and(self.me().add.got);
        }
        let found = &mut self.me().leader.found;
        *found = found.filter(|&address| !in_use.has(address));
        self.go(At::InDoubtUpdate)
    }

    /// Crosses the request off, and names what it had assigned, in one.
    pub(crate) fn in_doubt_update(&mut self) -> Option<()> {
        let later = self.makes(Mistake::CrossedOffBeforeNamed);
        let found = if later { None } else { self.me().leader.found };
        let record = self.record_at_work()?;
        let token = record.unanswered.first()?;
        let mut updated = *record;
        updated.unanswered = updated.unanswered.without(Set::of(token));
        updated.in_doubt = updated.in_doubt.without(Set::of(token));
        updated.addresses = found.map_or(updated.addresses, |address| updated.addresses.with(address));
        let missing = later && self.me().leader.found.is_some();
        // A record of which nothing is left is not written, but removed.
        if !updated.is_over() || missing || self.makes(Mistake::EmptyRecordWritten) {
            *self.record_at_work()? = updated;
        }
        match () {
            () if updated.is_over() || missing => self.go(At::InDoubtOver),
            () if !updated.unanswered.is_empty() => self.go(At::Repeat),
            () => self.finish(Outcome::Done),
        }
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
