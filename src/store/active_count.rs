//! How many records are active, without a look at them all: the length of the store's lock file says it.
//!
//! Whoever moves a record into `active/` or out of it holds that lock, and makes its file a byte longer or shorter. That needs
//! no room on the disk and no fsync. An empty file says nothing, so `n` records are a length of `n + 1`. A process that is
//! killed between the move and the change leaves a wrong number, and so does an earlier version, until somebody counts.

use std::fs::OpenOptions;

use crate::base::file_lock::try_lock;
use crate::store::error::Result;
use crate::store::lock::Lock;
use crate::store::{State, Store, file};

impl Lock {
    /// There is one active record more.
    pub(super) fn one_more(&self) {
        self.change(|length| length.checked_add(1));
    }

    /// There is one active record less.
    pub(super) fn one_less(&self) {
        self.change(|length| length.checked_sub(1).filter(|length| *length > 0));
    }

    /// Nobody knows any more.
    pub(super) fn lose_count(&self) {
        self.change(|_| None);
    }

    /// That the number is not known informs nobody wrongly, so a failure is none.
    fn change(&self, change: impl FnOnce(u64) -> Option<u64>) {
        let counted = self.file.metadata().map_or(0, |metadata| metadata.len());
        if counted > 0 {
            let _ = self.file.set_len(change(counted).unwrap_or_default());
        }
    }
}

impl Store {
    /// How many records are active, as it was counted; they are counted where it was not.
    pub fn active_count(&self) -> Result<usize> {
        match std::fs::symlink_metadata(self.lock_path()).map_or(0, |metadata| metadata.len()) {
            0 => self.count_active(),
            length => Ok(usize::try_from(length - 1).unwrap_or(usize::MAX)),
        }
    }

    /// Somebody has moved an active record away without the lock.
    pub(super) fn lose_active_count(&self) {
        if let Ok(Some(file)) = file::open(&self.lock_path(), OpenOptions::new().write(true)) {
            let _ = file.set_len(0);
        }
    }

    /// Counts the active records by their names, and remembers the number unless somebody changes it at this moment.
    pub fn count_active(&self) -> Result<usize> {
        let lock = file::open(&self.lock_path(), OpenOptions::new().read(true).write(true))?;
        let lock = lock.filter(|file| try_lock(file).unwrap_or(false));
        let count = self.count(State::Active)?;
        if let Some(lock) = lock {
            let _ = lock.set_len(count as u64 + 1);
        }
        Ok(count)
    }
}
