//! Where a pod's addresses come from: which ENI of this node, in which region, and what its vSwitch looks like.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::base::address::Address;
use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::base::region::{Family, RegionId};
use crate::cni::AddressRequest;
use crate::store::{AddIntent, Allocation};

use crate::failure::{Failure, Result};

/// Where a pod's addresses come from.
#[derive(Clone, Debug)]
pub(crate) struct EniPlacement {
    pub(crate) region: RegionId,
    pub(crate) eni: EniId,
    /// The ENI's hardware address, as far as it is known.
    pub(crate) mac: Option<String>,
    /// The ENI's primary addresses, as far as they are known.
    pub(crate) primary: BTreeSet<IpAddr>,
    /// Whether it is known to be a secondary ENI.
    pub(crate) secondary: bool,
    /// Since when this node has known the ENI in this boot.
    pub(crate) known_since: Option<Timestamp>,
    /// One for each family that pods get an address of.
    pub(crate) subnets: Vec<Subnet>,
}

/// What a result says of an address's surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subnet {
    pub(crate) block: IpNetwork,
    pub(crate) gateway: Option<IpAddr>,
}

/// One address that an ADD wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) family: Family,
    pub(crate) subnet: Subnet,
    /// This one, or any.
    pub(crate) address: Option<IpAddr>,
}

impl EniPlacement {
    /// One address of each family, the requested ones where there are any.
    pub(crate) fn wanted(&self, requested: &[AddressRequest]) -> Result<Vec<Wanted>> {
        let mut wanted: Vec<_> = self.subnets.iter().map(|&subnet| Wanted::any(subnet)).collect();
        for AddressRequest { address, prefix } in requested {
            let slot =
                wanted.iter_mut().find(|it| it.subnet.block.contains(*address) && it.address.is_none());
            let Some(slot) = slot.filter(|it| prefix.is_none_or(|prefix| prefix == it.subnet.block.prefix()))
            else {
                let blocks: Vec<_> = self.subnets.iter().map(|subnet| subnet.block.to_string()).collect();
                return Err(Failure::RequestedAddress {
                    address: *address,
                    blocks: blocks.join(" and one from "),
                });
            };
            slot.address = Some(*address);
        }
        Ok(wanted)
    }

    /// The record of what an ADD gets here, still without addresses.
    pub(crate) fn allocation(&self, intention: &AddIntent) -> Allocation {
        Allocation {
            owner: intention.owner.clone(),
            network: intention.network.clone(),
            eni: self.eni.clone(),
            region: self.region.clone(),
            addresses: Vec::new(),
            pod: intention.pod.clone(),
            boot_id: intention.boot_id.clone(),
            since: intention.since,
        }
    }
}

impl Subnet {
    /// What is recorded of an address that ECS gave from here.
    pub(crate) fn address(&self, address: IpAddr) -> Address {
        let with_prefix = IpNetwork::new(address, self.block.prefix());
        Address { address: with_prefix.unwrap_or_else(|_| address.into()), gateway: self.gateway }
    }
}

impl Wanted {
    fn any(subnet: Subnet) -> Self {
        Self { family: Family::of(subnet.block.ip()), subnet, address: None }
    }
}
