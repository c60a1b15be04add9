//! One state of the whole.

use crate::reserve::disk::Disk;
use crate::set::Set;

/// At most so many processes; the last place is the `flush` that comes in the end.
pub const PROCESSES: usize = 4;
/// At most so many requests to assign does one process make.
pub const TRIES: u8 = 3;
/// `ClientToken`s: the process's number times [`TRIES`], plus the request's.
pub const TOKENS: usize = PROCESSES * TRIES as usize;
/// At most so many ENIs.
pub const ENIS: usize = 2;

/// What a process was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// ADD for this owner, in this network.
    Add(u8, u8),
    /// DEL for this owner.
    Del(u8),
    /// A person's `flush`.
    Flush,
}

/// What a process does next: all that it does in one hold of the store's lock is one step. The comments name the functions of the
/// plugin that do it: above a group the function whose steps these are, beside a step one that it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the comments name the functions that the steps stand for")]
pub enum At {
    // `verbs::beginning::begin`, `Store::begin_release`, `Store::release_dead_intents` and `Store::release_all_surplus`
    Begin,
    // `Attempt::wait_for_turn`
    Want, // `Picker::pick_all`
    // `Store::take`
    Take,
    SyncActive, // `file::sync_directory`
    DropEntry,  // `Store::forget_taken`
    // `Store::end_intent`
    End,
    // `Attempt::undo`
    Abandon, // `Store::abandon`
    // `Releaser::release_surplus`
    Surplus, // `Store::release_surplus`
    // `Releaser::release`
    LockForRelease, // `Store::try_lock_eni`
    // `Attempt::lead`
    Lead, // `Releaser::resolve_predecessor`
    // `in_doubt::resolve`
    Repeat,         // `in_doubt::end_lapsed`
    RepeatAnswered, // `in_doubt::answered`
    // `Asker::obtain`
    Ask,    // `Store::plan_request`
    Assign, // `Asker::request`
    AssignAnswered,
    // `Asker::accept`
    Accept,      // `EniLock::reserve`
    Acknowledge, // `EniLock::finish`
    // `Attempt::record`
    Commit, // `Store::commit`
    // `step::step`
    Gather,   // `EniLock::clear_entries`
    Look,     // `Leader::look`
    Unassign, // `Leader::send`
    UnassignAnswered,
    /// It has ended.
    #[default]
    Done,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// To assign, with this `ClientToken`.
    Assign(u8),
    /// To unassign these.
    Unassign(Set),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// These were assigned.
    Assigned(Set),
    /// All were unassigned.
    Done,
    /// One at least was not on the ENI; nothing was done.
    NotThere,
    /// There are fewer left.
    Fewer,
    /// No answer.
    Unknown,
}

/// A process, all of which a kill takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// What for.
    pub verb: Verb,
    /// What comes next.
    pub at: At,
    /// The ENI whose lock it holds or waits for.
    pub eni: u8,
    /// Its request on its way, and the answer.
    pub request: Option<(Call, Option<Reply>)>,
    /// The `ClientToken` of its request.
    pub token: u8,
    /// How many requests to assign it has made.
    pub made: u8,
    /// An attempt at the request was lost sight of.
    pub unseen: bool,
    /// A refusal said that there are fewer than this many.
    pub fewer_than: u8,
    /// The ENIs that are full.
    pub full: Set,
    /// What was in doubt when it asked.
    pub asked_in_doubt: Set,
    /// What it picks from the reserve, was answered, or asks to unassign.
    pub addresses: Set,
    /// What ECS has given for its own pod.
    pub given: Set,
    /// The requests that have brought that.
    pub acknowledged: Set,
    /// An ADD that has ended well or badly, and gives back.
    pub gives_back: bool,
    /// The requests in doubt that it has looked into.
    pub looked: Set,
}

/// What was asked with a `ClientToken`, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// ENI and family.
    pub pool: (u8, u8),
    /// How many addresses.
    pub count: u8,
    /// What ECS assigned.
    pub assigned: Option<Set>,
}

/// ECS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// The secondary addresses of the ENIs.
    pub assigned: Set,
    /// Each `ClientToken`.
    pub requests: [Request; TOKENS],
    /// Requests that nobody waits for, and that may still take effect.
    pub strays: Vec<Call>,
}

/// How often what may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Processes are killed.
    pub kills: u8,
    /// The power goes.
    pub cuts: u8,
    /// Answers or requests are lost.
    pub lost: u8,
    /// Such requests are carried out later.
    pub late: u8,
    /// Calls give up at their deadline.
    pub deadlines: u8,
}

/// What must never happen.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    /// ECS unassigned what an active record names.
    pub taken: bool,
    /// A request to release names what an active record names.
    pub sent: bool,
    /// A pod was given from the reserve what had not rested.
    pub unrested: bool,
    /// More was asked for than is wanted.
    pub greedy: bool,
    /// An ADD that can have an address waits, and nobody asks.
    pub idle: bool,
    /// An ADD ended well that a DEL had overtaken.
    pub outlived: bool,
    /// An ENI was taken for full that had room, and nothing had gone wrong.
    pub refused: bool,
    /// A network gave back what another one keeps.
    pub meddled: bool,
    /// What ECS gave to an ADD was another's before its record was there.
    pub robbed: bool,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The store.
    pub disk: Disk,
    /// ECS.
    pub cloud: Cloud,
    /// Who holds the lock of each ENI.
    pub eni_locks: [Option<u8>; ENIS],
    /// The processes.
    pub processes: [Process; PROCESSES],
    /// What may still go wrong.
    pub left: Faults,
    /// What has gone wrong for good.
    pub broken: Broken,
    /// A kill, a power cut or a lost request may have left surplus.
    pub disturbed: bool,
    /// Addresses that were a pod's, and have not rested.
    pub worn: Set,
}

impl Process {
    /// One that is about to start.
    #[must_use]
    pub fn new(verb: Verb) -> Self {
        Self {
            verb,
            at: At::Begin,
            eni: 0,
            request: None,
            token: 0,
            made: 0,
            unseen: false,
            fewer_than: u8::MAX,
            full: Set::EMPTY,
            asked_in_doubt: Set::EMPTY,
            addresses: Set::EMPTY,
            given: Set::EMPTY,
            acknowledged: Set::EMPTY,
            gives_back: false,
            looked: Set::EMPTY,
        }
    }

    /// One that has ended.
    #[must_use]
    pub fn ended() -> Self {
        Self { at: At::Done, ..Self::new(Verb::Flush) }
    }

    /// Whether it waits for an answer that is not there yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self.request, Some((_, None)))
    }
}

impl State {
    /// What these requests have assigned.
    #[must_use]
    pub fn assigned_by(&self, tokens: Set) -> Set {
        let assigned = tokens.iter().filter_map(|token| self.cloud.requests[usize::from(token)].assigned);
        assigned.fold(Set::EMPTY, Set::and)
    }

    /// Every address that a file names, itself or by the request that assigned it.
    #[must_use]
    pub fn named(&self) -> Set {
        let live = &self.disk.live;
        live.in_use().and(live.reserved()).and(live.releasing).and(self.assigned_by(self.disk.open()))
    }

    /// Forgets what makes no difference.
    pub fn tidy(&mut self) {
        if self.left.cuts == 0 {
            self.disk.forget_what_is_durable();
        }
        let mut open = self.disk.open();
        let waited_for = self.processes.iter().filter_map(|it| it.request).map(|(call, _)| call);
        for call in waited_for.chain(self.cloud.strays.iter().copied()) {
            if let Call::Assign(token) = call {
                open = open.with(token);
            }
        }
        let at_work = |it: &&Process| matches!(it.at, At::Assign | At::Accept | At::Acknowledge | At::Repeat);
        for process in self.processes.iter().filter(at_work) {
            open = open.with(process.token);
        }
        self.disk.noted = self.disk.noted.common(self.disk.open());
        self.disk.expected = self.disk.expected.common(self.disk.open());
        for (token, request) in (0..).zip(&mut self.cloud.requests) {
            if !open.has(token) {
                *request = Request::default();
            }
        }
        self.cloud.strays.sort_unstable();
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let disk = &self.disk;
        write!(f, "ENI {:?} reserved {:?}", self.cloud.assigned, disk.live.reserved())?;
        write!(f, " releasing {:?} doubt {:?}", disk.live.releasing, disk.live.doubt)?;
        for (owner, active) in disk.live.active.iter().enumerate() {
            if let Some(active) = active {
                let old = if active.old { " old" } else { "" };
                let named = if active.named { "" } else { " without names" };
                write!(f, " active/{owner} {:?}{old}{named}", active.addresses)?;
            }
        }
        for (owner, intent) in disk.intents.iter().enumerate() {
            if let Some(intent) = intent {
                write!(f, " assigning/{owner} {:?}", intent.asks)?;
            }
        }
        write!(f, " not durable {} in doubt {:?}", disk.undurable(), disk.in_doubt.and(disk.in_flight))
    }
}
