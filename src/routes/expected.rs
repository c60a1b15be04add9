//! What the kernel should have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::base::eni::EniId;
use crate::routes::EniNetwork;

/// What the kernel should have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// All ENIs of the node.
    pub(crate) enis: Vec<EniNetwork>,
    /// Addresses that need a rule, each with the ENI that has it.
    pub(crate) pods: BTreeMap<IpAddr, EniId>,
    /// Further addresses that are in use: a rule for one of them is not left over.
    pub(crate) others: BTreeSet<IpAddr>,
}
