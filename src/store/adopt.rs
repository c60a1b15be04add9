//! Records that are made again: of addresses that a pod has and the store has lost, or has under another name.
//!
//! Such a record comes into being as by an ADD that has got its addresses already. So an ADD or a DEL of the same attachment meets
//! it as it meets any other ADD, and a kill leaves nothing but an intent that asks for nothing.

use std::net::IpAddr;

use crate::base::attachment::Attachment;
use crate::base::deadline::Deadline;
use crate::store::error::Result;
use crate::store::lock::Lock;
use crate::store::record::Active;
use crate::store::record_name::record_name;
use crate::store::{AddIntent, Begun, Committed, EniLock, Store, file};

/// What came of a record that was to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is active, durably.
    Active,
    /// The attachment has a record by now, or an ADD or a DEL of it is under way.
    Overtaken,
}

impl Store {
    /// Makes `active` a record. The caller holds the lock of its ENI, and has seen under it that the addresses are on the ENI.
    ///
    /// # Errors
    /// The system's; nothing is recorded then.
    pub fn adopt(&self, _eni_lock: &EniLock<'_>, active: &Active, deadline: Deadline) -> Result<Adopted> {
        let allocation = &active.0;
        let intention = AddIntent {
            owner: allocation.owner.clone(),
            network: allocation.network.clone(),
            pod: allocation.pod.clone(),
            boot_id: allocation.boot_id.clone(),
            since: allocation.since,
        };
        let Begun::New { intent, .. } = self.begin_add(&intention, deadline)? else {
            return Ok(Adopted::Overtaken);
        };
        match self.commit_unless(|| Ok(false), &intent, active, deadline) {
            Ok(Committed::Active) => Ok(Adopted::Active),
            // Without anything that was got: the addresses are the pod's, and are not released for this.
            Ok(Committed::Deleted | Committed::Gone) => {
                self.abandon(&intent, None).map(|_| Adopted::Overtaken)
            }
            Err(error) => {
                self.abandon(&intent, None)?;
                Err(error)
            }
        }
    }

    /// Makes `address` that of `owner` alone, whose active record names it: it is taken out of the records of `stale`, so that a DEL
    /// of `stale` does not release it. A record that has nothing left is gone afterwards. Does nothing unless `owner` has the address.
    ///
    /// # Errors
    /// The system's. If both still name the address, it is released with the record of `owner` only, or with neither.
    pub fn hand_over_to(
        &self,
        owner: &Attachment,
        (stale, address): (&Attachment, IpAddr),
        eni_lock: &EniLock<'_>,
        deadline: Deadline,
    ) -> Result<()> {
        let lock = self.lock(deadline)?;
        if eni_lock.owner_of(address)?.as_ref() != Some(owner) {
            let names_it = |it: &Active| it.0.eni == *eni_lock.eni() && it.0.ips().any(|ip| ip == address);
            let Some(active) = self.active(owner)?.filter(names_it) else { return Ok(()) };
            self.rewrite(&active)?;
        }
        self.withdraw(stale, address, &lock)?;
        let mut releases = eni_lock.releases_naming(&[address])?;
        releases.retain(|release| release.allocation.owner == *stale);
        eni_lock.finish(&mut releases, |released| released == address)
    }

    /// Takes `address` out of the active record of `stale`, if it has one.
    fn withdraw(&self, stale: &Attachment, address: IpAddr, lock: &Lock) -> Result<()> {
        let Some(mut left) = self.active(stale)? else { return Ok(()) };
        left.0.addresses.retain(|it| it.address.ip() != address);
        if !left.0.addresses.is_empty() {
            return self.rewrite(&left);
        }
        file::remove(&self.active_directory().join(record_name(stale)))?;
        lock.one_less();
        file::sync_directory(&self.active_directory())
    }

    /// Replaces an active record by this one, whose entries lead to it from here on.
    fn rewrite(&self, active: &Active) -> Result<()> {
        let path = self.active_directory().join(record_name(&active.0.owner));
        let draft = file::Draft::write(&self.active_directory(), &active.encode(&path)?, |_| Ok(()))?;
        self.enter_in_place(active, &draft)?;
        draft.replace(&path)?;
        file::sync_directory(&self.active_directory())
    }
}
