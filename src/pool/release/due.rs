//! What may be asked for now: a record, and each request to assign in it, can have a moment before which nobody asks.

use crate::base::clock::Timestamp;
pub(super) use crate::store::MAX_WAIT;
use crate::store::{AssignRequest, Release};

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

/// Whether ECS can be asked for anything of this record now.
pub(super) fn has_work(record: &Release, now: Timestamp) -> bool {
    is_record_due(record, now) && (!record.allocation.addresses.is_empty() || has_due_request(record, now))
}

fn is_past(not_before: Option<Timestamp>, now: Timestamp) -> bool {
    not_before.is_none_or(|moment| moment.wait(now, MAX_WAIT).is_zero())
}
