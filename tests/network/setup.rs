//! What makes the routes of a node's pods.

use std::fmt;
use std::fmt::Write;

use crate::inventory::{self, VSwitches};
use crate::node::{Gateway, Kind, Links, Machine, enis, link};
use crate::place::Family;
use crate::pod::Pod;

/// What makes the routes of a node's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setup {
    /// Nobody.
    PtpAlone,
    /// The two rules for each pod that are known from other plugins.
    TwoRules,
    /// A person, who puts in place by hand what this plugin should.
    ByHand,
    /// This plugin, as the last of the list.
    Plugin,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PtpAlone => "ptp",
            Self::TwoRules => "rules",
            Self::ByHand => "hand",
            Self::Plugin => "plugin",
        })
    }
}

/// The mark's packet filter.
pub(crate) const MARK: &str = r#"table inet aliyun-eni-ipam {
  chain prerouting {
    type filter hook prerouting priority mangle;
    iifname "eth0" ct direction original ct mark set ct mark or 0x10
    ct mark and 0x10 == 0x10 meta mark set meta mark or 0x10
  }
}
"#;

impl Setup {
    /// A node for it.
    pub(crate) fn kind(self, vswitches: VSwitches, links: Links) -> Kind {
        let is_chained = self == Self::Plugin;
        Kind { vswitches, links, gateway: Gateway::Own, masquerades: false, is_chained }
    }

    /// The one with which everybody reaches everybody.
    pub(crate) const COMPLETE: Self = Self::Plugin;

    /// Ways of which some do not arrive; none of them where all have to.
    pub(crate) fn known_failures(self) -> &'static [&'static str] {
        match self {
            Self::PtpAlone => &[
                "pod to pod of another node",
                "node to pod of another node",
                "pod to host elsewhere",
                "host elsewhere to pod",
                "metadata service",
                "internet by a NAT gateway",
            ],
            Self::TwoRules => &[
                "NodePort, policy Local",
                "NodePort, policy Cluster",
                "hostPort",
                "pod to another network",
                "host elsewhere to secondary ENI",
            ],
            Self::ByHand | Self::Plugin => &[],
        }
    }

    /// Puts in place what is still missing after the ADDs of a node's pods.
    pub(crate) fn complete(self, node: &Machine, pods: &[Pod]) {
        match self {
            Self::PtpAlone => bring_up(node),
            Self::TwoRules => {
                bring_up(node);
                two_rules(node, pods);
            }
            Self::ByHand => by_hand(node, pods),
            Self::Plugin => {}
        }
    }
}

/// Nobody can send through a link that is down.
fn bring_up(node: &Machine) {
    let lines: Vec<_> = enis().map(|eni| format!("link set {} up", link(eni))).collect();
    node.name_space().ip(&lines.join("\n"));
}

/// Runs `ip` with these lines, each in its family.
fn ip(node: &Machine, lines: &[(Family, String)]) {
    for family in Family::BOTH {
        let of_family = lines.iter().filter(|(it, _)| *it == family);
        let text = of_family.map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n");
        match family {
            Family::V4 => node.name_space().ip(&text),
            Family::V6 => node.name_space().ip6(&text),
        }
    }
}

/// The table of an ENI: numbered by the last three bytes of its hardware address.
pub(crate) fn table(node: &Machine, eni: usize) -> u32 {
    1_000_000_000 + u32::from(node.number) * 0x100 + u32::try_from(eni).unwrap()
}

fn two_rules(node: &Machine, pods: &[Pod]) {
    let mut lines = Vec::new();
    for eni in enis().skip(1) {
        let (vswitch, link) = (node.kind.vswitches.of_eni(eni), link(eni));
        let (gateway, gateway6) = inventory::gateways(vswitch);
        let table = 1000 + eni;
        lines.push((
            Family::V4,
            format!("route add {}/24 dev {link} table {table}", inventory::ipv4(vswitch, 0)),
        ));
        lines.push((Family::V4, format!("route add default via {gateway} dev {link} onlink table {table}")));
        lines.push((
            Family::V6,
            format!("route add {}/64 dev {link} table {table}", inventory::ipv6(vswitch, 0)),
        ));
        lines.push((Family::V6, format!("route add default via {gateway6} dev {link} table {table}")));
    }
    for pod in pods {
        for family in Family::BOTH {
            let address = pod.place.address(family);
            lines.push((family, format!("rule add to {address} lookup main preference 512")));
            if pod.eni > 0 {
                lines.push((
                    family,
                    format!("rule add from {address} lookup {} preference 2048", 1000 + pod.eni),
                ));
            }
        }
    }
    ip(node, &lines);
}

fn by_hand(node: &Machine, pods: &[Pod]) {
    let mut lines = Vec::new();
    let mut first = String::new();
    for eni in enis() {
        let (vswitch, link) = (node.kind.vswitches.of_eni(eni), link(eni));
        let own = inventory::own_number(node.number, eni);
        let (own, own6) = (inventory::ipv4(vswitch, own), inventory::ipv6(vswitch, own));
        let (gateway, gateway6) = inventory::gateways(vswitch);
        let table = table(node, eni);
        writeln!(first, "link set {link} up group 77").unwrap();
        if eni > 0 && node.kind.links == Links::Bare {
            writeln!(first, "addr add {own}/32 dev {link} noprefixroute").unwrap();
            writeln!(first, "addr add {own6}/128 dev {link} noprefixroute nodad").unwrap();
        }
        for (family, own, gateway) in [
            (Family::V4, own.to_string(), gateway.to_string()),
            (Family::V6, own6.to_string(), gateway6.to_string()),
        ] {
            let on_link = if family == Family::V4 { " scope link" } else { "" };
            for line in [
                format!("route add {gateway} dev {link}{on_link} table {table}"),
                format!("route add default via {gateway} dev {link} table {table}"),
                format!("route add unreachable default metric 4294967295 table {table}"),
                format!("rule add protocol kernel from {own} lookup {table} preference 2049"),
            ] {
                lines.push((family, line));
            }
        }
    }
    let primary = table(node, 0);
    for family in Family::BOTH {
        let in_main =
            "rule add protocol kernel lookup main suppress_ifgroup 77 suppress_prefixlength 0 preference 512";
        lines.push((family, in_main.to_owned()));
        lines.push((
            family,
            format!("rule add protocol kernel fwmark 0x10/0x10 lookup {primary} preference 600"),
        ));
        for pod in pods {
            let (address, table) = (pod.place.address(family), table(node, pod.eni));
            lines.push((
                family,
                format!("rule add protocol kernel from {address} lookup {table} preference 2048"),
            ));
        }
    }
    node.name_space().ip(&first);
    ip(node, &lines);
    node.name_space().nft(MARK);
    node.name_space().set_parameter("net/ipv4/conf/eth0/src_valid_mark", "1");
}
