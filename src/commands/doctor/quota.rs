//! How many addresses each ENI may have, and how many of them are for pods.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::base::eni::EniId;
use crate::base::foreign::ForeignAddresses;
use crate::base::region::Family;
use crate::cloud::ecs::{Eni, Quota};
use crate::commands::doctor::report::Report;
use crate::commands::doctor::site::Site;
use crate::commands::networks::Network;
use crate::store::{EniState, Store};

/// Whether pods get IPv4 addresses, and whether they get IPv6 addresses.
pub(super) type Families = (bool, bool);

/// What the instance type allows.
#[derive(Clone)]
pub(super) struct TypeQuota {
    /// Such as `ecs.g7.large`.
    pub(super) kind: String,
    pub(super) quota: Quota,
}

/// How many pods an ENI has addresses for.
#[derive(Clone)]
pub(super) struct EniRoom {
    pub(super) eni: EniId,
    ipv4: Room,
    ipv6: Room,
}

/// The same in one family.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Without the primary address, and without what other software has.
    pub(super) pods: u64,
    /// Those that are not on the ENI yet.
    pub(super) free: u64,
}

impl TypeQuota {
    /// Asks metadata for the instance type and ECS for what it allows.
    ///
    /// # Errors
    /// Why that is not known, for people.
    pub(super) fn ask(site: &Site<'_>) -> Result<Self, String> {
        let Site { client, place, deadline } = site;
        let kind = client.metadata().instance_type(*deadline).map_err(|error| error.to_string())?;
        match client.quota(&place.region, &kind, *deadline) {
            Ok(Some(quota)) => Ok(Self { kind, quota }),
            Ok(None) => Err(format!("ECS does not know the instance type {kind}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Shows how many addresses the ENI has, of how many, and how many of them other software has by `foreignAddresses` of any of the
/// networks. That it is full is the matter of each network where the network has others.
pub(super) fn check(
    of_type: &TypeQuota,
    eni: &Eni,
    networks: &[&Network],
    is_one_of_several: bool,
    report: &mut Report,
) -> EniRoom {
    let TypeQuota { kind, quota } = of_type;
    // A value that cannot be used is a line of its own.
    let foreign: Vec<_> = networks.iter().filter_map(|it| it.ipam().foreign_addresses().ok()).collect();
    let room = EniRoom {
        eni: eni.id.clone(),
        ipv4: Room::of(eni, quota.ipv4, &foreign, IpAddr::is_ipv4),
        ipv6: Room::of(eni, quota.ipv6, &foreign, IpAddr::is_ipv6),
    };
    let all = || eni.primary.iter().chain(&eni.addresses);
    let (used, used6) = (all().filter(|it| it.is_ipv4()).count(), all().filter(|it| it.is_ipv6()).count());
    let foreign = eni.addresses.iter().filter(|it| is_foreign(**it, &foreign)).count();
    let foreign = if foreign > 0 { format!(", of which {foreign} are foreign") } else { String::new() };
    let detail = format!(
        "{} has {used} of {} IPv4 addresses, the primary one included, and {used6} of {} IPv6 addresses{foreign} ({kind}){}",
        eni.id,
        quota.ipv4,
        quota.ipv6,
        learned(&eni.id, networks)
    );
    if used as u64 >= quota.ipv4 && !is_one_of_several {
        report.warn("quota", format!("{detail}: no further pod can get an address"));
    } else {
        report.ok("quota", detail);
    }
    room
}

/// How many addresses ECS takes in one request about the ENI, where it has refused more.
fn learned(eni: &EniId, networks: &[&Network]) -> String {
    let stores: BTreeSet<_> = networks.iter().filter_map(|it| it.store_directory().ok()).collect();
    // A store that cannot be used is a line of its own.
    let states = stores.iter().filter_map(|store| Store::open(store).ok()?.eni_state(eni).ok());
    let most = |state: &EniState, family| Some((family, state.learned_most(family)?));
    let of_state =
        |state: EniState| [Family::V4, Family::V6].into_iter().filter_map(move |it| most(&state, it));
    let learned = states.flat_map(of_state).map(|(family, count)| match family {
        Family::V4 => format!("; ECS takes {count} IPv4 addresses in a request"),
        Family::V6 => format!("; ECS takes {count} IPv6 addresses in a request"),
    });
    learned.collect::<BTreeSet<_>>().into_iter().collect()
}

impl EniRoom {
    /// How much room pods have that get addresses of these families, one of each.
    pub(super) fn in_families(&self, (ipv4, ipv6): Families) -> Room {
        match (ipv4, ipv6) {
            (true, true) => {
                Room { pods: self.ipv4.pods.min(self.ipv6.pods), free: self.ipv4.free.min(self.ipv6.free) }
            }
            (false, true) => self.ipv6,
            (_, false) => self.ipv4,
        }
    }
}

impl Room {
    fn of(eni: &Eni, quota: u64, foreign: &[ForeignAddresses], is_of_family: fn(&IpAddr) -> bool) -> Self {
        let count = |all: &BTreeSet<IpAddr>| all.iter().filter(|it| is_of_family(it)).count() as u64;
        let foreign = eni.addresses.iter().filter(|it| is_of_family(it) && is_foreign(**it, foreign)).count();
        let (primary, used) = (count(&eni.primary), count(&eni.addresses));
        Self {
            pods: quota.saturating_sub(primary).saturating_sub(foreign as u64),
            free: quota.saturating_sub(primary).saturating_sub(used),
        }
    }
}

fn is_foreign(address: IpAddr, foreign: &[ForeignAddresses]) -> bool {
    foreign.iter().any(|blocks| blocks.contains(address))
}
