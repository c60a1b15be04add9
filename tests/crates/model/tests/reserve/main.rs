//! Every state of the reserve's model, in small configurations; and that the checker would notice each rule that is left out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod holds;
mod notices;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Instant;

use protocol_model::reserve::Reserve;
use protocol_model::reserve::mistake::Mistake;
use protocol_model::reserve::state::Faults;
use stateright::{Checker, HasDiscoveries, Model};

/// No faults; to be changed where there are some.
const NONE: Faults = Faults { kills: 0, cuts: 0, lost: 0, late: 0, deadlines: 0 };

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

/// Explores every state of a configuration; all that must hold holds.
#[track_caller]
fn holds(name: &str, model: Reserve) {
    let start = Instant::now();
    let (states, found) = explore(model, HasDiscoveries::AnyFailures);
    if let Some((property, steps)) = found {
        panic!("{name}: it does not hold that {property}:\n{}", steps.join("\n"));
    }
    tell(&format!("reserve: {name}: {states} states, {:.1} s", start.elapsed().as_secs_f64()));
}

/// Whether `mistake` breaks `property`.
#[track_caller]
fn notices(mistake: Mistake, property: &'static str, model: Reserve) {
    let model = Reserve { mistake: Some(mistake), ..model };
    let stop = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = model.checker().finish_when(stop).spawn_bfs().join();
    let states = checker.unique_state_count();
    let discoveries = checker.discoveries();
    let Some(path) = discoveries.get(property) else {
        panic!("{mistake:?} goes unnoticed in {states} states; noticed are {:?}", discoveries.keys())
    };
    let steps = path.clone().into_actions();
    if std::env::var_os("SHOW").is_some() {
        tell(&format!("{steps:#?}"));
    }
    tell(&format!("{mistake:?}: not {property:?}, after {} steps ({states} states)", steps.len()));
}

/// Past the capture of the test harness: the number of states is what is wanted of these tests.
fn tell(line: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{line}").unwrap();
}
