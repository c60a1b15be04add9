//! Finds the ENI that addresses come from, its region and its vSwitch.
//!
//! What the configuration leaves out comes from instance metadata. None of it changes while the node runs and an interface
//! is the same ENI, so metadata is asked once a boot, and the answers are cached. The first call also checks that the ENI is
//! attached to this instance and belongs to no cloud service: a wrong id must not cost other pods their addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::base::clock::{Timestamp, boot_id};
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::{Family, RegionId};
use crate::cloud::ecs::{Client, Eni, EniKind};
use crate::cloud::metadata;
use crate::cloud::metadata::Metadata;
use crate::config;
use crate::config::{AddressSettings, Family4};

use super::eni_choice::EniChoice;
use super::eni_link::EniLink;
use super::ownership;
use super::placement::{EniPlacement, Subnet};
use crate::failure::{Failure, Result};
use crate::store::Store;

/// The IPv6 gateway below `ptp` where the ENI has no primary IPv6 address: a link-local one can be on the node's end of every pod's
/// interface.
const ON_EACH_LINK: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

/// What metadata and ECS have said of one ENI in this boot. Each part is asked for when it is first needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct KnownFacts {
    boot_id: String,
    region: Option<RegionId>,
    mac: Option<String>,
    eni: Option<EniId>,
    subnet: Option<IpNetwork>,
    gateway: Option<IpAddr>,
    subnet6: Option<IpNetwork>,
    gateway6: Option<IpAddr>,
    /// The ENI that was checked: it is attached to this instance and belongs to no cloud service.
    ours: Option<EniId>,
    /// The primary addresses of that ENI.
    primary: BTreeSet<IpAddr>,
    /// Whether that ENI is a secondary one.
    secondary: bool,
    /// When it was checked.
    known_since: Option<Timestamp>,
}

/// Finds it from the configuration, from the facts that earlier calls of this boot have cached, and from metadata.
pub(super) fn find_placement(
    client: &Client,
    store: &Store,
    settings: &AddressSettings,
    which: &EniChoice,
    deadline: Deadline,
) -> Result<EniPlacement> {
    let mut finder = NodeFacts::new(client, store, settings, which, deadline)?;
    let known = finder.facts.clone();
    let place = finder.place()?;
    if finder.facts != known {
        if known.ours != finder.facts.ours
            && let Some(mac) = &finder.facts.mac
        {
            EniLink::remember(store, &place.eni, mac)?;
        }
        store.remember(&cache_name(which), &finder.facts)?;
    }
    Ok(place)
}

/// The ENI that pods get addresses of, and its region. It does not check who has the ENI, and caches nothing.
pub(super) fn find_eni(
    client: &Client,
    store: &Store,
    settings: &AddressSettings,
    which: &EniChoice,
    deadline: Deadline,
) -> Result<(RegionId, EniId)> {
    let mut finder = NodeFacts::new(client, store, settings, which, deadline)?;
    Ok((finder.region()?, finder.eni()?))
}

/// The same as far as this node knows by itself: from the configuration, or from the facts of this boot. Nobody is asked.
///
/// # Errors
/// When the interface that the configuration names has no hardware address.
pub(super) fn known_eni(store: &Store, which: &EniChoice) -> Result<Option<EniId>> {
    let known = remembered(store, which)?;
    Ok(which.id().cloned().or(known.eni))
}

/// Whether the ENI was found in this boot, so that nobody need be asked.
pub(super) fn is_known(store: &Store, which: &EniChoice) -> bool {
    remembered(store, which).is_ok_and(|known| known.ours.is_some())
}

/// The region, as far as this node knows by itself. An instance stays in its region, so a fact of an earlier boot counts.
pub(crate) fn known_region(store: &Store, settings: &AddressSettings) -> Option<RegionId> {
    let remembered = || match EniChoice::of_one(settings) {
        Some(which) => store.remembered::<KnownFacts>(&cache_name(&which))?.region,
        None => store.all_remembered::<KnownFacts>(FACTS).into_iter().find_map(|facts| facts.region),
    };
    settings.region.clone().or_else(remembered)
}

/// The hardware address and the primary addresses of each ENI that was checked, in this boot or an earlier one: an ENI keeps both.
pub(crate) fn known_enis(store: &Store) -> Vec<(EniId, String, BTreeSet<IpAddr>)> {
    let all = store.all_remembered::<KnownFacts>(FACTS).into_iter();
    all.filter_map(|facts| Some((facts.ours?, facts.mac?, facts.primary))).collect()
}

/// How the names of all cached facts begin.
const FACTS: &str = "facts-";

/// The name of the cached facts: what the configuration says about the ENI.
fn cache_name(which: &EniChoice) -> String {
    format!("{FACTS}{}", which.file_name())
}

/// The facts of this boot, if the interface is still the same ENI, and the ENI's link is still there: one can be detached and
/// another attached while the node runs.
fn remembered(store: &Store, which: &EniChoice) -> Result<KnownFacts> {
    let (boot_id, mac) = (boot_id(), which.mac()?);
    let known = store.remembered::<KnownFacts>(&cache_name(which));
    let has_moved = |facts: &KnownFacts| facts.ours.as_ref().is_some_and(|eni| EniLink::has_gone(store, eni));
    let still_true = |facts: &KnownFacts| {
        facts.boot_id == boot_id && (mac.is_none() || facts.mac == mac) && !has_moved(facts)
    };
    Ok(known.filter(still_true).unwrap_or_else(|| KnownFacts { boot_id, mac, ..KnownFacts::default() }))
}

/// The keys without which an ADD has to ask metadata.
pub(crate) fn asked_from_metadata(client: &Client, settings: &AddressSettings) -> Vec<&'static str> {
    let ipv4 = settings.ipv4 != Family4::Off;
    let is_several = settings.interfaces.is_some();
    [
        (is_several, "ipam.networkInterfaceId in place of ipam.interfaces"),
        (settings.region.is_none(), "ipam.regionId"),
        (settings.eni.is_none() && !is_several, "ipam.networkInterfaceId"),
        (settings.ipv4 == Family4::FromMetadata, "ipam.subnet"),
        (ipv4 && settings.gateway.is_none() && !settings.below_ptp, "ipam.gateway"),
        (settings.ipv6 && settings.subnet6.is_none(), "ipam.subnet6"),
        (settings.ipv6 && settings.gateway6.is_none() && !settings.below_ptp, "ipam.gateway6"),
        (client.has_role_of_instance(), "ipam.credentials"),
    ]
    .into_iter()
    .filter_map(|(is_asked, key)| is_asked.then_some(key))
    .collect()
}

struct NodeFacts<'a> {
    client: &'a Client,
    store: &'a Store,
    deadline: Deadline,
    settings: &'a AddressSettings,
    which: &'a EniChoice,
    facts: KnownFacts,
}

impl<'a> NodeFacts<'a> {
    fn new(
        client: &'a Client,
        store: &'a Store,
        settings: &'a AddressSettings,
        which: &'a EniChoice,
        deadline: Deadline,
    ) -> Result<Self> {
        Ok(Self { client, store, deadline, settings, which, facts: remembered(store, which)? })
    }

    fn place(&mut self) -> Result<EniPlacement> {
        let region = self.region()?;
        let eni = self.eni()?;
        self.check_ownership(&region, &eni)?;
        let mut subnets = Vec::new();
        if self.settings.ipv4 != Family4::Off {
            let (block, gateway) = (self.subnet()?, self.gateway()?);
            self.check_gateway(block, gateway)?;
            subnets.push(Subnet { block, gateway: Some(gateway) });
        }
        if self.settings.ipv6 {
            subnets.push(Subnet { block: self.subnet6()?, gateway: self.gateway6()? });
        }
        let KnownFacts { mac, primary, secondary, known_since, .. } = self.facts.clone();
        Ok(EniPlacement { region, eni, mac, primary, secondary, known_since, subnets })
    }

    /// Asks metadata for something of the ENI.
    fn ask<T>(
        &mut self,
        what: impl FnOnce(&Metadata, &str, Deadline) -> std::result::Result<T, metadata::Error>,
    ) -> Result<T> {
        let mac = self.mac()?;
        self.told(what(self.client.metadata(), &mac, self.deadline))
    }

    /// What metadata has told. If it has not, all that is to be configured then is named at once.
    fn told<T>(&self, answer: std::result::Result<T, metadata::Error>) -> Result<T> {
        let missing = || asked_from_metadata(self.client, self.settings);
        answer.map_err(|error| Failure::Metadata { error, missing: missing() })
    }

    fn region(&mut self) -> Result<RegionId> {
        if let Some(region) = &self.settings.region {
            return Ok(region.clone());
        }
        if self.facts.region.is_none() {
            self.facts.region = Some(self.told(self.client.metadata().region_id(self.deadline))?);
        }
        self.facts.region.clone().ok_or_else(|| self.unfound("regionId"))
    }

    fn eni(&mut self) -> Result<EniId> {
        if let Some(eni) = self.which.id() {
            return Ok(eni.clone());
        }
        if self.facts.eni.is_none() {
            self.facts.eni = self.ask(Metadata::eni_of_mac)?;
        }
        self.facts.eni.clone().ok_or_else(|| self.unfound("networkInterfaceId"))
    }

    /// That nobody tells the value of this key. Of one of several ENIs nothing can be configured.
    fn unfound(&self, key: &'static str) -> Failure {
        if self.settings.interfaces.is_some() {
            Failure::Untold { what: key }
        } else {
            Failure::Unfound { key }
        }
    }

    /// The hardware address of the ENI, by which metadata knows it: that of the primary one where the configuration names none.
    /// That of a configured ENI is known once it has been described.
    fn mac(&mut self) -> Result<String> {
        if let Some(mac) = &self.facts.mac {
            return Ok(mac.clone());
        }
        let mac = self.told(self.client.metadata().primary_mac(self.deadline))?;
        self.facts.mac = Some(mac.clone());
        Ok(mac)
    }

    /// Asks ECS about the ENI. Without the key of the instance's role it cannot: metadata is then to blame.
    fn describe(&self, region: &RegionId, eni: &EniId) -> Result<Option<Eni>> {
        let answer = self.client.describe(region, eni, self.deadline);
        match (answer, self.client.metadata().last_error()) {
            (Err(error), Some(why)) if error.was_not_sent() && self.client.has_role_of_instance() => {
                self.told(Err(why))
            }
            (answer, _) => Ok(answer?),
        }
    }

    fn check_ownership(&mut self, region: &RegionId, eni: &EniId) -> Result<()> {
        if self.facts.ours.as_ref() == Some(eni) {
            return Ok(());
        }
        let not_ours = || Failure::NotOurs { eni: eni.clone() };
        let described = self.describe(region, eni)?.ok_or_else(not_ours)?;
        // If metadata has named the ENI, it is this instance's.
        if self.which.id().is_some() {
            let mac = ownership::mac_of_described(self.store, self.client, &described, self.deadline);
            self.facts.mac = Some(mac?.ok_or_else(not_ours)?);
        }
        if described.service_managed {
            return Err(Failure::ServiceManaged { eni: eni.clone() });
        }
        self.facts.ours = Some(eni.clone());
        self.facts.primary = described.primary;
        self.facts.secondary = described.kind == EniKind::Secondary;
        self.facts.known_since = Some(Timestamp::now());
        Ok(())
    }

    fn subnet(&mut self) -> Result<IpNetwork> {
        if let Family4::Block(block) = self.settings.ipv4 {
            return Ok(block);
        }
        if self.facts.subnet.is_none() {
            self.facts.subnet = Some(self.ask(Metadata::subnet)?.into());
        }
        self.facts.subnet.ok_or_else(|| self.unfound("subnet"))
    }

    fn gateway(&mut self) -> Result<IpAddr> {
        if let Some(gateway) = self.settings.gateway {
            return Ok(gateway);
        }
        if self.settings.below_ptp {
            return self.own_primary(Family::V4).ok_or_else(|| self.unfound("gateway"));
        }
        if self.facts.gateway.is_none() {
            self.facts.gateway = Some(self.ask(Metadata::gateway)?.into());
        }
        self.facts.gateway.ok_or_else(|| self.unfound("gateway"))
    }

    /// ptp and others refuse a gateway outside the subnet, but only after the address was assigned, and without saying what to
    /// do. If both are configured, the configuration has checked them; here one of the two was found out.
    fn check_gateway(&self, block: IpNetwork, gateway: IpAddr) -> Result<()> {
        if block.contains(gateway) {
            return Ok(());
        }
        let (key, value, expected) = if self.settings.below_ptp && self.settings.gateway.is_none() {
            let expected = format!(
                "the CIDR block of the ENI's vSwitch, which has the ENI's primary address {gateway}: correct it, or leave it out"
            );
            ("subnet", block.to_string(), expected)
        } else {
            let expected = format!(
                "an address inside {block}: set both ipam.subnet and ipam.gateway to those of the ENI's vSwitch, or neither"
            );
            ("gateway", gateway.to_string(), expected)
        };
        Err(Failure::Config(config::Error::Invalid { key: key.into(), value, expected }))
    }

    /// The primary address of the ENI. The node has it, so it may also be on the node's end of a pod's interface, where `ptp` puts
    /// the gateway: with the VPC's own there, the node would take itself for the VPC's gateway.
    fn own_primary(&self, family: Family) -> Option<IpAddr> {
        self.facts.primary.iter().copied().find(|address| Family::of(*address) == family)
    }

    fn subnet6(&mut self) -> Result<IpNetwork> {
        if self.settings.subnet6.is_none() && self.facts.subnet6.is_none() {
            self.facts.subnet6 = self.ask(Metadata::subnet6)?.map(IpNetwork::from);
        }
        self.settings.subnet6.or(self.facts.subnet6).ok_or_else(|| self.unfound("subnet6"))
    }

    fn gateway6(&mut self) -> Result<Option<IpAddr>> {
        if self.settings.gateway6.is_some() {
            return Ok(self.settings.gateway6);
        }
        if self.settings.below_ptp {
            return Ok(self.own_primary(Family::V6).or(Some(ON_EACH_LINK)));
        }
        if self.facts.gateway6.is_none() {
            self.facts.gateway6 = self.ask(Metadata::gateway6)?.map(IpAddr::from);
        }
        Ok(self.facts.gateway6)
    }
}
