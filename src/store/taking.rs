//! Out of the reserve: an ADD that takes an address.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::store::adding::Committed;
use crate::store::error::Result;
use crate::store::intent::OpenIntent;
use crate::store::record::{Active, Allocation};
use crate::store::record_name::{ReleaseName, record_name};
use crate::store::{Store, file};

impl Store {
    /// Ends an ADD well with `taken` out of the reserve, all of them or none; the record may have others beside. It is visible at
    /// once and durable when this returns; only then do the entries go. Each must have rested for `rest` at this moment: since it was
    /// picked, another pod may have had the address.
    ///
    /// # Errors
    /// The system's; the entries are still there then.
    pub(crate) fn take(
        &self,
        intent: &OpenIntent,
        active: &Active,
        (taken, rest): (&[IpAddr], Duration),
        deadline: Deadline,
    ) -> Result<Committed> {
        let Allocation { owner, eni, .. } = &active.0;
        let path = self.active_directory().join(record_name(owner));
        let draft = file::Draft::write(&self.active_directory(), &active.encode(&path)?, |_| Ok(()))?;
        let lock = self.lock(deadline)?;
        if intent.is_deleted()? {
            return Ok(Committed::Deleted);
        }
        let (state, now) = (self.eni_state(eni)?, Timestamp::now());
        for address in active.0.ips() {
            let is_there = if taken.contains(&address) {
                let found = self.reserved_one(eni, address)?;
                let has_rested = found.is_some_and(|it| it.entry.left_to_rest(rest, now).is_zero());
                has_rested && !state.is_in_doubt(address, now)
            } else {
                self.owner_of(eni, address)?.is_none()
            };
            if !is_there {
                return Ok(Committed::Gone);
            }
        }
        self.enter_without_sync(active, &draft)?;
        draft.replace(&path)?;
        lock.one_more();
        drop(lock);
        let durable = file::sync_directory(&self.address_directory())
            .and_then(|()| file::sync_directory(&self.active_directory()));
        if let Err(error) = durable {
            self.take_back(active, deadline)?;
            return Err(error);
        }
        if let Err(error) = self.forget_taken(active, deadline) {
            log::warn!(
                "an entry of the reserve stays beside the record of its address, which does no harm: {error}"
            );
        }
        self.end_intent(intent);
        Ok(Committed::Active)
    }

    /// Whether something of `eni` can make room on it: a release, or an entry of the reserve.
    pub(crate) fn may_get_room(&self, eni: &EniId) -> Result<bool> {
        let releases = file::names(&self.releasing_directory())?;
        let is_its = |name: &String| ReleaseName::of(name).may_be_of(eni);
        Ok(releases.iter().any(is_its) || !self.reserved_addresses(eni)?.is_empty())
    }

    /// The record could not be made durable.
    fn take_back(&self, active: &Active, deadline: Deadline) -> Result<()> {
        let lock = self.lock(deadline)?;
        if self.active(&active.0.owner)?.as_ref() == Some(active) {
            self.remove_unsure(&self.active_directory().join(record_name(&active.0.owner)), &lock)?;
        }
        Ok(())
    }

    /// Removes the entries of what this record has. If a DEL has come meanwhile, it may have put an address into the reserve anew:
    /// then they stay.
    pub(super) fn forget_taken(&self, active: &Active, deadline: Deadline) -> Result<()> {
        let lock = self.lock(deadline)?;
        if self.active(&active.0.owner)?.as_ref() == Some(active) {
            let addresses: Vec<IpAddr> = active.0.ips().collect();
            self.forget_reserved(&active.0.eni, &addresses, &lock)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::attachment::Attachment;
    use crate::base::clock::boot_of_records;
    use crate::store::{AddIntent, Begun, Entry};

    #[test]
    fn an_entry_that_another_pod_has_used_since_it_was_picked_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let (store, deadline) =
            (Store::open(directory.path()).unwrap(), Deadline::after(Duration::from_secs(60)));
        let owner = Attachment { container_id: "c".to_owned(), ifname: "eth0".to_owned() };
        let (boot_id, since) = (boot_of_records(), Timestamp::now());
        let intention = AddIntent { owner, network: "pods".to_owned(), pod: None, boot_id, since };
        let Begun::New { intent, .. } = store.begin_add(&intention, deadline).unwrap() else {
            panic!("nothing is there")
        };
        let mut record: serde_json::Value = serde_json::json!({
            "owner": {"containerId": "c", "ifname": "eth0"}, "network": "pods", "networkInterfaceId": "eni-1",
            "regionId": "cn-hangzhou", "addresses": [{"address": "192.168.0.9/24"}]
        });
        record["since"] = serde_json::to_value(since).unwrap();
        let allocation: Allocation = serde_json::from_value(record).unwrap();
        let (eni, address) = (allocation.eni.clone(), IpAddr::from([192, 168, 0, 9]));
        let draft = store.draft_entry(&eni, &Entry::new("pods", &allocation.region, true)).unwrap();
        let lock = store.lock(deadline).unwrap();
        store.name_reserved(&eni, &[address], &draft, &lock).unwrap();
        drop((lock, draft));
        let active = Active(allocation);
        let take = |rest| store.take(&intent, &active, (&[address], rest), deadline).unwrap();
        assert_eq!(take(Duration::from_mins(2)), Committed::Gone);
        assert!(store.active(&active.0.owner).unwrap().is_none());
        assert!(store.reserved_one(&eni, address).unwrap().is_some());
        assert_eq!(take(Duration::ZERO), Committed::Active);
        assert!(store.reserved_addresses(&eni).unwrap().is_empty());
    }
}
