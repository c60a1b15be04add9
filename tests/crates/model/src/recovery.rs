//! "In the end": from any state, without further faults, every process ends, and a `flush` or two leave on the ENI what
//! active records name and nothing else.

use std::collections::HashSet;
use std::sync::Mutex;

use ahash::RandomState;

use crate::process::{At, Process, Verb};
use crate::protocol::Protocol;
use crate::set::Set;
use crate::state::{Broken, Faults, PROCESSES, Pid, State};

/// The place of the `flush`.
const FLUSH: Pid = PROCESSES - 1;

/// More steps than any process takes.
const FAR: usize = 1000;

/// States from which all is known to end well, by their hashes.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashSet<u64>>);

impl Known {
    fn has(&self, hash: u64) -> bool {
        self.0.lock().is_ok_and(|known| known.contains(&hash))
    }

    fn add(&self, hashes: Vec<u64>) {
        if let Ok(mut known) = self.0.lock() {
            known.extend(hashes);
        }
    }
}

fn hash(state: &State) -> u64 {
    RandomState::with_seeds(1, 2, 3, 4).hash_one(state)
}

impl Protocol {
    /// Whether all ends well from here: when the processes run on, and when all of them are killed at this moment, their
    /// requests with them or carried out late.
    pub(crate) fn recovers_from(&self, state: &State) -> bool {
        let mut calm = *state;
        (calm.left, calm.broken) = (Faults::default(), Broken::default());
        self.ends_well(calm) && [false, true].into_iter().all(|late| self.ends_well(killed(&calm, late)))
    }

    /// Whether all ends well when every process runs to its end, in turns, and `flush` comes after them.
    fn ends_well(&self, mut state: State) -> bool {
        let mut passed = Vec::new();
        for _ in 0..FAR {
            let hash = hash(&state);
            if self.known.has(hash) {
                self.known.add(passed);
                return true;
            }
            passed.push(hash);
            if state.processes.iter().all(Process::is_done) {
                let well = self.flushed(state);
                if well {
                    self.known.add(passed);
                }
                return well;
            }
            let Some(next) = self.round(state) else { return false };
            state = next;
        }
        false
    }

    /// Every process takes a step, if it can; `None` if none can.
    fn round(&self, mut state: State) -> Option<State> {
        let mut moved = None;
        for pid in 0..PROCESSES {
            if let Some(next) = self.calmly(&state, pid) {
                (state, moved) = (next, Some(next));
            }
        }
        moved
    }

    /// The next step of a process for which time does not run out.
    fn calmly(&self, state: &State, pid: Pid) -> Option<State> {
        let process = &state.processes[usize::from(pid)];
        if process.waits_for_cloud() {
            return (0..self.addresses.max(2)).find_map(|choice| {
                let mut next = *state;
                self.execute(&mut next, pid, choice).map(|()| next)
            });
        }
        let choices = match process.at {
            At::Step | At::RepeatAnswered => process.at.choices(),
            _ => 1,
        };
        (0..choices).find_map(|choice| self.step(state, pid, choice))
    }

    /// Whether `flush`, and another when all doubts are over, release everything.
    fn flushed(&self, mut state: State) -> bool {
        for _ in 0..2 {
            state.processes[usize::from(FLUSH)] = Process::new(Verb::Flush);
            let mut rounds = 0;
            while !state.processes[usize::from(FLUSH)].is_done() {
                rounds += 1;
                match self.round(state) {
                    Some(next) if rounds < FAR => state = next,
                    _ => return false,
                }
            }
            for stray in 0..state.cloud.strays.len() {
                state = self.executed_late(&state, stray).unwrap_or(state);
            }
            state.tidy();
            state.disk.in_doubt = Set::EMPTY;
            state.disk.releasing.iter_mut().flatten().for_each(|record| record.held_back = false);
        }
        state.cloud.assigned == state.disk.in_use()
            && state.disk.names(|_| true).is_empty()
            && state.disk.assigning.iter().all(Option::is_none)
    }

    fn executed_late(&self, state: &State, stray: usize) -> Option<State> {
        (0..self.addresses.max(2)).find_map(|choice| {
            let mut next = *state;
            self.execute_late(&mut next, stray, choice).map(|()| next)
        })
    }
}

/// After every process has been killed.
fn killed(state: &State, late: bool) -> State {
    let mut after = *state;
    after.left = Faults { kills: PROCESSES, late: PROCESSES, ..Faults::default() };
    for pid in 0..PROCESSES {
        for late in [late, false] {
            let mut next = after;
            if Protocol::kill(&mut next, pid, late).is_some() {
                after = next;
                break;
            }
        }
    }
    after.left = Faults::default();
    after.tidy();
    after
}
