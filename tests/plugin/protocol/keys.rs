//! The keys of the `ipam` section: a value that cannot be used is refused by the calls that use it, and by no others.

use std::collections::BTreeSet;

use aliyun_eni_ipam::inside::config::KEYS;
use harness::{Answer, Node};
use serde_json::{Value, json};

use super::expect_nothing_lost;
use crate::node;

/// Which calls a key can keep from working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Those that judge the whole configuration: it says how addresses are given, or what is reported about.
    Giving,
    /// Also those that ask ECS, where there is anything to ask. A DEL can leave that to later calls.
    Asking,
    /// Also those that release, where there is anything to release.
    Releasing,
    /// Also those that look whether there is anything.
    Looking,
}

/// Each key with values that it must not have. What is in braces is named with the key inside.
fn table() -> Vec<(&'static str, Use, Vec<Value>)> {
    use Use::{Asking, Giving, Looking, Releasing};
    let not_a_path = || vec![json!(5), json!(""), json!("relative/path"), json!(["/a"])];
    let not_a_flag = || vec![json!(1), json!("true"), json!([])];
    let not_a_server = || {
        vec![
            json!(5),
            json!(""),
            json!("ecs.example.com"),
            json!("ftp://ecs.example.com"),
            json!("https://ecs.example.com/path"),
            json!("https://ecs.example.com:0"),
        ]
    };
    vec![
        ("type", Giving, vec![json!(5), json!(""), json!("host-local"), json!({})]),
        ("regionId", Giving, vec![json!(5), json!(""), json!("CN-Hangzhou"), json!("cn.evil.example/")]),
        ("networkInterfaceId", Giving, vec![json!(5), json!(""), json!("../eni-1"), json!(["eni-1"])]),
        (
            "interface",
            Giving,
            vec![json!(5), json!(""), json!("a/b"), json!(".."), json!("sixteen-bytes-xx")],
        ),
        ("interfaces", Giving, no_lists_of_interfaces()),
        (
            "subnet",
            Giving,
            vec![
                json!(5),
                json!(""),
                json!("192.168.0.0"),
                json!("192.168.0.0/33"),
                json!("192.168.0.1/24"),
                json!("2001:db8::/64"),
                json!("off"),
            ],
        ),
        ("gateway", Giving, vec![json!(5), json!("router"), json!("192.168.0.253/24"), json!("2001:db8::1")]),
        (
            "routes",
            Giving,
            vec![
                json!(5),
                json!({"dst": "0.0.0.0/0"}),
                json!([5]),
                json!([{}]),
                json!([{"dst": "default"}]),
                json!([{"dst": "0.0.0.0/0", "gw": "router"}]),
                json!([{"dst": "0.0.0.0/0", "mtu": 1400.5}]),
            ],
        ),
        ("resolvConf", Giving, not_a_path()),
        ("ipv6", Giving, not_a_flag()),
        ("subnet6", Giving, vec![json!(5), json!("192.168.0.0/24"), json!("2001:db8::1/64"), json!("off")]),
        ("gateway6", Giving, vec![json!(5), json!("192.168.0.253"), json!("2001:db8::1/64")]),
        ("reserve", Giving, vec![json!("10"), json!(-1), json!(0.5), json!(501), json!(true)]),
        ("reuseDelaySeconds", Giving, vec![json!("120"), json!(-1), json!(0.5), json!(86_401)]),
        ("foreignAddresses", Asking, no_lists_of_addresses()),
        ("dataDir", Looking, not_a_path()),
        ("endpoint", Asking, [not_a_server(), vec![json!("http://ecs.example.com")]].concat()),
        ("metadataEndpoint", Asking, not_a_server()),
        ("allowInsecureEndpoint", Asking, not_a_flag()),
        ("caFile", Asking, not_a_path()),
        ("proxy", Asking, vec![json!(5), json!(""), json!("socks5://127.0.0.1:1080"), json!(["http://a"])]),
        (
            "credentials",
            Asking,
            vec![
                json!(5),
                json!("env"),
                json!([]),
                json!({"source": "magic"}),
                json!({"source": 5}),
                json!({"source": "file"}),
                json!({"source": "file", "path": "relative"}),
                json!({"source": "file", "path": "/a", "profile": 5}),
                json!({"source": "ecs-ram-role", "roleName": 5}),
                json!({"source": "oidc", "stsEndpoint": 5}),
                json!({"source": "oidc", "stsEndpoint": "sts.example.com"}),
                json!({"source": "oidc", "stsEndpoint": "http://sts.example.com"}),
            ],
        ),
        ("signatureMethod", Asking, vec![json!(5), json!("MD5"), json!("hmac-sha1")]),
        (
            "timeoutSeconds",
            Releasing,
            vec![json!("25"), json!(0), json!(-1), json!(2.5), json!(601), json!(1e300), json!(true)],
        ),
        ("onReleaseFailure", Releasing, vec![json!(true), json!("ignore"), json!("Fail")]),
        ("waitForAddress", Giving, vec![json!("5"), json!(-1), json!(0.5), json!(61), json!(true)]),
        ("gcGraceSeconds", Giving, vec![json!("60"), json!(-1), json!(0.5), json!(86_401)]),
        ("statusFailsWhenFull", Giving, not_a_flag()),
        ("maxAddressesPerCall", Asking, vec![json!("10"), json!(0), json!(51), json!(2.5)]),
        ("metricsFile", Giving, not_a_path()),
        ("logLevel", Giving, vec![json!(5), json!("loud"), json!("INFO")]),
        ("logFile", Giving, not_a_path()),
        ("logFormat", Giving, vec![json!(5), json!("xml"), json!("JSON")]),
    ]
}

/// Each key with values that it must not have.
pub(crate) fn wrong_values() -> impl Iterator<Item = (&'static str, Vec<Value>)> {
    table().into_iter().map(|(key, _, values)| (key, values))
}

fn no_lists_of_interfaces() -> Vec<Value> {
    vec![
        json!(5),
        json!(""),
        json!("eth1"),
        json!("Secondary"),
        json!([]),
        json!(["a/b"]),
        json!(["eth1", 5]),
        json!(["eth1", "eth2", "eth1"]),
    ]
}

fn no_lists_of_addresses() -> Vec<Value> {
    vec![
        json!(5),
        json!("192.168.0.10"),
        json!({}),
        json!([5]),
        json!(["router"]),
        json!(["192.168.0.10", "192.168.0.1/24"]),
        json!(["192.168.0.0/33"]),
        json!(["::ffff:192.168.0.10"]),
    ]
}

/// The part of the error that says what is wrong with `value` of `key`.
fn complaint(key: &str, value: &Value) -> String {
    let inner = value.as_object().filter(|_| key == "credentials").map(|object| {
        let wrong =
            ["stsEndpoint", "roleName", "profile", "path"].into_iter().find(|key| object.contains_key(*key));
        match wrong {
            Some(wrong) => (wrong, object[wrong].to_string()),
            None if object["source"] == "file" => ("path", "missing".to_owned()),
            None => ("source", object["source"].to_string()),
        }
    });
    match (key, inner) {
        (_, Some((inner, value))) => format!("ipam.{key}.{inner} is {value}, but must be "),
        // These may hold a secret, so only what sort of value it is may be said.
        ("credentials" | "proxy", None) => format!("ipam.{key} must be "),
        (_, None) => format!("ipam.{key} is {value}, but must be "),
    }
}

#[test]
fn every_key_is_in_the_table() {
    let tried: BTreeSet<_> = table().into_iter().map(|(key, ..)| key).collect();
    assert_eq!(tried, KEYS.iter().map(|key| key.name).collect());
}

#[test]
fn an_add_refuses_every_wrong_value_naming_key_and_value() {
    let node = node();
    for (key, _, values) in table() {
        for value in values {
            let answer = node.call("ADD", "c1").config(|config| config["ipam"][key] = value.clone()).run();
            let text = answer.error(7);
            let expected = format!("invalid ipam configuration; {}", complaint(key, &value));
            assert!(text.starts_with(&expected), "{text}\ndoes not begin with\n{expected}");
        }
    }
    assert!(node.cloud.ledger().is_empty() && !node.store().exists());
}

#[test]
fn a_del_that_finds_nothing_minds_no_key_but_the_stores() {
    let node = node();
    for (key, used, values) in table() {
        for value in values {
            let answer = node.call("DEL", "c1").config(|config| config["ipam"][key] = value.clone()).run();
            if used == Use::Looking {
                assert!(answer.error(7).contains(&complaint(key, &value)));
            } else {
                answer.ok();
            }
        }
    }
    assert!(node.cloud.ledger().is_empty() && !node.store().exists());
}

#[test]
fn a_del_minds_only_the_keys_it_uses_and_loses_nothing() {
    let node = node();
    for (key, used, values) in table() {
        for value in values {
            let _ = node.add("c1").address();
            let answer = node.call("DEL", "c1").config(|config| config["ipam"][key] = value.clone()).run();
            if used == Use::Giving {
                answer.ok();
            } else if used == Use::Asking {
                answer.ok();
                expect_deferred(&node, key, &value);
            } else {
                assert!(answer.error(7).contains(&complaint(key, &value)), "{}", answer.stdout());
                assert_eq!(node.on_eni(), node.recorded(), "{key} {value}");
                assert_eq!(node.on_eni().len(), 1, "{key} {value}");
                node.del("c1").ok();
            }
            assert!(node.on_eni().is_empty(), "{key} {value}");
        }
    }
    expect_nothing_lost(&node);
}

/// The DEL of `c1` has left the release to later calls, and the log says why. With `fail` a DEL says it itself.
fn expect_deferred(node: &Node, key: &str, value: &Value) {
    let why = complaint(key, value).replace('"', "\\\"");
    let says_why = |line: &str| line.contains(": deferred ") && line.contains(&why);
    assert!(node.log().lines().any(says_why), "{}", node.log());
    assert_eq!(node.counts(), [0, 0, 1, 0], "{key} {value}");
    let fail = |config: &mut Value| {
        config["ipam"]["onReleaseFailure"] = json!("fail");
        config["ipam"][key] = value.clone();
    };
    let text = node.call("DEL", "c1").config(fail).run().error(7);
    assert!(text.contains(&complaint(key, value)), "{text}");
    assert_eq!((node.on_eni(), node.on_eni().len()), (node.recorded(), 1), "{key} {value}");
    node.del("c1").ok();
}

#[test]
fn a_status_refuses_what_an_add_would_refuse() {
    let node = node();
    for (key, _, values) in table() {
        for value in values {
            let answer = node.call("STATUS", "c1").config(|config| config["ipam"][key] = value.clone()).run();
            assert!(answer.error(7).contains(&complaint(key, &value)), "{}", answer.stdout());
        }
    }
    assert!(!node.store().exists());
}

/// A GC of everything, or of nothing but what is not `c1`'s.
fn gc(node: &Node, all: bool, key: &str, value: &Value) -> Answer {
    let valid = if all { json!([]) } else { json!([{"containerID": "c1", "ifname": "eth0"}]) };
    let change = |config: &mut Value| {
        config["cni.dev/valid-attachments"] = valid;
        config["ipam"][key] = value.clone();
    };
    node.call("GC", "").without("CNI_NETNS").config(change).run()
}

#[test]
fn a_gc_minds_only_the_keys_it_uses_and_loses_nothing() {
    let node = node().with("gcGraceSeconds", 0);
    let _ = node.add("c1").address();
    for (key, used, values) in table() {
        for value in values {
            let always = ["dataDir", "timeoutSeconds", "gcGraceSeconds"].contains(&key);
            let nothing_to_release = gc(&node, false, key, &value);
            if always {
                assert!(nothing_to_release.error(7).contains(&complaint(key, &value)));
            } else {
                nothing_to_release.ok();
            }
            assert_eq!(node.counts(), [0, 1, 0, 0], "{key} {value}");
            // Whether a DEL is to fail is no question of a GC's.
            if [Use::Asking, Use::Releasing].contains(&used) && key != "onReleaseFailure" {
                let text = gc(&node, true, key, &value).any_error();
                assert!(text.contains(&complaint(key, &value)), "{text}");
                assert_eq!((node.on_eni(), node.on_eni().len()), (node.recorded(), 1), "{key} {value}");
                node.del("c1").ok();
            } else if !always {
                gc(&node, true, key, &value).ok();
            } else {
                continue;
            }
            assert!(node.on_eni().is_empty(), "{key} {value}");
            let _ = node.add("c1").address();
        }
    }
}

#[test]
fn a_check_refuses_what_keeps_everything_from_being_released() {
    let node = node();
    let result = node.add("c1").result();
    let value = json!(["192.168.0.1/24"]);
    let change = |config: &mut Value| {
        config["prevResult"] = result.clone();
        config["ipam"]["foreignAddresses"] = value.clone();
    };
    let text = node.call("CHECK", "c1").config(change).run().error(7);
    assert!(text.contains(&complaint("foreignAddresses", &value)), "{text}");
}

#[test]
fn a_gateway_is_on_the_link() {
    let node = node().with("subnet", "192.168.0.0/24").with("gateway", "192.168.1.1");
    let text = node.add("c1").error(7);
    assert!(
        text.contains(
            r#"ipam.gateway is "192.168.1.1", but must be an address inside ipam.subnet, 192.168.0.0/24"#
        ),
        "{text}"
    );
}

#[test]
fn no_error_repeats_a_secret_that_stands_in_a_wrong_place() {
    let node = node();
    let secret = "swordfish";
    for (key, value) in [
        ("credentials", json!(secret)),
        ("credentials", json!([secret])),
        ("credentials", json!({"source": "file", "accessKeySecret": secret})),
        ("proxy", json!({"url": format!("http://user:{secret}@proxy.example.com")})),
        ("proxy", json!(format!("socks5://user:{secret}@proxy.example.com"))),
        ("endpoint", json!(format!("https://user:{secret}@ecs.example.com"))),
        ("metadataEndpoint", json!(format!("http://user:{secret}@100.100.100.200"))),
    ] {
        let answer = node.call("ADD", "c1").config(|config| config["ipam"][key] = value.clone()).run();
        assert!(answer.error(7).contains(&format!("ipam.{key}")), "{}", answer.stdout());
        assert!(
            !answer.stdout().contains(secret) && !answer.stderr().contains(secret),
            "{}",
            answer.stdout()
        );
    }
    assert!(!node.log().contains(secret), "{}", node.log());
}

#[test]
fn an_unknown_key_is_a_warning() {
    let node = node().with("regionID", "cn-hangzhou");
    let _ = node.add("c1").address();
    assert!(node.log().contains("ipam.regionID is unknown"), "{}", node.log());
    node.del("c1").ok();
}
