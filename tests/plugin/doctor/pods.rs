//! What the records say of pods, and what pods use.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use harness::{Effect, Fault, Node};

use super::{doctor, expect, lines};
use crate::lost_store::copy;
use crate::{eventually, node};

fn pods(count: usize) -> (Node, Vec<IpAddr>) {
    let node = node();
    let addresses = (0..count).map(|i| node.add_pod(&format!("c{i}")).address()).collect();
    (node, addresses)
}

#[test]
fn pods_without_a_record_fail_with_their_addresses() {
    let (node, addresses) = pods(2);
    expect(&doctor(&node), "pods", "ok", &["has its record"]);
    // Somebody has emptied the store.
    fs::remove_dir_all(node.store()).unwrap();
    let (first, second) = (addresses[0].to_string(), addresses[1].to_string());
    let words = ["default/c0", &first, "default/c1", &second, "reconcile --adopt", "Release nothing"];
    expect(&doctor(&node), "pods", "fail", &words);
    assert!(!node.store().exists());
    // A new pod makes a new store, which is younger than the others.
    let _ = node.add_pod("c2").address();
    let answer = doctor(&node);
    expect(&answer, "pods", "fail", &["default/c0", "default/c1"]);
    assert!(!lines(&answer, "pods")[0].contains("c2"), "{answer:?}");
}

#[test]
fn a_pod_whose_record_is_damaged_is_not_told_to_be_recorded_again() {
    let (node, addresses) = pods(1);
    let record = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    fs::write(record, "{").unwrap();
    let answer = doctor(&node);
    expect(&answer, "pods", "fail", &["default/c0", &addresses[0].to_string(), "damaged", "Release nothing"]);
    assert!(!lines(&answer, "pods")[0].contains("--adopt"), "{answer:?}");
}

#[test]
fn what_another_plugin_or_another_store_has_given_is_nobodys_business() {
    let (node, _) = pods(1);
    let other = |key: &'static str, value: &'static str| {
        let mut list = node.conflist();
        list["plugins"][0]["ipam"][key] = value.into();
        BASE64_STANDARD.encode(list.to_string())
    };
    for (i, config) in [other("type", "host-local"), other("dataDir", "/elsewhere")].into_iter().enumerate() {
        let address = "192.168.0.99".parse().unwrap();
        node.cache_changed(&format!("other{i}"), &[address], |it| it["config"] = config.into());
    }
    expect(&doctor(&node), "pods", "ok", &[]);
}

#[test]
fn a_pod_whose_address_is_gone_as_well_as_its_record_is_a_warning() {
    let (node, addresses) = pods(1);
    node.del("c0").ok();
    assert!(!node.on_eni().contains(&addresses[0]));
    expect(&doctor(&node), "pods", "warn", &["default/c0", "has not ended their DEL"]);
}

#[test]
fn a_record_whose_address_another_pod_got_since_fails() {
    let (node, addresses) = pods(1);
    let backup = node.directory().join("backup");
    copy(&node.store(), &backup);
    node.del_pod("c0").ok();
    // ECS gives it to the next pod; then somebody brings the backup back.
    let again = node.call("ADD", "c1").env("CNI_ARGS", format!("IP={}", addresses[0])).run();
    node.cache("c1", &again.addresses());
    fs::remove_dir_all(node.store()).unwrap();
    fs::rename(&backup, node.store()).unwrap();
    let answer = doctor(&node);
    let address = addresses[0].to_string();
    expect(
        &answer,
        "pods",
        "fail",
        &[&address, "recorded as active for container c0, eth0", "default/c1", "old copy"],
    );
}

#[test]
fn what_cannot_be_seen_of_the_pods_is_said() {
    let (node, _) = pods(1);
    let cached = node.cached("c0");
    fs::write(&cached, "{").unwrap();
    expect(&doctor(&node), "pods", "warn", &["not all pods can be seen", cached.to_str().unwrap()]);
    fs::remove_dir_all(node.cni_cache()).unwrap();
    expect(&doctor(&node), "pods", "warn", &["CNI_CACHE_DIR", node.cni_cache().to_str().unwrap()]);
}

#[test]
fn recorded_addresses_that_are_not_on_the_eni_fail_once_they_must_be_seen_there() {
    let (node, addresses) = pods(3);
    node.cloud.unassign(Node::ENI, addresses[0]);
    // A description may be late.
    expect(&doctor(&node), "addresses", "ok", &["all active records"]);
    node.let_time_pass(Duration::from_mins(2));
    node.cloud.unassign(Node::ENI, addresses[1]);
    let (first, second) = (addresses[0].to_string(), addresses[1].to_string());
    let words = [&*first, &second, "default/c0", "default/c1", "reconcile --restore"];
    let answer = doctor(&node);
    expect(&answer, "addresses", "fail", &words);
    assert!(!lines(&answer, "addresses")[0].contains("default/c2"), "{answer:?}");
    assert_eq!(node.counts(), [0, 3, 0, 0]);
}

#[test]
fn records_of_other_enis_are_looked_for_there() {
    let (mut node, addresses) = pods(1);
    node.let_time_pass(Duration::from_mins(2));
    // The network uses the other ENI from now on.
    node.set("networkInterfaceId", harness::World::PRIMARY_ENI);
    expect(&doctor(&node), "addresses", "ok", &[]);
    node.cloud.unassign(Node::ENI, addresses[0]);
    expect(&doctor(&node), "addresses", "fail", &[&addresses[0].to_string(), "reconcile --restore"]);
    node.cloud.with_world(|world| world.enis.remove(Node::ENI));
    expect(&doctor(&node), "addresses", "fail", &["does not show", Node::ENI, "default/c0"]);
}

#[test]
fn an_address_that_nothing_explains_is_a_warning() {
    let mut node = node();
    let recorded = node.add_pod("c0").address();
    let orphan: IpAddr = "192.168.0.77".parse().unwrap();
    node.cloud.assign(Node::ENI, orphan);
    let answer = doctor(&node);
    expect(&answer, "orphans", "warn", &[&orphan.to_string(), "`aliyun-eni-ipam reconcile`"]);
    assert!(!lines(&answer, "orphans")[0].contains(&recorded.to_string()), "{answer:?}");
    // A pod that has lost its record is another line.
    node.cache("c1", &[orphan]);
    assert_eq!(lines(&doctor(&node), "orphans"), Vec::<String>::new());
    node.forget_pod("c1");
    // An ADD under way may have it.
    let ipam = node.ipam.clone();
    node.set("foreignAddresses", vec![orphan.to_string()]);
    assert_eq!(lines(&doctor(&node), "orphans"), Vec::<String>::new());
    node.ipam = ipam;
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c2").start();
    eventually("the address is assigned", || node.on_eni().len() == 3);
    assert_eq!(lines(&doctor(&node), "orphans"), Vec::<String>::new());
    add.kill();
}
