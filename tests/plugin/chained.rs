//! The plugin as one of a chain, as far as it goes without changing this machine's routes: `tests/machine/chained.rs` has the rest.

use std::fs;

use harness::{Answer, Calling, Node};
use serde_json::{Value, json};

use crate::node;

/// The entry of `plugins` behind the main plugin, as a runtime passes it on.
fn entry(node: &Node, version: &str, prev_result: Option<&Value>) -> Value {
    let mut entry = json!({
        "cniVersion": version,
        "name": node.network,
        "type": "aliyun-eni-ipam",
        "dataDir": node.store(),
        "metadataEndpoint": node.cloud.metadata_endpoint(),
        "logFile": node.directory().join("log"),
        "logLevel": "debug",
        "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"a": "b"}},
        "capabilities": {"ips": true},
        "args": {"cni": {"labels": [{"key": "app", "value": "web"}]}},
    });
    if let Some(result) = prev_result {
        entry["prevResult"] = result.clone();
    }
    entry
}

/// A call of the plugin as one of a chain.
fn chained<'n>(node: &'n Node, verb: &str, container: &str, prev_result: Option<&Value>) -> Calling<'n> {
    node.call(verb, container).stdin(entry(node, &node.version, prev_result).to_string())
}

/// What `ptp` makes of the result of the IPAM plugin.
fn with_interfaces(mut result: Value) -> Value {
    result["interfaces"] = json!([
        {"name": "veth12345678", "mac": "52:54:00:00:00:01"},
        {"name": "eth0", "mac": "52:54:00:00:00:02", "sandbox": "/var/run/netns/test"},
    ]);
    result["ips"][0]["interface"] = 1.into();
    result
}

fn refused(answer: &Answer, code: u64, start: &str) {
    let text = answer.error(code);
    assert!(text.starts_with(start), "{text}\ndoes not begin with\n{start}");
}

#[test]
fn nobody_but_the_main_plugin_can_stand_before_it() {
    let node = node();
    for verb in ["ADD", "CHECK"] {
        refused(
            &chained(&node, verb, "c1", None).run(),
            7,
            "required prevResult missing; with its own \"type\"",
        );
        let number = chained(&node, verb, "c1", Some(&json!(5))).run();
        refused(&number, 7, "prevResult must be an object, but is a number");
        let odd = chained(&node, verb, "c1", Some(&json!({"ips": [{"address": "10.0.0.1"}]}))).run();
        refused(&odd, 7, "invalid prevResult; ips, entry 0: invalid CIDR address 10.0.0.1");
    }
    assert!(node.cloud.ledger().is_empty() && !node.store().exists());
}

#[test]
fn with_an_ipam_section_it_gives_addresses_whatever_the_type_is() {
    let node = node();
    let answer = node.call("ADD", "c1").config(|config| config["type"] = json!("aliyun-eni-ipam")).run();
    assert!(node.on_eni().contains(&answer.address()));
    // Another plugin without one is refused as before.
    let text = node.call("ADD", "c1").config(|config| config["ipam"] = Value::Null).run().error(7);
    assert!(text.starts_with("missing ipam"), "{text}");
}

#[test]
fn an_add_without_a_record_in_its_store_says_which_store_to_set() {
    let mut node = node();
    let result = with_interfaces(node.add("c1").result());
    let other = node.directory().join("other");
    let call = chained(&node, "ADD", "c1", Some(&result)).config(|entry| entry["dataDir"] = json!(other));
    let text = call.run().error(104);
    assert!(
        text.contains(&other.display().to_string()) && text.contains("set dataDir of the chained plugin"),
        "{text}"
    );
    assert!(!other.exists());
    node.network = "pods".into();
    let text = chained(&node, "CHECK", "c2", Some(&result)).run().error(104);
    assert!(text.contains("no addresses are recorded"), "{text}");
}

#[test]
fn a_del_of_nobody_makes_nothing_and_asks_nobody() {
    let node = node();
    let result = json!({"cniVersion": "1.1.0", "ips": [{"address": "192.168.0.50/24"}]});
    for prev_result in [None, Some(&result)] {
        for _ in 0..2 {
            chained(&node, "DEL", "c1", prev_result).without("CNI_NETNS").run().ok();
        }
    }
    assert!(!node.store().exists());
    // The store is there, and has nothing of the attachment.
    let _ = node.add("c2").address();
    node.cloud.clear_ledger();
    let before = node.cloud.metadata_requests().len();
    chained(&node, "DEL", "c1", None).run().ok();
    assert!(!node.store().join("routes.lock").exists());
    assert!(node.cloud.ledger().is_empty() && node.cloud.metadata_requests().len() == before);
}

#[test]
fn a_del_does_with_what_is_left_of_a_configuration() {
    let node = node();
    for change in [
        |entry: &mut Value| entry["prevResult"] = json!(5),
        |entry: &mut Value| entry["prevResult"] = json!({"cniVersion": "9.9.9", "ips": [{"address": 5}]}),
        |entry: &mut Value| entry["runtimeConfig"] = json!([]),
        |entry: &mut Value| entry["args"] = json!("x"),
        |entry: &mut Value| entry["name"] = json!("renamed"),
        |entry: &mut Value| entry["metadataEndpoint"] = json!(5),
        |entry: &mut Value| entry["dataDir"] = json!("store"),
        |entry: &mut Value| entry["logLevel"] = json!("loud"),
        |entry: &mut Value| entry["cni.dev/valid-attachments"] = json!(7),
    ] {
        chained(&node, "DEL", "c1", None).config(change).run().ok();
    }
    assert!(node.log().contains("dataDir of the chained plugin is \"store\", but must be an absolute path"));
    // What cannot be trusted is for the log: no pod stays because of it.
    fs::create_dir(node.store()).unwrap();
    fs::set_permissions(node.store(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let result = json!({"ips": [{"address": "192.168.0.50/24"}]});
    chained(&node, "DEL", "c1", Some(&result)).run().ok();
    assert!(node.log().contains("may be left over"), "{}", node.log());
}

#[test]
fn a_wrong_value_is_named_with_its_key() {
    let node = node();
    let result = json!({"ips": [{"address": "192.168.0.50/24"}]});
    for (key, value) in [
        ("dataDir", json!("store")),
        ("dataDir", json!(5)),
        ("metadataEndpoint", json!(5)),
        ("metadataEndpoint", json!("100.100.100.200")),
        ("logLevel", json!("loud")),
        ("logFile", json!("log")),
        ("logFormat", json!("xml")),
    ] {
        for verb in ["ADD", "STATUS"] {
            let call = chained(&node, verb, "c1", Some(&result)).config(|entry| entry[key] = value.clone());
            let start = format!(
                "invalid configuration of the chained plugin; {key} of the chained plugin is {value}, but must be "
            );
            refused(&call.run(), 7, &start);
        }
    }
    assert!(!node.store().exists());
}

#[test]
fn an_unknown_key_is_a_warning_and_none_of_the_protocols_is_unknown() {
    let node = node();
    let result = json!({"ips": [{"address": "192.168.0.50/24"}]});
    let call = chained(&node, "ADD", "c1", Some(&result)).config(|entry| {
        entry["disableGC"] = json!(true);
        entry["disableCheck"] = json!(true);
        entry["loadOnlyInlinedPlugins"] = json!(true);
        entry["cni.dev/valid-attachments"] = json!([]);
        entry["cniVersions"] = json!(["1.0.0", "1.1.0"]);
        entry["datadir"] = json!("/other");
    });
    let _ = call.run().error(104);
    let log = node.log();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains(" which has no effect")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("the key datadir, which has no effect; did you mean dataDir?"), "{log}");
    assert!(warnings[0].contains("routes ADD c1/eth0: "), "{log}");
}

#[test]
fn every_operation_is_one_of_the_versions_that_have_it() {
    let node = node();
    let result = json!({"ips": [{"address": "192.168.0.50/24"}]});
    let call = |verb: &str, version: &str| {
        node.call(verb, "c1").stdin(entry(&node, version, Some(&result)).to_string()).run()
    };
    for (verb, before) in [("CHECK", "0.3.1"), ("STATUS", "1.0.0"), ("GC", "1.0.0")] {
        refused(&call(verb, before), 1, &format!("config version does not allow {verb}"));
        refused(&call(verb, "9.9.9"), 1, &format!("plugin version does not allow {verb}"));
    }
    for verb in ["ADD", "DEL"] {
        refused(&call(verb, "9.9.9"), 1, "incompatible CNI versions");
    }
    refused(&call("FOO", "1.1.0"), 4, "unknown CNI_COMMAND: FOO");
    for verb in ["STATUS", "GC", "DEL"] {
        call(verb, "1.1.0").ok();
    }
    let versions = call("VERSION", "1.0.0").json();
    assert_eq!(
        (&versions["cniVersion"], &versions["supportedVersions"][6]),
        (&json!("1.0.0"), &json!("1.1.0"))
    );
    assert!(!node.store().exists() && node.cloud.ledger().is_empty());
}

#[test]
fn a_status_asks_neither_the_cloud_nor_metadata() {
    let node = node();
    let _ = node.add("c1").address();
    node.cloud.clear_ledger();
    let before = node.cloud.metadata_requests().len();
    chained(&node, "STATUS", "", None).run().ok();
    assert!(node.cloud.ledger().is_empty() && node.cloud.metadata_requests().len() == before);
}

#[test]
fn a_gc_without_a_store_makes_none() {
    let node = node();
    let call = chained(&node, "GC", "", None).config(|entry| entry["cni.dev/valid-attachments"] = json!([]));
    call.run().ok();
    assert!(!node.store().exists());
    let call = chained(&node, "GC", "", None).config(|entry| entry["cni.dev/valid-attachments"] = json!({}));
    refused(&call.run(), 7, "invalid cni.dev/valid-attachments; it must be a list, but is an object");
}

#[test]
fn a_gc_that_cannot_read_which_enis_are_known_says_so() {
    let node = node();
    let _ = node.add("c1").address();
    fs::create_dir(node.store().join("cache/enis.json")).unwrap();
    let call = chained(&node, "GC", "", None).config(|entry| entry["cni.dev/valid-attachments"] = json!([]));
    call.run().ok();
    let log = node.log();
    let line = log.lines().find(|line| line.contains("WARN") && line.contains("cache/enis.json"));
    assert!(line.is_some_and(|line| line.contains("cannot be read")), "{log}");
}

#[test]
fn an_answer_that_nobody_reads_is_an_error_and_no_panic() {
    let node = node();
    let result = with_interfaces(node.add("c1").result());
    let refused = chained(&node, "ADD", "c2", Some(&result)).run_unread();
    assert_eq!(refused.status(), 1);
    assert!(!node.log().contains("panic"), "{}", node.log());
}
