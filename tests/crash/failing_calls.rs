//! Every call to a file or directory fails once, in each of the ways in which such a call can fail.
//!
//! Whatever fails, the plugin says so in one document with a code, or succeeds because it could do without; nothing is lost,
//! and the next call, of which nothing fails, recovers.

pub(crate) mod lasting;

use std::collections::BTreeSet;

use harness::Node;

use crate::aftermath;
use crate::checks::guarded;
use crate::moment::Moment;
use crate::outcome;
use crate::scenario::{At, Scenario, Verb};
use crate::situations::in_every_situation;
use crate::tracer::{self, SystemCall, Tracing};

/// How calls fail: the disk is full, the disk is broken, something denies access, the process has too many files open, the
/// kernel has no memory for another lock.
const FAILURES: [(&str, &[&str]); 22] = [
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
    ("bind", &["error=ENOMEM"]),
    ("setsockopt", &["error=ENOBUFS", "error=ENOPROTOOPT"]),
    ("sendto", &["error=ENOBUFS", "error=EPERM"]),
    ("sendmsg", &["error=ENOBUFS", "error=EPERM"]),
    ("recvfrom", &["error=ENOBUFS", "error=ENOMEM"]),
    ("recvmsg", &["error=ENOBUFS", "error=ENOMEM"]),
];

/// The calls that concern a socket.
pub(crate) const ON_SOCKETS: [&str; 7] =
    ["socket", "bind", "setsockopt", "sendto", "sendmsg", "recvfrom", "recvmsg"];

/// Has each of the scenario's calls fail.
pub(crate) fn survives(scenario: &Scenario) {
    let node = scenario.node();
    let start = Moment::of(&node);
    let calls = scenario.system_calls(&node, &start);
    let (mut survived, mut succeeded, mut states, mut unreached) = (0, 0, BTreeSet::new(), Vec::new());
    let failing = scenario.chosen(failing(&calls, scenario.costly));
    for (SystemCall { name, nth, text }, effect) in failing.clone() {
        start.restore(&node);
        let _at = At(format!("{}, {effect} at {text}", scenario.name));
        let tracing = Tracing::Inject { name, nth, effect };
        let answer = guarded(&node, scenario.given_up, || scenario.trace(&node, &tracing));
        let Some(failed) = tracer::failed(&tracer::trace_of(&node)) else {
            unreached.push(text);
            continue;
        };
        survived += 1;
        if answer.status() == 0 {
            succeeded += 1;
            outcome::has_done(&node, scenario.verb, &answer);
        } else {
            outcome::has_said(scenario.verb, &failed, &answer);
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
    assert!(
        survived * 10 >= failing.len() * 9,
        "only {survived} of {} calls were reached, and not {unreached:#?}",
        failing.len()
    );
}

/// The calls that are to fail, and how: each in every way, or in one, in turn. What comes before the configuration is read is
/// the loader's and the runtime library's.
pub(crate) fn failing(calls: &[SystemCall], in_one_way: bool) -> Vec<(SystemCall, &'static str)> {
    // A situation that begins later has that behind it.
    let begin = calls.iter().position(own).unwrap_or_default();
    let (mut failing, mut to_kernel) = (Vec::new(), BTreeSet::new());
    for (index, call) in calls.iter().enumerate() {
        let concerns_sockets = ON_SOCKETS.contains(&call.name.as_str());
        let of_a_server = concerns_sockets && !is_to_kernel(&mut to_kernel, call);
        if index < begin || of_a_server {
            continue;
        }
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

/// Whether a call speaks to the kernel's network; what a server is told and answers has tests of its own.
fn is_to_kernel(sockets: &mut BTreeSet<String>, call: &SystemCall) -> bool {
    let Some((_, arguments)) = call.text.split_once('(') else { return false };
    let Some(first) = arguments.split([',', ')']).next() else { return false };
    if call.name != "socket" {
        return sockets.contains(first);
    }
    let Some((_, handle)) = call.text.rsplit_once(" = ") else { return true };
    if first == "AF_NETLINK" {
        sockets.insert(handle.trim().to_owned());
    } else {
        sockets.remove(handle.trim());
    }
    true
}

/// Whether the plugin reads its configuration, with which its own calls begin.
fn own(call: &SystemCall) -> bool {
    call.text.starts_with("read(0,") || (call.name == "openat" && call.text.contains("pods.conflist"))
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

in_every_situation! {}
