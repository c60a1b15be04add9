//! The result of ADD, in the abbreviated form of an IPAM plugin (SPEC section 5, "Delegated plugins (IPAM)").

use serde_json::{Map, Value, json};

use super::{Dns, Route, Version};
use crate::base::address::Address;

/// What ADD gave an attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpamResult {
    /// The addresses; a calling plugin takes an empty list for a failure.
    pub ips: Vec<Address>,
    /// The routes.
    pub routes: Vec<Route>,
    /// The resolver's settings.
    pub dns: Dns,
}

impl IpamResult {
    /// The document for stdout, in the shape that a version has. Versions before 0.3.0 hold one address of each family;
    /// the first one is taken, and routes of a family without an address are left out.
    #[must_use]
    pub fn to_json(&self, version: Version) -> Value {
        let mut document = Map::new();
        document.insert("cniVersion".into(), version.as_str().into());
        if version.has_list_of_ips() {
            self.insert_list_of_ips(&mut document, version);
        } else {
            self.insert_one_ip_each(&mut document);
        }
        let dns_is_required = version < Version::V1_0_0;
        if dns_is_required || !self.dns.is_empty() {
            document.insert("dns".into(), json!(self.dns));
        }
        Value::Object(document)
    }

    fn insert_list_of_ips(&self, document: &mut Map<String, Value>, version: Version) {
        let ips = self.ips.iter().map(|ip| {
            let mut entry = entry(ip, "address");
            if version.has_family_of_ips() {
                let family = if ip.address.is_ipv4() { "4" } else { "6" };
                entry.insert("version".into(), family.into());
            }
            Value::Object(entry)
        });
        document.insert("ips".into(), ips.collect());
        if !self.routes.is_empty() {
            let routes: Vec<_> = self.routes.iter().map(|route| route.to_json(version)).collect();
            document.insert("routes".into(), routes.into());
        }
    }

    fn insert_one_ip_each(&self, document: &mut Map<String, Value>) {
        for (key, is_ipv4) in [("ip4", true), ("ip6", false)] {
            let Some(ip) = self.ips.iter().find(|ip| ip.address.is_ipv4() == is_ipv4) else { continue };
            let mut entry = entry(ip, "ip");
            let routes = self.routes.iter().filter(|route| route.dst.is_ipv4() == is_ipv4);
            let routes: Vec<_> = routes.map(|route| route.to_json(Version::V0_2_0)).collect();
            if !routes.is_empty() {
                entry.insert("routes".into(), routes.into());
            }
            document.insert(key.into(), entry.into());
        }
    }
}

/// An entry of the result, with the address at `key`.
fn entry(ip: &Address, key: &str) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert(key.into(), ip.address.to_string().into());
    if let Some(gateway) = ip.gateway {
        entry.insert("gateway".into(), gateway.to_string().into());
    }
    entry
}

impl Route {
    fn to_json(&self, version: Version) -> Value {
        if version.has_route_attributes() { json!(self) } else { json!(self.without_attributes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(address: &str, gateway: Option<&str>) -> Address {
        Address {
            address: address.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        }
    }

    fn dual_stack() -> IpamResult {
        IpamResult {
            ips: vec![ip("10.9.0.11/24", Some("10.9.0.1")), ip("2001:db8::11/64", None)],
            routes: serde_json::from_value(json!([
                {"dst": "0.0.0.0/0", "mtu": 1400, "table": 100},
                {"dst": "2001:db8:1::/48", "gw": "2001:db8::9"},
            ]))
            .unwrap(),
            dns: Dns::default(),
        }
    }

    #[test]
    fn results_before_0_3_0_have_one_address_of_each_family_with_its_routes() {
        for version in [Version::V0_1_0, Version::V0_2_0] {
            let mut result = dual_stack();
            result.ips.push(ip("10.9.0.12/24", None));
            let expected = json!({
                "cniVersion": version.as_str(),
                "ip4": {"ip": "10.9.0.11/24", "gateway": "10.9.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
                "ip6": {"ip": "2001:db8::11/64", "routes": [{"dst": "2001:db8:1::/48", "gw": "2001:db8::9"}]},
                "dns": {},
            });
            assert_eq!(result.to_json(version), expected);
        }
    }

    #[test]
    fn routes_of_a_family_without_an_address_are_left_out_before_0_3_0() {
        let result = IpamResult { ips: vec![ip("2001:db8::11/64", None)], ..dual_stack() };
        let expected = json!({
            "cniVersion": "0.2.0",
            "ip6": {"ip": "2001:db8::11/64", "routes": [{"dst": "2001:db8:1::/48", "gw": "2001:db8::9"}]},
            "dns": {},
        });
        assert_eq!(result.to_json(Version::V0_2_0), expected);
    }

    #[test]
    fn results_from_0_3_0_on_have_a_list_that_names_families() {
        for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0] {
            let expected = json!({
                "cniVersion": version.as_str(),
                "ips": [
                    {"version": "4", "address": "10.9.0.11/24", "gateway": "10.9.0.1"},
                    {"version": "6", "address": "2001:db8::11/64"},
                ],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "2001:db8:1::/48", "gw": "2001:db8::9"}],
                "dns": {},
            });
            assert_eq!(dual_stack().to_json(version), expected);
        }
    }

    #[test]
    fn results_from_1_0_0_on_do_not_name_families_nor_empty_settings() {
        let mut expected = json!({
            "cniVersion": "1.0.0",
            "ips": [{"address": "10.9.0.11/24", "gateway": "10.9.0.1"}, {"address": "2001:db8::11/64"}],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "2001:db8:1::/48", "gw": "2001:db8::9"}],
        });
        assert_eq!(dual_stack().to_json(Version::V1_0_0), expected);

        expected["cniVersion"] = "1.1.0".into();
        expected["routes"][0] = json!({"dst": "0.0.0.0/0", "mtu": 1400, "table": 100});
        assert_eq!(dual_stack().to_json(Version::V1_1_0), expected);
    }

    #[test]
    fn settings_of_the_resolver_are_in_every_version() {
        let dns = Dns { nameservers: vec!["10.9.0.53".to_owned()], ..Dns::default() };
        let result = IpamResult { dns, ..dual_stack() };
        for version in Version::ALL {
            assert_eq!(result.to_json(version)["dns"], json!({"nameservers": ["10.9.0.53"]}));
        }
    }

    #[test]
    fn no_result_has_interfaces() {
        for version in Version::ALL {
            let text = dual_stack().to_json(version).to_string();
            assert!(!text.contains("interface"), "{text}");
        }
    }

    #[test]
    fn routes_are_omitted_where_there_are_none() {
        let result = IpamResult { routes: Vec::new(), ..dual_stack() };
        for version in Version::ALL {
            assert!(!result.to_json(version).to_string().contains("routes"));
        }
    }
}
