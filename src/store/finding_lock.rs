//! The lock that is held while the ENIs of a network are found out: of pods that start together after a boot one asks, and the others
//! read what it has kept.

use crate::base::deadline::Deadline;
use crate::store::error::Result;
use crate::store::{Store, file, lock};

/// The file, in the directory of what is remembered.
const FILE: &str = "finding.lock";

/// Held while the ENIs are found out; dropping it lets go. No other lock but an intent's own is held meanwhile.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub(crate) struct FindingLock {
    _lock: lock::Lock,
}

impl Store {
    /// Takes the lock, waiting until `deadline` at most.
    pub(crate) fn lock_finding(&self, deadline: Deadline) -> Result<FindingLock> {
        file::make_directory(&self.cache_directory())?;
        Ok(FindingLock { _lock: lock::wait(&self.cache_directory().join(FILE), deadline)? })
    }
}
