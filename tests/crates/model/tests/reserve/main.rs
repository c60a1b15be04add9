//! Every state of the reserve's model, in small configurations; and that the checker would notice each rule that is left out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod configurations;
mod holds;
mod notices;

use std::io::Write;

use protocol_model::reserve::Reserve;
use stateright::{Checker, HasDiscoveries, Model};

/// How many states there were, and the first way to a state in which one of the properties does not hold.
fn explore(model: Reserve, stop: HasDiscoveries) -> (usize, Option<(&'static str, Vec<String>)>) {
    let checker = model.checker().finish_when(stop).spawn_bfs().join();
    let found = checker.discoveries().into_iter().next().map(|(property, path)| {
        let path = path.into_vec();
        let actions = path.iter().filter_map(|(_, action)| action.as_ref()).map(|it| format!("{it:?}"));
        let states = path.iter().skip(1).map(|(state, _)| state);
        (property, actions.zip(states).map(|(action, state)| format!("{action:<44} {state}")).collect())
    });
    (checker.unique_state_count(), found)
}

/// Past the capture of the test harness: the number of states is what is wanted of these tests.
fn tell(line: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{line}").unwrap();
}
