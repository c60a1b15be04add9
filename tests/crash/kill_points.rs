//! The plugin is killed at every system call, from the first to the last.
//!
//! A kill before a call is all there is: nothing that a process does between two calls can be seen from outside. Then the
//! cloud finishes what it was asked, the promises are checked, and everything in [`aftermath`] is tried from there. Where
//! the killed run left what an earlier one had left too, to the byte but for times, random names and drafts, that is not repeated.

use std::collections::BTreeSet;

use crate::aftermath;
use crate::checks::guarded;
use crate::moment::Moment;
use crate::scenario::{At, Scenario};
use crate::situations::in_every_situation;
use crate::tracer::{self, SystemCall, Tracing};

/// Kills the scenario's call everywhere.
pub(crate) fn survives(scenario: &Scenario) {
    let node = scenario.node();
    let start = Moment::of(&node);
    // Before its execve there is no plugin.
    let mut calls = scenario.system_calls(&node, &start);
    calls.retain(|call| call.name != "execve");
    if scenario.costly {
        calls = tracer::after_noticeable(&calls);
    }
    let chosen = scenario.chosen(calls);
    let (mut killed, mut states) = (0, BTreeSet::new());
    for SystemCall { name, nth, text } in &chosen {
        start.restore(&node);
        let _at = At(format!("{}, killed at {text}", scenario.name));
        let answer = guarded(&node, scenario.given_up, || scenario.trace(&node, &Tracing::kill(name, *nth)));
        if answer.status() != -1 {
            continue;
        }
        killed += 1;
        if states.insert(Moment::of(&node).digest(&node)) {
            aftermath::all(&node);
        }
    }
    println!(
        "{}: {killed} of {killed} kill points survived, {} different states among them, {} not reached",
        scenario.name,
        states.len(),
        chosen.len() - killed
    );
    // Waiting, and files in another order, can take a few calls more or less; that most are reached shows that the tracer kills at all.
    assert!(killed * 10 >= chosen.len() * 9, "only {killed} of {} calls were reached", chosen.len());
}

in_every_situation! {
    of_a_del_that_finds_the_lock_taken: FOLLOWING_DEL,
    of_an_add_whose_request_is_late: ADD_WHOSE_REQUEST_IS_LATE,
    of_a_restore_whose_request_is_late: RESTORE_WHOSE_REQUEST_IS_LATE,
}
