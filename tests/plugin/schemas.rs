//! docs/schemas: what the schemas say is what commands print and what the plugin takes. That every JSON that any test looks at is
//! as its schema says, `harness::Answer::json` checks; here are the situations in which each command has something to say.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use aliyun_eni_ipam::Ipam;
use aliyun_eni_ipam::inside::config::{CREDENTIALS_KEYS, KEYS};
use harness::{Effect, Fault, Node, schema};
use serde_json::{Value, json};

use crate::protocol::wrong_values;
use crate::{eventually, node};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const LONG_AGO: Duration = Duration::from_mins(30);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What has happened, and a node where it has.
type Situation = (&'static str, fn() -> Node);

/// A node in each situation that a command tells of.
const SITUATIONS: &[Situation] = &[
    ("nothing is recorded", node),
    ("pods in both families", || {
        let node = node().with("ipv6", true);
        let _ = node.add_pod("web-0").addresses();
        let _ =
            node.call("ADD", "c1").env("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=alone").run().addresses();
        node
    }),
    ("the role may not unassign", || {
        let node = node();
        let _ = (node.add("c0").address(), node.add("c1").address(), node.add("c2").address());
        node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
        node.del("c0").ok();
        node.del("c1").ok();
        node
    }),
    ("nobody answers", || {
        let mut node = node();
        let _ = (node.add("c0").address(), node.add("c1").address());
        node.set("endpoint", "http://127.0.0.1:1");
        node.set("metadataEndpoint", "http://127.0.0.1:1");
        node.set("timeoutSeconds", 1);
        node.del("c0").ok();
        node
    }),
    ("damaged files", || {
        let node = node();
        let _ = node.add("c0").address();
        fs::create_dir(node.store().join("quarantine")).unwrap();
        fs::write(node.store().join("quarantine/active-c9.1"), "damaged").unwrap();
        fs::write(node.store().join("releasing/unreadable.1.2"), "{").unwrap();
        node.cloud.assign(Node::ENI, ip("192.168.0.98"));
        node
    }),
    ("a reserve that is larger than it should be, with a ghost in it", || {
        let node = node();
        let _ = node.add("c0").address();
        for last in 77..=79 {
            node.reserve(ip(&format!("192.168.0.{last}")), LONG_AGO);
        }
        node.cloud.assign(Node::ENI, ip("192.168.0.77"));
        node.reserve_changed(ip("192.168.0.80"), LONG_AGO, |entry| {
            entry.as_object_mut().unwrap().remove("restsSince").unwrap();
        });
        node
    }),
    ("an orphan, a ghost, an address in use, a conflict and a foreign one", || {
        let node = node().with("foreignAddresses", json!(["192.168.0.90"]));
        let conflict = node.add("c0").address();
        let ghost = node.add_pod("web-0").address();
        age_records(&node);
        node.cloud.unassign(Node::ENI, ghost);
        node.cache("web-1", &[ip("192.168.0.97")]);
        node.cache("web-2", &[conflict]);
        for address in ["192.168.0.90", "192.168.0.97", "192.168.0.99"] {
            node.cloud.assign(Node::ENI, ip(address));
        }
        node
    }),
    ("a killed ADD", || {
        let node = node();
        node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::Stall));
        let add = node.call("ADD", "killed").start();
        eventually("ECS is asked", || node.cloud.count(ASSIGN) > 0);
        add.kill();
        node.cloud.clear_faults();
        node
    }),
    ("records of an earlier boot, one of them in use", || {
        let node = node();
        let _ = node.add("c0").address();
        let used = node.add("c1").address();
        node.reboot();
        node.cache("c2", &[used]);
        node
    }),
];

/// Makes the active records look older than any lag of ECS.
fn age_records(node: &Node) {
    for file in fs::read_dir(node.store().join("active")).unwrap() {
        let path = file.unwrap().path();
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        record["allocation"]["since"] = "2026-01-01T00:00:00.000Z".into();
        fs::write(&path, record.to_string()).unwrap();
    }
}

#[test]
fn every_command_prints_what_its_schema_says_in_every_situation() {
    for (situation, stage) in SITUATIONS {
        let node = stage();
        let all = |commands: &[&[&str]]| {
            for arguments in commands {
                let answer = node.operator(&[*arguments, &["--json"]].concat());
                assert!(answer.status() < 2, "{situation}: {answer:?}");
                let _ = answer.json();
            }
        };
        all(&[&["list"], &["doctor"], &["routes"], &["reconcile"], &["reconcile", "--restore"], &["list"]]);
        all(&[&["reconcile", "--adopt"], &["reconcile", "--release-orphans", "--yes"]]);
        let active = node.records().into_iter().find(|record| record.state() == "active");
        if let Some(address) = active.and_then(|record| record.addresses().next()) {
            let answer = node.operator(&["release", &address.to_string(), "--yes", "--json"]);
            // A conflict is refused, and then nothing is printed.
            assert!(answer.stdout().is_empty() || answer.json().is_object());
        }
        all(&[&["list"], &["flush"], &["list"], &["doctor"]]);
    }
}

#[test]
fn a_key_that_no_schema_names_is_noticed() {
    let node = node();
    let _ = node.add("c0").address();
    let mut listed = node.operator(&["list", "--json"]).json();
    assert_eq!(schema::complaints("list", &listed), [""; 0]);
    listed["records"][0]["new"] = 1.into();
    assert_eq!(schema::complaints("list", &listed).len(), 1);
    // Those who read the published schema are not to refuse it.
    assert!(schema::validator(&schema::read("list")).is_valid(&listed));
    listed["records"][0]["state"] = "gone".into();
    assert!(!schema::validator(&schema::read("list")).is_valid(&listed));
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

#[test]
fn the_examples_of_the_page_of_commands_are_as_the_schemas_say() {
    let page = page("commands.md");
    let blocks: Vec<_> =
        page.split("```json ").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let mut seen = BTreeSet::new();
    for block in blocks {
        let (name, document) = block.split_once('\n').unwrap();
        let name =
            schema::of_commands().find(|its| *its == name).unwrap_or_else(|| panic!("no schema of {name}"));
        let document = serde_json::from_str(document).unwrap();
        assert_eq!(schema::complaints(name, &document), [""; 0], "{name}");
        seen.insert(name);
    }
    assert!(seen.len() >= 6, "{seen:?}");
    for name in schema::of_commands() {
        assert!(page.contains(&format!("(schemas/{name}.schema.json)")), "commands.md has no link to {name}");
    }
}

#[test]
fn every_file_is_a_schema_and_a_page_leads_to_it() {
    let pages = page("commands.md") + &page("configuration.md");
    let mut count = 0;
    for file in fs::read_dir(schema::folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let stem = name.strip_suffix(".schema.json").unwrap_or_else(|| panic!("{name} is no schema"));
        let _ = schema::validator(&schema::read(stem));
        assert!(pages.contains(&format!("(schemas/{name})")), "no page leads to {name}");
        count += 1;
    }
    assert!(count >= 9, "{count}");
}

fn names(properties: &Value) -> BTreeSet<&str> {
    properties.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_schema_of_ipam_has_every_key_with_its_default_and_no_other() {
    let ipam = schema::read("ipam");
    let properties = &ipam["properties"];
    assert_eq!(names(properties), KEYS.iter().map(|key| key.name).collect());
    assert_eq!(names(&properties["credentials"]["properties"]), CREDENTIALS_KEYS.iter().copied().collect());
    for key in KEYS {
        let property = &properties[key.name];
        assert!(property["description"].is_string(), "{} has no description", key.name);
        let default = match &property["default"] {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        // What depends on the node or on another key, no schema can say.
        let is_fixed = key.default.starts_with('`') && !key.default.contains([':', '<'])
            || key.name == "metadataEndpoint";
        assert_eq!(default == key.default, is_fixed, "{}: {default} is not {}", key.name, key.default);
    }
}

/// Values of all kinds, right ones among them for each key.
fn values() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "/",
        "/a/b",
        "a/b",
        "off",
        "env",
        "vpc",
        "public",
        "default",
        "defer",
        "fail",
        "info",
        "INFO",
        "debug",
        "trace",
        "error",
        "warn",
        "text",
        "json",
        "secondary",
        "eth1",
        "eth1.100",
        "a-rather-long-name",
        "..",
        "eni-1",
        "eni_1",
        "cn-hangzhou",
        "CN-Hangzhou",
        "-cn",
        "192.168.0.7",
        "192.168.0.256",
        "192.168.0.0/24",
        "192.168.0.0/33",
        "192.168.0.0/255.255.255.0",
        "0.0.0.0/0",
        "::1",
        "2001:db8::1",
        "2001:db8::/64",
        "2001:db8::/129",
        "::ffff:192.168.0.7",
        "HMAC-SHA1",
        "hmac-sha1",
        "ACS3-HMAC-SHA256",
        "aliyun-eni-ipam",
        "host-local",
        "https://ecs.example.com",
        "https://ecs.example.com:8443",
        "https://ecs.example.com/",
        "https://ecs.example.com/path",
        "https://ecs.example.com:0",
        "https://[2001:db8::1]:8443",
        "http://127.0.0.1:8080",
        "ecs.example.com",
        "ftp://ecs.example.com",
        "http://proxy.example.com:3128",
        "true",
        "1",
    ];
    let numbers = [-1, 0, 1, 2, 10, 25, 32, 50, 51, 60, 61, 120, 500, 501, 600, 601, 86_400, 86_401];
    let others = [
        json!(true),
        json!(false),
        json!(0.5),
        json!(25.0),
        json!(1e300),
        json!([]),
        json!({}),
        json!(["eth1", "eth2"]),
        json!(["eth1", "eth1"]),
        json!(["eth1", ""]),
        json!([5]),
        json!(["192.168.0.7", "192.168.0.0/28", "2001:db8::/112"]),
        json!(["router"]),
        json!([{"dst": "0.0.0.0/0"}]),
        json!([{"dst": "10.0.0.0/8", "gw": "192.168.0.1", "mtu": 1400}]),
        json!([{"dst": "10.0.0.0/8", "gw": "router"}]),
        json!([{"gw": "192.168.0.1"}]),
        json!([{"dst": "10.0.0.1"}]),
        json!({"source": "env"}),
        json!({"source": "file", "path": "/a", "profile": "p"}),
        json!({"source": "file"}),
        json!({"source": "ecs-ram-role", "roleName": ""}),
        json!({"source": "oidc", "stsEndpoint": "https://sts.aliyuncs.com"}),
        json!({"source": "uri", "stsEndpoint": "sts.aliyuncs.com"}),
        json!({"source": "magic"}),
        json!({"path": "relative", "source": "file"}),
    ];
    texts.into_iter().map(Value::from).chain(numbers.map(Value::from)).chain(others).collect()
}

/// What the schema lets pass and the plugin does not, because it takes arithmetic or another key.
const BEYOND_SCHEMA: &[(&str, &str)] = &[
    ("subnet", r#""192.168.0.1/24""#),
    ("subnet6", r#""2001:db8::1/64""#),
    ("foreignAddresses", r#"["192.168.0.10","192.168.0.1/24"]"#),
    ("endpoint", r#""http://ecs.example.com""#),
    ("endpoint", r#""http://proxy.example.com:3128""#),
    ("credentials", r#"{"source":"oidc","stsEndpoint":"http://sts.example.com"}"#),
];

#[test]
fn the_schema_of_ipam_and_the_plugin_take_the_same_values() {
    let validator = schema::validator(&schema::read("ipam"));
    let mut differences = BTreeSet::new();
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut count = 0;
    for (key, wrong) in wrong_values() {
        for value in values().into_iter().chain(wrong) {
            let mut ipam = json!({"type": "aliyun-eni-ipam"});
            ipam[key] = value.clone();
            let by_schema = validator.is_valid(&ipam);
            let by_plugin = Ipam::new(ipam.as_object().unwrap()).check_all().is_ok();
            match (by_schema, by_plugin) {
                (true, true) => drop(taken.insert(key)),
                (false, false) => {}
                (true, false) => drop(differences.insert((key, value.to_string()))),
                (false, true) => panic!("the plugin takes {value} for {key}, and the schema does not"),
            }
            count += 1;
        }
    }
    let known = BEYOND_SCHEMA.iter().map(|(key, value)| (*key, (*value).to_owned()));
    assert_eq!(differences, known.collect());
    assert_eq!(taken, KEYS.iter().map(|key| key.name).collect(), "no right value was tried for some");
    assert!(count > 3000, "{count}");
}

#[test]
fn the_schema_of_ipam_knows_which_keys_exclude_each_other() {
    let validator = schema::validator(&schema::read("ipam"));
    for (keys, expected) in [
        (json!({}), true),
        (json!({"subnet": "off"}), false),
        (json!({"subnet": "off", "ipv6": true}), true),
        (json!({"subnet": "off", "ipv6": true, "interfaces": "secondary"}), true),
        (json!({"interfaces": ["eth1"], "interface": "eth1"}), false),
        (json!({"interfaces": ["eth1"], "subnet": "192.168.0.0/24"}), false),
        (json!({"interfaces": ["eth1"], "gateway6": "2001:db8::1"}), false),
        (json!({"timeoutSecond": 5}), false),
    ] {
        let mut ipam = keys;
        ipam["type"] = "aliyun-eni-ipam".into();
        assert_eq!(validator.is_valid(&ipam), expected, "{ipam}");
        let section = Ipam::new(ipam.as_object().unwrap());
        let is_taken = section.check_all().is_ok() && section.unknown_keys().is_empty();
        assert_eq!(is_taken, expected, "{ipam}");
    }
}

#[test]
fn every_example_of_a_configuration_is_as_the_schema_says() {
    let validator = schema::validator(&schema::read("conflist"));
    let mut count = 0;
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|it| it != "conflist") {
            continue;
        }
        let list: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let complaints: Vec<_> = validator.iter_errors(&list).map(|error| error.to_string()).collect();
        assert_eq!(complaints, [""; 0], "{}", path.display());
        count += 1;
        for (change, place) in [
            (json!(0), "/plugins/0/ipam/timeoutSeconds"),
            (json!("/a"), "/plugins/0/ipam/dataDirectory"),
            (json!("a"), "/plugins/0/ipam/dataDir"),
        ] {
            let mut wrong = list.clone();
            let (object, key) = place.rsplit_once('/').unwrap();
            wrong.pointer_mut(object).unwrap()[key] = change;
            assert!(!validator.is_valid(&wrong), "{place} in {}", path.display());
        }
        let plugins = list["plugins"].as_array().unwrap();
        if let Some(at) = plugins.iter().position(|plugin| plugin["type"] == "aliyun-eni-ipam") {
            let mut wrong = list.clone();
            wrong["plugins"][at]["reserve"] = 5.into();
            assert!(!validator.is_valid(&wrong), "a key that the entry of a chain does not have");
        }
    }
    assert!(count >= 6, "{count}");
}
