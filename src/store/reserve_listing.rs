//! The reserve as people and monitoring see it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::store::error::Result;
use crate::store::record::{Allocation, ReleaseProgress};
use crate::store::{Entry, Listed, Reserved, State, Store, file};

impl Store {
    /// How many entries each ENI has, by their names: nothing is opened. ENIs without any are left out.
    pub fn reserved_counts(&self) -> Result<Vec<(EniId, usize)>> {
        let mut counts = Vec::new();
        for eni in self.reserved_enis()? {
            let count = self.reserved_addresses(&eni)?.len();
            if count > 0 {
                counts.push((eni, count));
            }
        }
        counts.sort();
        Ok(counts)
    }

    /// Adds the entries that are there and not in `found`, by their files.
    pub(super) fn add_entries(&self, found: &mut BTreeMap<PathBuf, Listed>) -> Result<()> {
        for eni in self.reserved_enis()? {
            for address in self.reserved_addresses(&eni)? {
                let path = self.reserved_path(&eni, address);
                if found.contains_key(&path) {
                    continue;
                }
                let Some(content) = file::read(&path)? else { continue };
                let listed = match Entry::parse(&content) {
                    Ok(entry) => Listed::reserved(path.clone(), &eni, address, &entry),
                    Err(misread) => Listed::quarantined(&path, misread),
                };
                found.insert(path, listed);
            }
        }
        Ok(())
    }

    /// Whether an ADD could get an address of `eni` by the reserve though ECS has none left: it takes one that has rested, or gives back
    /// one that has not, whichever network keeps it, and asks for another.
    pub(crate) fn has_spare(&self, eni: &EniId, family: Family) -> Result<bool> {
        let entries = self.reserved(eni)?;
        let (state, now) = (self.eni_state(eni)?, Timestamp::now());
        let is_spare =
            |it: &Reserved| Family::of(it.address) == family && !state.is_in_doubt(it.address, now);
        Ok(entries.iter().any(is_spare))
    }
}

impl Listed {
    fn reserved(path: PathBuf, eni: &EniId, address: IpAddr, entry: &Entry) -> Self {
        let addresses = vec![Address::alone(address)];
        Self {
            state: State::Reserved,
            path,
            owner: Attachment::nobody(),
            progress: ReleaseProgress::default(),
            releasing_since: None,
            rests_since: entry.rests_since,
            allocation: Some(Allocation { addresses, ..entry.allocation(eni) }),
        }
    }

    /// The entries but those of addresses that a record has.
    pub(super) fn counting(entries: BTreeMap<PathBuf, Self>, records: &[Self]) -> Vec<Self> {
        if entries.is_empty() {
            return Vec::new();
        }
        let named: BTreeSet<(&EniId, IpAddr)> = records
            .iter()
            .filter_map(|it| it.allocation.as_ref())
            .flat_map(|it| it.ips().map(move |address| (&it.eni, address)))
            .collect();
        let counts = |it: &Self| {
            let mut addresses = it.allocation.iter().flat_map(|it| it.ips().map(move |ip| (&it.eni, ip)));
            !addresses.any(|address| named.contains(&address))
        };
        entries.into_values().filter(counts).collect()
    }

    /// The ENI and the address of a damaged entry of the reserve, which its name tells.
    pub(crate) fn damaged_entry(&self) -> Option<(EniId, IpAddr)> {
        let directory = self.path.parent()?;
        if self.state != State::Quarantined || !directory.parent()?.ends_with("reserved") {
            return None;
        }
        let address = self.path.file_name()?.to_str()?.parse().ok()?;
        Some((EniId::try_from(directory.file_name()?.to_str()?.to_owned()).ok()?, address))
    }
}
