//! What goes into one request.

use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::base::region::Family;
use crate::pool::release::due::is_record_due;
use crate::store::Release;

/// The addresses of one request: of one family, because each has an action of its own, and no more than `most` of
/// it. Those of the first record come first: the caller's own, then the one that DEL came for before the others.
pub(super) fn choose(records: &[Release], most: impl Fn(Family) -> usize, now: Timestamp) -> Vec<IpAddr> {
    let due = records.iter().filter(|record| is_record_due(record, now));
    let mut chosen: Vec<IpAddr> = Vec::new();
    for address in due.flat_map(|record| record.allocation.ips()) {
        let family = Family::of(address);
        let fits = chosen.first().is_none_or(|first| Family::of(*first) == family);
        if fits && chosen.len() < most(family) && !chosen.contains(&address) {
            chosen.push(address);
        }
    }
    chosen
}
