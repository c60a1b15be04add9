//! An ADD: its intent, an entry out of the reserve, its record; and giving back what is beyond the reserve.

use crate::reserve::disk::{ACTIVE, Active, Change, Intent, RELEASING};
use crate::reserve::mistake::Mistake;
use crate::reserve::state::{At, TRIES, Verb};
use crate::reserve::turn::Turn;
use crate::set::Set;

impl Turn<'_> {
    pub(crate) fn owner_and_network(&mut self) -> Option<(u8, u8)> {
        match self.me().verb {
            Verb::Add(owner, network) => Some((owner, network)),
            Verb::Del(_) | Verb::Flush => None,
        }
    }

    pub(crate) fn begin_add(&mut self, owner: u8, _: u8) -> Option<()> {
        if self.state.disk.live.active[usize::from(owner)].is_some() {
            self.state.disk.renew(owner);
            return self.go(At::Done);
        }
        match self.state.disk.intents[usize::from(owner)] {
            Some(Intent { lock: Some(_), .. }) => return self.go(At::Done),
            Some(dead) => self.end_dead_intent(owner, dead),
            None => {}
        }
        // A DEL may have died before its move was durable, and the new record takes the place of the old one.
        self.sync(ACTIVE | RELEASING);
        let lock = Some(self.pid);
        self.set_intent(owner, Some(Intent { lock, deleted: false, asks: Set::EMPTY }));
        self.go(At::Want)
    }

    /// What a dead ADD asked for is in doubt, and named elsewhere before its intent goes.
    pub(crate) fn end_dead_intent(&mut self, owner: u8, dead: Intent) {
        for token in dead.asks.iter() {
            self.change(Change::Doubt(token));
        }
        self.sync(RELEASING);
        self.set_intent(owner, None);
    }

    fn own_intent(&mut self) -> Option<Intent> {
        let (owner, _) = self.owner_and_network()?;
        self.state.disk.intents[usize::from(owner)].filter(|it| it.lock == Some(self.pid))
    }

    /// What it can take: an entry of each family, all of one ENI.
    pub(crate) fn takeable(&self) -> Option<Set> {
        let rested =
            |it: &u8| self.makes(Mistake::TakesUnrested) || self.entry(*it).is_some_and(|entry| entry.rested);
        let mut counting = self.counting();
        if !self.makes(Mistake::TakesInDoubt) {
            counting = counting.without(self.state.disk.in_doubt);
        }
        (0..self.model.enis).find_map(|eni| {
            let of = |family| counting.common(self.model.pool((eni, family))).iter().find(rested);
            if self.makes(Mistake::OneFamily) {
                return (0..self.model.families).find_map(of).map(Set::of);
            }
            (0..self.model.families).try_fold(Set::EMPTY, |all, family| of(family).map(|it| all.with(it)))
        })
    }

    /// Waits for an entry, an ENI's lock, or its deadline.
    pub(crate) fn want(&mut self) -> Option<()> {
        let (owner, network) = self.owner_and_network()?;
        let is_marked = self.own_intent()?.deleted;
        let deleted = is_marked && !self.makes(Mistake::IgnoresMark);
        let addresses = self.takeable();
        match (self.choice, addresses) {
            (3, _) if deleted => self.go(At::Abandon),
            (_, _) if deleted => None,
            (0, Some(addresses)) => {
                let rested = addresses.iter().all(|it| self.entry(it).is_some_and(|entry| entry.rested));
                self.state.broken.unrested |= !rested || self.state.worn.has_any(addresses);
                self.state.broken.outlived |= is_marked;
                self.change(Change::Active(owner, Active { addresses, network, old: false }));
                self.me().addresses = addresses;
                self.state.disk.marked = self.state.disk.marked.and(addresses);
                self.go(At::SyncActive)
            }
            (3, None) => {
                let all = Set::below(self.model.enis);
                if self.me().made < TRIES && !self.me().full.has_all(all) {
                    self.state.left.deadlines = self.state.left.deadlines.checked_sub(1)?;
                }
                self.go(At::Abandon)
            }
            (0, None) | (3, Some(_)) => None,
            // Who took the lock may find that an entry has come meanwhile.
            (choice, found) => {
                let eni = choice - 1;
                // It fills the ENIs in their order, and takes a later one where the lock of an earlier one is not to be had.
                let full = self.me().full;
                let passed_over = |it: u8| full.has(it) || self.state.eni_locks[usize::from(it)].is_some();
                let is_next = eni < self.model.enis && !full.has(eni) && (0..eni).all(passed_over);
                if found.is_some() || self.me().made >= TRIES || !is_next {
                    return None;
                }
                self.lock_eni(eni)?;
                self.me().looked = Set::EMPTY;
                self.go(At::Lead)
            }
        }
    }

    pub(crate) fn sync_active(&mut self) -> Option<()> {
        if !self.makes(Mistake::RemovesEarly) {
            self.sync(ACTIVE);
        }
        self.go(At::DropEntry)
    }

    /// Only while the own active record is there: a DEL may have put the address back meanwhile.
    pub(crate) fn drop_entry(&mut self) -> Option<()> {
        let (owner, _) = self.owner_and_network()?;
        let addresses = self.me().addresses;
        let active = self.state.disk.live.active[usize::from(owner)];
        let is_there = active.is_some_and(|it| it.addresses == addresses);
        if is_there || self.makes(Mistake::RemovesBlindly) {
            for address in addresses.iter().filter(|it| self.entry(*it).is_some()).collect::<Vec<_>>() {
                self.change(Change::NoEntry(address));
            }
        }
        if self.makes(Mistake::RemovesEarly) {
            self.sync(ACTIVE);
        }
        self.go(At::End)
    }

    /// Its requests that are still in doubt stay named when the intent goes.
    pub(crate) fn end_well(&mut self) -> Option<()> {
        let (owner, _) = self.owner_and_network()?;
        let intent = self.own_intent()?;
        self.end_dead_intent(owner, intent);
        self.me().addresses = Set::EMPTY;
        self.go(At::Surplus)
    }

    pub(crate) fn abandon(&mut self) -> Option<()> {
        let (owner, _) = self.owner_and_network()?;
        let intent = self.own_intent()?;
        self.end_dead_intent(owner, intent);
        self.go(At::Surplus)
    }

    /// When no intent waits, what its network has beyond N becomes releasing, and is no entry any more.
    pub(crate) fn surplus(&mut self) -> Option<()> {
        let network = self.owner_and_network()?.1;
        if self.waiting(network) > 0 || self.makes(Mistake::KeepsSurplus) {
            return self.go(At::Done);
        }
        let given = self.give_back(network);
        if given.is_empty() {
            return self.go(At::Done);
        }
        let me = self.me();
        (me.gives_back, me.addresses) = (true, given);
        self.go(At::LockForRelease)
    }

    pub(crate) fn give_back(&mut self, network: u8) -> Set {
        let mut given = Set::EMPTY;
        let all =
            if self.makes(Mistake::GivesBackOthers) { self.counting() } else { self.counting_of(network) };
        for eni in 0..self.model.enis {
            for family in 0..self.model.families {
                let here = all.common(self.model.pool((eni, family)));
                let keep = usize::from(self.model.reserve[usize::from(network)]);
                given = here.iter().skip(keep).fold(given, Set::with);
            }
        }
        if given.is_empty() {
            return given;
        }
        let foreign = given.without(self.counting_of(network));
        self.state.broken.meddled |= !foreign.is_empty();
        if self.makes(Mistake::SurplusRemovesFirst) {
            given.iter().for_each(|it| self.change(Change::NoEntry(it)));
        }
        given.iter().for_each(|it| self.change(Change::Releasing(it)));
        self.sync(RELEASING);
        if !self.makes(Mistake::SurplusRemovesFirst) {
            given.iter().for_each(|it| self.change(Change::NoEntry(it)));
        }
        self.state.disk.marked = self.state.disk.marked.and(given);
        given
    }
}
