//! Into the reserve: a DEL that leaves its address on the ENI, for the next pod.

use std::net::IpAddr;

use crate::base::region::Family;
use crate::store::error::Result;
use crate::store::lock::Lock;
use crate::store::record::{Active, Allocation, ReleaseProgress};
use crate::store::record_name::record_name;
use crate::store::{Entry, Store, file};

/// So many entries of a family on an ENI are looked at to see whether a network's own are fewer than it keeps. Where there are more,
/// the reserve is full: a DEL must not cost more because of what others keep.
const MOST_LOOKED_AT: usize = 64;

impl Store {
    /// Puts the addresses of an active record into the reserve if it has room for all of them: fewer than `room` entries of the
    /// record's network on its ENI, in each family. The caller holds the store's lock and has found the addresses fit for it.
    /// Returns whether the record has gone; where the reserve cannot be written, it is as it was.
    ///
    /// # Errors
    /// When the record has gone, and a power cut could bring it back. It is releasing then, as far as that could be written.
    pub(super) fn move_to_reserve(&self, active: &Active, room: usize, lock: &Lock) -> Result<bool> {
        let path = self.active_directory().join(record_name(&active.0.owner));
        let entered = self.enter_into_reserve(active, room, lock).and_then(|is_in| {
            if is_in {
                file::remove(&path)?;
            }
            Ok(is_in)
        });
        match entered {
            Ok(true) => lock.one_less(),
            Ok(false) => return Ok(false),
            Err(error) => {
                active.0.event("not kept in the reserve").error(error).warn();
                return Ok(false);
            }
        }
        file::sync_directory(&self.active_directory())
            .inspect_err(|_| self.release_instead(&active.0, lock))?;
        Ok(true)
    }

    /// Durably names the addresses in the reserve, unless that has no room.
    fn enter_into_reserve(&self, active: &Active, room: usize, lock: &Lock) -> Result<bool> {
        if !self.has_room(active, room)? {
            return Ok(false);
        }
        let Allocation { network, eni, region, .. } = &active.0;
        let addresses: Vec<IpAddr> = active.0.ips().collect();
        let draft = self.draft_entry(eni, &Entry::new(network, region, true))?;
        self.name_reserved(eni, &addresses, &draft, lock)?;
        drop(draft);
        self.make_reserve_durable(eni)?;
        Ok(true)
    }

    /// A record that a power cut could bring back keeps its addresses from every other pod: as a release, which makes its
    /// removal durable before anything is sent. Where not even that can be written, the addresses stay in the reserve.
    fn release_instead(&self, allocation: &Allocation, lock: &Lock) {
        let addresses: Vec<IpAddr> = allocation.ips().collect();
        let released = self
            .put_releasing(allocation.clone(), ReleaseProgress::default())
            .and_then(|_| self.forget_reserved(&allocation.eni, &addresses, lock));
        if let Err(error) = released {
            allocation.event("stays in the reserve").error(error).log(log::Level::Error);
        }
    }

    fn has_room(&self, Active(allocation): &Active, room: usize) -> Result<bool> {
        let families: Vec<Family> = allocation.ips().map(Family::of).collect();
        if room == 0 || families.is_empty() {
            return Ok(false);
        }
        let all = self.reserved_addresses(&allocation.eni)?;
        for family in families {
            let named: Vec<IpAddr> = all.iter().copied().filter(|it| Family::of(*it) == family).collect();
            // Their files are opened only where there are so many names, and then no more than it takes: some may be those of
            // other networks, or not count.
            let is_own = |entry: &Entry| entry.network == allocation.network;
            let is_full = || {
                Ok(named.len() > MOST_LOOKED_AT
                    || self.count_at_least(room, &allocation.eni, &named, is_own)?)
            };
            if named.len() >= room && is_full()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
