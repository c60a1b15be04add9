//! Addresses on an ENI that are other software's, on purpose.

use std::fmt::{self, Display};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// The addresses and blocks that `foreignAddresses` names: never given to a pod, never an orphan, never released.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignAddresses(Vec<IpNetwork>);

impl ForeignAddresses {
    /// These blocks; a single address is a block of one.
    #[must_use]
    pub fn new(blocks: Vec<IpNetwork>) -> Self {
        Self(blocks)
    }

    /// Whether the address is other software's.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(address))
    }

    /// Whether nothing of `subnet` is left for pods, because one entry has all of it.
    #[must_use]
    pub fn covers(&self, subnet: IpNetwork) -> bool {
        self.0.iter().any(|block| block.prefix() <= subnet.prefix() && block.contains(subnet.ip()))
    }
}

/// The entries, for people.
impl Display for ForeignAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, block) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let is_single = block.prefix() == if block.is_ipv4() { 32 } else { 128 };
            if is_single {
                write!(f, "{separator}{}", block.ip())?;
            } else {
                write!(f, "{separator}{block}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(blocks: &[&str]) -> ForeignAddresses {
        ForeignAddresses::new(blocks.iter().map(|block| block.parse().unwrap()).collect())
    }

    #[test]
    fn an_address_is_foreign_by_itself_or_by_its_block_in_either_family() {
        let foreign = foreign(&["192.168.0.7", "192.168.0.64/26", "2001:db8::/112"]);
        for (address, expected) in [
            ("192.168.0.7", true),
            ("192.168.0.8", false),
            ("192.168.0.64", true),
            ("192.168.0.127", true),
            ("192.168.0.128", false),
            ("2001:db8::ffff", true),
            ("2001:db8::1:0", false),
        ] {
            assert_eq!(foreign.contains(address.parse().unwrap()), expected, "{address}");
        }
        assert!(!ForeignAddresses::default().contains("192.168.0.7".parse().unwrap()));
    }

    #[test]
    fn a_subnet_is_covered_if_one_entry_has_all_of_it() {
        let foreign = foreign(&["192.168.0.0/24", "2001:db8::1"]);
        for (subnet, expected) in [
            ("192.168.0.0/24", true),
            ("192.168.0.128/25", true),
            ("192.168.0.0/23", false),
            ("192.168.1.0/24", false),
            ("2001:db8::/64", false),
        ] {
            assert_eq!(foreign.covers(subnet.parse().unwrap()), expected, "{subnet}");
        }
    }

    #[test]
    fn people_see_the_entries_as_they_would_write_them() {
        assert_eq!(foreign(&["192.168.0.7", "2001:db8::/112"]).to_string(), "192.168.0.7, 2001:db8::/112");
    }
}
