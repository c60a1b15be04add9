//! An ADD that finds what it had before the machine booted. What `flush` does with such records is in
//! `tests/machine/earlier_boot.rs`, because it does it only some time after the boot.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use harness::{Effect, Fault, Node, World};
use serde_json::{Value, json};

use crate::{eventually, node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const DESCRIBE: &str = "DescribeNetworkInterfaces";

/// The file of the one record in use. What begins with a dot is none.
fn record_file(node: &Node) -> PathBuf {
    let files = fs::read_dir(node.store().join("active")).unwrap().map(|file| file.unwrap());
    let files: Vec<_> = files.filter(|file| !file.file_name().to_str().unwrap().starts_with('.')).collect();
    assert_eq!(files.len(), 1, "{}", node.scene());
    files[0].path()
}

/// What it says.
fn record(node: &Node) -> Value {
    serde_json::from_slice(&fs::read(record_file(node)).unwrap()).unwrap()
}

fn boot_of(record: &Value) -> &str {
    record["allocation"]["bootId"].as_str().unwrap()
}

/// A pod of before, after the reboot.
fn rebooted() -> (Node, IpAddr) {
    let node = node();
    let address = node.add("c0").address();
    node.reboot();
    node.cloud.clear_ledger();
    (node, address)
}

#[test]
fn an_add_makes_the_record_of_an_earlier_boot_its_own_before_it_answers() {
    let (node, address) = rebooted();
    let before = record(&node);
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-1";
    let again = node.call("ADD", "c0").env("CNI_ARGS", args).run().address();
    assert_eq!((again, node.cloud.count(ASSIGN)), (address, 0), "{}", node.scene());
    let after = record(&node);
    assert_eq!(boot_of(&after), fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim());
    assert!(after["allocation"]["since"].as_str() > before["allocation"]["since"].as_str());
    assert_eq!(after["allocation"]["pod"]["name"], "web-1");
    // Its address still leads to it.
    let entry = node.store().join(format!("address/{}-{address}", Node::ENI));
    let entry: Value = serde_json::from_slice(&fs::read(entry).unwrap()).unwrap();
    assert_eq!(entry, after);
    // A second ADD finds it as that of this boot.
    node.cloud.clear_ledger();
    assert_eq!(node.add("c0").address(), address);
    assert!(node.cloud.ledger().is_empty(), "{}", node.scene());
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn an_address_that_is_not_on_the_eni_any_more_is_not_answered_again() {
    let (node, address) = rebooted();
    // While the machine was down, another node has got it.
    node.cloud.unassign(Node::ENI, address);
    node.cloud.assign(World::PRIMARY_ENI, address);
    let fresh = node.add("c0").address();
    assert_ne!(fresh, address);
    assert_eq!(node.on_eni(), BTreeSet::from([fresh]), "{}", node.scene());
    node.del("c0").ok();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    assert!(node.cloud.addresses(World::PRIMARY_ENI).contains(&address), "{}", node.scene());
}

#[test]
fn a_record_that_a_power_cut_left_without_the_names_of_its_addresses_is_released_and_not_answered_again() {
    let (node, address) = rebooted();
    fs::remove_file(node.store().join(format!("address/{}-{address}", Node::ENI))).unwrap();
    // Another pod may have it: who has no name in `address/` keeps nobody from it.
    let fresh = node.add("c0").address();
    assert_ne!(fresh, address, "{}", node.scene());
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(node.on_eni(), BTreeSet::from([fresh]), "{}", node.scene());
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn an_add_that_cannot_ask_whether_the_address_is_still_there_fails_and_changes_nothing() {
    let (node, address) = rebooted();
    node.cloud.inject(Fault::on(DESCRIBE).effect(Effect::code("Forbidden.RAM")));
    let before = record(&node);
    let _ = node.add("c0").any_error();
    assert_eq!((record(&node), node.on_eni()), (before, BTreeSet::from([address])));
    node.cloud.clear_faults();
    assert_eq!(node.add("c0").address(), address);
}

#[test]
fn an_add_on_a_node_that_was_cloned_gets_an_address_of_its_own_eni_and_takes_none() {
    let (mut node, address) = rebooted();
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-the-original".into()));
    let _ = node.add("c0").any_error();
    node.set("networkInterfaceId", World::PRIMARY_ENI);
    let fresh = node.add("c0").address();
    assert!(node.cloud.addresses(World::PRIMARY_ENI).contains(&fresh), "{}", node.scene());
    assert_eq!(node.operator(&["flush"]).status(), 1);
    assert_eq!(node.on_eni(), BTreeSet::from([address]), "{}", node.scene());
    assert_eq!(node.counts(), [0, 1, 1, 0]);
}

#[test]
fn a_gc_whose_list_is_older_than_the_add_leaves_the_record_to_it() {
    let node = node();
    let address = node.add("c0").address();
    node.let_time_pass(std::time::Duration::from_hours(1));
    node.reboot();
    assert_eq!(node.add("c0").address(), address);
    node.call("GC", "").config(|config| config["cni.dev/valid-attachments"] = json!([])).run().ok();
    assert_eq!((node.on_eni(), node.counts()), (BTreeSet::from([address]), [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn an_add_whose_answer_nobody_reads_leaves_no_record_of_this_boot_behind() {
    let (node, _) = rebooted();
    let _ = node.call("ADD", "c0").run_unread();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_pod_of_both_families_gets_both_addresses_again_or_two_others() {
    for is_gone in [false, true] {
        let node = node_in(World::single_node()).with("ipv6", true);
        let before: BTreeSet<_> = node.add("c0").addresses().into_iter().collect();
        node.reboot();
        if is_gone {
            node.cloud.unassign(Node::ENI, *before.last().unwrap());
        }
        let after: BTreeSet<_> = node.add("c0").addresses().into_iter().collect();
        assert_eq!(after == before, !is_gone, "{}", node.scene());
        node.del("c0").ok();
        assert_eq!(node.operator(&["flush"]).status(), 0);
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    }
}

#[test]
fn a_check_of_what_an_earlier_boot_left_fails_until_the_pod_is_added_again() {
    let node = node();
    let result = node.add("c0").result();
    let check = || node.call("CHECK", "c0").config(|config| config["prevResult"] = result.clone()).run();
    check().ok();
    node.reboot();
    assert!(check().any_error().contains("before the machine booted"));
    let _ = node.add("c0").address();
    check().ok();
}

/// Whether the process blocks on a file's lock: the kernel has it in a line.
fn waits_for_a_lock(pid: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("->") && line.split_whitespace().any(|it| it == pid.to_string()))
}

#[test]
fn an_add_whose_record_is_released_while_it_waits_to_take_it_over_gets_another_address() {
    let (node, address) = rebooted();
    let lock = fs::File::open(node.store().join("lock")).unwrap();
    lock.lock().unwrap();
    let add = node.call("ADD", "c0").start();
    eventually("the ADD has found the record, and waits", || waits_for_a_lock(add.pid()));
    // As a flush or a DEL leaves it, which has had the lock before.
    let active = record_file(&node);
    let name = format!("{}.0123456789abcdef", active.file_name().unwrap().to_str().unwrap());
    let releasing = node.store().join("releasing").join(name);
    fs::rename(&active, &releasing).unwrap();
    lock.unlock().unwrap();
    let fresh = add.wait().address();
    assert_ne!(fresh, address);
    assert_eq!((node.on_eni(), node.counts()), (BTreeSet::from([fresh]), [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn a_record_that_does_not_say_its_boot_is_answered_as_it_is() {
    let node = node();
    let address = node.add("c0").address();
    let file = record_file(&node);
    let mut old = record(&node);
    let members = old.as_object_mut().unwrap();
    members.remove("digest");
    members["allocation"].as_object_mut().unwrap().remove("bootId");
    fs::write(&file, format!("{old}\n")).unwrap();
    node.cloud.clear_ledger();
    assert_eq!(node.add("c0").address(), address);
    assert!(node.cloud.ledger().is_empty(), "{}", node.scene());
    // Nor does anybody count it as one of an earlier boot.
    let doctor = node.operator(&["doctor"]).stdout();
    assert!(!doctor.contains("earlier boot"), "{doctor}");
}
