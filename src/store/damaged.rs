//! The release of what a damaged record named.
//!
//! A record that cannot be read does not say what it names. But each of its addresses has an entry in `address/`, which is another
//! name of the same file and says on which ENI which address is. That is enough to release them, once the pod is known to be
//! gone. Where no entry leads to the file, a person has to decide.

use std::net::IpAddr;
use std::path::Path;

use log::Level;

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::store::error::Result;
use crate::store::record::{Active, Allocation, Release, ReleaseProgress};
use crate::store::record_name::record_name;
use crate::store::{Store, file};

impl Store {
    /// The names of the damaged records of `owner` that were set aside, whether they were in use or releasing.
    pub(super) fn set_aside(&self, owner: &Attachment) -> Result<Vec<String>> {
        let mut names = file::names(&self.quarantine_directory())?;
        if !names.is_empty() {
            let prefixes = ["active", "releasing"].map(|state| format!("{state}-{}.", record_name(owner)));
            names.retain(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        }
        Ok(names)
    }

    /// Makes releases of the damaged records of `owner`, a DEL of which has come, and of which the network is known. Their ENI
    /// is in `region`, unless another record says where it is. Returns whether there is a release now that was not there.
    ///
    /// # Errors
    /// [`Busy`](super::Error::Busy) and the system's. The files stay set aside then.
    pub fn release_set_aside(
        &self,
        owner: &Attachment,
        network: &str,
        region: impl FnOnce() -> Option<RegionId>,
        deadline: Deadline,
    ) -> Result<bool> {
        self.release_these(&self.set_aside(owner)?, (owner, network), region, deadline)
    }

    /// The same for all damaged releases, whose DELs have come. Nobody knows the attachments.
    ///
    /// # Errors
    /// [`Busy`](super::Error::Busy) and the system's. The files stay where they are then, or set aside.
    pub fn release_damaged_releases(
        &self,
        region: impl FnOnce() -> Option<RegionId>,
        deadline: Deadline,
    ) -> Result<()> {
        for name in file::names(&self.releasing_directory())? {
            if let Err(error) = self.read_releasing(&name) {
                log::error!("{error}");
            }
        }
        let mut names = file::names(&self.quarantine_directory())?;
        names.retain(|name| name.starts_with("releasing-"));
        self.release_these(&names, (&Attachment::nobody(), ""), region, deadline).map(drop)
    }

    /// Makes releases of those of these set aside files that entries lead to. Whether there are any.
    fn release_these(
        &self,
        names: &[String],
        (owner, network): (&Attachment, &str),
        region: impl FnOnce() -> Option<RegionId>,
        deadline: Deadline,
    ) -> Result<bool> {
        if names.is_empty() {
            return Ok(false);
        }
        let region = region();
        let _lock = self.lock(deadline)?;
        file::make_directory(&self.releasing_directory())?;
        let mut any = false;
        for path in names.iter().map(|name| self.quarantine_directory().join(name)) {
            let Some(found) = self.named_by(&path, region.as_ref())? else { continue };
            let allocation = Allocation { owner: owner.clone(), network: network.to_owned(), ..found };
            allocation.event("").say(
                Level::Warn,
                format_args!("the damaged record {} had its addresses: releasing them", path.display()),
            );
            self.put_releasing(allocation, ReleaseProgress::default())?;
            file::remove(&path)?;
            file::sync_directory(&self.quarantine_directory())?;
            any = true;
        }
        Ok(any)
    }

    /// Puts a release of the same addresses in the place of a damaged one; `None` where they are not known.
    pub(super) fn mend_release(&self, name: &str) -> Result<Option<Release>> {
        let path = self.releasing_directory().join(name);
        let Some(allocation) = self.named_by(&path, None)? else { return Ok(None) };
        allocation.event("").say(
            Level::Warn,
            format_args!("the damaged release {} is of its addresses, and goes on", path.display()),
        );
        let release = Release { name: name.to_owned(), allocation, progress: ReleaseProgress::default() };
        file::replace(&path, &release.encode(&path)?)?;
        Ok(Some(release))
    }

    /// What the entries in `address/` say of the file at `path`; `None` where none leads to it, or nothing says where its ENI
    /// is. Nobody knows in which boot it was made, so it counts as one of an earlier boot.
    fn named_by(&self, path: &Path, region: Option<&RegionId>) -> Result<Option<Allocation>> {
        let entries = self.entries()?;
        let leads_to_it = |name: &str| file::is_same(&self.address_directory().join(name), path);
        let mut addresses: Vec<_> = entries.iter().filter(|(name, ..)| leads_to_it(name)).collect();
        addresses.sort_by_key(|(_, _, address)| *address);
        let Some((_, eni, _)) = addresses.first() else { return Ok(None) };
        addresses.retain(|(_, other, _)| other == eni);
        let Some(region) = self.region_of(eni, &entries)?.or(region.cloned()) else { return Ok(None) };
        Ok(Some(Allocation {
            owner: Attachment::nobody(),
            network: String::new(),
            eni: eni.clone(),
            region,
            addresses: addresses.iter().map(|(_, _, address)| Address::alone(*address)).collect(),
            pod: None,
            boot_id: String::new(),
            since: Timestamp::now(),
        }))
    }

    /// Every entry of an address: its name, and the ENI and the address in it.
    fn entries(&self) -> Result<Vec<(String, EniId, IpAddr)>> {
        let parse = |name: String| {
            let (eni, address) = name.rsplit_once('-')?;
            let (eni, address) = (EniId::try_from(eni.to_owned()).ok()?, address.parse().ok()?);
            Some((name, eni, address))
        };
        Ok(file::names(&self.address_directory())?.into_iter().filter_map(parse).collect())
    }

    /// Where an ENI is, as any record says.
    pub(super) fn region_of_any(&self, eni: &EniId) -> Result<Option<RegionId>> {
        self.region_of(eni, &self.entries()?)
    }

    /// The same, where it is known which records name addresses of the ENI.
    fn region_of(&self, eni: &EniId, entries: &[(String, EniId, IpAddr)]) -> Result<Option<RegionId>> {
        let in_use = entries.iter().filter(|(_, other, _)| other == eni);
        let in_use = in_use.map(|(name, ..)| self.address_directory().join(name));
        let releasing = file::names(&self.releasing_directory())?;
        let releasing = releasing.iter().map(|name| self.releasing_directory().join(name));
        for path in in_use.chain(releasing) {
            // A release reads as an active record.
            if let Some(Ok(Active(other))) = file::read(&path)?.map(|content| Active::parse(&content))
                && other.eni == *eni
            {
                return Ok(Some(other.region));
            }
        }
        Ok(None)
    }
}
