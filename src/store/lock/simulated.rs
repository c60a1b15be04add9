//! The lines before locks within a simulation: all who wait are calls of one thread, and none of them may block it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::base::file_lock::try_lock;
use crate::base::simulation::World;

thread_local! {
    /// Who waits for the lock of a path, in the order in which they came.
    static LINES: RefCell<HashMap<PathBuf, VecDeque<u64>>> = RefCell::default();
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Places in lines. Dropped, it leaves them.
#[derive(Default)]
pub(super) struct Places(Vec<Place>);

struct Place {
    number: u64,
    /// What is to be locked, one after the other.
    paths: Vec<PathBuf>,
    /// Those of them that are locked. No other file is open: thousands of calls may wait.
    locked: Vec<File>,
}

impl Places {
    /// Takes the last place before the lock of the last of `paths`.
    pub(super) fn line_up(&mut self, paths: Vec<PathBuf>) {
        let number = NEXT.replace(NEXT.get() + 1);
        let place = Place { number, paths, locked: Vec::new() };
        LINES.with_borrow_mut(|lines| lines.entry(place.lock()).or_default().push_back(number));
        self.0.push(place);
    }

    /// Waits for a turn until it is time to look whether one is still needed.
    pub(super) fn wait(
        &mut self,
        world: &Rc<dyn World>,
        look: Duration,
        deadline: Deadline,
    ) -> Result<(usize, io::Result<File>), RecvTimeoutError> {
        if let Some(turn) = self.turn() {
            return Ok(turn);
        }
        // The first in a line gets the lock as soon as it is let go.
        let every = if self.0.iter().any(Place::is_first) { Duration::ZERO } else { look };
        world.wait_for_others(every, world.time() + deadline.remaining());
        self.turn().ok_or(RecvTimeoutError::Timeout)
    }

    fn turn(&mut self) -> Option<(usize, io::Result<File>)> {
        let tried = self.0.iter_mut().map(|place| place.is_first().then(|| place.lock_all()).flatten());
        let (index, locked) = tried.enumerate().find_map(|(index, locked)| Some((index, locked?)))?;
        self.0[index].leave();
        Some((index, locked))
    }
}

impl Place {
    /// The lock that it is before.
    fn lock(&self) -> PathBuf {
        self.paths.last().cloned().unwrap_or_default()
    }

    fn is_first(&self) -> bool {
        LINES.with_borrow(|lines| {
            lines.get(&self.lock()).is_some_and(|line| line.front() == Some(&self.number))
        })
    }

    /// The lock of the last file, if all of them are to be had.
    fn lock_all(&mut self) -> Option<io::Result<File>> {
        for path in &self.paths[self.locked.len()..] {
            let opened = OpenOptions::new().write(true).open(path);
            match opened.and_then(|file| Ok(try_lock(&file)?.then_some(file))) {
                Ok(Some(file)) => self.locked.push(file),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        let last = self.locked.pop();
        self.locked.clear();
        Some(last.ok_or_else(|| io::ErrorKind::InvalidInput.into()))
    }

    fn leave(&self) {
        LINES.with_borrow_mut(|lines| {
            let lock = self.lock();
            if let Some(line) = lines.get_mut(&lock) {
                line.retain(|number| *number != self.number);
                if line.is_empty() {
                    lines.remove(&lock);
                }
            }
        });
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.0.iter().for_each(Place::leave);
    }
}
