//! Calls of the plugin as one of a chain, with any entry.

use harness::Node;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::cases::survive;
use crate::mutated::{Mutation, mutate, mutations};
use crate::stage::{files, node};
use crate::verdict::make;

/// An entry with every key that a call can have.
fn everything(node: &Node) -> Value {
    json!({
        "cniVersion": "1.1.0",
        "name": node.network,
        "type": "aliyun-eni-ipam",
        "dataDir": node.ipam["dataDir"],
        "metadataEndpoint": node.ipam["metadataEndpoint"],
        "logLevel": "debug",
        "logFile": node.ipam["logFile"],
        "prevResult": {"cniVersion": "1.1.0", "ips": [{"address": "192.168.0.2/24", "gateway": "192.168.0.253"}]},
        "cni.dev/valid-attachments": [{"containerID": "c0", "ifname": "eth0"}],
        "runtimeConfig": {"portMappings": []},
        "args": {"cni": {}},
    })
}

/// Bends an entry back as far as it must be so that a call stays on this node: it runs as whoever runs the tests, who may well be
/// root, and this machine's rules are nobody's toy. So a DEL, which goes by its previous result, has none here.
fn keep_on(node: &Node, verb: &str, entry: &str) -> String {
    let Ok(Value::Object(mut entry)) = serde_json::from_str(entry) else { return entry.to_owned() };
    let is_url = |value: &Value| value.as_str().is_some_and(|it| it.starts_with("http"));
    for key in ["type", "dataDir", "logFile", "metadataEndpoint"] {
        let value = entry.get(key).unwrap_or(&Value::Null);
        let is_effective = value.is_null() || key == "type" || key == "logFile";
        if is_effective || (key == "dataDir" && value.is_string()) || is_url(value) {
            entry.insert(key.to_owned(), everything(node)[key].clone());
        }
    }
    entry.remove("ipam");
    if verb == "DEL" {
        entry.remove("prevResult");
    }
    Value::Object(entry).to_string()
}

fn call() -> impl Strategy<Value = (&'static str, &'static str, Vec<Mutation>)> {
    let verb = select(vec!["ADD", "DEL", "CHECK", "STATUS", "GC"]);
    let container = select(vec!["c0", "c9", "../c"]);
    (verb, container, mutations(3))
}

#[test]
fn no_entry_of_a_chain_makes_a_call_panic_hang_or_change_a_record() {
    let node = node();
    let _ = node.add("c0").address();
    let records = || {
        let paths = files(&node.store().join("active"));
        paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    let before = records();
    survive("generated entries of a chain", 40, &vec(call(), 1..8), |calls| {
        for (verb, container, mutations) in &calls {
            // A DEL of a pod with a record would look for its rule.
            let container = if *verb == "DEL" && *container == "c0" { "c9" } else { container };
            let stdin = keep_on(&node, verb, &mutate(&everything(&node), mutations));
            make(node.call(verb, container).stdin(stdin));
        }
        assert_eq!(records(), before, "{}", node.scene());
        assert!(!node.log().contains("panic: "), "{}", node.scene());
        calls.len()
    });
}
