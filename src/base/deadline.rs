//! The one deadline of a call, made once from `timeoutSeconds` and passed to whoever waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::moment;

/// Once it is true, every deadline of this process has passed. It is there only where somebody may end the process in good order.
static ENDED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// How often one that sleeps looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// The moment by which the whole call must have answered. Copied, never recomputed: two waits in a row share what
/// is left instead of each getting all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `time` from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(moment::now() + time)
    }

    /// What makes every deadline of this process pass at once when it becomes true: nothing new is begun then, and what is under way
    /// keeps the time that it was given.
    pub(crate) fn end_of_all() -> Arc<AtomicBool> {
        Arc::clone(ENDED.get_or_init(Arc::default))
    }

    /// Whether every deadline has passed, because this process is to end.
    pub(crate) fn are_all_over() -> bool {
        ENDED.get().is_some_and(|ended| ended.load(Ordering::Relaxed))
    }

    /// What is left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        if Self::are_all_over() {
            return Duration::ZERO;
        }
        self.0.saturating_duration_since(moment::now())
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
        let end = self.at_most(pause);
        let at_once = if ENDED.get().is_some() { LOOK } else { Duration::MAX };
        while !end.has_passed() {
            moment::sleep(end.remaining().min(at_once));
        }
    }

    /// Sleeps for `pause`, but never past the deadline, nor longer than `look`: others may do meanwhile what is waited for.
    pub(crate) fn sleep_or_look(self, pause: Duration, look: Duration) {
        #[cfg(feature = "simulation")]
        if super::simulation::wait_for_others(look, pause.min(self.remaining())) {
            return;
        }
        self.sleep(pause.min(look));
    }
}
