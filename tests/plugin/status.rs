//! STATUS and CHECK.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::{Answer, Effect, Fault, Node};
use serde_json::{Value, json};

use crate::node;

fn status(node: &Node) -> Answer {
    node.call("STATUS", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS").run()
}

fn change_eni_state(node: &Node, change: impl FnOnce(&mut Value)) {
    let path = node.store().join(format!("eni/{}.json", Node::ENI));
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut state);
    fs::write(&path, state.to_string()).unwrap();
}

/// A CHECK with these addresses in prevResult.
fn check(node: &Node, container: &str, addresses: &[&str]) -> Answer {
    let ips: Vec<_> = addresses.iter().map(|address| json!({"address": address})).collect();
    node.call("CHECK", container)
        .config(|config| config["prevResult"] = json!({"cniVersion": "1.1.0", "ips": ips}))
        .run()
}

#[test]
fn a_status_of_a_healthy_node_asks_nobody_and_makes_nothing() {
    let node = node();
    status(&node).ok();
    assert!(node.cloud.ledger().is_empty() && node.cloud.metadata_requests().is_empty());
    assert!(!node.store().exists());
}

#[test]
fn a_status_does_not_wait_for_locks() {
    let node = node();
    let _ = node.add("c0").address();
    let lock = fs::File::open(node.store().join("lock")).unwrap();
    lock.lock().unwrap();
    let eni = fs::File::open(node.store().join(format!("eni/{}.lock", Node::ENI))).unwrap();
    eni.lock().unwrap();
    status(&node).ok();
}

#[test]
fn a_status_without_credentials_says_where_to_put_them() {
    let node = node();
    let call = node.call("STATUS", "").without("ALIBABA_CLOUD_ACCESS_KEY_ID").run();
    let text = call.error(50);
    assert!(text.contains("ALIBABA_CLOUD_ACCESS_KEY_ID"), "{text}");
}

#[test]
fn a_status_with_a_store_that_others_can_write_to_fails() {
    let node = node();
    let _ = node.add("c0").address();
    fs::set_permissions(node.store(), fs::Permissions::from_mode(0o777)).unwrap();
    let text = status(&node).error(50);
    assert!(text.contains("777") && text.contains("700"), "{text}");
}

#[test]
fn a_status_fails_where_every_add_fails_for_what_the_configuration_names() {
    for (key, value) in [("resolvConf", "/nowhere/resolv.conf"), ("interface", "gone0")] {
        let mut node = node().with(key, value);
        if key == "interface" {
            node.ipam.remove("networkInterfaceId");
        }
        assert_eq!(status(&node).error(7), node.add("c0").error(7));
    }
}

#[test]
fn a_full_eni_fails_a_status_only_where_that_is_wanted() {
    let mut node = node();
    let _ = node.add("c0").address();
    node.cloud.inject(
        Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::code("QuotaExceeded.PrivateIpAddress")),
    );
    let _ = node.add("c1").error(112);
    status(&node).ok();
    node.set("statusFailsWhenFull", true);
    assert!(status(&node).error(50).contains(Node::ENI));
    // A release makes room.
    node.del("c0").ok();
    status(&node).ok();
}

#[test]
fn a_node_that_was_full_once_does_not_stay_unavailable_until_an_add_that_never_comes() {
    let node = node().with("statusFailsWhenFull", true);
    node.cloud.inject(
        Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::code("InvalidVSwitchId.IpNotEnough")),
    );
    let _ = node.add("c0").error(112);
    let _ = status(&node).error(50);
    // An hour passes, in which others have made room in the vSwitch.
    change_eni_state(&node, |state| state["full"] = "2026-01-01T00:00:00.000Z".into());
    status(&node).ok();
    // Or the clock was set back by a year.
    change_eni_state(&node, |state| state["full"] = "2126-01-01T00:00:00.000Z".into());
    status(&node).ok();
    // The next refusal counts anew.
    node.cloud.inject(
        Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::code("InvalidVSwitchId.IpNotEnough")),
    );
    let _ = node.add("c0").error(112);
    let _ = status(&node).error(50);
}

#[test]
fn releases_that_fail_fail_no_status_because_adds_succeed() {
    let node = node();
    let _ = node.add("c0").address();
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    // However long they have failed.
    change_eni_state(&node, |state| state["backoff"]["since"] = "2026-01-01T00:00:00.000Z".into());
    assert_eq!(node.counts(), [0, 0, 1, 0], "{}", node.scene());
    let _ = node.add("c1").address();
    status(&node).ok();
}

#[test]
fn a_full_eni_of_another_network_fails_no_status() {
    let mut node = node().with("statusFailsWhenFull", true);
    node.cloud.inject(
        Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::code("QuotaExceeded.PrivateIpAddress")),
    );
    let _ = node.add("c0").error(112);
    let _ = status(&node).error(50);
    // A network in the same store, whose pods get addresses of the primary ENI.
    node.ipam.remove("networkInterfaceId");
    let _ = node.add("c1").address();
    status(&node).ok();
}

#[test]
fn a_check_passes_as_long_as_the_record_says_what_prev_result_says() {
    let node = node();
    let address = node.add("c0").address();
    node.cloud.clear_ledger();
    check(&node, "c0", &[&format!("{address}/24")]).ok();
    assert!(node.cloud.ledger().is_empty());
}

#[test]
fn a_check_names_what_is_wrong() {
    let node = node();
    let address = node.add("c0").address();
    let text = check(&node, "c0", &["192.168.0.77/24"]).error(103);
    assert!(text.contains(&address.to_string()) && text.contains("192.168.0.77"), "{text}");
    assert!(check(&node, "c1", &[&format!("{address}/24")]).error(103).contains("no addresses"));
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    assert!(check(&node, "c0", &[&format!("{address}/24")]).error(103).contains("being released"));
}
