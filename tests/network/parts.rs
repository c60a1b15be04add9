//! Every part of what the plugin puts in place is needed: without it, ways of the named kind do not arrive, and with it again they do.

use std::sync::Arc;
use std::thread;

use harness::Need;

use crate::cluster::Cluster;
use crate::inventory::{self, VSwitches};
use crate::node::{Gateway, Links, Machine};
use crate::place::Family;
use crate::probe::{HASTE, Outcome, Way};
use crate::setup::{MARK, Setup, table};
use crate::ways;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Nftables, Need::StandardPlugins]:
        every_part_is_needed_where_secondary_links_have_addresses,
        every_part_is_needed_where_secondary_links_have_none,
        a_pod_whose_link_is_down_is_told_so,
        below_ptp_the_gateway_of_the_vswitch_takes_it_from_the_node;
}

/// A part: how it is taken away and put back, and which ways need it.
struct Part {
    name: &'static str,
    take: String,
    put: String,
    needed_by: &'static [&'static str],
}

/// Something that `ip` takes away with `del` and puts back with `add`.
fn part(name: &'static str, family: Family, it: &str, needed_by: &'static [&'static str]) -> Part {
    let (object, rest) = it.split_once(' ').unwrap();
    let option = if family == Family::V4 { "-4" } else { "-6" };
    let [take, put] = ["del", "add"].map(|verb| format!("ip {option} {object} {verb} {rest}"));
    Part { name, take, put, needed_by }
}

/// Where links have addresses of their own, and there are routes by them.
fn with_addresses(cluster: &Cluster) -> Vec<Part> {
    let node = &cluster.nodes[0];
    let (primary, secondary) = (table(node, 0), table(node, 1));
    let vswitch = node.kind.vswitches.of_eni(1);
    let own = inventory::own_number(1, 1);
    let pods = [&cluster.pods[0][0], &cluster.pods[0][2]];
    let mut parts = Vec::new();
    for family in Family::BOTH {
        let (own, gateway) = match family {
            Family::V4 => {
                (inventory::ipv4(vswitch, own).to_string(), inventory::gateways(vswitch).0.to_string())
            }
            Family::V6 => {
                (inventory::ipv6(vswitch, own).to_string(), inventory::gateways(vswitch).1.to_string())
            }
        };
        let [first, second] = pods.map(|pod| pod.place.address(family));
        parts.extend([
            part(
                "the rule that looks into main for what is behind no ENI",
                family,
                "rule preference 512 protocol kernel lookup main suppress_ifgroup 77 suppress_prefixlength 0",
                &["pod to pod of another ENI", "pod to another network"],
            ),
            part(
                "the mark's rule",
                family,
                &format!("rule preference 600 protocol kernel fwmark 0x10/0x10 lookup {primary}"),
                &["NodePort, policy Local", "hostPort"],
            ),
            part(
                "the rule of a pod on a secondary ENI",
                family,
                &format!("rule preference 2048 protocol kernel from {second} lookup {secondary}"),
                &["pod to host elsewhere"],
            ),
            part(
                "the rule of a pod on the primary ENI",
                family,
                &format!("rule preference 2048 protocol kernel from {first} lookup {primary}"),
                &["pod to pod of another node"],
            ),
            part(
                "the rule of the ENI's own address",
                family,
                &format!("rule preference 2049 protocol kernel from {own} lookup {secondary}"),
                &["host elsewhere to secondary ENI"],
            ),
            part(
                "the default route of a secondary ENI's table",
                family,
                &format!("route default via {gateway} dev eth1 table {secondary}"),
                &["pod to host elsewhere"],
            ),
            part(
                "the default route of the primary ENI's table",
                family,
                &default_route(node, family, primary),
                &["NodePort, policy Local", "hostPort"],
            ),
        ]);
    }
    parts.extend([
        Part {
            name: "the packet filter's mark",
            take: "nft delete table inet aliyun-eni-ipam".into(),
            put: format!("nft '{MARK}'"),
            needed_by: &["NodePort, policy Local", "hostPort"],
        },
        Part {
            name: "src_valid_mark, as rp_filter is 1",
            take: "echo 0 > /proc/sys/net/ipv4/conf/eth0/src_valid_mark".into(),
            put: "echo 1 > /proc/sys/net/ipv4/conf/eth0/src_valid_mark".into(),
            needed_by: &["NodePort, policy Local", "hostPort"],
        },
        Part {
            name: "the group of a secondary link",
            take: "ip link set eth1 group 0; ip link set eth2 group 0".into(),
            put: "ip link set eth1 group 77; ip link set eth2 group 77".into(),
            needed_by: &["pod to pod of another node"],
        },
        Part {
            name: "the group of the primary link",
            take: "ip link set eth0 group 0".into(),
            put: "ip link set eth0 group 77".into(),
            needed_by: &["pod to another node"],
        },
    ]);
    parts
}

fn default_route(node: &Machine, family: Family, table: u32) -> String {
    let gateways = inventory::gateways(node.kind.vswitches.of_eni(0));
    match family {
        Family::V4 => format!("route default via {} dev eth0 table {table}", gateways.0),
        Family::V6 => format!("route default via {} dev eth0 table {table}", gateways.1),
    }
}

/// Where links have none but what the plugin gives them.
fn without_addresses(cluster: &Cluster) -> Vec<Part> {
    let node = &cluster.nodes[0];
    let vswitch = node.kind.vswitches.of_eni(1);
    let (own, (gateway, _)) =
        (inventory::ipv4(vswitch, inventory::own_number(1, 1)), inventory::gateways(vswitch));
    let table = table(node, 1);
    // With a link's last address the kernel takes all routes by it.
    let routes = format!(
        "ip route add {gateway} dev eth1 scope link table {table}
         ip route add default via {gateway} dev eth1 table {table}"
    );
    vec![Part {
        name: "the address of a secondary link",
        take: format!("ip addr del {own}/32 dev eth1\n{routes}"),
        put: format!("ip addr add {own}/32 dev eth1 noprefixroute"),
        needed_by: &["pod to host elsewhere", "NodePort, policy Cluster"],
    }]
}

/// The ways of these kinds.
fn ways_of(cluster: &Cluster, groups: &[&str]) -> Vec<Way> {
    ways::all(cluster).into_iter().filter(|way| groups.contains(&way.group)).collect()
}

fn every_part_is_needed(vswitches: VSwitches, links: Links, parts: impl Fn(&Cluster) -> Vec<Part>) {
    let cluster = Cluster::new(Setup::COMPLETE.kind(vswitches, links), Setup::COMPLETE);
    cluster.nodes.iter().for_each(|node| node.filter_reverse_path(1));
    let node = cluster.nodes[0].name_space();
    let sh = |script: &str| {
        let _ = node.output("sh", &["-ec", script], "");
    };
    let mut failed = Vec::new();
    for part in parts(&cluster) {
        sh(&part.take);
        // What neighbours know of each other outlives the address from which they learned it.
        sh("ip neigh flush all");
        let outcome = Outcome::soon(ways_of(&cluster, part.needed_by), HASTE);
        for (group, (arrived, all)) in outcome.by_group() {
            println!("without {}: {group}: {arrived} of {all}", part.name);
            if arrived == all {
                failed.push(format!("without {}, every {group} arrives", part.name));
            }
        }
        sh(&part.put);
        let outcome = Outcome::of(ways_of(&cluster, part.needed_by)).insist();
        if outcome.failed().count() > 0 {
            failed.push(format!("with {} again: {outcome}", part.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn every_part_is_needed_where_secondary_links_have_addresses() {
    every_part_is_needed(VSwitches::Two, Links::Dhcp, with_addresses);
}

fn every_part_is_needed_where_secondary_links_have_none() {
    every_part_is_needed(VSwitches::Two, Links::Bare, without_addresses);
}

fn a_pod_whose_link_is_down_is_told_so() {
    let cluster = Cluster::new(Setup::COMPLETE.kind(VSwitches::Two, Links::Dhcp), Setup::COMPLETE);
    let pod = &cluster.pods[0][2].place;
    cluster.nodes[0].name_space().ip("link set eth1 down");
    let from_pod = || {
        let ways = ways_of(&cluster, &["pod to host elsewhere"]);
        ways.into_iter().filter(|way| Arc::ptr_eq(&way.from.1, &pod.name_space)).collect::<Vec<_>>()
    };
    let outcome = Outcome::of(from_pod());
    assert_eq!(outcome.ways.len(), 2);
    for (way, result) in &outcome.ways {
        let error = result.as_ref().unwrap_err();
        assert!(error.contains("unreachable") || error.contains("No route"), "{way}: {error}");
    }
}

fn below_ptp_the_gateway_of_the_vswitch_takes_it_from_the_node() {
    let gateways = [Gateway::VSwitch, Gateway::Own];
    let outcomes = gateways.map(|gateway| {
        let mut kind = Setup::PtpAlone.kind(VSwitches::One, Links::Bare);
        kind.gateway = gateway;
        thread::spawn(move || {
            let cluster = Cluster::new(kind, Setup::PtpAlone);
            let mut ways = ways_of(&cluster, &["to the gateway", "from the gateway"]);
            ways.retain(|way| way.to.is_ipv4() && (way.from.0 == "node1" || way.answered_by == "node1"));
            let outcome = Outcome::of(ways);
            if gateway == Gateway::Own { outcome.insist() } else { outcome }
        })
    });
    let [mistaken, right] = outcomes.map(|outcome| outcome.join().unwrap());
    assert_eq!(right.failed().count(), 0, "{right}");
    assert_eq!((mistaken.failed().count(), mistaken.ways.len()), (2, 2), "{:?}", mistaken.ways);
}
