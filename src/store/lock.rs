//! Locks of the store, with a bounded wait.
//!
//! `flock` takes no deadline, and a holder may keep a lock for a whole request to ECS, so waiting is polling. The kernel
//! releases a lock when its holder ends, however it ends, so there are no stale locks to clear.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::deadline::Deadline;
use crate::base::file_lock::try_lock;
use crate::store::error::{Error, Result};
use crate::store::file;

/// How often a wait looks again: short beside a network call, long beside a system call.
const POLL: Duration = Duration::from_millis(5);

/// A held lock; dropping it lets go.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock whose file is `path`, waiting until `deadline` at most.
pub(super) fn wait(path: &Path, deadline: Deadline) -> Result<Lock> {
    let started = Instant::now();
    let file = file::open_lock(path)?;
    while !try_lock(&file).map_err(Error::io("lock", path))? {
        if deadline.has_passed() {
            return Err(Error::Busy { path: path.to_owned(), waited: started.elapsed() });
        }
        deadline.sleep(POLL);
    }
    Ok(Lock { _file: file })
}

/// Takes the lock whose file is `path` if nobody holds it.
pub(super) fn attempt(path: &Path) -> Result<Option<Lock>> {
    let file = file::open_lock(path)?;
    Ok(try_lock(&file).map_err(Error::io("lock", path))?.then_some(Lock { _file: file }))
}
