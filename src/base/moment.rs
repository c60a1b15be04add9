//! Time that passes, by the clock that nobody sets, and sleep. With the feature `simulation` it is the time of a simulation in
//! a thread that runs one.

#[cfg(not(feature = "simulation"))]
pub(crate) use std::thread::sleep;
use std::time::{Duration, Instant};

#[cfg(feature = "simulation")]
pub(crate) use super::simulation::sleep;

/// The present moment.
pub(crate) fn now() -> Instant {
    #[cfg(feature = "simulation")]
    if let Some(moment) = super::simulation::now() {
        return moment;
    }
    Instant::now()
}

/// How much time has passed since.
pub(crate) fn since(moment: Instant) -> Duration {
    now().saturating_duration_since(moment)
}
