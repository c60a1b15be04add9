//! How many addresses each ENI has in which state, by names in directories: nothing is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::region::Family;
use crate::store::error::Result;
use crate::store::record_name::ReleaseName;
use crate::store::{Store, file};

/// Numbers of addresses.
pub(crate) type Census = BTreeMap<(EniId, Family), usize>;

/// What is being released.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    /// How many releases there are.
    pub(crate) count: usize,
    /// When the oldest of each ENI began. `None` stands for the ENIs of those that do not name theirs: requests in doubt may add to
    /// them.
    pub(crate) oldest: BTreeMap<Option<EniId>, Timestamp>,
    /// The addresses that they name.
    addresses: BTreeSet<(EniId, IpAddr)>,
}

impl Releases {
    /// How many addresses of each ENI they name.
    pub(crate) fn census(&self) -> Census {
        count(self.addresses.iter().map(|(eni, address)| (eni.clone(), *address)))
    }
}

impl Store {
    /// What is being released, by the names of the records.
    pub(crate) fn releases(&self) -> Result<Releases> {
        let mut found = Releases::default();
        for name in file::names(&self.releasing_directory())? {
            found.count += 1;
            let name = ReleaseName::of(&name);
            let eni = name.eni();
            if let Some(began) = name.began() {
                let oldest = found.oldest.entry(eni.clone()).or_insert(began);
                *oldest = began.min(*oldest);
            }
            if let Some(eni) = eni {
                found.addresses.extend(name.addresses_of(&eni).into_iter().map(|it| (eni.clone(), it)));
            }
        }
        Ok(found)
    }

    /// The addresses that pods have. There is a name for each, so this is nothing for ADD and DEL. The name of an address stays until
    /// its release has ended.
    pub(crate) fn active_census(&self, releases: &Releases) -> Result<Census> {
        let names = file::names(&self.address_directory())?;
        let addresses = names.iter().filter_map(|name| {
            // An address has no hyphen, and an ENI may have any number.
            let (eni, address) = name.rsplit_once('-')?;
            Some((EniId::try_from(eni.to_owned()).ok()?, address.parse().ok()?))
        });
        Ok(count(addresses.filter(|it| !releases.addresses.contains(it))))
    }

    /// The addresses in the reserve.
    pub(crate) fn reserved_census(&self) -> Result<Census> {
        let mut found = Census::new();
        for eni in self.reserved_enis()? {
            let addresses = self.reserved_addresses(&eni)?;
            found.append(&mut count(addresses.into_iter().map(|address| (eni.clone(), address))));
        }
        Ok(found)
    }

    /// Where the metrics keep their totals: they may be lost at any time.
    pub(crate) fn metrics_directory(&self) -> PathBuf {
        self.directory.join("metrics")
    }
}

fn count(addresses: impl Iterator<Item = (EniId, IpAddr)>) -> Census {
    let mut census = Census::new();
    for (eni, address) in addresses {
        *census.entry((eni, Family::of(address))).or_default() += 1;
    }
    census
}
