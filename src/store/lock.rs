//! Locks of the store, with a bounded wait.
//!
//! `flock` takes no deadline, and a holder may keep a lock for a whole request to ECS. So whoever waits blocks in a thread
//! of its own, and looks from time to time whether it still needs the lock: the kernel serves those who block in the order
//! in which they came, at no cost. Nobody polls: beside others that block, a poller starves.
//!
//! The kernel releases a lock when its holder ends, however it ends, so there are no stale locks to clear.

#[cfg(feature = "simulation")]
mod simulated;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{io, slice, thread};

use crate::base::deadline::Deadline;
use crate::base::file_lock::{lock, try_lock};
use crate::base::moment;
#[cfg(feature = "simulation")]
use crate::base::simulation;
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
    let started = moment::now();
    let file = file::open_lock(path)?;
    if try_lock(&file).map_err(Error::io("lock", path))? {
        return Ok(Lock { file });
    }
    let busy = || Error::Busy { path: path.to_owned(), waited: moment::since(started) };
    Place::at_the_end(vec![(path, file)])?.wait(deadline, || Ok(false))?.ok_or_else(busy)
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
        let taken = wait_for_any(slice::from_ref(self), Duration::ZERO, deadline, needless)?;
        Ok(taken.map(|(_, lock)| lock))
    }

    /// For the holder of the lock: gets in line behind all who wait. `None` if nobody does.
    pub(super) fn line_up_again(&self) -> Result<Option<Place>> {
        let [queue, lock] = self.open()?;
        if self.try_queue(&queue)? {
            return Ok(None);
        }
        Place::at_the_end(vec![(&self.queue, queue), (&self.lock, lock)]).map(Some)
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

/// Takes the first of several locks that is to be had, each in turn: the first one alone for `patience`, then all of them. Returns
/// also which one it is; `None` if `deadline` passes before, or the wait becomes `needless`.
///
/// Whoever has waited keeps its place before the first lock. A lock whose turn comes too late is let go at once.
pub(super) fn wait_for_any(
    turnstiles: &[Turnstile],
    patience: Duration,
    deadline: Deadline,
    mut needless: impl FnMut() -> Result<bool>,
) -> Result<Option<(usize, Lock)>> {
    let Some((first, others)) = turnstiles.split_first() else { return Ok(None) };
    let mut line = Line::new();
    if let Some(lock) = line.join(first)? {
        return Ok(Some((0, lock)));
    }
    let patient = deadline.at_most(patience);
    let patient = if others.is_empty() { deadline } else { patient };
    match line.wait(patient, &mut needless)? {
        Ended::Turn(index, lock) => return Ok(Some((index, lock))),
        Ended::Needless => return Ok(None),
        Ended::Late => {}
    }
    for (other, index) in others.iter().zip(1..) {
        if let Some(lock) = line.join(other)? {
            return Ok(Some((index, lock)));
        }
    }
    match line.wait(deadline, needless)? {
        Ended::Turn(index, lock) => Ok(Some((index, lock))),
        Ended::Needless | Ended::Late => Ok(None),
    }
}

/// Places in the lines before several locks. Dropped, it lets go of those whose turn comes.
struct Line {
    sender: Sender<(usize, io::Result<File>)>,
    turns: Receiver<(usize, io::Result<File>)>,
    paths: Vec<PathBuf>,
    #[cfg(feature = "simulation")]
    simulated: simulated::Places,
}

/// How a wait ended.
enum Ended {
    /// It is the turn at this lock.
    Turn(usize, Lock),
    /// The lock is not needed any more.
    Needless,
    /// The time has passed.
    Late,
}

impl Line {
    fn new() -> Self {
        let (sender, turns) = channel();
        Self {
            sender,
            turns,
            paths: Vec::new(),
            #[cfg(feature = "simulation")]
            simulated: simulated::Places::default(),
        }
    }

    /// Takes the lock at once if nobody holds it and nobody waits for it, or else the last place before it.
    fn join(&mut self, turnstile: &Turnstile) -> Result<Option<Lock>> {
        let [queue, lock] = turnstile.open()?;
        if turnstile.try_queue(&queue)? && turnstile.try_lock(&lock)? {
            return Ok(Some(Lock { file: lock }));
        }
        self.line_up(vec![(&turnstile.queue, queue), (&turnstile.lock, lock)])?;
        Ok(None)
    }

    /// Takes the last place before a lock, which is that of the last of `files`, each with its name. A thread waits there. Where
    /// nobody wants the lock when its turn comes, it is let go at once, with the message that nobody receives.
    fn line_up(&mut self, files: Vec<(&Path, File)>) -> Result<()> {
        #[cfg(feature = "simulation")]
        if simulation::world().is_some() {
            let paths: Vec<PathBuf> = files.into_iter().map(|(path, _)| path.to_owned()).collect();
            self.paths.extend(paths.last().cloned());
            self.simulated.line_up(paths);
            return Ok(());
        }
        let path = files.last().map(|(path, _)| path.to_path_buf()).unwrap_or_default();
        let files = files.into_iter().map(|(_, file)| file).collect();
        let (sender, index) = (self.sender.clone(), self.paths.len());
        let (begun, has_begun) = channel();
        let in_line = move || {
            let _ = begun.send(());
            let _ = sender.send((index, lock_all(files)));
        };
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(in_line)
            .map_err(Error::io("start a thread that waits for", &path))?;
        // Whoever lets go of the lock next is to find this thread in line.
        let _ = has_begun.recv();
        self.paths.push(path);
        Ok(())
    }

    fn wait(&mut self, deadline: Deadline, mut needless: impl FnMut() -> Result<bool>) -> Result<Ended> {
        loop {
            match self.next_turn(deadline) {
                Ok((index, Ok(file))) => return Ok(Ended::Turn(index, Lock { file })),
                Ok((index, Err(error))) => return Err(Error::io("lock", &self.paths[index])(error)),
                Err(_) if deadline.has_passed() => return Ok(Ended::Late),
                Err(_) if needless()? => return Ok(Ended::Needless),
                Err(_) => {}
            }
        }
    }

    /// Waits for a turn until it is time to look whether one is still needed.
    fn next_turn(
        &mut self,
        deadline: Deadline,
    ) -> std::result::Result<(usize, io::Result<File>), RecvTimeoutError> {
        #[cfg(feature = "simulation")]
        if let Some(world) = simulation::world() {
            return self.simulated.wait(&world, LOOK, deadline);
        }
        self.turns.recv_timeout(LOOK.min(deadline.remaining()))
    }
}

/// A place in the line before one lock.
pub(super) struct Place(Line);

impl Place {
    /// Takes the last place. The lock is that of the last of `files`, each with its name.
    fn at_the_end(files: Vec<(&Path, File)>) -> Result<Self> {
        let mut line = Line::new();
        line.line_up(files)?;
        Ok(Self(line))
    }

    /// Waits for the turn; `None` if `deadline` passes before, or the wait becomes `needless`.
    pub(super) fn wait(
        self,
        deadline: Deadline,
        needless: impl FnMut() -> Result<bool>,
    ) -> Result<Option<Lock>> {
        let Self(mut line) = self;
        Ok(match line.wait(deadline, needless)? {
            Ended::Turn(_, lock) => Some(lock),
            Ended::Needless | Ended::Late => None,
        })
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A turnstile, and the directory that it is in.
    fn turnstile() -> (Turnstile, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let [lock, queue] = ["lock", "queue"].map(|name| directory.path().join(name));
        (Turnstile { lock, queue }, directory)
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_mins(1))
    }

    /// Waits until somebody holds the queue, who is the next in line then.
    fn until_somebody_waits(turnstile: &Turnstile) {
        let queue = file::open_lock(&turnstile.queue).unwrap();
        let deadline = soon();
        while try_lock(&queue).unwrap() {
            fs2::FileExt::unlock(&queue).unwrap();
            assert!(!deadline.has_passed(), "nobody waits");
            thread::yield_now();
        }
    }

    #[test]
    fn one_who_has_given_up_keeps_the_lock_from_nobody() {
        let (turnstile, _directory) = turnstile();
        let held = turnstile.attempt().unwrap().unwrap();
        let late = Deadline::after(Duration::from_millis(1));
        assert!(turnstile.wait(late, || Ok(false)).unwrap().is_none());
        assert!(turnstile.wait(soon(), || Ok(true)).unwrap().is_none());
        // Both threads are still in line.
        until_somebody_waits(&turnstile);
        drop(held);
        assert!(turnstile.wait(soon(), || Ok(false)).unwrap().is_some());
    }

    #[test]
    fn whoever_lets_go_and_wants_the_lock_again_comes_after_those_who_wait() {
        let (turnstile, _directory) = turnstile();
        let held = turnstile.attempt().unwrap().unwrap();
        assert!(turnstile.line_up_again().unwrap().is_none(), "nobody waits");
        let (sender, order) = mpsc::channel();
        let (end_turn, end_of_turn) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let (other, mine) = (sender.clone(), sender);
            scope.spawn(|| {
                let (other, end_of_turn) = (other, end_of_turn);
                let turn = turnstile.wait(soon(), || Ok(false)).unwrap();
                other.send("the other").unwrap();
                // It has the lock for as long as the last holder looks.
                let _ = end_of_turn.recv();
                drop((other, turn));
            });
            until_somebody_waits(&turnstile);
            let place = turnstile.line_up_again().unwrap().unwrap();
            drop(held);
            assert!(turnstile.attempt().unwrap().is_none(), "the other's turn is not taken from it");
            drop(end_turn);
            let turn = place.wait(soon(), || Ok(false)).unwrap();
            mine.send("the last holder").unwrap();
            drop((mine, turn));
        });
        assert_eq!(order.iter().collect::<Vec<_>>(), ["the other", "the last holder"]);
    }

    #[test]
    fn one_who_knows_no_queue_is_kept_out_and_keeps_others_out() {
        let (turnstile, _directory) = turnstile();
        let alone = file::open_lock(&turnstile.lock).unwrap();
        let held = turnstile.attempt().unwrap().unwrap();
        assert!(!try_lock(&alone).unwrap());
        drop(held);
        assert!(try_lock(&alone).unwrap());
        assert!(turnstile.attempt().unwrap().is_none());
    }
}
