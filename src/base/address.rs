//! A pod's address, and what its surroundings look like.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// An address as a CNI result has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The secondary private IP, with the prefix length of its vSwitch's CIDR block.
    pub address: IpNetwork,
    /// Its vSwitch's gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

impl Address {
    /// An address of which nothing else is known, and nothing else is needed to release it.
    #[must_use]
    pub fn alone(address: IpAddr) -> Self {
        Self { address: address.into(), gateway: None }
    }
}
