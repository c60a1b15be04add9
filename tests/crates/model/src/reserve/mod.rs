//! A model of its own: the *reserve*, which are addresses that are recorded and no pod's, and requests that ADDs share. What
//! [`protocol`](crate::protocol) has step by step is coarser here, so that several ENIs, families, networks and power cuts fit in.
//!
//! # What a step is
//! All that a process does in one hold of the store's lock is one step, and so is each `fsync` outside it, each lock of an ENI,
//! each request and each answer; [`state::At`] names the functions. A kill comes between any two steps and, within a step, between
//! any two changes of the store. A power cut may come whenever a kill may: it ends every process, and of the changes of
//! directories that were not durable it keeps any ([`disk`]).
//!
//! # The cloud
//! Each address belongs to an ENI and a family. The same `ClientToken` gets the same answer, whatever has become of the
//! addresses. A request is lost, or carried out with its answer lost, or carried out later. A batch with an address that is not
//! there is refused as a whole. A request for more than are left is refused.
//!
//! # Time
//! An entry rests at any moment, or not at all ([`Reserve::rests`]); a request on another ENI is no longer expected to bring anything
//! from any moment on (`sharing::EXPECTED_FOR`); a request is not carried out later than it is held to be in doubt; a call gives up
//! at any moment, as often as [`state::Faults::deadlines`] says.
//!
//! # What is left out
//! What the other model has: marks that come during a commit, descriptions that lag, other software's addresses. Requested
//! addresses, the size of batches, the seconds that an ADD has left, and metadata's list. That an ADD which has no address gives up
//! its requests in doubt: here it may go on waiting beside them.
//!
//! # What must hold
//! [`properties`], in every state. [`mistake`] has the rules by which it does, each to be left out on purpose.

mod add;
mod cloud;
mod del;
pub mod disk;
mod leader;
pub mod mistake;
pub mod properties;
pub mod recovery;
pub mod state;
mod turn;

use stateright::{Model, Property};

use crate::reserve::disk::{ACTIVE, ADDRESSES, Active, Change, Disk, Entry, RELEASING, RESERVED};
use crate::reserve::mistake::Mistake;
use crate::reserve::state::{Broken, Cloud, Faults, PROCESSES, Process, State, Verb};
use crate::reserve::turn::Turn;
use crate::set::Set;

/// One configuration.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// What runs.
    pub verbs: Vec<Verb>,
    /// The ENI and the family of each address.
    pub pools: Vec<(u8, u8)>,
    /// How many families there are, of each of which an ADD wants an address.
    pub families: u8,
    /// How many ENIs there are.
    pub enis: u8,
    /// What each network keeps in reserve, on each ENI and in each family.
    pub reserve: [u8; 2],
    /// The networks of which `flush` finds a configuration.
    pub configured: Set,
    /// Whether the kernel tells which ADDs live.
    pub tells_living: bool,
    /// Whether entries rest.
    pub rests: bool,
    /// Whether ECS may hand out the highest free addresses as well as the lowest.
    pub any: bool,
    /// Pods at the beginning: owner, network, addresses.
    pub active: Vec<(u8, u8, Set)>,
    /// Entries at the beginning: address, network, whether they have rested.
    pub entries: Vec<(u8, u8, bool)>,
    /// What is releasing at the beginning.
    pub releasing: Set,
    /// What of that ECS has unassigned already, and nobody knows.
    pub gone: Set,
    /// What may go wrong.
    pub faults: Faults,
    /// The one rule that is not kept.
    pub mistake: Option<Mistake>,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process goes on in one of several ways.
    Step(u8, state::At, u8),
    /// A process goes on and is killed after so many changes of the store.
    KillWithin(u8, state::At, u8, u8),
    /// A process is killed; its request is carried out later, or never.
    Kill(u8, bool),
    /// The power goes; which changes are kept; requests are carried out later, or never.
    PowerCut(u32, bool),
    /// ECS carries out the request of a process, and hands out the lowest addresses or the highest.
    Execute(u8, bool),
    /// ECS carries out a request that nobody waits for.
    ExecuteLate(usize, bool),
    /// A process loses the answer to its request, which is carried out later, or has been, or never.
    Lose(u8, bool),
    /// An old release of this address cannot come any more.
    DoubtEnds(u8),
    /// An entry has rested.
    Rests(u8),
    /// Two seconds after a request.
    Unexpected(u8),
}

impl Reserve {
    /// One ENI, one family, two addresses, no reserve, no faults.
    #[must_use]
    pub fn of(verbs: &[Verb]) -> Self {
        Self {
            verbs: verbs.to_vec(),
            pools: vec![(0, 0); 2],
            families: 1,
            enis: 1,
            reserve: [0, 0],
            configured: Set::below(2),
            tells_living: true,
            rests: true,
            any: false,
            active: Vec::new(),
            entries: Vec::new(),
            releasing: Set::EMPTY,
            gone: Set::EMPTY,
            faults: Faults::default(),
            mistake: None,
        }
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// The addresses of a family of an ENI.
    pub(crate) fn pool(&self, pool: (u8, u8)) -> Set {
        (0..).zip(&self.pools).filter(|(_, it)| **it == pool).fold(Set::EMPTY, |all, (ip, _)| all.with(ip))
    }

    /// The addresses of an ENI.
    pub(crate) fn of_eni(&self, eni: u8) -> Set {
        (0..self.families).fold(Set::EMPTY, |all, family| all.and(self.pool((eni, family))))
    }

    /// The next state when a process goes on; it is killed after `budget` changes of the store, if there are more.
    pub(crate) fn step(&self, state: &State, pid: u8, choice: u8, budget: Option<u8>) -> Option<State> {
        let mut next = state.clone();
        let mut turn = Turn::new(self, &mut next, pid, choice, budget);
        turn.take()?;
        match (turn.is_cut_short(), budget) {
            (true, _) => next.end(pid),
            (false, Some(_)) => return None,
            (false, None) => {}
        }
        next.tidy();
        Some(next)
    }
}

impl Model for Reserve {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut processes = [Process::ended(); PROCESSES];
        for (place, verb) in processes.iter_mut().zip(&self.verbs) {
            *place = Process::new(*verb);
        }
        let (mut disk, mut cloud) = (Disk::default(), Cloud::default());
        for &(owner, network, addresses) in &self.active {
            disk.change(Change::Active(owner, Active { addresses, network, old: false, named: true }));
            cloud.assigned = cloud.assigned.and(addresses);
        }
        for &(address, network, rested) in &self.entries {
            disk.change(Change::Entry(address, Entry { network, rested }));
            cloud.assigned = cloud.assigned.with(address);
        }
        for address in self.releasing.iter() {
            disk.change(Change::Releasing(address));
            cloud.assigned = cloud.assigned.with(address);
        }
        cloud.assigned = cloud.assigned.without(self.gone);
        disk.sync(ACTIVE | RESERVED | RELEASING);
        vec![State {
            disk,
            cloud,
            eni_locks: [None; state::ENIS],
            processes,
            left: self.faults,
            broken: Broken::default(),
            disturbed: false,
            worn: Set::EMPTY,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let lates = |waits: bool| [false, true].into_iter().filter(move |late| !late || waits);
        for (pid, process) in (0..).zip(&state.processes) {
            if process.at == state::At::Done {
                continue;
            }
            if process.waits() {
                actions.push(Action::Execute(pid, false));
                if self.any {
                    actions.push(Action::Execute(pid, true));
                }
            } else {
                for choice in 0..process.at.choices() {
                    actions.push(Action::Step(pid, process.at, choice));
                    if state.left.kills > 0 {
                        actions.extend((1..8).map(|n| Action::KillWithin(pid, process.at, choice, n)));
                    }
                }
            }
            if state.left.kills > 0 && process.at != state::At::Begin {
                actions.extend(lates(process.waits()).map(|late| Action::Kill(pid, late)));
            }
            if state.left.lost > 0 && process.request.is_some() {
                actions.extend(lates(process.waits()).map(|late| Action::Lose(pid, late)));
            }
        }
        if state.left.cuts > 0 {
            let waits = state.processes.iter().any(Process::waits);
            for kept in 0..1 << state.disk.undurable().min(8) {
                actions.extend(lates(waits).map(|late| Action::PowerCut(kept, late)));
            }
        }
        for stray in 0..state.cloud.strays.len() {
            actions.push(Action::ExecuteLate(stray, false));
            if self.any {
                actions.push(Action::ExecuteLate(stray, true));
            }
        }
        actions.extend(state.disk.in_doubt.iter().map(Action::DoubtEnds));
        if self.enis > 1 && !self.makes(Mistake::ExpectsForEver) {
            actions.extend(state.disk.expected.iter().map(Action::Unexpected));
        }
        if self.rests {
            let entries = (0..).zip(&state.disk.live.entries);
            let unrested = entries.filter(|(_, it)| it.is_some_and(|it| !it.rested));
            actions.extend(unrested.map(|(address, _)| Action::Rests(address)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = match action {
            Action::Step(pid, _, choice) => return self.step(last, pid, choice, None),
            Action::KillWithin(pid, _, choice, changes) => {
                let mut next = self.step(last, pid, choice, Some(changes))?;
                next.left.kills -= 1;
                next.disturbed = true;
                next
            }
            _ => last.clone(),
        };
        match action {
            Action::Step(..) | Action::KillWithin(..) => {}
            Action::Kill(pid, late) => next.kill(pid, late)?,
            Action::PowerCut(kept, late) => next.power_cut(kept, late)?,
            Action::Execute(pid, high) => self.execute(&mut next, pid, high)?,
            Action::ExecuteLate(stray, high) => {
                let call = next.cloud.strays.remove(stray);
                self.carry_out(&mut next, call, high);
            }
            Action::Lose(pid, late) => next.lose(pid, late)?,
            Action::DoubtEnds(address) => next.doubt_ends(address)?,
            Action::Rests(address) => {
                next.disk.rest(address);
                next.worn = next.worn.without(Set::of(address));
            }
            Action::Unexpected(token) => next.disk.expected = next.disk.expected.without(Set::of(token)),
        }
        next.tidy();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

const _: () = assert!(ADDRESSES <= 16, "a set has room for all addresses");
