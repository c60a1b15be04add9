//! The mutations: addresses onto an ENI, and off it.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

use super::client::Client;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::{Family, RegionId};
use crate::cloud::rpc::{Action, Answer, Disposition, Error, ErrorKind, Subject};

/// The version of the ECS API.
pub(super) const VERSION: &str = "2014-05-26";

/// What says where the server is, for people.
pub(super) const SET_BY: &str = "`ipam.endpoint`";

/// ECS takes this many addresses in one request on every kind of ENI. Its documents name it as the limit of an ENI that is
/// not in use, and of IPv6. For an ENI in use, a later page says 32 and the newest says that the instance type decides.
pub(crate) const ALWAYS_TAKEN: usize = 10;

/// No document names more: an ENI of the largest instance types has this many addresses, its primary one included.
pub(crate) const MOST_ADDRESSES: usize = 50;

/// The id by which Alibaba Cloud's support finds a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which addresses an assignment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This many, of ECS's choice.
    Count(usize),
    /// These.
    Addresses(Vec<IpAddr>),
}

/// What ECS says that it has assigned: as many addresses as it likes, of any kind. Whether that answers the request is for
/// its sender to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The addresses in the answer.
    pub addresses: Vec<IpAddr>,
    /// The id of the request.
    pub request_id: RequestId,
    action: &'static str,
}

impl Assigned {
    /// The error for an answer that is not one to the request: it proves nothing of what ECS did.
    pub(crate) fn proves_nothing(&self, eni: &EniId, why: &str) -> Error {
        Error {
            request_id: Some(self.request_id.0.clone().into()),
            ..Error::unknown(self.action, why).about(eni)
        }
    }
}

/// What the API calls the addresses of a family.
struct Names {
    assign: &'static str,
    unassign: &'static str,
    /// The parameter that lists addresses.
    address: &'static str,
    /// The parameter that says how many to assign.
    count: &'static str,
}

fn names(family: Family) -> Names {
    match family {
        Family::V4 => Names {
            assign: "AssignPrivateIpAddresses",
            unassign: "UnassignPrivateIpAddresses",
            address: "PrivateIpAddress",
            count: "SecondaryPrivateIpAddressCount",
        },
        Family::V6 => Names {
            assign: "AssignIpv6Addresses",
            unassign: "UnassignIpv6Addresses",
            address: "Ipv6Address",
            count: "Ipv6AddressCount",
        },
    }
}

/// The action that assigns addresses of a family.
pub(crate) fn assign_action(family: Family) -> &'static str {
    names(family).assign
}

/// The action that unassigns them.
pub(crate) fn unassign_action(family: Family) -> &'static str {
    names(family).unassign
}

/// Whether ECS refused a request because of how many addresses it is about. No code says only that: a refusal of more than
/// [`ALWAYS_TAKEN`] that is about the request or its parameters may mean it.
pub(crate) fn is_too_many(error: &Error, count: usize) -> bool {
    let is_final = matches!(error.kind, ErrorKind::Refused(Disposition::Permanent));
    count > ALWAYS_TAKEN && is_final && error.subject() == Subject::Request
}

impl Client {
    /// Takes secondary addresses of one family off an ENI: `UnassignPrivateIpAddresses` or `UnassignIpv6Addresses`.
    /// One attempt. How many addresses one request may name depends on the ENI: `ALWAYS_TAKEN` are taken of any.
    ///
    /// # Errors
    /// `InvalidIp.IpUnassigned` and `InvalidEniId.NotFound` come back as `Disposition::Released`. For a single secondary
    /// address of one's own record that is success. For several, one of them was off already, and nothing is known of the
    /// others.
    pub fn unassign(
        &self,
        region: &RegionId,
        eni: &EniId,
        addresses: &[IpAddr],
        deadline: Deadline,
    ) -> Result<RequestId, Error> {
        let family = family_of(addresses).ok_or_else(|| {
            Error::not_sent(unassign_action(Family::V4), "one request is about addresses of one family")
                .about(eni)
        })?;
        let Names { unassign: name, address, .. } = names(family);
        let mut parameters = target(region, eni);
        parameters.extend(numbered(address, addresses));
        let action = Action { name, version: VERSION, mutates: true, parameters, set_by: SET_BY };
        self.call(region, eni, &action, deadline).map(|answer| RequestId(answer.request_id))
    }

    /// Puts secondary addresses of one family onto an ENI: `AssignPrivateIpAddresses` or `AssignIpv6Addresses`. One
    /// attempt. Repeated with the same `client_token` (at most 64 ASCII characters) and the same wish, it returns what
    /// the first request assigned.
    ///
    /// # Errors
    /// Among others when the ENI or its vSwitch has no address left ([`Subject::is_full`](crate::cloud::rpc::Subject::is_full)).
    pub fn assign(
        &self,
        region: &RegionId,
        eni: &EniId,
        family: Family,
        want: &Want,
        client_token: &str,
        deadline: Deadline,
    ) -> Result<Assigned, Error> {
        let Names { assign: name, address, count, .. } = names(family);
        let mut parameters = target(region, eni);
        parameters.push(("ClientToken".to_owned(), client_token.to_owned()));
        match want {
            Want::Count(wanted) => parameters.push((count.to_owned(), wanted.to_string())),
            Want::Addresses(addresses) if family_of(addresses) == Some(family) => {
                parameters.extend(numbered(address, addresses));
            }
            Want::Addresses(_) => {
                return Err(Error::not_sent(name, "one request is about addresses of one family").about(eni));
            }
        }
        let action = Action { name, version: VERSION, mutates: true, parameters, set_by: SET_BY };
        let answer = self.call(region, eni, &action, deadline)?;
        let addresses = addresses_in(&answer, family);
        let request_id = RequestId(answer.request_id);
        match addresses {
            Some(addresses) => Ok(Assigned { addresses, request_id, action: name }),
            None => Err(Error {
                request_id: Some(request_id.0.into()),
                ..Error::unknown(name, "the answer does not say which addresses were assigned").about(eni)
            }),
        }
    }
}

/// The addresses' family; nothing for none or both.
fn family_of(addresses: &[IpAddr]) -> Option<Family> {
    let family = Family::of(*addresses.first()?);
    addresses.iter().all(|address| Family::of(*address) == family).then_some(family)
}

fn target(region: &RegionId, eni: &EniId) -> Vec<(String, String)> {
    vec![("RegionId".to_owned(), region.to_string()), ("NetworkInterfaceId".to_owned(), eni.to_string())]
}

/// A list as parameters: `name.1`, `name.2` and so on.
pub(super) fn numbered(name: &str, values: &[impl fmt::Display]) -> Vec<(String, String)> {
    values
        .iter()
        .enumerate()
        .map(|(index, value)| (format!("{name}.{}", index + 1), value.to_string()))
        .collect()
}

/// The answer of `AssignPrivateIpAddresses`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssignedV4 {
    assigned_private_ip_addresses_set: PrivateIpSets,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIpSets {
    private_ip_set: PrivateIpSet,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIpSet {
    private_ip_address: Vec<IpAddr>,
}

/// The answer of `AssignIpv6Addresses`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssignedV6 {
    ipv6_sets: Ipv6Sets,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipv6Sets {
    ipv6_address: Vec<IpAddr>,
}

/// The addresses in the answer to an assignment; nothing when the list is not there, or one of them is no address.
fn addresses_in(answer: &Answer, family: Family) -> Option<Vec<IpAddr>> {
    Some(match family {
        Family::V4 => {
            answer
                .read::<AssignedV4>()
                .ok()?
                .assigned_private_ip_addresses_set
                .private_ip_set
                .private_ip_address
        }
        Family::V6 => answer.read::<AssignedV6>().ok()?.ipv6_sets.ipv6_address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str, family: Family) -> Option<Vec<IpAddr>> {
        addresses_in(&Answer::new("R", body), family)
    }

    #[test]
    fn the_assigned_addresses_are_read_from_either_shape() {
        let v4 = r#"{"AssignedPrivateIpAddressesSet":{"PrivateIpSet":{"PrivateIpAddress":["10.0.0.7","10.0.0.8"]}}}"#;
        assert_eq!(parse(v4, Family::V4).unwrap().len(), 2);
        let v6 = r#"{"NetworkInterfaceId":"eni-1","Ipv6Sets":{"Ipv6Address":["2001:db8::7"]}}"#;
        assert_eq!(parse(v6, Family::V6).unwrap(), ["2001:db8::7".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn an_answer_without_usable_addresses_is_no_answer() {
        for body in [
            "{}",
            r#"{"AssignedPrivateIpAddressesSet":null}"#,
            r#"{"AssignedPrivateIpAddressesSet":{"PrivateIpSet":{"PrivateIpAddress":"10.0.0.7"}}}"#,
            r#"{"AssignedPrivateIpAddressesSet":{"PrivateIpSet":{"PrivateIpAddress":[7]}}}"#,
            r#"{"AssignedPrivateIpAddressesSet":{"PrivateIpSet":{"PrivateIpAddress":["10.0.0.7","x"]}}}"#,
        ] {
            assert_eq!(parse(body, Family::V4), None, "{body}");
        }
    }

    #[test]
    fn one_request_is_about_one_family() {
        let (v4, v6): (IpAddr, IpAddr) = ("10.0.0.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
        assert_eq!(family_of(&[v4, v4]), Some(Family::V4));
        assert_eq!(family_of(&[v6]), Some(Family::V6));
        assert_eq!(family_of(&[v4, v6]), None);
        assert_eq!(family_of(&[]), None);
    }

    #[test]
    fn lists_are_numbered_from_one() {
        let expected = [("IP.1".to_owned(), "a".to_owned()), ("IP.2".to_owned(), "b".to_owned())];
        assert_eq!(numbered("IP", &["a", "b"]), expected);
    }
}
