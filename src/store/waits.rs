//! What an ADD waits for, as its intent says it to others.

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::region::Family;

/// What an ADD waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waits {
    /// The ENIs of which it would take addresses.
    #[serde(rename = "networkInterfaceIds")]
    pub(crate) enis: Vec<EniId>,
    /// Whether it wants an IPv4 address.
    pub(crate) ipv4: bool,
    /// Whether it wants an IPv6 address.
    pub(crate) ipv6: bool,
    /// Its deadline.
    pub(crate) until: Timestamp,
}

impl Waits {
    /// Whether it wants an address of this family.
    pub(super) fn wants(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.ipv4,
            Family::V6 => self.ipv6,
        }
    }
}
