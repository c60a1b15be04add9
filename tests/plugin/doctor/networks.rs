//! Several networks on one node.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Answer, Node, World};
use serde_json::{Map, Value};

use super::{expect, lines};
use crate::node;

/// A directory with the node's network and this one beside it.
fn with_second(node: &Node, change: impl FnOnce(&mut Map<String, Value>)) -> PathBuf {
    let directory = node.directory().join("net.d");
    fs::create_dir_all(&directory).unwrap();
    let mut second = node.conflist();
    second["name"] = "second".into();
    change(second["plugins"][0]["ipam"].as_object_mut().unwrap());
    fs::write(directory.join("10-pods.conflist"), node.conflist().to_string()).unwrap();
    fs::write(directory.join("20-second.conflist"), second.to_string()).unwrap();
    directory
}

fn doctor_in(node: &Node, directory: &Path) -> Answer {
    node.operator_with(directory, &["doctor", "--json"])
}

/// The networks that each check of this name is about.
fn networks(answer: &Answer, name: &str) -> Vec<Vec<String>> {
    let checks = answer.json()["checks"].as_array().cloned().unwrap();
    let named = checks.iter().filter(|check| check["name"] == name);
    named.map(|check| serde_json::from_value(check["networks"].clone()).unwrap()).collect()
}

#[test]
fn without_a_name_every_network_is_checked_and_what_they_share_once() {
    let node = node();
    let directory = with_second(&node, |_| {});
    let answer = doctor_in(&node, &directory);
    assert_eq!(answer.status(), 0, "{answer:?}");
    for name in [
        "binary",
        "store",
        "records",
        "metadata",
        "credentials",
        "endpoint",
        "clock",
        "eni",
        "permissions",
        "quota",
    ] {
        assert_eq!(lines(&answer, name).len(), 1, "{name}: {answer:?}");
    }
    assert_eq!(networks(&answer, "configuration"), [["pods"], ["second"]]);
    assert_eq!(networks(&answer, "eni"), [["pods", "second"]]);
    assert_eq!(node.cloud.count("DescribeNetworkInterfaces"), 1);
    assert_eq!(node.cloud.count("AssignPrivateIpAddresses"), 1);
}

#[test]
fn a_line_says_which_network_it_is_about() {
    let node = node();
    let directory = with_second(&node, |ipam| {
        ipam.insert("networkInterfaceId".into(), World::PRIMARY_ENI.into());
        ipam.insert("dataDir".into(), node.directory().join("second").to_str().unwrap().into());
        ipam.insert("colour".into(), "blue".into());
    });
    let answer = doctor_in(&node, &directory);
    expect(&answer, "configuration", "ok", &["network \"pods\": all keys are valid"]);
    expect(&answer, "configuration", "warn", &["network \"second\": unknown keys", "colour"]);
    expect(&answer, "eni", "ok", &["network \"pods\": ", Node::ENI]);
    expect(&answer, "eni", "ok", &["network \"second\": ", World::PRIMARY_ENI]);
    assert_eq!(networks(&answer, "store"), [["pods"], ["second"]]);
    assert_eq!(networks(&answer, "metadata"), [["pods", "second"]]);
    assert!(lines(&answer, "metadata")[0].starts_with("ok: http://"), "{answer:?}");
    // With a name there are no others.
    let answer = node.operator_with(&directory, &["doctor", "--json", "--network", "second"]);
    assert_eq!(networks(&answer, "eni"), [["second"]]);
    assert!(lines(&answer, "eni")[0].starts_with("ok: eni-"), "{answer:?}");
    let answer = node.operator_with(&directory, &["doctor", "--network", "third"]);
    assert!(answer.status() == 2 && answer.stderr().contains("pods, second"), "{answer:?}");
}

#[test]
fn what_is_broken_in_one_network_hides_nothing_of_the_other() {
    let node = node();
    for (key, value, name) in [
        ("subnet", "nonsense", "configuration"),
        ("timeoutSeconds", "nonsense", "configuration"),
        ("endpoint", "nonsense", "cloud"),
        ("dataDir", "nonsense", "store"),
        ("interface", "none0", "eni"),
    ] {
        let directory = with_second(&node, |ipam| {
            ipam.remove("networkInterfaceId");
            ipam.insert(key.into(), value.into());
        });
        let answer = doctor_in(&node, &directory);
        assert_eq!(answer.status(), 1, "{answer:?}");
        let told = lines(&answer, name);
        assert!(
            told.iter().any(|it| !it.starts_with("ok") && it.contains("\"second\"")),
            "{key}: {answer:?}"
        );
        let enis = lines(&answer, "eni");
        assert!(enis.iter().any(|it| it.starts_with("ok") && it.contains(Node::ENI)), "{key}: {answer:?}");
    }
}

#[test]
fn two_networks_that_keep_stores_of_their_own_for_one_eni_fail_however_they_name_it() {
    let mut node = node();
    node.set("networkInterfaceId", World::PRIMARY_ENI);
    let store = node.store().display().to_string();
    for change in [
        |_: &mut Map<String, Value>| {},
        // The primary ENI is the one that is taken without a key.
        |ipam: &mut Map<String, Value>| drop(ipam.remove("networkInterfaceId")),
    ] {
        let directory = with_second(&node, |ipam| {
            change(ipam);
            ipam.insert("dataDir".into(), "/elsewhere".into());
        });
        let words = [World::PRIMARY_ENI, &store, "\"pods\"", "/elsewhere", "\"second\"", "one dataDir"];
        expect(&doctor_in(&node, &directory), "stores", "fail", &words);
        // Also if only one of them is asked for.
        let answer = node.operator_with(&directory, &["doctor", "--network", "pods", "--json"]);
        expect(&answer, "stores", "fail", &words);
    }
    // Without metadata, what is configured alike is one ENI.
    node.ipam.remove("networkInterfaceId");
    node.set("metadataEndpoint", "http://127.0.0.1:1");
    let directory = with_second(&node, |ipam| drop(ipam.insert("dataDir".into(), "/elsewhere".into())));
    expect(&doctor_in(&node, &directory), "stores", "fail", &["/elsewhere", "the same ENI"]);
}

#[test]
fn one_store_by_two_names_and_two_stores_for_two_enis_are_fine() {
    let node = node();
    let way = node.directory().join("way");
    std::os::unix::fs::symlink(node.directory(), &way).unwrap();
    let directory = with_second(&node, |ipam| {
        ipam.insert("dataDir".into(), way.join("store").to_str().unwrap().into());
    });
    let answer = doctor_in(&node, &directory);
    expect(&answer, "stores", "ok", &[]);
    assert_eq!(lines(&answer, "store").len(), 1, "{answer:?}");
    let directory = with_second(&node, |ipam| {
        ipam.insert("dataDir".into(), node.directory().join("second").to_str().unwrap().into());
        ipam.insert("networkInterfaceId".into(), World::PRIMARY_ENI.into());
    });
    expect(&doctor_in(&node, &directory), "stores", "ok", &[]);
}

#[test]
fn what_any_network_leaves_to_other_software_is_no_room() {
    let node = node();
    let address = "192.168.0.77";
    node.cloud.assign(Node::ENI, address.parse().unwrap());
    let directory =
        with_second(&node, |ipam| drop(ipam.insert("foreignAddresses".into(), vec![address].into())));
    expect(&doctor_in(&node, &directory), "quota", "ok", &["has 2 of 250", "of which 1 are foreign"]);
}
