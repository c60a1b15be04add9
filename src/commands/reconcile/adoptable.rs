//! Which attachments `reconcile --adopt` can record, and why not the others.
//!
//! A record is made of what libcni remembers of an attachment of this plugin and of this store. A route of the host shows that an
//! address is used, but not by whom.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::node::pods::{CachedAttachment, NodePods};
use crate::store::{Allocation, Listed, State};

/// By when the ADD that made a record has ended, and libcni has remembered its result: what the plugins after this one need is a
/// matter of seconds.
const ADD_HAS_ENDED: Duration = Duration::from_mins(2);

/// An address that two have: a record names it, and a pod of another attachment is seen to use it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) struct Conflict {
    pub(in crate::commands) address: IpAddr,
    /// The attachment that the record is of.
    pub(in crate::commands) owner: Attachment,
    pub(in crate::commands) state: State,
    /// Who uses it, for people.
    pub(in crate::commands) used_by: String,
    /// The attachment to which the address can be given, or why that is not known.
    pub(in crate::commands) adopter: Result<Attachment, String>,
}

/// What is known of an ENI and its node while the ENI's lock is held.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Adoptable<'a> {
    pub(in crate::commands) pods: &'a NodePods,
    /// The directory of the store.
    pub(in crate::commands) store: &'a Path,
    pub(in crate::commands) listed: &'a [Listed],
}

impl Adoptable<'_> {
    /// The attachment for which `address` can be recorded, which no record names.
    ///
    /// # Errors
    /// Why that is not known, or cannot be recorded.
    pub(in crate::commands) fn adopter_of(self, address: IpAddr) -> Result<Attachment, String> {
        let attachments: Vec<_> = self.pods.attachments_with(address).collect();
        let owner = self.only_owner(&attachments)?;
        match self.listed.iter().find(|it| it.owner == owner) {
            None => Ok(owner),
            Some(record) => Err(format!(
                "the same container has another record, which is {}: {}",
                record.state.name(),
                record.addresses().join(", ")
            )),
        }
    }

    /// The one attachment of this plugin and this store among these, which all have one address.
    fn only_owner(self, attachments: &[&CachedAttachment]) -> Result<Attachment, String> {
        let owners: BTreeSet<&Attachment> = attachments.iter().map(|it| &it.owner).collect();
        let Some(first) = attachments.first() else {
            return Err("libcni's cache does not say which container has it".to_owned());
        };
        if owners.len() > 1 {
            let users: BTreeSet<_> = attachments.iter().map(|it| it.user()).collect();
            let users: Vec<_> = users.into_iter().collect();
            return Err(format!("libcni's cache has it for more than one: {}", users.join(" and ")));
        }
        if attachments.iter().any(|it| it.is_of(self.store)) {
            return Ok(first.owner.clone());
        }
        Err(match attachments.iter().find_map(|it| it.store.as_ref()) {
            Some(store) => format!("its record belongs into {}, another dataDir", store.display()),
            None => format!("its addresses are managed by {}", first.ipam),
        })
    }

    /// The addresses on an ENI that a record names, and that another attachment has got since: the record is out of date, for
    /// example because it is from a backup.
    pub(in crate::commands) fn conflicts(self, on_eni: &BTreeSet<IpAddr>, now: Timestamp) -> Vec<Conflict> {
        let mut found = Vec::new();
        for record in self.listed {
            let Some(allocation) = record.allocation.as_ref().filter(|_| can_be_stale(record.state)) else {
                continue;
            };
            for address in allocation.ips().filter(|it| on_eni.contains(it)) {
                found.extend(self.conflict(record, allocation, address, now));
            }
        }
        found
    }

    fn conflict(
        self,
        record: &Listed,
        allocation: &Allocation,
        address: IpAddr,
        now: Timestamp,
    ) -> Option<Conflict> {
        let (own, others): (Vec<_>, Vec<_>) =
            self.pods.attachments_with(address).partition(|it| it.owner == record.owner);
        // A file that is older than the record is of a pod that had the address before: its last DEL has not ended yet, or has
        // failed in another plugin.
        let got_since =
            |it: &&CachedAttachment| it.written.is_some_and(|it| Timestamp::from(it) > allocation.since);
        let newer: Vec<_> = others.into_iter().filter(got_since).collect();
        let used_by = newer.first()?.user();
        let link = self.pods.link_to(address);
        let leads_elsewhere = |it: &&CachedAttachment| {
            link.is_some_and(|link| !it.links.is_empty() && !it.links.iter().any(|its| its == link))
        };
        let adopter = if !own.is_empty() {
            Err("libcni's cache has it for the record's own container as well".to_owned())
        } else if newer.iter().any(leads_elsewhere) {
            Err("the host's route to it leads to another link than that container's".to_owned())
        } else if allocation.since.age(now) < ADD_HAS_ENDED {
            Err("the record is younger than two minutes, so its own ADD may not have ended: try again in two minutes"
                .to_owned())
        } else {
            self.only_owner(&newer).and_then(|owner| self.or_why_not(owner, address))
        };
        let (owner, state) = (record.owner.clone(), record.state);
        Some(Conflict { address, owner, state, used_by, adopter })
    }

    /// `owner`, unless it has a record that does not name `address`.
    fn or_why_not(self, owner: Attachment, address: IpAddr) -> Result<Attachment, String> {
        let names_it = |it: &Listed| {
            it.state == State::Active
                && it.allocation.iter().flat_map(Allocation::ips).any(|ip| ip == address)
        };
        match self.listed.iter().find(|it| it.owner == owner) {
            Some(record) if !names_it(record) => Err("that container has another record".to_owned()),
            _ => Ok(owner),
        }
    }
}

/// Whether a record in this state can be out of date: the intent of an ADD is as old as the ADD.
fn can_be_stale(state: State) -> bool {
    matches!(state, State::Reserved | State::Active | State::Releasing)
}
