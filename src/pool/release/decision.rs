//! When a release from an ENI may be asked for. Everybody who is about to take a step asks here, and nowhere else.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::pool::release::Releaser;
use crate::pool::release::due::{MAX_WAIT, due_at};
use crate::store::{Backoff, EniState, Release};

/// A record that waits no longer than this is waited for. One that waits longer is left to later calls: an outage costs one
/// pod the wait, not every pod.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// Whether to ask ECS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Now.
    Go,
    /// Not before this moment, and the caller has the time to wait for it.
    WaitUntil(Timestamp),
    /// Not in this call.
    GiveUp(Why),
}

/// Why a call does not ask ECS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The last attempts for this ENI have failed, and it is left alone for longer than the caller can wait, or whoever
    /// tried last gave up for all. The error of the last attempt.
    EniIsFailing(String),
    /// The caller has no time left for an attempt.
    NoTime,
    /// The record itself waits.
    RecordWaits,
}

/// Decides from what is remembered of the ENI's failures and, for a caller who wants one record released, from that record.
/// `min_time` is what a request needs.
pub(super) fn decide(
    state: &EniState,
    record: Option<&Release>,
    now: Timestamp,
    time_left: Duration,
    min_time: Duration,
) -> Decision {
    if let Some(backoff) = &state.backoff {
        let wait = backoff.not_before.wait(now, MAX_WAIT);
        let too_long = wait + min_time > time_left;
        match (wait.is_zero(), backoff.gave_up || too_long) {
            (true, _) => {}
            (false, true) => return Decision::GiveUp(Why::EniIsFailing(backoff.error.clone())),
            (false, false) => return Decision::WaitUntil(backoff.not_before),
        }
    }
    if time_left < min_time {
        return Decision::GiveUp(Why::NoTime);
    }
    let Some(due) = record.map(|record| due_at(record, state.resolving.as_ref(), now)) else {
        return Decision::Go;
    };
    match due.map(|moment| (moment, moment.wait(now, MAX_WAIT))) {
        Some((_, wait)) if wait.is_zero() => Decision::Go,
        Some((moment, wait)) if wait <= SHORT_WAIT && wait + min_time <= time_left => {
            Decision::WaitUntil(moment)
        }
        _ => Decision::GiveUp(Why::RecordWaits),
    }
}

impl Releaser<'_> {
    /// The same by the clock, for a call that has until `deadline`.
    pub(super) fn decide(&self, state: &EniState, record: Option<&Release>, deadline: Deadline) -> Decision {
        decide(state, record, Timestamp::now(), deadline.remaining(), self.min_time())
    }
}

/// Whether the requests in doubt of an ENI may be looked into.
pub(super) fn may_resolve(resolving: Option<&Backoff>, now: Timestamp) -> bool {
    resolving.is_none_or(|it| it.not_before.wait(now, MAX_WAIT).is_zero())
}

#[cfg(test)]
mod tests {
    use super::Decision::{GiveUp, Go, WaitUntil};
    use super::*;
    use crate::base::address::Address;
    use crate::base::attachment::Attachment;
    use crate::base::eni::EniId;
    use crate::base::region::RegionId;
    use crate::store::{Allocation, AssignRequest, ReleaseProgress};

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);

    const ENOUGH: Duration = Duration::from_millis(250);

    fn backoff(not_before: Timestamp, gave_up: bool) -> Backoff {
        Backoff {
            attempts: 3,
            not_before,
            since: not_before,
            error: "ECS is down".into(),
            permanent: false,
            gave_up,
            throttled: false,
        }
    }

    fn record(addresses: usize, not_before: Option<Timestamp>, requests: &[Option<Timestamp>]) -> Release {
        let eni = EniId::try_from("eni-1".to_owned()).unwrap();
        let request = |not_before: &Option<Timestamp>| AssignRequest {
            not_before: *not_before,
            ..AssignRequest::example()
        };
        let in_doubt = requests.iter().map(request).collect();
        Release {
            name: "record".into(),
            allocation: Allocation {
                owner: Attachment::nobody(),
                network: "pods".into(),
                eni: eni.clone(),
                region: RegionId::try_from("cn-hangzhou".to_owned()).unwrap(),
                addresses: vec![Address::alone("192.168.0.7".parse().unwrap()); addresses],
                pod: None,
                boot_id: String::new(),
                since: Timestamp::now(),
            },
            progress: ReleaseProgress { not_before, in_doubt, ..ReleaseProgress::default() },
        }
    }

    #[test]
    fn one_table_says_when_ecs_is_asked() {
        let now = Timestamp::now();
        let (past, soon, later) = (now, now.plus(SECOND), now.plus(SECOND * 2));
        let far = now.plus(MAX_WAIT + SECOND);
        let pause = |until| Some(backoff(until, false));
        let gave_up = |until| Some(backoff(until, true));
        let addresses = |not_before| Some(record(1, not_before, &[]));
        let requests = |not_before, each: &[_]| Some(record(0, not_before, each));
        let failing = || GiveUp(Why::EniIsFailing("ECS is down".into()));
        let (less, short) = (SECOND + ENOUGH / 2, Duration::from_millis(249));
        let (no_time, waits) = (GiveUp(Why::NoTime), GiveUp(Why::RecordWaits));
        for (case, backoff, record, time_left, expected) in [
            ("nothing has failed", None, None, MINUTE, Go),
            ("just enough time", None, None, ENOUGH, Go),
            ("too little time", None, None, short, no_time.clone()),
            ("no time at all", None, addresses(None), Duration::ZERO, no_time.clone()),
            ("the pause is over", pause(past), None, MINUTE, Go),
            ("the pause is over, and one tries again", gave_up(past), None, MINUTE, Go),
            ("the pause is over, but so is the call", gave_up(past), None, short, no_time),
            ("a pause that can be waited for", pause(soon), None, MINUTE, WaitUntil(soon)),
            ("a pause almost as long as the call", pause(soon), None, less, failing()),
            ("an outage costs one pod the wait", gave_up(soon), None, MINUTE, failing()),
            ("too little time hides no error", pause(soon), None, short, failing()),
            ("written before the clock was set back", gave_up(far), None, MINUTE, Go),
            ("the ENI comes before the record", pause(soon), addresses(Some(soon)), MINUTE, WaitUntil(soon)),
            ("a record that is due", None, addresses(Some(past)), MINUTE, Go),
            ("a record that waits a moment", None, addresses(Some(soon)), MINUTE, WaitUntil(soon)),
            ("a record that waits longer than the call", None, addresses(Some(soon)), less, waits.clone()),
            ("a record that waits for long", None, addresses(Some(later)), MINUTE, waits.clone()),
            ("a record from before the clock was set back", None, addresses(Some(far)), MINUTE, Go),
            ("one of two requests is due", None, requests(None, &[Some(soon), None]), MINUTE, Go),
            ("no request is due", None, requests(None, &[Some(later)]), MINUTE, waits.clone()),
            ("an address beside such a request", None, Some(record(1, None, &[Some(soon)])), MINUTE, Go),
            ("a due request of a record that waits", None, requests(Some(later), &[None]), MINUTE, waits),
        ] {
            let mut state = EniState::default();
            state.backoff = backoff;
            assert_eq!(decide(&state, record.as_ref(), now, time_left, ENOUGH), expected, "{case}");
        }
    }

    #[test]
    fn requests_in_doubt_that_cannot_be_looked_into_hold_up_no_address() {
        let now = Timestamp::now();
        let later = now.plus(SECOND * 2);
        let mut state = EniState::default();
        state.resolving = Some(backoff(later, false));
        let decide = |record| decide(&state, Some(&record), now, MINUTE, ENOUGH);
        assert_eq!(decide(record(1, None, &[None])), Go);
        assert_eq!(decide(record(0, None, &[None])), GiveUp(Why::RecordWaits));
    }
}
