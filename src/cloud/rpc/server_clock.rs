//! The clock that requests are stamped with: the node's own, corrected by the server's once a stamp was refused.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The node's clock and how far the server's is ahead of it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The seconds that the server's clock was ahead at its last answer.
    observed: Cell<Option<i64>>,
    /// The seconds that stamps are corrected by.
    applied: Cell<i64>,
}

impl Clock {
    /// The present moment as requests carry it: `YYYY-MM-DDThh:mm:ssZ`, in UTC.
    pub(crate) fn timestamp(&self) -> String {
        stamp(shifted(SystemTime::now(), self.applied.get()))
    }

    /// Takes note of the `Date` of an answer. It has whole seconds and is as old as the answer, so the result is good
    /// to a second or two; signatures have minutes.
    pub(crate) fn observe(&self, server: SystemTime) {
        let skew = seconds(server) - seconds(SystemTime::now());
        self.observed.set(Some(skew));
    }

    /// The seconds that the server's clock is ahead of the node's (behind, when negative), once it has answered.
    pub(crate) fn skew(&self) -> Option<i64> {
        self.observed.get()
    }

    /// From now on stamps requests with the server's time. Says by how many seconds the node's clock is behind, or
    /// nothing when no answer had a date.
    pub(crate) fn correct(&self) -> Option<i64> {
        self.applied.set(self.skew().unwrap_or(self.applied.get()));
        self.skew()
    }
}

/// `moment` in the form of the API.
fn stamp(moment: SystemTime) -> String {
    humantime::format_rfc3339_seconds(moment).to_string()
}

fn shifted(moment: SystemTime, by: i64) -> SystemTime {
    let step = Duration::from_secs(by.unsigned_abs());
    let moved = if by < 0 { moment.checked_sub(step) } else { moment.checked_add(step) };
    let writable = UNIX_EPOCH..UNIX_EPOCH + Duration::from_secs(YEAR_10000);
    moved.filter(|moved| writable.contains(moved)).unwrap_or(moment)
}

/// The first moment that has no four-digit year, in seconds.
const YEAR_10000: u64 = 253_402_300_800;

fn seconds(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::http::date::parse_rfc3339;

    #[test]
    fn stamps_follow_the_server_only_after_a_correction() {
        let clock = Clock::default();
        assert_eq!(clock.correct(), None);
        clock.observe(SystemTime::now() + Duration::from_hours(1));
        let ahead =
            |clock: &Clock| seconds(parse_rfc3339(&clock.timestamp()).unwrap()) - seconds(SystemTime::now());
        assert!(ahead(&clock).abs() < 60);
        assert!((clock.correct().unwrap() - 3600).abs() < 60);
        assert!((ahead(&clock) - 3600).abs() < 60);
    }

    #[test]
    fn an_absurd_date_does_not_overflow_a_stamp() {
        let now = SystemTime::now();
        for by in [i64::MAX, i64::MIN, 253_402_300_800, -253_402_300_800] {
            assert_eq!(stamp(shifted(now, by)), stamp(now));
        }
    }
}
