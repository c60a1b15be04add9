//! Locks of the store, with a bounded wait.
//!
//! `flock` takes no deadline, and a holder may keep a lock for a whole request to ECS. So whoever waits blocks in a thread
//! of its own, and looks from time to time whether it still needs the lock: the kernel serves those who block in the order
//! in which they came, at no cost. Nobody polls: beside others that block, a poller starves.
//!
//! The kernel releases a lock when its holder ends, however it ends, so there are no stale locks to clear.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::base::deadline::Deadline;
use crate::base::file_lock::{lock, try_lock};
use crate::store::error::{Error, Result};
use crate::store::file;

/// How often one that waits looks whether it still needs the lock.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// For a thread that makes two system calls.
const STACK: usize = 64 << 10;

/// A held lock; dropping it lets go.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub(super) struct Lock {
    pub(super) file: File,
}

/// Takes the lock whose file is `path`, waiting until `deadline` at most.
pub(super) fn wait(path: &Path, deadline: Deadline) -> Result<Lock> {
    let started = Instant::now();
    let file = file::open_lock(path)?;
    if try_lock(&file).map_err(Error::io("lock", path))? {
        return Ok(Lock { file });
    }
    let busy = || Error::Busy { path: path.to_owned(), waited: started.elapsed() };
    Place::at_the_end(path, vec![file])?.wait(deadline, || Ok(false))?.ok_or_else(busy)
}

/// A lock that is passed on in turn: whoever lets go of it and wants it again comes after all who wait.
///
/// It has two files. Everybody locks the queue first, then the lock, and then lets go of the queue: so the next in line
/// holds the queue and waits for the lock, and the others wait for the queue. A plain lock is taken back by its last holder
/// before the next one has woken up. A version of the plugin that knows no queue takes the lock alone, and is kept out as
/// well.
#[derive(Debug)]
pub(super) struct Turnstile {
    pub(super) lock: PathBuf,
    pub(super) queue: PathBuf,
}

impl Turnstile {
    /// Takes the lock if nobody holds it and nobody waits for it.
    pub(super) fn attempt(&self) -> Result<Option<Lock>> {
        let [queue, lock] = self.open()?;
        let free = self.try_queue(&queue)? && self.try_lock(&lock)?;
        Ok(free.then_some(Lock { file: lock }))
    }

    /// Takes the lock in turn; `None` if `deadline` passes before, or the wait becomes `needless`.
    pub(super) fn wait(
        &self,
        deadline: Deadline,
        needless: impl FnMut() -> Result<bool>,
    ) -> Result<Option<Lock>> {
        let [queue, lock] = self.open()?;
        if self.try_queue(&queue)? && self.try_lock(&lock)? {
            return Ok(Some(Lock { file: lock }));
        }
        Place::at_the_end(&self.lock, vec![queue, lock])?.wait(deadline, needless)
    }

    /// For the holder of the lock: gets in line behind all who wait. `None` if nobody does.
    pub(super) fn line_up_again(&self) -> Result<Option<Place>> {
        let [queue, lock] = self.open()?;
        if self.try_queue(&queue)? {
            return Ok(None);
        }
        Place::at_the_end(&self.lock, vec![queue, lock]).map(Some)
    }

    /// Both files, open before anything is waited for.
    fn open(&self) -> Result<[File; 2]> {
        Ok([file::open_lock(&self.queue)?, file::open_lock(&self.lock)?])
    }

    fn try_queue(&self, file: &File) -> Result<bool> {
        try_lock(file).map_err(Error::io("lock", &self.queue))
    }

    fn try_lock(&self, file: &File) -> Result<bool> {
        try_lock(file).map_err(Error::io("lock", &self.lock))
    }
}

/// A place in the line before a lock.
pub(super) struct Place {
    path: PathBuf,
    turn: Receiver<io::Result<File>>,
}

impl Place {
    /// Takes the last place. The lock is that of the last of `files`; `path` is its name.
    fn at_the_end(path: &Path, files: Vec<File>) -> Result<Self> {
        let (begun, has_begun) = channel();
        let (sender, turn) = channel();
        let in_line = move || {
            let _ = begun.send(());
            // Nobody may want it by now; then the lock ends with the message that nobody receives.
            let _ = sender.send(lock_all(files));
        };
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(in_line)
            .map_err(Error::io("start a thread that waits for", path))?;
        // Whoever lets go of the lock next is to find this thread in line.
        let _ = has_begun.recv();
        Ok(Self { path: path.to_owned(), turn })
    }

    /// Waits for the turn; `None` if `deadline` passes before, or the wait becomes `needless`.
    pub(super) fn wait(
        self,
        deadline: Deadline,
        mut needless: impl FnMut() -> Result<bool>,
    ) -> Result<Option<Lock>> {
        loop {
            match self.turn.recv_timeout(LOOK.min(deadline.remaining())) {
                Ok(Ok(file)) => return Ok(Some(Lock { file })),
                Ok(Err(error)) => return Err(Error::io("lock", &self.path)(error)),
                Err(RecvTimeoutError::Timeout) if deadline.has_passed() || needless()? => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::io("lock", &self.path)(io::ErrorKind::Other.into()));
                }
            }
        }
    }
}

/// Locks one file after the other, and lets go of each when it has the next. Returns the last one.
fn lock_all(files: Vec<File>) -> io::Result<File> {
    let mut held = None;
    for file in files {
        // One that is locked already stays so.
        lock(&file)?;
        held = Some(file);
    }
    held.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
