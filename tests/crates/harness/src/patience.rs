//! Waiting without judging how long it takes: a limit is only there to end a test that hangs.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// After this time something is taken to hang: many times longer than it takes on the slowest machine.
pub const HANGS: Duration = Duration::from_mins(5);

/// Waits for something that is bound to happen.
///
/// # Panics
/// When it has not happened in [`HANGS`].
#[track_caller]
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < HANGS, "it never came to be that {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Does the work, and fails where it hangs.
///
/// # Panics
/// When the work panics, or has not ended in [`HANGS`].
#[track_caller]
pub fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    match receiver.recv_timeout(HANGS) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the work has panicked"),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the work has not ended in {HANGS:?}"),
    }
}
