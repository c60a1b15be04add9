//! The cloud's state: the inventory, and what the cloud remembers of past requests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::sessions::Sessions;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) world: World,
    /// The short-lived credentials that have been issued.
    pub(crate) sessions: Sessions,
    /// The nonces that each access key has used.
    pub(crate) nonces: BTreeSet<(String, String)>,
    /// What was assigned under each `ClientToken`.
    pub(crate) assignments: BTreeMap<String, Assignment>,
}

/// A request that may be repeated, and its outcome.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) substance: BTreeMap<String, String>,
    pub(crate) addresses: Vec<IpAddr>,
}

impl Cloud {
    pub(crate) fn new(world: World) -> Self {
        Self { world, sessions: Sessions::default(), nonces: BTreeSet::new(), assignments: BTreeMap::new() }
    }
}
