//! The end of a simulator: everything that waits or blocks learns of it here.
//!
//! Threads sleep in [`End::wait`] and block on sockets that are registered with [`End::watch`]; [`End::come`] wakes
//! the former and shuts the latter down, so that a simulator stops at once whatever fault it is acting out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks, also after a test has panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The simulator has ended while a thread waited.
#[derive(Debug)]
pub(crate) struct Ended;

impl From<Ended> for io::Error {
    fn from(_: Ended) -> Self {
        Self::new(io::ErrorKind::Interrupted, "the simulator has ended")
    }
}

#[derive(Debug, Default)]
pub(crate) struct End {
    state: Mutex<State>,
    /// The end has come, or somebody is let go.
    news: Condvar,
    /// No socket is watched any more.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    come: bool,
    /// Actions whose requests are held back.
    held: BTreeSet<String>,
    /// What is late is held back.
    late_held: bool,
    sockets: BTreeMap<u64, TcpStream>,
    last_socket: u64,
}

impl End {
    /// Lets time pass.
    pub(crate) fn wait(&self, duration: Duration) -> Result<(), Ended> {
        let state = lock(&self.state);
        let (state, _) = self
            .news
            .wait_timeout_while(state, duration, |state| !state.come)
            .unwrap_or_else(PoisonError::into_inner);
        if state.come { Err(Ended) } else { Ok(()) }
    }

    /// Has requests of an action wait until they are let go.
    pub(crate) fn hold(&self, action: &str) {
        lock(&self.state).held.insert(action.to_owned());
    }

    /// Has requests that are late wait until they are let go.
    pub(crate) fn hold_late(&self) {
        lock(&self.state).late_held = true;
    }

    /// Lets everybody go who is held back.
    pub(crate) fn let_go(&self) {
        let mut state = lock(&self.state);
        state.held.clear();
        state.late_held = false;
        self.news.notify_all();
    }

    /// Waits for as long as requests of this action are held back.
    pub(crate) fn wait_while_held(&self, action: &str) -> Result<(), Ended> {
        self.wait_while(|state| state.held.contains(action))
    }

    /// Waits for as long as requests that are late are held back.
    pub(crate) fn wait_while_late_held(&self) -> Result<(), Ended> {
        self.wait_while(|state| state.late_held)
    }

    fn wait_while(&self, held: impl Fn(&State) -> bool) -> Result<(), Ended> {
        let state = lock(&self.state);
        let state = self
            .news
            .wait_while(state, |state| !state.come && held(state))
            .unwrap_or_else(PoisonError::into_inner);
        if state.come { Err(Ended) } else { Ok(()) }
    }

    /// Whether the end has come.
    pub(crate) fn has_come(&self) -> bool {
        lock(&self.state).come
    }

    /// Wakes and disconnects everybody.
    pub(crate) fn come(&self) {
        let mut state = lock(&self.state);
        state.come = true;
        for socket in state.sockets.values() {
            // A socket that is closed already needs no shutting down.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.news.notify_all();
    }

    /// Waits until no socket is watched.
    pub(crate) fn wait_until_idle(&self) {
        let state = lock(&self.state);
        drop(self.idle.wait_while(state, |state| !state.sockets.is_empty()));
    }

    /// Has a socket shut down at the end, until the answer is dropped.
    pub(crate) fn watch(&self, socket: &TcpStream) -> io::Result<Watched<'_>> {
        let socket = socket.try_clone()?;
        let mut state = lock(&self.state);
        if state.come {
            return Err(Ended.into());
        }
        state.last_socket += 1;
        let number = state.last_socket;
        state.sockets.insert(number, socket);
        Ok(Watched { end: self, number })
    }
}

/// A socket that the end knows of.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    end: &'a End,
    number: u64,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.end.state);
        state.sockets.remove(&self.number);
        if state.sockets.is_empty() {
            self.end.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_simulator() {
        let end = End::default();
        assert!(end.wait(Duration::ZERO).is_ok());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| end.wait(Duration::from_hours(1)));
            end.come();
            assert!(waiting.join().unwrap().is_err());
        });
        assert!(end.has_come());
    }

    #[test]
    fn who_is_held_back_is_freed_by_being_let_go_and_by_the_end() {
        let end = End::default();
        end.hold("A");
        assert!(end.wait_while_held("B").is_ok());
        std::thread::scope(|scope| {
            let held = scope.spawn(|| end.wait_while_held("A"));
            end.let_go();
            assert!(held.join().unwrap().is_ok());
            end.hold("A");
            let held = scope.spawn(|| end.wait_while_held("A"));
            end.come();
            assert!(held.join().unwrap().is_err());
        });
    }
}
