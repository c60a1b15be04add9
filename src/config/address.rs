//! The settings that say where a pod's address comes from and what its result looks like.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnetwork::IpNetwork;
use serde_json::Value;

use super::error::Error;
use super::value::Reader;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cni::Route;

/// Where a pod's address comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct AddressSettings {
    /// `regionId`.
    pub region: Option<RegionId>,
    /// `networkInterfaceId`.
    pub eni: Option<EniId>,
    /// `interface`.
    pub interface: Option<String>,
    /// `interfaces`; then neither of the two is there.
    pub interfaces: Option<Interfaces>,
    /// `subnet`, unless IPv4 is off.
    pub ipv4: Family4,
    /// `gateway`.
    pub gateway: Option<IpAddr>,
    /// `ipv6`.
    pub ipv6: bool,
    /// `subnet6`.
    pub subnet6: Option<IpNetwork>,
    /// `gateway6`.
    pub gateway6: Option<IpAddr>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `resolvConf`.
    pub resolv_conf: Option<PathBuf>,
    /// Whether the main plugin is `ptp`, which puts the gateway on the node's end of each pod's interface.
    pub below_ptp: bool,
}

/// What `subnet` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family4 {
    /// Nothing: the vSwitch's block comes from metadata.
    FromMetadata,
    /// This block.
    Block(IpNetwork),
    /// `"off"`: pods get IPv6 addresses only.
    Off,
}

/// What `interfaces` says: a network of several ENIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interfaces {
    /// Those behind these links of the node, in this order.
    Named(Vec<String>),
    /// All but the primary one.
    Secondary,
}

/// The keys that say of one ENI what each ENI of `interfaces` has for itself.
const OF_ONE_ENI: [&str; 6] = ["networkInterfaceId", "interface", "subnet", "gateway", "subnet6", "gateway6"];

impl AddressSettings {
    pub(super) fn read(ipam: &Reader<'_>) -> Result<Self, Error> {
        let ipv6 = ipam.flag("ipv6")?;
        let ipv4 = match ipam.string("subnet", "a CIDR block or \"off\"")? {
            Some("off") if !ipv6 => {
                return Err(ipam.error("subnet", "a CIDR block, because \"off\" needs ipam.ipv6 to be true"));
            }
            Some("off") => Family4::Off,
            _ => ipam.block("subnet", false)?.map_or(Family4::FromMetadata, Family4::Block),
        };
        let eni =
            ipam.read("networkInterfaceId", "an ENI id such as \"eni-bp1a2b3c4d5e6f7g8h9i\"", |value| {
                EniId::try_from(value.as_str()?.to_owned()).ok()
            })?;
        let settings = Self {
            region: region(ipam)?,
            eni,
            interface: ipam.read("interface", "the name of a network interface", |value| {
                value.as_str().filter(|name| is_interface_name(name)).map(str::to_owned)
            })?,
            interfaces: interfaces(ipam)?,
            ipv4,
            gateway: ipam.address("gateway", false)?,
            ipv6,
            subnet6: ipam.block("subnet6", true)?,
            gateway6: ipam.address("gateway6", true)?,
            routes: ipam
                .parsed("routes", "a list of CNI routes such as [{\"dst\": \"0.0.0.0/0\"}]")?
                .unwrap_or_default(),
            resolv_conf: ipam.absolute_path("resolvConf")?,
            below_ptp: false,
        };
        if settings.interfaces.is_some() {
            let is_for_all = |key| key == "subnet" && ipv4 == Family4::Off;
            if let Some(key) = OF_ONE_ENI.iter().find(|key| ipam.has(key) && !is_for_all(**key)) {
                return Err(ipam.error(key, "left out where ipam.interfaces names the ENIs"));
            }
        }
        // ptp and others refuse a gateway that is not on the link.
        if let (Family4::Block(block), Some(gateway)) = (ipv4, settings.gateway)
            && !block.contains(gateway)
        {
            return Err(ipam.error("gateway", &format!("an address inside ipam.subnet, {block}")));
        }
        Ok(settings)
    }

    /// The same where a plugin of this type is the main one.
    #[must_use]
    pub fn below(self, main_plugin: Option<&str>) -> Self {
        Self { below_ptp: main_plugin == Some(PTP), ..self }
    }
}

fn interfaces(ipam: &Reader<'_>) -> Result<Option<Interfaces>, Error> {
    let expected = "\"secondary\" or a list of different network interfaces such as [\"eth1\", \"eth2\"]";
    ipam.read("interfaces", expected, |value| {
        if value.as_str() == Some("secondary") {
            return Some(Interfaces::Secondary);
        }
        let names: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        let is_repeated = |(at, name): (usize, &&str)| names[..at].contains(name);
        let is_usable = !names.is_empty()
            && names.iter().all(|name| is_interface_name(name))
            && !names.iter().enumerate().any(is_repeated);
        is_usable.then(|| Interfaces::Named(names.into_iter().map(str::to_owned).collect()))
    })
}

/// The main plugin whose gateway is an address of the node.
const PTP: &str = "ptp";

/// `regionId`.
pub(super) fn region(ipam: &Reader<'_>) -> Result<Option<RegionId>, Error> {
    ipam.read("regionId", "a region id such as \"cn-hangzhou\"", |value| {
        RegionId::try_from(value.as_str()?.to_owned()).ok()
    })
}

fn is_interface_name(name: &str) -> bool {
    (1..16).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace())
}
