//! Addresses on this node's ENIs that nothing explains. They cost room, and mostly they were left by something that `reconcile` can
//! end.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::commands::doctor::cloud::Way;
use crate::commands::doctor::report::Report;
use crate::commands::networks::Network;
use crate::node::pods::NodePods;
use crate::store::{Allocation, Listed, State, Store, join};

/// Warns of addresses on the ENIs of one store that neither a record nor `foreignAddresses` names and that no pod is seen to use.
pub(super) fn check(store: &Store, sharing: &[&Network], way: &Way<'_>, report: &mut Report) {
    let Ok(listed) = store.list() else { return };
    // These may explain any address, and have lines of their own.
    if listed.iter().any(may_have_more) {
        return;
    }
    let foreign: Vec<_> = sharing.iter().filter_map(|it| it.ipam().foreign_addresses().ok()).collect();
    let recorded: BTreeSet<IpAddr> =
        listed.iter().filter_map(|it| it.allocation.as_ref()).flat_map(Allocation::ips).collect();
    let of_store = way.places.iter().filter(|place| place.store.directory() == store.directory());
    let enis: BTreeSet<_> = of_store.map(|place| &place.eni).collect();
    let on_enis = way.described.iter().filter(|eni| enis.contains(&eni.id)).flat_map(|eni| &eni.addresses);
    let mut unexplained: BTreeSet<IpAddr> = on_enis
        .copied()
        .filter(|it| !recorded.contains(it) && !foreign.iter().any(|blocks| blocks.contains(*it)))
        .collect();
    if unexplained.is_empty() {
        return;
    }
    let pods = NodePods::look();
    unexplained.retain(|it| pods.user_of(*it).is_none());
    if !unexplained.is_empty() {
        report.warn(
            "orphans",
            format!(
                "no record names {}, and no pod of this node is seen to use it: ECS may still show what was just released. If this \
                 line is still here in a minute, run `aliyun-eni-ipam reconcile`",
                join(&unexplained)
            ),
        );
    }
}

/// Whether the record may have addresses that it does not name.
fn may_have_more(listed: &Listed) -> bool {
    matches!(listed.state, State::Quarantined | State::Assigning) || !listed.progress.in_doubt.is_empty()
}
