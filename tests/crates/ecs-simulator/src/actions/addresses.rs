//! Assigning addresses to an ENI, and unassigning them, in both families.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Answer, Context, Outcome};
use crate::cloud::Assignment;
use crate::error::ApiError;
use crate::handout::Family;
use crate::rpc::Call;
use crate::world::{Eni, EniStatus, EniType, FamilyLimits, InstanceState, Quota, RequestLimits, World};

/// What differs between the families.
pub(super) struct Rules {
    family: Family,
    /// The parameter that lists addresses.
    listed: &'static str,
    /// The parameter that asks for a number of addresses.
    counted: &'static str,
    /// Parameters for prefixes in the place of addresses, which the simulator does not have.
    prefixes: [&'static str; 2],
    repeated: &'static str,
    too_many: &'static str,
    limit: fn(&Quota) -> usize,
    per_request: fn(&RequestLimits) -> FamilyLimits,
    answer: fn(&str, &[IpAddr]) -> Value,
}

pub(super) const IPV4: Rules = Rules {
    family: Family::V4,
    listed: "PrivateIpAddress",
    counted: "SecondaryPrivateIpAddressCount",
    prefixes: ["Ipv4Prefix.1", "Ipv4PrefixCount"],
    repeated: "InvalidPrivateIpAddress.Duplicated",
    too_many: "QuotaExceeded.PrivateIpAddress",
    // The primary address counts.
    limit: |quota| quota.ipv4.saturating_sub(1),
    per_request: |limits| limits.ipv4,
    answer: |eni, addresses| {
        json!({"AssignedPrivateIpAddressesSet": {
            "NetworkInterfaceId": eni,
            "PrivateIpSet": {"PrivateIpAddress": addresses},
            "Ipv4PrefixSet": {"Ipv4Prefixes": []},
        }})
    },
};

pub(super) const IPV6: Rules = Rules {
    family: Family::V6,
    listed: "Ipv6Address",
    counted: "Ipv6AddressCount",
    prefixes: ["Ipv6Prefix.1", "Ipv6PrefixCount"],
    repeated: "InvalidIp.IpRepeated",
    too_many: "InvalidOperation.Ipv6CountExceeded",
    limit: |quota| quota.ipv6,
    per_request: |limits| limits.ipv6,
    answer: |eni, addresses| {
        json!({
            "NetworkInterfaceId": eni,
            "Ipv6Sets": {"Ipv6Address": addresses},
            "Ipv6PrefixSets": {"Ipv6Prefix": []},
        })
    },
};

/// What an Assign asks for.
enum Wish {
    These(Vec<IpAddr>),
    AnyOf(usize),
}

impl Rules {
    /// The addresses that a call lists: well-formed, of the family, none twice.
    fn addresses(&self, call: &Call) -> Result<Vec<IpAddr>, ApiError> {
        if let Some(prefix) = self.prefixes.iter().find(|name| call.text(name).is_some()) {
            return Err(ApiError::new("UnsupportedParameter").message(format!(
                "The specified parameter \"{prefix}\" is not supported by the simulator."
            )));
        }
        let mut addresses = Vec::new();
        for text in call.list(self.listed)? {
            match text.parse() {
                Ok(address) if Family::of(address) == self.family => addresses.push(address),
                _ => return Err(ApiError::invalid(self.listed)),
            }
        }
        if addresses.iter().collect::<BTreeSet<_>>().len() < addresses.len() {
            return Err(ApiError::new(self.repeated));
        }
        Ok(addresses)
    }

    fn wish(&self, call: &Call, limits: &RequestLimits) -> Result<Wish, ApiError> {
        let name = self.counted;
        let most = (self.per_request)(limits).assign;
        let addresses = self.addresses(call)?;
        match (addresses.is_empty(), call.parsed(name)?) {
            (false, None) => {
                refuse_more(self.listed, addresses.len(), most, limits)?;
                Ok(Wish::These(addresses))
            }
            (true, Some(count)) if count > 0 => {
                refuse_more(name, count, most, limits)?;
                Ok(Wish::AnyOf(count))
            }
            (_, Some(_)) => Err(ApiError::invalid(name)),
            (true, None) => Err(ApiError::missing(name)),
        }
    }
}

/// Refuses a request that is about more addresses than one may be.
fn refuse_more(
    parameter: &str,
    count: usize,
    most: Option<usize>,
    limits: &RequestLimits,
) -> Result<(), ApiError> {
    match limits.code.as_str() {
        _ if most.is_none_or(|most| count <= most) => Ok(()),
        "InvalidParameter" => Err(ApiError::invalid(parameter)),
        code => Err(ApiError::new(code)),
    }
}

/// The ENI that a call names, if it can be changed.
fn changeable<'a>(world: &'a World, call: &Call) -> Result<&'a Eni, ApiError> {
    let region = call.required("RegionId")?;
    let id = call.required("NetworkInterfaceId")?;
    let eni =
        world.enis.get(id).filter(|_| region == world.region_id).ok_or_else(|| ApiError::no_such_eni(id))?;
    if eni.service_managed {
        return Err(ApiError::new("InvalidOperation.EniServiceManaged"));
    }
    if !matches!(eni.status, EniStatus::Available | EniStatus::InUse) {
        return Err(ApiError::new("InvalidOperation.InvalidEniState"));
    }
    let instance_allows = matches!(world.instance.state, InstanceState::Running | InstanceState::Stopped);
    if eni.kind == EniType::Primary && !instance_allows {
        return Err(ApiError::new("InvalidOperation.InvalidEcsState"));
    }
    Ok(eni)
}

/// Unassigns all listed addresses, or none where one of them is not a secondary address of the ENI.
pub(super) fn unassign(context: Context<'_>, rules: &Rules) -> Outcome {
    let Context { cloud, call, .. } = context;
    let addresses = rules.addresses(call)?;
    let limits = &cloud.world.per_request;
    refuse_more(rules.listed, addresses.len(), (rules.per_request)(limits).unassign, limits)?;
    call.required("RegionId")?;
    call.required("NetworkInterfaceId")?;
    if addresses.is_empty() {
        return Err(ApiError::missing(rules.listed));
    }
    let eni = changeable(&cloud.world, call)?;
    if let Some(stranger) = addresses.iter().find(|address| !eni.addresses.contains(address)) {
        return Err(ApiError::unassigned(*stranger));
    }
    let id = eni.id.clone();
    cloud.world.eni_mut(&id).unassign(&addresses);
    Ok(Answer { body: json!({}), changed: true, assigned: None })
}

/// Assigns what is asked for, or answers what the same `ClientToken` was answered before.
pub(super) fn assign(context: Context<'_>, rules: &Rules) -> Outcome {
    let Context { cloud, call, .. } = context;
    let wish = rules.wish(call, &cloud.world.per_request)?;
    call.required("RegionId")?;
    let id = call.required("NetworkInterfaceId")?;
    let token = client_token(call)?;
    if let Some(earlier) = token.and_then(|token| cloud.assignments.get(token)) {
        return if earlier.substance == call.substance() {
            Ok(assigned(rules, id, earlier.addresses.clone(), false))
        } else {
            Err(ApiError::new("IdempotentParameterMismatch"))
        };
    }
    changeable(&cloud.world, call)?;
    let addresses = choose(&mut cloud.world, id, rules, wish)?;
    cloud.world.eni_mut(id).assign(&addresses);
    if let Some(token) = token {
        let assignment = Assignment { substance: call.substance(), addresses: addresses.clone() };
        cloud.assignments.insert(token.to_owned(), assignment);
    }
    Ok(assigned(rules, id, addresses, true))
}

fn assigned(rules: &Rules, eni: &str, addresses: Vec<IpAddr>, changed: bool) -> Answer {
    Answer { body: (rules.answer)(eni, &addresses), changed, assigned: Some(addresses) }
}

fn client_token(call: &Call) -> Result<Option<&str>, ApiError> {
    let token = call.text("ClientToken");
    if token.is_some_and(|token| token.len() > 64 || !token.is_ascii()) {
        return Err(ApiError::invalid("ClientToken"));
    }
    Ok(token)
}

/// Settles which addresses the ENI gets.
fn choose(world: &mut World, eni: &str, rules: &Rules, wish: Wish) -> Result<Vec<IpAddr>, ApiError> {
    let eni = &world.enis[eni];
    let vswitch = eni.vswitch_id.clone();
    let present = eni.addresses.iter().filter(|address| Family::of(**address) == rules.family).count();
    let wanted = match &wish {
        Wish::These(addresses) => addresses.len(),
        Wish::AnyOf(count) => *count,
    };
    if present + wanted > (rules.limit)(eni.quota.as_ref().unwrap_or(&world.quota)) {
        return Err(ApiError::new(rules.too_many));
    }
    match wish {
        Wish::AnyOf(count) => world
            .hand_out(&vswitch, rules.family, count)
            .ok_or_else(|| ApiError::new("InvalidVSwitchId.IpNotEnough")),
        Wish::These(addresses) => {
            if addresses.iter().any(|address| !world.is_usable(&vswitch, *address)) {
                return Err(ApiError::new("InvalidVSwitchId.IpInvalid"));
            }
            if addresses.iter().any(|address| world.is_taken(&vswitch, *address)) {
                return Err(ApiError::new("InvalidIp.IpAssigned"));
            }
            Ok(addresses)
        }
    }
}
