//! What goes into one request.

use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::pool::release::due::is_record_due;
use crate::store::{Release, ReleaseId};

/// The addresses of one request: of one family, because each has an action of its own, and no more than `max_per_request`.
/// The caller's own record comes first, then the oldest.
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
        .filter(|record| is_record_due(record, now))
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
