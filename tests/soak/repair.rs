//! What a person does when the books are wrong: the store was lost, or somebody has unassigned what a pod has.

use std::fs;
use std::thread;
use std::time::Duration;

use harness::{Effect, Fault, Node};

use crate::ASSIGN;
use crate::pods::{Pods, del};
use crate::report::{Broken, Reports};

/// The store is lost while pods live. `reconcile --adopt` records them again while another pod begins and one ends. What the one
/// that ended had is an orphan if its DEL came first.
pub(crate) fn lose_store(node: &Node, pods: &Pods, reports: &Reports<'_>) {
    let live = pods.live().clone();
    let Some((ending, _)) = live.first_key_value() else { return };
    for (container, address) in &live {
        node.cache(container, &[*address]);
    }
    fs::remove_dir_all(node.store()).expect("the store can be removed");
    let beginning = pods.name();
    thread::scope(|scope| {
        scope.spawn(|| drop(node.operator(&["reconcile", "--adopt"])));
        scope.spawn(|| {
            pods.let_end(ending);
            node.del_pod(ending).ok();
            del(node, ending).ok();
        });
        pods.take(reports, &beginning, &node.add_pod(&beginning));
    });
    pods.look_at_living(node, reports);
    let _ = node.operator(&["reconcile", "--adopt"]);
    let answer = node.operator(&["reconcile", "--release-orphans", "--yes"]);
    if answer.status() != 0 {
        reports.report(Broken::Stall, format!("a lost store leaves something: {}", answer.stdout()));
    }
    for container in live.keys().chain([&beginning]) {
        node.forget_pod(container);
    }
}

/// Somebody unassigns what a pod has, and `reconcile --restore` gets it back, whatever happens to its request.
pub(crate) fn take_off(node: &Node, pods: &Pods, reports: &Reports<'_>) {
    let live = pods.live().clone();
    let Some((container, address)) = live.first_key_value() else { return };
    node.let_time_pass(Node::NOTHING_WAITS);
    node.cloud.unassign(Node::ENI, *address);
    let effects = [Effect::DropAfter, Effect::DropBefore, Effect::Late(Duration::from_millis(100))];
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(effects[live.len() % effects.len()].clone()));
    let _ = node.operator(&["reconcile", "--restore"]);
    node.cloud.clear_faults();
    node.cloud.wait_until_idle().expect("the simulator is there");
    node.let_time_pass(Node::NOTHING_WAITS);
    let answer = node.operator(&["reconcile", "--restore"]);
    if answer.status() != 0 || !node.on_eni().contains(address) {
        reports
            .report(Broken::Theft, format!("{container} does not get {address} back: {}", answer.stdout()));
    }
}
