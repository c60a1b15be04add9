//! Looking at the inventory.

use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::{Answer, Context, Outcome};
use crate::error::ApiError;
use crate::rpc::Call;
use crate::signature::sha256_hex;
use crate::world::{Eni, EniType, World};

/// How many members a filter may list.
const MAX_LISTED: usize = 100;
/// The bounds of `MaxResults`. A value outside is taken for the nearest one inside.
const PAGE_SIZES: (usize, usize) = (10, 500);

/// Lists ENIs. Of another region's there are none; an id that does not exist is no error.
pub(super) fn interfaces(context: &Context<'_>) -> Outcome {
    let (world, call) = (&context.cloud.world, context.call);
    let matches = filter(world, call)?;
    let mut found: Vec<&Eni> = world.enis.values().collect();
    found.retain(|eni| matches(eni));
    let by_token = call.text("MaxResults").is_some() || call.text("NextToken").is_some();
    let by_number = call.text("PageNumber").is_some() || call.text("PageSize").is_some();
    let page = if by_number && !by_token { Page::numbered(call, &found)? } else { Page::next(call, &found)? };
    Ok(Answer::unchanged(json!({
        "NextToken": page.next_token,
        "TotalCount": page.total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "NetworkInterfaceSets": {
            "NetworkInterfaceSet": page.enis.iter().map(|eni| describe(world, eni)).collect::<Vec<_>>(),
        },
    })))
}

/// Describes one ENI.
pub(super) fn interface(context: &Context<'_>) -> Outcome {
    let (world, call) = (&context.cloud.world, context.call);
    let region = call.required("RegionId")?;
    let id = call.required("NetworkInterfaceId")?;
    let eni = world.enis.get(id).filter(|_| region == world.region_id);
    Ok(Answer::unchanged(describe(world, eni.ok_or_else(|| ApiError::no_such_eni(id))?)))
}

/// The quotas of the node's instance type, the only one that exists.
pub(super) fn instance_types(context: &Context<'_>) -> Outcome {
    let (world, call) = (&context.cloud.world, context.call);
    let wanted = call.bounded_list("InstanceTypes", MAX_LISTED)?;
    let name = world.instance.instance_type.as_str();
    let mut types = vec![json!({
        "InstanceTypeId": name,
        "InstanceTypeFamily": name.rsplit_once('.').map_or(name, |(family, _)| family),
        "CpuCoreCount": 2,
        "MemorySize": 8.0,
        "EniQuantity": 3,
        "EniTotalQuantity": 3,
        "EniPrivateIpAddressQuantity": world.quota.ipv4,
        "EniIpv6AddressQuantity": world.quota.ipv6,
        "EniTrunkSupported": false,
        "EriQuantity": 0,
    })];
    types.retain(|_| wanted.is_empty() || wanted.contains(&name));
    Ok(Answer::unchanged(json!({"NextToken": "", "InstanceTypes": {"InstanceType": types}})))
}

/// The one region there is.
pub(super) fn regions(context: &Context<'_>) -> Answer {
    let region = &context.cloud.world.region_id;
    Answer::unchanged(json!({"Regions": {"Region": [{
        "RegionId": region,
        "LocalName": region,
        "RegionEndpoint": format!("ecs.{region}.aliyuncs.com"),
    }]}}))
}

/// Reads all filters of a call. The answer says of an ENI whether every one of them lets it pass.
fn filter<'a>(world: &'a World, call: &'a Call) -> Result<impl Fn(&Eni) -> bool + 'a, ApiError> {
    let region = call.required("RegionId")?;
    let ids = call.bounded_list("NetworkInterfaceId", MAX_LISTED)?;
    let ipv4s = parsed_list(call, "PrivateIpAddress")?;
    let ipv6s = parsed_list(call, "Ipv6Address")?;
    let managed: Option<bool> = call.text("ServiceManaged").map(|text| text.eq_ignore_ascii_case("true"));
    let tags = tags(call)?;
    let equals = |name: &str, value: &str| call.text(name).is_none_or(|wanted| wanted == value);
    Ok(move |eni: &Eni| {
        region == world.region_id
            && (ids.is_empty() || ids.contains(&eni.id.as_str()))
            && (ipv4s.is_empty() || eni.ipv4s().any(|address| ipv4s.contains(&address)))
            && (ipv6s.is_empty() || eni.ipv6s().any(|address| ipv6s.contains(&address)))
            && managed.is_none_or(|managed| managed == eni.service_managed)
            && tags.iter().all(|(key, value)| {
                eni.tags.get(*key).is_some_and(|own| value.is_none_or(|value| value == own))
            })
            && equals("InstanceId", eni.instance_id.as_deref().unwrap_or_default())
            && equals("Type", &format!("{:?}", eni.kind))
            && equals("Status", &format!("{:?}", eni.status))
            && equals("VpcId", &world.vpc.id)
            && equals("VSwitchId", &eni.vswitch_id)
            && equals("NetworkInterfaceName", &eni.name)
            && call
                .text("SecurityGroupId")
                .is_none_or(|id| eni.security_group_ids.iter().any(|own| own == id))
    })
}

fn parsed_list<T: FromStr>(call: &Call, name: &str) -> Result<Vec<T>, ApiError> {
    let texts = call.bounded_list(name, MAX_LISTED)?;
    texts.into_iter().map(|text| text.parse().map_err(|_| ApiError::invalid(name))).collect()
}

/// The tags of `Tag.N.Key` and, where they are given, `Tag.N.Value`.
fn tags(call: &Call) -> Result<Vec<(&str, Option<&str>)>, ApiError> {
    const MAX_TAGS: u32 = 20;
    let keys = call.parameters.keys().filter(|name| name.starts_with("Tag.") && name.ends_with(".Key"));
    let tags: Vec<_> = (1..=MAX_TAGS)
        .filter_map(|n| Some((call.text(&format!("Tag.{n}.Key"))?, call.text(&format!("Tag.{n}.Value")))))
        .collect();
    if keys.count() > tags.len() { Err(ApiError::invalid("Tag.N.Key")) } else { Ok(tags) }
}

/// A part of the ENIs that were found.
struct Page<'a> {
    enis: Vec<&'a Eni>,
    next_token: String,
    /// Together with `NextToken`, the real service's number means nothing. 0 makes that plain.
    total: usize,
    number: usize,
    size: usize,
}

impl<'a> Page<'a> {
    /// The old way: by number and size.
    fn numbered(call: &Call, found: &[&'a Eni]) -> Result<Self, ApiError> {
        let number = call.parsed("PageNumber")?.unwrap_or(1_usize).max(1);
        let size = call.parsed("PageSize")?.unwrap_or(10_usize).clamp(1, 500);
        let enis = found.chunks(size).nth(number - 1).unwrap_or_default().to_vec();
        Ok(Self { enis, next_token: String::new(), total: found.len(), number, size })
    }

    /// The way that is recommended: up to `MaxResults`, and a token for the rest.
    fn next(call: &Call, found: &[&'a Eni]) -> Result<Self, ApiError> {
        let size = call.parsed("MaxResults")?.unwrap_or(PAGE_SIZES.0).clamp(PAGE_SIZES.0, PAGE_SIZES.1);
        let after = match call.text("NextToken") {
            Some(token) => NextToken::read(call, token).ok_or_else(|| ApiError::invalid("NextToken"))?,
            None => String::new(),
        };
        let rest: Vec<_> = found.iter().copied().filter(|eni| eni.id > after).collect();
        let enis = rest.iter().copied().take(size).collect::<Vec<_>>();
        let next_token = match enis.last() {
            Some(last) if rest.len() > enis.len() => NextToken::write(call, &last.id),
            _ => String::new(),
        };
        Ok(Self { enis, next_token, total: 0, number: 1, size })
    }
}

/// Where the next page begins. The token is bound to the filters that it was issued for, and has characters that a
/// careless encoding breaks.
struct NextToken;

impl NextToken {
    const PREFIX: &'static [u8] = &[0xfb, 0xef, 0xbe];

    fn write(call: &Call, last: &str) -> String {
        let text = format!("{}:{last}", Self::filters(call));
        BASE64_STANDARD.encode([Self::PREFIX, text.as_bytes(), b"?"].concat())
    }

    /// The id of the last ENI on the page before.
    fn read(call: &Call, token: &str) -> Option<String> {
        let bytes = BASE64_STANDARD.decode(token).ok()?;
        let text = std::str::from_utf8(bytes.strip_prefix(Self::PREFIX)?).ok()?.strip_suffix('?')?;
        let (filters, last) = text.split_once(':')?;
        (filters == Self::filters(call)).then(|| last.to_owned())
    }

    fn filters(call: &Call) -> String {
        let mut filters = call.substance();
        filters.retain(|name, _| name != "NextToken" && name != "MaxResults");
        sha256_hex(format!("{filters:?}").as_bytes())[..16].to_owned()
    }
}

/// Everything about an ENI.
fn describe(world: &World, eni: &Eni) -> Value {
    let private_ips: Vec<_> = eni
        .ipv4s()
        .map(|address| {
            json!({
                "PrivateIpAddress": address,
                "Primary": address == eni.primary_ip,
                "PrivateDnsName": "",
                "AssociatedPublicIp": {"AllocationId": "", "PublicIpAddress": ""},
            })
        })
        .collect();
    let ipv6s: Vec<_> = eni
        .ipv6s()
        .map(|address| json!({"Ipv6Address": address, "Primary": eni.primary_ipv6 == Some(address)}))
        .collect();
    let tags: Vec<_> =
        eni.tags.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect();
    let instance_id = eni.instance_id.as_deref().unwrap_or_default();
    json!({
        "NetworkInterfaceId": eni.id,
        "NetworkInterfaceName": eni.name,
        "Description": "",
        "Status": format!("{:?}", eni.status),
        "Type": format!("{:?}", eni.kind),
        "MacAddress": eni.mac,
        "InstanceId": instance_id,
        "VpcId": world.vpc.id,
        "VSwitchId": eni.vswitch_id,
        "ZoneId": world.zone_id,
        "PrivateIpAddress": eni.primary_ip,
        "PrivateIpSets": {"PrivateIpSet": private_ips},
        "Ipv6Sets": {"Ipv6Set": ipv6s},
        "Ipv4PrefixSets": {"Ipv4PrefixSet": []},
        "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
        "SecurityGroupIds": {"SecurityGroupId": eni.security_group_ids},
        "NetworkInterfaceTrafficMode": "Standard",
        "Attachment": {
            "InstanceId": instance_id,
            "DeviceIndex": i32::from(eni.kind == EniType::Secondary),
            "NetworkCardIndex": 0,
            "TrunkNetworkInterfaceId": "",
        },
        "Tags": {"Tag": tags},
        "ServiceManaged": eni.service_managed,
        "ServiceID": 0,
        "CreationTime": "2026-01-01T00:00:00Z",
        "QueueNumber": 2,
        "DeleteOnRelease": true,
        "SourceDestCheck": false,
        "OwnerId": World::ACCOUNT_ID,
        "ResourceGroupId": "",
    })
}
