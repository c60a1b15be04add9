//! What an error says when the node itself is not as it should be: the system's own words are the ones that make containerd
//! forget a pod, so they must not come through.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Answer, Node};
use serde_json::{Value, json};

use super::{expect_nothing_lost, for_each};
use crate::node;

/// A node on which a DEL says whether ECS confirmed the release.
fn strict_node() -> Node {
    node().with("onReleaseFailure", "fail")
}

/// What keeps a call from reaching the cloud: the key, its value, the code of an ADD, and what the error names.
fn obstacles(directory: &Path) -> Vec<(&'static str, Value, u64, &'static str)> {
    let missing = directory.join("none");
    let file = |path: &Path| json!({"source": "file", "path": path});
    fs::write(directory.join("text"), "no credentials").unwrap();
    vec![
        ("credentials", file(&missing), 110, "/none"),
        ("credentials", file(&directory.join("text")), 110, "/text"),
        ("credentials", file(directory), 110, "credentials"),
        ("credentials", file(&directory.join("text/below")), 110, "/text/below"),
        ("credentials", json!({"source": "oidc"}), 110, "/var/none/token"),
        ("credentials", json!({"source": "uri"}), 11, "127.0.0.1:9"),
        ("caFile", json!(missing), 110, "/none"),
        ("caFile", json!(directory.join("text")), 110, "/text"),
        ("endpoint", json!("http://127.0.0.1:9"), 11, "127.0.0.1:9"),
        ("endpoint", json!("https://ecs.invalid"), 11, "ecs.invalid"),
        ("proxy", json!("http://127.0.0.1:9"), 11, "127.0.0.1:9"),
    ]
}

/// A call with an obstacle in its way.
fn obstructed(node: &Node, verb: &str, key: &str, value: &Value) -> Answer {
    let call = node
        .call(verb, "c1")
        .env("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/none")
        .env("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/none")
        .env("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/none/token")
        .env("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:9/keys");
    let obstruct = |config: &mut Value| {
        // Over plain http nobody asks for roots.
        if key == "caFile" {
            config["ipam"]["endpoint"] = "https://127.0.0.1:9".into();
        }
        config["ipam"]["timeoutSeconds"] = 3.into();
        config["ipam"][key] = value.clone();
    };
    call.config(obstruct).run()
}

#[test]
fn an_add_that_cannot_ask_the_cloud_says_why() {
    let files = tempfile::tempdir().unwrap();
    for_each(&obstacles(files.path()), |(key, value, code, named)| {
        let node = strict_node();
        let answer = obstructed(&node, "ADD", key, value);
        assert!(answer.error(*code).contains(named), "{key} {value}: {}", answer.stdout());
        assert!(node.cloud.ledger().is_empty(), "{key} {value}");
        assert_eq!(node.counts(), [0, 0, 0, 0], "{key} {value}");
    });
}

#[test]
fn a_del_that_cannot_ask_the_cloud_says_why_and_loses_nothing() {
    let files = tempfile::tempdir().unwrap();
    for_each(&obstacles(files.path()), |(key, value, _, named)| {
        let node = strict_node();
        let _ = node.add("c1").address();
        let answer = obstructed(&node, "DEL", key, value);
        assert!(answer.error(11).contains(named), "{key} {value}: {}", answer.stdout());
        assert_eq!((node.counts(), node.on_eni().len()), ([0, 0, 1, 0], 1), "{key} {value}");
        expect_nothing_lost(&node);
    });
}

#[test]
fn a_file_of_the_configuration_that_is_not_there_fails_the_add_alone() {
    let node = strict_node();
    let missing = node.directory().join("none");
    for (key, value, named) in
        [("resolvConf", json!(missing), "/none"), ("interface", json!("gone0"), "gone0")]
    {
        let change = |config: &mut Value| {
            // The name of the interface counts only where no ENI is named.
            config["ipam"]["networkInterfaceId"] = Value::Null;
            config["ipam"][key] = value.clone();
        };
        let text = node.call("ADD", "c1").config(change).run().error(7);
        assert!(text.contains(&format!("ipam.{key}")) && text.contains(named), "{text}");
        assert!(node.on_eni().is_empty());
        let _ = node.add("c1").address();
        node.call("DEL", "c1").config(change).run().ok();
        assert!(node.on_eni().is_empty());
    }
}

#[test]
fn a_store_that_cannot_be_made_fails_the_add_before_the_cloud_is_asked() {
    let node = strict_node();
    fs::write(node.directory().join("file"), "").unwrap();
    for (directory, code) in [
        (node.directory().join("file/store"), 100),
        (PathBuf::from("/proc/none"), 100),
        (node.directory().join("file"), 101),
    ] {
        let answer =
            node.call("ADD", "c1").config(|config| config["ipam"]["dataDir"] = json!(directory)).run();
        assert!(answer.error(code).contains(directory.to_str().unwrap()), "{}", answer.stdout());
    }
    assert!(node.cloud.ledger().is_empty());
}
