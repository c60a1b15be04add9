//! Before ECS is asked to unassign addresses, and before a release ends without being asked for: their entries in the reserve go.
//!
//! A release that a kill left beside an entry keeps that from counting. Were the release over and the entry still there, or
//! were its removal lost in a power cut, a pod could be given an address that is off the ENI.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::base::deadline::Deadline;
use crate::store::EniLock;
use crate::store::error::Result;
use crate::store::lock::Lock;
use crate::store::reserve::nanoseconds;

/// In nanoseconds, more than by which two changes of a directory can have the same moment on any file system.
const CLOCK_TICK: u64 = 10_000_000_000;

/// The store's lock, for several looks and changes that belong together. Nothing that takes it by itself may be called
/// meanwhile.
#[derive(Debug)]
pub(crate) struct StoreHold(#[expect(dead_code, reason = "it is held, and not looked at")] Lock);

impl EniLock<'_> {
    /// Takes the store's lock as well.
    ///
    /// # Errors
    /// [`Busy`](crate::store::Error::Busy) and the system's.
    pub(crate) fn hold_store(&self, deadline: Deadline) -> Result<StoreHold> {
        self.store().lock(deadline).map(StoreHold)
    }

    /// Makes durable what names addresses of this ENI: records that have moved, and entries of the reserve.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn make_names_durable(&self) -> Result<()> {
        self.make_moves_durable()?;
        self.store().make_reserve_durable(self.eni())
    }

    /// Those of `addresses` that are in the reserve or releasing. Whoever is to act upon it holds the store's lock.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn named_but_unused(&self, addresses: &[IpAddr]) -> Result<BTreeSet<IpAddr>> {
        self.store().named_but_unused(self.eni(), addresses)
    }

    /// Those of `addresses` that nobody has in use.
    pub(super) fn unused(&self, addresses: &[IpAddr]) -> Result<Vec<IpAddr>> {
        let mut unused = Vec::new();
        for &address in addresses {
            if self.owner_of(address)?.is_none() {
                unused.push(address);
            }
        }
        Ok(unused)
    }

    /// Durably removes the entries of these addresses, which are releasing, but for those that an active record names. Without
    /// any entry, it makes durable that they were removed earlier. It costs nothing on an ENI that never had an entry.
    ///
    /// # Errors
    /// [`Busy`](crate::store::Error::Busy) and the system's; the addresses must not be released then.
    pub(crate) fn clear_entries(&mut self, addresses: &[IpAddr], deadline: Deadline) -> Result<()> {
        let Some(changed) = self.store().reserve_changed_at(self.eni())? else { return Ok(()) };
        if self.store().has_entry_of(self.eni(), addresses)? {
            // What an entry is removed for must not be lost itself.
            self.make_moves_durable()?;
            let lock = self.store().lock(deadline)?;
            self.store().forget_reserved(self.eni(), &self.unused(addresses)?, &lock)?;
            drop(lock);
            return self.store().make_reserve_durable(self.eni());
        }
        if self.is_reserve_durable(changed) {
            return Ok(());
        }
        self.store().make_reserve_durable(self.eni())?;
        if changed.saturating_add(CLOCK_TICK) < nanoseconds(SystemTime::now()) {
            self.note_durable_reserve(changed);
        }
        Ok(())
    }

    /// The same for all entries of the ENI, which does not exist any more.
    ///
    /// # Errors
    /// As for [`EniLock::clear_entries`].
    pub(crate) fn clear_all_entries(&mut self, deadline: Deadline) -> Result<()> {
        let all = self.store().reserved_addresses(self.eni())?;
        self.clear_entries(&all, deadline)
    }
}
