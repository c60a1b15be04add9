//! Out of the reserve and to ECS: an entry becomes a release of nobody's, which is durable before the entry goes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::base::address::Address;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::{Family, RegionId};
use crate::store::error::Result;
use crate::store::lock::Lock;
use crate::store::record::{Allocation, ReleaseProgress};
use crate::store::reserve::Found;
use crate::store::sharing::Place;
use crate::store::{Entry, ReleaseId, Reserved, Store};

/// What is kept in the reserve of an ENI.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "it holds a function")]
pub(crate) struct Kept<'a> {
    /// How many entries of a network on an ENI, in each family; `None` where none is to be given back.
    pub(crate) of: &'a dyn Fn(&EniId, &str, Family) -> Option<usize>,
    /// The most to be given back at a time, of each network and family.
    pub(crate) most: usize,
    /// Where the ENI is, if nothing else says so.
    pub(crate) region: Option<&'a RegionId>,
}

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

    /// Makes releases of what networks have on `eni` beyond what they keep there, unless an ADD of the network waits for
    /// addresses. What a pod had last is given back first. Damaged entries are given back as well.
    ///
    /// # Errors
    /// As for [`Store::release_reserved`].
    pub(crate) fn release_surplus(
        &self,
        eni: &EniId,
        kept: &Kept<'_>,
        deadline: Deadline,
    ) -> Result<Vec<ReleaseId>> {
        self.release_surplus_from(Place::Runtime, eni, kept, deadline)
    }

    fn release_surplus_from(
        &self,
        place: Place,
        eni: &EniId,
        kept: &Kept<'_>,
        deadline: Deadline,
    ) -> Result<Vec<ReleaseId>> {
        if self.reserved_addresses(eni)?.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.lock(deadline)?;
        let (counting, damaged) = self.look_at_reserve(eni)?;
        let mut chosen: Vec<IpAddr> = damaged.into_iter().map(|(address, _)| address).collect();
        let mut of_networks: BTreeMap<(String, Family), Vec<Reserved>> = BTreeMap::new();
        for it in counting {
            let key = (it.entry.network.clone(), Family::of(it.address));
            of_networks.entry(key).or_default().push(it);
        }
        for ((network, family), mut entries) in of_networks {
            let Some(keep) = (kept.of)(eni, &network, family).filter(|keep| entries.len() > *keep) else {
                continue;
            };
            if !self.is_waited_for(&network, eni, place, &lock)? {
                // Those that have rested longest are kept.
                entries.sort_by_key(|it| (it.entry.rests_since, it.address));
                chosen.extend(entries.iter().skip(keep).rev().take(kept.most).map(|it| it.address));
            }
        }
        self.release_entries(eni, &chosen, kept.region, &lock)
    }

    /// The same on every ENI, for the calls that speak for the whole node.
    ///
    /// # Errors
    /// The first one; the rest has been done all the same.
    pub(crate) fn release_all_surplus(&self, kept: &Kept<'_>, deadline: Deadline) -> Result<Vec<ReleaseId>> {
        let (mut given, mut outcome) = (Vec::new(), Ok(()));
        for eni in self.reserved_enis()? {
            match self.release_surplus_from(Place::Unknown, &eni, kept, deadline) {
                Ok(found) => given.extend(found),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome.map(|()| given)
    }

    /// Makes releases of up to `count` entries of a family that may not be taken before they have rested for `delay`: first those of
    /// `network`, and first those of which a pod had the address last.
    ///
    /// # Errors
    /// As for [`Store::release_reserved`].
    pub(crate) fn release_unrested(
        &self,
        (eni, family): (&EniId, Family),
        network: &str,
        (delay, count): (Duration, usize),
        deadline: Deadline,
    ) -> Result<Vec<ReleaseId>> {
        if self.reserved_addresses(eni)?.is_empty() {
            return Ok(Vec::new());
        }
        let lock = self.lock(deadline)?;
        let (now, state) = (Timestamp::now(), self.eni_state(eni)?);
        let left = |it: &Reserved| it.entry.left_to_rest(delay, now);
        let mut entries = self.reserved(eni)?;
        entries.retain(|it| {
            Family::of(it.address) == family && !state.is_in_doubt(it.address, now) && !left(it).is_zero()
        });
        entries.sort_by_key(|it| Reverse((it.entry.network == network, left(it), it.address)));
        let chosen: Vec<IpAddr> = entries.iter().take(count).map(|it| it.address).collect();
        self.release_entries(eni, &chosen, None, &lock)
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
                Found::Nothing | Found::NotOurs => continue,
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
            let record = records.entry(key).or_insert_with(|| entry.allocation(eni));
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
