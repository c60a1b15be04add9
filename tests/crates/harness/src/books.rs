//! The three books that name addresses: what the cloud has on the ENI, the ledger of what it was asked, and the store.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ecs_simulator::Entry;

use crate::{Node, Record};

impl Node {
    /// What the calls in the ledger have left on the ENI, provided that it has not been cleared.
    #[must_use]
    pub fn in_ledger(&self) -> BTreeSet<IpAddr> {
        let mut left = BTreeSet::new();
        let of_eni = |entry: &Entry| entry.executed && entry.eni.as_deref() == Some(Self::ENI);
        for entry in self.cloud.ledger().into_iter().filter(of_eni) {
            if entry.action.starts_with("Assign") {
                left.extend(entry.addresses);
            } else if entry.action.starts_with("Unassign") {
                left.retain(|address| !entry.addresses.contains(address));
            }
        }
        left
    }

    /// Expects that the three books name the same addresses, and that nobody has asked for two changes of the ENI at the
    /// same time.
    ///
    /// # Panics
    /// When they differ.
    #[track_caller]
    pub fn expect_books_agree(&self) {
        let (on_eni, in_ledger, recorded) = (self.on_eni(), self.in_ledger(), self.recorded());
        assert_eq!(on_eni, in_ledger, "on the ENI and in the ledger\n{}", self.scene());
        assert_eq!(on_eni, recorded, "on the ENI and in the store\n{}", self.scene());
        assert_eq!(self.cloud.overlaps(), 0, "changes of the ENI at the same time\n{}", self.scene());
    }

    /// Expects that the three books agree on these addresses, all of them in use: nothing is under way or left over.
    ///
    /// # Panics
    /// When there are others, or in another state.
    #[track_caller]
    pub fn expect_in_use(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.expect_books_agree();
        let expected: Vec<_> = addresses.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let records = self.records();
        let mut in_use: Vec<_> = records.iter().flat_map(Record::addresses).collect();
        in_use.sort();
        assert_eq!(in_use, expected, "in the store and in use\n{}", self.scene());
        assert!(records.iter().all(|record| record.state() == "active"), "all in use\n{}", self.scene());
    }
}
