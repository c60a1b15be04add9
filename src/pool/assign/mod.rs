//! How an ADD gets its addresses: out of the reserve, or from ECS, together with others that wait.
//!
//! An ADD that finds nothing in the reserve gets in line for the ENI's lock. Whoever has the lock asks ECS for all that wait: the
//! first of the addresses is its own, and the others go into the reserve, where those who wait look from time to time.
//!
//! From the top down: an attempt picks entries ([`picking`]), or asks ([`asking`]) for as many addresses as are missing
//! ([`formula`]), and decides about each of the [`answer`].

mod answer;
mod asking;
mod formula;
mod picking;
mod source;

use std::net::IpAddr;
use std::time::Instant;

use crate::base::clock::Timestamp;
use crate::base::region::Family;
use crate::failure::{Failure, Result};
use crate::node::placement::{EniPlacement, Wanted};
use crate::pool::assign::asking::{Asker, Effort, Found};
use crate::pool::assign::picking::{Look, Picker};
use crate::pool::attempt::Attempt;
use crate::store::{Active, Allocation, Committed, EniLock, Waits, join};

pub(crate) use formula::Keeping;
pub(crate) use source::Source;

/// How often an ADD that may try all entries tries anew when others were faster.
const TRIES: usize = 3;

/// How an ADD's wait for its turn ended.
enum Turn<'s> {
    /// It has taken its addresses out of the reserve.
    Taken(Active),
    /// It holds the ENI's lock.
    Locked(EniLock<'s>),
}

impl<'s> Attempt<'s> {
    /// Gets the addresses that are wanted, and makes the record. Returns also where they come from.
    ///
    /// # Errors
    /// Why there is no address, or no record. [`Attempt::undo`] then releases what there is.
    pub(crate) fn run<'p>(
        &mut self,
        source: &'p Source<'p>,
        keeping: Keeping,
    ) -> Result<(&'p EniPlacement, Active)> {
        if !source.is_particular() {
            self.intent.wait_for(self.waits(source));
            if let Some(active) = self.take_any(source, keeping, TRIES)? {
                return Ok((source.place, active));
            }
        }
        let mut effort = Effort::new();
        loop {
            let taken = match self.wait_for_turn(source, keeping)? {
                Turn::Taken(active) => Some(active),
                Turn::Locked(eni_lock) => self.lead(source, keeping, eni_lock, &mut effort)?,
            };
            if let Some(active) = taken {
                return Ok((source.place, active));
            }
        }
    }

    fn waits(&self, source: &Source<'_>) -> Waits {
        let wants = |family| source.wanted.iter().any(|want| want.family == family);
        Waits {
            enis: vec![source.place.eni.clone()],
            ipv4: wants(Family::V4),
            ipv6: wants(Family::V6),
            until: Timestamp::now().plus(self.deadline.remaining()),
        }
    }

    /// Waits for the ENI's lock, and looks meanwhile whether others have put something into the reserve.
    fn wait_for_turn(&mut self, source: &Source<'_>, keeping: Keeping) -> Result<Turn<'s>> {
        let (started, store, deadline, eni) = (Instant::now(), self.store, self.deadline, &source.place.eni);
        let mut ended = None;
        let lock = store.lock_eni_unless(eni, deadline, || {
            ended = self.look_while_waiting(source, keeping).transpose();
            Ok(ended.is_some())
        })?;
        match (ended, lock) {
            (Some(taken), _) => taken.map(Turn::Taken),
            (None, Some(eni_lock)) => Ok(Turn::Locked(eni_lock)),
            (None, None) => Err(store.eni_busy(eni, started.elapsed()).into()),
        }
    }

    fn look_while_waiting(&mut self, source: &Source<'_>, keeping: Keeping) -> Result<Option<Active>> {
        if self.intent.is_deleted()? {
            return Err(Failure::Deleted);
        }
        if source.is_particular() || self.store.reserved_addresses(&source.place.eni)?.is_empty() {
            return Ok(None);
        }
        let rank = self.store.rank(&self.intent)?;
        let picker = Picker::new(source, keeping, self.deadline);
        match picker.pick_all(Look::Behind(rank))? {
            Some(picked) => self.take(source, &picked),
            None => Ok(None),
        }
    }

    /// Takes what it can, unless others are always faster.
    fn take_any(&mut self, source: &Source<'_>, keeping: Keeping, tries: usize) -> Result<Option<Active>> {
        for _ in 0..tries {
            if self.store.reserved_addresses(&source.place.eni)?.is_empty() {
                return Ok(None);
            }
            let rank = self.store.rank(&self.intent)?;
            let picker = Picker::new(source, keeping, self.deadline);
            let Some(picked) = picker.pick_all(Look::From(rank))? else { return Ok(None) };
            if let Some(active) = self.take(source, &picked)? {
                return Ok(Some(active));
            }
        }
        Ok(None)
    }

    /// Makes the record of addresses out of the reserve; `None` if others were faster.
    fn take(&mut self, source: &Source<'_>, picked: &[(Wanted, IpAddr)]) -> Result<Option<Active>> {
        let found: Vec<_> = picked.iter().map(|(want, address)| (*want, Found::Reserved(*address))).collect();
        self.record(source, &found)
    }

    /// Holds the ENI's lock and asks for what is missing. `None` where it has let go of the lock without an address.
    fn lead(
        &mut self,
        source: &Source<'_>,
        keeping: Keeping,
        eni_lock: EniLock<'s>,
        effort: &mut Effort,
    ) -> Result<Option<Active>> {
        let (releaser, deadline) = (source.releaser, self.deadline);
        self.got = Some(source.place.allocation(&self.intent.intention));
        let eni_lock = self.eni_lock.insert(eni_lock);
        let owner = &self.intent.intention.owner;
        if let Some(why) = releaser.resolve_predecessor(eni_lock, owner, deadline)? {
            return Err(Failure::EarlierInDoubt { eni: source.place.eni.clone(), why });
        }
        let mut found: Vec<(Wanted, Found)> = Vec::new();
        loop {
            for want in &source.wanted {
                if found.iter().any(|(it, _)| it.family == want.family) {
                    continue;
                }
                match (Asker { source, keeping, attempt: self, effort }).obtain(want)? {
                    Found::Nothing => return Ok(None),
                    it => found.push((*want, it)),
                }
                self.got = Some(self.allocation(source, &found, false));
            }
            found.sort_by_key(|(want, _)| source.wanted.iter().position(|it| it.family == want.family));
            if found.iter().all(|(_, it)| matches!(it, Found::Reserved(_))) {
                // The next one need not wait until this one has taken them.
                self.eni_lock = None;
                return self.record(source, &found);
            }
            if let Some(active) = self.record(source, &found)? {
                return Ok(Some(active));
            }
            if found.iter().all(|(_, it)| matches!(it, Found::Given(_))) {
                return Err(Failure::NoUsableAddress { eni: source.place.eni.clone() });
            }
            found.retain(|(_, it)| matches!(it, Found::Given(_)));
        }
    }

    /// The record of what was found; without what is in the reserve, of what would have to be given back.
    fn allocation(&self, source: &Source<'_>, found: &[(Wanted, Found)], with_reserved: bool) -> Allocation {
        let mut allocation = source.place.allocation(&self.intent.intention);
        for (want, found) in found {
            match found {
                Found::Given(address) => allocation.add(want.subnet.address(*address)),
                Found::Reserved(address) if with_reserved => allocation.add(want.subnet.address(*address)),
                Found::Reserved(_) | Found::Nothing => {}
            }
        }
        allocation
    }

    /// Makes the record; `None` if something of it has become another's.
    fn record(&mut self, source: &Source<'_>, found: &[(Wanted, Found)]) -> Result<Option<Active>> {
        let active = Active(self.allocation(source, found, true));
        let taken: Vec<IpAddr> = found
            .iter()
            .filter_map(|(_, it)| if let Found::Reserved(address) = it { Some(*address) } else { None })
            .collect();
        let committed = if taken.is_empty() {
            self.store.commit(&self.intent, &active, self.deadline)?
        } else {
            self.store.take(&self.intent, &active, &taken, self.deadline)?
        };
        match committed {
            Committed::Active if taken.is_empty() => log::info!("assigned {}", active.0),
            Committed::Active => log::info!("took {} out of the reserve: {}", join(&taken), active.0),
            Committed::Deleted => return Err(Failure::Deleted),
            Committed::Gone => return Ok(None),
        }
        self.eni_lock = None;
        self.committed = Some(active.clone());
        Ok(Some(active))
    }
}
