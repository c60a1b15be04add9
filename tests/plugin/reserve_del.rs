//! DEL and the reserve: what it leaves on the ENI for the next pod, and what becomes of that.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use harness::{Answer, Calling, Effect, Fault, Node};
use serde_json::{Value, json};

use crate::{eventually, node};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Pods with addresses, a reserve that is empty because they came before it, and a cloud that has not been asked for anything since.
fn with_pods<const N: usize>(node: &mut Node, reserve: usize) -> [IpAddr; N] {
    let addresses = std::array::from_fn(|number| node.add(&format!("c{number}")).address());
    node.set("reserve", reserve);
    node.cloud.clear_ledger();
    addresses
}

fn unassigned(node: &Node) -> usize {
    node.cloud.count(UNASSIGN)
}

/// Lets an entry be one of this address too, as a kill leaves it.
fn enter(node: &Node, of: IpAddr, address: IpAddr) {
    fs::hard_link(node.entry(of), node.entry(address)).unwrap();
}

#[test]
fn a_del_leaves_its_address_in_the_reserve_while_there_is_room_and_asks_nobody() {
    let mut node = node();
    let [one, two, three] = with_pods(&mut node, 2);
    node.del("c0").ok();
    node.del("c1").ok();
    assert!(node.cloud.ledger().is_empty(), "{}", node.scene());
    assert_eq!((node.reserved_addresses(), node.counts()), (BTreeSet::from([one, two]), [0, 1, 0, 0]));
    assert!(
        node.log().contains(&format!("kept in the reserve addresses={one} eni={}", Node::ENI)),
        "{}",
        node.log()
    );
    let entry: Value = serde_json::from_slice(&fs::read(node.entry(one)).unwrap()).unwrap();
    assert_eq!(
        (&entry["entry"]["network"], &entry["entry"]["regionId"]),
        (&json!("pods"), &json!("cn-hangzhou"))
    );
    assert_eq!(entry["entry"]["restsSince"], entry["entry"]["since"], "{entry}");
    // The third has no room, and a second DEL of the first finds nothing.
    node.del("c2").ok();
    node.del("c0").ok();
    assert_eq!((unassigned(&node), node.on_eni()), (1, BTreeSet::from([one, two])), "{}", node.scene());
    assert!(!node.on_eni().contains(&three));
}

#[test]
fn with_a_reserve_of_zero_every_del_unassigns_and_no_directory_is_made() {
    let mut node = node();
    let _: [IpAddr; 2] = with_pods(&mut node, 0);
    node.del("c0").ok();
    node.del("c1").ok();
    assert_eq!((unassigned(&node), node.on_eni().len()), (2, 0), "{}", node.scene());
    assert!(!node.store().join("reserved").exists());
}

#[test]
fn each_family_has_a_reserve_of_its_own_and_a_pod_leaves_all_its_addresses_or_none() {
    let mut node = node().with("ipv6", true);
    for pod in ["c0", "c1"] {
        assert!(node.add(pod).result()["ips"].is_array());
    }
    let only4 = |config: &mut Value| config["ipam"]["ipv6"] = json!(false);
    let _ = node.call("ADD", "c2").config(only4).run().address();
    node.set("reserve", 1);
    node.del("c0").ok();
    assert_eq!(node.reserved_addresses().len(), 2, "{}", node.scene());
    // IPv4 has no room any more, so the IPv6 address of the same pod does not stay either.
    node.del("c1").ok();
    node.del("c2").ok();
    assert_eq!(node.on_eni(), node.reserved_addresses(), "{}", node.scene());
    assert_eq!(node.reserved_addresses().len(), 2);
}

#[test]
fn a_network_has_no_less_room_because_another_one_has_a_reserve_on_the_same_eni() {
    let mut node = node();
    let [one, two, _] = with_pods(&mut node, 0);
    let other = |config: &mut Value| config["name"] = json!("others");
    let third = node.call("ADD", "c9").config(other).run().address();
    node.set("reserve", 1);
    node.del("c0").ok();
    // Its record says which network it is of; the name that DEL comes with does not count.
    node.del("c9").ok();
    assert_eq!(
        (node.reserved_addresses(), unassigned(&node)),
        (BTreeSet::from([one, third]), 0),
        "{}",
        node.scene()
    );
    node.call("DEL", "c1").config(other).run().ok();
    assert_eq!(
        (node.reserved_addresses(), unassigned(&node)),
        (BTreeSet::from([one, third]), 1),
        "{}",
        node.scene()
    );
    assert!(!node.on_eni().contains(&two));
}

#[test]
fn an_entry_that_does_not_count_takes_no_room() {
    let mut node = node();
    let [one, two, three] = with_pods(&mut node, 2);
    node.del("c0").ok();
    // As a kill leaves it: the record of c2 is what counts.
    enter(&node, one, three);
    node.del("c1").ok();
    assert_eq!(node.reserved_addresses(), BTreeSet::from([one, two, three]), "{}", node.scene());
    assert_eq!(unassigned(&node), 0);
    node.del("c2").ok();
    assert_eq!(
        (node.reserved_addresses(), unassigned(&node)),
        (BTreeSet::from([one, two]), 1),
        "{}",
        node.scene()
    );
}

/// A DEL that has room in the reserve and unassigns all the same.
#[track_caller]
fn expect_released(node: &Node) {
    node.del("c0").ok();
    assert!(node.reserved_addresses().is_empty() && node.on_eni().is_empty(), "{}", node.scene());
    assert_eq!((unassigned(node), node.counts()), (1, [0, 0, 0, 0]), "{}", node.scene());
}

#[test]
fn what_another_pod_must_not_have_is_unassigned() {
    type Case = (&'static str, fn(&mut Node, IpAddr));
    let cases: [Case; 3] = [
        ("the address is in doubt", |node, address| {
            let path = node.store().join(format!("eni/{}.json", Node::ENI));
            let suspect =
                json!({"schema": 1, "suspects": [{"address": address, "until": "9999-01-01T00:00:00Z"}]});
            fs::write(path, suspect.to_string()).unwrap();
        }),
        ("the record is of an earlier boot", |node, _| node.reboot()),
        ("the ENI's link has gone", |node, _| {
            let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
            let link = json!({"bootId": boot.trim(), "mac": "00:16:3e:00:00:99", "link": "gone0"});
            fs::write(node.store().join(format!("cache/link-{}.json", Node::ENI)), link.to_string()).unwrap();
        }),
    ];
    for (name, change) in cases {
        println!("{name}");
        let mut node = node();
        let [address] = with_pods(&mut node, 5);
        change(&mut node, address);
        expect_released(&node);
    }
}

#[test]
fn what_is_other_softwares_by_now_goes_neither_into_the_reserve_nor_off_the_eni() {
    let mut node = node();
    let [address] = with_pods(&mut node, 5);
    node.set("foreignAddresses", json!([address]));
    node.del("c0").ok();
    assert!(node.reserved_addresses().is_empty() && node.on_eni().contains(&address), "{}", node.scene());
    assert_eq!((unassigned(&node), node.counts()), (0, [0, 0, 0, 0]), "{}", node.scene());
}

#[test]
fn a_wrong_value_loses_nothing() {
    let mut node = node();
    let [_, second] = with_pods(&mut node, 0);
    node.set("reserve", "many");
    expect_one_released(&node);
    assert!(node.log().contains("nothing is put into the reserve: ipam.reserve"), "{}", node.log());
    node.set("reserve", 5);
    node.set("foreignAddresses", "all");
    node.del("c1").ok();
    // Nobody knows what must not be released either, until the value is right.
    assert_eq!((node.counts(), node.on_eni()), ([0, 0, 1, 0], BTreeSet::from([second])), "{}", node.scene());
    assert!(node.reserved_addresses().is_empty());
}

#[track_caller]
fn expect_one_released(node: &Node) {
    node.del("c0").ok();
    assert_eq!((unassigned(node), node.counts()), (1, [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn a_del_into_the_reserve_succeeds_while_ecs_is_down_also_with_fail() {
    let mut node = node().with("onReleaseFailure", "fail").with("timeoutSeconds", 1);
    let [address, _] = with_pods(&mut node, 1);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.del("c0").ok();
    assert_eq!((node.reserved_addresses(), node.cloud.ledger().len()), (BTreeSet::from([address]), 0));
    let _ = node.del("c1").error(11);
}

/// Makes the call while the disk takes no byte.
fn on_a_full_disk(call: Calling<'_>) -> Answer {
    let call = call.under("env", &["--ignore-signal=XFSZ".to_owned()]);
    call.under("prlimit", &["--fsize=0".to_owned()]).run()
}

#[test]
fn where_the_reserve_cannot_be_written_the_address_is_released() {
    let mut node = node();
    let [address] = with_pods(&mut node, 5);
    on_a_full_disk(node.call("DEL", "c0")).ok();
    assert_eq!((node.counts(), node.reserved_addresses().len()), ([0, 0, 1, 0], 0), "{}", node.scene());
    assert!(node.on_eni().contains(&address));
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn an_entry_goes_before_its_address_is_sent_and_those_of_others_stay() {
    let mut node = node();
    let [kept, released] = with_pods(&mut node, 1);
    node.del("c0").ok();
    enter(&node, kept, released);
    node.set("reserve", 0);
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::StallAfter));
    let del = node.call("DEL", "c1").start();
    eventually("the request is sent", || unassigned(&node) == 1);
    assert_eq!(node.reserved_addresses(), BTreeSet::from([kept]), "{}", node.scene());
    del.kill();
    assert_eq!(node.on_eni(), BTreeSet::from([kept]));
    // The next one finds out that it is gone.
    let _ = node.operator(&["flush"]);
    assert_eq!(node.counts(), [0, 0, 0, 0], "{}", node.scene());
}

#[test]
fn a_release_that_ends_because_a_pod_has_the_address_leaves_that_pod_alone() {
    let mut node = node();
    let [kept, used] = with_pods(&mut node, 1);
    node.del("c0").ok();
    enter(&node, kept, used);
    // A release that comes back from a backup.
    let active = node.store().join("active");
    let record = fs::read_dir(&active)
        .unwrap()
        .flatten()
        .find(|it| it.file_name().to_string_lossy().starts_with("c1"));
    fs::copy(
        record.unwrap().path(),
        node.store().join("releasing/c1-0123.2026-11-26T00:00:00Z.4f1c4f1c4f1c4f1c"),
    )
    .unwrap();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((unassigned(&node), node.counts()[2]), (0, 0), "{}", node.scene());
    assert!(node.on_eni().contains(&used) && node.log().contains("is not released, because c1/eth0 uses it"));
}

#[test]
fn with_the_eni_all_its_entries_end() {
    let mut node = node();
    let _: [IpAddr; 3] = with_pods(&mut node, 2);
    node.del("c0").ok();
    node.del("c1").ok();
    node.cloud.with_world(|world| world.enis.remove(Node::ENI));
    node.set("reserve", 0);
    node.del("c2").ok();
    assert_eq!((node.counts(), node.reserved_addresses().len()), ([0, 0, 0, 0], 0), "{}", node.scene());
}

/// A node with an address in the reserve, and an ADD of `c1` that was killed when ECS had given it another one.
fn with_a_killed_add() -> (Node, IpAddr) {
    let mut node = node();
    let [kept] = with_pods(&mut node, 1);
    node.del("c0").ok();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c1").start();
    eventually("the address is assigned", || node.on_eni().len() == 2);
    add.kill();
    (node, kept)
}

#[test]
fn an_entry_explains_what_a_request_in_doubt_has_brought() {
    let (mut node, kept) = with_a_killed_add();
    let brought = *node.on_eni().iter().find(|it| **it != kept).unwrap();
    // As an ADD leaves it that shared its request: killed after the entry was durable.
    enter(&node, kept, brought);
    node.set("reserve", 5);
    node.del("c1").ok();
    assert_eq!((node.on_eni().len(), node.reserved_addresses().len()), (2, 2), "{}", node.scene());
    assert_eq!((unassigned(&node), node.counts()), (0, [0, 0, 0, 0]), "{}", node.scene());
}

#[test]
fn of_a_request_in_doubt_only_what_nothing_names_is_released() {
    let (mut node, kept) = with_a_killed_add();
    node.set("reserve", 5);
    node.del("c1").ok();
    assert_eq!(
        (node.on_eni(), node.reserved_addresses()),
        (BTreeSet::from([kept]), BTreeSet::from([kept])),
        "{}",
        node.scene()
    );
    assert_eq!(node.counts(), [0, 0, 0, 0], "{}", node.scene());
}

#[test]
fn a_description_without_anything_unexplained_ends_a_request_beside_the_reserve() {
    let mut node = node();
    let _: [IpAddr; 2] = with_pods(&mut node, 5);
    node.del("c0").ok();
    node.del("c1").ok();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::Stall));
    let add = node.call("ADD", "c2").start();
    eventually("the request is sent", || node.cloud.count(ASSIGN) == 1);
    add.kill();
    node.let_time_pass(Duration::from_mins(3));
    node.cloud.clear_ledger();
    let _ = node.operator(&["flush"]);
    assert_eq!((node.cloud.count(ASSIGN), node.counts()), (0, [0, 0, 0, 0]), "{}", node.scene());
    assert_eq!(node.reserved_addresses().len(), 2, "{}", node.scene());
}
