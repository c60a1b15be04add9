//! The checks that ask somebody else: the metadata service, the source of the access key, and ECS.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::ecs::{Client, Eni};
use crate::cloud::rpc::{Error, Subject};
use crate::commands::doctor::quota::{self, EniRoom, TypeQuota};
use crate::commands::doctor::report::{Report, Status};
use crate::commands::doctor::sharing::store_of;
use crate::commands::doctor::site::{Place, Site};
use crate::commands::doctor::stores::Located;
use crate::commands::doctor::{eni, permissions};
use crate::commands::networks::Network;
use crate::failure::{Failure, Result};
use crate::node::facts::asked_from_metadata;
use crate::node::network_enis::{ConfiguredEni, find_enis};
use crate::store::Store;

/// The clock skew from which on `doctor` warns. A signature is valid for 15 minutes, and a request that ECS refuses because of
/// its time is sent again with the time of ECS.
const MAX_SKEW: Duration = Duration::from_mins(1);

/// The way to ECS that some networks share.
pub(super) struct Way<'n> {
    pub(super) networks: Vec<&'n Network>,
    pub(super) client: Client,
    pub(super) deadline: Deadline,
    /// Whether there is a key, and ECS has answered.
    pub(super) is_open: bool,
    pub(super) places: Vec<Place<'n>>,
    /// What ECS has told of the ENIs that are this instance's.
    pub(super) described: Vec<Eni>,
    /// What the instance type allows, if that is known.
    pub(super) of_type: Option<TypeQuota>,
    /// How much room the described ENIs have, then.
    pub(super) rooms: Vec<EniRoom>,
}

/// What the metadata service says of this instance.
#[derive(Clone)]
pub(super) struct Instance {
    endpoint: String,
    /// Whether the service answers.
    is_there: bool,
    region: Option<RegionId>,
}

impl<'n> Way<'n> {
    /// The way of these networks. Nobody is asked.
    ///
    /// # Errors
    /// When the configuration says none.
    pub(super) fn new(networks: &[&'n Network]) -> Result<Self> {
        // Temporary keys are got anew: a kept one may outlive the role that it is of.
        let client = Client::new(networks[0].ipam().cloud()?.keeping_no_keys());
        let timeout = networks.iter().find_map(|network| network.ipam().timeout().ok());
        let deadline = Deadline::after(timeout.map_or_else(|| networks[0].ipam().timeout(), Ok)?);
        let networks = networks.to_vec();
        let (places, described, rooms) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { networks, client, deadline, is_open: false, places, described, of_type: None, rooms })
    }

    /// Checks metadata and the key, and finds each network's ENI. `known` is what earlier ways have heard of metadata.
    pub(super) fn find(&mut self, known: &mut Vec<Instance>, report: &mut Report) {
        let instance = self.instance(known, report);
        for network in &self.networks {
            report.about(&[network]);
            check_region(network, &instance, report);
        }
        report.about(&self.networks);
        let has_key = credentials(&self.client, self.deadline, report);
        for network in self.networks.clone() {
            report.about(&[network]);
            let unknown = |failure, name: &str, bad: Status, report: &mut Report| match failure {
                Failure::Metadata { missing, .. } if !instance.is_there => {
                    let why =
                        format!("it is not known without instance metadata: set {}", missing.join(", "));
                    report.not_tested("eni", why);
                }
                failure => report.add("eni", bad, &format!("{name}{failure}")),
            };
            match self.places_of(network) {
                Ok(found) if found.is_empty() => {
                    report.not_tested("eni", "the configuration or the store cannot be used");
                }
                Ok(found) => {
                    let is_one = found.len() == 1;
                    let is_any_known = found.iter().any(|(_, place)| place.is_ok());
                    let bad = if is_any_known { Status::Warn } else { Status::Fail };
                    for (name, place) in found {
                        let name = if is_one { String::new() } else { format!("{name}: ") };
                        match place {
                            Ok(place) => self.places.push(place),
                            Err(failure) => unknown(failure, &name, bad, report),
                        }
                    }
                }
                Err(failure) => unknown(failure, "", Status::Fail, report),
            }
        }
        report.about(&self.networks);
        if !has_key && !self.places.is_empty() {
            report.not_tested("endpoint", "there are no credentials to sign a request with");
        }
        self.is_open = has_key;
    }

    /// What metadata says, and a line about it if it is the first to be heard of this service.
    fn instance(&self, known: &mut Vec<Instance>, report: &mut Report) -> Instance {
        let endpoint = self.client.metadata().endpoint().to_string();
        if let Some(instance) = known.iter().find(|it| it.endpoint == endpoint) {
            return instance.clone();
        }
        let is_there = self.metadata(report);
        let region = if is_there { self.client.metadata().region_id(self.deadline).ok() } else { None };
        let instance = Instance { endpoint, is_there, region };
        known.push(instance.clone());
        instance
    }

    /// Checks the metadata service; returns whether it answers.
    fn metadata(&self, report: &mut Report) -> bool {
        let metadata = self.client.metadata();
        let answer = metadata
            .is_hardened(self.deadline)
            .and_then(|hardened| Ok((hardened, metadata.instance_id(self.deadline)?)));
        match answer {
            Ok((hardened, instance)) => {
                let mode =
                    if hardened { "with tokens (hardened mode)" } else { "without tokens (normal mode)" };
                report.ok("metadata", format!("{} answers {mode}: this is {instance}", metadata.endpoint()));
                true
            }
            Err(error) => {
                match self.asked_from_metadata().join(", ") {
                    none if none.is_empty() => {
                        report.warn("metadata", format!("{error}; this configuration does without it"));
                    }
                    keys => report.fail("metadata", format!("{error}; to do without metadata, set {keys}")),
                }
                error.reachable
            }
        }
    }

    /// The keys without which an ADD of one of these networks has to ask metadata.
    fn asked_from_metadata(&self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        for settings in self.networks.iter().filter_map(|network| network.addresses().ok()) {
            let asked = asked_from_metadata(&self.client, &settings);
            keys.extend(asked.into_iter().filter(|key| !keys.contains(key)).collect::<Vec<_>>());
        }
        keys
    }

    /// Where the network's pods get addresses: each of its ENIs with a name for people. None where another line says why that is not
    /// known.
    pub(super) fn places_of(&self, network: &'n Network) -> Result<Vec<(String, Result<Place<'n>>)>> {
        let Ok(settings) = network.ipam().address() else { return Ok(Vec::new()) };
        let open = || store_of(network).and_then(|directory| Store::open(&directory).ok());
        let Some(store) = open() else { return Ok(Vec::new()) };
        let found = find_enis(&self.client, &store, &settings, self.deadline)?;
        if found.is_empty() {
            return Err(Failure::NoSecondaryEni);
        }
        let place = |ConfiguredEni { name, found }| {
            let place = found.and_then(|(region, eni)| {
                let store = Store::open(store.directory())?;
                Ok(Place { network, store, region, eni })
            });
            (name, place)
        };
        Ok(found.into_iter().map(place).collect())
    }

    /// The ENIs of a network, in a fixed order.
    pub(super) fn enis_of(&self, network: &Network) -> BTreeSet<EniId> {
        let of_network = self.places.iter().filter(|place| std::ptr::eq(place.network, network));
        of_network.map(|place| place.eni.clone()).collect()
    }

    /// The same for the comparison of stores.
    pub(super) fn located(&self, place: &Place<'n>) -> Located<'n> {
        Located {
            network: place.network,
            store: place.store.directory().to_owned(),
            eni: Some(place.eni.clone()),
            cloud: self.client.cloud_on_this_machine(&place.region),
        }
    }

    /// Checks each ENI: that ECS answers and shows it, the permissions, the vSwitch, the quota.
    pub(super) fn check_enis(&mut self, is_configured: bool, report: &mut Report) {
        let (mut heard, mut seen): (Vec<RegionId>, Vec<EniId>) = (Vec::new(), Vec::new());
        let places = std::mem::take(&mut self.places);
        for place in &places {
            if !self.is_open || seen.contains(&place.eni) {
                continue;
            }
            seen.push(place.eni.clone());
            let sharing: Vec<_> = places.iter().filter(|it| it.eni == place.eni).collect();
            report.about(&self.networks);
            let described = self.client.describe(&place.region, &place.eni, self.deadline);
            if !heard.contains(&place.region) {
                heard.push(place.region.clone());
                endpoint(&self.client, &place.region, described.as_ref().err(), report);
                clock(&self.client, report);
            }
            let networks: Vec<_> = sharing.iter().map(|it| it.network).collect();
            report.about(&networks);
            match described {
                Err(error) if error.code.is_none() => self.is_open = false,
                _ if !is_configured => report.not_tested(
                    "eni",
                    format!("without a configuration it is the primary one, {}", place.eni),
                ),
                Err(error) => refused(&error, report),
                Ok(described) => {
                    let site = Site { client: &self.client, place, deadline: self.deadline };
                    let has_others = |network: &Network| {
                        places.iter().any(|it| std::ptr::eq(it.network, network) && it.eni != place.eni)
                    };
                    let is_one_of_several = networks.iter().all(|network| has_others(network));
                    let Some((eni, mac)) = eni::own(&site, described, is_one_of_several, report) else {
                        continue;
                    };
                    for it in &sharing {
                        report.about(&[it.network]);
                        eni::subnets(&site, it.network, &mac, report);
                    }
                    report.about(&networks);
                    let ipv6 = |it: &&Place<'_>| it.network.ipam().address().is_ok_and(|it| it.ipv6);
                    permissions::test(&site, sharing.iter().copied().any(|it| ipv6(&it)), report);
                    match self.of_type.clone().map_or_else(|| TypeQuota::ask(&site), Ok) {
                        Ok(of_type) => {
                            let room = quota::check(&of_type, &eni, &networks, is_one_of_several, report);
                            self.rooms.push(room);
                            self.of_type = Some(of_type);
                        }
                        Err(why) => report.not_tested("quota", why),
                    }
                    self.described.push(eni);
                }
            }
        }
        self.places = places;
    }
}

/// Checks that `regionId` is where this instance is.
fn check_region(network: &Network, instance: &Instance, report: &mut Report) {
    let configured = network.ipam().address().ok().and_then(|settings| settings.region);
    if let (Some(configured), Some(real)) = (configured, &instance.region)
        && configured != *real
    {
        report.fail(
            "region",
            format!(
                "ipam.regionId is {configured}, but this instance is in {real}: correct it, or leave it out"
            ),
        );
    }
}

/// Checks the access key; returns whether there is one. The secret is never shown.
fn credentials(client: &Client, deadline: Deadline, report: &mut Report) -> bool {
    const NAME: &str = "credentials";
    let found = match client.credentials(deadline) {
        Ok(found) => found,
        Err(error) => {
            report.fail(NAME, error);
            return false;
        }
    };
    let (id, source) = (&found.key.access_key_id, &found.source);
    match found.key.expires {
        None => report.ok(NAME, format!("{id} from {source}, does not expire")),
        Some(end) if end <= SystemTime::now() => {
            report.fail(NAME, format!("{id} from {source} has expired: check the node's clock"));
        }
        Some(end) => {
            let end = Timestamp::from(end).to_seconds();
            report.ok(NAME, format!("{id} from {source}, expires at {end}"));
        }
    }
    true
}

/// Checks that ECS answers. A refusal is an answer.
fn endpoint(client: &Client, region: &RegionId, error: Option<&Error>, report: &mut Report) {
    match error {
        Some(error) if error.code.is_none() => report.fail("endpoint", error),
        _ => report.ok("endpoint", format!("{} answers", client.endpoint(region))),
    }
}

/// That ECS does not describe the ENI, under the name of what has to be changed.
fn refused(error: &Error, report: &mut Report) {
    match error.subject() {
        Subject::Key => report.fail("credentials", error),
        Subject::Clock => report.fail("clock", error),
        subject if subject.denies_access() && !error.transient => report.fail("permissions", error),
        _ if error.transient => report.not_tested("permissions", error),
        _ => report.fail("eni", error),
    }
}

fn clock(client: &Client, report: &mut Report) {
    match client.clock_skew() {
        None => report.not_tested("clock", "no answer of ECS gave its time"),
        Some(skew) if skew.unsigned_abs() < MAX_SKEW.as_secs() => {
            report.ok("clock", format!("within {} s of the clock of ECS", skew.unsigned_abs() + 1));
        }
        Some(skew) => {
            let (by, direction) = (skew.unsigned_abs(), if skew < 0 { "ahead of" } else { "behind" });
            report.warn("clock", format!("the node's clock is {by} s {direction} that of ECS: set it"));
        }
    }
}
