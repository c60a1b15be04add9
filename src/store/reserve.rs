//! The reserve: addresses that are assigned to an ENI and no pod's.
//!
//! `reserved/<eni>/<ip>` is an *entry*. The entries that are made together are names of one file, so that many cost no more
//! fsyncs than one. An entry counts only if neither an active nor a releasing record names its address: a kill can leave both,
//! and then the record is right.
//!
//! The new name of an address is durable before the old one goes, and ECS is never asked to unassign what an entry names.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::{Timestamp, boot_of_records, is_earlier_boot, up_for};
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::store::error::Result;
use crate::store::lock::Lock;
use crate::store::record_name::ReleaseName;
use crate::store::schema::{self, SCHEMA};
use crate::store::{Store, file};

/// What an entry says beside its address and its ENI, which are its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// The network that put it there. Any may take it; only this one gives it back.
    pub(crate) network: String,
    /// The region of the ENI.
    #[serde(rename = "regionId")]
    pub(crate) region: RegionId,
    /// The boot in which it was put there.
    #[serde(default)]
    pub(crate) boot_id: String,
    /// When it was put there.
    pub(crate) since: Timestamp,
    /// Since when no pod has had the address; `None` where it came straight from ECS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rests_since: Option<Timestamp>,
}

/// An address in the reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) address: IpAddr,
    pub(crate) entry: Entry,
}

/// The file of an entry.
#[derive(Serialize, Deserialize)]
struct Document {
    schema: u32,
    entry: Entry,
}

impl Entry {
    /// One that begins now. `rests` where a pod has had the address.
    pub(crate) fn new(network: &str, region: &RegionId, rests: bool) -> Self {
        let now = Timestamp::now();
        let rests_since = rests.then_some(now);
        Self {
            network: network.to_owned(),
            region: region.clone(),
            boot_id: boot_of_records(),
            since: now,
            rests_since,
        }
    }

    /// For how much longer a new pod must not get the address. One of an earlier boot rests from the start of this one.
    pub(crate) fn left_to_rest(&self, delay: Duration, now: Timestamp) -> Duration {
        if is_earlier_boot(&self.boot_id) {
            return delay.saturating_sub(up_for().unwrap_or_default());
        }
        self.rests_since.map_or(Duration::ZERO, |since| delay.saturating_sub(since.age(now)))
    }
}

impl Store {
    pub(super) fn reserved_directory(&self) -> PathBuf {
        self.directory.join("reserved")
    }

    fn reserved_path(&self, eni: &EniId, address: IpAddr) -> PathBuf {
        self.reserved_directory().join(eni.as_str()).join(address.to_string())
    }

    /// Every ENI that ever had an entry.
    pub(crate) fn reserved_enis(&self) -> Result<Vec<EniId>> {
        let names = file::names(&self.reserved_directory())?;
        Ok(names.into_iter().filter_map(|name| EniId::try_from(name).ok()).collect())
    }

    /// The addresses that entries of `eni` name, whether they count or not. Nothing is opened.
    pub(crate) fn reserved_addresses(&self, eni: &EniId) -> Result<Vec<IpAddr>> {
        let names = file::names(&self.reserved_directory().join(eni.as_str()))?;
        Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The entries of `eni` that count.
    ///
    /// # Errors
    /// The system's. A damaged entry is no error; it is passed over.
    pub(crate) fn reserved(&self, eni: &EniId) -> Result<Vec<Reserved>> {
        let addresses = self.reserved_addresses(eni)?;
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let releasing = self.named_by_releases(eni, &addresses)?;
        let mut found = Vec::new();
        for address in addresses {
            if releasing.contains(&address) || self.owner_of(eni, address)?.is_some() {
                continue;
            }
            if let Some(entry) = self.entry(eni, address)? {
                found.push(Reserved { address, entry });
            }
        }
        Ok(found)
    }

    /// Whether an address has an entry that counts.
    pub(super) fn is_reserved(&self, eni: &EniId, address: IpAddr) -> Result<bool> {
        Ok(file::exists(&self.reserved_path(eni, address))?
            && self.owner_of(eni, address)?.is_none()
            && self.named_by_releases(eni, &[address])?.is_empty())
    }

    pub(super) fn entry(&self, eni: &EniId, address: IpAddr) -> Result<Option<Entry>> {
        let path = self.reserved_path(eni, address);
        let Some(content) = file::read(&path)? else { return Ok(None) };
        match schema::parse::<Document>(&content) {
            Ok(Document { entry, .. }) => Ok(Some(entry)),
            // TODO(reserve): a damaged one becomes releasing by its name.
            Err(misread) => {
                log::error!("{}", misread.into_error(&path));
                Ok(None)
            }
        }
    }

    /// Those of `addresses` of `eni` that releasing records name.
    fn named_by_releases(&self, eni: &EniId, addresses: &[IpAddr]) -> Result<BTreeSet<IpAddr>> {
        let mut named = BTreeSet::new();
        for name in file::names(&self.releasing_directory())? {
            if !ReleaseName::of(&name).may_name(eni, addresses) {
                continue;
            }
            if let Some(release) = self.read_releasing(&name)?.filter(|it| it.allocation.eni == *eni) {
                named.extend(release.allocation.ips().filter(|ip| addresses.contains(ip)));
            }
        }
        Ok(named)
    }

    /// Writes the file of entries that are about to be named.
    pub(super) fn draft_entry(&self, eni: &EniId, entry: &Entry) -> Result<file::Draft> {
        let directory = self.reserved_directory().join(eni.as_str());
        file::make_directory(&directory)?;
        let document = Document { schema: SCHEMA, entry: entry.clone() };
        let content = super::digest::seal(schema::encode_with_clock(&document, &directory)?);
        file::Draft::write(&directory, &content, |_| Ok(()))
    }

    /// Names these addresses in the reserve. The caller makes that durable by [`Store::make_reserve_durable`].
    pub(super) fn name_reserved(
        &self,
        eni: &EniId,
        addresses: &[IpAddr],
        draft: &file::Draft,
        _lock: &Lock,
    ) -> Result<()> {
        for &address in addresses {
            let path = self.reserved_path(eni, address);
            file::remove(&path)?;
            draft.name_too(&path)?;
        }
        Ok(())
    }

    pub(super) fn make_reserve_durable(&self, eni: &EniId) -> Result<()> {
        let directory = self.reserved_directory().join(eni.as_str());
        if file::exists(&directory)? { file::sync_directory(&directory) } else { Ok(()) }
    }

    /// Removes the entries of these addresses, and says whether there were any. The caller makes that durable where it matters.
    pub(super) fn forget_reserved(&self, eni: &EniId, addresses: &[IpAddr], _lock: &Lock) -> Result<bool> {
        let mut any = false;
        for &address in addresses {
            let path = self.reserved_path(eni, address);
            if file::exists(&path)? {
                file::remove(&path)?;
                any = true;
            }
        }
        Ok(any)
    }
}
