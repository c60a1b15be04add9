//! conf-examples: what is shown there works.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::node;

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conf-examples")
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&fs::read(examples().join(name)).unwrap()).unwrap()
}

/// Every configuration list of the folder, with its name.
fn lists() -> Vec<(String, Value)> {
    let names =
        fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".conflist")).map(|name| (name.clone(), read(&name))).collect()
}

#[test]
fn every_list_gives_a_pod_an_address_once_it_points_at_the_simulated_cloud() {
    assert_eq!(lists().len(), 6);
    for (name, list) in lists() {
        let mut node = node();
        let simulated = std::mem::take(&mut node.ipam);
        node.ipam = list["plugins"][0]["ipam"].as_object().unwrap().clone();
        // What is a matter of the machine: where the cloud is, and which files there are.
        for key in ["endpoint", "metadataEndpoint", "credentials", "dataDir", "logFile"] {
            node.ipam.insert(key.into(), simulated[key].clone());
        }
        for key in ["caFile", "proxy", "resolvConf", "metricsFile"] {
            node.ipam.remove(key);
        }
        // The machine of a test has no eth1, and the simulated cloud's ENIs have ids of their own.
        if node.ipam.remove("interface").is_some() {
            node.ipam.insert("networkInterfaceId".into(), simulated["networkInterfaceId"].clone());
        }
        node.version = list["cniVersion"].as_str().unwrap().into();
        let main_plugin = list["plugins"][0]["type"].clone();
        let answer = node.call("ADD", "c0").config(|config| config["type"] = main_plugin).run();
        assert!(!answer.addresses().is_empty(), "{name}");
        assert!(!node.log().contains("WARN"), "{name}: {}", node.log());
    }
}

/// The entries of the plugin as one of a chain.
fn chained(list: &Value) -> Vec<&Value> {
    let plugins = list["plugins"].as_array().unwrap();
    plugins.iter().filter(|plugin| plugin["type"] == "aliyun-eni-ipam").collect()
}

#[test]
fn no_list_shows_a_network_that_cannot_work() {
    for (name, list) in lists() {
        let main = &list["plugins"][0];
        let on_a_secondary_eni = ["interface", "interfaces"].iter().any(|key| !main["ipam"][key].is_null());
        match main["type"].as_str().unwrap() {
            // Answers of pods on a secondary ENI need routes of their own.
            "ptp" => assert_eq!(chained(&list).len(), usize::from(on_a_secondary_eni), "{name}"),
            "ipvlan" => assert!(on_a_secondary_eni && main["master"] == main["ipam"]["interface"], "{name}"),
            other => panic!("{name} shows {other}"),
        }
    }
}

#[test]
fn the_plugin_in_a_chain_uses_the_store_and_the_log_of_the_network() {
    for (name, list) in lists() {
        let ipam = &list["plugins"][0]["ipam"];
        for entry in chained(&list) {
            assert!(entry["ipam"].is_null(), "{name}");
            for key in ["dataDir", "metadataEndpoint", "logLevel", "logFile", "logFormat"] {
                assert_eq!(entry[key], ipam[key], "{name}: {key}");
            }
        }
    }
    let list = read("10-everything.conflist");
    let keys: BTreeSet<_> = chained(&list)[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        BTreeSet::from(["dataDir", "logFile", "logFormat", "logLevel", "metadataEndpoint", "type"])
    );
}

#[test]
fn the_list_with_everything_names_every_key_there_is() {
    let list = read("10-everything.conflist");
    let shown: BTreeSet<&str> =
        list["plugins"][0]["ipam"].as_object().unwrap().keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = aliyun_eni_ipam::inside::config::KEYS.iter().map(|key| key.name).collect();
    assert_eq!(shown, known);
}

#[test]
fn the_list_with_everything_is_accepted_as_it_stands() {
    let list = read("10-everything.conflist");
    let ipam = list["plugins"][0]["ipam"].as_object().unwrap();
    aliyun_eni_ipam::inside::config::Ipam::new(ipam).check_all().unwrap();
}

#[test]
fn what_a_runtime_passes_on_of_the_simulators_network_is_shown_as_it_is() {
    let list = read("simulator.conflist");
    let mut passed_on = list["plugins"][0].clone();
    for key in ["cniVersion", "name"] {
        passed_on[key] = list[key].clone();
    }
    assert_eq!(read("simulator.json"), passed_on);
}

#[test]
fn the_policy_allows_what_is_called_and_nothing_else() {
    let policy = read("ram-policy.json");
    let allowed: BTreeSet<&str> = policy["Statement"][0]["Action"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action.as_str().unwrap())
        .collect();
    let node = node().with("ipv6", true);
    let _ = node.add("c0").addresses();
    node.del("c0").ok();
    let called: BTreeSet<String> =
        node.cloud.ledger().iter().map(|entry| format!("ecs:{}", entry.action)).collect();
    // The doctor alone asks for the quota.
    let expected: BTreeSet<&str> =
        called.iter().map(String::as_str).chain(["ecs:DescribeInstanceTypes"]).collect();
    assert_eq!(allowed, expected);
}

#[test]
fn what_systemd_and_logrotate_are_told_is_where_it_is_by_default() {
    let rotated = fs::read_to_string(examples().join("logrotate.d/aliyun-eni-ipam")).unwrap();
    let log = aliyun_eni_ipam::inside::config::KEYS.iter().find(|key| key.name == "logFile").unwrap().default;
    assert!(rotated.contains(&format!("{} {{", log.trim_matches('`'))) && rotated.contains("create 0600"));
    let service = fs::read_to_string(examples().join("systemd/aliyun-eni-ipam-flush.service")).unwrap();
    assert!(service.lines().any(|line| line == "ExecStart=/opt/cni/bin/aliyun-eni-ipam flush"));
}
