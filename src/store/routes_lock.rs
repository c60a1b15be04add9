//! The lock that is held while the node's routes are changed, so that nobody removes a pod's rule by what the store said before that
//! pod was there.

use std::path::PathBuf;

use crate::base::deadline::Deadline;
use crate::store::error::Result;
use crate::store::{Store, lock};

/// The file, in the store's directory.
const FILE: &str = "routes.lock";

/// Held while routes are changed; dropping it lets go. No other lock of the store is taken before it and kept.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub(crate) struct RoutesLock {
    _lock: lock::Lock,
}

impl Store {
    /// Whether anybody has ever taken the lock: without the chained plugin nobody does.
    pub(crate) fn has_set_routes(&self) -> bool {
        self.directory().join(FILE).try_exists().unwrap_or(true)
    }

    /// Takes the lock, waiting until `deadline` at most. Whoever holds it reads the store anew before anything is removed.
    pub(crate) fn lock_routes(&self, deadline: Deadline) -> Result<RoutesLock> {
        Ok(RoutesLock { _lock: lock::wait(&self.routes_lock_path(), deadline)? })
    }

    pub(super) fn routes_lock_path(&self) -> PathBuf {
        self.directory().join(FILE)
    }
}
