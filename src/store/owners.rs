//! Which active record names an address: `address/<eni>-<ip>` is another name of the record's own file.
//!
//! The name is durable before the record becomes active, and is removed once the address is known to be off the ENI. A name
//! that stays behind does no harm: it counts only if the record that it leads to is active and names the address. Every
//! caller holds the ENI's lock, or the store's; whoever holds neither may miss a record that becomes active at this moment.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::base::attachment::Attachment;
use crate::base::eni::EniId;
use crate::store::error::Result;
use crate::store::record::{Active, Release};
use crate::store::{Store, file};

impl Store {
    pub(super) fn address_directory(&self) -> PathBuf {
        self.directory.join("address")
    }

    fn address_path(&self, eni: &EniId, address: IpAddr) -> PathBuf {
        self.address_directory().join(format!("{eni}-{address}"))
    }

    /// The attachment that uses `address`. One lookup by name, independent of the number of pods.
    pub(super) fn owner_of(&self, eni: &EniId, address: IpAddr) -> Result<Option<Attachment>> {
        let Some(content) = file::read(&self.address_path(eni, address))? else { return Ok(None) };
        let names_it = |active: &Active| active.0.eni == *eni && active.0.ips().any(|ip| ip == address);
        let holder = match Active::parse(&content) {
            Ok(entry) => self.active(&entry.0.owner)?.filter(names_it),
            // It is damaged, so it does not say where it leads.
            Err(_) => self.all_active()?.into_iter().find(names_it),
        };
        Ok(holder.map(|active| active.0.owner))
    }

    /// Another attachment than `owner` that uses `address`, on whichever ENI. One lookup by name for each ENI of this store.
    pub(crate) fn another_user_of(&self, address: IpAddr, owner: &Attachment) -> Result<Option<Attachment>> {
        for eni in self.used_enis()? {
            let user = self.owner_of(&eni, address)?;
            if user.as_ref().is_some_and(|user| user != owner) {
                return Ok(user);
            }
        }
        Ok(None)
    }

    /// The addresses that the records of `owner` name, in use or being released.
    pub(crate) fn addresses_of(&self, owner: &Attachment) -> Result<BTreeSet<IpAddr>> {
        let mut found: BTreeSet<IpAddr> = self.active(owner)?.iter().flat_map(|it| it.0.ips()).collect();
        for pending in self.pending(owner)? {
            found.extend(self.releasing(&pending)?.iter().flat_map(|it| it.allocation.ips()));
        }
        Ok(found)
    }

    /// Every ENI that this store has ever used: its lock was taken, as it is before a record of it becomes active.
    pub(crate) fn used_enis(&self) -> Result<Vec<EniId>> {
        let names = file::names(&self.eni_directory())?;
        let ids = names.iter().filter_map(|name| name.strip_suffix(".lock"));
        Ok(ids.filter_map(|id| EniId::try_from(id.to_owned()).ok()).collect())
    }

    /// Durably records who owns each address, before the record becomes active. `draft` is the file of the record.
    pub(super) fn enter(&self, active: &Active, draft: &file::Draft) -> Result<()> {
        self.enter_without_sync(active, draft)?;
        file::sync_directory(&self.address_directory())
    }

    /// The same for a record that its caller makes durable later, after these names.
    pub(super) fn enter_without_sync(&self, active: &Active, draft: &file::Draft) -> Result<()> {
        for address in active.0.ips() {
            let path = self.address_path(&active.0.eni, address);
            file::remove(&path)?;
            draft.name_too(&path)?;
        }
        Ok(())
    }

    /// The same for addresses that have an entry already. Holders of the ENI's lock may look for it at this moment, so it is
    /// replaced, and never missing.
    pub(super) fn enter_in_place(&self, active: &Active, draft: &file::Draft) -> Result<()> {
        for address in active.0.ips() {
            draft.name_over(&self.address_path(&active.0.eni, address))?;
        }
        file::sync_directory(&self.address_directory())
    }

    /// Makes a changed release durable. The entries that are names of the old file become names of the new one, so that they
    /// tell what it is about if it is damaged one day. That is a precaution: its failure stops no release.
    pub(super) fn replace_release(&self, path: &Path, release: &Release) -> Result<()> {
        let draft = file::Draft::write(&self.releasing_directory(), &release.encode(path)?, |_| Ok(()))?;
        for entry in release.allocation.ips().map(|ip| self.address_path(&release.allocation.eni, ip)) {
            if file::is_same(&entry, path) {
                let _ = file::remove(&entry).and_then(|()| draft.name_too(&entry));
            }
        }
        draft.replace(path)?;
        file::sync_directory(&self.releasing_directory())
    }

    /// Forgets the owner of an address that is off the ENI.
    pub(super) fn forget_owner_of(&self, eni: &EniId, address: IpAddr) -> Result<()> {
        if self.owner_of(eni, address)?.is_none() {
            file::remove(&self.address_path(eni, address))?;
        }
        Ok(())
    }
}
