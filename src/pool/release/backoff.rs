//! When to ask ECS again after it said no, or nothing.

use std::time::{Duration, SystemTime};

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::random;
use crate::cloud::rpc::{Disposition, Error, ErrorKind};
use crate::store::Backoff;

/// No pause is longer, so that an ENI comes back soon after the cloud does.
pub(super) const MAX_PAUSE: Duration = Duration::from_mins(5);

/// No moment to wait for lies further ahead: the longest call (ten minutes) and the time after it for which its requests
/// may still be carried out.
pub(super) const MAX_WAIT: Duration = Duration::from_mins(15);

/// The pause after the first failure; it doubles with every further one.
const FIRST: Duration = Duration::from_millis(250);

/// The longest pause that doubling leads to.
const DOUBLED: Duration = Duration::from_secs(30);

/// The pause after somebody gave up: nobody else waits meanwhile.
pub(super) const PAUSE_AFTER_GIVING_UP: Duration = Duration::from_mins(1);

/// The pause before the next attempt after `error`, which ended the `attempts`-th one in a row.
pub(crate) fn pause(error: &Error, attempts: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(DOUBLED);
    let pause = match (error.kind, error.retry_after) {
        (_, Some(asked)) => asked.max(doubled),
        (ErrorKind::Refused(Disposition::Throttled), None) if attempts > 1 => {
            until_next_minute().max(doubled)
        }
        (ErrorKind::Refused(Disposition::Throttled), None) => Duration::from_secs(2),
        _ => doubled,
    };
    random::jitter(pause).min(MAX_PAUSE)
}

/// ECS counts calls by the minute: an account that is over its share stays so until the next one begins. (Documentation of
/// API throttling, alibabacloud.com/help doc-detail 437902.)
fn until_next_minute() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Jitter takes up to the half of a pause away: twice the rest of the minute is never too early, and spreads the nodes
    // of an account over the minute that follows.
    Duration::from_secs(60 - now.as_secs() % 60) * 2
}

/// What to remember of an ENI after `error`. A failure that nobody's waiting can mend, and one whose pause outlasts the
/// caller's deadline, make the caller give up for everybody.
pub(super) fn after(error: &Error, previous: Option<&Backoff>, deadline: Deadline) -> Backoff {
    let now = Timestamp::now();
    let attempts = previous.map_or(0, |backoff| backoff.attempts).saturating_add(1);
    let permanent = matches!(error.kind, ErrorKind::Refused(Disposition::Permanent));
    let pause = pause(error, attempts);
    let gave_up = permanent
        || pause + super::MIN_TIME_FOR_REQUEST >= deadline.remaining()
        || previous.is_some_and(|backoff| backoff.gave_up);
    let pause = if gave_up { pause.max(random::jitter(PAUSE_AFTER_GIVING_UP)) } else { pause };
    Backoff {
        attempts,
        not_before: now.plus(pause),
        since: previous.map_or(now, |backoff| backoff.since),
        error: error.to_string(),
        permanent,
        gave_up,
    }
}
