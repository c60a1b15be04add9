//! What a soak reports: the promise that was broken, and what had been done until then.

use std::fmt;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An address is on the ENI, and nothing will ever release it.
    Loss,
    /// A living pod's address is gone, is another's as well, or is about to be released.
    Theft,
    /// What could be done is not done, or a call does not do as it is told.
    Stall,
}

/// The first promise that was broken. Everybody stops then.
#[derive(Debug, Default)]
pub(crate) struct Reports<'a> {
    first: Mutex<Option<(Broken, String)>>,
    any: AtomicBool,
    of_all: Option<&'a Reports<'a>>,
}

impl<'a> Reports<'a> {
    /// Those of one of several nodes, all of which stop if one reports something.
    pub(crate) fn of(of_all: &'a Reports<'a>) -> Self {
        Self { of_all: Some(of_all), ..Self::default() }
    }

    /// Reports a broken promise, unless one was reported before: what comes later may only follow from it.
    pub(crate) fn report(&self, broken: Broken, what: impl Into<String>) {
        let what = what.into();
        if let Some(of_all) = self.of_all {
            of_all.report(broken, what.clone());
        }
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((broken, what));
        self.any.store(true, Ordering::Relaxed);
    }

    /// Whether something was reported, here or by another node.
    pub(crate) fn any(&self) -> bool {
        self.has_reported() || self.of_all.is_some_and(Self::any)
    }

    /// Whether something was reported here.
    pub(crate) fn has_reported(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// What was reported first.
    pub(crate) fn first(&self) -> Option<(Broken, String)> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loss => "a loss",
            Self::Theft => "a theft",
            Self::Stall => "a stall",
        })
    }
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) adds: u64,
    pub(crate) failed_adds: u64,
    pub(crate) overtaken_adds: u64,
    pub(crate) dels: u64,
    pub(crate) kills: u64,
    /// How many times several ADDs began together; each of them counts by itself.
    pub(crate) bursts: u64,
}

impl Tally {
    /// All operations.
    pub(crate) fn operations(&self) -> u64 {
        self.adds + self.overtaken_adds + self.dels + self.kills
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.adds += other.adds;
        self.failed_adds += other.failed_adds;
        self.overtaken_adds += other.overtaken_adds;
        self.dels += other.dels;
        self.kills += other.kills;
        self.bursts += other.bursts;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adds, failed_adds, overtaken_adds, dels, kills, bursts } = self;
        write!(
            f,
            "{} operations ({adds} ADDs, {failed_adds} of them failed, {bursts} times several together, {overtaken_adds} ADDs overtaken by their DEL, \
             {dels} DELs, {kills} kills)",
            self.operations()
        )
    }
}
