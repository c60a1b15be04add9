//! What goes on around a call while it runs: nothing, or what others do to it at the moment at which it matters.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Answer, Calling, Effect, Fault, HANGS, Node, Running};
use serde_json::json;

use crate::outcome;
use crate::scenario::POD;
use crate::tracer::{Tracing, trace_of};

pub(crate) const ASSIGN: &str = "AssignPrivateIpAddresses";
pub(crate) const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Makes the call, with all that goes on around it, and returns its answer when all of that is over.
pub(crate) type Course = for<'a> fn(&'a Node, Calling<'a>) -> Answer;

/// The pod that comes after all.
pub(crate) const NEXT: &str = "next";

/// The pods that come while another one waits.
const WAITING: [&str; 2] = ["first", "second"];

pub(crate) fn alone(_: &Node, call: Calling<'_>) -> Answer {
    call.run()
}

/// Nobody reads what the call answers.
pub(crate) fn unread(_: &Node, call: Calling<'_>) -> Answer {
    call.run_unread()
}

/// Somebody else holds the ENI's lock until the call, which is traced, has tried to take it.
pub(crate) fn behind_a_lock(node: &Node, call: Calling<'_>) -> Answer {
    let trace = trace_of(node);
    let _ = fs::remove_file(&trace);
    let held = eni_lock(node);
    let mut running = call.start();
    wait_until("the ENI's lock is tried", || !running.is_running() || has_tried_lock(&trace));
    drop(held);
    running.wait()
}

/// The ADDs of two other pods come while the call, which is an ADD, waits for the ENI's lock, and wait behind it: it asks for them,
/// too. If it dies they help themselves.
pub(crate) fn with_others_waiting(node: &Node, call: Calling<'_>) -> Answer {
    let trace = trace_of(node);
    let _ = fs::remove_file(&trace);
    let held = eni_lock(node);
    let mut running = call.start();
    wait_until("the ENI's lock is tried", || !running.is_running() || has_tried_lock(&trace));
    let others = WAITING.map(|pod| waiting(node, pod));
    drop(held);
    let answer = running.wait();
    for other in others {
        let _ = other.wait().address();
    }
    answer
}

/// The call, which is an ADD, comes while another pod's ADD waits for the ENI's lock: that one asks for both, unless the call fails to
/// say what it waits for.
pub(crate) fn behind_another(node: &Node, call: Calling<'_>) -> Answer {
    let trace = trace_of(node);
    let _ = fs::remove_file(&trace);
    let held = eni_lock(node);
    let other = waiting(node, WAITING[0]);
    let mut running = call.start();
    wait_until("the ADD waits", || {
        !running.is_running() || waits(node, POD) || cannot_say_what_it_waits_for(&trace)
    });
    drop(held);
    let answer = running.wait();
    let _ = other.wait().address();
    answer
}

/// Has the ADDs of these pods killed while they wait for the ENI's lock.
pub(crate) fn kill_while_they_wait(node: &mut Node, pods: [&str; 2]) {
    let timeout = node.ipam["timeoutSeconds"].clone();
    // They count as long as they have time.
    node.set("timeoutSeconds", 120);
    let held = eni_lock(node);
    for pod in pods {
        waiting(node, pod).kill();
    }
    drop(held);
    node.set("timeoutSeconds", timeout);
}

/// An ADD that waits for the ENI's lock, and says what for.
fn waiting<'a>(node: &'a Node, pod: &str) -> Running<'a> {
    let mut running = node.call("ADD", pod).start();
    wait_until("the ADD waits", || !running.is_running() || waits(node, pod));
    running
}

/// Whether the intent of the pod's ADD says what it waits for.
fn waits(node: &Node, pod: &str) -> bool {
    let intents = fs::read_dir(node.store().join("assigning")).into_iter().flatten().flatten();
    let of_pod = |name: &str| name.strip_prefix(pod).is_some_and(|rest| rest.starts_with('-'));
    let mut own = intents.filter(|it| it.file_name().to_str().is_some_and(of_pod));
    own.any(|it| fs::read_to_string(it.path()).is_ok_and(|content| content.contains("\"waits\"")))
}

/// Whether a traced call was kept from writing what it waits for.
fn cannot_say_what_it_waits_for(trace: &Path) -> bool {
    let is_it = |line: &str| line.contains("waits") && line.contains("INJECTED");
    fs::read_to_string(trace).is_ok_and(|it| it.lines().any(is_it))
}

/// Whether a traced call has found a lock taken.
fn has_tried_lock(trace: &Path) -> bool {
    fs::read_to_string(trace).is_ok_and(|it| it.contains("EAGAIN (Resource temp"))
}

/// The pod's ADD is alive when the call comes, which is a DEL: it waits for ECS, which answers when the DEL is over.
pub(crate) fn while_the_pods_add_lives(node: &Node, call: Calling<'_>) -> Answer {
    around_an_add(node, call, || false)
}

/// The same with a DEL that waits for the ADD's end. ECS answers when it does.
pub(crate) fn waiting_for_the_pods_add(node: &Node, call: Calling<'_>) -> Answer {
    around_an_add(node, call, || is_marked(node))
}

fn around_an_add(node: &Node, call: Calling<'_>, waits: impl Fn() -> bool) -> Answer {
    let asked = node.cloud.count(ASSIGN);
    node.cloud.hold(ASSIGN);
    let add = node.call("ADD", POD).start();
    wait_until("the ADD asks", || node.cloud.count(ASSIGN) > asked);
    let mut running = call.start();
    wait_until("the DEL is over or waits", || !running.is_running() || waits());
    node.cloud.let_go();
    let answer = running.wait();
    let _ = add.wait();
    if answer.status() == 0 {
        outcome::has_nothing(node, &answer);
    }
    answer
}

/// The pod's DEL comes while the call, which is an ADD, waits for ECS. If the ADD is dead by then, it is any DEL.
pub(crate) fn with_the_pods_del(node: &Node, call: Calling<'_>) -> Answer {
    around_a_del(node, call, node.call("DEL", POD))
}

/// The same with a DEL that waits for the ADD's end, and for the release of what it got.
pub(crate) fn with_the_pods_waiting_del(node: &Node, call: Calling<'_>) -> Answer {
    around_a_del(node, call, waiting_del(node))
}

/// The DEL of a runtime that is to be told when the release has failed.
pub(crate) fn waiting_del(node: &Node) -> Calling<'_> {
    node.call("DEL", POD).config(|config| config["ipam"]["onReleaseFailure"] = json!("fail"))
}

fn around_a_del(node: &Node, call: Calling<'_>, del: Calling<'_>) -> Answer {
    let asked = node.cloud.count(ASSIGN);
    node.cloud.hold(ASSIGN);
    let mut add = call.start();
    wait_until("the ADD asks", || !add.is_running() || node.cloud.count(ASSIGN) > asked);
    let mut del = del.start();
    wait_until("the DEL has come", || !del.is_running() || !add.is_running() || is_marked(node));
    node.cloud.let_go();
    let del = del.wait();
    del.ok();
    let answer = add.wait();
    outcome::has_nothing(node, &del);
    answer
}

/// The call's request to release arrives when its address may be another pod's: after the pod's next DEL, and after another
/// pod's ADD.
pub(crate) fn with_its_release_late(node: &Node, call: Calling<'_>) -> Answer {
    next_is_late(node, UNASSIGN);
    let answer = call.run();
    node.cloud.clear_faults();
    node.del(POD).ok();
    let _ = node.add(NEXT).address();
    node.cloud.let_go();
    answer
}

/// The same for the request of a DEL that was killed before this call.
pub(crate) fn with_an_earlier_release_late(node: &Node, call: Calling<'_>) -> Answer {
    next_is_late(node, UNASSIGN);
    killed_while_late(node, node.call("DEL", "first"));
    let answer = call.run();
    node.del(POD).ok();
    for pod in ["second", NEXT] {
        let _ = node.add(pod).address();
    }
    node.cloud.let_go();
    answer
}

/// The call's request to assign arrives when nobody waits for it any more: after the DEL of a pod that got nothing, and when
/// there is room on the ENI, if there was none.
pub(crate) fn with_its_assignment_late(node: &Node, call: Calling<'_>) -> Answer {
    next_is_late(node, ASSIGN);
    let answer = call.run();
    node.cloud.clear_faults();
    if answer.status() != 0 {
        node.del(POD).ok();
    }
    node.cloud.with_world(|world| world.quota.ipv4 = 20);
    node.cloud.let_go();
    answer
}

/// The next request of this action acts when all are let go; its connection is closed at once.
fn next_is_late(node: &Node, action: &str) {
    node.cloud.inject(Fault::on(action).times(1).effect(Effect::Late(Duration::ZERO)));
    node.cloud.hold_late();
}

/// Kills a DEL whose request has arrived.
fn killed_while_late(node: &Node, call: Calling<'_>) {
    let answer = Tracing::kill("recvfrom", 1).apply(call, &trace_of(node)).run();
    if answer.status() != -1 {
        answer.fail("a kill");
    }
    wait_until("the request has arrived", || node.cloud.count(UNASSIGN) > 0);
}

/// Whether a DEL has left its mark in the intent of the only ADD.
pub(crate) fn is_marked(node: &Node) -> bool {
    let intents = fs::read_dir(node.store().join("assigning")).into_iter().flatten().flatten();
    let mut contents = intents.filter_map(|it| fs::read_to_string(it.path()).ok());
    contents.any(|content| content.contains("\"deleted\""))
}

/// Holds the lock of the node's ENI.
fn eni_lock(node: &Node) -> File {
    let path = node.store().join("eni").join(format!("{}.lock", Node::ENI));
    let file = OpenOptions::new().write(true).open(path).expect("an earlier call has made it");
    file.try_lock().expect("nobody else holds it");
    file
}

/// Waits for what another process is about to do.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANGS, "it never came to be: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
