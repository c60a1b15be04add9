//! The plugin is killed at every system call, from the first to the last.
//!
//! A kill before a call is all there is: nothing that a process does between two calls can be seen from outside. Then the
//! cloud finishes what it was asked, the promises are checked, and everything in [`aftermath`] is tried from there. Where
//! the killed run left what an earlier one had left too, to the byte but for times, random names and drafts, that is not repeated.

use std::collections::BTreeSet;

use crate::aftermath;
use crate::checks::guarded;
use crate::moment::Moment;
use crate::scenario::{self, At, Scenario};
use crate::tracer::{self, SystemCall, Tracing};

/// Kills the scenario's call everywhere.
fn survives(scenario: &Scenario) {
    if !tracer::can_trace() {
        return;
    }
    let node = scenario.node();
    let start = Moment::of(&node);
    // From the same files in the same order as all later runs.
    start.restore(&node);
    // Before its execve there is no plugin.
    let mut calls = scenario.system_calls(&node);
    calls.retain(|call| call.name != "execve");
    if scenario.costly {
        calls = tracer::after_noticeable(&calls);
    }
    let chosen: Vec<_> = tracer::chosen(calls);
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
    of_a_del_that_finds_the_lock_taken: FOLLOWING_DEL,
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
    of_an_add_whose_request_is_late: ADD_WHOSE_REQUEST_IS_LATE,
    of_an_add_whose_request_is_late_on_a_full_eni: ADD_WHOSE_REQUEST_IS_LATE_ON_A_FULL_ENI,
}
