//! The server's idea of now.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system's clock, moved by an offset.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_seconds: AtomicI64,
}

impl Clock {
    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> SystemTime {
        let offset = self.offset_seconds.load(Ordering::SeqCst);
        let distance = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
    }
}

/// Formats a time as the API does: `2026-01-02T03:04:05Z`.
pub(crate) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Reads what [`timestamp`] writes, and nothing else.
pub(crate) fn parse_timestamp(text: &str) -> Option<SystemTime> {
    const LENGTH: usize = "2026-01-02T03:04:05Z".len();
    (text.len() == LENGTH).then(|| humantime::parse_rfc3339(text).ok()).flatten()
}

/// Formats a time for the header `Date`: `Fri, 02 Jan 2026 03:04:05 GMT`.
pub(crate) fn http_date(time: SystemTime) -> String {
    // The epoch was a Thursday.
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    let weekday = WEEKDAYS.iter().cycle().nth((days % 7).try_into().unwrap_or(0)).unwrap_or(&"Thu");
    let text = timestamp(time);
    let month = text[5..7].parse().ok().and_then(|month: usize| MONTHS.get(month - 1)).unwrap_or(&"Jan");
    format!("{weekday}, {} {month} {} {} GMT", &text[8..10], &text[..4], &text[11..19])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        parse_timestamp(text).unwrap()
    }

    #[test]
    fn http_dates() {
        assert_eq!(http_date(at("1970-01-01T00:00:00Z")), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(at("1994-11-06T08:49:37Z")), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(at("2026-01-02T03:04:05Z")), "Fri, 02 Jan 2026 03:04:05 GMT");
    }

    #[test]
    fn timestamps_have_one_form_only() {
        for text in ["2026-01-02 03:04:05", "2026-01-02T03:04:05.1Z", "2026-13-02T03:04:05Z", "now", ""] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn the_clock_can_be_moved_both_ways() {
        let clock = Clock::default();
        clock.set_offset(3600);
        assert!(clock.now() > SystemTime::now() + Duration::from_mins(50));
        clock.set_offset(-3600);
        assert!(clock.now() < SystemTime::now() - Duration::from_mins(50));
    }
}
