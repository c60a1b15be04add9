//! What goes into one request.

use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::store::{Release, ReleaseId};

/// The addresses of one request: of one family, because each has an action of its own, and at max_per_request `most`. The caller's own
/// record comes first, then the oldest.
pub(super) fn choose(
    records: &[Release],
    mine: Option<&ReleaseId>,
    max_per_request: usize,
    now: Timestamp,
) -> Vec<IpAddr> {
    let own = records.iter().filter(|record| mine.is_some_and(|mine| record.is(mine)));
    let others = records.iter().filter(|record| !mine.is_some_and(|mine| record.is(mine)));
    let due: Vec<IpAddr> = own
        .chain(others)
        .filter(|record| is_due(record, now))
        .flat_map(|record| record.allocation.ips())
        .collect();
    let mut chosen = Vec::new();
    for address in &due {
        if chosen.len() < max_per_request
            && address.is_ipv4() == due[0].is_ipv4()
            && !chosen.contains(address)
        {
            chosen.push(*address);
        }
    }
    chosen
}

/// Whether nothing forbids to ask for this record's release now.
pub(super) fn is_due(record: &Release, now: Timestamp) -> bool {
    record.progress.not_before.is_none_or(|moment| moment.wait(now, super::backoff::MAX_WAIT).is_zero())
}
