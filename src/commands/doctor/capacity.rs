//! For how many pods each network has addresses.

use crate::commands::doctor::cloud::Way;
use crate::commands::doctor::quota::{EniRoom, Families, TypeQuota};
use crate::commands::doctor::report::{Report, Status};
use crate::commands::doctor::sharing::groups;
use crate::commands::networks::Network;
use crate::config::Family4;

const NAME: &str = "capacity";

/// Says for how many pods each network has addresses: a node that is to run more needs a limit for the kubelet.
pub(super) fn check(way: &Way<'_>, report: &mut Report) {
    let Some(of_type) = &way.of_type else { return };
    for alike in groups(&way.networks, |network| (way.enis_of(network), families_of(network))) {
        let (enis, families) = (way.enis_of(alike[0]), families_of(alike[0]));
        let rooms: Vec<_> = way.rooms.iter().filter(|it| enis.contains(&it.eni)).collect();
        if rooms.is_empty() {
            continue;
        }
        let is_other = |it: &&&Network| !alike.iter().any(|network| std::ptr::eq(*network, **it));
        let shares = |it: &&&Network| way.enis_of(it).iter().any(|eni| enis.contains(eni));
        let others: Vec<_> =
            way.networks.iter().filter(is_other).filter(shares).map(|it| it.name()).collect();
        report.about(&alike);
        say(of_type, &rooms, families, &others, report);
    }
}

fn say(of_type: &TypeQuota, rooms: &[&EniRoom], families: Families, others: &[&str], report: &mut Report) {
    let pods: u64 = rooms.iter().map(|it| it.in_families(families).pods).sum();
    let free: u64 = rooms.iter().map(|it| it.in_families(families).free).sum();
    let each: Vec<_> =
        rooms.iter().map(|it| format!("{} {}", it.eni, it.in_families(families).pods)).collect();
    let s = if pods == 1 { "" } else { "s" };
    let mut detail = format!(
        "addresses for {pods} pod{s} ({}): set maxPods of the kubelet to {pods} plus the number of pods in the host's network",
        each.join(", ")
    );
    if !others.is_empty() {
        detail = format!("{detail}; shared with pods of {}", others.join(", "));
    }
    if let Some(enis) = of_type.quota.enis {
        detail = format!("{detail}; {} allows {enis} ENIs", of_type.kind);
    }
    // Of a single ENI that is full the line before tells.
    if free == 0 && rooms.len() > 1 {
        let detail = format!("{detail}: all are full, and no further pod can get an address");
        report.capacity(NAME, Status::Warn, pods, &detail);
    } else {
        report.capacity(NAME, Status::Ok, pods, &detail);
    }
}

fn families_of(network: &Network) -> Families {
    network.ipam().address().map_or((true, false), |it| (it.ipv4 != Family4::Off, it.ipv6))
}
