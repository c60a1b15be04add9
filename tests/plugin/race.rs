//! ADDs and DELs of the same attachment that cross, and runtimes that give up.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use harness::{Effect, Fault, Node, Running};

use crate::{eventually, node};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn slow_assign(node: &Node) {
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::DelayAnswer(Duration::from_millis(500))));
}

#[test]
fn an_add_that_a_del_overtakes_gives_back_what_it_got() {
    let node = node();
    slow_assign(&node);
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    node.del("c0").ok();
    let _ = add.wait().error(11);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn with_fail_a_del_that_overtakes_an_add_waits_for_what_becomes_of_it() {
    let node = node().with("onReleaseFailure", "fail");
    slow_assign(&node);
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    node.del("c0").ok();
    assert!(node.on_eni().is_empty(), "{}", node.scene());
    let _ = add.wait().error(11);
}

#[test]
fn an_add_whose_runtime_has_given_up_undoes_itself() {
    let node = node();
    slow_assign(&node);
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    assert!(!add.give_up().join().unwrap().success());
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_repeated_add_that_nobody_reads_does_not_take_the_address_away() {
    let node = node();
    let address = node.add("c0").address();
    assert_ne!(node.call("ADD", "c0").run_unread().status(), 0);
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn an_add_that_nobody_reads_does_not_take_away_what_a_later_one_got() {
    let node = node();
    let (reader, mut writer) = io::pipe().unwrap();
    // So full that the plugin waits when it prints its result.
    writer.write_all(&vec![b' '; 64 << 10]).unwrap();
    thread::scope(|scope| {
        let slow = scope.spawn(|| node.call("ADD", "c0").run_into(writer));
        eventually("the first ADD has its address", || node.counts() == [0, 1, 0, 0]);
        node.del("c0").ok();
        let address = node.add("c0").address();
        drop(reader);
        assert_ne!(slow.join().unwrap().status(), 0);
        assert_eq!(node.on_eni(), BTreeSet::from([address]), "{}", node.scene());
    });
    assert_eq!(node.counts(), [0, 1, 0, 0], "{}", node.scene());
}

#[test]
fn two_adds_of_one_attachment_at_once_do_not_get_two_addresses() {
    let node = node();
    slow_assign(&node);
    let first = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    let _ = node.add("c0").error(11);
    let address = first.wait().address();
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
}

#[test]
fn what_a_killed_add_was_given_is_released_by_its_del() {
    let node = node();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

/// An ADD of `container` that has its address and waits for the store's lock, which the caller holds, to record it.
fn add_before_its_record<'a>(node: &'a Node, container: &str) -> (Running<'a>, PathBuf) {
    let add = node.call("ADD", container).start();
    let intents = || fs::read_dir(node.store().join("assigning")).unwrap().flatten().map(|it| it.path());
    let mut found = None;
    eventually("the ADD has noted its answer", || {
        let is_noted = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|it| it.contains("\"answered\""));
        found = intents().find(is_noted);
        found.is_some()
    });
    (add, found.unwrap())
}

fn lock_store(node: &Node) -> fs::File {
    let lock = fs::File::open(node.store().join("lock")).unwrap();
    lock.lock().unwrap();
    lock
}

#[test]
fn an_answer_that_a_killed_add_had_read_needs_no_repetition() {
    let node = node().with("onReleaseFailure", "fail");
    let kept = node.add("c0").address();
    let lock = lock_store(&node);
    let (add, _) = add_before_its_record(&node, "c1");
    add.kill();
    drop(lock);
    // The request cannot be repeated now: the account is over its share, or may not assign any more.
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("Forbidden.RAM")));
    assert_eq!(node.recorded(), node.on_eni(), "{}", node.scene());
    node.del("c1").ok();
    assert_eq!(node.on_eni(), BTreeSet::from([kept]), "{}", node.scene());
    assert_eq!((node.cloud.count(ASSIGN), node.counts()), (2, [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn the_answer_of_an_add_that_was_killed_after_its_commit_takes_nothing_from_the_pod() {
    let node = node();
    let _ = node.add("c0").address();
    let lock = lock_store(&node);
    let (add, intent) = add_before_its_record(&node, "c1");
    let noted = fs::read(&intent).unwrap();
    drop(lock);
    let address = add.wait().address();
    // As if it had been killed before it removed its intent.
    fs::write(&intent, noted).unwrap();
    fs::set_permissions(&intent, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().contains(&address), "{}", node.scene());
    // Its request was answered, and is not repeated.
    assert_eq!((node.cloud.count(ASSIGN), node.counts()), (2, [0, 2, 0, 0]), "{}", node.scene());
    node.del("c1").ok();
    assert!(!node.on_eni().contains(&address), "{}", node.scene());
}

#[test]
fn an_add_after_a_killed_one_of_the_same_attachment_leaves_one_address() {
    let node = node();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c0").start();
    eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
    let _ = node.add("c0").address();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!(node.on_eni(), node.recorded());
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_brings_the_same_address() {
    for effect in [Effect::DropAfter, Effect::DropBefore, Effect::Html502AfterActing] {
        let node = node();
        node.cloud.inject(Fault::on(ASSIGN).times(1).effect(effect));
        let address = node.add("c0").address();
        assert_eq!(node.on_eni(), BTreeSet::from([address]));
    }
}

#[test]
fn an_add_that_never_sees_an_answer_leaves_a_record_that_leads_to_the_address() {
    let node = node().with("timeoutSeconds", 3);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::DropAfter));
    let _ = node.add("c0").error(11);
    assert_eq!(node.on_eni().len(), 1);
    assert_eq!(node.counts(), [0, 0, 1, 0]);
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn an_eni_that_is_full_is_relieved_of_what_is_releasing_before_an_add_fails() {
    let mut node = node().with("timeoutSeconds", 1);
    node.cloud.with_world(|world| world.quota.ipv4 = 2);
    let _ = node.add("c0").address();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.del("c0").ok();
    node.cloud.clear_faults();
    node.set("timeoutSeconds", 10);
    // The failed release is not to be repeated before its time, full or not.
    let text = node.add("c1").error(112);
    assert!(text.contains(Node::ENI), "{text}");
    assert_eq!(node.operator(&["flush"]).status(), 0);
    let _ = node.add("c1").address();
}

#[test]
fn where_one_family_fails_the_other_is_given_back() {
    let node = node().with("ipv6", true).with("timeoutSeconds", 3);
    node.cloud
        .inject(Fault::on("AssignIpv6Addresses").effect(Effect::code("InvalidOperation.Ipv6CountExceeded")));
    let _ = node.add("c0").error(112);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_request_that_is_carried_out_after_its_repetition_was_refused_is_not_lost() {
    let node = node().with("timeoutSeconds", 2);
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::Late(Duration::from_secs(4))));
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    let _ = node.add("c0").error(112);
    node.cloud.clear_faults();
    eventually("the late request is carried out", || !node.on_eni().is_empty());
    assert_eq!(node.counts(), [0, 0, 1, 0], "{}", node.scene());
    // The time in which that could have happened passes.
    let directory = node.store().join("releasing");
    let file = std::fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    record["release"]["notBefore"] = serde_json::Value::Null;
    record["release"]["unanswered"][0]["openUntil"] = "2026-01-01T00:00:00.000Z".into();
    std::fs::write(&file, record.to_string()).unwrap();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn an_add_waits_for_the_answer_to_its_own_request_that_ecs_is_still_busy_with() {
    for code in ["LastTokenProcessing", "Operation.Conflict"] {
        let node = node();
        node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::DropAfter));
        node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::code(code)));
        let address = node.add("c0").address();
        node.expect_in_use([address]);
    }
}
