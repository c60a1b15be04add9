//! The one deadline of a call, made once from `timeoutSeconds` and passed to whoever waits.

use std::thread;
use std::time::{Duration, Instant};

/// The moment by which the whole call must have answered. Copied, never recomputed: two waits in a row share what
/// is left instead of each getting all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `time` from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// This deadline, or `time` from now if that comes first: for a part of a call with a bound of its own.
    #[must_use]
    pub fn at_most(self, time: Duration) -> Self {
        self.min(Self::after(time))
    }

    /// The moment `time` before this deadline: for what must leave the call that much.
    #[must_use]
    pub fn earlier_by(self, time: Duration) -> Self {
        Self(self.0.checked_sub(time).unwrap_or(self.0))
    }

    /// Sleeps for `pause`, but never past the deadline.
    pub fn sleep(self, pause: Duration) {
        thread::sleep(pause.min(self.remaining()));
    }
}
