//! A pod's life: what is there after ADD, what a link that goes and comes again takes away, and what is left after DEL.

use std::fs;

use harness::Need;

use crate::cluster::Cluster;
use crate::inventory::VSwitches;
use crate::node::{Links, Machine};
use crate::place::Family;
use crate::pod::Pod;
use crate::probe::{HASTE, Outcome};
use crate::setup::Setup;
use crate::ways;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::Nftables, Need::StandardPlugins]:
        after_del_nothing_of_the_pods_is_left_and_the_others_answer,
        the_next_add_repairs_what_went_with_a_link;
}

/// All that the kernel has for pods.
fn kernel(node: &Machine) -> String {
    let network = node.name_space();
    let [rules, rules6, routes, routes6] =
        ["-4 rule", "-6 rule", "-4 route show table all", "-6 route show table all"]
            .map(|arguments| network.show(arguments));
    [rules, rules6, routes, routes6].concat()
}

/// What happens, to which ENI, what `doctor` then names, and how it is done.
type Disturbance<'a> = (&'a str, usize, &'a str, &'a dyn Fn());

/// What `doctor` says of the network of an ENI where it fails.
fn doctor(node: &Machine, eni: usize) -> String {
    let config = node.cloud.directory().join("pods.conflist");
    fs::write(&config, node.conflist(eni).to_string()).unwrap();
    let doctor = node.cloud.program(&["doctor", "--json", "--config", config.to_str().unwrap()]);
    let answer = doctor.under("nsenter", &node.name_space().enter()).run().json();
    let checks = answer["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["status"] == "fail");
    failed.map(|check| format!("{}: {}", check["name"], check["detail"])).collect::<Vec<_>>().join("\n")
}

fn after_del_nothing_of_the_pods_is_left_and_the_others_answer() {
    let cluster = Cluster::new(Setup::Plugin.kind(VSwitches::Two, Links::Bare), Setup::Plugin);
    for pod in cluster.pods.iter().flatten() {
        pod.check(&cluster.nodes[usize::from(pod.node) - 1]).unwrap();
    }
    let node = &cluster.nodes[0];
    for (eni, name) in [(0, "one"), (1, "two"), (2, "three")] {
        let pod = Pod::add(node, eni, name, 8200).unwrap();
        let addresses = Family::BOTH.map(|family| pod.place.address(family).to_string());
        let names = |text: &str| text.split_whitespace().any(|word| addresses.iter().any(|it| it == word));
        assert!(names(&kernel(node)));
        pod.del(node).unwrap();
        assert!(!names(&kernel(node)), "{addresses:?}\n{}", kernel(node));
        // A runtime may ask again.
        pod.del(node).unwrap();
    }
    cluster.carry();
    let ways = ways::all(&cluster).into_iter().filter(|way| way.group.starts_with("pod to pod"));
    let outcome = Outcome::of(ways.collect()).insist();
    assert_eq!(outcome.failed().count(), 0, "{outcome}");
}

fn the_next_add_repairs_what_went_with_a_link() {
    let cluster = Cluster::new(Setup::Plugin.kind(VSwitches::Two, Links::Bare), Setup::Plugin);
    let node = &cluster.nodes[0];
    let network = node.name_space();
    let tried = |soon: bool| {
        let ways = ways::all(&cluster);
        if soon { Outcome::soon(ways, HASTE) } else { Outcome::of(ways).insist() }
    };
    let outcome = tried(false);
    assert_eq!(outcome.failed().count(), 0, "{outcome}");
    let down_and_up = |eni: usize| {
        network.ip(&format!("link set eth{eni} down\nlink set eth{eni} up"));
        node.configure(eni);
    };
    let disturbances: [Disturbance<'_>; 4] = [
        ("a secondary link goes down and up", 1, "eth1", &|| down_and_up(1)),
        ("the primary link goes down and up", 0, "eth0", &|| down_and_up(0)),
        ("a secondary ENI is detached and attached", 1, "eth1", &|| {
            network.ip("link del eth1");
            node.attach(&cluster.vpc, 1);
            cluster.carry();
        }),
        ("the packet filter is flushed", 1, "inet aliyun-eni-ipam", &|| {
            network.nft("delete table inet aliyun-eni-ipam");
        }),
    ];
    for (number, (what, eni, named, disturb)) in disturbances.into_iter().enumerate() {
        disturb();
        let outcome = tried(true);
        println!("after {what}: {} of {} ways do not arrive", outcome.failed().count(), outcome.ways.len());
        assert_ne!(outcome.failed().count(), 0, "{what}");
        let pod = cluster.pods[0].iter().find(|pod| pod.eni == eni).unwrap();
        let error = pod.check(node).unwrap_err();
        println!("CHECK: {error}");
        let failed = doctor(node, eni);
        println!("doctor: {failed}");
        assert!(failed.contains(named), "{what}: {failed}");
        let next = Pod::add(node, eni, &format!("next{number}"), 8200).unwrap();
        cluster.carry();
        let outcome = tried(false);
        assert_eq!(outcome.failed().count(), 0, "after {what} and an ADD: {outcome}");
        pod.check(node).unwrap();
        next.del(node).unwrap();
        cluster.carry();
    }
}
