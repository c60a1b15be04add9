//! What ECS knows about an ENI: `DescribeNetworkInterfaces`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use log::warn;
use serde_json::{Map, Value};

use super::actions::VERSION;
use super::api::Action;
use super::client::Client;
use super::error::{Error, ErrorKind};
use super::region::RegionId;
use crate::deadline::Deadline;
use crate::eni::EniId;

const NAME: &str = "DescribeNetworkInterfaces";

/// The most pages that are read. One ENI is on the first; more can only be a server that never ends.
const MAX_PAGES: usize = 20;

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
            let action = Action { name: NAME, version: VERSION, mutates: false, parameters };
            let answer = match self.call(region, eni, &action, deadline) {
                Ok(answer) => answer,
                // Listing says "none" by an empty list; this is for the day it says so by an error.
                Err(error)
                    if matches!(error.kind, ErrorKind::Refused(_))
                        && error.is_code("InvalidEniId.NotFound") =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let unclear = |what: &str| {
                let message = format!("the answer about the ENI cannot be used: {what}");
                let request_id = Some(answer.request_id.clone().into());
                Error { request_id, ..Error::unknown(NAME, &message).about(eni) }
            };
            let list = list(&answer.body).ok_or_else(|| unclear("it has no list of ENIs"))?;
            let mut found = None;
            for entry in list {
                let described = read(entry).map_err(unclear)?;
                if described.id != *eni {
                    warn!("asked only for {eni}, but ECS also described {}", described.id);
                } else if found.replace(described).is_some() {
                    return Err(unclear("it describes the ENI twice"));
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            match answer.body.get("NextToken").and_then(Value::as_str) {
                Some(next) if !next.is_empty() && next != token => next.clone_into(&mut token),
                Some(next) if !next.is_empty() => return Err(unclear("it repeats a page")),
                _ => return Ok(None),
            }
        }
        Err(Error::unknown(NAME, "the list of ENIs has too many pages").about(eni))
    }
}

fn list(body: &Map<String, Value>) -> Option<&Vec<Value>> {
    body.get("NetworkInterfaceSets")?.get("NetworkInterfaceSet")?.as_array()
}

/// Reads one ENI of the list.
fn read(entry: &Value) -> Result<Eni, &'static str> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = text("NetworkInterfaceId")
        .and_then(|id| EniId::try_from(id.to_owned()).ok())
        .ok_or("it has an ENI without an id")?;
    let first = match text("PrivateIpAddress") {
        Some(address) => Some(address.parse().map_err(|_| "the primary address is not an IP address")?),
        None => None,
    };
    let mut primary: BTreeSet<IpAddr> = first.into_iter().collect();
    let mut addresses = BTreeSet::new();
    let v4 = entry.get("PrivateIpSets").and_then(|sets| sets.get("PrivateIpSet")).and_then(Value::as_array);
    for item in v4.ok_or("it has no list of private addresses")? {
        sort(item, "PrivateIpAddress", &mut primary, &mut addresses)?;
    }
    // Without IPv6 the list may be absent.
    match entry.get("Ipv6Sets") {
        None | Some(Value::Null) => {}
        Some(sets) => {
            let v6 =
                sets.get("Ipv6Set").and_then(Value::as_array).ok_or("it has no list of IPv6 addresses")?;
            for item in v6 {
                sort(item, "Ipv6Address", &mut primary, &mut addresses)?;
            }
        }
    }
    // The attachment knows the instance where the ENI itself does not name it.
    let attached = || entry.get("Attachment")?.get("InstanceId")?.as_str().filter(|id| !id.is_empty());
    Ok(Eni {
        id,
        status: text("Status").unwrap_or_default().to_owned(),
        kind: if text("Type") == Some("Primary") { EniKind::Primary } else { EniKind::Secondary },
        instance_id: text("InstanceId").or_else(attached).map(str::to_owned),
        vswitch_id: text("VSwitchId").map(str::to_owned),
        mac: text("MacAddress").map(str::to_owned),
        service_managed: entry.get("ServiceManaged").and_then(Value::as_bool).unwrap_or(false),
        addresses: &addresses - &primary,
        primary,
    })
}

/// Puts an address of a list among the primary or the secondary ones.
fn sort(
    item: &Value,
    name: &str,
    primary: &mut BTreeSet<IpAddr>,
    secondary: &mut BTreeSet<IpAddr>,
) -> Result<(), &'static str> {
    let text = item.get(name).and_then(Value::as_str).ok_or("it has an entry without an address")?;
    let address = text.parse().map_err(|_| "an address in it is not an IP address")?;
    let is_primary = item.get("Primary").and_then(Value::as_bool).unwrap_or(false);
    if is_primary {
        primary.insert(address)
    } else {
        secondary.insert(address)
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn documented() -> Value {
        json!({
            "NetworkInterfaceId": "eni-1", "Status": "InUse", "Type": "Secondary", "MacAddress": "00:16:3e:00:00:01",
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
        let eni = read(&documented()).unwrap();
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
        assert_eq!(read(&entry).unwrap().instance_id.as_deref(), Some("i-1"));
    }

    #[test]
    fn the_primary_address_is_never_among_the_secondary_ones() {
        let mut entry = documented();
        entry["PrivateIpSets"]["PrivateIpSet"][0] = json!({"PrivateIpAddress": "192.168.1.2"});
        assert_eq!(read(&entry).unwrap().addresses, addresses(&["192.168.1.10", "2001:db8::10"]));
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
            assert!(read(&entry).is_err(), "{pointer}");
        }
        for bad in [json!(null), json!(7), json!([]), json!({})] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_eni_without_ipv6_may_lack_the_list() {
        let mut entry = documented();
        entry.as_object_mut().unwrap().remove("Ipv6Sets");
        assert_eq!(read(&entry).unwrap().addresses, addresses(&["192.168.1.10"]));
    }
}
