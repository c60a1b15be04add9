//! Versions of the protocol, and what each of them allows.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

/// A version of the CNI specification that this plugin speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 0.1.0, also meant by a configuration that names no version.
    V0_1_0,
    /// 0.2.0, which brought VERSION.
    V0_2_0,
    /// 0.3.0, which brought results with any number of addresses.
    V0_3_0,
    /// 0.3.1, which corrects a slip of 0.3.0.
    V0_3_1,
    /// 0.4.0, which brought CHECK.
    V0_4_0,
    /// 1.0.0, which dropped the family from a result's addresses.
    V1_0_0,
    /// 1.1.0, which brought STATUS, GC and attributes of routes.
    V1_1_0,
}

impl Version {
    /// Every supported version, oldest first.
    pub const ALL: [Self; 7] =
        [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// The newest supported version.
    pub const NEWEST: Self = Self::V1_1_0;

    /// The version as `cniVersion` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Whether a result has the list `ips`, instead of one `ip4` and one `ip6`.
    #[must_use]
    pub fn has_list_of_ips(self) -> bool {
        self >= Self::V0_3_0
    }

    /// Whether each entry of `ips` names its family in `version`, and `dns` is there even when it is empty.
    #[must_use]
    pub fn has_family_of_ips(self) -> bool {
        self.has_list_of_ips() && self < Self::V1_0_0
    }

    /// Whether a route of a result may have more than a destination and a gateway.
    #[must_use]
    pub fn has_route_attributes(self) -> bool {
        self >= Self::V1_1_0
    }

    pub(super) fn numbers(self) -> [i64; 3] {
        match self {
            Self::V0_1_0 => [0, 1, 0],
            Self::V0_2_0 => [0, 2, 0],
            Self::V0_3_0 => [0, 3, 0],
            Self::V0_3_1 => [0, 3, 1],
            Self::V0_4_0 => [0, 4, 0],
            Self::V1_0_0 => [1, 0, 0],
            Self::V1_1_0 => [1, 1, 0],
        }
    }
}

/// The text is not exactly one of the supported versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported;

impl FromStr for Version {
    type Err = Unsupported;

    fn from_str(text: &str) -> Result<Self, Unsupported> {
        if text.is_empty() {
            return Ok(Self::V0_1_0);
        }
        Self::ALL.into_iter().find(|version| version.as_str() == text).ok_or(Unsupported)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The answer to VERSION (SPEC section 5, "VERSION Success"), in the version that the call was made in.
#[must_use]
pub fn version_reply(version: Version) -> Value {
    json!({
        "cniVersion": version.as_str(),
        "supportedVersions": Version::ALL.map(Version::as_str),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_text_of_a_supported_version_is_accepted() {
        for version in Version::ALL {
            assert_eq!(version.as_str().parse(), Ok(version));
        }
        for text in
            ["1.0", "v1.0.0", "1.0.0 ", "01.0.0", "1.0.1", "1.2.0", "2.0.0", "9.9.9", "0.0.0", "latest"]
        {
            assert_eq!(text.parse::<Version>(), Err(Unsupported), "{text}");
        }
    }

    #[test]
    fn an_empty_version_is_0_1_0() {
        assert_eq!("".parse(), Ok(Version::V0_1_0));
    }

    #[test]
    fn versions_are_in_order_as_they_are_listed_and_as_numbers() {
        assert!(Version::ALL.is_sorted());
        assert!(Version::ALL.map(Version::numbers).is_sorted());
        assert_eq!(Version::ALL.last(), Some(&Version::NEWEST));
    }

    #[test]
    fn the_predicates_change_where_the_specification_did() {
        let since =
            |predicate: fn(Version) -> bool| Version::ALL.into_iter().find(|version| predicate(*version));
        assert_eq!(since(Version::has_list_of_ips), Some(Version::V0_3_0));
        assert_eq!(since(Version::has_route_attributes), Some(Version::V1_1_0));
        let family: Vec<_> = Version::ALL.into_iter().filter(|version| version.has_family_of_ips()).collect();
        assert_eq!(family, [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0]);
    }

    #[test]
    fn the_reply_to_version_lists_every_version() {
        let versions = json!(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]);
        let reply = json!({"cniVersion": "1.0.0", "supportedVersions": versions});
        assert_eq!(version_reply(Version::V1_0_0), reply);
    }
}
