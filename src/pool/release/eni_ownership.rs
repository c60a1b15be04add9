//! Whose the ENI is by now. A record may be older than this boot: the ENI may have been attached to another instance since,
//! or this node may have been made from an image of the one whose record it is. Then the addresses may be those of pods
//! that this store knows nothing of.

use crate::base::clock::{Timestamp, boot_id};
use crate::cloud::ecs::ownership;
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::pool::release::backoff;
use crate::pool::release::batch::is_due;
use crate::pool::release::leader::{Leader, Step};
use crate::store;

impl Leader<'_, '_, '_> {
    /// Makes sure, before anything is asked for the sake of an earlier boot's records, that no other instance has the ENI.
    /// It is asked once a boot; the records of this one were made after their ADDs had asked. `None` when nothing stands in
    /// the way.
    pub(super) fn check_attachment(&mut self) -> store::Result<Option<Step>> {
        let (now, boot) = (Timestamp::now(), boot_id());
        let is_earlier = |record: &store::Release| record.allocation.boot_id != boot;
        let mut due = self.records.iter().filter(|record| is_due(record, now));
        if !due.any(is_earlier) || self.eni_lock.state().is_ours_in(&boot) {
            return Ok(None);
        }
        let other = match self.is_attached() {
            Ok(true) => {
                self.eni_lock.seen_here(&boot)?;
                return Ok(None);
            }
            Ok(false) => self.other_instance(),
            Err(error) => Err(error),
        };
        match other {
            Ok(None) => Ok(None),
            Ok(Some(instance)) => {
                let why = format!(
                    "{eni} is attached to {instance}, so nothing is released from here: if this node was cloned from \
                     {instance}, delete {store}; otherwise run `aliyun-eni-ipam flush` on {instance}",
                    eni = self.eni_lock.eni(),
                    store = self.releaser.store.directory().display()
                );
                log::error!("{why}");
                self.note(is_earlier, &why, Some(now.plus(backoff::MAX_PAUSE)));
                Ok(Some(Step::Done))
            }
            Err(error) => self.failed(&[], &error).map(Some),
        }
    }

    /// What is wrong with this refusal, if it says that the ENI does not exist: so it does to the key of another account,
    /// or in another region. While the ENI is attached to this instance it exists, and its addresses must not be forgotten.
    pub(super) fn doubt(&self, error: &Error) -> Option<Error> {
        if error.subject() != Subject::EniGone {
            return None;
        }
        match self.is_attached() {
            Ok(false) => None,
            Ok(true) => Some(Error {
                kind: ErrorKind::Refused(Disposition::Permanent),
                message: format!(
                    "{} But it is attached to this instance: check that `ipam.credentials` and `ipam.regionId` belong \
                     to its account",
                    error.message
                )
                .into(),
                ..error.clone()
            }),
            Err(unclear) => Some(unclear),
        }
    }

    fn is_attached(&self) -> Result<bool, Error> {
        let metadata = self.releaser.client.metadata();
        let mac = ownership::mac_of(metadata, self.eni_lock.eni(), self.limit());
        mac.map(|mac| mac.is_some()).map_err(|error| self.unclear(&error.to_string()))
    }

    /// The instance that has the ENI, if it is another one than this. Metadata knows an attachment a little late.
    fn other_instance(&self) -> Result<Option<String>, Error> {
        let client = self.releaser.client;
        let described = client.describe(self.releaser.region, self.eni_lock.eni(), self.limit())?;
        let Some(instance) = described.and_then(|eni| eni.instance_id) else { return Ok(None) };
        let this = client.metadata().instance_id(self.limit());
        let this = this.map_err(|error| self.unclear(&error.to_string()))?;
        Ok((instance != this).then_some(instance))
    }

    fn unclear(&self, why: &str) -> Error {
        let message = format!("cannot tell whether the ENI is attached to this instance: {why}");
        Error { transient: true, ..Error::not_sent("UnassignPrivateIpAddresses", &message) }
            .about(self.eni_lock.eni())
    }
}
