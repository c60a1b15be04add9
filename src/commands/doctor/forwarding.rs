//! Whether the kernel forwards what pods send, and whether the node keeps its IPv6 default route although it does.

use std::fs;
use std::net::IpAddr;

use crate::commands::doctor::report::{Report, some};
use crate::commands::doctor::sharing::store_of;
use crate::commands::doctor::used_link::UsedLink;
use crate::commands::networks::Network;
use crate::node::pods::NodePods;
use crate::store::{State, Store};

const NAME: &str = "forwarding";

/// The kernel's switch of each family.
const IPV4: &str = "net/ipv4/ip_forward";
const IPV6: &str = "net/ipv6/conf/all/forwarding";

/// Checks that what pods behind links of the host send goes on. Only of a pod that is seen to live does that matter, because `ptp` turns
/// it on with each ADD.
pub(super) fn check(networks: &[&Network], report: &mut Report) {
    let pods = NodePods::look();
    let mut stores: Vec<_> = networks.iter().filter_map(|network| store_of(network)).collect();
    stores.dedup();
    let records = stores.iter().filter_map(|it| Store::open(it).ok()?.list().ok()).flatten();
    let active = records.filter(|it| it.state == State::Active).filter_map(|it| it.allocation);
    let mut routed: Vec<IpAddr> = active.flat_map(|it| it.ips().collect::<Vec<_>>()).collect();
    routed.retain(|address| pods.link_to(*address).is_some());
    for (switch, is_of_family) in [(IPV4, IpAddr::is_ipv4 as fn(&IpAddr) -> bool), (IPV6, IpAddr::is_ipv6)] {
        let cut_off: Vec<_> = routed.iter().filter(|it| is_of_family(it)).map(ToString::to_string).collect();
        if !cut_off.is_empty() && value(switch).as_deref() == Some("0") {
            let name = name_of(switch);
            report.fail(
                NAME,
                format!(
                    "{name} is 0, so these pods reach nobody but the node: {}: run `sysctl -w {name}=1`, and see what has set it to 0 \
                     below /etc/sysctl.d",
                    some(cut_off.into_iter())
                ),
            );
        }
    }
}

/// Checks that the primary ENI's link goes on to accept router advertisements, from which the node has its IPv6 default route: by
/// default a kernel that forwards does not.
pub(super) fn router_advertisements(links: &[UsedLink], report: &mut Report) {
    let forwards = value(IPV6).as_deref() == Some("1");
    let Some(link) = links.iter().find(|it| it.is_primary && it.has_ipv6).filter(|_| forwards) else {
        return;
    };
    let switch = format!("net/ipv6/conf/{}/accept_ra", link.name);
    if value(&switch).as_deref() == Some("1") {
        let name = name_of(&switch);
        report.warn(
            NAME,
            format!(
                "{name} is 1 while the node forwards IPv6, so its IPv6 default route by {} expires if it comes from router \
                 advertisements: set it to 2, also below /etc/sysctl.d",
                link.name
            ),
        );
    }
}

fn value(switch: &str) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/sys/{switch}")).ok()?.trim().to_owned())
}

fn name_of(switch: &str) -> String {
    switch.replace('/', ".")
}
