//! Asking for an address of one's own choice: whose wish counts, and which wishes are refused.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{error, expect_error};
use crate::node;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_runtimes_wish_beats_args_which_beat_cni_args() {
    let node = node();
    let ask = |container: &str, runtime: Value, args: Value| {
        let call = node.call("ADD", container).env("CNI_ARGS", "IP=192.168.0.63");
        call.config(|config| {
            config["runtimeConfig"] = json!({ "ips": runtime });
            config["args"] = json!({"cni": {"ips": args}});
        })
        .run()
        .address()
    };
    assert_eq!(ask("c1", json!(["192.168.0.61"]), json!(["192.168.0.62"])), ip("192.168.0.61"));
    assert_eq!(ask("c2", json!([]), json!(["192.168.0.62"])), ip("192.168.0.62"));
    assert_eq!(ask("c3", json!(null), json!([])), ip("192.168.0.63"));
}

#[test]
fn a_wish_that_cannot_be_read_fails_the_add() {
    let node = node();
    for (runtime_config, msg) in [
        (json!(5), "runtimeConfig must be an object, but is a number"),
        (json!({"ips": "192.168.0.50"}), "invalid runtimeConfig.ips: it must be a list, but is a string"),
        (json!({"ips": [5]}), "invalid runtimeConfig.ips: an entry must be a string, but is a number"),
        (json!({"ips": ["192.168.0"]}), "invalid runtimeConfig.ips: invalid IP address 192.168.0"),
    ] {
        let answer = node.call("ADD", "c1").config(|it| it["runtimeConfig"] = runtime_config).run();
        expect_error(&answer, &error(Some("1.1.0"), 7, msg, ""));
    }
    let answer = node.call("ADD", "c1").config(|it| it["args"] = json!({"cni": {"ips": ["x"]}})).run();
    expect_error(&answer, &error(Some("1.1.0"), 7, "invalid args.cni.ips: invalid IP address x", ""));
    assert!(node.cloud.ledger().is_empty());
}

#[test]
fn an_address_that_cannot_be_had_is_refused_and_nothing_is_assigned() {
    let node = node();
    let taken = node.call("ADD", "c1").env("CNI_ARGS", "IP=192.168.0.70").run().address();
    for (wish, code) in [
        ("10.0.0.1", 114),
        ("192.168.1.1", 114),
        ("192.168.0.71/16", 114),
        ("2001:db8::1", 114),
        ("192.168.0.70", 114),
    ] {
        let answer = node.call("ADD", "c2").env("CNI_ARGS", format!("IP={wish}")).run();
        let address = wish.split('/').next().unwrap();
        assert!(answer.error(code).contains(address), "{wish}: {}", answer.stdout());
    }
    assert_eq!(node.on_eni(), [taken].into());
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn two_addresses_of_one_family_cannot_be_had() {
    let node = node();
    let two = json!({"ips": ["192.168.0.51", "192.168.0.52"]});
    let answer = node.call("ADD", "c1").config(|it| it["runtimeConfig"] = two).run();
    assert!(answer.error(114).contains("192.168.0.52"));
    assert!(node.on_eni().is_empty());
}
