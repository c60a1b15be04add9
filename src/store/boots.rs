//! Records of an earlier boot. No network namespace survives a boot, so no pod has their addresses any more, unless an ADD of the
//! same attachment has taken the record over: where a container ID is made of a name that comes back, so does the attachment.

use crate::base::clock::is_earlier_boot;
use crate::base::deadline::Deadline;
use crate::store::error::Result;
use crate::store::intent::AddIntent;
use crate::store::record::{Active, Allocation};
use crate::store::record_name::record_name;
use crate::store::{Store, file};

impl Allocation {
    /// Whether its ADD ran before the machine booted. Of a record that does not say, or where this boot is not known, nobody can
    /// tell: it is not.
    #[must_use]
    pub fn is_of_earlier_boot(&self) -> bool {
        is_earlier_boot(&self.boot_id)
    }
}

impl Store {
    /// Durably makes exactly this record one of the ADD that `intention` describes, in its boot and as young as it. From then
    /// on nobody who has listed it before begins its release. `None` if the attachment has another record by now, or none: a DEL or
    /// a `flush` may have come between; or an address of the record is not its own, and so it is releasing now.
    ///
    /// # Errors
    /// [`Busy`](super::Error::Busy) and the system's; the record is then as it was, or taken over.
    pub fn take_over(
        &self,
        Active(found): &Active,
        intention: &AddIntent,
        deadline: Deadline,
    ) -> Result<Option<Active>> {
        let taken = Active(Allocation {
            network: intention.network.clone(),
            pod: intention.pod.clone().or_else(|| found.pod.clone()),
            boot_id: intention.boot_id.clone(),
            since: intention.since,
            ..found.clone()
        });
        let path = self.active_directory().join(record_name(&found.owner));
        let draft = file::Draft::write(&self.active_directory(), &taken.encode(&path)?, |_| Ok(()))?;
        let lock = self.lock(deadline)?;
        if self.active(&found.owner)?.is_none_or(|Active(now)| now != *found) {
            return Ok(None);
        }
        // A record of what was taken out of the reserve is there before the names of its addresses are durable. If a power cut kept
        // the one and not the others, nothing has kept the addresses from being given to others since.
        for address in found.ips() {
            if self.owner_of(&found.eni, address)?.as_ref() != Some(&found.owner) {
                self.move_to_releasing(&Active(found.clone()), &lock)?;
                return Ok(None);
            }
        }
        self.enter_in_place(&taken, &draft)?;
        draft.replace(&path)?;
        file::sync_directory(&self.active_directory())?;
        Ok(Some(taken))
    }
}
