//! What time it is, and in which boot of the machine.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment by the wall clock, kept to the millisecond: what outlives a process has no other clock. It is written as
/// RFC 3339 in UTC (`2026-11-22T09:12:44.250Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// The present moment, in whole milliseconds: what is written and read again is the same.
    #[must_use]
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
        Self(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
    }

    /// The moment `time` later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self(self.0.checked_add(time).unwrap_or(self.0))
    }

    /// How long from `now` to this moment; zero when it is past, and when it lies further ahead than `most`: then it was
    /// written before the clock was set back, and says nothing any more.
    #[must_use]
    pub fn wait(self, now: Timestamp, most: Duration) -> Duration {
        let wait = self.0.duration_since(now.0).unwrap_or_default();
        if wait > most { Duration::ZERO } else { wait }
    }

    /// How long ago this was at `now`; zero when it lies ahead.
    #[must_use]
    pub fn age(self, now: Timestamp) -> Duration {
        now.0.duration_since(self.0).unwrap_or_default()
    }

    /// The whole seconds since 1970, as Prometheus has it.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// The form with whole seconds (`2026-11-22T09:12:44Z`).
    #[must_use]
    pub fn to_seconds(self) -> String {
        humantime::format_rfc3339_seconds(self.0).to_string()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        Self(moment)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The kernel's id of the present boot, or an empty string where `/proc` does not tell it. Unlike the boot's time it does
/// not change when the clock is set.
#[must_use]
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_its_written_form_to_the_millisecond() {
        let moment = Timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_338_764_250));
        let text = serde_json::to_string(&moment).unwrap();
        assert_eq!(text, "\"2026-11-22T09:12:44.250Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), moment);
        assert_eq!(moment.to_seconds(), "2026-11-22T09:12:44Z");
        assert_eq!(moment.unix_seconds(), 1_795_338_764);
    }

    #[test]
    fn the_present_moment_is_the_same_when_it_is_read_again() {
        let now = Timestamp::now();
        let text = serde_json::to_string(&now).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), now);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_a_wait_endless() {
        let now = Timestamp::now();
        let next_year = now.plus(Duration::from_hours(365 * 24));
        assert_eq!(next_year.wait(now, Duration::from_mins(1)), Duration::ZERO);
        assert_eq!(
            now.plus(Duration::from_secs(9)).wait(now, Duration::from_mins(1)),
            Duration::from_secs(9)
        );
        assert_eq!(now.wait(next_year, Duration::from_mins(1)), Duration::ZERO);
    }
}
