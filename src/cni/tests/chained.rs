//! Entries of a chain.

use serde_json::{Value, json};

use super::*;

/// The entry of a chain, with `keys` added or replaced.
fn entry(keys: &Value) -> Value {
    let mut entry = config(keys);
    if keys.get("type").is_none() {
        entry["type"] = json!("aliyun-eni-ipam");
    }
    if keys.get("ipam").is_none() {
        entry.as_object_mut().unwrap().remove("ipam");
    }
    entry
}

fn chained(command: &str, keys: &Value) -> Option<Chained> {
    match call(&environment(command), &entry(keys).to_string()).unwrap() {
        Call::Chained(call) => Some(call),
        _ => None,
    }
}

#[test]
fn an_entry_of_this_type_without_an_ipam_section_is_one_of_a_chain() {
    for command in ALL {
        for keys in [json!({}), json!({"ipam": null})] {
            let call = chained(command, &keys).unwrap();
            assert_eq!(call.command(), command);
            assert_eq!(call.attachment().is_some(), ["ADD", "DEL", "CHECK"].contains(&command));
        }
        for keys in [json!({"ipam": {}}), json!({"type": "ptp", "ipam": {}})] {
            assert!(chained(command, &keys).is_none(), "{command} {keys}");
        }
    }
}

#[test]
fn its_options_are_what_is_not_the_protocols() {
    let keys = json!({
        "dataDir": "/store", "logLevel": "debug", "typo": 1, "disableGC": true, "disableCheck": false, "args": {},
        "cni.dev/valid-attachments": [], "cni.dev/attachments": [], "runtimeConfig": {"ips": ["x"]}, "cniVersions": [],
    });
    for command in ALL {
        let call = chained(command, &keys).unwrap();
        let options = json!({"dataDir": "/store", "logLevel": "debug", "mtu": 1500.0, "typo": 1});
        assert_eq!(Value::Object(call.network().ipam.clone()), options, "{command}");
    }
}

#[test]
fn an_add_answers_what_came_before_it_in_the_version_of_the_call() {
    let odd = json!({"ips": [{"address": "10.0.0.9/24"}], "x": [1e300, null, 12_345_678_901_234_567_890_u64, {"y": "\u{0}"}]});
    let old = json!({"cniVersion": "0.1.0", "ip4": {"ip": "10.0.0.9/24"}, "ip6": {"ip": "2001:db8::9/64"}, "dns": {}});
    for (version, came, addresses) in [("1.1.0", odd, 1), ("0.1.0", old, 2)] {
        let Some(Chained::Add(add)) = chained("ADD", &json!({"cniVersion": version, "prevResult": came}))
        else {
            panic!("no ADD of a chain");
        };
        let mut expected = came;
        expected["cniVersion"] = version.into();
        assert_eq!(add.answer, expected);
        assert_eq!(add.prev_result.addresses.len(), addresses);
    }
}

#[test]
fn a_del_takes_a_previous_result_that_it_cannot_read_for_none() {
    for result in
        [json!(null), json!(5), json!({"ips": 5}), json!({"ips": [{"address": "x"}]}), json!({"ip4": []})]
    {
        let Some(Chained::Del(del)) = chained("DEL", &json!({"prevResult": result})) else {
            panic!("no DEL of a chain");
        };
        assert_eq!(del.prev_result, PrevResult::default(), "{result}");
    }
}
