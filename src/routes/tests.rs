//! What this room does to a real kernel, in network namespaces.

mod node;

use std::sync::Barrier;

use node::{Node, eni, enis, expected, id, texts};

use super::{DifferenceKind, EniNetwork, Error};

const POD: &str = "192.168.1.5";
const POD6: &str = "fd00:1::5";

/// Both addresses of a pod on the first secondary ENI.
const PODS: [(&str, u8); 2] = [(POD, 1), (POD6, 1)];

#[test]
fn a_first_pod_gets_all_that_it_needs() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD, POD6]);

    let rules = |family| node.sh(&format!("ip {family} rule | grep -Ev 'local|all lookup (main|default)$'"));
    assert_eq!(
        rules("-4"),
        "512:\tfrom all lookup main suppress_prefixlength 0 suppress_ifgroup 77\n\
         600:\tfrom all fwmark 0x10/0x10 lookup 1000000000\n\
         2048:\tfrom 192.168.1.5 lookup 1000000001\n\
         2049:\tfrom 192.168.0.10 lookup 1000000000\n\
         2049:\tfrom 192.168.1.10 lookup 1000000001\n"
    );
    assert_eq!(
        rules("-6"),
        "512:\tfrom all lookup main suppress_prefixlength 0 suppress_ifgroup 77\n\
         600:\tfrom all fwmark 0x10/0x10 lookup 1000000000\n\
         2048:\tfrom fd00:1::5 lookup 1000000001\n\
         2049:\tfrom fd00::10 lookup 1000000000\n\
         2049:\tfrom fd00:1::10 lookup 1000000001\n"
    );
    assert!(node.sh("ip -d rule").lines().filter(|it| it.contains("proto kernel")).count() >= 5);
    assert_eq!(
        node.sh("ip route show table 1000000001"),
        "default via 192.168.1.253 dev eth1 proto kernel \n\
         unreachable default proto kernel metric 4294967295 \n\
         192.168.1.253 dev eth1 proto kernel scope link \n"
    );
    assert_eq!(
        node.sh("ip -6 route show table 1000000000"),
        "fd00::fd dev eth0 proto kernel metric 1024 pref medium\n\
         default via fd00::fd dev eth0 proto kernel metric 1024 pref medium\n\
         unreachable default dev lo proto kernel metric 4294967295 pref medium\n"
    );
    assert_eq!(
        node.sh("nft list ruleset"),
        "table inet aliyun-eni-ipam {\n\
         \tchain prerouting {\n\
         \t\ttype filter hook prerouting priority mangle; policy accept;\n\
         \t\tiifname \"eth0\" ct direction original ct mark set ct mark | 0x00000010\n\
         \t\tct mark & 0x00000010 == 0x00000010 meta mark set meta mark | 0x00000010\n\
         \t}\n\
         }\n"
    );
    assert_eq!(node.sh("ip -o link show group 77 up | cut -d: -f2"), " eth0@vpc0\n eth1@vpc1\n");
    let addresses = node.sh("ip -o address show dev eth1 | awk '{print $4}'");
    assert_eq!(addresses, "192.168.1.10/32\nfd00:1::10/128\n");
    let settings = "cd /proc/sys/net; cat ipv4/conf/eth0/src_valid_mark ipv6/conf/eth0/accept_ra ipv6/conf/eth1/accept_ra";
    assert_eq!(node.sh(settings), "1\n1\n0\n");

    assert_eq!(node.differences(&expected(&PODS)), [""; 0]);
}

#[test]
fn the_second_time_nothing_changes() {
    let Some(node) = Node::new() else { return };
    assert!(node.put(1, &[POD, POD6]).len() > 20);
    let before = node.everything();
    assert_eq!(node.put(1, &[POD, POD6]), [""; 0]);
    assert_eq!(node.everything(), before);
}

#[test]
fn twenty_at_once_leave_one_copy_of_each_thing() {
    let Some(node) = Node::new() else { return };
    let address = |n: usize| format!("192.168.1.{}", 100 + n);
    let start = Barrier::new(20);
    std::thread::scope(|scope| {
        for n in 0..20 {
            let (node, start) = (&node, &start);
            scope.spawn(move || {
                let addresses = [address(n).parse().unwrap(), POD.parse().unwrap()];
                node.on(|network| {
                    start.wait();
                    network.put(&enis(), &id(1), &addresses).unwrap();
                });
            });
        }
    });
    let all: Vec<_> = (0..20).map(address).chain([POD.to_owned()]).collect();
    let pods: Vec<_> = all.iter().map(|it| (it.as_str(), 1)).collect();
    assert_eq!(node.differences(&expected(&pods)), [""; 0]);
    for list in ["ip rule", "ip -6 rule", "ip route show table 1000000001", "nft list ruleset"] {
        let mut lines: Vec<_> = node.sh(list).lines().map(str::to_owned).collect();
        let before = lines.len();
        lines.sort();
        lines.dedup_by(|a, b| a == b && a.trim().len() > 1);
        assert_eq!(lines.len(), before, "{list} has something twice: {lines:#?}");
    }
    assert_eq!(node.sh("ip rule | grep -c ^2048"), "21\n");
}

#[test]
fn a_table_that_leads_to_the_wrong_gateway_is_repaired() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD, POD6]);
    node.sh("ip route replace 192.168.1.99 dev eth1 table 1000000001 proto kernel");
    node.sh("ip route replace default via 192.168.1.99 dev eth1 table 1000000001 proto kernel");
    node.sh("ip -6 route replace default via fd00:1::99 dev eth1 table 1000000001 proto kernel onlink");
    node.sh("ip route add 10.0.0.0/8 dev eth1 table 1000000001 proto static");
    assert_eq!(
        node.differences(&expected(&PODS)),
        [
            "the route \"default via 192.168.1.253 dev eth1 table 1000000001\" is missing",
            "the route \"default via fd00:1::fd dev eth1 table 1000000001\" is missing",
            "the route \"192.168.1.99 dev eth1 table 1000000001\" is left over",
        ]
    );
    assert_eq!(
        node.put(1, &[POD, POD6]),
        [
            "put the route \"default via 192.168.1.253 dev eth1 table 1000000001\" in place",
            "put the route \"default via fd00:1::fd dev eth1 table 1000000001\" in place",
            "removed the route \"192.168.1.99 dev eth1 table 1000000001\"",
        ]
    );
    assert_eq!(node.differences(&expected(&PODS)), [""; 0]);
    // It is somebody's who has another protocol.
    assert!(node.sh("ip route show table 1000000001").contains("10.0.0.0/8"));
}

#[test]
fn rules_that_lead_a_new_pod_elsewhere_are_removed_first() {
    let Some(node) = Node::new() else { return };
    node.put(2, &[POD]);
    node.sh(&format!("ip rule add pref 2048 from {POD} lookup 1000000099 protocol kernel"));
    let differences = node.differences(&expected(&[(POD, 1)]));
    for table in ["1000000002", "1000000099"] {
        let left_over = format!("the rule \"2048: from {POD} lookup {table}\" is left over");
        assert!(differences.contains(&left_over), "{differences:#?}");
    }
    let changes = node.put(1, &[POD]);
    assert_eq!(
        changes[changes.len() - 3..],
        [
            "removed the rule \"2048: from 192.168.1.5 lookup 1000000002\"",
            "removed the rule \"2048: from 192.168.1.5 lookup 1000000099\"",
            "put the rule \"2048: from 192.168.1.5 lookup 1000000001\" in place",
        ]
    );
    assert_eq!(node.sh("ip rule | grep ^2048"), "2048:\tfrom 192.168.1.5 lookup 1000000001\n");
}

#[test]
fn what_a_link_loses_that_goes_down_and_up_comes_back_with_the_next_pod() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD, POD6]);
    let before = node.everything();
    node.sh("ip link set eth1 down");
    let differences = node.differences(&expected(&PODS));
    assert_eq!(differences.first().unwrap(), "the address fd00:1::10/128 of the link eth1 is missing");
    assert!(
        differences.contains(&"the state \"up\" of the link eth1 is missing".to_owned()),
        "{differences:#?}"
    );
    let default = "the route \"default via 192.168.1.253 dev eth1 table 1000000001\" is missing".to_owned();
    assert!(differences.contains(&default), "{differences:#?}");
    // The sender is told so.
    node.sh("sysctl -q net.ipv4.ip_forward=1; ip route add 192.168.1.5 dev vpc0");
    assert!(
        node.sh(&format!("ip route get 10.0.0.1 from {POD} iif vpc0 2>&1 || true"))
            .contains("No route to host")
    );

    node.sh("ip link set eth1 up");
    assert!(node.differences(&expected(&PODS)).contains(&default));
    node.sh("ip route del 192.168.1.5 dev vpc0; sysctl -q net.ipv4.ip_forward=0");
    node.put(1, &["192.168.1.6"]);
    node.on(|network| network.remove_pod("192.168.1.6".parse().unwrap())).unwrap();
    assert_eq!(node.differences(&expected(&PODS)), [""; 0]);
    assert_eq!(node.everything(), before);
}

#[test]
fn an_eni_that_is_attached_again_gets_everything_again() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD, POD6]);
    node.sh("ip link del eth1");
    assert_eq!(
        node.differences(&expected(&PODS)),
        ["the network interface of eni-1 with the hardware address 00:16:3e:00:00:01 is missing"]
    );
    let error = node.on(|network| network.put(&enis(), &id(1), &[POD.parse().unwrap()])).unwrap_err();
    assert!(matches!(&error, Error::NoLink { eni, mac } if eni == "eni-1" && mac == "00:16:3e:00:00:01"));
    assert!(
        node.on(|network| network.why_link_is_down(&eni(1))).unwrap().unwrap().contains("00:16:3e:00:00:01")
    );

    node.add_link(1);
    assert!(node.differences(&expected(&PODS)).len() > 5);
    let changes = node.on(|network| network.repair(&expected(&PODS))).map(texts).unwrap();
    assert_eq!(changes[0], "put the group 77 of the link eth1 in place");
    assert_eq!(node.differences(&expected(&PODS)), [""; 0]);
    assert_eq!(node.put(1, &[POD, POD6]), [""; 0]);
}

#[test]
fn a_packet_filter_that_was_emptied_or_altered_is_put_right() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD]);
    let right = node.sh("nft list ruleset");
    for alteration in [
        "nft flush ruleset",
        "nft flush table inet aliyun-eni-ipam",
        "nft delete table inet aliyun-eni-ipam; nft add table inet aliyun-eni-ipam",
        "nft add table inet aliyun-eni-ipam '{ flags dormant; }'",
        "nft add chain inet aliyun-eni-ipam other",
        "nft add rule inet aliyun-eni-ipam prerouting counter",
        "nft chain inet aliyun-eni-ipam prerouting '{ policy drop; }'",
        "nft list ruleset | sed s/eth0/eth9/ > /tmp/$$; nft flush ruleset; nft -f /tmp/$$; rm /tmp/$$",
        "nft list ruleset | sed s/original/reply/ > /tmp/$$; nft flush ruleset; nft -f /tmp/$$; rm /tmp/$$",
        "nft list ruleset | sed 's/meta mark |/ct mark |/' > /tmp/$$; nft flush ruleset; nft -f /tmp/$$; rm /tmp/$$",
        "nft list ruleset | sed 's/priority mangle/priority -151/' > /tmp/$$; nft flush ruleset; nft -f /tmp/$$; rm /tmp/$$",
    ] {
        node.sh(alteration);
        assert_eq!(
            node.differences(&expected(&[(POD, 1)])),
            ["the nftables table \"inet aliyun-eni-ipam\" is missing"],
            "{alteration}"
        );
        let changes = node.put(1, &[POD]);
        assert_eq!(changes, ["put the nftables table \"inet aliyun-eni-ipam\" in place"], "{alteration}");
        assert_eq!(node.sh("nft list ruleset"), right, "{alteration}");
    }
}

#[test]
fn what_is_not_this_plugins_stays_and_what_is_goes_at_the_end() {
    let Some(node) = Node::new() else { return };
    node.sh("ip link set eth1 up; ip link set vpc2 group 78; sysctl -q net.ipv6.conf.eth1.accept_ra=0
         ip rule add pref 512 from all lookup main suppress_prefixlength 0 protocol kernel
         ip rule add pref 600 fwmark 0x20/0x20 lookup 100 protocol kernel
         ip rule add pref 2048 from 192.168.1.77 lookup 100 protocol kernel
         ip rule add pref 2048 from 192.168.1.78 lookup 1000000001
         ip -6 rule add pref 2049 from fd00:1::77 lookup 100
         ip route add unreachable default table 100 proto kernel
         ip route add 10.9.0.0/16 dev eth0 table 1000000001
         nft add table inet mine; nft add table ip aliyun-eni-ipam");
    let before = node.everything();
    node.put(1, &[POD, POD6]);
    node.put(0, &["192.168.0.5"]);
    assert_eq!(node.on(|network| network.repair(&expected(&PODS))).map(texts).unwrap().len(), 1);
    node.sh("ip rule show pref 2048 | grep 192.168.1.78; ip route show table 1000000001 | grep 10.9");

    assert!(node.on(|network| network.remove_all(&enis())).unwrap().len() > 20);
    assert_eq!(node.everything(), before);
    assert_eq!(node.on(|network| network.remove_all(&enis())).map(texts).unwrap(), [""; 0]);
}

#[test]
fn all_goes_at_the_end_even_if_nobody_knows_the_enis() {
    let Some(node) = Node::new() else { return };
    node.sh("ip link set eth1 up; ip link set eth2 up; sysctl -q net.ipv6.conf.eth1.accept_ra=0
         ip address add 192.168.2.10/32 dev eth2 noprefixroute; ip link set eth2 group 77");
    let before = node.everything();
    node.put(1, &[POD, POD6]);
    assert!(node.sh("ip address show dev eth1").contains("192.168.1.10/32"));
    node.on(|network| network.remove_all(&[])).unwrap();
    let after = before.into_iter().map(|it| it.replace("group 77", "group default"));
    assert_eq!(node.everything(), after.collect::<Vec<_>>());
}

#[test]
fn an_address_that_dhcp_gave_the_link_is_neither_doubled_nor_taken() {
    let Some(node) = Node::new() else { return };
    node.sh("ip link set eth1 up; ip address add 192.168.1.10/24 dev eth1");
    node.sh("ip link set eth2 up; ip address add 192.168.2.10/32 dev eth2 noprefixroute");
    let before = node.sh("ip -4 address");
    node.put(1, &[POD]);
    node.put(2, &["192.168.2.5"]);
    assert_eq!(node.sh("ip -4 address").replace("group 77", "group default"), before);
    // It has a route in the main table, so its group matters.
    assert_eq!(node.sh("ip -o link show group 77 | wc -l"), "3\n");
    node.on(|network| network.remove_all(&enis())).unwrap();
    assert_eq!(node.sh("ip -4 address"), before);
}

#[test]
fn an_unused_eni_with_an_address_is_only_put_into_the_group() {
    let Some(node) = Node::new() else { return };
    node.sh("ip link set eth2 up; ip address add 192.168.2.10/24 dev eth2");
    assert!(node.put(1, &[POD]).contains(&"put the group 77 of the link eth2 in place".to_owned()));
    assert!(!node.everything().iter().any(|it| it.contains("1000000002")));
    node.sh("ip link set eth2 group 0");
    assert_eq!(node.differences(&expected(&[(POD, 1)])), ["the group 77 of the link eth2 is missing"]);
}

#[test]
fn an_address_that_is_the_nodes_own_is_refused_with_the_interface() {
    let Some(node) = Node::new() else { return };
    node.sh("ip link set eth1 up; ip address add 192.168.1.5/24 dev eth1; ip address add fd00:1::5/64 dev eth1 nodad");
    for address in [POD, POD6] {
        let error = node.on(|network| network.put(&enis(), &id(1), &[address.parse().unwrap()])).unwrap_err();
        assert!(matches!(&error, Error::Local { link, .. } if link == "eth1"), "{error:?}");
        assert!(error.to_string().contains("nm-cloud-setup"), "{error}");
    }
    assert!(!node.sh("ip rule").contains("2048"));
    let differences = node.on(|network| network.differences(&expected(&PODS))).unwrap();
    let in_the_way: Vec<_> = differences.iter().filter(|it| it.kind == DifferenceKind::InTheWay).collect();
    assert_eq!(in_the_way.len(), 2, "{differences:#?}");
    assert_eq!(in_the_way[0].to_string(), "the address 192.168.1.5 on this node's own eth1 is in the way");
}

#[test]
fn rules_of_others_that_come_before_a_pods_are_named_and_left_alone() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD]);
    node.sh("ip rule add pref 1024 from 192.168.1.0/24 lookup 100; ip rule add pref 1025 from 192.168.9.0/24 lookup 100");
    let named = ["the rule \"1024: from 192.168.1.0/24 lookup 100\" is in the way"];
    assert_eq!(node.differences(&expected(&[(POD, 1)])), named);
    assert_eq!(node.on(|network| network.repair(&expected(&[(POD, 1)]))).map(texts).unwrap(), [""; 0]);
    assert_eq!(node.differences(&expected(&[(POD, 1)])), named);
}

#[test]
fn what_is_of_pods_and_enis_that_have_gone_is_left_over() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD, POD6]);
    node.put(2, &["192.168.2.5", "192.168.2.6"]);
    let mut expected = expected(&PODS);
    expected.others.insert("192.168.2.6".parse().unwrap());
    assert_eq!(
        node.differences(&expected),
        ["the rule \"2048: from 192.168.2.5 lookup 1000000002\" is left over"]
    );

    expected.others.clear();
    expected.enis.pop();
    node.sh("ip link del eth2");
    let left_over = [
        "the route \"unreachable default metric 4294967295 table 1000000002 (IPv6)\" is left over",
        "the route \"unreachable default metric 4294967295 table 1000000002\" is left over",
        "the rule \"2048: from 192.168.2.5 lookup 1000000002\" is left over",
        "the rule \"2048: from 192.168.2.6 lookup 1000000002\" is left over",
        "the rule \"2049: from 192.168.2.10 lookup 1000000002\" is left over",
        "the rule \"2049: from fd00:2::10 lookup 1000000002\" is left over",
    ];
    let mut found = node.differences(&expected);
    found.sort();
    assert_eq!(found, left_over);
    assert_eq!(node.on(|network| network.repair(&expected)).unwrap().len(), left_over.len());
    assert_eq!(node.differences(&expected), [""; 0]);
}

#[test]
fn a_node_without_pods_lacks_nothing() {
    let Some(node) = Node::new() else { return };
    assert_eq!(node.differences(&expected(&[])), [""; 0]);
    node.put(1, &[POD]);
    node.on(|network| network.remove_pod(POD.parse().unwrap())).unwrap();
    assert_eq!(node.differences(&expected(&[])), [""; 0]);
}

#[test]
fn a_removed_pod_takes_its_rules_and_its_connections_with_it() {
    let Some(node) = Node::new() else { return };
    node.put(1, &[POD, POD6, "192.168.1.6"]);
    let entry = |source: &str, destination: &str| {
        format!("conntrack -I -p udp -s {source} -d {destination} --sport 1 --dport 2 -t 600 2>/dev/null")
    };
    node.sh(&entry(POD, "10.0.0.1"));
    // Translated to the pod: it answers as another.
    node.sh(&format!("{} --dst-nat {POD}", entry("10.0.0.2", "172.16.0.1")));
    node.sh(&entry("192.168.1.6", "10.0.0.1"));
    node.sh(&entry(POD6, "fd00:9::1"));
    assert_eq!(
        node.on(|network| network.remove_pod(POD.parse().unwrap())).map(texts).unwrap(),
        [
            "removed the rule \"2048: from 192.168.1.5 lookup 1000000001\"",
            "deleted 2 entries of connection tracking with 192.168.1.5",
        ]
    );
    let left = node.sh("conntrack -L 2>/dev/null; conntrack -L -f ipv6 2>/dev/null");
    assert!(!left.contains(POD) && left.contains("192.168.1.6") && left.contains(POD6), "{left}");
    assert_eq!(node.on(|network| network.remove_pod(POD6.parse().unwrap())).unwrap().len(), 2);
    assert_eq!(node.on(|network| network.remove_pod(POD.parse().unwrap())).unwrap(), []);
    assert_eq!(node.differences(&expected(&[("192.168.1.6", 1)])), [""; 0]);
}

#[test]
fn a_node_without_ipv6_is_served_without_it() {
    let Some(node) = Node::new() else { return };
    node.sh("sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    node.put(1, &[POD]);
    assert!(!node.sh("ip -6 rule").contains("512"));
    assert_eq!(node.differences(&expected(&[(POD, 1)])), [""; 0]);
    assert_eq!(node.put(1, &[POD]), [""; 0]);
}

#[test]
fn a_link_that_does_not_speak_ipv6_is_served_without_it() {
    let Some(node) = Node::new() else { return };
    node.sh("sysctl -q net.ipv6.conf.eth1.disable_ipv6=1");
    node.put(1, &[POD]);
    assert_eq!(node.differences(&expected(&[(POD, 1)])), [""; 0]);
}

#[test]
fn a_link_without_carrier_is_no_obstacle_but_is_told_of() {
    let Some(node) = Node::new() else { return };
    assert_eq!(node.on(|network| network.why_link_is_down(&eni(1))).unwrap(), None);
    node.put(1, &[POD]);
    node.sh("ip link set vpc1 down");
    assert_eq!(node.put(1, &[POD]), [""; 0]);
    let why = node.on(|network| network.why_link_is_down(&eni(1))).unwrap().unwrap();
    assert!(why.contains("eth1") && why.contains("eni-1") && why.contains("carrier"), "{why}");
}

#[test]
fn an_eni_that_nobody_knows_is_an_error() {
    let Some(node) = Node::new() else { return };
    let error = node.on(|network| network.put(&enis(), &id(7), &[POD.parse().unwrap()])).unwrap_err();
    assert!(matches!(&error, Error::NoEni { eni } if eni == "eni-7"));
    let unreadable = EniNetwork { mac: "00:16".to_owned(), ..eni(1) };
    let error = node.on(|network| network.put(&[eni(0), unreadable], &id(1), &[])).unwrap_err();
    assert!(matches!(error, Error::NoLink { .. }));
}

#[test]
fn a_link_that_is_made_of_others_is_not_taken_for_the_enis() {
    let Some(node) = Node::new() else { return };
    node.sh("ip link add br0 address 00:16:3e:00:00:01 type bridge");
    node.sh("ip address add 192.168.1.10/24 dev br0; ip link set br0 up");
    node.put(1, &[POD]);
    assert!(node.sh("ip route show table 1000000001").contains("dev eth1"));
    assert!(node.sh("ip -o link show br0").contains("group default"));
}

#[test]
fn the_kernels_words_are_in_an_error() {
    let Some(node) = Node::new() else { return };
    let mut enis = enis();
    enis[1].gateway6 = Some("ff02::1".parse().unwrap());
    let error = node.on(|network| network.put(&enis, &id(1), &[POD.parse().unwrap()])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot put the route \"default via ff02::1 dev eth1 table 1000000001\" in place: \
         Invalid gateway address (Invalid argument (os error 22))"
    );
}

/// What an ADD pays: run it with `--ignored --nocapture`, below `strace -c` for the system calls.
#[test]
#[ignore = "prints figures"]
fn what_put_costs_by_the_number_of_pods() {
    let Some(node) = Node::new() else { return };
    let mut there = 0;
    for pods in [1, 10, 110, 250] {
        for n in there..pods {
            let (high, low) = (n / 250, n % 250);
            node.sh(&format!(
                "ip link add veth{n} type veth peer name peer{n}; ip link set veth{n} up
                 ip route add 192.168.{}.{low} dev veth{n}
                 ip rule add pref 2048 from 192.168.{}.{low} lookup 1000000001 protocol kernel",
                100 + high,
                100 + high
            ));
        }
        there = pods;
        let put = |what: &str| {
            let addresses = [POD.parse().unwrap()];
            let took = node.on(|network| {
                let begun = std::time::Instant::now();
                network.put(&enis(), &id(1), &addresses).unwrap();
                begun.elapsed()
            });
            println!("{pods} pods, {what}: {took:?}");
        };
        put("first");
        put("again");
        put("again");
        let begun = std::time::Instant::now();
        node.on(|network| network.differences(&expected(&PODS))).unwrap();
        println!("{pods} pods, differences: {:?}", begun.elapsed());
    }
}

#[test]
fn the_gateway_that_ptp_gives_the_hosts_end_works_at_once() {
    let Some(node) = Node::new() else { return };
    node.sh("ip link add veth0 type veth peer name pod0; ip link set pod0 up");
    node.sh(
        "ip link set veth0 up; ip address add fd00:1::10/128 dev veth0; ip route add fd00:1::5 dev veth0",
    );
    node.sh("ip address add 192.168.1.10/32 dev veth0; ip address add fd00:77::1/64 dev veth0");
    assert_eq!(node.sh("ip -6 -o address show dev veth0 tentative scope global | wc -l"), "2\n");
    let changes =
        node.on(|network| network.skip_duplicate_detection(&[POD6.parse().unwrap()])).map(texts).unwrap();
    assert_eq!(
        changes,
        [
            "ended duplicate address detection for fd00:1::10 on veth0",
            "ended duplicate address detection for fd00:77::1 on veth0",
        ]
    );
    assert_eq!(node.sh("ip -6 -o address show dev veth0 tentative scope global"), "");
    assert_eq!(
        node.sh("ip -6 -o address show dev veth0 scope global | awk '{print $4}' | sort"),
        "fd00:1::10/128\nfd00:77::1/64\n"
    );
    let addresses = [POD.parse().unwrap(), POD6.parse().unwrap(), "fd00:1::6".parse().unwrap()];
    assert_eq!(node.on(|network| network.skip_duplicate_detection(&addresses)).unwrap(), []);
}
