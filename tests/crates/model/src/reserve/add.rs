//! An ADD: its intent, an entry out of the reserve, its record; and giving back what is beyond the reserve. `src/store/taking.rs`,
//! `src/store/adding.rs`, `src/store/giving_back.rs`.

use crate::reserve::disk::{ACTIVE, ADDRESS, Active, Change, Intent, RELEASING};
use crate::reserve::mistake::Mistake;
use crate::reserve::state::{At, Process, TRIES, Verb};
use crate::reserve::turn::Turn;
use crate::set::Set;

impl Turn<'_> {
    pub(crate) fn owner_and_network(&mut self) -> Option<(u8, u8)> {
        match self.me().verb {
            Verb::Add(owner, network) => Some((owner, network)),
            Verb::Del(_) | Verb::Flush => None,
        }
    }

    /// A record of an earlier boot is taken over, unless a power cut has left it without the names of its addresses: then nothing has
    /// kept these from being given to others.
    pub(crate) fn begin_add(&mut self, owner: u8, network: u8) -> Option<()> {
        if let Some(active) = self.state.disk.live.active[usize::from(owner)] {
            if !active.old {
                return self.go(At::Done);
            }
            if active.named || self.makes(Mistake::TakesOverWithoutNames) {
                self.state.disk.renew(owner);
                return self.go(At::Done);
            }
            self.change(Change::Move(owner, active.addresses));
            self.sync(ACTIVE | RELEASING);
        }
        match self.state.disk.intents[usize::from(owner)] {
            Some(Intent { lock: Some(_), .. }) => return self.go(At::Done),
            Some(dead) => self.end_dead_intent(owner, dead.asks),
            None => {}
        }
        // A DEL may have died before its move was durable, and the new record takes the place of the old one.
        self.sync(ACTIVE | RELEASING);
        let lock = Some(self.pid);
        self.set_intent(owner, Some(Intent { lock, deleted: false, asks: Set::EMPTY, network }));
        self.go(At::Want)
    }

    /// What an ADD that has ended asked for is in doubt, and named elsewhere before its intent goes.
    pub(crate) fn end_dead_intent(&mut self, owner: u8, asks: Set) {
        for token in asks.iter() {
            self.change(Change::Doubt(token));
        }
        self.sync(RELEASING);
        self.set_intent(owner, None);
    }

    pub(crate) fn own_intent(&mut self) -> Option<Intent> {
        let (owner, _) = self.owner_and_network()?;
        self.state.disk.intents[usize::from(owner)].filter(|it| it.lock == Some(self.pid))
    }

    /// Whether a DEL has come, in so far as it looks.
    fn is_overtaken(&mut self) -> Option<bool> {
        Some(self.own_intent()?.deleted && !self.makes(Mistake::IgnoresMark))
    }

    /// The entries that a pod can have.
    pub(crate) fn fit(&self) -> Set {
        let rested =
            |it: &u8| self.makes(Mistake::TakesUnrested) || self.entry(*it).is_some_and(|entry| entry.rested);
        let mut counting = self.counting();
        if !self.makes(Mistake::TakesInDoubt) {
            counting = counting.without(self.state.disk.in_doubt);
        }
        counting.iter().filter(rested).fold(Set::EMPTY, Set::with)
    }

    /// What it can pick without asking: an entry of each family of which ECS has given it none, all of one ENI.
    pub(crate) fn pick(&self, given: Set) -> Option<Set> {
        let fit = self.fit();
        (0..self.model.enis).filter(|eni| self.model.of_eni(*eni).has_all(given)).find_map(|eni| {
            let pools = (0..self.model.families).map(|family| self.model.pool((eni, family)));
            let mut missing = pools.filter(|pool| !pool.has_any(given));
            if self.makes(Mistake::OneFamily) {
                return missing.find_map(|pool| fit.common(pool).first()).map(Set::of);
            }
            missing.try_fold(Set::EMPTY, |all, pool| fit.common(pool).first().map(|it| all.with(it)))
        })
    }

    /// Waits for an entry, an ENI's lock, or its deadline.
    pub(crate) fn want(&mut self) -> Option<()> {
        let deleted = self.is_overtaken()?;
        let picked = self.pick(Set::EMPTY);
        match (self.choice, picked) {
            (3, _) if deleted => self.go(At::Abandon),
            (_, _) if deleted => None,
            (0, Some(picked)) => {
                self.me().addresses = picked;
                self.go(At::Take)
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

    /// In one hold of the store's lock: what was picked is looked at again, because others may have taken it, used it and put it
    /// back meanwhile. The names come before the record, and are made durable after it.
    pub(crate) fn take_picked(&mut self) -> Option<()> {
        let (owner, network) = self.owner_and_network()?;
        let Process { addresses: picked, given, .. } = *self.me();
        if self.is_overtaken()? {
            return self.go(At::Abandon);
        }
        let fit = if self.makes(Mistake::TakesBlindly) {
            picked
        } else if self.makes(Mistake::RestsNotLookedAtAgain) {
            self.counting()
        } else {
            self.fit()
        };
        if !fit.has_all(picked) {
            self.me().addresses = Set::EMPTY;
            return self.go(if given.is_empty() { At::Want } else { At::Ask });
        }
        if self.state.disk.live.owned().has_any(given) {
            return self.go(At::Abandon);
        }
        let rested = picked.iter().all(|it| self.entry(it).is_none_or(|entry| entry.rested));
        self.state.broken.unrested |= !rested || self.state.worn.has_any(picked);
        self.state.broken.outlived |= self.own_intent()?.deleted;
        let addresses = picked.and(given);
        self.change(Change::Active(owner, Active { addresses, network, old: false, named: false }));
        // No kill leaves the record without them: in truth they come first.
        self.state.disk.change(Change::Named(owner, addresses));
        self.go(At::SyncActive)
    }

    pub(crate) fn sync_active(&mut self) -> Option<()> {
        if !self.makes(Mistake::RemovesEarly) {
            self.sync(ADDRESS);
            self.sync(ACTIVE);
        }
        self.go(At::DropEntry)
    }

    /// Only while the own active record is there: a DEL may have put the address back meanwhile.
    pub(crate) fn drop_entry(&mut self) -> Option<()> {
        let (owner, _) = self.owner_and_network()?;
        let addresses = self.me().addresses.and(self.me().given);
        let active = self.state.disk.live.active[usize::from(owner)];
        let is_there = active.is_some_and(|it| it.addresses == addresses);
        if is_there || self.makes(Mistake::RemovesBlindly) {
            self.remove_entries(addresses);
        }
        if self.makes(Mistake::RemovesEarly) {
            self.sync(ADDRESS | ACTIVE);
        }
        self.go(At::End)
    }

    /// Not made durable here.
    pub(crate) fn remove_entries(&mut self, addresses: Set) {
        let entries = addresses.common(self.state.disk.live.reserved());
        entries.iter().for_each(|it| self.change(Change::NoEntry(it)));
    }

    /// In one hold of the store's lock, with nothing but what ECS has given.
    pub(crate) fn commit(&mut self) -> Option<()> {
        let (owner, network) = self.owner_and_network()?;
        let given = self.me().given;
        if self.is_overtaken()? {
            return self.go(At::Abandon);
        }
        let is_taken = self.state.disk.live.owned().has_any(given);
        self.state.broken.robbed |= is_taken;
        if is_taken && !self.makes(Mistake::CommitsBlindly) {
            return self.go(At::Abandon);
        }
        self.state.broken.outlived |= self.own_intent()?.deleted;
        self.change(Change::Active(owner, Active { addresses: given, network, old: false, named: true }));
        self.sync(ACTIVE);
        self.remove_entries(given);
        self.go(At::End)
    }

    /// Its requests that are still in doubt stay named when the intent goes.
    pub(crate) fn end_well(&mut self) -> Option<()> {
        self.end_intent(Set::EMPTY)
    }

    /// What it was given is releasing before the intent goes.
    pub(crate) fn abandon(&mut self) -> Option<()> {
        let given = self.me().given;
        given.iter().for_each(|it| self.change(Change::Releasing(it)));
        self.end_intent(given)
    }

    fn end_intent(&mut self, left: Set) -> Option<()> {
        let (owner, _) = self.owner_and_network()?;
        let asks = self.own_intent()?.asks.without(self.me().acknowledged);
        self.end_dead_intent(owner, asks);
        self.unlock_eni();
        let me = self.me();
        (me.addresses, me.given, me.acknowledged) = (left, Set::EMPTY, Set::EMPTY);
        self.go(At::Surplus)
    }

    /// When no intent waits, what its network has beyond N becomes releasing, and is no entry any more.
    pub(crate) fn surplus(&mut self) -> Option<()> {
        let network = self.owner_and_network()?.1;
        let mut given = self.me().addresses;
        if self.waiting(network) == 0 && !self.makes(Mistake::KeepsSurplus) {
            let keep = self.model.reserve[usize::from(network)];
            if !self.makes(Mistake::SurplusInTwoHolds) {
                given = given.and(self.give_back(network, keep));
            } else if self.me().gives_back {
                self.release_entries(given);
            } else {
                self.me().gives_back = true;
                self.me().addresses = self.surplus_of(network, keep);
                return self.go(At::Surplus);
            }
        }
        if given.is_empty() {
            return self.go(At::Done);
        }
        let me = self.me();
        (me.gives_back, me.addresses) = (true, given);
        self.go(At::LockForRelease)
    }

    fn surplus_of(&self, network: u8, keep: u8) -> Set {
        let all =
            if self.makes(Mistake::GivesBackOthers) { self.counting() } else { self.counting_of(network) };
        let pools = (0..self.model.enis).flat_map(|eni| (0..self.model.families).map(move |it| (eni, it)));
        let surplus = pools.map(|pool| all.common(self.model.pool(pool)));
        surplus.fold(Set::EMPTY, |given, here| here.iter().skip(usize::from(keep)).fold(given, Set::with))
    }

    /// The look, the releases and the removal of the entries, all in one hold of the store's lock.
    pub(crate) fn give_back(&mut self, network: u8, keep: u8) -> Set {
        let given = self.surplus_of(network, keep);
        if given.is_empty() {
            return given;
        }
        self.state.broken.meddled |= !self.counting_of(network).has_all(given);
        self.release_entries(given);
        given
    }

    fn release_entries(&mut self, given: Set) {
        if self.makes(Mistake::SurplusRemovesFirst) {
            given.iter().for_each(|it| self.change(Change::NoEntry(it)));
        }
        given.iter().for_each(|it| self.change(Change::Releasing(it)));
        self.sync(RELEASING);
        if !self.makes(Mistake::SurplusRemovesFirst) {
            given.iter().for_each(|it| self.change(Change::NoEntry(it)));
        }
    }
}
