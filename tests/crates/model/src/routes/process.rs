//! A process: what it does, where it is, and what it keeps in memory, all of which a kill takes away.

use crate::routes::state::PODS;
use crate::set::Set;

/// What a process was started for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Nothing: the place is free.
    #[default]
    None,
    /// The ADDs of this pod, one plugin after the other.
    Add(u8),
    /// The DELs of this pod, likewise.
    Del(u8),
    /// The end of this pod's record alone.
    Release(u8),
    /// GC, `flush` and `routes --repair`.
    Repair,
    /// `routes --remove`.
    Remove,
}

/// What a process does next. Each is one file operation, one lock taken or let go, or one message to the kernel. The comments name
/// the functions of the plugin that do it: above a group the function whose steps these are, beside a step one that it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the comments name the functions that the steps stand for")]
pub enum At {
    // `verbs::add::add`
    Commit, // `Store::commit`
    // `Store::lock_routes`
    AddLock,
    // `Store::active`
    AddRead,
    // `Network::put`
    PutRemove,
    PutRule,
    AddUnlock,
    // `Store::lock_routes`
    DelLock,
    // `Store::active`
    DelRead,
    // `Network::remove_pod`
    RemovePod,
    DelUnlock,
    // `verbs::del::del`
    EndRecord, // `Store::begin_release`
    // `Store::lock_routes`
    RepairLock,
    // `Store::active`
    RepairRead,
    // `Network::repair`
    RepairList, // `Network::differences`
    RepairRemove,
    RepairAdd,
    RepairUnlock,
    // `Network::remove_all`
    RemoveLock, // `Store::lock_routes`
    RemoveAll,
    RemoveUnlock,
    /// It has ended.
    #[default]
    Done,
}

/// How many steps there are.
pub const STEPS: u32 = At::Done as u32;

/// A process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    /// What it was started for.
    pub verb: Verb,
    /// What it does next.
    pub at: At,
    /// ADD: the ENI on which it was given the address.
    pub eni: Option<u8>,
    /// What it has read of the active records.
    pub read: [Option<u8>; PODS],
    /// What it has read of the kernel's rules.
    pub listed: Set,
}

impl Process {
    /// One that begins.
    #[must_use]
    pub fn new(verb: Verb, at: At) -> Self {
        Self { verb, at, ..Self::default() }
    }

    /// The pod that it is about.
    #[must_use]
    pub fn pod(&self) -> u8 {
        match self.verb {
            Verb::Add(pod) | Verb::Del(pod) | Verb::Release(pod) => pod,
            Verb::None | Verb::Repair | Verb::Remove => 0,
        }
    }
}
