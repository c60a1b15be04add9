//! Many ADDs and DELs for a while, against a cloud that fails at random, with processes that are killed at random. What
//! must hold, holds throughout: a live pod has its address, no two pods have the same one, and whenever everything has
//! come to rest, what is on the ENI is what the store names.
//!
//! `SOAK_SECONDS` says how long (5 by default), `SOAK_SEED` repeats the choices of an earlier run, though not how its
//! processes fell between each other.

mod dice;
mod pods;

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, DirEntry};
use std::thread;
use std::time::{Duration, Instant};

use dice::Dice;
use harness::simulator::{AddressPolicy, Entry};
use harness::{Effect, Fault, HANGS, Node, World};
use pods::{Pods, Tally};
use serde_json::{Value, json};

/// How long the chaos lasts before everything comes to rest and is looked at.
const PHASE: Duration = Duration::from_secs(5);

const WORKERS: u64 = 8;

/// A soak of this length is worth the minute that addresses are held back for when nobody knows what became of them.
const PATIENT: Duration = Duration::from_secs(30);

#[test]
fn nothing_is_lost_and_nobody_robbed_while_everything_fails() {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse().ok());
    let length = Duration::from_secs(number("SOAK_SECONDS").unwrap_or(5));
    let seed = number("SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("SOAK_SEED={seed}");

    // Released addresses are handed out again at once, so that a late release would find a new owner.
    let world =
        World::single_node().with_policy(AddressPolicy::LowestFree).with_quota(200, 200).with_seed(seed);
    let node = Node::in_world(env!("CARGO_BIN_EXE_aliyun-eni-ipam"), world)
        .with("timeoutSeconds", 2)
        .with("gcGraceSeconds", 0)
        .with("logLevel", "info");
    let pods = Pods::default();
    let start = Instant::now();
    let mut total = Tally::default();
    let mut phase = 0;
    while phase == 0 || start.elapsed() < length {
        inject_faults(&node);
        let end = Instant::now() + PHASE.min(length);
        thread::scope(|scope| {
            for worker in 0..WORKERS {
                let dice =
                    Dice::new(seed ^ (phase * WORKERS + worker + 1).wrapping_mul(0xd134_2543_de82_ef95));
                let (node, pods) = (&node, &pods);
                scope.spawn(move || pods.trouble(node, dice, end));
            }
        });
        come_to_rest(&node, &pods);
        total += pods.tally();
        phase += 1;
    }
    pods.delete_all(&node);
    if length >= PATIENT {
        finish(&node);
    }
    println!("{total} in {phase} phases of {WORKERS} workers: nothing lost, nobody robbed");
}

fn inject_faults(node: &Node) {
    node.cloud.set_latency(Duration::from_millis(5));
    let (assign, unassign, describe) =
        ("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses", "DescribeNetworkInterfaces");
    let late = Effect::Late(Duration::from_millis(1500));
    for (action, probability, effect) in [
        (unassign, 0.06, Effect::DropBefore),
        (unassign, 0.06, Effect::DropAfter),
        (unassign, 0.04, late.clone()),
        (unassign, 0.04, Effect::Html502AfterActing),
        (unassign, 0.04, Effect::code("ServiceUnavailable")),
        (unassign, 0.03, Effect::code("Operation.Conflict")),
        (assign, 0.06, Effect::DropBefore),
        (assign, 0.06, Effect::DropAfter),
        (assign, 0.03, late),
        (assign, 0.04, Effect::code("InternalError")),
        (describe, 0.10, Effect::Garbage),
    ] {
        node.cloud.inject(Fault::on(action).probability(probability).effect(effect));
    }
}

/// Lets late requests arrive and the cloud recover, settles what is open, and looks whether all is well.
fn come_to_rest(node: &Node, pods: &Pods) {
    node.cloud.clear_faults();
    wait_for_late_requests(node);
    // One flush has two seconds, which may not do for everything.
    let start = Instant::now();
    while unexplained(node) > 0 {
        assert!(start.elapsed() < HANGS, "an address is lost\n{}", node.scene());
        let _ = node.operator(&["flush"]);
    }
    let live = pods.addresses();
    let distinct: BTreeSet<_> = live.iter().copied().collect();
    assert_eq!(distinct.len(), live.len(), "two pods have the same address");
    assert!(distinct.is_subset(&node.on_eni()), "a live pod lost its address\n{}", node.scene());
    assert_eq!(node.counts()[3], 0, "a record was damaged");
}

/// How many addresses the ENI has that neither a record names nor a request whose outcome is still open can explain.
fn unexplained(node: &Node) -> usize {
    let open: usize = fs::read_dir(node.store().join("releasing"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| open_requests(&file))
        .sum();
    let recorded = node.recorded();
    node.on_eni().difference(&recorded).count().saturating_sub(open)
}

fn open_requests(file: &DirEntry) -> usize {
    let record: Value =
        fs::read(file.path()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    record["release"]["unanswered"].as_array().map_or(0, Vec::len)
}

fn wait_for_late_requests(node: &Node) {
    let under_way = |entry: &Entry| entry.ended_ms.is_none();
    let start = Instant::now();
    while node.cloud.ledger().iter().any(under_way) {
        assert!(start.elapsed() < HANGS, "a request never ends");
        thread::sleep(Duration::from_millis(50));
    }
    node.cloud.clear_ledger();
}

/// No pod lives any more. An ADD that was killed when it had done its work, and that no DEL came for, is found by the
/// runtime's GC. Addresses whose old releases could still have been on their way are held back for a minute. Then they go,
/// too.
fn finish(node: &Node) {
    let nothing_is_valid = |config: &mut Value| config["cni.dev/valid-attachments"] = json!([]);
    // What it could not release at once, it has made releasing.
    let _ = node.call("GC", "").config(nothing_is_valid).run();
    let start = Instant::now();
    while node.operator(&["flush"]).status() != 0 {
        assert!(start.elapsed() < HANGS, "a release never happens\n{}", node.scene());
        thread::sleep(Duration::from_secs(1));
    }
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}
