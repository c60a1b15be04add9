//! What must hold does, in every state that can be reached.

use std::time::Instant;

use stateright::HasDiscoveries;

use crate::{configurations, explore, tell};

#[test]
fn all_that_must_hold_holds_in_every_state() {
    let (start, mut total, mut broken) = (Instant::now(), 0, Vec::new());
    let all = configurations::all();
    for (name, model) in &all {
        let began = Instant::now();
        let (states, found) = explore(model.clone(), HasDiscoveries::AnyFailures);
        tell(&format!("reserve: {name}: {states} states, {:.1} s", began.elapsed().as_secs_f64()));
        broken.extend(
            found.map(|(property, steps)| format!("{name}: not {property:?}:\n{}", steps.join("\n"))),
        );
        total += states;
    }
    let seconds = start.elapsed().as_secs_f64();
    tell(&format!("reserve: {total} states in {} configurations, {seconds:.0} s", all.len()));
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}
