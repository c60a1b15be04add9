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
mod passing;
mod picking;
mod source;

use std::net::IpAddr;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::logging;
use crate::base::moment;
use crate::base::region::Family;
use crate::failure::{Failure, Result};
use crate::node::placement::{EniPlacement, Wanted};
use crate::pool::assign::asking::{Asker, Effort, Found};
use crate::pool::assign::passing::{PassedOver, may_be_had_elsewhere};
use crate::pool::assign::picking::{Look, Picker};
use crate::pool::attempt::Attempt;
use crate::store::{Active, Allocation, Committed, EniLock, Waits, join};

pub(crate) use source::{Keeping, Source};

/// How often an ADD that may try all entries tries anew when others were faster.
const TRIES: usize = 3;

/// How long an ADD waits before the first ENI that has room before it waits for all of them.
const PATIENCE: Duration = Duration::from_secs(2);

/// An ENI, and what can be taken out of its reserve.
struct Taker<'p> {
    source: &'p Source<'p>,
    picker: Picker<'p>,
}

/// How an ADD's wait for its turn ended.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Turn<'p, 's> {
    /// It has taken its addresses out of the reserve.
    Taken(&'p EniPlacement, Active),
    /// It holds the lock of this ENI.
    Locked(&'p Source<'p>, EniLock<'s>),
}

impl<'s> Attempt<'s> {
    /// Gets the addresses that are wanted from the first of `sources` that has them, and makes the record. Returns also where they
    /// come from.
    ///
    /// # Errors
    /// Why there is no address, or no record. [`Attempt::undo`] then releases what there is.
    pub(crate) fn run<'p>(&mut self, sources: &'p [Source<'p>]) -> Result<(&'p EniPlacement, Active)> {
        let places = sources.iter().map(|source| source.place);
        self.enis = places.map(|place| (place.eni.clone(), place.region.clone())).collect();
        let mut takers: Vec<Taker<'p>> = Vec::new();
        if !sources.iter().any(Source::is_particular) {
            self.intent.wait_for(self.waits(sources));
            takers.extend(
                sources.iter().map(|source| Taker { source, picker: Picker::new(source, self.deadline) }),
            );
            if let Some(taken) = self.take_any(&takers, Look::From, TRIES)? {
                return Ok(taken);
            }
        }
        let mut effort = Effort::new();
        let mut passed_over = PassedOver::new(self.store, sources)?;
        loop {
            let open: Vec<_> = sources.iter().filter(|it| !passed_over.has(&it.place.eni)).collect();
            if open.is_empty() {
                return Err(passed_over.failure());
            }
            let (source, led) = match self.wait_for_turn(&open, &takers)? {
                Turn::Taken(place, active) => return Ok((place, active)),
                // Somebody may have found it full while this ADD was in line.
                Turn::Locked(source, _) if passed_over.is_full_now(self.store, source, sources)? => continue,
                Turn::Locked(source, eni_lock) => (source, self.lead(source, eni_lock, &mut effort)),
            };
            match led {
                Ok(Some(active)) => return Ok((source.place, active)),
                Ok(None) => {}
                Err(failure) if sources.len() > 1 && may_be_had_elsewhere(&failure) => {
                    log::info!("trying another ENI than {}: {failure}", source.place.eni);
                    self.leave()?;
                    effort.change_eni();
                    passed_over.add(&source.place.eni, failure);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    fn waits(&self, sources: &[Source<'_>]) -> Waits {
        let wants = |family| sources.iter().flat_map(|it| &it.wanted).any(|want| want.family == family);
        Waits {
            enis: sources.iter().map(|source| source.place.eni.clone()).collect(),
            ipv4: wants(Family::V4),
            ipv6: wants(Family::V6),
            until: Timestamp::now().plus(self.deadline.remaining()),
        }
    }

    /// Waits for the lock of one of the ENIs, and looks meanwhile whether others have put something into the reserve.
    fn wait_for_turn<'p>(&mut self, open: &[&'p Source<'p>], takers: &[Taker<'p>]) -> Result<Turn<'p, 's>> {
        let (started, store, deadline) = (moment::now(), self.store, self.deadline);
        let enis: Vec<&EniId> = open.iter().map(|source| &source.place.eni).collect();
        let mut ended = None;
        let lock = store.lock_any_eni(&enis, PATIENCE, deadline, || {
            ended = self.look_while_waiting(takers).transpose();
            Ok(ended.is_some())
        })?;
        if let Some(taken) = ended {
            return taken.map(|(place, active)| Turn::Taken(place, active));
        }
        let locked = lock.and_then(|lock| {
            let source = open.iter().find(|source| source.place.eni == *lock.eni())?;
            Some(Turn::Locked(source, lock))
        });
        locked.ok_or_else(|| store.eni_busy(enis[0], moment::since(started)).into())
    }

    fn look_while_waiting<'p>(&mut self, takers: &[Taker<'p>]) -> Result<Option<(&'p EniPlacement, Active)>> {
        if self.intent.is_deleted()? {
            return Err(Failure::Deleted);
        }
        self.take_any(takers, Look::Behind, 1)
    }

    /// Takes what it can from the first ENI that has it; `None` also where others were faster, so many times.
    fn take_any<'p>(
        &mut self,
        takers: &[Taker<'p>],
        look: fn(usize) -> Look,
        tries: usize,
    ) -> Result<Option<(&'p EniPlacement, Active)>> {
        for Taker { source, picker } in takers {
            for _ in 0..tries {
                if self.store.reserved_addresses(&source.place.eni)?.is_empty() {
                    break;
                }
                let picked = picker.pick_all(look(self.store.rank(&self.intent)?))?;
                self.release_missing(source, picker)?;
                let Some(picked) = picked else { break };
                if let Some(active) = self.take(source, &picked)? {
                    return Ok(Some((source.place, active)));
                }
            }
        }
        Ok(None)
    }

    /// Gives up entries of which metadata does not show the address any more.
    fn release_missing(&self, source: &Source<'_>, picker: &Picker<'_>) -> Result<()> {
        let missing = picker.missing();
        if !missing.is_empty() {
            let eni = &source.place.eni;
            log::warn!(
                "{} in the reserve of {eni} is not on it any more, as metadata has it: it is released",
                join(&missing)
            );
            self.store.release_reserved(eni, &missing, self.deadline)?;
        }
        Ok(())
    }

    /// Lets go of an ENI that has nothing more for this ADD. What it has given goes back.
    fn leave(&mut self) -> Result<()> {
        let got = self.got.take().filter(|got| !got.addresses.is_empty());
        if let Some((got, eni_lock)) = got.zip(self.eni_lock.as_ref()) {
            self.got = Some(got.clone());
            eni_lock.return_to_releasing(got, Timestamp::now())?;
            self.intent.resolve_acknowledged()?;
            self.got = None;
        }
        self.eni_lock = None;
        Ok(())
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
                match (Asker { source, attempt: self, effort }).obtain(want)? {
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
            // One that the runtime asks for need not have rested.
            let rest = if source.is_particular() { Duration::ZERO } else { source.keeping.rest };
            self.store.take(&self.intent, &active, (&taken, rest), self.deadline)?
        };
        match committed {
            Committed::Active => self.tell_assigned(&active, !taken.is_empty()),
            Committed::Deleted => return Err(Failure::Deleted),
            Committed::Gone => return Ok(None),
        }
        self.eni_lock = None;
        self.committed = Some(active.clone());
        Ok(Some(active))
    }

    fn tell_assigned(&self, Active(allocation): &Active, from_reserve: bool) {
        let event = allocation.event(if from_reserve { "assigned from the reserve" } else { "assigned" });
        event.request(self.request_id.as_deref()).attempt(self.requests).took(logging::elapsed()).info();
    }
}
