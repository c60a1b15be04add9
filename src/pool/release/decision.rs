//! When a release from an ENI may be asked for. Everybody who is about to take a step asks here, and nowhere else.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::pool::release::due::{MAX_WAIT, has_work};
use crate::store::{Backoff, Release};

/// An attempt that has less time than this is not begun: it could only end in an error that hides the last one.
pub(super) const MIN_TIME_FOR_REQUEST: Duration = Duration::from_millis(250);

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
pub(super) fn decide(
    backoff: Option<&Backoff>,
    record: Option<&Release>,
    now: Timestamp,
    time_left: Duration,
) -> Decision {
    if let Some(backoff) = backoff {
        let wait = backoff.not_before.wait(now, MAX_WAIT);
        let too_long = wait + MIN_TIME_FOR_REQUEST >= time_left;
        match (wait.is_zero(), backoff.gave_up || too_long) {
            (true, _) => {}
            (false, true) => return Decision::GiveUp(Why::EniIsFailing(backoff.error.clone())),
            (false, false) => return Decision::WaitUntil(backoff.not_before),
        }
    }
    if time_left < MIN_TIME_FOR_REQUEST {
        return Decision::GiveUp(Why::NoTime);
    }
    match record {
        Some(record) if !has_work(record, now) => Decision::GiveUp(Why::RecordWaits),
        _ => Decision::Go,
    }
}

/// The same by the clock, for a call that has until `deadline`.
pub(super) fn decide_now(
    backoff: Option<&Backoff>,
    record: Option<&Release>,
    deadline: Deadline,
) -> Decision {
    decide(backoff, record, Timestamp::now(), deadline.remaining())
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

    fn backoff(not_before: Timestamp, gave_up: bool) -> Backoff {
        Backoff {
            attempts: 3,
            not_before,
            since: not_before,
            error: "ECS is down".into(),
            permanent: false,
            gave_up,
        }
    }

    fn record(addresses: usize, not_before: Option<Timestamp>, requests: &[Option<Timestamp>]) -> Release {
        let eni = EniId::try_from("eni-1".to_owned()).unwrap();
        let request = |not_before: &Option<Timestamp>| AssignRequest {
            eni: eni.clone(),
            region: RegionId::try_from("cn-hangzhou".to_owned()).unwrap(),
            client_token: "token".into(),
            in_doubt_until: Timestamp::now(),
            ipv6: false,
            addresses: Vec::new(),
            block: None,
            primary: Vec::new(),
            not_before: *not_before,
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
        let (past, soon, far) = (now, now.plus(SECOND), now.plus(MAX_WAIT + SECOND));
        let pause = |until| Some(backoff(until, false));
        let gave_up = |until| Some(backoff(until, true));
        let addresses = |not_before| Some(record(1, not_before, &[]));
        let requests = |not_before, each: &[_]| Some(record(0, not_before, each));
        let failing = || GiveUp(Why::EniIsFailing("ECS is down".into()));
        let (exact, short) = (SECOND + MIN_TIME_FOR_REQUEST, Duration::from_millis(249));
        let (no_time, waits) = (GiveUp(Why::NoTime), GiveUp(Why::RecordWaits));
        for (case, backoff, record, time_left, expected) in [
            ("nothing has failed", None, None, MINUTE, Go),
            ("just enough time", None, None, MIN_TIME_FOR_REQUEST, Go),
            ("too little time", None, None, short, no_time.clone()),
            ("no time at all", None, addresses(None), Duration::ZERO, no_time.clone()),
            ("the pause is over", pause(past), None, MINUTE, Go),
            ("the pause is over, and one tries again", gave_up(past), None, MINUTE, Go),
            ("the pause is over, but so is the call", gave_up(past), None, short, no_time),
            ("a pause that can be waited for", pause(soon), None, MINUTE, WaitUntil(soon)),
            ("a pause as long as the call", pause(soon), None, exact, failing()),
            ("an outage costs one pod the wait", gave_up(soon), None, MINUTE, failing()),
            ("too little time hides no error", pause(soon), None, short, failing()),
            ("written before the clock was set back", gave_up(far), None, MINUTE, Go),
            ("the ENI comes before the record", pause(soon), addresses(Some(soon)), MINUTE, WaitUntil(soon)),
            ("a record that is due", None, addresses(Some(past)), MINUTE, Go),
            ("a record that waits", None, addresses(Some(soon)), MINUTE, waits.clone()),
            ("a record from before the clock was set back", None, addresses(Some(far)), MINUTE, Go),
            ("one of two requests is due", None, requests(None, &[Some(soon), None]), MINUTE, Go),
            ("no request is due", None, requests(None, &[Some(soon)]), MINUTE, waits.clone()),
            ("an address beside such a request", None, Some(record(1, None, &[Some(soon)])), MINUTE, Go),
            ("a due request of a record that waits", None, requests(Some(soon), &[None]), MINUTE, waits),
        ] {
            assert_eq!(decide(backoff.as_ref(), record.as_ref(), now, time_left), expected, "{case}");
        }
    }
}
