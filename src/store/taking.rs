//! Out of the reserve and into it: an ADD that takes an address, and a DEL that leaves one.

use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::store::adding::Committed;
use crate::store::error::Result;
use crate::store::intent::OpenIntent;
use crate::store::lock::Lock;
use crate::store::record::{Active, Allocation};
use crate::store::record_name::record_name;
use crate::store::{Entry, Reserved, Store, file};

impl Store {
    /// Ends an ADD well with `taken` out of the reserve, all of them or none; the record may have others beside. It is visible at
    /// once and durable when this returns; only then do the entries go.
    ///
    /// # Errors
    /// The system's; the entries are still there then.
    pub(crate) fn take(
        &self,
        intent: &OpenIntent,
        active: &Active,
        taken: &[IpAddr],
        deadline: Deadline,
    ) -> Result<Committed> {
        let Allocation { owner, eni, .. } = &active.0;
        let path = self.active_directory().join(record_name(owner));
        let draft = file::Draft::write(&self.active_directory(), &active.encode(&path)?, |_| Ok(()))?;
        let lock = self.lock(deadline)?;
        if intent.is_deleted()? {
            return Ok(Committed::Deleted);
        }
        let (state, now) = (self.eni_state(eni)?, Timestamp::now());
        for address in active.0.ips() {
            let is_there = if taken.contains(&address) {
                !state.is_in_doubt(address, now) && self.is_reserved(eni, address)?
            } else {
                self.owner_of(eni, address)?.is_none()
            };
            if !is_there {
                return Ok(Committed::Gone);
            }
        }
        self.enter_without_sync(active, &draft)?;
        draft.replace(&path)?;
        lock.one_more();
        drop(lock);
        let durable = file::sync_directory(&self.address_directory())
            .and_then(|()| file::sync_directory(&self.active_directory()));
        if let Err(error) = durable {
            self.take_back(active, deadline)?;
            return Err(error);
        }
        if let Err(error) = self.forget_taken(active, deadline) {
            log::warn!(
                "an entry of the reserve stays beside the record of its address, which does no harm: {error}"
            );
        }
        self.end_intent(intent);
        Ok(Committed::Active)
    }

    /// The entry of this address, if it counts.
    pub(crate) fn reserved_one(&self, eni: &EniId, address: IpAddr) -> Result<Option<Reserved>> {
        let entry = if self.is_reserved(eni, address)? { self.entry(eni, address)? } else { None };
        Ok(entry.map(|entry| Reserved { address, entry }))
    }

    /// The record could not be made durable.
    fn take_back(&self, active: &Active, deadline: Deadline) -> Result<()> {
        let lock = self.lock(deadline)?;
        if self.active(&active.0.owner)?.as_ref() == Some(active) {
            lock.lose_count();
            file::remove(&self.active_directory().join(record_name(&active.0.owner)))?;
            let _ = file::sync_directory(&self.active_directory());
        }
        Ok(())
    }

    /// Removes the entries of what this record has. If a DEL has come meanwhile, it may have put an address into the reserve anew:
    /// then they stay.
    pub(super) fn forget_taken(&self, active: &Active, deadline: Deadline) -> Result<()> {
        let lock = self.lock(deadline)?;
        if self.active(&active.0.owner)?.as_ref() == Some(active) {
            let addresses: Vec<IpAddr> = active.0.ips().collect();
            self.forget_reserved(&active.0.eni, &addresses, &lock)?;
        }
        Ok(())
    }

    /// Puts the addresses of an active record into the reserve if it has room for all of them: fewer than `room` entries of the
    /// record's network on its ENI, in each family. The caller holds the store's lock and has found the addresses fit for it.
    pub(super) fn move_to_reserve(&self, active: &Active, room: usize, lock: &Lock) -> Result<bool> {
        let Allocation { owner, network, eni, region, .. } = &active.0;
        if !self.has_room(active, room)? {
            return Ok(false);
        }
        let addresses: Vec<IpAddr> = active.0.ips().collect();
        let draft = self.draft_entry(eni, &Entry::new(network, region, true))?;
        self.name_reserved(eni, &addresses, &draft, lock)?;
        drop(draft);
        self.make_reserve_durable(eni)?;
        let removed = file::remove(&self.active_directory().join(record_name(owner)));
        removed.inspect_err(|_| lock.lose_count())?;
        lock.one_less();
        // Else a power cut could bring the record back beside the next one with this address.
        file::sync_directory(&self.active_directory())?;
        Ok(true)
    }

    fn has_room(&self, Active(allocation): &Active, room: usize) -> Result<bool> {
        let families: Vec<Family> = allocation.ips().map(Family::of).collect();
        let is_room = |count: &dyn Fn(Family) -> usize| families.iter().all(|&family| count(family) < room);
        let names = self.reserved_addresses(&allocation.eni)?;
        let of = |family| names.iter().filter(|it| Family::of(**it) == family).count();
        // Their files are opened only where that many names could be those of other networks, or not count.
        if is_room(&of) {
            return Ok(room > 0 && !families.is_empty());
        }
        let entries = self.reserved(&allocation.eni)?;
        let own = |family| {
            let is_own = |it: &&crate::store::Reserved| {
                it.entry.network == allocation.network && Family::of(it.address) == family
            };
            entries.iter().filter(is_own).count()
        };
        Ok(room > 0 && !families.is_empty() && is_room(&own))
    }
}
