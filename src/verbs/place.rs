//! Where a pod's addresses come from: which ENI of this node, in which region, and what its vSwitch looks like.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::cni::Requested;
use crate::ecs::{Family, RegionId};
use crate::eni::EniId;
use crate::store::{Address, Allocation, Intention};

use crate::failure::{Failure, Result};

/// Where a pod's addresses come from.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) region: RegionId,
    pub(super) eni: EniId,
    /// The ENI's primary addresses, as far as they are known.
    pub(super) primary: BTreeSet<IpAddr>,
    /// One for each family that pods get an address of.
    pub(super) subnets: Vec<Subnet>,
}

/// What a result says of an address's surroundings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subnet {
    pub(super) block: IpNetwork,
    pub(super) gateway: Option<IpAddr>,
}

/// One address that an ADD wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) family: Family,
    pub(super) subnet: Subnet,
    /// This one, or any.
    pub(super) address: Option<IpAddr>,
}

impl Place {
    /// One address of each family, the requested ones where there are any.
    pub(super) fn wanted(&self, requested: &[Requested]) -> Result<Vec<Wanted>> {
        let mut wanted: Vec<_> = self.subnets.iter().map(|&subnet| Wanted::any(subnet)).collect();
        for Requested { address, prefix } in requested {
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
    pub(super) fn allocation(&self, intention: &Intention) -> Allocation {
        Allocation {
            owner: intention.owner.clone(),
            network: intention.network.clone(),
            eni: self.eni.clone(),
            region: self.region.to_string(),
            addresses: Vec::new(),
            pod: intention.pod.clone(),
            boot_id: intention.boot_id.clone(),
            since: intention.since,
        }
    }
}

impl Subnet {
    /// What is recorded of an address that ECS gave from here.
    pub(super) fn address(&self, address: IpAddr) -> Address {
        let with_prefix = IpNetwork::new(address, self.block.prefix());
        Address { address: with_prefix.unwrap_or_else(|_| address.into()), gateway: self.gateway }
    }
}

impl Wanted {
    fn any(subnet: Subnet) -> Self {
        Self { family: Family::of(subnet.block.ip()), subnet, address: None }
    }
}
