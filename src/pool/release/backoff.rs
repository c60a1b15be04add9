//! When to ask ECS again after it said no, or nothing.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::cloud::rpc::{Disposition, Error, ErrorKind};
use crate::store::Backoff;

/// No pause is longer, so that an ENI comes back soon after the cloud does.
pub(super) const MAX_PAUSE: Duration = Duration::from_mins(5);

/// The pause after the first failure; it doubles with every further one.
const FIRST: Duration = Duration::from_millis(250);

/// The nodes of an account that is over its quota come back within this time of the next minute; those that are refused again,
/// within twice that, and so on. So an account with a few calls too many gets on soon, and one with many times its quota spreads
/// them over as many minutes. Chosen by the simulation in benches/fleet.
const SPREAD: Duration = Duration::from_secs(15);

/// The longest pause that doubling leads to.
const DOUBLED: Duration = Duration::from_secs(30);

/// The pause after somebody gave up: nobody else waits meanwhile.
pub(super) const PAUSE_AFTER_GIVING_UP: Duration = Duration::from_mins(1);

/// The pause before the next attempt after `error`, which ended the `attempts`-th one in a row. `jitter` takes up to half of
/// a duration away, so that processes that failed together do not come back together.
pub(crate) fn pause(
    error: &Error,
    attempts: u32,
    now: Timestamp,
    jitter: impl Fn(Duration) -> Duration,
) -> Duration {
    let doubled = |first: Duration| first.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    let pause = match (error.kind, error.retry_after) {
        (_, Some(asked)) => jitter(asked.max(doubled(FIRST).min(DOUBLED))),
        (_, None) if error.is_throttled() => {
            // Jitter takes up to half away: what is left of this is anything from nothing to the whole spread.
            let spread = doubled(SPREAD).min(MAX_PAUSE);
            until_next_minute(now) + jitter(spread * 2).saturating_sub(spread)
        }
        _ => jitter(doubled(FIRST).min(DOUBLED)),
    };
    pause.min(MAX_PAUSE)
}

/// ECS counts calls by the minute: an account that is over its share stays so until the next one begins. (Documentation of
/// API throttling, alibabacloud.com/help doc-detail 437902.)
fn until_next_minute(now: Timestamp) -> Duration {
    Duration::from_secs(60 - now.unix_seconds() % 60)
}

/// What to remember of an ENI after `error`, for the next caller of [`decide`](super::decision::decide). A failure that no
/// waiting can mend, and one whose pause outlasts `time_left` for another attempt, make the caller give up for everybody.
pub(crate) fn after(
    error: &Error,
    previous: Option<&Backoff>,
    time_left: Duration,
    now: Timestamp,
    jitter: impl Fn(Duration) -> Duration,
) -> Backoff {
    let attempts = previous.map_or(0, |backoff| backoff.attempts).saturating_add(1);
    let permanent = matches!(error.kind, ErrorKind::Refused(Disposition::Permanent));
    let pause = pause(error, attempts, now, &jitter);
    let gave_up = permanent || pause >= time_left || previous.is_some_and(|backoff| backoff.gave_up);
    // An account that is over its quota is so until a minute that is known.
    let throttled = error.is_throttled();
    let pause = if gave_up && !throttled { pause.max(jitter(PAUSE_AFTER_GIVING_UP)) } else { pause };
    Backoff {
        attempts,
        not_before: now.plus(pause),
        since: previous.map_or(now, |backoff| backoff.since),
        error: error.to_string(),
        permanent,
        gave_up,
        throttled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(pause: Duration) -> Duration {
        pause
    }

    /// Jitter at its strongest.
    fn halved(pause: Duration) -> Duration {
        pause / 2
    }

    fn error(kind: ErrorKind) -> Error {
        Error { kind, ..Error::not_sent("UnassignPrivateIpAddresses", "no route to host") }
    }

    /// A moment ten seconds before a minute ends.
    fn late_in_a_minute() -> Timestamp {
        let now = Timestamp::now();
        now.plus(Duration::from_secs(60 - now.unix_seconds() % 60 + 50))
    }

    #[test]
    fn a_pause_doubles_up_to_half_a_minute() {
        let unknown = error(ErrorKind::Unknown);
        let now = Timestamp::now();
        let pauses = [1, 2, 3, 7, 8, 100].map(|attempts| pause(&unknown, attempts, now, plain).as_millis());
        assert_eq!(pauses, [250, 500, 1000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn a_throttled_account_waits_for_the_next_minute_and_never_comes_too_early() {
        let throttled = error(ErrorKind::Refused(Disposition::Throttled));
        let now = late_in_a_minute();
        let seconds =
            |attempts, jitter: fn(Duration) -> Duration| pause(&throttled, attempts, now, jitter).as_secs();
        assert_eq!([1, 2, 3].map(|attempts| seconds(attempts, halved)), [10, 10, 10]);
        assert_eq!([1, 2, 3, 100].map(|attempts| seconds(attempts, plain)), [25, 40, 70, 300]);
    }

    #[test]
    fn what_ecs_asks_for_counts_but_no_pause_is_endless() {
        let asked = |seconds| Error {
            retry_after: Some(Duration::from_secs(seconds)),
            ..error(ErrorKind::Refused(Disposition::Throttled))
        };
        let now = Timestamp::now();
        assert_eq!(pause(&asked(7), 1, now, plain), Duration::from_secs(7));
        assert_eq!(pause(&asked(86_400), 1, now, plain), MAX_PAUSE);
    }

    #[test]
    fn a_caller_gives_up_for_everybody_if_waiting_does_not_help() {
        let (unknown, refused) =
            (error(ErrorKind::Unknown), error(ErrorKind::Refused(Disposition::Permanent)));
        let now = Timestamp::now();
        let enough = Duration::from_secs(5);
        let first = after(&unknown, None, enough, now, plain);
        assert_eq!((first.attempts, first.gave_up, first.permanent), (1, false, false));
        assert_eq!((first.not_before, first.since), (now.plus(FIRST), now));
        for (case, failure, previous, time_left) in [
            ("no time for another attempt", &unknown, None, FIRST),
            ("a person has to act", &refused, None, enough),
            (
                "the one before has given up",
                &unknown,
                Some(Backoff { gave_up: true, ..first.clone() }),
                enough,
            ),
        ] {
            let remembered = after(failure, previous.as_ref(), time_left, now, plain);
            assert!(remembered.gave_up, "{case}");
            assert_eq!(remembered.not_before, now.plus(PAUSE_AFTER_GIVING_UP), "{case}");
        }
        let later = now.plus(Duration::from_secs(9));
        let second = after(&unknown, Some(&first), enough, later, plain);
        assert_eq!((second.attempts, second.since), (2, now));
    }
}
