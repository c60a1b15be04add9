//! One ADD's attempt to get addresses: what it holds, and how it is undone.

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::region::RegionId;
use crate::cloud::rpc::Error;
use crate::store;
use crate::store::{Active, Allocation, EniLock, OpenIntent, ReleaseId, Store};

/// An ADD from its intent to its record, and until its result is read.
pub(crate) struct Attempt<'s> {
    pub(super) store: &'s Store,
    pub(super) deadline: Deadline,
    pub(super) intent: OpenIntent,
    /// Held from before the first request until what it brought is recorded, as in use or as releasing: nobody else who holds
    /// it meets an address that is on the ENI without a record.
    pub(super) eni_lock: Option<EniLock<'s>>,
    /// What ECS has given so far; `None` as long as it is not known on which ENI.
    pub(super) got: Option<Allocation>,
    /// The ENIs of which it would take addresses, each with its region.
    pub(super) enis: Vec<(EniId, RegionId)>,
    /// The record, from the commit on.
    pub(super) committed: Option<Active>,
    /// How many requests it has sent.
    pub(super) requests: u32,
    /// What ECS said when it refused one because the account had made too many calls.
    pub(super) throttled: Option<Error>,
    /// The id of the last one that has brought something.
    pub(super) request_id: Option<String>,
}

impl<'s> Attempt<'s> {
    /// Begins with a durable intent.
    pub(crate) fn new(store: &'s Store, intent: OpenIntent, deadline: Deadline) -> Self {
        Self {
            store,
            deadline,
            intent,
            eni_lock: None,
            got: None,
            enis: Vec::new(),
            committed: None,
            requests: 0,
            throttled: None,
            request_id: None,
        }
    }

    /// The ENIs of which it would take addresses, each with its region.
    pub(crate) fn enis(&self) -> &[(EniId, RegionId)] {
        &self.enis
    }

    /// Makes a release of all that this attempt got, or may have got. The caller waits for it: this lets go of the ENI's lock.
    ///
    /// # Errors
    /// The store's. The intent, or the record, stays then, and so nothing is lost.
    pub(crate) fn undo(self) -> store::Result<Vec<ReleaseId>> {
        let Self { store, deadline, intent, eni_lock: _eni_lock, got, committed, .. } = self;
        match committed {
            // This very record: a DEL may have come since, and another ADD whose addresses are not ours to take away.
            Some(active) => store.begin_release_of(&active, deadline),
            None => store.abandon(&intent, got),
        }
    }
}
