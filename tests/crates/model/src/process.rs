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
    /// The operator's `reconcile --restore`, for the pod that has this address.
    Restore(u8),
}

/// What a process does next. Each is one file operation, one lock taken or let go, or one message. The comments name the
/// functions of the plugin that do it: above a group the function whose steps these are, beside a step one that it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the comments name the functions that the steps stand for")]
pub enum At {
    // `Store::begin_add`
    BeginAdd,
    IntentCreate, // `OpenIntent::create`
    IntentFind,   // `intent::find`
    BeginAddLock, // `Store::lock`
    BeginAddUnlock,
    BeginAddAgain,
    BeginAddForget, // `Store::forget`
    // `Store::take_over`, and `Store::begin_release_of` where the address is gone
    TakeOverLock, // `Store::lock`
    TakeOver,
    GiveUp,
    TakeOverUnlock,
    // `Attempt::run`
    LockEni, // `Store::lock_eni`
    // `Releaser::resolve_predecessor`
    ResolvePredecessor,
    PredecessorResolved,
    // `Asker::obtain`
    IsDeleted,    // `OpenIntent::is_deleted`
    LockEniAgain, // `Asker::eni_lock`
    Ask,          // `OpenIntent::ask`
    Request,      // `Asker::request`
    RequestAnswered,
    Settled,  // `OpenIntent::resolve`
    MadeRoom, // `Releaser::make_room`
    LetGo,
    NoteAnswer,      // `OpenIntent::note_answer`
    AcceptReleasing, // `Asker::accept`
    AcceptReturn,    // `EniLock::return_to_releasing`
    AcceptSettle,    // `EniLock::finish`
    AcceptSettled,   // `OpenIntent::resolve`
    // `Store::commit`, and the end of `verbs::add::add`
    CommitLock,
    CommitIsDeleted, // `OpenIntent::is_deleted`
    CommitReplace,   // `file::replace`
    CommitForget,    // `Store::forget`
    CommitUnlock,
    AddDropEniLock,
    Print,
    // `Store::abandon`
    AbandonPutReleasing, // `Store::put_releasing`
    AbandonForget,       // `Store::forget`
    AbandonDropEniLock,
    // `verbs::del::del` and `Store::knows`
    KnowsAssigning, // `Store::knows`
    KnowsActive,
    KnowsReleasing,
    // `Store::begin_release`
    BeginReleaseLock,
    BeginReleaseFind, // `intent::find`
    Mark,             // `intent::mark`
    BeginReleaseActive,
    BeginReleaseRename, // `Store::move_to_releasing`
    Pending,            // `Store::pending`
    BeginReleaseUnlock,
    // `Store::begin_release_of`
    BeginReleaseOfLock,
    BeginReleaseOfActive,
    // `Store::end_dead_intent`
    Bury,
    BuryRemove, // `file::remove`
    // `Releaser::release`
    Progress,
    TryLockEni, // `Store::try_lock_eni`
    IsPending,  // `Store::is_pending`
    ReleaseDropEniLock,
    // `EniLock::new`
    EniLockNew,
    // `step::step`
    Step,
    Sending,  // `EniLock::sending`
    Unassign, // `Leader::send`
    UnassignAnswered,
    Unknown,  // `EniLock::unknown`
    Failed,   // `Leader::failed`
    Settle,   // `EniLock::finish`
    Answered, // `EniLock::acknowledge`
    AnsweredThenLook,
    Look,       // `Leader::look`
    LookSettle, // `EniLock::finish`
    // `in_doubt::resolve`
    Describe,
    Described,
    EndLapsed, // `in_doubt::end_lapsed`
    Repeat,    // `in_doubt::repeat`
    RepeatAnswered,
    OwnerOf,         // `EniLock::owner_of`
    InDoubtHoldBack, // `EniLock::update`
    InDoubtUpdate,   // `EniLock::update`
    InDoubtOver,     // `EniLock::finish`
    // `Releaser::release_backlog`
    ReleaseBacklog, // `Store::try_lock_eni`
    BacklogDropEniLock,
    // `Store::release_dead_intents`
    ReleaseDeadIntents,
    BuryOneLock, // `Store::lock`
    BuryOneFind,
    BuryOneUnlock,
    // `EarlierBoot::begin_releases`
    EarlierBootList, // `Store::list`
    // `verbs::gc::gc`
    GcList, // `Store::list`
    // `CallContext::drain` and `Releaser::drain`
    PendingByEni, // `Store::pending_by_eni`
    DrainLockEni, // `Store::lock_eni`
    DrainDropEniLock,
    // `restore::restore_on`
    RestoreLockEni, // `Store::lock_eni`
    RestoreLook,    // `restore::restore_on`
    // `Releaser::restore`
    RestorePut, // `Store::put_releasing`
    RestoreAsk, // `Releaser::ask`
    RestoreAnswered,
    RestoreOver, // `EniLock::finish`
    RestoreDropEniLock,
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
    /// Where it goes on after `Store::end_dead_intent`.
    pub after_bury: At,
    /// Where it goes on after `EniLock::new`.
    pub after_eni_lock: At,
    /// Where it goes on after `step::step`.
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
    /// What was in doubt when that was made.
    pub in_doubt: Set,
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
    /// The record whose request in doubt it looks into.
    pub record: u8,
    /// That request.
    pub token: u8,
    /// The requests that had lapsed when the ENI was described.
    pub lapsed: Set,
    /// What the description shows.
    pub shown: Set,
    /// The outcome of the repetition is unknown as well.
    pub unknown: bool,
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
            Verb::Gc(_) | Verb::Flush => (At::ReleaseDeadIntents, 0),
            Verb::Restore(_) => (At::RestoreLockEni, 0),
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
