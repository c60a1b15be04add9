//! Every state of the model of the routes, in small configurations; and that the checker would notice mistakes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod holds;
mod notices;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Instant;

use protocol_model::routes::model::Routes;
use stateright::{Checker, HasDiscoveries, Model};

/// What came of exploring: how many states, which steps, and the way to each property that does not hold.
struct Explored {
    states: usize,
    taken: u32,
    counterexamples: Vec<(&'static str, Vec<String>)>,
}

fn explore(model: Routes, stop: HasDiscoveries) -> Explored {
    let checker = model.checker().finish_when(stop).spawn_bfs().join();
    let counterexamples = checker.discoveries().into_iter().map(|(property, path)| {
        let path = path.into_vec();
        let actions = path.iter().filter_map(|(_, action)| action.as_ref());
        let states = path.iter().skip(1).map(|(state, _)| state);
        let steps =
            actions.zip(states).map(|(action, state)| format!("{:<32} {state}", format!("{action:?}")));
        (property, steps.collect())
    });
    let counterexamples = counterexamples.collect();
    let (states, taken) = (checker.unique_state_count(), checker.model().steps_taken());
    Explored { states, taken, counterexamples }
}

/// Explores every state of a configuration; all that must hold holds. Tells which steps were taken.
#[track_caller]
fn holds(name: &str, model: Routes) -> u32 {
    let start = Instant::now();
    let explored = explore(model, HasDiscoveries::AnyFailures);
    if let Some((property, steps)) = explored.counterexamples.first() {
        panic!("{name}: it does not hold that {property}:\n{}", steps.join("\n"));
    }
    tell(&format!("{name}: {} states, {:.1} s", explored.states, start.elapsed().as_secs_f64()));
    explored.taken
}

/// Explores until `property` does not hold, which it must not.
#[track_caller]
fn breaks(name: &str, property: &'static str, model: Routes) {
    let explored = explore(model, HasDiscoveries::AllOf(BTreeSet::from([property])));
    let found = explored.counterexamples.iter().find(|(broken, _)| *broken == property);
    let (_, steps) = found.unwrap_or_else(|| panic!("{name} goes unnoticed in {} states", explored.states));
    tell(&format!("{name}: not {property:?}, after {} steps ({} states)", steps.len(), explored.states));
}

/// Past the capture of the test harness: the number of states is what is wanted of these tests.
fn tell(line: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{line}").unwrap();
}
