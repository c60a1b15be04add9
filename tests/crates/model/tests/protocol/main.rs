//! Every state of the model, in small configurations; and that the checker would notice mistakes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod boots;
mod holds;
mod in_doubt;
mod notices;
mod progress;
mod restore;

use std::io::Write;
use std::time::Instant;

use protocol_model::protocol::Protocol;
use protocol_model::state::{Faults, State};
use stateright::{Checker, HasDiscoveries, Model};

/// A property that does not hold, and the way there.
struct Counterexample {
    property: &'static str,
    steps: Vec<String>,
}

/// What came of exploring.
struct Explored {
    states: usize,
    counterexamples: Vec<Counterexample>,
    /// Which steps were taken.
    taken: u128,
}

/// Explores until `stop`, or every state.
fn explore(model: Protocol, stop: HasDiscoveries) -> Explored {
    let checker = model.checker().finish_when(stop).spawn_bfs().join();
    let shown = |(action, state): (String, &State)| format!("{action:<40} {state}");
    let counterexamples = checker.discoveries().into_iter().map(|(property, path)| {
        let path = path.into_vec();
        let actions = path.iter().filter_map(|(_, action)| action.as_ref()).map(|it| format!("{it:?}"));
        let states = path.iter().skip(1).map(|(state, _)| state);
        Counterexample { property, steps: actions.zip(states).map(shown).collect() }
    });
    let counterexamples = counterexamples.collect();
    Explored { states: checker.unique_state_count(), counterexamples, taken: checker.model().steps_taken() }
}

/// Explores every state of a configuration; all that must hold holds. Tells how many states that were, and which steps.
#[track_caller]
fn holds(name: &str, model: Protocol) -> u128 {
    let start = Instant::now();
    let explored = explore(model, HasDiscoveries::AnyFailures);
    if let Some(Counterexample { property, steps }) = explored.counterexamples.first() {
        panic!("{name}: it does not hold that {property}:\n{}", steps.join("\n"));
    }
    tell(&format!("{name}: {} states, {:.1} s", explored.states, start.elapsed().as_secs_f64()));
    explored.taken
}

/// Past the capture of the test harness: the number of states is what is wanted of these tests.
fn tell(line: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{line}").unwrap();
}

/// No faults; to be changed where there are some.
const NONE: Faults = Faults { kills: 0, lost: 0, late: 0, refused: 0, unread: 0, unfit: 0, reboots: 0 };
