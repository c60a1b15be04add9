//! The store, what of it is durable, and what a power cut may leave: the rules of `tests/crash/disk.rs` for names. Each
//! change is kept or lost by itself until its directories are made durable; a rename is kept or lost as a whole.
//!
//! Intents and the ENI's state are durable at once: their files are synchronized before anybody acts on them.

use crate::set::Set;

/// At most so many attachments.
pub const OWNERS: usize = 3;
/// At most so many addresses.
pub const ADDRESSES: usize = 4;
/// `active/`.
pub const ACTIVE: u8 = 1;
/// `reserved/`.
pub const RESERVED: u8 = 2;
/// `releasing/`.
pub const RELEASING: u8 = 4;
/// `address/`.
pub const ADDRESS: u8 = 8;

/// An entry of the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The network that put it there.
    pub network: u8,
    /// Nobody has had the address for long enough.
    pub rested: bool,
}

/// The record of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Active {
    /// Its addresses.
    pub addresses: Set,
    /// Its network.
    pub network: u8,
    /// It is of an earlier boot.
    pub old: bool,
    /// `address/` leads to it from each of its addresses: `Store::owner_of` knows of it.
    pub named: bool,
}

/// An ADD's intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Who holds its lock.
    pub lock: Option<u8>,
    /// A DEL has marked it.
    pub deleted: bool,
    /// Its requests that are not crossed off.
    pub asks: Set,
    /// The network of its ADD.
    pub network: u8,
}

/// What the directories name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names {
    /// `active/<key>`.
    pub active: [Option<Active>; OWNERS],
    /// `reserved/<eni>/<ip>`.
    pub entries: [Option<Entry>; ADDRESSES],
    /// The addresses that `releasing/` names.
    pub releasing: Set,
    /// The requests in doubt that `releasing/` names.
    pub doubt: Set,
}

/// A change of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says what becomes of which name")]
pub enum Change {
    Active(u8, Active),
    Named(u8, Set),
    NoActive(u8),
    Move(u8, Set),
    Entry(u8, Entry),
    NoEntry(u8),
    Releasing(u8),
    NoReleasing(u8),
    Doubt(u8),
    NoDoubt(u8, Set),
}

impl Change {
    /// The directories that have to be made durable.
    fn directories(self) -> u8 {
        match self {
            Self::Active(..) | Self::NoActive(_) => ACTIVE,
            // A name without its record leads nowhere.
            Self::Named(..) => ACTIVE | ADDRESS,
            Self::Move(..) => ACTIVE | RELEASING,
            Self::Entry(..) | Self::NoEntry(_) => RESERVED,
            Self::Releasing(_) | Self::NoReleasing(_) | Self::Doubt(_) | Self::NoDoubt(..) => RELEASING,
        }
    }
}

impl Names {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Active(owner, active) => self.active[usize::from(owner)] = Some(active),
            Change::Named(owner, addresses) => {
                if let Some(active) = &mut self.active[usize::from(owner)]
                    && active.addresses == addresses
                {
                    active.named = true;
                }
            }
            Change::NoActive(owner) => self.active[usize::from(owner)] = None,
            Change::Move(owner, addresses) => {
                self.active[usize::from(owner)] = None;
                self.releasing = self.releasing.and(addresses);
            }
            Change::Entry(address, entry) => self.entries[usize::from(address)] = Some(entry),
            Change::NoEntry(address) => self.entries[usize::from(address)] = None,
            Change::Releasing(address) => self.releasing = self.releasing.with(address),
            Change::NoReleasing(address) => self.releasing = self.releasing.without(Set::of(address)),
            Change::Doubt(token) => self.doubt = self.doubt.with(token),
            // The record of the request becomes one of what it had assigned: one rename.
            Change::NoDoubt(token, found) => {
                self.doubt = self.doubt.without(Set::of(token));
                self.releasing = self.releasing.and(found);
            }
        }
    }

    /// What active records name.
    #[must_use]
    pub fn in_use(&self) -> Set {
        self.active.iter().flatten().fold(Set::EMPTY, |all, it| all.and(it.addresses))
    }

    /// What active records name that can be found by the address.
    #[must_use]
    pub fn owned(&self) -> Set {
        let named = self.active.iter().flatten().filter(|it| it.named);
        named.fold(Set::EMPTY, |all, it| all.and(it.addresses))
    }

    /// What no request may take away. A record of an earlier boot without names is no pod's, and will not be.
    #[must_use]
    pub fn protected(&self) -> Set {
        let records = self.active.iter().flatten().filter(|it| it.named || !it.old);
        records.fold(Set::EMPTY, |all, it| all.and(it.addresses))
    }

    /// What the reserve names.
    #[must_use]
    pub fn reserved(&self) -> Set {
        (0..).zip(&self.entries).filter(|(_, it)| it.is_some()).fold(Set::EMPTY, |all, (ip, _)| all.with(ip))
    }
}

/// The store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// As processes see it.
    pub live: Names,
    /// What no power cut takes.
    durable: Names,
    /// Changes that are not durable, with the directories that still have to be made durable.
    pending: Vec<(Change, u8)>,
    /// `assigning/<key>`.
    pub intents: [Option<Intent>; OWNERS],
    /// `eni/<id>.json`: what the holder of the lock has asked to unassign.
    pub in_flight: Set,
    /// `eni/<id>.json`: what a request of unknown outcome may still take away.
    pub in_doubt: Set,
    /// The requests in doubt whose answers an intent notes. It is not made durable.
    pub noted: Set,
    /// The requests that were sent less than two seconds ago.
    pub expected: Set,
}

impl Disk {
    /// Changes a directory.
    pub fn change(&mut self, change: Change) {
        self.live.apply(change);
        self.pending.push((change, change.directories()));
    }

    /// Makes directories durable.
    pub fn sync(&mut self, directories: u8) {
        for (change, left) in &mut self.pending {
            *left &= !directories;
            if *left == 0 {
                self.durable.apply(*change);
            }
        }
        self.pending.retain(|(_, left)| *left != 0);
    }

    /// Whether nothing has changed in a directory since it was made durable.
    #[must_use]
    pub fn is_durable(&self, directory: u8) -> bool {
        self.pending.iter().all(|(change, _)| change.directories() & directory == 0)
    }

    /// How many changes are not durable.
    #[must_use]
    pub fn undurable(&self) -> usize {
        self.pending.len()
    }

    /// The power goes: of the changes that are not durable, those in `kept` are kept. No process lives.
    pub fn power_cut(&mut self, kept: u32) {
        let mut names = self.durable;
        for (index, (change, _)) in self.pending.iter().enumerate() {
            if kept & 1 << index != 0 {
                names.apply(*change);
            }
        }
        for active in names.active.iter_mut().flatten() {
            active.old = true;
        }
        for entry in names.entries.iter_mut().flatten() {
            entry.rested = false;
        }
        for intent in self.intents.iter_mut().flatten() {
            intent.lock = None;
        }
        (self.live, self.durable) = (names, names);
        self.pending.clear();
        (self.noted, self.expected) = (Set::EMPTY, Set::EMPTY);
    }

    /// Where no power cut can come any more, nothing is lost.
    pub fn forget_what_is_durable(&mut self) {
        self.pending.clear();
        self.durable = self.live;
    }

    /// The file of a record is replaced where it is, and durable at once.
    pub fn renew(&mut self, owner: u8) {
        if let Some(active) = &mut self.live.active[usize::from(owner)] {
            (active.old, active.named) = (false, true);
            self.durable.active[usize::from(owner)] = Some(*active);
            self.pending.retain(|(change, _)| {
                let (Change::Active(it, _) | Change::NoActive(it) | Change::Named(it, _)) = change else {
                    return true;
                };
                *it != owner
            });
        }
    }

    /// An entry has rested.
    pub fn rest(&mut self, address: u8) {
        let place = usize::from(address);
        let rest = |entry: &mut Option<Entry>| {
            if let Some(entry) = entry {
                entry.rested = true;
            }
        };
        rest(&mut self.live.entries[place]);
        rest(&mut self.durable.entries[place]);
        for (change, _) in &mut self.pending {
            if let Change::Entry(it, entry) = change
                && *it == address
            {
                entry.rested = true;
            }
        }
    }

    /// Every request that is not crossed off.
    #[must_use]
    pub fn open(&self) -> Set {
        self.intents.iter().flatten().fold(self.live.doubt, |all, it| all.and(it.asks))
    }
}
