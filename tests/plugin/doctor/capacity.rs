//! For how many pods a node has addresses.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use harness::simulator::Eni;
use harness::{Answer, Effect, Fault, Node, World};
use serde_json::{Value, json};

use super::{doctor, expect, lines};
use crate::{node, node_in};

const SECOND: &str = "eni-bp1secondary000000002";
const THIRD: &str = "eni-bp1secondary000000003";

/// A node with three secondary ENIs, of which each has room for so many addresses.
fn node_with_quota(ipv4: usize, ipv6: usize) -> Node {
    let secondary = |id, last: u8| {
        Eni::new(id, &format!("00:16:3e:00:00:{last:02x}"), Ipv4Addr::new(192, 168, 0, 10 + last))
    };
    let world = World::single_node().with_eni(secondary(SECOND, 3)).with_eni(secondary(THIRD, 4));
    let mut node = node_in(world.with_quota(ipv4, ipv6)).with("interfaces", "secondary");
    node.ipam.remove("networkInterfaceId");
    node
}

/// The numbers that programs read.
fn pods(answer: &Answer) -> Vec<Value> {
    let checks = answer.json()["checks"].as_array().cloned().unwrap();
    let named = checks.iter().filter(|check| check["name"] == "capacity");
    named.map(|check| check["pods"].clone()).collect()
}

#[test]
fn the_capacity_is_what_all_enis_of_the_network_have_without_their_primary_addresses() {
    let node = node_with_quota(6, 6);
    let answer = doctor(&node);
    assert_eq!(pods(&answer), [15]);
    let each = format!("({} 5, {SECOND} 5, {THIRD} 5)", Node::ENI);
    expect(
        &answer,
        "capacity",
        "ok",
        &["addresses for 15 pods", &each, "maxPods", "ecs.g7.large allows 3 ENIs"],
    );
    assert_eq!(lines(&answer, "eni").len(), 3, "{answer:?}");
    assert_eq!(lines(&answer, "quota").len(), 3, "{answer:?}");
    // A check of one that is not `capacity` has no number.
    assert!(answer.json()["checks"][0].get("pods").is_none(), "{answer:?}");
}

#[test]
fn what_other_software_has_is_no_capacity() {
    let node = node_with_quota(6, 6).with("foreignAddresses", json!(["192.168.0.77", "192.168.0.78"]));
    node.cloud.assign(SECOND, IpAddr::from([192, 168, 0, 77]));
    // What a pod has is capacity, and so is what nothing explains.
    let _ = node.add("c1").address();
    node.cloud.assign(THIRD, IpAddr::from([192, 168, 0, 99]));
    assert_eq!(pods(&doctor(&node)), [14]);
}

#[test]
fn a_pod_needs_an_address_of_each_family() {
    let node = node_with_quota(6, 2).with("ipv6", true);
    assert_eq!(pods(&doctor(&node)), [6]);
    let node = node_with_quota(3, 6).with("ipv6", true).with("subnet", "off");
    assert_eq!(pods(&doctor(&node)), [18]);
}

#[test]
fn an_eni_that_cannot_be_used_is_no_capacity_and_no_failure() {
    let node = node_with_quota(6, 6);
    node.cloud.with_world(|world| world.eni_mut(SECOND).service_managed = true);
    let answer = doctor(&node);
    assert_eq!((answer.status(), pods(&answer)), (0, vec![json!(10)]));
    expect(&answer, "eni", "warn", &["a cloud service manages", SECOND]);
    let node = node_with_quota(6, 6);
    let gone = "/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:03/network-interface-id";
    node.cloud.inject_metadata(gone, Effect::Empty { status: 404 }, None);
    let answer = doctor(&node);
    assert_eq!((answer.status(), pods(&answer)), (0, vec![json!(10)]));
    expect(
        &answer,
        "eni",
        "warn",
        &["00:16:3e:00:00:03: instance metadata has no networkInterfaceId for it"],
    );
}

#[test]
fn a_node_is_full_when_its_last_eni_is() {
    let node = node_with_quota(2, 2);
    let fill = |eni, last| node.cloud.assign(eni, IpAddr::from([192, 168, 0, last]));
    fill(Node::ENI, 101);
    fill(SECOND, 102);
    let answer = doctor(&node);
    expect(&answer, "capacity", "ok", &["3 pods"]);
    assert!(lines(&answer, "quota").iter().all(|line| line.starts_with("ok")), "{answer:?}");
    fill(THIRD, 103);
    expect(&doctor(&node), "capacity", "warn", &["3 pods", "no further pod can get an address"]);
}

#[test]
fn nothing_is_said_where_the_quota_is_not_known() {
    let node = node();
    node.cloud.inject(Fault::on("DescribeInstanceTypes").effect(Effect::code("Forbidden.RAM")));
    let answer = doctor(&node);
    expect(&answer, "quota", "warn", &["not tested"]);
    assert_eq!(lines(&answer, "capacity"), [""; 0]);
}

#[test]
fn networks_that_find_one_eni_in_two_ways_share_it() {
    let node = node();
    let directory = node.directory().join("net.d");
    fs::create_dir_all(&directory).unwrap();
    let mut second = node.conflist();
    second["name"] = "second".into();
    let ipam = second["plugins"][0]["ipam"].as_object_mut().unwrap();
    ipam.remove("networkInterfaceId");
    ipam.insert("interfaces".into(), "secondary".into());
    fs::write(directory.join("10-pods.conflist"), node.conflist().to_string()).unwrap();
    fs::write(directory.join("20-second.conflist"), second.to_string()).unwrap();
    let answer = node.operator_with(&directory, &["doctor", "--json"]);
    assert_eq!(pods(&answer), [249]);
    for name in ["eni", "capacity"] {
        let checks = answer.json()["checks"].as_array().cloned().unwrap();
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check["networks"], json!(["pods", "second"]), "{answer:?}");
    }
    expect(&answer, "stores", "ok", &[]);
    // With two stores, one may take what the other has given.
    second["plugins"][0]["ipam"]["dataDir"] = node.directory().join("other").to_str().unwrap().into();
    fs::write(directory.join("20-second.conflist"), second.to_string()).unwrap();
    let answer = node.operator_with(&directory, &["doctor", "--json"]);
    expect(&answer, "stores", "fail", &["has two stores", Node::ENI]);
}
