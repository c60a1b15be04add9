//! What may be asked for now: a record, and each request to assign in it, can have a moment before which nobody asks.

use crate::base::clock::Timestamp;
pub(super) use crate::store::MAX_WAIT;
use crate::store::{AssignRequest, Backoff, EniState, Release, ReleaseProgress};

/// Whether nothing forbids to ask for this record's release.
pub(super) fn is_record_due(record: &Release, now: Timestamp) -> bool {
    is_past(record.progress.not_before, now)
}

/// Whether nothing forbids to repeat this request. One in doubt waits by itself: the rest of its record is not held up.
pub(super) fn is_request_due(ask: &AssignRequest, now: Timestamp) -> bool {
    is_past(ask.not_before, now)
}

/// Whether the record has a request that may be repeated now.
pub(super) fn has_due_request(record: &Release, now: Timestamp) -> bool {
    record.progress.in_doubt.iter().any(|ask| is_request_due(ask, now))
}

/// From when on ECS can be asked for anything of this record: `now` if that is past, `None` if there is nothing to ask for.
/// `resolving` holds up requests in doubt only.
pub(super) fn due_at(record: &Release, resolving: Option<&Backoff>, now: Timestamp) -> Option<Timestamp> {
    due(!record.allocation.addresses.is_empty(), &record.progress, resolving, now)
}

/// The moment before which no call asks ECS for anything of a release, as far as is known; `None` where the next call does. The
/// release has addresses, or only requests in doubt.
pub(crate) fn next_try(
    has_addresses: bool,
    progress: &ReleaseProgress,
    state: &EniState,
    now: Timestamp,
) -> Option<Timestamp> {
    let due = due(has_addresses, progress, state.resolving.as_ref(), now)?;
    let paused = state.backoff.as_ref().map_or(now, |it| it.not_before);
    let moments = [due, paused];
    let last = moments.into_iter().max_by_key(|it| it.wait(now, MAX_WAIT))?;
    (!last.wait(now, MAX_WAIT).is_zero()).then_some(last)
}

fn due(
    has_addresses: bool,
    progress: &ReleaseProgress,
    resolving: Option<&Backoff>,
    now: Timestamp,
) -> Option<Timestamp> {
    let addresses = has_addresses.then_some(now);
    let paused = resolving.map_or(now, |it| it.not_before);
    let requests = progress.in_doubt.iter().map(|ask| ask.not_before.unwrap_or(now).max(paused));
    let first = addresses.into_iter().chain(requests).min_by_key(|it| it.wait(now, MAX_WAIT))?;
    Some(progress.not_before.map_or(first, |moment| moment.max(first)))
}

fn is_past(not_before: Option<Timestamp>, now: Timestamp) -> bool {
    not_before.is_none_or(|moment| moment.wait(now, MAX_WAIT).is_zero())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn paused(until: Timestamp) -> Backoff {
        let error = "ECS is down".to_owned();
        let (permanent, throttled, gave_up) = (false, false, true);
        Backoff { attempts: 1, not_before: until, since: until, error, permanent, throttled, gave_up }
    }

    fn state_with(backoff: Option<Backoff>, resolving: Option<Backoff>) -> EniState {
        let mut state = EniState::default();
        (state.backoff, state.resolving) = (backoff, resolving);
        state
    }

    #[test]
    fn a_release_is_tried_again_when_neither_it_nor_its_eni_waits_any_more() {
        let now = Timestamp::now();
        let [soon, later] = [30, 60].map(|seconds| now.plus(Duration::from_secs(seconds)));
        let waiting = |not_before| ReleaseProgress { not_before, ..ReleaseProgress::default() };
        let state = |backoff| state_with(backoff, None);
        for (record, eni, expected) in [
            (None, None, None),
            (Some(soon), None, Some(soon)),
            (None, Some(paused(soon)), Some(soon)),
            (Some(later), Some(paused(soon)), Some(later)),
            (Some(soon), Some(paused(later)), Some(later)),
            // Past, and what the clock was set back behind.
            (Some(now), Some(paused(now)), None),
            (Some(now.plus(MAX_WAIT * 2)), None, None),
            (Some(now.plus(MAX_WAIT * 2)), Some(paused(soon)), Some(soon)),
        ] {
            assert_eq!(
                next_try(true, &waiting(record), &state(eni.clone()), now),
                expected,
                "{record:?} {eni:?}"
            );
        }
        assert_eq!(
            next_try(false, &waiting(Some(soon)), &state(None), now),
            None,
            "nothing is left to ask for"
        );
    }

    #[test]
    fn a_request_in_doubt_waits_for_itself() {
        let now = Timestamp::now();
        let [soon, later] = [30, 60].map(|seconds| now.plus(Duration::from_secs(seconds)));
        let in_doubt = [AssignRequest { not_before: Some(soon), ..AssignRequest::example() }].to_vec();
        let progress = ReleaseProgress { in_doubt, ..ReleaseProgress::default() };
        let state = state_with(None, Some(paused(later)));
        assert_eq!(next_try(false, &progress, &EniState::default(), now), Some(soon));
        assert_eq!(next_try(false, &progress, &state, now), Some(later));
        assert_eq!(next_try(true, &progress, &state, now), None, "its addresses do not wait");
    }
}
