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
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_of_records, is_earlier_boot, up_for};
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::store::error::{Error, Result};
use crate::store::lock::Lock;
use crate::store::record::Allocation;
use crate::store::record_name::ReleaseName;
use crate::store::schema::{self, Misread, SCHEMA};
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

/// The address of an entry that cannot be read, and why.
pub(super) type Damaged = (IpAddr, String);

/// What is in the place of an entry.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// An entry, whether it counts or not.
    Entry(Entry),
    /// One of a later version, or no plain file of this user's: it is left alone.
    NotOurs,
    /// Something that cannot be read, and why. The name says the address and the ENI all the same.
    Damaged(String),
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

    pub(super) fn parse(content: &[u8]) -> std::result::Result<Self, Misread> {
        schema::parse(content).map(|Document { entry, .. }| entry)
    }

    /// It as a record of nobody's, still without addresses.
    pub(super) fn allocation(&self, eni: &EniId) -> Allocation {
        Allocation {
            owner: Attachment::nobody(),
            network: self.network.clone(),
            eni: eni.clone(),
            region: self.region.clone(),
            addresses: Vec::new(),
            pod: None,
            boot_id: self.boot_id.clone(),
            since: self.since,
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

    /// The directory of the entries of `eni`.
    pub(super) fn entries_directory(&self, eni: &EniId) -> PathBuf {
        self.reserved_directory().join(eni.as_str())
    }

    pub(super) fn reserved_path(&self, eni: &EniId, address: IpAddr) -> PathBuf {
        self.entries_directory(eni).join(address.to_string())
    }

    /// Every ENI that ever had an entry.
    pub(crate) fn reserved_enis(&self) -> Result<Vec<EniId>> {
        let names = file::names(&self.reserved_directory())?;
        Ok(names.into_iter().filter_map(|name| EniId::try_from(name).ok()).collect())
    }

    /// The addresses that entries of `eni` name, whether they count or not. Nothing is opened.
    pub(crate) fn reserved_addresses(&self, eni: &EniId) -> Result<Vec<IpAddr>> {
        let names = file::names(&self.entries_directory(eni))?;
        Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The entries of `eni` that count. Nobody need hold a lock; whoever takes one looks again.
    ///
    /// # Errors
    /// The system's. A damaged entry is no error; it is passed over.
    pub(crate) fn reserved(&self, eni: &EniId) -> Result<Vec<Reserved>> {
        let (counting, damaged) = self.look_at_reserve(eni)?;
        for (address, why) in damaged {
            log::warn!("the entry of {address} on {eni} in the reserve is damaged ({why}) and not used");
        }
        Ok(counting)
    }

    /// The entries of `eni` that count, and those that are damaged.
    pub(super) fn look_at_reserve(&self, eni: &EniId) -> Result<(Vec<Reserved>, Vec<Damaged>)> {
        let addresses = self.reserved_addresses(eni)?;
        if addresses.is_empty() {
            return Ok(Default::default());
        }
        let releasing = self.named_by_releases(eni, &addresses)?;
        let (mut counting, mut damaged) = (Vec::new(), Vec::new());
        for address in addresses {
            match self.find_entry(eni, address)? {
                Found::Entry(entry) if self.counts(eni, address, &releasing)? => {
                    counting.push(Reserved { address, entry });
                }
                Found::Damaged(why) => damaged.push((address, why)),
                Found::Entry(_) | Found::Nothing | Found::NotOurs => {}
            }
        }
        Ok((counting, damaged))
    }

    /// Whether at least `enough` of these addresses have entries that count and that `is_chosen` chooses. No more files are
    /// opened than it takes.
    pub(super) fn count_at_least(
        &self,
        enough: usize,
        eni: &EniId,
        addresses: &[IpAddr],
        is_chosen: impl Fn(&Entry) -> bool,
    ) -> Result<bool> {
        let releasing = self.named_by_releases(eni, addresses)?;
        let mut found = 0;
        for &address in addresses {
            if let Found::Entry(entry) = self.find_entry(eni, address)?
                && is_chosen(&entry)
                && self.counts(eni, address, &releasing)?
            {
                found += 1;
            }
            if found >= enough {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The entry of this address, if it counts.
    pub(crate) fn reserved_one(&self, eni: &EniId, address: IpAddr) -> Result<Option<Reserved>> {
        let Found::Entry(entry) = self.find_entry(eni, address)? else { return Ok(None) };
        let counts = self.counts(eni, address, &self.named_by_releases(eni, &[address])?)?;
        Ok(counts.then_some(Reserved { address, entry }))
    }

    /// Those of `addresses` of `eni` that are releasing or in the reserve.
    pub(super) fn named_but_unused(&self, eni: &EniId, addresses: &[IpAddr]) -> Result<BTreeSet<IpAddr>> {
        let releasing = self.named_by_releases(eni, addresses)?;
        let mut named = releasing.clone();
        for &address in addresses {
            if matches!(self.find_entry(eni, address)?, Found::Entry(_))
                && self.counts(eni, address, &releasing)?
            {
                named.insert(address);
            }
        }
        Ok(named)
    }

    fn counts(&self, eni: &EniId, address: IpAddr, releasing: &BTreeSet<IpAddr>) -> Result<bool> {
        Ok(!releasing.contains(&address) && self.owner_of(eni, address)?.is_none())
    }

    pub(super) fn find_entry(&self, eni: &EniId, address: IpAddr) -> Result<Found> {
        let path = self.reserved_path(eni, address);
        let content = match file::read(&path) {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(Found::Nothing),
            // The other entries are as good as ever.
            Err(error @ Error::Untrusted { .. }) => {
                log::error!("{error}");
                return Ok(Found::NotOurs);
            }
            Err(error) => return Err(error),
        };
        Ok(match Entry::parse(&content) {
            Ok(entry) => Found::Entry(entry),
            Err(Misread::Damaged(why)) => Found::Damaged(why),
            Err(newer) => {
                log::error!("{}", newer.into_error(&path));
                Found::NotOurs
            }
        })
    }

    /// Whether any of these addresses has an entry, whether it counts or not.
    pub(super) fn has_entry_of(&self, eni: &EniId, addresses: &[IpAddr]) -> Result<bool> {
        for &address in addresses {
            if file::exists(&self.reserved_path(eni, address))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those of `addresses` of `eni` that releasing records name. One that cannot be read names what its name says.
    pub(crate) fn named_by_releases(&self, eni: &EniId, addresses: &[IpAddr]) -> Result<BTreeSet<IpAddr>> {
        let mut named = BTreeSet::new();
        for name in file::names(&self.releasing_directory())? {
            let said = ReleaseName::of(&name);
            if !said.may_name(eni, addresses) {
                continue;
            }
            match self.read_releasing(&name) {
                Ok(release) => {
                    let release = release.filter(|it| it.allocation.eni == *eni);
                    named.extend(release.iter().flat_map(|it| it.allocation.ips()));
                }
                Err(error) => {
                    log::error!("{error}");
                    named.extend(said.addresses_of(eni));
                }
            }
        }
        named.retain(|it| addresses.contains(it));
        Ok(named)
    }

    /// Writes the file of entries that are about to be named.
    pub(super) fn draft_entry(&self, eni: &EniId, entry: &Entry) -> Result<file::Draft> {
        let directory = self.entries_directory(eni);
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
            if file::exists(&path)? {
                // One that a killed ADD left beside a record which is not durable: the address must have a name at any moment.
                draft.name_over(&path)?;
            } else {
                draft.name_too(&path)?;
            }
        }
        Ok(())
    }

    /// Makes the entries of `eni`, and the removal of others, durable.
    pub(super) fn make_reserve_durable(&self, eni: &EniId) -> Result<()> {
        let directory = self.entries_directory(eni);
        if file::exists(&directory)? { file::sync_directory(&directory) } else { Ok(()) }
    }

    /// Removes the entries of these addresses, where there are any. The caller makes that durable where it matters.
    pub(super) fn forget_reserved(&self, eni: &EniId, addresses: &[IpAddr], _lock: &Lock) -> Result<()> {
        addresses.iter().try_for_each(|&address| file::remove(&self.reserved_path(eni, address)))
    }

    /// When the names of the entries of `eni` last changed, in nanoseconds by the wall clock; `None` if there never was one.
    pub(super) fn reserve_changed_at(&self, eni: &EniId) -> Result<Option<u64>> {
        let directory = self.entries_directory(eni);
        match std::fs::metadata(&directory).and_then(|it| it.modified()) {
            Ok(moment) => Ok(Some(nanoseconds(moment))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("inspect", &directory)(error)),
        }
    }
}

/// Since 1970.
pub(super) fn nanoseconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
