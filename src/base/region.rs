//! The id of a region, and the two families of addresses.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::base::text::first;

/// The id of a region, such as `cn-hangzhou`. It becomes a part of host names, so it has lower-case letters, digits
/// and inner hyphens only, and at most 63 of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegionId(String);

/// A text that cannot be the id of a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{:?} is not a region id: it should look like cn-hangzhou", first(.0))]
pub struct InvalidRegionId(String);

impl RegionId {
    /// The id as ECS writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RegionId {
    type Error = InvalidRegionId;

    fn try_from(id: String) -> Result<Self, InvalidRegionId> {
        let safe = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let inner = !id.starts_with('-') && !id.ends_with('-');
        if safe && inner && (1..=63).contains(&id.len()) { Ok(Self(id)) } else { Err(InvalidRegionId(id)) }
    }
}

impl From<RegionId> for String {
    fn from(id: RegionId) -> String {
        id.0
    }
}

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// IPv4 or IPv6: ECS has an action of its own for each, and no request may name both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4: `AssignPrivateIpAddresses`, `UnassignPrivateIpAddresses`.
    V4,
    /// IPv6: `AssignIpv6Addresses`, `UnassignIpv6Addresses`.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_would_change_the_host_name_is_refused() {
        for id in ["", "-cn", "cn-", "CN-hangzhou", "cn.hangzhou", "cn/hangzhou", "cn@evil", &"c".repeat(64)]
        {
            assert!(RegionId::try_from(id.to_owned()).is_err(), "{id:?}");
        }
        for id in ["cn-hangzhou", "us-west-1", "ap-southeast-7", "cn-north-2-gov-1"] {
            assert!(RegionId::try_from(id.to_owned()).is_ok(), "{id:?}");
        }
    }
}
