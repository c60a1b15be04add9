//! Every call to the kernel's network fails once, and every lock and every look at a file, in one of the ways in which such a call
//! can fail.

use std::collections::BTreeSet;

use crate::failing_calls::{ON_SOCKETS, failing};
use crate::routes::in_every_situation;
use crate::routes::situations::Situation;
use crate::routes::stage::Stage;
use crate::scenario::At;
use crate::tracer::{self, SystemCall, Tracing};

/// The calls that concern files: of the store, of the kernel's settings and of the lock.
const ON_FILES: [&str; 4] = ["flock", "openat", "read", "statx"];

/// Has each of the situation's calls fail.
fn survives(situation: &Situation) {
    Stage::play(situation, |stage, calls| survives_on(&stage, situation, &calls));
}

fn survives_on(stage: &Stage<'_>, situation: &Situation, calls: &[SystemCall]) {
    let (mut survived, mut succeeded, mut states, mut unreached) = (0, 0, BTreeSet::new(), Vec::new());
    let mut failing = failing(calls, true);
    failing.retain(|(call, _)| {
        let to_server = call.text.contains("AF_INET");
        ON_FILES.contains(&call.name.as_str()) || (ON_SOCKETS.contains(&call.name.as_str()) && !to_server)
    });
    let failing = situation.chosen(failing);
    for (SystemCall { name, nth, text }, effect) in failing.clone() {
        let _at = At(format!("{}, {effect} at {text}", situation.name));
        let tracing = Tracing::Inject { name, nth, effect };
        stage.begin();
        let answer = stage.traced(&tracing);
        if tracer::failed(&tracer::trace_of(&stage.node.node)).is_none() {
            unreached.push(text);
            continue;
        }
        survived += 1;
        stage.holds_after_call("failed");
        if answer.status() == 0 {
            succeeded += 1;
            let kernel = stage.node.kernel();
            let log = stage.node.node.log();
            // A DEL and a GC do what they can: what stays goes with the next ADD of the address, GC or `flush`.
            assert!(
                kernel == stage.done || log.contains("ERROR") || log.contains("WARN"),
                "it says that it succeeded, and nothing in the log:\n{}",
                kernel.difference(&stage.done)
            );
        } else if answer.stdout().is_empty() && answer.stderr().is_empty() {
            answer.fail("a reason");
        }
        if states.insert(stage.digest()) {
            stage.goes_on(|| drop(stage.traced(&tracing)));
        }
    }
    println!(
        "{}: {survived} of {survived} failing calls survived, {succeeded} of them without an error of the plugin's, \
         {} different states among them, {} not reached",
        situation.name,
        states.len(),
        failing.len() - survived
    );
    assert!(
        survived * 10 >= failing.len() * 9,
        "only {survived} of {} calls were reached, and not {unreached:#?}",
        failing.len()
    );
}

in_every_situation! {}
