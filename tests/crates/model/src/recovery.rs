//! "In the end": from any state, without further faults, every process ends, and a few calls leave on the ENI what active
//! records name and nothing else of this node's; and that costs no more requests than there is something left behind.

use std::collections::HashMap;
use std::sync::Mutex;

use ahash::RandomState;

use crate::process::{At, Process, Verb};
use crate::protocol::Protocol;
use crate::set::Set;
use crate::state::{Active, Broken, Faults, PROCESSES, Pid, Releasing, State};

/// The place of the `flush`.
const FLUSH: Pid = PROCESSES - 1;

/// More steps than any process takes.
const FAR: usize = 1000;

/// So often `flush` comes, each time when all doubts are over and nothing waits any more.
const FLUSHES: usize = 4;

/// What recovery asks of ECS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests to assign.
    pub assigns: u16,
    /// Requests to unassign.
    pub unassigns: u16,
    /// Descriptions.
    pub descriptions: u16,
    /// By how many addresses the ENI had more at any time than at the beginning.
    pub grown: u16,
}

impl Cost {
    fn requests(self) -> u16 {
        self.assigns + self.unassigns + self.descriptions
    }
}

/// States from which all is known to end well, by their hashes, with the requests that that costs.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<u64, u16>>);

impl Known {
    fn cost(&self, hash: u64) -> Option<u16> {
        self.0.lock().ok()?.get(&hash).copied()
    }

    fn add(&self, passed: &[(u64, u16)], total: u16) {
        if let Ok(mut known) = self.0.lock() {
            known.extend(passed.iter().map(|(hash, before)| (*hash, total - before)));
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
        let ends_well =
            |state: State| self.ends_well(state).is_some_and(|cost| u32::from(cost) <= allowed(&state));
        ends_well(calm) && [false, true].into_iter().all(|late| ends_well(killed(&calm, late)))
    }

    /// What it costs when every process runs to its end, in turns, and `flush` comes after them; `None` if that does not end
    /// well.
    fn ends_well(&self, mut state: State) -> Option<u16> {
        let mut passed = Vec::new();
        let mut cost = Cost::default();
        for _ in 0..FAR {
            let hash = hash(&state);
            if let Some(rest) = self.known.cost(hash) {
                let total = cost.requests() + rest;
                self.known.add(&passed, total);
                return Some(total);
            }
            passed.push((hash, cost.requests()));
            if state.processes.iter().all(Process::is_done) {
                let total = cost.requests() + self.flushed(state)?.requests();
                self.known.add(&passed, total);
                return Some(total);
            }
            state = self.round(state, &mut cost)?;
        }
        None
    }

    /// Every process takes a step, if it can; `None` if none can.
    fn round(&self, mut state: State, cost: &mut Cost) -> Option<State> {
        let mut moved = None;
        for pid in 0..PROCESSES {
            if let Some(next) = self.calmly(&state, pid) {
                match next.processes[usize::from(pid)].at {
                    At::UnassignAnswered if state.processes[usize::from(pid)].at == At::Unassign => {
                        cost.unassigns += 1;
                    }
                    At::RequestAnswered if state.processes[usize::from(pid)].at == At::Request => {
                        cost.assigns += 1;
                    }
                    At::RepeatAnswered if state.processes[usize::from(pid)].at == At::Repeat => {
                        cost.assigns += 1;
                    }
                    At::RestoreAnswered if state.processes[usize::from(pid)].at == At::RestoreAsk => {
                        cost.assigns += 1;
                    }
                    At::Look | At::Described => cost.descriptions += 1,
                    _ => {}
                }
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
        let choices = if process.at == At::Step { process.at.choices() } else { 1 };
        (0..choices).find_map(|choice| self.step(state, pid, choice))
    }

    /// What it costs that `flush`, and others when all doubts are over, release everything; `None` if they do not.
    #[must_use]
    pub fn flushed(&self, mut state: State) -> Option<Cost> {
        let mut cost = Cost::default();
        let before = state.cloud.assigned.len();
        for time in 0..FLUSHES {
            state.processes[usize::from(FLUSH)] = Process::new(Verb::Flush);
            let mut rounds = 0;
            while !state.processes[usize::from(FLUSH)].is_done() {
                rounds += 1;
                state = self.round(state, &mut cost).filter(|_| rounds < FAR)?;
                let grown = state.cloud.assigned.len().saturating_sub(before);
                cost.grown = cost.grown.max(u16::try_from(grown).ok()?);
            }
            if Self::is_clean(&state) {
                return Some(cost);
            }
            if time > 0 && self.waits_for_room(&state) {
                return self.ends_with_room(state).then_some(cost);
            }
            for stray in 0..state.cloud.strays.len() {
                state = self.executed_late(&state, stray).unwrap_or(state);
            }
            state.tidy();
            Self::time_passes(&mut state);
        }
        None
    }

    /// All that waits for time to pass need not wait any longer.
    pub fn time_passes(state: &mut State) {
        (state.disk.in_doubt, state.cloud.ghosts) = (Set::EMPTY, Set::EMPTY);
        for record in state.disk.releasing.iter_mut().flatten() {
            (record.held_back, record.waiting, record.lapsed) = (false, Set::EMPTY, record.unanswered);
        }
    }

    /// Whether the ENI has what active records name, and what is others', and nothing is left to do.
    fn is_clean(state: &State) -> bool {
        let in_use = state.disk.in_use().without(state.cloud.removed);
        state.cloud.assigned == in_use.and(state.cloud.others)
            && state.disk.names(|_| true).is_empty()
            && state.disk.assigning.iter().all(Option::is_none)
            && !state.disk.active.iter().flatten().any(|active| active.old)
    }

    /// Whether nothing is left to do but to find out about requests that ECS refuses, because there is no room.
    fn waits_for_room(&self, state: &State) -> bool {
        let taken = state.cloud.assigned.and(state.cloud.elsewhere);
        taken == Set::below(self.addresses)
            && state.disk.releasing.iter().flatten().all(|it| it.addresses.is_empty() && !it.is_over())
            && state.disk.assigning.iter().all(Option::is_none)
    }

    /// Whether all that is left to do gets done when there is room again: others and other nodes give their addresses back, and
    /// pods end. There is none that could be given back where ECS looks for room first and all the addresses there are came
    /// from the very requests that wait.
    fn ends_with_room(&self, mut state: State) -> bool {
        let others = state.cloud.others;
        let theirs = others.and(state.cloud.elsewhere).and(state.disk.in_use());
        let by_requests = state.cloud.assigned_by(state.disk.open_requests());
        if self.room_comes_first && theirs.is_empty() && by_requests.has_all(Set::below(self.addresses)) {
            return true;
        }
        state.cloud.elsewhere = Set::EMPTY;
        self.others_leave(&mut state, others);
        let mut places = state.disk.releasing.iter_mut().filter(|place| place.is_none());
        for active in &mut state.disk.active {
            if let Some(Active { addresses, .. }) = active.take() {
                let Some(place) = places.next() else { return false };
                *place = Some(Releasing { addresses, ..Releasing::default() });
            }
        }
        Self::time_passes(&mut state);
        !self.waits_for_room(&state)
            && self.flushed(state).is_some_and(|cost| u32::from(cost.requests()) <= allowed(&state))
    }

    fn executed_late(&self, state: &State, stray: usize) -> Option<State> {
        (0..self.addresses.max(2)).find_map(|choice| {
            let mut next = *state;
            self.execute_late(&mut next, stray, choice).map(|()| next)
        })
    }
}

/// So many requests may be needed from here: a few for each request whose outcome is not known, for each address that is known,
/// and for each process that still runs, and no more however long that takes.
fn allowed(state: &State) -> u32 {
    let disk = &state.disk;
    let records = disk.releasing.iter().flatten();
    let known = records.clone().fold(Set::EMPTY, |all, record| all.and(record.addresses).and(disk.in_use()));
    let asks: u32 = records.map(|it| it.unanswered.len()).sum();
    let intents: u32 = disk.assigning.iter().flatten().map(|it| it.asks.len()).sum();
    let alive = state.processes.iter().filter(|it| !it.is_done()).count();
    4 * (asks + intents) + 2 * known.len() + 6 + 10 * u32::try_from(alive).unwrap_or(u32::MAX)
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
