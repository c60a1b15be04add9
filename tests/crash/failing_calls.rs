//! Every call to a file or directory fails once, in each of the ways in which such a call can fail.
//!
//! Whatever fails, the plugin says so in one document with a code, or succeeds because it could do without; nothing is lost,
//! and the next call, of which nothing fails, recovers.

use std::collections::BTreeSet;

use harness::Node;

use crate::aftermath;
use crate::checks::guarded;
use crate::moment::Moment;
use crate::outcome;
use crate::scenario::{self, At, Scenario, Verb};
use crate::tracer::{self, SystemCall, Tracing};

/// How calls fail: the disk is full, the disk is broken, something denies access, the process has too many files open, the
/// kernel has no memory for another lock.
const FAILURES: [(&str, &[&str]); 16] = [
    ("openat", &["error=EMFILE", "error=EACCES", "error=EIO", "error=ENOSPC"]),
    ("read", &["error=EIO"]),
    ("write", &["error=ENOSPC", "error=EIO"]),
    ("fsync", &["error=EIO", "error=ENOSPC"]),
    ("fdatasync", &["error=EIO", "error=ENOSPC"]),
    ("rename", &["error=ENOSPC", "error=EIO", "error=EACCES"]),
    ("linkat", &["error=ENOSPC", "error=EIO", "error=EACCES"]),
    ("link", &["error=ENOSPC", "error=EIO", "error=EACCES"]),
    ("unlink", &["error=EIO", "error=EACCES"]),
    ("mkdir", &["error=ENOSPC", "error=EIO", "error=EACCES"]),
    ("flock", &["error=ENOLCK", "error=EIO"]),
    ("statx", &["error=EIO", "error=EACCES"]),
    ("newfstatat", &["error=EIO"]),
    ("getdents64", &["error=EIO"]),
    ("lseek", &["error=EIO"]),
    ("socket", &["error=EMFILE"]),
];

/// Has each of the scenario's calls fail.
fn survives(scenario: &Scenario) {
    if !tracer::can_trace() {
        return;
    }
    let node = scenario.node();
    let start = Moment::of(&node);
    // From the same files in the same order as all later runs.
    start.restore(&node);
    let calls = scenario.system_calls(&node);
    let (mut survived, mut succeeded, mut states) = (0, 0, BTreeSet::new());
    let failing = tracer::chosen(failing(&calls, scenario.costly));
    for (SystemCall { name, nth, text }, effect) in failing.clone() {
        start.restore(&node);
        let _at = At(format!("{}, {effect} at {text}", scenario.name));
        let tracing = Tracing::Inject { name, nth, effect };
        let answer = guarded(&node, scenario.given_up, || scenario.trace(&node, &tracing));
        if !tracer::has_failed(&tracer::trace_of(&node)) {
            continue;
        }
        survived += 1;
        if answer.status() == 0 {
            succeeded += 1;
            outcome::has_done(&node, scenario.verb, &answer);
        } else {
            outcome::has_said(scenario.verb, &text, &answer);
        }
        // What was left before, to the byte but for times and random names, has been recovered from already.
        if states.insert(Moment::of(&node).digest(&node)) {
            assert_eq!(node.counts()[3], 0, "every record can be read\n{}", node.scene());
            recovers(&node, scenario);
        }
    }
    println!(
        "{}: {survived} of {survived} failing calls survived, {succeeded} of them without an error of the plugin's, \
         {} different states among them, {} not reached",
        scenario.name,
        states.len(),
        failing.len() - survived
    );
    // Waiting, and files in another order, can take a few calls more or less; that most are reached shows that the tracer makes them fail at all.
    assert!(survived * 10 >= failing.len() * 9, "only {survived} of {} calls were reached", failing.len());
}

/// The calls that are to fail, and how: each in every way, or in one, in turn. What comes before the configuration is read is
/// the loader's and the runtime library's.
fn failing(calls: &[SystemCall], in_one_way: bool) -> Vec<(SystemCall, &'static str)> {
    let own = |call: &SystemCall| call.text.starts_with("read(0,") || call.text.contains("pods.conflist");
    // A situation that begins later has that behind it.
    let begin = calls.iter().position(own).unwrap_or_default();
    let mut failing = Vec::new();
    for (index, call) in calls[begin..].iter().enumerate() {
        let effects = FAILURES.iter().find(|(name, _)| *name == call.name).map(|(_, effects)| *effects);
        // A full disk does not keep a file that exists from being opened.
        let possible = |effect: &&str| {
            *effect != "error=ENOSPC" || call.name != "openat" || call.text.contains("O_CREAT")
        };
        let effects: Vec<_> = effects.unwrap_or_default().iter().copied().filter(possible).collect();
        let tried =
            effects.iter().enumerate().filter(|(way, _)| !in_one_way || index % effects.len() == *way);
        failing.extend(tried.map(|(_, effect)| (call.clone(), *effect)));
    }
    failing
}

/// The same call again, and then the pod's end.
fn recovers(node: &Node, scenario: &Scenario) {
    let again = guarded(node, scenario.given_up, || scenario.run(node));
    match scenario.verb {
        Verb::Add | Verb::FailingAdd | Verb::UnreadAdd => drop(again.result()),
        Verb::Del => again.ok(),
        // What failed a moment ago is not tried again at once, and GC says so.
        Verb::Gc | Verb::Command => {}
    }
    aftermath::the_runtime_deletes_the_pod(node);
}

macro_rules! tests {
    ($($name:ident: $scenario:ident,)*) => {
        $(
            #[test]
            fn $name() {
                survives(&scenario::$scenario);
            }
        )*
    };
}

tests! {
    of_the_first_add_on_a_node: FIRST_ADD,
    of_an_add: ADD,
    of_an_add_of_both_families: DUAL_STACK_ADD,
    of_an_add_that_is_given_an_address_whose_release_is_pending: ADD_OF_A_RELEASED_ADDRESS,
    of_an_add_that_makes_up_for_a_failed_release: ADD_THAT_CATCHES_UP,
    of_an_add_after_a_killed_add: ADD_AFTER_A_DEAD_ADD,
    of_an_add_of_a_pod_that_has_its_address: REPEATED_ADD,
    of_a_del: DEL,
    of_a_del_of_both_families: DUAL_STACK_DEL,
    of_a_del_that_releases_for_killed_dels: LEADING_DEL,
    of_a_del_after_a_killed_leader: DEL_AFTER_A_DEAD_LEADER,
    of_a_del_with_an_older_release_pending: DEL_WITH_A_PENDING_RELEASE,
    of_a_del_of_a_killed_add: DEL_OF_A_DEAD_ADD,
    of_a_flush: FLUSH,
    of_a_gc: GC,
    of_a_gc_of_many: GC_OF_MANY,
    of_a_release_by_the_operator: RELEASE,
    of_a_reconcile: RECONCILE,
    of_an_add_whose_result_nobody_reads: UNREAD_ADD,
    of_a_del_of_a_living_add: DEL_OF_A_LIVING_ADD,
    of_a_del_that_waits_for_an_add: DEL_THAT_WAITS_FOR_AN_ADD,
    of_an_add_that_a_del_comes_for: ADD_WITH_A_DEL,
    of_an_add_that_a_del_waits_for: ADD_WITH_A_WAITING_DEL,
    of_an_add_of_both_families_that_a_del_comes_for: DUAL_STACK_ADD_WITH_A_DEL,
    of_a_del_whose_request_is_late: DEL_WHOSE_REQUEST_IS_LATE,
    of_a_del_after_a_late_request: DEL_AFTER_A_LATE_REQUEST,
    of_an_add_whose_request_is_late_on_a_full_eni: ADD_WHOSE_REQUEST_IS_LATE_ON_A_FULL_ENI,
}
