//! The call that holds an ENI's lock, and what it remembers of a failure. It knows nothing of the steps that it takes.

use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::random;
use crate::cloud::rpc::{Error, ErrorKind};
use crate::pool::release::{REQUEST_TIMEOUT, Releaser, backoff};
use crate::store;
use crate::store::{EniLock, Release, join};

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
    pub(super) deadline: Deadline,
}

impl Leader<'_, '_, '_> {
    /// By when the answer to one request must be there.
    pub(super) fn limit(&self) -> Deadline {
        self.deadline.at_most(REQUEST_TIMEOUT)
    }

    /// Remembers that the request for `addresses` has failed, for the ENI and for each record.
    pub(super) fn failed(&mut self, addresses: &[IpAddr], error: &Error) -> store::Result<Step> {
        match addresses {
            [] => log::warn!("releases from {} are deferred: {error}", self.eni_lock.eni()),
            _ => log::warn!("{} is not released yet: {error}", join(addresses)),
        }
        if error.kind == ErrorKind::Unknown {
            self.eni_lock.unknown()?;
        }
        let previous = self.eni_lock.state().backoff.as_ref();
        let (time_left, now) = (self.deadline.remaining(), Timestamp::now());
        let backoff = backoff::after(error, previous, time_left, now, random::jitter);
        self.eni_lock.acknowledge(Some(backoff))?;
        self.record_failure(naming(addresses), &error.to_string(), None);
        Ok(Step::Failed)
    }

    /// Takes the record with `address` out of the way of the others for a while.
    pub(super) fn hold_back(&mut self, address: IpAddr, why: &str) {
        log::error!("{why}");
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
}

/// The records with any of `addresses`.
fn naming(addresses: &[IpAddr]) -> impl Fn(&Release) -> bool {
    |record| record.allocation.ips().any(|address| addresses.contains(&address))
}
