//! The call that holds an ENI's lock, and what it remembers of a failure. It knows nothing of the steps that it takes.

use std::net::IpAddr;
use std::time::Duration;

use log::Level;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::logging;
use crate::base::random;
use crate::cloud::rpc::{Error, ErrorKind, WithoutIds};
use crate::pool::release::{REQUEST_TIMEOUT, Releaser, backoff};
use crate::store;
use crate::store::{Backoff, EniLock, Release, ReleaseId, StoreHold};

/// How one request's worth of work went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is done, and there may be more.
    Done,
    /// ECS did not do as asked; what comes next is in the ENI's state.
    Failed,
    /// Nothing was to be done.
    Nothing,
}

/// The holder of an ENI's lock at work.
pub(super) struct Leader<'a, 'l, 's> {
    pub(super) releaser: &'a Releaser<'a>,
    pub(super) eni_lock: &'l mut EniLock<'s>,
    /// The ENI's releasing records of the releaser's region.
    pub(super) records: Vec<Release>,
    /// The release that the caller waits for: it says itself what becomes of it.
    pub(super) mine: Option<ReleaseId>,
    deadline: Deadline,
    /// How much time the call had left when this step began.
    time_at_start: Duration,
}

impl<'a, 'l, 's> Leader<'a, 'l, 's> {
    pub(super) fn new(
        releaser: &'a Releaser<'a>,
        eni_lock: &'l mut EniLock<'s>,
        records: Vec<Release>,
        deadline: Deadline,
    ) -> Self {
        Self { releaser, eni_lock, records, mine: None, deadline, time_at_start: deadline.remaining() }
    }
}

impl Leader<'_, '_, '_> {
    /// Whether there is time for another request.
    pub(super) fn has_time(&self) -> bool {
        self.deadline.remaining() >= self.releaser.min_time()
    }

    /// Whether this call's own end cut its request short, and not the cloud: only a call that has waited for nearly all of
    /// its time can tell.
    fn ran_out_of_time(&self) -> bool {
        self.deadline.has_passed() && self.time_at_start < self.releaser.timeout * 3 / 4
    }

    /// Reads every record of the ENI, and not only those that this step began with.
    pub(super) fn read_all(&mut self) -> store::Result<()> {
        self.records = self.eni_lock.releasing()?;
        self.records.retain(|record| record.allocation.region == *self.releaser.region);
        Ok(())
    }

    /// Before any of these releasing addresses is sent, or its release ends otherwise: durably removes their entries in the
    /// reserve.
    pub(super) fn clear_entries(&mut self, addresses: &[IpAddr]) -> store::Result<()> {
        self.eni_lock.clear_entries(addresses, self.deadline)
    }

    /// The same for all entries of an ENI that does not exist any more.
    pub(super) fn clear_all_entries(&mut self) -> store::Result<()> {
        self.eni_lock.clear_all_entries(self.deadline)
    }

    /// Takes the store's lock, to decide about addresses by what is named at one moment.
    pub(super) fn hold_store(&self) -> store::Result<StoreHold> {
        self.eni_lock.hold_store(self.deadline)
    }

    /// By when the answer to one request must be there.
    pub(super) fn limit(&self) -> Deadline {
        self.deadline.at_most(REQUEST_TIMEOUT)
    }

    /// Remembers that the request for `addresses` has failed, for the ENI and for each record.
    pub(super) fn failed(&mut self, addresses: &[IpAddr], error: &Error) -> store::Result<Step> {
        self.tell_of_failure(addresses, error);
        if error.kind == ErrorKind::Unknown {
            self.eni_lock.unknown()?;
        }
        let previous = self.eni_lock.state().backoff.clone();
        let backoff = self.backoff_after(error, previous);
        self.eni_lock.acknowledge(backoff)?;
        self.record_failure(naming(addresses), &error.to_string(), None);
        Ok(Step::Failed)
    }

    /// Tells of a request that has failed, once why. The caller tells of its own release, when it gives up, and so does a DEL that
    /// waits for another; of the others nobody else would.
    fn tell_of_failure(&self, addresses: &[IpAddr], error: &Error) {
        let _together = logging::together();
        self.releaser.failure.replace(self.mine.is_some().then(|| error.clone()));
        let mut first = self.mine.is_none();
        for record in self.records.iter().filter(|record| !self.is_mine(record)) {
            let its: Vec<IpAddr> = record.allocation.ips().filter(|ip| addresses.contains(ip)).collect();
            let is_concerned = addresses.is_empty() || !its.is_empty();
            if !is_concerned || (self.mine.is_some() && record.progress.attempts == 0) {
                continue;
            }
            let event = record.event("not released yet", its);
            let event = event.request(error.request_id.as_deref()).ecs_code(error.code.as_deref());
            if std::mem::take(&mut first) {
                event.error(WithoutIds(error)).warn();
            } else {
                event.info();
            }
        }
    }

    fn is_mine(&self, record: &Release) -> bool {
        self.mine.as_ref().is_some_and(|mine| record.is(mine))
    }

    /// Tells of each of the records that name any of the addresses what has become of them.
    pub(super) fn tell(&self, message: &'static str, which: impl Fn(IpAddr) -> bool, request: Option<&str>) {
        let _together = logging::together();
        for record in &self.records {
            let its: Vec<IpAddr> = record.allocation.ips().filter(|ip| which(*ip)).collect();
            if !its.is_empty() {
                record.event(message, its).request(request).info();
            }
        }
    }

    /// Remembers that the requests in doubt could not be looked into: releases do not wait for that.
    pub(super) fn resolving_failed(&mut self, error: &Error) -> store::Result<()> {
        log::warn!("requests in doubt on {} stay so for now: {error}", self.eni_lock.eni());
        let previous = self.eni_lock.state().resolving.clone();
        let resolving = self.backoff_after(error, previous);
        self.eni_lock.set_resolving(resolving)
    }

    fn backoff_after(&self, error: &Error, previous: Option<Backoff>) -> Option<Backoff> {
        if self.ran_out_of_time() {
            return previous;
        }
        let time_left = self.deadline.remaining().saturating_sub(self.releaser.min_time());
        Some(backoff::after(error, previous.as_ref(), time_left, Timestamp::now(), random::jitter))
    }

    /// Takes the record with `address` out of the way of the others for a while.
    pub(super) fn hold_back(&mut self, address: IpAddr, why: &str) {
        self.releaser.failure.take();
        for record in self.records.iter().filter(|record| naming(&[address])(record) && !self.is_mine(record))
        {
            record.event("held back", [address]).say(Level::Error, format_args!("{why}"));
        }
        self.record_failure(naming(&[address]), why, Some(Timestamp::now().plus(backoff::MAX_PAUSE)));
    }

    /// Writes a failure into the records that `which` chooses. It informs a person; that it cannot be written must not stop
    /// the release.
    pub(super) fn record_failure(
        &mut self,
        which: impl Fn(&Release) -> bool,
        why: &str,
        not_before: Option<Timestamp>,
    ) {
        for record in self.records.iter_mut().filter(|record| which(record)) {
            count_failure(record, why.to_owned());
            record.progress.not_before = not_before.or(record.progress.not_before);
            if let Err(error) = self.eni_lock.update(record) {
                log::warn!("{error}");
            }
        }
    }
}

/// Tells a person why the record is still there.
pub(super) fn count_failure(record: &mut Release, why: String) {
    record.progress.attempts = record.progress.attempts.saturating_add(1);
    record.progress.last_error = Some(why);
    record.progress.last_tried = Some(Timestamp::now());
}

/// The records with any of `addresses`.
fn naming(addresses: &[IpAddr]) -> impl Fn(&Release) -> bool {
    |record| record.allocation.ips().any(|address| addresses.contains(&address))
}
