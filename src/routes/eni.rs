//! An ENI of this node, as far as the kernel's routes depend on it.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::base::eni::EniId;
use crate::routes::numbers;

/// An ENI of this node, as far as the kernel's routes depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EniNetwork {
    pub(crate) eni: EniId,
    /// The hardware address, in lower case, by which its link is known.
    pub(crate) mac: String,
    /// Whether it is the primary ENI of the instance.
    pub(crate) is_primary: bool,
    /// Its own primary private address, which no pod has.
    pub(crate) address: Ipv4Addr,
    /// The gateway of its vSwitch.
    pub(crate) gateway: Ipv4Addr,
    /// An IPv6 address of its own, where it has one that no pod can have.
    pub(crate) address6: Option<Ipv6Addr>,
    /// The IPv6 gateway of its vSwitch; `None` where the vSwitch has no IPv6.
    pub(crate) gateway6: Option<Ipv6Addr>,
}

impl EniNetwork {
    /// The number of its table; `None` where the hardware address is none.
    pub(crate) fn table(&self) -> Option<u32> {
        numbers::parse_mac(&self.mac).map(numbers::table_of)
    }
}
