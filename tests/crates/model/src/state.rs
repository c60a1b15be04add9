//! One state of the whole: the disk, the cloud, the locks, the processes.

use crate::process::Process;
use crate::set::Set;

/// At most so many processes; the last place is kept for the `flush` that [`recovery`](crate::recovery) runs.
pub const PROCESSES: Pid = 5;
/// At most so many attachments.
pub const OWNERS: usize = 3;
/// At most so many records are releasing at once.
pub const RECORDS: usize = 7;
/// At most so many requests are on their way with nobody waiting for their answers.
pub const STRAYS: usize = 2;
/// At most so many requests to assign does one process make.
pub const TRIES: u8 = 3;
/// At most so many requests are left behind from before the beginning.
pub const LEFT_BEHIND: u8 = 3;
/// `ClientToken`s: the process's number times [`TRIES`], plus the request's; and those from before the beginning.
pub const TOKENS: u8 = (PROCESSES - 1) * TRIES + LEFT_BEHIND;

/// A process, by its place.
pub type Pid = u8;

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What survives every kill.
    pub disk: Disk,
    /// What ECS knows.
    pub cloud: Cloud,
    /// Who holds the store's lock.
    pub store_lock: Option<Pid>,
    /// Who holds the ENI's lock.
    pub eni_lock: Option<Pid>,
    /// The processes.
    pub processes: [Process; PROCESSES as usize],
    /// What may still go wrong.
    pub left: Faults,
    /// What has happened that must never happen.
    pub broken: Broken,
    /// Owners of whose addresses a runtime has been told, and that it has not begun to delete.
    pub told: Set,
}

/// The store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// `assigning/<key>`.
    pub assigning: [Option<Intent>; OWNERS],
    /// `active/<key>`.
    pub active: [Option<Active>; OWNERS],
    /// `releasing/<key>.<unique>`.
    pub releasing: [Option<Releasing>; RECORDS],
    /// `eni/<id>.json`: what the holder of the lock has asked to unassign.
    pub in_flight: Set,
    /// `eni/<id>.json`: what a request of unknown outcome may still take away.
    pub in_doubt: Set,
}

/// The file of an ADD's intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Which file it is, whatever its name: the process that made it.
    pub inode: Pid,
    /// Who holds its lock.
    pub lock: Option<Pid>,
    /// The requests that are noted and not settled.
    pub asks: Set,
    /// Those of them whose answers it has noted.
    pub noted: Set,
    /// A DEL has marked it.
    pub deleted: bool,
}

/// The file of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Active {
    /// Its addresses.
    pub addresses: Set,
    /// The process that made it; [`PROCESSES`] for one from before the beginning.
    pub by: Pid,
    /// It is of an earlier boot.
    pub old: bool,
}

/// The file of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Releasing {
    /// Whose; nobody's for what was returned to releasing.
    pub owner: Option<u8>,
    /// What is to be unassigned.
    pub addresses: Set,
    /// Requests to assign whose answers nobody has seen.
    pub unanswered: Set,
    /// Those of them whose answers the ADD had noted.
    pub noted: Set,
    /// Those of them of which no copy can take effect any more, and of which a description shows all that they assigned:
    /// `AssignRequest::in_doubt_until` and the lag are over.
    pub lapsed: Set,
    /// Those of them whose own not-before lies ahead.
    pub waiting: Set,
    /// The not-before of its addresses lies ahead.
    pub held_back: bool,
}

impl Releasing {
    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.addresses.is_empty() && self.unanswered.is_empty()
    }

    /// The addresses that may be asked for now.
    #[must_use]
    pub fn due(&self) -> Set {
        if self.held_back { Set::EMPTY } else { self.addresses }
    }

    /// The requests that may be looked into now.
    #[must_use]
    pub fn due_requests(&self) -> Set {
        self.unanswered.without(self.waiting)
    }

    /// Crosses requests off.
    pub fn cross_off(&mut self, requests: Set) {
        for all in [&mut self.unanswered, &mut self.noted, &mut self.lapsed, &mut self.waiting] {
            *all = all.without(requests);
        }
    }
}

/// ECS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// The secondary addresses of the ENI.
    pub assigned: Set,
    /// Those that other nodes have.
    pub elsewhere: Set,
    /// Those of the ENI that other software has put there.
    pub others: Set,
    /// Those of pods that a person has taken off the ENI.
    pub removed: Set,
    /// Those that were unassigned a moment ago, and that a description may still show.
    pub ghosts: Set,
    /// What it answered to each `ClientToken`.
    pub memory: [Memory; TOKENS as usize],
    /// Requests that nobody waits for any more, and that may still take effect.
    pub strays: [Option<Call>; STRAYS],
}

/// What ECS remembers of a `ClientToken`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Memory {
    /// Nothing.
    #[default]
    New,
    /// It was answered with this address.
    Assigned(u8),
    /// It was refused for good.
    Refused,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// `AssignPrivateIpAddresses` with this `ClientToken`.
    Assign(u8),
    /// `UnassignPrivateIpAddresses` of these.
    Unassign(Set),
}

/// What a process learns of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// This address was assigned.
    Assigned(u8),
    /// All were unassigned.
    Done,
    /// `InvalidIp.IpUnassigned`: one of them at least is not on the ENI.
    IpUnassigned,
    /// Refused for good: there is no address left.
    Full,
    /// `IdempotentFailed`: the request of this token had been refused for good.
    Spent,
    /// Refused in passing (throttled, conflicting), or not sent at all.
    Refused,
    /// No answer, or none that says anything. To an ADD, an answer that is not one to its request is the same.
    Unknown,
    /// An answer that is not one to a repeated request, with this address in it.
    Unfit(u8),
}

/// How often what may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Processes are killed.
    pub kills: u8,
    /// Answers are lost, or requests before they are carried out.
    pub lost: u8,
    /// Requests of a killed process, or of one that gave up on them, are carried out later.
    pub late: u8,
    /// Requests are refused in passing, or do not get as far as the cloud.
    pub refused: u8,
    /// Results are not read by the runtime.
    pub unread: u8,
    /// Repeated requests have answers that are not answers to them.
    pub unfit: u8,
    /// The node boots.
    pub reboots: u8,
}

/// What must never happen.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    /// A request was sent to unassign what an active record names.
    pub sent: bool,
    /// ECS unassigned what an active record names.
    pub taken: bool,
    /// An ADD ended well that a DEL had overtaken.
    pub outlived: bool,
    /// ECS unassigned what other software has put on the ENI.
    pub robbed: bool,
}

impl Set {
    fn of_token(set: Self, token: usize) -> bool {
        u8::try_from(token).is_ok_and(|token| set.has(token))
    }
}

impl Disk {
    /// Every address that an active record names.
    #[must_use]
    pub fn in_use(&self) -> Set {
        self.active.iter().flatten().fold(Set::EMPTY, |all, active| all.and(active.addresses))
    }

    /// The record of this name.
    #[must_use]
    pub fn record(&self, name: u8) -> Option<&Releasing> {
        self.releasing[usize::from(name)].as_ref()
    }

    /// The names of the records for which `chosen` holds.
    pub fn names(&self, chosen: impl Fn(&Releasing) -> bool) -> Set {
        let mut names = Set::EMPTY;
        for (name, record) in (0..).zip(&self.releasing) {
            if record.as_ref().is_some_and(&chosen) {
                names = names.with(name);
            }
        }
        names
    }

    /// Every request that somebody is still to find out about.
    #[must_use]
    pub fn open_requests(&self) -> Set {
        let intents = self.assigning.iter().flatten().map(|intent| intent.asks);
        let records = self.releasing.iter().flatten().map(|record| record.unanswered);
        intents.chain(records).fold(Set::EMPTY, Set::and)
    }
}

impl Cloud {
    /// What these requests have assigned.
    #[must_use]
    pub fn assigned_by(&self, requests: Set) -> Set {
        let memory = self.memory.iter().enumerate().filter(|(token, _)| Set::of_token(requests, *token));
        memory.fold(Set::EMPTY, |all, (_, memory)| match memory {
            Memory::Assigned(address) => all.with(*address),
            Memory::New | Memory::Refused => all,
        })
    }
}

impl State {
    /// Every address that some file names, itself or by the request that assigned it.
    #[must_use]
    pub fn named(&self) -> Set {
        let open = self.disk.open_requests();
        let mut named = self.disk.in_use();
        for record in self.disk.releasing.iter().flatten() {
            named = named.and(record.addresses);
        }
        named.and(self.cloud.assigned_by(open))
    }

    /// Forgets what no longer makes a difference, so that states that are alike are one.
    pub fn tidy(&mut self) {
        let mut open = self.disk.open_requests();
        let mut note = |call: &Call| {
            if let Call::Assign(token) = call {
                open = open.with(*token);
            }
        };
        self.cloud.strays.iter().flatten().for_each(&mut note);
        self.processes.iter().filter_map(|it| it.request.as_ref()).for_each(|it| note(&it.call));
        for (token, memory) in self.cloud.memory.iter_mut().enumerate() {
            if !Set::of_token(open, token) {
                *memory = Memory::New;
            }
        }
        // Nobody misses what its pod has given up.
        self.cloud.removed = self.cloud.removed.common(self.disk.in_use());
        self.cloud.strays.sort_unstable();
    }
}
