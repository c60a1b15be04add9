//! The facts that a node is told, each with its type.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::{Ipv4Network, Ipv6Network};

use super::service::{Error, Metadata};
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::base::text::clean;

#[expect(clippy::missing_errors_doc, reason = "all fail for one reason: the service does not tell the fact")]
impl Metadata {
    /// The region of this instance.
    pub fn region_id(&self, deadline: Deadline) -> Result<RegionId, Error> {
        self.fact("meta-data/region-id", deadline, |text| RegionId::try_from(text.to_owned()).ok())
    }

    /// The id of this instance (`i-...`).
    pub fn instance_id(&self, deadline: Deadline) -> Result<String, Error> {
        self.fact("meta-data/instance-id", deadline, name)
    }

    /// The type of this instance (`ecs.g7.large`), on which the number of addresses per ENI depends.
    pub fn instance_type(&self, deadline: Deadline) -> Result<String, Error> {
        self.fact("meta-data/instance/instance-type", deadline, name)
    }

    /// The hardware address of the primary ENI, in lower case.
    pub fn primary_mac(&self, deadline: Deadline) -> Result<String, Error> {
        self.fact("meta-data/mac", deadline, mac)
    }

    /// The hardware addresses of all attached ENIs, in lower case.
    pub fn macs(&self, deadline: Deadline) -> Result<Vec<String>, Error> {
        self.fact("meta-data/network/interfaces/macs/", deadline, |text| {
            let entries = text.lines().map(str::trim).filter(|line| !line.is_empty());
            entries.map(|line| mac(line.trim_end_matches('/'))).collect()
        })
    }

    /// The id of the ENI with a hardware address; nothing when no attached ENI has it.
    pub fn eni_of_mac(&self, mac: &str, deadline: Deadline) -> Result<Option<EniId>, Error> {
        let parse = |text: &str| EniId::try_from(text.to_owned()).ok();
        self.optional_fact(&of_mac(mac, "network-interface-id"), deadline, parse)
    }

    /// The primary address of an attached ENI.
    pub fn primary_address(&self, mac: &str, deadline: Deadline) -> Result<Ipv4Addr, Error> {
        self.fact(&of_mac(mac, "primary-ip-address"), deadline, parsed)
    }

    /// The IPv4 CIDR block of the vSwitch that an attached ENI is in.
    pub fn subnet(&self, mac: &str, deadline: Deadline) -> Result<Ipv4Network, Error> {
        self.fact(&of_mac(mac, "vswitch-cidr-block"), deadline, |text| {
            text.contains('/')
                .then(|| parsed::<Ipv4Network>(text))?
                .filter(|block| block.ip() == block.network())
        })
    }

    /// The IPv4 gateway of an attached ENI.
    pub fn gateway(&self, mac: &str, deadline: Deadline) -> Result<Ipv4Addr, Error> {
        self.fact(&of_mac(mac, "gateway"), deadline, parsed)
    }

    /// The IPv6 CIDR block of the vSwitch that an attached ENI is in; nothing when it has none.
    pub fn subnet6(&self, mac: &str, deadline: Deadline) -> Result<Option<Ipv6Network>, Error> {
        self.optional_fact(&of_mac(mac, "vswitch-ipv6-cidr-block"), deadline, |text| {
            text.contains('/')
                .then(|| parsed::<Ipv6Network>(text))?
                .filter(|block| block.ip() == block.network())
        })
    }

    /// The IPv6 gateway of an attached ENI; nothing when it has none.
    pub fn gateway6(&self, mac: &str, deadline: Deadline) -> Result<Option<Ipv6Addr>, Error> {
        self.optional_fact(&of_mac(mac, "ipv6-gateway"), deadline, parsed)
    }

    /// The IPv4 addresses of an attached ENI, the primary one included. They may be out of date for a while.
    pub fn ipv4_addresses(&self, mac: &str, deadline: Deadline) -> Result<Vec<IpAddr>, Error> {
        self.addresses(mac, "private-ipv4s", deadline, IpAddr::is_ipv4)
    }

    /// The IPv6 addresses of an attached ENI. They may be out of date for a while.
    pub fn ipv6_addresses(&self, mac: &str, deadline: Deadline) -> Result<Vec<IpAddr>, Error> {
        self.addresses(mac, "ipv6s", deadline, IpAddr::is_ipv6)
    }

    fn addresses(
        &self,
        mac: &str,
        item: &str,
        deadline: Deadline,
        is_of_family: fn(&IpAddr) -> bool,
    ) -> Result<Vec<IpAddr>, Error> {
        let told = self.optional_fact(&of_mac(mac, item), deadline, |text| listed(text, is_of_family))?;
        Ok(told.unwrap_or_default())
    }

    fn fact<T>(
        &self,
        path: &str,
        deadline: Deadline,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let absent = || self.error(&format!("/latest/{path}"), "there is no such value");
        self.optional_fact(path, deadline, parse)?.ok_or_else(absent)
    }

    /// A fact that some instances do not have: the service answers 404, or nothing.
    fn optional_fact<T>(
        &self,
        path: &str,
        deadline: Deadline,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.get(path, deadline)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or_else(|| {
                let problem = format!("the value is not valid: {}", clean(&text, 60));
                self.error(&format!("/latest/{path}"), &problem)
            }),
        }
    }
}

/// The path of an item of an ENI. What no hardware address has in it does not get into a path.
fn of_mac(mac: &str, item: &str) -> String {
    let mac: String = mac.chars().filter(|c| c.is_ascii_hexdigit() || *c == ':').collect();
    format!("meta-data/network/interfaces/macs/{mac}/{item}")
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A list of addresses in brackets. Those of IPv4 are quoted, those of IPv6 are not.
fn listed(text: &str, is_of_family: fn(&IpAddr) -> bool) -> Option<Vec<IpAddr>> {
    let list = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let bare = |item: &str| Some(item.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    let items = list.split(',').map(str::trim).filter(|_| !list.is_empty());
    items.map(|item| parsed(&bare(item).unwrap_or_else(|| item.to_owned())).filter(is_of_family)).collect()
}

/// An id or a type: one short word.
fn name(text: &str) -> Option<String> {
    let word = text.bytes().all(|byte| byte.is_ascii_graphic()) && (1..=128).contains(&text.len());
    word.then(|| text.to_owned())
}

/// A hardware address. It becomes part of a path.
fn mac(text: &str) -> Option<String> {
    let groups: Vec<_> = text.split(':').collect();
    let valid = groups.len() == 6
        && groups.iter().all(|group| group.len() == 2 && group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    valid.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_is_read_in_both_forms_and_as_a_whole_or_not_at_all() {
        let addresses =
            |list: &[&str]| Some(list.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpAddr>>());
        let ipv4 = |text| listed(text, IpAddr::is_ipv4);
        let ipv6 = |text| listed(text, IpAddr::is_ipv6);
        assert_eq!(ipv4(r#"["10.0.0.1","10.0.0.2"]"#), addresses(&["10.0.0.1", "10.0.0.2"]));
        assert_eq!(ipv4(r#"[ "10.0.0.1", 10.0.0.2 ]"#), addresses(&["10.0.0.1", "10.0.0.2"]));
        assert_eq!(ipv6("[2001:db8::1,2001:db8::2]"), addresses(&["2001:db8::1", "2001:db8::2"]));
        assert_eq!((ipv4("[]"), ipv6("[ ]")), (addresses(&[]), addresses(&[])));
        for bad in [
            r#"["10.0.0.1","10.0.0."#,
            "10.0.0.1",
            "[10.0.0.1,]",
            r#"["10.0.0.1]"#,
            "[2001:db8::1]",
            "[router]",
        ] {
            assert_eq!(ipv4(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_hardware_address_becomes_part_of_a_path() {
        assert_eq!(mac("00:16:3E:0f:00:01").as_deref(), Some("00:16:3e:0f:00:01"));
        for bad in ["", "00:16:3e:0f:00", "00:16:3e:0f:00:0g", "../../../ram:x", "00:16:3e:0f:00:01/"] {
            assert_eq!(mac(bad), None, "{bad:?}");
        }
    }
}
