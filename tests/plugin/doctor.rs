//! `doctor`: says what is missing, and changes nothing.

mod capacity;
mod cloud;
mod configuration;
mod installation;
mod networks;
mod plugins;
mod pods;
mod store;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use harness::{Answer, Effect, Fault, Node, World};
use serde_json::Value;

use crate::node;

fn doctor(node: &Node) -> Answer {
    node.operator(&["doctor", "--json"])
}

/// The checks with this name and their status, as "status: detail".
fn lines(answer: &Answer, name: &str) -> Vec<String> {
    let checks = answer.json()["checks"].as_array().cloned().unwrap_or_default();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let named = checks.iter().filter(|check| check["name"] == name);
    named.map(|check| format!("{}: {}", text(check, "status"), text(check, "detail"))).collect()
}

/// Expects a check to end so, with all of these words, and the exit status that belongs to it.
#[track_caller]
fn expect(answer: &Answer, name: &str, status: &str, words: &[&str]) {
    let lines = lines(answer, name);
    let fits = |line: &String| line.starts_with(status) && words.iter().all(|word| line.contains(word));
    if !lines.iter().any(fits) || answer.status() != i32::from(status == "fail") {
        answer.fail(&format!("{name} to be {status} with {words:?}, not {lines:?}"));
    }
}

#[test]
fn a_healthy_node_has_a_line_for_everything_and_nothing_is_changed() {
    let node = node().with("ipv6", true);
    let answer = doctor(&node);
    for (name, words) in [
        ("configuration", "pods"),
        ("store", "does not exist yet"),
        ("records", "0 active"),
        ("locks", "no lock is held"),
        ("releases", "no release has failed"),
        ("metadata", World::INSTANCE_ID),
        ("credentials", World::ACCESS_KEY_ID),
        ("endpoint", "answers"),
        ("clock", "within"),
        ("eni", Node::ENI),
        (
            "permissions",
            "UnassignPrivateIpAddresses, AssignPrivateIpAddresses, UnassignIpv6Addresses, AssignIpv6Addresses",
        ),
        ("quota", "1 of 250 IPv4"),
        ("capacity", "addresses for 249 pods"),
    ] {
        expect(&answer, name, "ok", &[words]);
    }
    assert!(
        answer.json()["checks"].as_array().unwrap().iter().all(|check| check["status"] == "ok"),
        "{answer:?}"
    );
    assert!(!node.store().exists());
    assert!(node.cloud.ledger().iter().all(|entry| !entry.executed), "{}", node.scene());

    let text = node.operator(&["doctor"]);
    assert!(text.status() == 0 && text.stdout().lines().all(|line| line.starts_with("ok ")), "{text:?}");
    assert!(!text.stdout().contains(World::ACCESS_KEY_SECRET));
}

#[test]
fn a_used_node_is_healthy_too_and_keeps_its_addresses() {
    let node = node();
    let address = node.add("c0").address();
    node.cloud.clear_ledger();
    let answer = doctor(&node);
    expect(&answer, "records", "ok", &["1 active"]);
    expect(&answer, "store", "ok", &["mode 700"]);
    expect(&answer, "quota", "ok", &["2 of 250"]);
    assert!(node.on_eni().contains(&address) && node.counts() == [0, 1, 0, 0]);
    assert!(node.cloud.ledger().iter().all(|entry| !entry.executed), "{}", node.scene());
}

#[test]
fn off_ecs_it_asks_whether_this_is_an_ecs_instance() {
    let mut node = node().with("metadataEndpoint", "http://127.0.0.1:1");
    let text = "instance metadata does not answer at http://127.0.0.1:1 (";
    node.ipam.remove("networkInterfaceId");
    let answer = doctor(&node);
    expect(&answer, "metadata", "fail", &[text]);
    let keys = "set ipam.regionId, ipam.networkInterfaceId, ipam.subnet, ipam.gateway";
    let eni = format!("warn: not tested: it is not known without instance metadata: {keys}");
    assert_eq!(lines(&answer, "eni"), [eni]);
    assert!(node.add("c0").error(11).contains(text));
}

#[test]
fn a_line_is_printed_when_it_is_known() {
    let node = node();
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").effect(Effect::Stall));
    let mut running = node.command(&["doctor"]).start();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(running.take_stdout()));
    let first = lines.next().unwrap().unwrap();
    assert!(first.starts_with("ok    binary "), "{first}");
    assert!(running.is_running());
    running.kill();
}

/// Every file of the node but the log, with its content and when it was written.
fn files(node: &Node) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let (mut found, mut left) = (BTreeMap::new(), vec![node.directory().to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.insert(path.clone(), (Vec::new(), path.metadata().unwrap().modified().unwrap()));
                left.push(path);
            } else if !path.ends_with("log") && !path.ends_with("pods.conflist") {
                found.insert(
                    path.clone(),
                    (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap()),
                );
            }
        }
    }
    // Where files are tried: the times of their directories change.
    found.remove(&node.store());
    found
}

#[test]
fn no_file_of_a_used_node_is_changed_and_none_is_left() {
    let mut node = node();
    node.set("credentials", serde_json::json!({"source": "ecs-ram-role"}));
    fs::create_dir(node.directory().join("metrics")).unwrap();
    node.set("metricsFile", node.directory().join("metrics/node.prom").to_str().unwrap());
    let _ = node.add_pod("c0").address();
    fs::remove_dir_all(node.store().join("cache")).unwrap();
    fs::remove_dir_all(node.store().join("eni")).unwrap();
    let before = files(&node);
    let answer = doctor(&node);
    assert_eq!(answer.status(), 0, "{answer:?}");
    let mut after = files(&node);
    let metrics = node.directory().join("metrics");
    after.insert(metrics.clone(), before[&metrics].clone());
    assert_eq!(after, before);
}

#[test]
fn the_summary_counts_and_says_what_to_look_at_first() {
    let mut node = node();
    let summary = doctor(&node).json()["summary"].clone();
    assert_eq!((&summary["warn"], &summary["fail"], &summary["first"]), (&0.into(), &0.into(), &Value::Null));
    // The release fails because of the permission, which is told later.
    let _ = node.add_pod("c0").address();
    let unassign = || Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM"));
    node.cloud.inject(unassign());
    node.del("c0").ok();
    node.set("colour", "blue");
    let answer = doctor(&node);
    let summary = &answer.json()["summary"];
    assert_eq!(
        (&summary["fail"], &summary["first"]["name"]),
        (&2.into(), &"permissions".into()),
        "{answer:?}"
    );
    let checks = answer.json()["checks"].as_array().unwrap().len() as u64;
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(count("ok") + count("warn") + count("fail"), checks);
    let text = node.operator(&["doctor"]);
    let last = text.stdout().lines().last().unwrap().to_owned();
    assert!(last.starts_with("fail  summary "), "{last}");
    assert!(last.contains(" 2 fail; begin with `permissions`"), "{last}");
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    let text = node.operator(&["doctor"]);
    let last = text.stdout().lines().last().unwrap().to_owned();
    assert!(
        last.starts_with("warn  summary ") && last.contains("0 fail; begin with `configuration`"),
        "{last}"
    );
}
