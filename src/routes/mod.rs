//! The node's routes for its pods: what a pod sends leaves by the ENI that has its address, and what comes in by one ENI is
//! answered by the same. Links, addresses, rules, tables and the packet filter's mark, all by netlink.
//!
//! This room knows no cloud, no store and no CNI: it is told which ENIs the node has and which address is on which of them.

mod address;
mod conntrack;
mod eni;
mod error;
mod expected;
mod item;
mod kernel;
mod link;
mod main_table;
mod mark;
mod network;
mod numbers;
mod observed;
mod plan;
mod reach;
mod rule;
mod socket;
mod sysctl;
mod table;

pub(crate) use eni::EniNetwork;
pub use error::Error;
pub(crate) use error::Result;
pub(crate) use expected::Expected;
pub(crate) use network::{Change, Difference, DifferenceKind, Network};

#[cfg(test)]
mod tests;
