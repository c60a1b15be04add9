//! Which addresses of a vSwitch are free, and which of them are handed out.
//!
//! Both families are counted as 128-bit numbers here, so that one search serves both.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::world::{AddressPolicy, VSwitch, World};

/// How many addresses at the end of an IPv4 block the cloud keeps for itself, the broadcast address included.
const RESERVED_AT_THE_END: u128 = 3;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    fn number(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        }
    }

    fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            Self::V6 => Ipv6Addr::from(number).into(),
        }
    }
}

/// The first and the last address of a vSwitch that an ENI can get.
fn usable(vswitch: &VSwitch, family: Family) -> Option<(u128, u128)> {
    let (network, end) = match family {
        Family::V4 => {
            let last = Family::number(vswitch.cidr.broadcast().into());
            (Family::number(vswitch.cidr.network().into()), last.saturating_sub(RESERVED_AT_THE_END))
        }
        Family::V6 => {
            let block = vswitch.cidr6?;
            (Family::number(block.network().into()), Family::number(block.broadcast().into()))
        }
    };
    (network < end).then_some((network + 1, end))
}

/// Everything in the vSwitch that cannot be handed out: gateways, and what is on its ENIs.
fn taken(world: &World, vswitch: &VSwitch) -> BTreeSet<u128> {
    let on_enis = world
        .enis
        .values()
        .filter(|eni| eni.vswitch_id == vswitch.id)
        .flat_map(|eni| eni.addresses.iter().copied().chain([IpAddr::V4(eni.primary_ip)]));
    let gateways = [Some(IpAddr::V4(vswitch.gateway)), vswitch.gateway6.map(IpAddr::V6)];
    on_enis.chain(gateways.into_iter().flatten()).map(Family::number).collect()
}

impl World {
    /// Whether an address lies in what the vSwitch can hand out.
    pub(crate) fn is_usable(&self, vswitch_id: &str, address: IpAddr) -> bool {
        let range = self.vswitches.get(vswitch_id).and_then(|vswitch| usable(vswitch, Family::of(address)));
        range.is_some_and(|(first, last)| (first..=last).contains(&Family::number(address)))
    }

    /// Whether an address of the vSwitch is a gateway or on an ENI.
    pub(crate) fn is_taken(&self, vswitch_id: &str, address: IpAddr) -> bool {
        let Some(vswitch) = self.vswitches.get(vswitch_id) else { return false };
        taken(self, vswitch).contains(&Family::number(address))
    }

    /// Picks free addresses by the world's policy, or none at all where there are fewer.
    pub(crate) fn hand_out(&mut self, vswitch_id: &str, family: Family, count: usize) -> Option<Vec<IpAddr>> {
        let vswitch = self.vswitches.get(vswitch_id)?;
        let (first, last) = usable(vswitch, family)?;
        let previous = match family {
            Family::V4 => vswitch.last_handed_out.0,
            Family::V6 => vswitch.last_handed_out.1,
        };
        let start = match (self.policy, previous) {
            (AddressPolicy::RoundRobin, Some(previous)) if (first..last).contains(&previous) => previous + 1,
            _ => first,
        };
        let taken = taken(self, vswitch);
        let picked: Vec<_> =
            (start..=last).chain(first..start).filter(|number| !taken.contains(number)).take(count).collect();
        if picked.len() < count {
            return None;
        }
        let vswitch = self.vswitches.get_mut(vswitch_id)?;
        match family {
            Family::V4 => vswitch.last_handed_out.0 = picked.last().copied(),
            Family::V6 => vswitch.last_handed_out.1 = picked.last().copied(),
        }
        Some(picked.into_iter().map(|number| family.address(number)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands addresses out and puts them on the secondary ENI; answers their last octets.
    fn take(world: &mut World, count: usize) -> Option<Vec<u8>> {
        let picked = world.hand_out(World::VSWITCH_ID, Family::V4, count)?;
        world.eni_mut(World::SECONDARY_ENI).addresses.extend(&picked);
        let last_octet = |address: &IpAddr| match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => unreachable!("asked for IPv4"),
        };
        Some(picked.iter().map(last_octet).collect())
    }

    fn give_back(world: &mut World, last_octet: u8) {
        let address = IpAddr::from([192, 168, 0, last_octet]);
        assert!(world.eni_mut(World::SECONDARY_ENI).addresses.remove(&address));
    }

    #[test]
    fn the_lowest_free_address_is_the_one_just_released() {
        let mut world = World::single_node().with_policy(AddressPolicy::LowestFree);
        assert_eq!(take(&mut world, 3).unwrap(), [1, 2, 3]);
        give_back(&mut world, 2);
        assert_eq!(take(&mut world, 2).unwrap(), [2, 4]);
    }

    #[test]
    fn round_robin_comes_back_to_a_released_address_last() {
        let mut world = World::single_node().with_vswitch("192.168.0.0/28", "192.168.0.13");
        assert_eq!(take(&mut world, 3).unwrap(), [1, 2, 3]);
        give_back(&mut world, 2);
        assert_eq!(take(&mut world, 7).unwrap(), [4, 5, 6, 7, 8, 9, 12]);
        assert_eq!(take(&mut world, 1).unwrap(), [2]);
    }

    #[test]
    fn reserved_addresses_are_never_handed_out() {
        let mut world = World::single_node().with_vswitch("192.168.0.0/28", "192.168.0.13");
        assert_eq!(take(&mut world, 11), None, "a request is met in full or not at all");
        assert_eq!(take(&mut world, 10).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 12]);
        assert_eq!(take(&mut world, 1), None);
    }

    #[test]
    fn ipv6_addresses_come_from_the_vswitch_too() {
        let mut world = World::single_node();
        let picked = world.hand_out(World::VSWITCH_ID, Family::V6, 2).unwrap();
        let expected: Vec<IpAddr> = ["2001:db8:1234:1a00::1", "2001:db8:1234:1a00::2"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(picked, expected);
    }
}
