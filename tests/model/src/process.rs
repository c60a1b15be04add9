//! A process: what it does, where it is, and what it keeps in memory, all of which a kill takes away.

use crate::set::Set;
use crate::state::{Call, Reply};

/// What a process was started for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Nothing: the place is free.
    #[default]
    None,
    /// ADD for this owner.
    Add(u8),
    /// DEL for this owner.
    Del(u8),
    /// GC, for which these owners are no more.
    Gc(Set),
    /// The operator's `flush`.
    Flush,
}

/// What a process does next. Each is one file operation, one lock taken or let go, or one message, and bears the name of
/// the function of the code that does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each bears the name of the function that it stands for")]
pub enum At {
    // Store::begin_add
    BeginAdd,
    IntentCreate,
    IntentFind,
    BeginAddLock,
    BeginAddUnlock,
    BeginAddAgain,
    BeginAddForget,
    // verbs::add::obtain
    WaitLease,
    CatchUp,
    // Assigner::obtain
    IsDeleted,
    LeaseAgain,
    Ask,
    Request,
    RequestAnswered,
    Settled,
    MadeRoom,
    LetGo,
    AcceptReleasing,
    AcceptPutBack,
    AcceptSettle,
    AcceptSettled,
    // Store::commit, and the end of an ADD
    CommitLock,
    CommitIsDeleted,
    CommitReplace,
    CommitForget,
    CommitUnlock,
    AddDropLease,
    Print,
    // Store::abandon
    AbandonPutReleasing,
    AbandonForget,
    AbandonDropLease,
    // verbs::del
    KnowsAssigning,
    KnowsActive,
    KnowsReleasing,
    // Store::begin_release
    BeginReleaseLock,
    BeginReleaseFind,
    Mark,
    BeginReleaseActive,
    BeginReleaseRename,
    Pending,
    BeginReleaseUnlock,
    // Store::begin_release_of
    BeginReleaseOfLock,
    BeginReleaseOfActive,
    // Store::end_dead_intent
    Bury,
    BuryRemove,
    // Releaser::release
    Progress,
    TryLease,
    IsPending,
    ReleaseDropLease,
    // Lease::new
    LeaseNew,
    // leader::step
    Step,
    Sending,
    Unassign,
    UnassignAnswered,
    Unknown,
    Failed,
    Settle,
    Answered,
    AnsweredThenLook,
    Look,
    LookSettle,
    // unanswered::settle
    Repeat,
    RepeatAnswered,
    Holder,
    UnansweredHoldBack,
    UnansweredUpdate,
    UnansweredOver,
    // Store::bury_dead
    BuryDead,
    BuryOneLock,
    BuryOneFind,
    BuryOneUnlock,
    // verbs::gc
    GcList,
    // Session::drain, Releaser::drain
    PendingByEni,
    DrainWaitLease,
    DrainDropLease,
    /// It has ended.
    #[default]
    Done,
}

/// Every step there is but the last.
pub const STEPS: u8 = At::Done as u8;

/// How a leader's step went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Something is settled.
    Done,
    /// ECS did not do as asked.
    Failed,
    /// Nothing was to be done.
    #[default]
    Nothing,
}

/// A request whose answer a process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// What is asked.
    pub call: Call,
    /// The answer, once ECS has carried it out.
    pub reply: Option<Reply>,
}

/// A process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    /// What for.
    pub verb: Verb,
    /// What comes next.
    pub at: At,
    /// Its request on its way.
    pub request: Option<Request>,
    /// Whose records it is about.
    pub owner: u8,
    /// The file that it has found: a living ADD's intent, or the record that is to be released; by the process that made it.
    pub inode: u8,
    /// Where it goes on after `bury`.
    pub after_bury: At,
    /// Where it goes on after `Lease::new`.
    pub after_lease: At,
    /// Where it goes on after `leader::step`.
    pub after_step: At,
    /// An ADD's own part.
    pub add: Add,
    /// The leader's part.
    pub leader: Leader,
    /// The releases it waits for.
    pub mine: Set,
}

/// What an ADD remembers.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Add {
    /// How many requests it has made.
    pub asks: u8,
    /// The `ClientToken` of the last one.
    pub token: u8,
    /// What was suspect when that was made.
    pub suspects: Set,
    /// The outcome of an attempt at it was not seen.
    pub unseen: bool,
    /// It was refused because there is no address left.
    pub full: bool,
    /// What it brought.
    pub given: u8,
    /// What of that is usable.
    pub usable: bool,
    /// Every usable address.
    pub got: Set,
    /// The requests that brought them.
    pub answered: Set,
    /// Room has been made for the address it is getting.
    pub made_room: bool,
    /// It ends badly.
    pub failed: bool,
    /// A DEL has met its intent.
    pub overtaken: bool,
}

/// What the holder of the ENI's lock remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leader {
    /// The record for whose sake it took the lock.
    pub own: Option<u8>,
    /// The records as it read them.
    pub records: Set,
    /// The record whose unanswered requests it repeats.
    pub record: u8,
    /// Whether another copy of it might still come when it was repeated.
    pub open: bool,
    /// What the ENI had that no file names, at a time at which that showed all that the request had assigned.
    pub shown: Option<Set>,
    /// Its answer was not one to it.
    pub unfit: bool,
    /// What the repeated request had assigned.
    pub found: Option<u8>,
    /// The addresses of the request.
    pub batch: Set,
    /// Those that are to be settled.
    pub over: Set,
    /// Those that are still to be asked for one by one.
    pub singles: Set,
    /// It is to send fewer than were refused.
    pub less: bool,
    /// How it went.
    pub outcome: Outcome,
}

impl Process {
    /// One that is about to start.
    #[must_use]
    pub fn new(verb: Verb) -> Self {
        let (at, owner) = match verb {
            Verb::None => (At::Done, 0),
            Verb::Add(owner) => (At::BeginAdd, owner),
            Verb::Del(owner) => (At::KnowsAssigning, owner),
            Verb::Gc(_) | Verb::Flush => (At::BuryDead, 0),
        };
        Self { verb, at, owner, ..Self::default() }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Whether it waits for an answer that is not there yet.
    #[must_use]
    pub fn waits_for_cloud(&self) -> bool {
        matches!(self.request, Some(Request { reply: None, .. }))
    }
}
