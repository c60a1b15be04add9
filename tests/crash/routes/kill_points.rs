//! Killed at every system call after which somebody could notice a change, from the first to the last.

use std::collections::BTreeSet;

use crate::routes::in_every_situation;
use crate::routes::situations::Situation;
use crate::routes::stage::Stage;
use crate::scenario::At;
use crate::tracer::{self, SystemCall, Tracing};

/// Kills the situation's call everywhere.
fn survives(situation: &Situation) {
    Stage::play(situation, |stage, calls| survives_on(&stage, situation, calls));
}

fn survives_on(stage: &Stage<'_>, situation: &Situation, mut calls: Vec<SystemCall>) {
    // Before its execve there is no plugin.
    calls.retain(|call| call.name != "execve");
    let chosen = situation.chosen(tracer::after_noticeable(&calls));
    let (mut killed, mut states) = (0, BTreeSet::new());
    for SystemCall { name, nth, text } in &chosen {
        let _at = At(format!("{}, killed at {text}", situation.name));
        let kill = || stage.traced(&Tracing::kill(name, *nth));
        stage.begin();
        if kill().status() != -1 {
            continue;
        }
        killed += 1;
        stage.holds_after_call("killed");
        if states.insert(stage.digest()) {
            stage.goes_on(|| drop(kill()));
        }
    }
    println!(
        "{}: {killed} of {killed} kill points survived, {} different states among them, {} not reached",
        situation.name,
        states.len(),
        chosen.len() - killed
    );
    // That most are reached shows that the tracer kills at all.
    assert!(killed * 10 >= chosen.len() * 9, "only {killed} of {} calls were reached", chosen.len());
}

in_every_situation! {}
