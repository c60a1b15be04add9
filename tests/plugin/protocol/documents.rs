//! The network configuration: what must be in it, and what may be in it besides.

use serde_json::{Value, json};

use super::{error, expect_error};
use crate::node;

/// The operations that read a configuration.
const READERS: [&str; 5] = ["ADD", "DEL", "CHECK", "STATUS", "GC"];

#[test]
fn what_is_no_object_cannot_be_decoded() {
    let node = node();
    let deep = "[".repeat(1 << 20);
    for verb in READERS.into_iter().chain(["FOO"]) {
        for (stdin, reason) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("garbage", "expected value at line 1 column 1"),
            ("{\"name\":", "EOF while parsing a value at line 1 column 8"),
            ("[]", "it must be an object, but is a list"),
            ("5", "it must be an object, but is a number"),
            ("\"pods\"", "it must be an object, but is a string"),
            (&deep, "recursion limit exceeded at line 1 column 128"),
        ] {
            let answer = node.call(verb, "c1").stdin(stdin).run();
            let msg = format!("error unmarshall network config: {reason}");
            expect_error(&answer, &error(None, 6, &msg, ""));
        }
        let answer = node.call(verb, "c1").stdin(*b"{\"name\":\"\xff\"}").run();
        assert!(answer.error(6).starts_with("error unmarshall network config: invalid unicode"));
    }
    assert!(!node.store().exists());
}

#[test]
fn a_network_has_a_name_of_plain_characters() {
    let node = node();
    let number = "error unmarshall network config: name must be a string, but is a number";
    let odd = "invalid characters found in network name";
    for verb in READERS.into_iter().chain(["FOO"]) {
        for (stdin, code, msg, details) in [
            ("null", 7, "missing network name", ""),
            ("{}", 7, "missing network name", ""),
            (r#"{"name":""}"#, 7, "missing network name", ""),
            (r#"{"name":null}"#, 7, "missing network name", ""),
            (r#"{"name":"a/b"}"#, 7, odd, "a/b"),
            (r#"{"name":"-a"}"#, 7, odd, "-a"),
            (r#"{"name":"a\n"}"#, 7, odd, "a\n"),
            (r#"{"name":5}"#, 6, number, ""),
        ] {
            let answer = node.call(verb, "c1").stdin(stdin).run();
            // Without a cniVersion the call is one of 0.1.0.
            expect_error(&answer, &error(Some("0.1.0"), code, msg, details));
        }
    }
    assert!(!node.store().exists());
}

#[test]
fn the_first_of_several_mistakes_is_reported() {
    let node = node();
    let mut all_wrong = node.config();
    let expect = |verb: &str, id: &str, stdin: &str, code, msg: &str| {
        let text = node.call(verb, id).stdin(stdin).run().error(code);
        assert!(text.starts_with(msg), "{text}");
    };
    // The environment, then JSON, the name, the operation, the version, and last what the operation needs.
    expect("ADD", "../c", "garbage", 4, "invalid characters in containerID");
    expect("FOO", "../c", "", 6, "error unmarshall network config");
    all_wrong["name"] = "a/b".into();
    all_wrong["cniVersion"] = "9.9.9".into();
    all_wrong["ipam"] = 5.into();
    expect("FOO", "c1", &all_wrong.to_string(), 7, "invalid characters found in network name");
    all_wrong["name"] = "pods".into();
    expect("FOO", "c1", &all_wrong.to_string(), 4, "unknown CNI_COMMAND: FOO");
    expect("ADD", "c1", &all_wrong.to_string(), 1, "incompatible CNI versions");
    all_wrong["cniVersion"] = "1.1.0".into();
    expect("ADD", "c1", &all_wrong.to_string(), 7, "ipam must be an object, but is a number");
}

/// A configuration as a chain of tools passes it on: every number a float, `<>&` escaped, keys of others.
fn as_passed_on(node: &harness::Node) -> String {
    let mut config = node.config();
    config["ipam"]["timeoutSeconds"] = json!(10.0);
    config["ipam"]["maxAddressesPerCall"] = json!(5.0);
    config["ipam"]["routes"] = json!([{"dst": "0.0.0.0/0", "mtu": 1400.0}]);
    config["ipam"]["x-note"] = json!("NOTE");
    for (key, value) in [
        ("type", json!("macvlan")),
        ("master", json!("eth1")),
        ("mtu", json!(1500.0)),
        ("ipMasq", json!(false)),
        ("vlan", json!(12_345_678_901_234_567_000_u64)),
        ("dns", json!({"nameservers": ["10.0.0.53"]})),
        ("capabilities", json!({"ips": true, "portMappings": true})),
        ("runtimeConfig", json!({"io.kubernetes.cri.pod-annotations": {"a": "b"}, "portMappings": []})),
        ("args", json!({"cni": {"labels": [{"key": "app", "value": "web"}]}})),
        ("keepMe", json!([1e300, null, {"deep": [[[]]]}])),
    ] {
        config[key] = value;
    }
    config.to_string().replace("NOTE", r"\u003ca\u003e \u0026 b")
}

#[test]
fn everything_that_belongs_to_the_calling_plugin_is_left_alone() {
    let node = node();
    let config = as_passed_on(&node);
    assert!(config.contains("10.0,") && config.contains(r"\u003c"), "{config}");
    let result = node.call("ADD", "c1").stdin(&*config).run().result();
    assert_eq!(result["routes"], json!([{"dst": "0.0.0.0/0", "mtu": 1400}]));
    assert_eq!(result["dns"], Value::Null);
    assert!(node.log().contains("ipam.x-note is unknown"), "{}", node.log());
    for verb in ["STATUS", "DEL"] {
        node.call(verb, "c1").stdin(&*config).run().ok();
    }
    assert!(node.on_eni().is_empty());
}

#[test]
fn a_del_does_with_what_is_left_of_a_configuration() {
    let node = node();
    for (index, change) in [
        |config: &mut Value| config["prevResult"] = json!(5),
        |config: &mut Value| config["prevResult"] = json!({"cniVersion": "9.9.9", "ips": [{"address": 5}]}),
        |config: &mut Value| config["prevResult"] = Value::Null,
        |config: &mut Value| config["runtimeConfig"] = json!([]),
        |config: &mut Value| config["args"] = json!("x"),
        |config: &mut Value| config["runtimeConfig"] = json!({"ips": ["x"]}),
        |config: &mut Value| config["dns"] = json!(7),
        |config: &mut Value| config["type"] = json!(7),
        |config: &mut Value| config["name"] = json!("renamed"),
        |config: &mut Value| config["cni.dev/valid-attachments"] = json!(7),
    ]
    .into_iter()
    .enumerate()
    {
        let _ = node.add("c1").address();
        node.call("DEL", "c1").config(change).run().ok();
        assert!(node.on_eni().is_empty(), "change {index}");
    }
}

#[test]
fn an_add_does_not_look_at_a_previous_result() {
    let node = node();
    let answer = node.call("ADD", "c1").config(|config| config["prevResult"] = json!(5)).run();
    let _ = answer.address();
}

#[test]
fn a_del_without_own_options_looks_into_the_default_store_and_others_refuse() {
    let node = node();
    for ipam in [json!(null), json!(5), json!([])] {
        let with = |verb: &str| {
            let ipam = ipam.clone();
            node.call(verb, "c1").config(move |config| config["ipam"] = ipam).run()
        };
        for verb in ["ADD", "STATUS"] {
            let _ = with(verb).error(7);
        }
        // Nothing but a missing object is an empty one: another store than the right one would seem to have nothing.
        if ipam.is_null() {
            with("DEL").ok();
        } else {
            let _ = with("DEL").error(7);
        }
    }
}
