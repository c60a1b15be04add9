//! What ECS knows about an ENI: `DescribeNetworkInterfaces`.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use log::warn;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::actions::{SET_BY, VERSION};
use super::client::Client;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::rpc::{Action, Error, Subject};

const NAME: &str = "DescribeNetworkInterfaces";

/// The most pages that are read. One ENI is on the first; more can only be a server that never ends.
const MAX_PAGES: usize = 20;

/// The longest token of a page, in bytes, that is sent back: a request with a longer one may not fit into a URL.
const MAX_TOKEN: usize = 10_000;

/// Whether an ENI came with its instance or was attached to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EniKind {
    /// The instance's first.
    Primary,
    /// Any other.
    Secondary,
}

/// An elastic network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eni {
    /// Its id.
    pub id: EniId,
    /// `InUse`, `Available`, `Attaching`, `Detaching` or `Deleting`.
    pub status: String,
    /// Whether it came with its instance.
    pub kind: EniKind,
    /// The instance it is attached to.
    pub instance_id: Option<String>,
    /// The vSwitch its addresses are of.
    pub vswitch_id: Option<String>,
    /// Its hardware address, as ECS writes it.
    pub mac: Option<String>,
    /// Whether a cloud service owns it: nobody else can change it then.
    pub service_managed: bool,
    /// Its primary addresses, which can never be unassigned: one of IPv4, and where ECS marks one, one of IPv6.
    pub primary: BTreeSet<IpAddr>,
    /// Its secondary addresses of both families.
    pub addresses: BTreeSet<IpAddr>,
}

impl Client {
    /// What ECS knows about an ENI; nothing when it does not exist in this region and account. Shortly after a change
    /// this may still be the state before it.
    ///
    /// # Errors
    /// An answer that does not say clearly which addresses the ENI has is an error: an address that is missing in it
    /// would be taken for released.
    pub fn describe(&self, region: &RegionId, eni: &EniId, deadline: Deadline) -> Result<Option<Eni>, Error> {
        let mut token = String::new();
        for _ in 0..MAX_PAGES {
            let mut parameters = vec![
                ("RegionId".to_owned(), region.to_string()),
                ("NetworkInterfaceId.1".to_owned(), eni.to_string()),
                ("MaxResults".to_owned(), "100".to_owned()),
            ];
            if !token.is_empty() {
                parameters.push(("NextToken".to_owned(), token.clone()));
            }
            let action = Action { name: NAME, version: VERSION, mutates: false, parameters, set_by: SET_BY };
            let answer = match self.call(region, eni, &action, deadline) {
                Ok(answer) => answer,
                // Listing says "none" by an empty list; this is for the day it says so by an error.
                Err(error) if error.subject() == Subject::EniGone => return Ok(None),
                Err(error) => return Err(error),
            };
            let unclear = |what: &str| {
                let message = format!("the answer about the ENI cannot be used: {what}");
                let request_id = Some(answer.request_id.clone().into());
                Error { request_id, ..Error::unknown(NAME, &message).about(eni) }
            };
            let page: Page = answer.read().map_err(|problem| unclear(&problem))?;
            let mut found = None;
            for entry in page.network_interface_sets.network_interface_set {
                let described = entry.read().map_err(unclear)?;
                if described.id != *eni {
                    warn!("asked only for {eni}, but ECS also described {}", described.id);
                } else if found.replace(described).is_some() {
                    return Err(unclear("it describes the ENI twice"));
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            match page.next_token.filter(|next| !next.is_empty()) {
                Some(next) if next == token => return Err(unclear("it repeats a page")),
                Some(next) if next.len() > MAX_TOKEN => return Err(unclear("its NextToken is too long")),
                Some(next) => token = next,
                None => return Ok(None),
            }
        }
        Err(Error::unknown(NAME, "the list of ENIs has too many pages").about(eni))
    }
}

/// The page of a list, as ECS writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    network_interface_sets: EniSets,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EniSets {
    network_interface_set: Vec<Entry>,
}

/// One ENI of the list, as ECS writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    network_interface_id: EniId,
    status: Option<String>,
    r#type: Option<String>,
    instance_id: Option<String>,
    attachment: Option<Attachment>,
    v_switch_id: Option<String>,
    mac_address: Option<String>,
    private_ip_address: Option<String>,
    private_ip_sets: PrivateIpSets,
    /// Absent where there is no IPv6.
    ipv6_sets: Option<Ipv6Sets>,
    service_managed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    instance_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIpSets {
    private_ip_set: Vec<PrivateIp>,
    #[serde(flatten)]
    _others: NoAddress,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIp {
    private_ip_address: IpAddr,
    primary: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipv6Sets {
    ipv6_set: Vec<Ipv6>,
    #[serde(flatten)]
    _others: NoAddress,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipv6 {
    ipv6_address: IpAddr,
    primary: Option<bool>,
}

/// Any JSON value in which no key for an address stands. What ECS adds one day may be passed over, but not where it names an
/// address.
struct NoAddress;

impl<'de> Deserialize<'de> for NoAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NoAddress {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something without addresses")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while let Some((key, Self)) = members.next_entry::<String, Self>()? {
            if matches!(key.as_str(), "PrivateIpAddress" | "Ipv6Address") {
                return Err(A::Error::custom("an address is outside of the list of addresses"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

impl Entry {
    fn read(self) -> Result<Eni, &'static str> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        let first = present(self.private_ip_address).map(|address| address.parse());
        let first = first.transpose().map_err(|_| "its PrivateIpAddress is not an address")?;
        let v4 = self.private_ip_sets.private_ip_set.iter().map(|ip| (ip.private_ip_address, ip.primary));
        let v6 =
            self.ipv6_sets.iter().flat_map(|sets| &sets.ipv6_set).map(|ip| (ip.ipv6_address, ip.primary));
        let (primary, addresses): (Vec<_>, Vec<_>) =
            v4.chain(v6).partition(|(_, primary)| *primary == Some(true));
        let primary: BTreeSet<IpAddr> = primary.into_iter().map(|(ip, _)| ip).chain(first).collect();
        let addresses: BTreeSet<IpAddr> = addresses.into_iter().map(|(ip, _)| ip).collect();
        // The attachment knows the instance where the ENI itself does not name it.
        let attached = || present(self.attachment?.instance_id);
        Ok(Eni {
            id: self.network_interface_id,
            status: self.status.unwrap_or_default(),
            kind: if self.r#type.as_deref() == Some("Primary") {
                EniKind::Primary
            } else {
                EniKind::Secondary
            },
            instance_id: present(self.instance_id).or_else(attached),
            vswitch_id: present(self.v_switch_id),
            mac: present(self.mac_address),
            service_managed: self.service_managed.unwrap_or(false),
            addresses: &addresses - &primary,
            primary,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(entry: &str) -> Result<Eni, String> {
        let entry: Entry = serde_json::from_str(entry).map_err(|error| error.to_string())?;
        entry.read().map_err(str::to_owned)
    }

    fn documented() -> Value {
        json!({
            "NetworkInterfaceId": "eni-1", "Status": "InUse", "Type": "Secondary", "MacAddress": "00:16:3e:00:00:01", "Tags": {"Tag": []},
            "InstanceId": "i-1", "VSwitchId": "vsw-1", "PrivateIpAddress": "192.168.1.2", "ServiceManaged": false,
            "PrivateIpSets": {"PrivateIpSet": [
                {"PrivateIpAddress": "192.168.1.2", "Primary": true},
                {"PrivateIpAddress": "192.168.1.10", "Primary": false}]},
            "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": "2001:db8::10"}]},
            "Attachment": {"InstanceId": "i-1", "DeviceIndex": 1}
        })
    }

    fn addresses(of: &[&str]) -> BTreeSet<IpAddr> {
        of.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn the_documented_shape_is_read() {
        let eni = read(&documented().to_string()).unwrap();
        assert_eq!(eni.id.as_str(), "eni-1");
        assert_eq!((eni.kind, eni.service_managed), (EniKind::Secondary, false));
        assert_eq!(eni.instance_id.as_deref(), Some("i-1"));
        assert_eq!(eni.primary, addresses(&["192.168.1.2"]));
        assert_eq!(eni.addresses, addresses(&["192.168.1.10", "2001:db8::10"]));
    }

    #[test]
    fn the_attachment_names_the_instance_where_the_eni_does_not() {
        let mut entry = documented();
        entry.as_object_mut().unwrap().remove("InstanceId");
        assert_eq!(read(&entry.to_string()).unwrap().instance_id.as_deref(), Some("i-1"));
    }

    #[test]
    fn the_primary_address_is_never_among_the_secondary_ones() {
        let mut entry = documented();
        entry["PrivateIpSets"]["PrivateIpSet"][0] = json!({"PrivateIpAddress": "192.168.1.2"});
        assert_eq!(read(&entry.to_string()).unwrap().addresses, addresses(&["192.168.1.10", "2001:db8::10"]));
    }

    #[test]
    fn an_eni_whose_addresses_are_not_clear_is_an_error_and_not_one_without_addresses() {
        for (pointer, bad) in [
            ("/PrivateIpSets", json!(null)),
            ("/PrivateIpSets", json!([])),
            ("/PrivateIpSets/PrivateIpSet", json!("192.168.1.10")),
            ("/PrivateIpSets/PrivateIpSet/1", json!({})),
            ("/PrivateIpSets/PrivateIpSet/1/PrivateIpAddress", json!("192.168.1")),
            ("/Ipv6Sets", json!([])),
            ("/Ipv6Sets/Ipv6Set/0/Ipv6Address", json!(7)),
            ("/NetworkInterfaceId", json!("../x")),
            ("/PrivateIpAddress", json!("x")),
        ] {
            let mut entry = documented();
            *entry.pointer_mut(pointer).unwrap() = bad;
            assert!(read(&entry.to_string()).is_err(), "{pointer}");
        }
        for bad in [json!(null), json!(7), json!([]), json!({})] {
            assert!(read(&bad.to_string()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_eni_without_ipv6_may_lack_the_list() {
        let mut entry = documented();
        entry.as_object_mut().unwrap().remove("Ipv6Sets");
        assert_eq!(read(&entry.to_string()).unwrap().addresses, addresses(&["192.168.1.10"]));
    }

    #[test]
    fn what_is_added_to_the_list_of_addresses_is_passed_over_unless_it_names_one() {
        let list = r#""Ipv6Set":["#;
        let with = |more: &str| read(&documented().to_string().replacen(list, &format!("{more},{list}"), 1));
        let other = r#""x":[{"y":[null,true,-1,7,1.5,"2001:db8::11",[],{}]}],"x":1"#;
        assert_eq!(with(other).unwrap().addresses, addresses(&["192.168.1.10", "2001:db8::10"]));
        for named in [
            r#""x":[{"Ipv6Address":"2001:db8::11"}]"#,
            r#""Ipv6Address":"2001:db8::11""#,
            r#""x":[{"y":{"PrivateIpAddress":null}}],"x":[]"#,
        ] {
            assert!(with(named).unwrap_err().contains("outside"), "{named}");
        }
        let entry = documented().to_string();
        let moved = entry.replacen("\"PrivateIpSet\":", "\"PrivateIpSet\":[],\"x\":", 1);
        assert!(read(&moved).unwrap_err().contains("outside"));
    }

    #[test]
    fn an_eni_that_says_something_twice_is_an_error() {
        let entry = documented().to_string();
        for (once, twice) in [
            (r#""PrivateIpSets":"#, r#""PrivateIpSets":{"PrivateIpSet":[]},"PrivateIpSets":"#),
            (r#""PrivateIpSet":"#, r#""PrivateIpSet":[],"PrivateIpSet":"#),
            (r#""Ipv6Set":"#, r#""Ipv6Set":[],"Ipv6Set":"#),
            (r#""Ipv6Address":"#, r#""Ipv6Address":"2001:db8::11","Ipv6Address":"#),
        ] {
            assert!(read(&entry.replacen(once, twice, 1)).is_err(), "{twice}");
        }
    }
}
