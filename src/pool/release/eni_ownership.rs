//! Checks that the ENI is still attached to this instance. A record may be older than this boot: since then the ENI may have
//! been attached to another instance, or this node was cloned from an image and the record is the original's. It may have been
//! moved within this boot, too; then its link has gone. The addresses may then be those of pods that this store does not know.

use std::net::IpAddr;

use crate::base::clock::{Timestamp, boot_id};
use crate::cloud::ecs::Eni;
use crate::cloud::ecs::ownership as metadata_ownership;
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::node::eni_link::EniLink;
use crate::node::ownership;
use crate::pool::release::Releaser;
use crate::pool::release::backoff::MAX_PAUSE;
use crate::pool::release::due::is_record_due;
use crate::pool::release::leader::{Leader, Step};
use crate::store;

impl Leader<'_, '_, '_> {
    /// Makes sure, before a record of an earlier boot is released, and once the ENI's link has gone, that no other instance has
    /// the ENI. This is looked into once a boot, and once after the link has gone; the records of this boot were made by
    /// ADDs that had done so. `None` if the release may go on.
    pub(super) fn check_attachment(&mut self) -> store::Result<Option<Step>> {
        let (now, boot) = (Timestamp::now(), boot_id());
        let is_earlier = |record: &store::Release| record.allocation.boot_id != boot;
        let mut due = self.records.iter().filter(|record| is_record_due(record, now)).peekable();
        let (store, eni) = (self.releaser.store, self.eni_lock.eni());
        let has_gone = due.peek().is_some() && EniLink::has_gone(store, eni);
        if !has_gone && (!due.any(is_earlier) || self.eni_lock.state().is_ours_in(&boot)) {
            return Ok(None);
        }
        let other = match self.mac() {
            Ok(Some(mac)) => {
                // Whoever comes next asks again then.
                if let Err(error) = EniLink::remember(store, eni, &mac) {
                    log::warn!("{error}");
                }
                if !self.eni_lock.state().is_ours_in(&boot) {
                    self.eni_lock.seen_here(&boot)?;
                }
                return Ok(None);
            }
            Ok(None) => self.other_instance(),
            Err(error) => Err(error),
        };
        match other {
            Ok(None) => Ok(None),
            Ok(Some((instance, described))) => {
                // Those of this boot were made while the ENI was this instance's: it is not, if its link has gone since.
                let is_concerned = |record: &store::Release| has_gone || is_earlier(record);
                let concerned = self.records.iter().filter(|record| is_concerned(record));
                let addresses: Vec<IpAddr> = concerned.flat_map(|record| record.allocation.ips()).collect();
                // A power cut must not bring a record back as active whose release has ended.
                self.eni_lock.make_moves_durable()?;
                self.end_what_is_gone(&described, &addresses)?;
                if !self.records.iter().any(is_concerned) {
                    return Ok(Some(Step::Done));
                }
                let why = format!(
                    "{eni} is attached to {instance}, so nothing is released from here: if this node was cloned from \
                     {instance}, delete {store}; otherwise run `aliyun-eni-ipam reconcile` on {instance}",
                    eni = self.eni_lock.eni(),
                    store = self.releaser.store.directory().display()
                );
                log::error!("{why}");
                self.record_failure(is_concerned, &why, Some(now.plus(MAX_PAUSE)));
                Ok(Some(Step::Done))
            }
            Err(error) => self.failed(&[], &error).map(Some),
        }
    }

    /// The error to act upon instead of one that says that the ENI does not exist; `None` if `error` stands. ECS says so also
    /// to the key of another account, and in another region. While the ENI is attached to this instance it exists, and its
    /// addresses must not be forgotten.
    pub(super) fn confirm_eni_gone(&self, error: &Error) -> Option<Error> {
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

    /// The hardware address of the ENI, if it is attached to this instance.
    fn mac(&self) -> Result<Option<String>, Error> {
        let Releaser { store, client, region, .. } = *self.releaser;
        let mac = ownership::mac_here(store, client, region, self.eni_lock.eni(), self.limit());
        mac.map_err(|failure| self.unclear(&failure.to_string()))
    }

    /// Whether the ENI, which ECS says does not exist, is attached to this instance all the same. Where metadata does not
    /// answer, a link that was there and is gone bears ECS out.
    fn is_attached(&self) -> Result<bool, Error> {
        let (store, eni) = (self.releaser.store, self.eni_lock.eni());
        if EniLink::mac_if_here(store, eni).is_some() {
            return Ok(true);
        }
        match metadata_ownership::mac_of(self.releaser.client.metadata(), eni, self.limit()) {
            Ok(mac) => Ok(mac.is_some()),
            Err(_) if EniLink::has_left(store, eni) => Ok(false),
            Err(error) => Err(self.unclear(&error.to_string())),
        }
    }

    /// The instance that has the ENI, if it is another one than this, and what the ENI has there. Metadata knows an attachment a
    /// little late.
    fn other_instance(&self) -> Result<Option<(String, Eni)>, Error> {
        let client = self.releaser.client;
        let described = client.describe(self.releaser.region, self.eni_lock.eni(), self.limit())?;
        let Some(described) = described else { return Ok(None) };
        let Some(instance) = described.instance_id.clone() else { return Ok(None) };
        let this = client.metadata().instance_id(self.limit());
        let this = this.map_err(|error| self.unclear(&error.to_string()))?;
        Ok((instance != this).then_some((instance, described)))
    }

    fn unclear(&self, why: &str) -> Error {
        let message = format!("nothing is released before it is clear where the ENI is: {why}");
        Error::not_now("UnassignPrivateIpAddresses", &message).about(self.eni_lock.eni())
    }
}
