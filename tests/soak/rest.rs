//! How a soak comes to rest: the faults stop, a few calls follow, and what can be done is done.
//!
//! The bounds are in calls, and do not depend on what has happened. A `flush` asks for every release again, however earlier
//! attempts ended, and goes on until nothing is left that may be asked for; a GC makes a release of everything that no living
//! pod has, and does the same. So after these two only what is in doubt waits, for a moment that its file names. When that has
//! passed, one more `flush` ends the requests in doubt, and releases what they had brought.
//!
//! Where nobody calls `flush`, pods that come and go do the work. Each of their calls does at least one request's worth of what
//! is left, and a request's worth is at least one address, or one request in doubt, which can bring one more address: so an ADD
//! and a DEL for each of them are enough.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use harness::Node;
use serde_json::{Value, json};

use crate::books::{Books, Entry};
use crate::pods::{Pods, add, del, gc_of_each_network};
use crate::repair::{lose_store, take_off};
use crate::report::{Broken, Reports};
use crate::watch::look_at_reserve;

/// A call that nothing disturbs does not meet its deadline, on however slow a machine.
const PATIENT: u64 = 120;

/// What happens when the faults have stopped.
#[derive(Clone, Copy)]
pub(crate) enum Rest {
    /// What is in doubt goes on to be so in the next phase.
    Short,
    /// Time passes, and one more call ends what was in doubt.
    Long,
    /// Time passes, and other pods come and go before anybody calls `flush`.
    PassersBy,
}

/// Lets the faults stop and late requests arrive, makes the calls, and looks.
pub(crate) fn come_to_rest(node: &mut Node, pods: &Pods, reports: &Reports<'_>, rest: Rest) {
    node.cloud.clear_faults();
    node.cloud.set_description_lag(Node::ENI, Duration::ZERO);
    node.cloud.wait_until_idle().expect("the simulator is there");
    look_for_late_thefts(node, pods, reports);
    node.set("timeoutSeconds", PATIENT);
    if matches!(rest, Rest::PassersBy) {
        node.let_time_pass(Node::NOTHING_WAITS);
        pass_by(node, pods);
        look_that_nothing_releases(node, reports);
    }
    let _ = node.operator(&["flush"]);
    call_gc(node, pods);
    look(node, pods, reports);
    if matches!(rest, Rest::Long) {
        node.let_time_pass(Node::NOTHING_WAITS);
        let _ = node.operator(&["flush"]);
        look_that_nothing_is_left(node, pods, reports);
        // Only now is nothing in doubt that the store alone knows of.
        if !reports.any() {
            lose_store(node, pods, reports);
            take_off(node, pods, reports);
            look_that_nothing_is_left(node, pods, reports);
        }
    }
    pods.look_at_living(node, reports);
    look_for_last_guards(node, pods, reports);
    // What a hundred thousand operations have done helps nobody to see what the last ones did.
    if !reports.any() {
        node.cloud.clear_ledger();
        fs::write(node.directory().join("log"), "").expect("the log can be emptied");
    }
}

/// Every call has ended: whoever has an address in use lives, or its ADD was killed and nobody has called DEL.
fn look_for_late_thefts(node: &Node, pods: &Pods, reports: &Reports<'_>) {
    pods.look_at_living(node, reports);
    let live: Vec<String> = pods.live().keys().cloned().collect();
    for record in &Books::read(node).active {
        let container = container_of(record);
        if !live.contains(&container) && !pods.is_forgotten(&container) {
            reports.report(
                Broken::Loss,
                format!("{container} was deleted, and still has what {} says", record.text),
            );
        }
    }
}

/// A release that names what a pod has in use is stopped by the last of several guards, which says so. Only what comes back from
/// a backup may get that far.
fn look_for_last_guards(node: &Node, pods: &Pods, reports: &Reports<'_>) {
    let log = node.log();
    let stopped =
        log.lines().filter_map(|line| line.split_once(" is not released, because ").map(|it| (line, it.1)));
    let users = stopped.filter_map(|(line, user)| user.split_once('/').map(|it| (line, it.0)));
    for (line, _) in users.filter(|(_, container)| !pods.is_restored(container)) {
        reports.report(Broken::Theft, format!("only the last guard stopped a release: {line}"));
    }
}

/// What a runtime does from time to time. It knows the pods that live.
fn call_gc(node: &Node, pods: &Pods) {
    let valid: Vec<Value> =
        pods.live().keys().map(|id| json!({"containerID": id, "ifname": "eth0"})).collect();
    let name_valid = |config: &mut Value| config["cni.dev/valid-attachments"] = json!(valid);
    for call in gc_of_each_network(node) {
        // What it could not release at once, it reports.
        let _ = call.config(name_valid).run();
    }
    pods.forget_nobody();
}

/// Pods come and go, as many as there are addresses and requests in doubt to be released, and killed ADDs.
fn pass_by(node: &Node, pods: &Pods) {
    // One more, because what the last one has found out of a request is released by the next.
    for _ in 0..=node.left_behind() {
        let container = pods.name();
        let _ = add(node, &container);
        del(node, &container).ok();
    }
}

/// What is not in doubt is done.
fn look(node: &Node, pods: &Pods, reports: &Reports<'_>) {
    let live: BTreeSet<_> = pods.live().values().copied().collect();
    let books = Books::read_at_once(node);
    for address in node.on_eni().into_iter().filter(|it| !books.name(*it) && !books.explain(node, *it)) {
        reports.report(Broken::Loss, format!("{address} stays on the ENI, and no file names it"));
    }
    look_at_reserve(node, &books, reports);
    for record in books.active.iter().filter(|record| !live.iter().any(|it| record.names(*it))) {
        reports.report(Broken::Stall, format!("nobody releases what {} names", record.text));
    }
    for intent in &books.assigning {
        reports.report(Broken::Stall, format!("nobody ends the ADD of {}", intent.name));
    }
    for release in node.overdue() {
        reports.report(Broken::Stall, format!("nothing is in doubt of a release that stays: {release}"));
    }
}

/// The ENI has what living pods have and what the reserve keeps, and the store names nothing else.
fn look_that_nothing_is_left(node: &Node, pods: &Pods, reports: &Reports<'_>) {
    look(node, pods, reports);
    look_that_nothing_releases(node, reports);
    let live: BTreeSet<_> = pods.live().values().copied().collect();
    let reserved = Books::read_at_once(node).on_offer();
    let most = node.ipam.get("reserve").and_then(Value::as_u64).unwrap_or_default();
    if reserved.len() as u64 > most {
        reports.report(Broken::Stall, format!("{reserved:?} is kept in reserve, and {most} should be"));
    }
    for address in node.on_eni().difference(&live).filter(|it| !reserved.contains(it)) {
        reports.report(Broken::Loss, format!("{address} stays on the ENI, and no pod has it"));
    }
}

fn look_that_nothing_releases(node: &Node, reports: &Reports<'_>) {
    for release in Books::read(node).releasing {
        reports.report(Broken::Stall, format!("a release stays: {}", release.text));
    }
    for intent in &Books::read(node).assigning {
        reports.report(Broken::Stall, format!("nobody ends the ADD of {}", intent.name));
    }
}

fn container_of(record: &Entry) -> String {
    let record: Value = serde_json::from_str(&record.text).unwrap_or_default();
    record["allocation"]["owner"]["containerId"].as_str().unwrap_or_default().to_owned()
}
