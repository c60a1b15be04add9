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
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    boot_id: String,
    /// Those that metadata has told of.
    enis: Vec<EniNetwork>,
    /// The others. Their gateways are good for nothing but the call that took them for that.
    #[serde(default)]
    untold: Vec<EniNetwork>,
}

impl Known {
    /// What is known in this boot; none where it cannot be read, which is for the log.
    fn of(store: &Store) -> Self {
        let boot_id = boot_id();
        if boot_id.is_empty() {
            log::warn!(
                "the id of this boot cannot be read, so the ENIs that are known count as those of an earlier one"
            );
            return Self::default();
        }
        let known = store.recalled::<Self>(CACHE).unwrap_or_else(|error| {
            log::warn!("what is known of this node's ENIs cannot be read: {error}");
            None
        });
        let mut known = known.filter(|known| known.boot_id == boot_id).unwrap_or_default();
        // The first ADD on an ENI, which may come after the ENIs were asked for, learns which IPv6 address is the ENI's own.
        if known.enis.iter().any(|eni| eni.gateway6.is_some() && eni.address6.is_none()) {
            let facts = facts::known_enis(store);
            for eni in known.enis.iter_mut().filter(|eni| eni.address6.is_none()) {
                eni.address6 =
                    facts.iter().find(|(id, ..)| *id == eni.eni).and_then(|(_, _, own)| own_ipv6(own));
            }
        }
        known
    }
}

/// All ENIs of this node, as they were known earlier in this boot; none where nobody has asked yet. Nobody is asked. Of some of them
/// the gateways may not be those of the vSwitch.
pub(crate) fn known(store: &Store) -> Vec<EniNetwork> {
    let Known { mut enis, untold, .. } = Known::of(store);
    enis.extend(untold);
    enis
}

/// The same, asked for unless metadata has told of the ENI of this pod and of the primary one and the link has not gone since.
///
/// # Errors
/// [`Failure::EniUnknown`] if one of the two is not among them even then, or if the pod has an IPv6 address and metadata does not
/// tell the way out.
pub(crate) fn known_or_asked(
    metadata: &Metadata,
    store: &Store,
    pod: &Allocation,
    deadline: Deadline,
) -> Result<Vec<EniNetwork>> {
    let eni = &pod.eni;
    let told = Known::of(store).enis;
    let is_complete =
        |enis: &[EniNetwork]| enis.iter().any(|it| it.eni == *eni) && enis.iter().any(|it| it.is_primary);
    if is_complete(&told) && !EniLink::has_gone(store, eni) {
        return Ok(told);
    }
    let asked = look(metadata, store, deadline)?;
    if !is_complete(&asked.all()) {
        return Err(asked.unknown(eni, "instance metadata does not show it"));
    }
    let of_pod = asked.untold.iter().filter(|it| it.eni == *eni || it.is_primary);
    for it in of_pod {
        if it.gateway6.is_none() && pod.ips().any(|address| address.is_ipv6()) {
            return Err(asked.unknown(&it.eni, "only instance metadata tells the IPv6 gateway"));
        }
        log::warn!(
            "{} is taken for the gateway of {}, of which instance metadata does not tell",
            it.gateway,
            it.eni
        );
    }
    asked.log_problems();
    let known = Known { boot_id: boot_id(), enis: asked.told.clone(), untold: asked.untold.clone() };
    store.remember(CACHE, &known)?;
    Ok(asked.all())
}

/// All ENIs of this node, as metadata shows them now or has shown them in this boot. Those that the store and
/// this host tell of count only on a node that is configured to do without metadata.
///
/// # Errors
/// [`Failure::EniUnknown`] where metadata does not tell of one that was used; and when the disk refuses.
pub(crate) fn ask(
    metadata: &Metadata,
    store: &Store,
    without: Option<WithoutMetadata>,
    deadline: Deadline,
) -> Result<Vec<EniNetwork>> {
    let asked = look(metadata, store, deadline)?;
    let is_enough =
        |it: &EniNetwork| without.as_ref().is_some_and(|node| !node.ipv6 || it.gateway6.is_some());
    if let Some(untold) = asked.untold.iter().find(|it| !is_enough(it)) {
        return Err(asked.unknown(&untold.eni, "instance metadata does not show it"));
    }
    asked.log_problems();
    Ok(asked.all())
}

/// A node that is configured to do without metadata.
#[derive(Clone, Copy)]
pub(crate) struct WithoutMetadata {
    /// Whether its pods have IPv6 addresses.
    pub(crate) ipv6: bool,
}

/// What was found out, and what was not.
struct Asked {
    /// As metadata tells, or told in this boot.
    told: Vec<EniNetwork>,
    /// By the store and by this host's default route.
    untold: Vec<EniNetwork>,
    problems: Vec<String>,
}

impl Asked {
    fn all(&self) -> Vec<EniNetwork> {
        [self.told.as_slice(), &self.untold].concat()
    }

    fn log_problems(&self) {
        for problem in &self.problems {
            log::warn!("an ENI of this node is left out: {problem}");
        }
    }

    fn unknown(&self, eni: &EniId, why: &str) -> Failure {
        let problems = self.problems.iter().map(String::as_str);
        let whys: Vec<_> = std::iter::once(why).chain(problems).collect();
        Failure::EniUnknown { eni: eni.clone(), why: format!("{}; {REMEDY}", whys.join("; ")) }
    }
}

fn look(metadata: &Metadata, store: &Store, deadline: Deadline) -> Result<Asked> {
    let mut asked = by_metadata(metadata, store, deadline);
    let has_answered = !asked.told.is_empty();
    // What it told stays true of an ENI as long as it is here.
    let is_new = |it: &EniNetwork, among: &[EniNetwork]| among.iter().all(|has| has.eni != it.eni);
    if !asked.problems.is_empty() {
        let earlier = Known::of(store).enis.into_iter().filter(|it| is_here(&it.mac));
        let earlier: Vec<_> = earlier.filter(|it| is_new(it, &asked.told)).collect();
        asked.told.extend(earlier);
    }
    let known = ByStore::look(store)?;
    // One that was attached a moment ago may be missing in metadata, and one that has gone is.
    let is_missing = |it: &&EniNetwork| is_new(it, &asked.told) && (!has_answered || is_here(&it.mac));
    asked.untold = known.enis.iter().filter(is_missing).cloned().collect();
    if !asked.all().iter().any(|it| it.is_primary) {
        match known.primary() {
            Some(primary) => asked.untold.push(primary),
            None => asked.problems.push("this host has no default route by a link with an address".into()),
        }
    }
    Ok(asked)
}

/// One ENI that metadata does not tell everything about keeps no other from being known.
fn by_metadata(metadata: &Metadata, store: &Store, deadline: Deadline) -> Asked {
    let mut asked = Asked { told: Vec::new(), untold: Vec::new(), problems: Vec::new() };
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
                asked.told.push(EniNetwork { address6, ..eni });
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

/// The gateway of the vSwitch that an address of a record is in. Below `ptp` the record has one of the node instead; the IPv4 gateway
/// of the vSwitch is the third last address of its block, then. No rule tells the IPv6 gateway.
fn gateway_of(recorded: &Address, own: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let block = recorded.address;
    let is_link_local = |gateway: &IpAddr| ipv6(*gateway).is_some_and(|it| it.is_unicast_link_local());
    let is_the_vswitchs =
        |gateway: &IpAddr| block.contains(*gateway) && !own.contains(gateway) && !is_link_local(gateway);
    recorded.gateway.filter(is_the_vswitchs).or_else(|| third_last(block))
}

fn third_last(block: IpNetwork) -> Option<IpAddr> {
    let IpNetwork::V4(block) = block else { return None };
    let gateway = Ipv4Addr::from(u32::from(block.broadcast()).checked_sub(2)?);
    block.contains(gateway).then_some(gateway.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_of_a_vswitch_is_the_recorded_one_or_the_third_last_ipv4_address() {
        let own = BTreeSet::from(["192.168.0.10".parse().unwrap(), "2001:db8:1:2::10".parse().unwrap()]);
        for (address, recorded, gateway) in [
            ("192.168.0.112/24", None, Some("192.168.0.253")),
            ("192.168.0.112/24", Some("192.168.0.1"), Some("192.168.0.1")),
            ("192.168.0.112/24", Some("192.168.0.10"), Some("192.168.0.253")),
            ("10.0.16.5/20", Some("192.168.0.10"), Some("10.0.31.253")),
            ("2001:db8:1:2::5/64", None, None),
            ("2001:db8:1:2::5/64", Some("fe80::1"), None),
            ("fe80::5/64", Some("fe80::1"), None),
            ("2001:db8:1:2::5/64", Some("2001:db8:1:2::10"), None),
            ("2001:db8:1:2::5/64", Some("2001:db8:1:2::1"), Some("2001:db8:1:2::1")),
            ("10.0.0.1/32", None, None),
        ] {
            let [recorded, gateway] = [recorded, gateway].map(|it| it.map(|it: &str| it.parse().unwrap()));
            let address = Address { address: address.parse().unwrap(), gateway: recorded };
            assert_eq!(gateway_of(&address, &own), gateway, "{address:?}");
        }
    }
}
