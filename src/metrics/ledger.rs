//! Where the totals are kept: `<dataDir>/metrics/`, which is made when the first call has something to keep.
//!
//! Nothing here is waited for, neither a lock nor the disk. A kill can lose what one call had to add, a power cut all of it:
//! Prometheus knows counters that begin anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::base::file_lock::try_lock;
use crate::store::Store;

use super::event::Event;
use super::pending::{self, Seen};
use super::totals::Totals;

/// No totals are longer: a series takes a hundred bytes.
const MOST_BYTES: u64 = 256 * 1024;

/// The place.
pub(super) struct Ledger {
    directory: PathBuf,
}

/// The right to change the totals and to write the metrics file.
pub(super) struct Hold<'l> {
    directory: &'l Path,
    /// Locked until it is closed.
    _lock: File,
}

impl Ledger {
    pub(super) fn of(store: &Store) -> Self {
        Self { directory: store.metrics_directory() }
    }

    /// Takes the lock if nobody has it.
    pub(super) fn try_hold(&self) -> io::Result<Option<Hold<'_>>> {
        let lock = match self.open_lock() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make()?;
                self.open_lock()?
            }
            lock => lock?,
        };
        Ok(try_lock(&lock)?.then_some(Hold { directory: &self.directory, _lock: lock }))
    }

    /// Leaves `events` to whoever has the lock.
    pub(super) fn leave(&self, events: &[Event]) -> io::Result<()> {
        pending::append(&self.directory, events)
    }

    /// Whether somebody has left something since the totals were read.
    pub(super) fn has_more(&self, seen: &Seen) -> bool {
        pending::has_more(&self.directory, seen)
    }

    fn open_lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(FLAGS);
        options.open(self.directory.join("lock"))
    }

    fn make(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

/// What is a link or a pipe was not put there by this plugin.
const FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

impl Hold<'_> {
    /// The totals with what others have left. Damaged ones begin anew.
    pub(super) fn read(&self) -> (Totals, Seen) {
        let mut totals = self.kept();
        let seen = pending::fetch(self.directory, &mut totals);
        (totals, seen)
    }

    /// The totals without that.
    pub(super) fn kept(&self) -> Totals {
        self.read_kept().unwrap_or_default()
    }

    fn read_kept(&self) -> Option<Totals> {
        let file = OpenOptions::new().read(true).custom_flags(FLAGS).open(self.path()).ok()?;
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        Totals::parse(&text)
    }

    /// Keeps `totals`. Whoever is killed meanwhile leaves the old ones.
    pub(super) fn keep(&self, totals: &Totals) -> io::Result<()> {
        // Nobody but the holder of the lock writes it, so it needs no name of its own.
        let new = self.directory.join("totals.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(FLAGS);
        options.open(&new)?.write_all(totals.to_text().as_bytes())?;
        fs::rename(&new, self.path())
    }

    fn path(&self) -> PathBuf {
        self.directory.join("totals")
    }
}
