//! What must hold in every state that can be reached.

use stateright::Property;

use crate::routes::model::Routes;
use crate::routes::process::{At, Process, Verb};
use crate::routes::state::{PROCESSES, Pid, State};
use crate::set::Set;

/// More steps than a repair takes.
const FAR: usize = 20;

/// A pod can talk from the end of its ADD to the beginning of its DEL.
pub const LEADS: &str =
    "a pod that is up has its rule, which leads to its ENI's table, unless it was removed from outside";
/// The kernel takes the first of two.
pub const NO_SECOND: &str = "no other rule for the address of a pod that is up leads elsewhere";
/// Nothing stays.
pub const REPAIRED: &str = "one repair later there is a rule for each active record, and no other";
/// Nothing blocks.
pub const GOES_ON: &str = "as long as a call has not ended, one can go on";
/// Nobody's wait is longer than the call's own deadline.
pub const IN_TIME: &str = "who waits for the lock can end at the deadline";

/// All of them.
pub(super) fn all() -> Vec<Property<Routes>> {
    vec![
        Property::always(LEADS, |_, state: &State| {
            state.up.common(state.put).is_empty() || state.eni().is_some_and(|eni| state.rules.has(eni))
        }),
        Property::always(NO_SECOND, |_, state: &State| {
            let own = state.eni().map_or(Set::EMPTY, Set::of);
            state.up.is_empty() || own.has_all(state.rules)
        }),
        Property::always(REPAIRED, repaired),
        Property::always(GOES_ON, |model: &Routes, state: &State| {
            let mut alive = waiting(state, |_| true).peekable();
            alive.peek().is_none() || alive.any(|pid| goes_on(model, state, pid))
        }),
        Property::always(IN_TIME, |model: &Routes, state: &State| {
            waiting(state, At::waits).all(|pid| model.step(state, pid, 1).is_some())
        }),
    ]
}

/// The processes that have not ended and are at such a step.
fn waiting(state: &State, at: impl Fn(At) -> bool) -> impl Iterator<Item = Pid> {
    let here = move |process: &Process| process.at != At::Done && at(process.at);
    (0..).zip(state.processes).filter(move |(_, process)| here(process)).map(|(pid, _)| pid)
}

/// Whether it need not give up.
fn goes_on(model: &Routes, state: &State, pid: Pid) -> bool {
    let at = state.processes[usize::from(pid)].at;
    let choices = if at.waits() { 1 } else { at.choices() };
    (0..choices).any(|choice| model.step(state, pid, choice).is_some())
}

/// After every process has been killed, and without faults.
fn repaired(model: &Routes, state: &State) -> bool {
    const LAST: Pid = PROCESSES - 1;
    let mut state = *state;
    for pid in 0..PROCESSES {
        model.kill(&mut state, pid);
    }
    state.processes[usize::from(LAST)] = model.begins(Verb::Repair);
    for _ in 0..FAR {
        let Some(next) = model.step(&state, LAST, 0) else { break };
        state = next;
    }
    let own = state.eni().map_or(Set::EMPTY, Set::of);
    state.processes[usize::from(LAST)].at == At::Done && state.rules == own
}
