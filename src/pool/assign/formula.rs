//! How many addresses the one that asks ECS asks for: its own and those of the ADDs that wait, so that pods that start together
//! share a request; and those that are missing in the reserve.

use std::net::IpAddr;

use crate::store::{Demand, Entry};

/// What is counted of one family on one ENI, for one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// ADDs that wait, the one that asks included.
    waiting: usize,
    /// Addresses that the network keeps in reserve.
    keep: usize,
    /// Entries of the network.
    free: usize,
    /// Those of them that a pod could take now.
    rested: usize,
    /// What requests of others will bring, on other ENIs.
    open: usize,
}

impl Count {
    pub(super) fn new(
        demand: &Demand,
        network: &str,
        keep: usize,
        is_fit: impl Fn(IpAddr, &Entry) -> bool,
    ) -> Self {
        let own = || demand.reserved.iter().filter(|it| it.entry.network == network);
        Self {
            waiting: demand.waiting,
            keep,
            free: own().count(),
            rested: own().filter(|it| is_fit(it.address, &it.entry)).count(),
            open: demand.open,
        }
    }

    /// How many addresses are missing. Entries that still rest are part of the reserve, but nobody who waits can have them.
    pub(super) fn missing(self) -> usize {
        let Self { waiting, keep, free, rested, open } = self;
        let for_all = (waiting + keep).saturating_sub(free + open);
        for_all.max(waiting.saturating_sub(rested + open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_is_for_all_who_wait_and_for_what_is_missing_in_the_reserve() {
        for (waiting, keep, free, rested, open, missing) in [
            // One ADD alone, without a reserve.
            (1, 0, 0, 0, 0, 1),
            // Many at once.
            (30, 0, 0, 0, 0, 30),
            (30, 0, 12, 12, 0, 18),
            (30, 0, 30, 30, 0, 0),
            // More than is wanted is there: it is given back elsewhere.
            (1, 0, 5, 5, 0, 0),
            // The reserve is filled with what the pod takes out of it.
            (1, 10, 0, 0, 0, 11),
            (1, 10, 10, 10, 0, 1),
            (1, 10, 11, 11, 0, 0),
            // What rests is there, but not for those who wait.
            (3, 10, 13, 0, 0, 3),
            (3, 10, 13, 1, 0, 2),
            (3, 10, 5, 0, 0, 8),
            (3, 0, 3, 1, 0, 2),
            // Another ENI's request brings some, or all, or more.
            (10, 0, 0, 0, 4, 6),
            (10, 2, 0, 0, 12, 0),
            (10, 0, 0, 0, 20, 0),
            (10, 0, 3, 0, 8, 2),
        ] {
            let count = Count { waiting, keep, free, rested, open };
            assert_eq!(count.missing(), missing, "{count:?}");
        }
    }
}
