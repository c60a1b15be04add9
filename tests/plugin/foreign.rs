//! `foreignAddresses`: what is on the ENI for other software stays there, and no pod gets it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use harness::simulator::AddressPolicy;
use harness::{Answer, Effect, Fault, Node, World, eventually};
use serde_json::{Value, json};

use crate::node_in;

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// As long as a request stays in doubt, and a description lags behind it.
const LAPSES: Duration = Duration::from_mins(3);

/// A node whose cloud hands out the lowest free address.
fn node() -> Node {
    node_in(World::single_node().with_policy(AddressPolicy::LowestFree))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Puts an address of other software on the ENI, and names it so.
fn with_other_software(node: Node, text: &str) -> (Node, IpAddr) {
    node.cloud.assign(Node::ENI, ip(text));
    (node.with("foreignAddresses", json!([text])), ip(text))
}

fn requests(node: &Node) -> usize {
    node.cloud.count(ASSIGN) + node.cloud.count(UNASSIGN)
}

#[test]
fn it_is_no_orphan_and_not_released() {
    let (node, other) = with_other_software(node(), "192.168.0.77");
    let address = node.add("c0").address();
    let answer = node.operator(&["reconcile", "--release-orphans", "--yes", "--json"]);
    let document = answer.result();
    assert_eq!((&document["enis"][0]["foreign"], &document["released"]), (&json!([other]), &json!([])));
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(node.on_eni(), BTreeSet::from([address, other]));
}

#[test]
fn no_pod_can_ask_for_it() {
    let node = node().with("foreignAddresses", json!(["192.168.0.64/28"]));
    let answer = node.call("ADD", "c0").env("CNI_ARGS", "IP=192.168.0.70").run();
    assert!(answer.error(114).contains("request another address"), "{answer:?}");
    assert!(node.on_eni().is_empty() && requests(&node) == 0, "{}", node.scene());
    assert_eq!(node.counts(), [0, 0, 0, 0]);
}

#[test]
fn what_ecs_hands_out_of_it_is_neither_given_to_a_pod_nor_released() {
    let node = node();
    let lowest = node.add("probe").address();
    node.del("probe").ok();
    let node = node.with("foreignAddresses", json!([lowest]));
    node.cloud.clear_ledger();
    let address = node.add("c0").address();
    assert_ne!(address, lowest);
    assert!(node.log().contains("is not given to the pod but left to other software"), "{}", node.log());
    node.del("c0").ok();
    assert_eq!(node.on_eni(), BTreeSet::from([lowest]), "{}", node.scene());
    assert_eq!(node.counts(), [0, 0, 0, 0]);
}

#[test]
fn an_add_gives_up_after_four_of_them() {
    let node = node().with("foreignAddresses", json!(["192.168.0.0/28"]));
    let text = node.add("c0").error(11);
    assert!(text.contains("ECS assigned only addresses on"), "{text}");
    assert_eq!((node.on_eni().len(), node.cloud.count(ASSIGN), node.cloud.count(UNASSIGN)), (4, 4, 0));
    assert_eq!(node.counts(), [0, 0, 0, 0], "{}", node.scene());
}

#[test]
fn where_all_of_the_subnet_is_named_ecs_is_not_asked() {
    let node = node().with("foreignAddresses", json!(["192.168.0.0/16"]));
    let text = node.add("c0").error(7);
    assert!(text.contains("192.168.0.0/24"), "{text}");
    assert_eq!(requests(&node), 0);
}

/// What ends a pod's record.
type End = fn(&Node) -> Answer;

#[test]
fn a_record_that_names_it_ends_without_a_request() {
    let gc = |node: &Node| {
        let nothing_valid = |config: &mut Value| config["cni.dev/valid-attachments"] = json!([]);
        node.call("GC", "").without("CNI_NETNS").config(nothing_valid).run()
    };
    let ends: [End; 3] = [
        |node| node.del("c0"),
        |node| {
            let address = node.recorded().first().unwrap().to_string();
            node.operator(&["release", &address, "--yes"])
        },
        |node| {
            let active = std::fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap();
            std::fs::write(active.path(), "{").unwrap();
            node.del("c0")
        },
    ];
    for end in ends.into_iter().chain([gc as End]) {
        let node = node().with("gcGraceSeconds", 0);
        let address = node.add("c0").address();
        let node = node.with("foreignAddresses", json!([address]));
        let table = node.operator(&["reconcile"]);
        assert!(
            table.status() == 0 && table.stdout().contains("ipam.foreignAddresses names it"),
            "{table:?}"
        );
        let answer = end(&node);
        assert_eq!(answer.status(), 0, "{answer:?}");
        assert_eq!(node.on_eni(), BTreeSet::from([address]), "{}", node.scene());
        assert_eq!((node.counts(), node.cloud.count(UNASSIGN)), ([0, 0, 0, 0], 0), "{}", node.scene());
        assert!(
            node.log().contains("left to other software: ipam.foreignAddresses names it"),
            "{}",
            node.log()
        );
    }
}

#[test]
fn the_pods_other_address_is_released_all_the_same() {
    let node = node().with("ipv6", true);
    let addresses = node.add("c0").addresses();
    let node = node.with("foreignAddresses", json!([addresses[0]]));
    node.del("c0").ok();
    assert_eq!(node.on_eni(), BTreeSet::from([addresses[0]]), "{}", node.scene());
    assert_eq!(node.counts(), [0, 0, 0, 0]);
}

/// Kills an ADD whose request ECS has carried out, or never carries out.
fn kill_add(node: &Node, effect: Effect) {
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(effect));
    let asked = node.cloud.count(ASSIGN);
    let add = node.call("ADD", "killed").start();
    eventually("ECS is asked", || node.cloud.count(ASSIGN) > asked);
    add.kill();
    node.cloud.clear_faults();
}

#[test]
fn beside_it_a_description_ends_a_request_in_doubt() {
    let (node, other) = with_other_software(node(), "192.168.0.77");
    kill_add(&node, Effect::Stall);
    node.let_time_pass(LAPSES);
    let asked = node.cloud.count(ASSIGN);
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.cloud.count(ASSIGN), node.counts()), (asked, [0, 0, 0, 0]), "{}", node.scene());
    assert_eq!(node.on_eni(), BTreeSet::from([other]));
}

#[test]
fn what_a_killed_add_had_got_of_it_stays() {
    let node = node();
    kill_add(&node, Effect::StallAfter);
    let got = *node.on_eni().first().unwrap();
    let node = node.with("foreignAddresses", json!([got]));
    node.del("killed").ok();
    assert_eq!((node.on_eni(), node.counts()), (BTreeSet::from([got]), [0, 0, 0, 0]), "{}", node.scene());
}

#[test]
fn while_it_cannot_be_read_no_command_releases_anything() {
    let node = node().with("foreignAddresses", json!(["192.168.0.1/24"]));
    node.cloud.assign(Node::ENI, ip("192.168.0.77"));
    for words in [&["reconcile", "--release-orphans", "--yes"][..], &["reconcile"]] {
        let answer = node.operator(words);
        assert!(answer.status() == 1 && answer.stdout().contains("ipam.foreignAddresses"), "{answer:?}");
    }
    assert_eq!((node.on_eni().len(), requests(&node)), (1, 0));
}

#[test]
fn commands_leave_alone_what_any_network_of_the_store_names() {
    let mut node = node();
    let other = ip("192.168.0.77");
    node.cloud.assign(Node::ENI, other);
    let directory = node.directory().join("net.d");
    std::fs::create_dir(&directory).unwrap();
    let configure = |node: &Node, name: &str| {
        let mut list = node.conflist();
        list["name"] = name.into();
        std::fs::write(directory.join(format!("{name}.conflist")), list.to_string()).unwrap();
    };
    configure(&node, "a");
    node.set("foreignAddresses", json!([other]));
    configure(&node, "b");
    let words = ["reconcile", "--network", "a", "--release-orphans", "--yes", "--json"];
    let answer = node.operator_with(&directory, &words);
    assert_eq!(answer.result()["enis"][0]["foreign"], json!([other]));
    assert_eq!(node.on_eni(), BTreeSet::from([other]));
    // Nor does anybody release anything while nobody knows what `b` names.
    node.set("foreignAddresses", json!("192.168.0.77"));
    configure(&node, "b");
    let answer = node.operator_with(&directory, &words);
    assert!(answer.status() == 1 && answer.stdout().contains("ipam.foreignAddresses is"), "{answer:?}");
    assert_eq!((node.on_eni(), requests(&node)), (BTreeSet::from([other]), 0));
}

#[test]
fn doctor_tells_how_much_of_the_eni_it_is() {
    let (node, _) = with_other_software(node(), "192.168.0.77");
    let report = node.operator(&["doctor"]);
    assert!(report.stdout().contains(", of which 1 are foreign"), "{report:?}");
}
