//! Turns at an ENI's lock: who comes first is served first, a flush lets the others in, and waiting costs next to nothing.

use std::fs::{self, File, OpenOptions};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Effect, Fault, Node};

use crate::{eventually, node};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn containers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("c{number}")).collect()
}

/// A node on which so many releases have failed.
fn with_leftovers(mut node: Node, count: usize) -> Node {
    let containers = containers(count);
    for container in &containers {
        let _ = node.add(container).address();
    }
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.set("timeoutSeconds", 1);
    for container in &containers {
        node.del(container).ok();
    }
    node.set("timeoutSeconds", 120);
    node.cloud.clear_faults();
    node
}

/// Holds the lock of the node's ENI, as a call does that waits for ECS.
fn hold_eni(node: &Node) -> File {
    let path = node.store().join("eni").join(format!("{}.lock", Node::ENI));
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.try_lock().unwrap();
    file
}

/// How many system calls have made a thread of the process wait.
fn waits(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let statuses = threads.filter_map(|it| fs::read_to_string(it.path().join("status")).ok());
    let of_one = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim();
        line.parse::<u64>().ok()
    };
    statuses.filter_map(of_one).sum()
}

#[test]
fn an_add_that_comes_while_a_flush_drains_and_dels_wait_gets_its_turn() {
    let node = with_leftovers(node(), 120);
    let deleted = ["d0", "d1", "d2"];
    for container in deleted {
        let _ = node.add(container).address();
    }
    node.cloud.set_latency(Duration::from_millis(300));
    node.cloud.clear_ledger();
    let flush = node.command(&["flush"]).start();
    eventually("the flush asks ECS", || node.cloud.count(UNASSIGN) > 0);
    let dels = deleted.map(|container| node.call("DEL", container).start());
    eventually("the DELs have moved their records", || node.counts()[1] == 0);

    let before = node.cloud.ledger().len();
    let address = node.add("late").address();
    let ledger = node.cloud.ledger();
    let its_own = ledger.iter().position(|entry| entry.action == ASSIGN).unwrap();
    // Each DEL in line has one request, and the flush comes behind the DELs.
    assert!(its_own - before <= deleted.len() + 3, "{} requests came first: {ledger:#?}", its_own - before);

    for del in dels {
        del.wait().ok();
    }
    assert_eq!(flush.wait().status(), 0);
    assert_eq!(node.on_eni(), [address].into(), "{}", node.scene());
}

#[test]
fn adds_that_wait_for_an_eni_are_served_in_the_order_in_which_they_came() {
    let node = node().with("timeoutSeconds", 120);
    let _ = node.add("first").address();
    let held = hold_eni(&node);
    node.cloud.clear_ledger();
    let mut adds = Vec::new();
    // Who wants a particular address asks for it alone.
    let wishes: Vec<IpAddr> = (101..109).map(|last| IpAddr::from([192, 168, 0, last])).collect();
    for (container, wish) in containers(8).iter().zip(&wishes) {
        let add = node.call("ADD", container).env("CNI_ARGS", format!("IP={wish}")).start();
        eventually("the ADD is in line", || node.in_line().contains(&add.pid()));
        adds.push(add);
    }
    drop(held);
    for (add, wish) in adds.into_iter().zip(&wishes) {
        assert_eq!(add.wait().address(), *wish);
    }
    let asked = node.cloud.ledger().into_iter().filter(|entry| entry.action == ASSIGN);
    let addresses: Vec<IpAddr> = asked.flat_map(|entry| entry.addresses).collect();
    // The kernel wakes all who wait, in their order; two that it wakes at once may change places. By chance half of the 28 pairs do.
    let overtaken =
        |(nth, early): (usize, &IpAddr)| addresses[nth..].iter().filter(|late| *late < early).count();
    let inversions: usize = addresses.iter().enumerate().map(overtaken).sum();
    assert!(inversions <= 4, "{addresses:?}");
}

#[test]
fn a_del_that_waits_for_its_turn_wakes_up_a_few_times_a_second() {
    let node = node().with("timeoutSeconds", 120);
    let _ = node.add("c0").address();
    let held = hold_eni(&node);
    let del = node.call("DEL", "c0").start();
    eventually("its record is releasing", || node.counts() == [0, 0, 1, 0]);
    let (before, since) = (waits(del.pid()), Instant::now());
    thread::sleep(Duration::from_secs(3));
    let (woken, tenths) = (waits(del.pid()) - before, since.elapsed().as_millis().div_ceil(100));
    println!("woken {woken} times in {tenths} tenths of a second");
    // It looks ten times a second whether it still has to wait. A poll of the lock would be ten times as often.
    assert!(u128::from(woken) <= 3 * tenths + 10, "woken {woken} times in {tenths} tenths of a second");
    drop(held);
    del.wait().ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_del_whose_record_another_call_releases_does_not_wait_for_its_turn() {
    let node = node().with("timeoutSeconds", 120);
    let _ = node.add("c0").address();
    let held = hold_eni(&node);
    let del = node.call("DEL", "c0").start();
    eventually("its record is releasing", || node.counts() == [0, 0, 1, 0]);
    // As the holder of the lock does when ECS has confirmed.
    for record in fs::read_dir(node.store().join("releasing")).unwrap() {
        fs::remove_file(record.unwrap().path()).unwrap();
    }
    del.wait().ok();
    drop(held);
    assert_eq!(node.cloud.count(UNASSIGN), 0);
}

#[test]
fn a_call_whose_turn_does_not_come_says_how_many_were_before_it() {
    let node = node().with("timeoutSeconds", 120);
    for container in ["c0", "c1"] {
        let _ = node.add(container).address();
    }
    let held = hold_eni(&node);
    let first = node.call("ADD", "first").start();
    eventually("the ADD is in line", || node.in_line().contains(&first.pid()));
    let second = node.call("DEL", "c0").start();
    eventually("the DEL is in line", || node.in_line().contains(&second.pid()));

    let late = |verb, container, on_failure: &str| {
        let call = node.call(verb, container).config(|config| {
            config["ipam"]["timeoutSeconds"] = 1.into();
            config["ipam"]["onReleaseFailure"] = on_failure.into();
        });
        call.run()
    };
    let of_whom = format!("for the lock of {} behind 3 other calls, which wait for ECS to answer", Node::ENI);
    for refused in [late("ADD", "late", "defer").error(11), late("DEL", "c1", "fail").error(11)] {
        assert!(refused.contains(&of_whom) && !refused.contains("fuser"), "{refused}");
    }
    late("DEL", "c1", "defer").ok();
    let log = node.log();
    let is_told = |line: &str| {
        line.contains(": deferred ") && line.contains("error=\"waited") && line.contains(&of_whom)
    };
    assert!(log.lines().any(is_told), "{log}");

    drop(held);
    let _ = first.wait().address();
    second.wait().ok();
}
