//! The kernel's routes against what they should be.

use std::thread;
use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::commands::error::CommandError;
use crate::commands::routes::stores::NodeStores;
use crate::node::pods::NodePods;
use crate::routes::{Difference, DifferenceKind, EniNetwork, Expected, Network};

/// How long an ADD or a DEL may take from its record to its rule.
const PAUSE: Duration = Duration::from_secs(1);

/// What the kernel should have by the records, and what differs from that. A rule for an address that no record has is not left over
/// while somebody is seen to use the address: the store may have been lost.
pub(super) fn compare(
    kernel: &Network,
    stores: &NodeStores<'_>,
    enis: &[EniNetwork],
) -> Result<(Expected, Vec<Difference>), CommandError> {
    let mut expected = stores.expected(enis)?;
    let mut differences = kernel.differences(&expected)?;
    let is_left_over = |it: &Difference| it.kind == DifferenceKind::LeftOver && it.address.is_some();
    if differences.iter().any(is_left_over) {
        let pods = NodePods::look();
        for address in differences.iter().filter(|it| is_left_over(it)).filter_map(|it| it.address) {
            if pods.user_of(address).is_some() {
                expected.others.insert(address);
            }
        }
        differences = kernel.differences(&expected)?;
    }
    Ok((expected, differences))
}

/// The same, where only what differs now and after a pause counts: what is under way looks like a difference for a moment. No lock is
/// taken, so nobody waits for a person's look.
pub(in crate::commands) fn compare_twice(
    stores: &NodeStores<'_>,
    enis: &[EniNetwork],
    deadline: Deadline,
) -> Result<(Expected, Vec<Difference>), CommandError> {
    let kernel = Network::open(deadline)?;
    let (expected, first) = compare(&kernel, stores, enis)?;
    if first.is_empty() {
        return Ok((expected, first));
    }
    thread::sleep(PAUSE);
    let (expected, mut second) = compare(&kernel, stores, enis)?;
    second.retain(|difference| first.contains(difference));
    Ok((expected, second))
}
