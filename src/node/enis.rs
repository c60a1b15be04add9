//! The ENIs of this node, with what its routes need of each, asked from metadata once a boot and kept.
//!
//! Without metadata the store tells: of the ENIs that were described to it, what their primary addresses and hardware addresses
//! are, and by the records which vSwitch they are in. The primary ENI is then the one by which this host's default route leads.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::base::address::Address;
use crate::base::clock::boot_id;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::cloud::metadata;
use crate::cloud::metadata::Metadata;
use crate::failure::{Failure, Result};
use crate::routes::EniNetwork;
use crate::store::{Allocation, State, Store};

use super::default_route::DefaultRoute;
use super::eni_link::{EniLink, is_here, mac_of};
use super::facts;

/// The name under which they are kept.
const CACHE: &str = "enis";

/// What a person does if nobody tells.
const REMEDY: &str =
    "check metadataEndpoint of the chained plugin and whether instance metadata answers on this node";

/// All ENIs as they were known at some moment of a boot.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    boot_id: String,
    enis: Vec<EniNetwork>,
}

/// All ENIs of this node, as they were known earlier in this boot; none where nobody has asked yet. Nobody is asked.
pub(crate) fn known(store: &Store) -> Vec<EniNetwork> {
    let known = store.remembered::<Known>(CACHE).filter(|known| known.boot_id == boot_id());
    let mut enis = known.map(|known| known.enis).unwrap_or_default();
    // The first ADD on an ENI, which may come after the ENIs were asked for, learns which IPv6 address is the ENI's own.
    if enis.iter().any(|eni| eni.gateway6.is_some() && eni.address6.is_none()) {
        let facts = facts::known_enis(store);
        for eni in enis.iter_mut().filter(|eni| eni.address6.is_none()) {
            eni.address6 = facts.iter().find(|(id, ..)| *id == eni.eni).and_then(|(_, _, own)| own_ipv6(own));
        }
    }
    enis
}

/// The same, asked for if `eni` is not among them or its link has gone since.
///
/// # Errors
/// [`Failure::EniUnknown`] if `eni` or the primary ENI is not among them even then.
pub(crate) fn known_or_asked(
    metadata: &Metadata,
    store: &Store,
    eni: &EniId,
    deadline: Deadline,
) -> Result<Vec<EniNetwork>> {
    let known = known(store);
    if known.iter().any(|it| it.eni == *eni) && !EniLink::has_gone(store, eni) {
        return Ok(known);
    }
    let Asked { enis, mut problems } = look(metadata, store, deadline)?;
    let is_complete = enis.iter().any(|it| it.eni == *eni) && enis.iter().any(|it| it.is_primary);
    if is_complete {
        for problem in problems {
            log::warn!("an ENI of this node is left out: {problem}");
        }
        store.remember(CACHE, &Known { boot_id: boot_id(), enis: enis.clone() })?;
        return Ok(enis);
    }
    if problems.is_empty() {
        problems.push("instance metadata does not show it".into());
    }
    Err(Failure::EniUnknown { eni: eni.clone(), why: format!("{}; {REMEDY}", problems.join("; ")) })
}

/// All ENIs of this node, as metadata shows them now.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn ask(metadata: &Metadata, store: &Store, deadline: Deadline) -> Result<Vec<EniNetwork>> {
    let Asked { enis, problems } = look(metadata, store, deadline)?;
    for problem in problems {
        log::warn!("an ENI of this node is left out: {problem}");
    }
    Ok(enis)
}

/// What was found out, and what was not.
struct Asked {
    enis: Vec<EniNetwork>,
    problems: Vec<String>,
}

fn look(metadata: &Metadata, store: &Store, deadline: Deadline) -> Result<Asked> {
    let mut asked = by_metadata(metadata, store, deadline);
    let has_answered = !asked.enis.is_empty();
    let known = ByStore::look(store)?;
    // One that was attached a moment ago may be missing in metadata, and one that has gone is.
    let is_missing = |it: &&EniNetwork| {
        asked.enis.iter().all(|has| has.eni != it.eni) && (!has_answered || is_here(&it.mac))
    };
    let missing: Vec<_> = known.enis.iter().filter(is_missing).collect();
    asked.enis.extend(missing.into_iter().cloned());
    if !asked.enis.iter().any(|it| it.is_primary) {
        match known.primary() {
            Some(primary) => asked.enis.push(primary),
            None => asked.problems.push("this host has no default route by a link with an address".into()),
        }
    }
    Ok(asked)
}

/// One ENI that metadata does not tell everything about keeps no other from being known.
fn by_metadata(metadata: &Metadata, store: &Store, deadline: Deadline) -> Asked {
    let mut asked = Asked { enis: Vec::new(), problems: Vec::new() };
    let all = metadata.primary_mac(deadline).and_then(|primary| Ok((primary, metadata.macs(deadline)?)));
    let (primary, macs) = match all {
        Ok(all) => all,
        Err(error) => {
            asked.problems.push(error.to_string());
            return asked;
        }
    };
    let facts = facts::known_enis(store);
    for mac in macs {
        match of_mac(metadata, &mac, mac == primary, deadline) {
            Ok(Some(eni)) => {
                let known = facts.iter().find(|(id, ..)| *id == eni.eni);
                let address6 = known.and_then(|(_, _, own)| own_ipv6(own));
                asked.enis.push(EniNetwork { address6, ..eni });
            }
            Ok(None) => {}
            Err(error) => asked.problems.push(error.to_string()),
        }
    }
    asked
}

/// What metadata tells of one ENI; nothing where the ENI has gone meanwhile. It does not tell which IPv6 address is no pod's.
fn of_mac(
    metadata: &Metadata,
    mac: &str,
    is_primary: bool,
    deadline: Deadline,
) -> std::result::Result<Option<EniNetwork>, metadata::Error> {
    let Some(eni) = metadata.eni_of_mac(mac, deadline)? else { return Ok(None) };
    Ok(Some(EniNetwork {
        eni,
        mac: mac.to_owned(),
        is_primary,
        address: metadata.primary_address(mac, deadline)?,
        gateway: metadata.gateway(mac, deadline)?,
        address6: None,
        gateway6: metadata.gateway6(mac, deadline)?,
    }))
}

/// What is known without metadata.
struct ByStore {
    route: Option<DefaultRoute>,
    /// The hardware address of the link that the default route uses.
    primary_mac: Option<String>,
    enis: Vec<EniNetwork>,
}

impl ByStore {
    fn look(store: &Store) -> Result<Self> {
        let route = DefaultRoute::look();
        let primary_mac = route.as_ref().and_then(|route| mac_of(&route.link).ok());
        let facts = facts::known_enis(store);
        let mut found = Self { route, primary_mac, enis: Vec::new() };
        if facts.is_empty() {
            return Ok(found);
        }
        let records = store.list()?.into_iter().filter(|it| it.state == State::Active);
        let records: Vec<Allocation> = records.filter_map(|it| it.allocation).collect();
        for (eni, mac, own) in facts {
            if found.enis.iter().any(|it| it.eni == eni) {
                continue;
            }
            let on_it = || records.iter().filter(|it| it.eni == eni).flat_map(|it| &it.addresses);
            let address = own.iter().copied().find_map(ipv4);
            let gateway = on_it().find_map(|it| gateway_of(it, &own).and_then(ipv4));
            let gateway6 = on_it().find_map(|it| gateway_of(it, &own).and_then(ipv6));
            let (Some(address), Some(gateway)) = (address, gateway) else { continue };
            let is_primary = found.primary_mac.as_ref() == Some(&mac);
            let address6 = own_ipv6(&own);
            found.enis.push(EniNetwork { eni, mac, is_primary, address, gateway, address6, gateway6 });
        }
        Ok(found)
    }

    /// The primary ENI by the default route. Where nothing tells its id, its link's name stands for it.
    fn primary(&self) -> Option<EniNetwork> {
        let (route, mac) = (self.route.as_ref()?, self.primary_mac.clone()?);
        let link: String =
            route.link.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
        Some(EniNetwork {
            eni: EniId::try_from(format!("eni-of-{link}")).ok()?,
            mac,
            is_primary: true,
            address: route.source()?,
            gateway: route.gateway,
            address6: None,
            gateway6: None,
        })
    }
}

fn own_ipv6(own: &BTreeSet<IpAddr>) -> Option<Ipv6Addr> {
    own.iter().copied().find_map(ipv6)
}

fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    if let IpAddr::V4(address) = address { Some(address) } else { None }
}

fn ipv6(address: IpAddr) -> Option<Ipv6Addr> {
    if let IpAddr::V6(address) = address { Some(address) } else { None }
}

/// The gateway of the vSwitch that an address of a record is in. Below `ptp` the record has one of the node instead; that of the
/// vSwitch is the third last address of its block, then.
fn gateway_of(recorded: &Address, own: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let block = recorded.address;
    let is_the_vswitchs = |gateway: &IpAddr| block.contains(*gateway) && !own.contains(gateway);
    recorded.gateway.filter(is_the_vswitchs).or_else(|| third_last(block))
}

fn third_last(block: IpNetwork) -> Option<IpAddr> {
    let gateway = match block {
        IpNetwork::V4(block) => IpAddr::from(Ipv4Addr::from(u32::from(block.broadcast()).checked_sub(2)?)),
        IpNetwork::V6(block) => IpAddr::from(Ipv6Addr::from(u128::from(block.broadcast()).checked_sub(2)?)),
    };
    block.contains(gateway).then_some(gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_of_a_vswitch_is_the_recorded_one_or_its_third_last_address() {
        let own = BTreeSet::from(["192.168.0.10".parse().unwrap(), "2001:db8:1:2::10".parse().unwrap()]);
        for (address, recorded, gateway) in [
            ("192.168.0.112/24", None, Some("192.168.0.253")),
            ("192.168.0.112/24", Some("192.168.0.1"), Some("192.168.0.1")),
            ("192.168.0.112/24", Some("192.168.0.10"), Some("192.168.0.253")),
            ("10.0.16.5/20", Some("192.168.0.10"), Some("10.0.31.253")),
            ("2001:db8:1:2::5/64", Some("fe80::1"), Some("2001:db8:1:2:ffff:ffff:ffff:fffd")),
            ("2001:db8:1:2::5/64", Some("2001:db8:1:2::10"), Some("2001:db8:1:2:ffff:ffff:ffff:fffd")),
            ("2001:db8:1:2::5/64", Some("2001:db8:1:2::1"), Some("2001:db8:1:2::1")),
            ("10.0.0.1/32", None, None),
        ] {
            let [recorded, gateway] = [recorded, gateway].map(|it| it.map(|it: &str| it.parse().unwrap()));
            let address = Address { address: address.parse().unwrap(), gateway: recorded };
            assert_eq!(gateway_of(&address, &own), gateway, "{address:?}");
        }
    }
}
