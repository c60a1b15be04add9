//! Out of the reserve and to ECS: an entry becomes a release of nobody's, which is durable before the entry goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::{Family, RegionId};
use crate::store::error::Result;
use crate::store::lock::Lock;
use crate::store::record::{Allocation, ReleaseProgress};
use crate::store::reserve::Found;
use crate::store::{Entry, ReleaseId, Reserved, Store};

impl Store {
    /// Makes releases of the entries of these addresses. Passed over are addresses without an entry, and those that an active
    /// record names.
    ///
    /// # Errors
    /// The system's. An address is then in the reserve, releasing, or both, in which case it is releasing.
    pub(crate) fn release_reserved(
        &self,
        eni: &EniId,
        addresses: &[IpAddr],
        deadline: Deadline,
    ) -> Result<Vec<ReleaseId>> {
        let lock = self.lock(deadline)?;
        self.release_entries(eni, addresses, None, &lock)
    }

    /// Makes releases of what networks have on `eni` beyond what they keep there of each family, unless an ADD of the network waits for
    /// addresses: of `most` addresses of each family. `keeps` says how many a network keeps, and nothing of a network
    /// whose entries are to be left alone. What a pod had last is given back first. Damaged entries are given back as well; the ENI is
    /// in `region` if nothing else says where it is.
    ///
    /// # Errors
    /// As for [`Store::release_reserved`].
    pub(crate) fn release_surplus(
        &self,
        eni: &EniId,
        keeps: impl Fn(&str) -> Option<usize>,
        most: usize,
        region: Option<&RegionId>,
        deadline: Deadline,
    ) -> Result<Vec<ReleaseId>> {
        if self.reserved_addresses(eni)?.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.lock(deadline)?;
        let (counting, damaged) = self.look_at_reserve(eni)?;
        let mut by_network: BTreeMap<(String, Family), Vec<Reserved>> = BTreeMap::new();
        for it in counting {
            by_network.entry((it.entry.network.clone(), Family::of(it.address))).or_default().push(it);
        }
        let mut chosen: Vec<IpAddr> = damaged.into_iter().map(|(address, _)| address).collect();
        let mut waited_for = BTreeMap::new();
        let mut left = BTreeMap::from([(Family::V4, most), (Family::V6, most)]);
        for ((network, family), mut entries) in by_network {
            let Some(keep) = keeps(&network).filter(|keep| entries.len() > *keep) else { continue };
            if !waited_for.contains_key(&network) {
                waited_for.insert(network.clone(), self.is_waited_for(&network, eni)?);
            }
            if waited_for[&network] {
                continue;
            }
            // Those that have rested longest are kept.
            entries.sort_by_key(|it| (it.entry.rests_since, it.address));
            let left = left.entry(family).or_default();
            let given = entries.iter().skip(keep).rev().take(*left).map(|it| it.address);
            let before = chosen.len();
            chosen.extend(given);
            *left -= chosen.len() - before;
        }
        self.release_entries(eni, &chosen, region, &lock)
    }

    /// Makes a release of the entry of which a pod had the address last, among those of a family that may not be taken before they have
    /// rested for `delay`: first of `network`, then of any. `None` where there is none.
    ///
    /// # Errors
    /// As for [`Store::release_reserved`].
    pub(crate) fn release_unrested(
        &self,
        (eni, family): (&EniId, Family),
        network: &str,
        delay: Duration,
        deadline: Deadline,
    ) -> Result<Option<ReleaseId>> {
        if self.reserved_addresses(eni)?.is_empty() {
            return Ok(None);
        }
        let lock = self.lock(deadline)?;
        let (now, state) = (Timestamp::now(), self.eni_state(eni)?);
        let mut entries = self.reserved(eni)?;
        entries.retain(|it| Family::of(it.address) == family && !state.is_in_doubt(it.address, now));
        let left = |it: &Reserved| it.entry.left_to_rest(delay, now);
        entries.retain(|it| !left(it).is_zero());
        let youngest = entries.iter().max_by_key(|it| (it.entry.network == network, left(it), it.address));
        let Some(youngest) = youngest else { return Ok(None) };
        Ok(self.release_entries(eni, &[youngest.address], None, &lock)?.pop())
    }

    /// The same for whoever holds the store's lock.
    fn release_entries(
        &self,
        eni: &EniId,
        addresses: &[IpAddr],
        region: Option<&RegionId>,
        lock: &Lock,
    ) -> Result<Vec<ReleaseId>> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let releasing = self.named_by_releases(eni, addresses)?;
        let (mut records, mut given) = (BTreeMap::<_, Allocation>::new(), Vec::new());
        for &address in addresses.iter().collect::<BTreeSet<_>>() {
            let entry = match self.find_entry(eni, address)? {
                Found::Nothing | Found::Newer => continue,
                Found::Entry(entry) => entry,
                Found::Damaged(why) => {
                    let known = self.region_of_any(eni)?.or(region.cloned());
                    let Some(region) = known else { continue };
                    log::warn!("the damaged entry of {address} on {eni} ({why}) is given back");
                    // In which boot it was made is not known, as of any damaged record.
                    Entry { boot_id: String::new(), ..Entry::new("", &region, true) }
                }
            };
            if self.owner_of(eni, address)?.is_some() {
                continue;
            }
            given.push(address);
            if releasing.contains(&address) {
                continue;
            }
            let key = (entry.network.clone(), entry.region.clone(), entry.boot_id.clone());
            let record = records.entry(key).or_insert_with(|| allocation_of(eni, &entry));
            record.addresses.push(Address::alone(address));
            record.since = record.since.max(entry.since);
        }
        if records.is_empty() && !given.is_empty() {
            self.make_moves_durable()?;
        }
        let progress = ReleaseProgress::default;
        let put = records.into_values().map(|it| self.put_releasing(it, progress()));
        let ids = put.collect::<Result<Vec<_>>>()?;
        // A leader makes that durable before it sends.
        self.forget_reserved(eni, &given, lock)?;
        Ok(ids)
    }
}

fn allocation_of(eni: &EniId, entry: &Entry) -> Allocation {
    Allocation {
        owner: Attachment::nobody(),
        network: entry.network.clone(),
        eni: eni.clone(),
        region: entry.region.clone(),
        addresses: Vec::new(),
        pod: None,
        boot_id: entry.boot_id.clone(),
        since: entry.since,
    }
}
