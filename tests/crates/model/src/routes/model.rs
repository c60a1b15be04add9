//! The model as the checker sees it: where it begins, what may happen next, and what must hold.

use std::sync::atomic::{AtomicU32, Ordering};

use stateright::{Model, Property};

use crate::routes::mistake::Mistake;
use crate::routes::process::{At, Process, STEPS, Verb};
use crate::routes::properties;
use crate::routes::state::{Faults, PODS, PROCESSES, Pid, State};
use crate::routes::turn::Turn;
use crate::set::Set;

/// One configuration of the model.
#[derive(Default)]
pub struct Routes {
    /// What runs.
    pub verbs: Vec<Verb>,
    /// Whether pod 0 is up at the beginning, on ENI 0.
    pub one_is_up: bool,
    /// ENIs to whose tables rules lead the address that nobody has removed.
    pub left_over: Set,
    /// What may go wrong.
    pub faults: Faults,
    /// The one thing that is not as it should be.
    pub mistake: Option<Mistake>,
    /// Which steps have been taken.
    pub taken: AtomicU32,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process goes on.
    Step(Pid, At, u8),
    /// A process is killed.
    Kill(Pid),
    /// A network manager removes all rules.
    RulesRemoved,
}

impl Routes {
    /// These processes, no faults, no mistakes.
    #[must_use]
    pub fn of(verbs: &[Verb]) -> Self {
        Self { verbs: verbs.to_vec(), ..Self::default() }
    }

    /// What follows when a process goes on in this way; `None` where it cannot.
    #[must_use]
    pub fn step(&self, state: &State, pid: Pid, choice: u8) -> Option<State> {
        let mut next = *state;
        Turn { model: self, state: &mut next, pid, choice }.take()?;
        Some(next)
    }

    /// A process that begins.
    #[must_use]
    pub fn begins(&self, verb: Verb) -> Process {
        Process::new(verb, At::first(verb, self.mistake))
    }

    /// A kill takes what the process knew, and its lock.
    pub(super) fn kill(&self, state: &mut State, pid: Pid) {
        state.processes[usize::from(pid)] = Process::default();
        if state.lock == Some(pid) && self.mistake != Some(Mistake::LockOutlivesKill) {
            state.lock = None;
        }
    }

    /// How many steps no process has taken.
    #[must_use]
    pub fn steps_taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// How many steps are not in `taken`: no configuration has come to them.
#[must_use]
pub fn steps_left_out(taken: u32) -> u32 {
    (!taken & ((1 << STEPS) - 1)).count_ones()
}

impl Model for Routes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut processes = [Process::default(); PROCESSES as usize];
        for (place, verb) in processes.iter_mut().zip(&self.verbs) {
            *place = self.begins(*verb);
        }
        let mut active = [None; PODS];
        let (mut up, mut rules) = (Set::EMPTY, self.left_over);
        if self.one_is_up {
            active[0] = Some(0);
            (up, rules) = (Set::of(0), rules.with(0));
        }
        let (lock, deleted, put) = (None, Set::EMPTY, up);
        vec![State { active, rules, lock, processes, up, deleted, put, left: self.faults }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (pid, process) in (0..).zip(&state.processes) {
            if process.at == At::Done {
                continue;
            }
            actions.extend((0..process.at.choices()).map(|choice| Action::Step(pid, process.at, choice)));
            if state.left.kills > 0 {
                actions.push(Action::Kill(pid));
            }
        }
        if state.left.removals > 0 && !state.rules.is_empty() {
            actions.push(Action::RulesRemoved);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = *last;
        match action {
            Action::Step(pid, at, choice) => {
                next = self.step(last, pid, choice)?;
                self.taken.fetch_or(1 << at as u32, Ordering::Relaxed);
            }
            Action::Kill(pid) => {
                next.left.kills = last.left.kills.checked_sub(1)?;
                self.kill(&mut next, pid);
            }
            Action::RulesRemoved => {
                next.left.removals = last.left.removals.checked_sub(1)?;
                (next.rules, next.put) = (Set::EMPTY, Set::EMPTY);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
