//! The model as the checker sees it: where it begins, what may happen next, and what must hold.

use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Model, Property};

use crate::mistake::Mistake;
use crate::process::{At, Process, STEPS, Verb};
use crate::properties;
use crate::recovery::Known;
use crate::set::Set;
use crate::state::{
    Active, Broken, Cloud, Disk, Faults, Intent, LEFT_BEHIND, Memory, PROCESSES, Pid, Releasing, State,
    TOKENS, TRIES,
};
use crate::turn::Turn;

/// Which free address ECS hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handout {
    /// The lowest.
    Lowest,
    /// Any.
    Any,
}

/// The first `ClientToken` of a request from before the beginning.
const OLD_TOKENS: u8 = TOKENS - LEFT_BEHIND;

/// What became of the request of an ADD that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It assigned nothing.
    Nothing,
    /// It had brought this address, which has been released since.
    Released(u8),
    /// It had brought this address, and the ENI has it.
    OnEni(u8),
    /// The same as released, but what is left is the intent, with the answer noted: the disk was full at the DEL.
    Noted(u8),
}

/// One configuration of the model.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub struct Protocol {
    /// What runs.
    pub verbs: Vec<Verb>,
    /// How many addresses there are.
    pub addresses: u8,
    /// How many of them an ADD wants.
    pub wanted: u32,
    /// How many requests an ADD makes at most.
    pub tries: u8,
    /// How many addresses there are in one request at most.
    pub most: u32,
    /// Which address is handed out.
    pub handout: Handout,
    /// Whether ECS answers `IdempotentFailed` to a request that it has refused for good, rather than to try it again.
    pub remembers_refusals: bool,
    /// Whether ECS looks for room before it looks whether it knows the `ClientToken`.
    pub room_comes_first: bool,
    /// Whether a description can show for a while what has been released.
    pub ghosts: bool,
    /// Whether an ADD notes the answers that it reads. The last of several guards is looked at here only.
    pub notes_answers: bool,
    /// Whether a call takes one more step after its own work.
    pub backlog: bool,
    /// Addresses in use at the beginning, each its owner's: owner, address.
    pub active: Vec<(u8, u8)>,
    /// What ADDs that were killed have left behind, each a record of its owner's of a request whose answer nobody has seen.
    pub left_behind: Vec<(u8, Left)>,
    /// Addresses that other software has put on the ENI.
    pub others: Set,
    /// Whether it takes them off again, at any moment.
    pub others_leave: bool,
    /// Whether a person takes pods' addresses off the ENI, at any moment.
    pub console: bool,
    /// Addresses that another node has, until it gives them back.
    pub elsewhere: Set,
    /// What may go wrong.
    pub faults: Faults,
    /// The one thing that is not as it should be.
    pub mistake: Option<Mistake>,
    /// Whether [`recovery`](crate::recovery) is tried from every state.
    pub recovers: bool,
    /// From where that has been found to succeed.
    pub known: Known,
    /// Which steps have been taken.
    pub taken: [AtomicU64; 2],
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process goes on.
    Step(Pid, At, u8),
    /// ECS carries out the request of a process.
    Execute(Pid, u8),
    /// ECS carries out a request that nobody waits for any more.
    ExecuteLate(usize, u8),
    /// A process is killed; its request is carried out later, or never.
    Kill(Pid, bool),
    /// The node boots; requests are carried out later, or never.
    Reboot(bool),
    /// A process loses the answer to its request; it is carried out later, or has been, or never.
    Lose(Pid, bool),
    /// The request of a process is refused in passing.
    Refuse(Pid),
    /// The repeated request of a process is answered with something else, and this address; it is carried out later, or has
    /// been, or never.
    Misanswer(Pid, u8, bool),
    /// An old release of this address cannot come any more.
    DoubtEnds(u8),
    /// No copy of the requests that nobody waits for can take effect any more, and a description shows all that they
    /// assigned.
    Lapse,
    /// Another node gives this address back.
    FreedElsewhere(u8),
    /// Other software takes this address off the ENI.
    TakenByOthers(u8),
    /// A person takes this address of a pod off the ENI.
    TakenInTheConsole(u8),
    /// A description does not show any more what is not there.
    GhostsFade,
    /// Nothing of this record need wait any longer.
    MayBeReleased(usize),
}

impl Protocol {
    /// These processes, two addresses, no faults, no mistakes.
    #[must_use]
    pub fn of(verbs: &[Verb]) -> Self {
        Self {
            verbs: verbs.to_vec(),
            addresses: 2,
            wanted: 1,
            tries: 2,
            most: 2,
            handout: Handout::Any,
            remembers_refusals: false,
            room_comes_first: false,
            ghosts: false,
            notes_answers: false,
            backlog: false,
            active: Vec::new(),
            left_behind: Vec::new(),
            others: Set::EMPTY,
            others_leave: false,
            console: false,
            elsewhere: Set::EMPTY,
            faults: Faults::default(),
            mistake: None,
            recovers: true,
            known: Known::default(),
            taken: Default::default(),
        }
    }

    /// What follows when a process goes on in this way; `None` where it cannot.
    #[must_use]
    pub fn step(&self, state: &State, pid: Pid, choice: u8) -> Option<State> {
        let mut next = *state;
        Turn { model: self, state: &mut next, pid, choice }.take()?;
        next.tidy();
        Some(next)
    }

    /// The address that a request asks for; `None` of one for any.
    pub(crate) fn wish(&self, token: u8) -> Option<u8> {
        match self.verbs.get(usize::from(token / TRIES)) {
            Some(Verb::Restore(address)) if token < OLD_TOKENS => Some(*address),
            _ => None,
        }
    }

    /// The pods' addresses that a person may take off the ENI: not what an ADD has been assigned and is still to hear of.
    fn can_be_taken(&self, state: &State) -> Set {
        let open = state.disk.open_requests().iter().filter(|token| self.wish(*token).is_none());
        let unheard = state.cloud.assigned_by(open.fold(Set::EMPTY, Set::with));
        state.disk.in_use().common(state.cloud.assigned).without(unheard)
    }

    /// Which steps were taken by any process.
    #[must_use]
    pub fn steps_taken(&self) -> u128 {
        let [low, high] = &self.taken;
        u128::from(low.load(Ordering::Relaxed)) | u128::from(high.load(Ordering::Relaxed)) << 64
    }

    /// The owners that are no more, by what a GC is told.
    fn stale(&self) -> Set {
        let stale = self.verbs.iter().filter_map(|verb| match verb {
            Verb::Gc(stale) => Some(*stale),
            _ => None,
        });
        stale.fold(Set::EMPTY, Set::and)
    }

    fn note(&self, at: At) {
        let bit = at as u8;
        let word = &self.taken[usize::from(bit / 64)];
        if word.load(Ordering::Relaxed) & 1 << (bit % 64) == 0 {
            word.fetch_or(1 << (bit % 64), Ordering::Relaxed);
        }
    }
}

/// The names of the steps that are not in `taken`: those that no configuration has come to.
#[must_use]
pub fn steps_left_out(taken: u128) -> u32 {
    (!taken & ((1 << STEPS) - 1)).count_ones()
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut processes = [Process::default(); PROCESSES as usize];
        for (place, verb) in processes.iter_mut().zip(&self.verbs) {
            *place = Process::new(*verb);
        }
        let (mut disk, mut cloud) = (Disk::default(), Cloud::default());
        for &(owner, address) in &self.active {
            disk.active[usize::from(owner)] =
                Some(Active { addresses: Set::of(address), by: PROCESSES, old: false });
            // What another node has got meanwhile is not on the ENI.
            let place = if self.elsewhere.has(address) { &mut cloud.removed } else { &mut cloud.assigned };
            *place = place.with(address);
        }
        for (&(owner, left), token) in self.left_behind.iter().zip(OLD_TOKENS..TOKENS) {
            let unanswered = Set::of(token);
            if let Left::Noted(_) = left {
                let (asks, noted) = (unanswered, unanswered);
                let intent = Intent { inode: PROCESSES, lock: None, asks, noted, deleted: false };
                disk.assigning[usize::from(owner)] = Some(intent);
            } else {
                let record = Releasing { owner: Some(owner), unanswered, ..Releasing::default() };
                disk.releasing[usize::from(token - OLD_TOKENS)] = Some(record);
            }
            let memory = &mut cloud.memory[usize::from(token)];
            match left {
                Left::Nothing => {}
                Left::Released(address) | Left::Noted(address) => *memory = Memory::Assigned(address),
                Left::OnEni(address) => {
                    *memory = Memory::Assigned(address);
                    cloud.assigned = cloud.assigned.with(address);
                }
            }
        }
        (cloud.others, cloud.assigned) = (self.others, cloud.assigned.and(self.others));
        cloud.elsewhere = self.elsewhere;
        let broken = Broken::default();
        let told =
            self.active.iter().fold(Set::EMPTY, |all, &(owner, _)| all.with(owner)).without(self.stale());
        vec![State {
            disk,
            cloud,
            store_lock: None,
            eni_lock: None,
            processes,
            left: self.faults,
            broken,
            told,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (pid, process) in (0..).zip(&state.processes) {
            if process.is_done() {
                continue;
            }
            if process.waits_for_cloud() {
                actions.extend((0..self.addresses.max(2)).map(|choice| Action::Execute(pid, choice)));
                if state.left.refused > 0 {
                    actions.push(Action::Refuse(pid));
                }
            } else {
                actions.extend((0..process.at.choices()).map(|choice| Action::Step(pid, process.at, choice)));
            }
            let late = [false, true].into_iter().filter(|late| !late || process.waits_for_cloud());
            if state.left.kills > 0 {
                actions.extend(late.clone().map(|late| Action::Kill(pid, late)));
            }
            if state.left.lost > 0 && process.request.is_some() {
                actions.extend(late.map(|late| Action::Lose(pid, late)));
            }
            if state.left.unfit > 0 && process.at == At::RepeatAnswered {
                for address in 0..self.addresses {
                    actions.extend([false, true].map(|late| Action::Misanswer(pid, address, late)));
                }
            }
        }
        if state.left.reboots > 0 {
            actions.extend([false, true].map(Action::Reboot));
        }
        for (place, _) in state.cloud.strays.iter().enumerate().filter(|(_, call)| call.is_some()) {
            actions.extend((0..self.addresses.max(2)).map(|choice| Action::ExecuteLate(place, choice)));
        }
        actions.extend(state.disk.in_doubt.iter().map(Action::DoubtEnds));
        actions.extend(state.cloud.elsewhere.iter().map(Action::FreedElsewhere));
        if self.others_leave {
            actions.extend(state.cloud.others.iter().map(Action::TakenByOthers));
        }
        if self.console {
            actions.extend(self.can_be_taken(state).iter().map(Action::TakenInTheConsole));
        }
        if !state.cloud.ghosts.is_empty() {
            actions.push(Action::GhostsFade);
        }
        let mut in_doubt = false;
        for (name, record) in state.disk.releasing.iter().enumerate() {
            let Some(record) = record else { continue };
            in_doubt |= record.unanswered != record.lapsed;
            if record.held_back || !record.waiting.is_empty() {
                actions.push(Action::MayBeReleased(name));
            }
        }
        if in_doubt {
            actions.push(Action::Lapse);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = *last;
        match action {
            Action::Step(pid, at, choice) => {
                let next = self.step(last, pid, choice)?;
                self.note(at);
                return Some(next);
            }
            Action::Execute(pid, choice) => self.execute(&mut next, pid, choice)?,
            Action::ExecuteLate(stray, choice) => self.execute_late(&mut next, stray, choice)?,
            Action::Kill(pid, late) => Self::kill(&mut next, pid, late)?,
            Action::Reboot(late) => Self::reboot(&mut next, late)?,
            Action::Lose(pid, late) => Self::lose(&mut next, pid, late)?,
            Action::Refuse(pid) => Self::refuse(&mut next, pid)?,
            Action::Misanswer(pid, address, late) => Self::misanswer(&mut next, pid, address, late)?,
            Action::DoubtEnds(address) => self.doubt_ends(&mut next, address)?,
            Action::FreedElsewhere(address) => {
                next.cloud.elsewhere = next.cloud.elsewhere.without(Set::of(address));
            }
            Action::TakenByOthers(address) => self.others_leave(&mut next, Set::of(address)),
            Action::TakenInTheConsole(address) => self.taken_in_the_console(&mut next, address),
            Action::GhostsFade => next.cloud.ghosts = Set::EMPTY,
            Action::Lapse => self.lapse(&mut next)?,
            Action::MayBeReleased(name) => {
                let record = next.disk.releasing[name].as_mut()?;
                (record.held_back, record.waiting) = (false, Set::EMPTY);
            }
        }
        next.tidy();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
