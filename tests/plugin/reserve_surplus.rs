//! What the reserve has too much goes back to ECS: by GC for its network, and by `flush` for all.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use harness::simulator::AddressPolicy;
use harness::{Answer, Effect, Fault, Node, World};
use serde_json::{Value, json};

use crate::node_in;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// A node with what pods have left in the reserve, in this order, and a cloud that has not been asked for anything since.
fn with_reserve<const N: usize>() -> (Node, [IpAddr; N]) {
    let mut node = node_in(World::single_node().with_policy(AddressPolicy::LowestFree));
    let addresses = std::array::from_fn(|number| node.add(&format!("c{number}")).address());
    node.set("reserve", 20);
    for number in 0..N {
        node.del(&format!("c{number}")).ok();
    }
    node.cloud.clear_ledger();
    (node, addresses)
}

fn gc(node: &Node) -> Answer {
    let call = node.call("GC", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS");
    call.config(|config| config["cni.dev/valid-attachments"] = json!([])).run()
}

/// The reserve and the ENI have exactly these.
#[track_caller]
fn expect_kept(node: &Node, kept: &[IpAddr]) {
    let kept: BTreeSet<IpAddr> = kept.iter().copied().collect();
    assert_eq!((node.reserved_addresses(), node.on_eni()), (kept.clone(), kept), "{}", node.scene());
    assert_eq!(node.counts()[2], 0, "{}", node.scene());
}

#[test]
fn a_gc_gives_back_in_one_request_what_had_a_pod_last() {
    let (mut node, addresses) = with_reserve::<4>();
    gc(&node).ok();
    expect_kept(&node, &addresses);
    node.set("reserve", 1);
    gc(&node).ok();
    expect_kept(&node, &addresses[..1]);
    assert_eq!(node.cloud.count(UNASSIGN), 1, "{}", node.scene());
}

#[test]
fn a_gc_leaves_what_another_network_keeps_alone() {
    let (mut node, addresses) = with_reserve::<2>();
    node.set("reserve", 0);
    node.network = "others".into();
    gc(&node).ok();
    expect_kept(&node, &addresses);
    node.network = "pods".into();
    gc(&node).ok();
    expect_kept(&node, &[]);
}

#[test]
fn while_an_add_of_the_network_waits_nothing_is_given_back() {
    let (mut node, addresses) = with_reserve::<2>();
    node.set("reserve", 0);
    let intent = |network: &str| {
        let head = json!({"schema": 1, "intention": {
            "owner": {"containerId": "c9", "ifname": "eth0"}, "network": network, "since": "2026-11-22T09:12:44.250Z",
        }});
        let waits = json!({"waits": {
            "networkInterfaceIds": [Node::ENI], "ipv4": true, "ipv6": false, "until": "9999-01-01T00:00:00Z",
        }});
        let path = node.store().join("assigning/c9-0123");
        fs::write(&path, format!("\u{1e}{head}\n\u{1e}\0{waits}\n")).unwrap();
        // Its ADD lives.
        let file = fs::File::open(&path).unwrap();
        file.lock().unwrap();
        (path, file)
    };
    let (path, lock) = intent("pods");
    let answer = node.call("GC", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS");
    let valid = json!([{"containerID": "c9", "ifname": "eth0"}]);
    answer.config(|config| config["cni.dev/valid-attachments"] = valid.clone()).run().ok();
    expect_kept(&node, &addresses);
    // That of another network does not count.
    drop(lock);
    fs::remove_file(path).unwrap();
    let _lock = intent("others");
    gc(&node).ok();
    expect_kept(&node, &[]);
}

/// Runs `flush` with the configurations of networks with these names, changed so.
fn flush(node: &Node, networks: &[(&str, Value)], arguments: &[&str]) -> Answer {
    let directory = node.directory().join("net.d");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    for (name, reserve) in networks {
        let mut conflist = node.conflist();
        conflist["name"] = json!(name);
        conflist["plugins"][0]["ipam"]["reserve"] = reserve.clone();
        fs::write(directory.join(format!("{name}.conflist")), conflist.to_string()).unwrap();
    }
    node.operator_with(&directory, &[&["flush"], arguments].concat())
}

#[test]
fn a_flush_gives_back_what_is_beyond_the_reserve_of_any_network_and_says_so() {
    let (node, [one, two, three]) = with_reserve::<3>();
    let flushed = flush(&node, &[("a", json!(0)), ("pods", json!(2))], &[]);
    let said = format!(
        "released 1 address on {}; nothing is left\nin the reserve, and kept by no configuration: {three}\n",
        Node::ENI
    );
    assert_eq!((flushed.status(), flushed.stdout()), (0, said), "{flushed:?}");
    expect_kept(&node, &[one, two]);
    let flushed = flush(&node, &[("pods", json!(1))], &["--json"]).json();
    assert_eq!((&flushed["surplus"], &flushed["released"]), (&json!([two]), &json!([two])), "{flushed}");
    expect_kept(&node, &[one]);
}

#[test]
fn a_flush_gives_back_all_of_a_network_that_is_not_configured_any_more() {
    let (node, addresses) = with_reserve::<2>();
    // A value that cannot be read says nothing of how many are kept.
    let _ = flush(&node, &[("pods", json!("many"))], &[]);
    expect_kept(&node, &addresses);
    assert_eq!(flush(&node, &[("renamed", json!(20))], &[]).status(), 0);
    expect_kept(&node, &[]);
}

#[test]
fn a_flush_gives_back_nothing_of_a_network_whose_file_may_be_one_that_cannot_be_read() {
    let (node, kept) = with_reserve::<2>();
    let directory = node.directory().join("net.d");
    let _ = flush(&node, &[("pods", json!(2)), ("other", json!(0))], &[]);
    fs::write(directory.join("pods.conflist"), "{\"name\": \"pods\", ").unwrap();
    let _ = node.operator_with(&directory, &["flush"]);
    expect_kept(&node, &kept);
}

#[test]
fn what_an_earlier_boot_left_in_the_reserve_stays_there() {
    let (node, addresses) = with_reserve::<2>();
    node.reboot();
    assert_eq!(flush(&node, &[("pods", json!(2))], &[]).status(), 0, "{}", node.scene());
    expect_kept(&node, &addresses);
}

#[test]
fn what_cannot_be_given_back_now_is_releasing_and_not_in_the_reserve() {
    let (node, addresses) = with_reserve::<2>();
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Forbidden.RAM")));
    let flushed = flush(&node, &[("pods", json!(0))], &[]);
    assert_eq!((flushed.status(), node.counts()), (1, [0, 0, 1, 0]), "{}", node.scene());
    assert_eq!((node.reserved_addresses().len(), node.on_eni().len()), (0, addresses.len()));
    assert_eq!(flush(&node, &[("pods", json!(0))], &[]).status(), 0);
    expect_kept(&node, &[]);
}

#[test]
fn a_damaged_entry_is_given_back_by_its_name() {
    let (node, [one, two]) = with_reserve::<2>();
    fs::write(node.entry(one), "{").unwrap();
    assert_eq!(flush(&node, &[("pods", json!(20))], &[]).status(), 0, "{}", node.scene());
    expect_kept(&node, &[two]);
    // Of a later version of the plugin it is left alone.
    fs::write(node.entry(two), json!({"schema": 2}).to_string()).unwrap();
    assert_eq!(flush(&node, &[("pods", json!(0))], &[]).status(), 0, "{}", node.scene());
    expect_kept(&node, &[two]);
}

#[test]
fn what_a_kill_left_beside_its_release_or_a_pod_is_not_taken_for_surplus() {
    let (mut node, [one, two]) = with_reserve::<2>();
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Forbidden.RAM")));
    let entry = fs::read(node.entry(two)).unwrap();
    node.set("reserve", 1);
    let _ = gc(&node);
    fs::write(node.entry(two), &entry).unwrap();
    assert_eq!((node.reserved_addresses().len(), node.counts()), (2, [0, 0, 1, 0]), "{}", node.scene());
    // The entry of `two` does not count, so that of `one` is not too much.
    assert_eq!(flush(&node, &[("pods", json!(1))], &[]).status(), 0, "{}", node.scene());
    expect_kept(&node, &[one]);
}

#[test]
fn nothing_is_kept_on_an_eni_that_the_network_does_not_use_any_more() {
    for by_gc in [false, true] {
        let (mut node, addresses) = with_reserve::<2>();
        node.set("networkInterfaceId", World::PRIMARY_ENI);
        if by_gc {
            gc(&node).ok();
        } else {
            assert_eq!(flush(&node, &[("pods", json!(20))], &[]).status(), 0, "{}", node.scene());
        }
        expect_kept(&node, &[]);
        assert_eq!(node.cloud.count(UNASSIGN), 1, "{addresses:?}: {}", node.scene());
    }
}
