//! Which active record names an address: `address/<eni>-<ip>` is another name of the record's own file.
//!
//! It is there, durably, before the record is active, and taken away when the address is known to be off the ENI. What is
//! left behind in between does no harm: an entry counts only if the record that it leads to is active and names the
//! address. Whoever looks, or changes anything here, holds the ENI's lock.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::base::attachment::Attachment;
use crate::base::eni::EniId;
use crate::store::error::Result;
use crate::store::record::Active;
use crate::store::{Store, file};

impl Store {
    pub(super) fn address_directory(&self) -> PathBuf {
        self.directory.join("address")
    }

    fn address_path(&self, eni: &EniId, address: IpAddr) -> PathBuf {
        self.address_directory().join(format!("{eni}-{address}"))
    }

    /// Who has `address` of `eni` in use: found by name, however many pods there are.
    pub(super) fn owner_of(&self, eni: &EniId, address: IpAddr) -> Result<Option<Attachment>> {
        let Some(content) = file::read(&self.address_path(eni, address))? else { return Ok(None) };
        let names_it = |active: &Active| active.0.eni == *eni && active.0.ips().any(|ip| ip == address);
        let holder = match Active::parse(&content) {
            Ok(entry) => self.active(&entry.0.owner)?.filter(names_it),
            // Damaged, so nobody knows where it led to.
            Err(_) => self.all_active()?.into_iter().find(names_it),
        };
        Ok(holder.map(|active| active.0.owner))
    }

    /// Makes it durable whose the record's addresses are going to be: `draft` is its file before it is active.
    pub(super) fn enter(&self, active: &Active, draft: &file::Draft) -> Result<()> {
        for address in active.0.ips() {
            let path = self.address_path(&active.0.eni, address);
            file::remove(&path)?;
            draft.name_too(&path)?;
        }
        file::sync_directory(&self.address_directory())
    }

    /// Forgets who had an address that is off its ENI.
    pub(super) fn forget_owner_of(&self, eni: &EniId, address: IpAddr) -> Result<()> {
        if self.owner_of(eni, address)?.is_none() {
            file::remove(&self.address_path(eni, address))?;
        }
        Ok(())
    }
}
