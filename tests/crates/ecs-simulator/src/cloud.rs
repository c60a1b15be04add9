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

/// What the cloud was like at some moment: its inventory, and what it had assigned under each `ClientToken`.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The inventory.
    pub world: World,
    assignments: BTreeMap<String, Assignment>,
}

impl Saved {
    pub(crate) fn of(cloud: &Cloud) -> Self {
        Self { world: cloud.world.clone(), assignments: cloud.assignments.clone() }
    }

    /// Makes it so again. Nonces and sessions stay: a client never sends the same ones twice.
    pub(crate) fn restore(&self, cloud: &mut Cloud) {
        let Self { world, assignments } = self.clone();
        (cloud.world, cloud.assignments) = (world, assignments);
    }

    /// Forgets all requests but those with these `ClientToken`s, as if they had not come.
    pub fn keep_requests(&mut self, keep: impl Fn(&str) -> bool) {
        self.assignments.retain(|token, _| keep(token));
    }

    /// What was assigned under a `ClientToken`.
    #[must_use]
    pub fn assigned_under(&self, client_token: &str) -> &[IpAddr] {
        self.assignments.get(client_token).map(|it| it.addresses.as_slice()).unwrap_or_default()
    }
}
