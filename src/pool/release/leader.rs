//! What the holder of an ENI's lock does: gather, ask, settle.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::cloud::ecs::Eni;
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::pool::release::{Releaser, backoff, batch, in_doubt};
use crate::store;
use crate::store::{EniLock, Release, ReleaseId, join};

/// How long one answer is waited for, as Alibaba Cloud's own SDKs do.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long `DescribeNetworkInterfaces` may lag behind an assign: that it does not show an address which is younger than
/// this proves nothing. (Nobody states a bound; Terway waits up to ten seconds.)
pub(crate) const DESCRIBE_LAG: Duration = Duration::from_mins(1);

/// How one request's worth of work went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Something is settled.
    Done,
    /// ECS did not do as asked; what comes next is in the ENI's state.
    Failed,
    /// Nothing was to be done.
    Nothing,
}

/// One step: a request that was left unanswered is settled, or one batch of addresses is released.
pub(super) fn step(
    releaser: &Releaser<'_>,
    eni_lock: &mut EniLock<'_>,
    mine: Option<&ReleaseId>,
    deadline: Deadline,
) -> store::Result<Step> {
    let mut records = eni_lock.releasing()?;
    // ECS answers for one region: that the ENI is not in it says nothing of a record that names another.
    records.retain(|record| record.allocation.region == releaser.region.as_str());
    let mut leader = Leader { releaser, eni_lock, records, deadline };
    if let Some(step) = leader.check_attachment()? {
        return Ok(step);
    }
    if let Some(index) = in_doubt::find(&leader.records, mine) {
        return in_doubt::settle(&mut leader, index);
    }
    let now = Timestamp::now();
    let chosen = batch::choose(&leader.records, mine, releaser.max_per_request, now);
    if leader.leave_to_owners(&chosen)? {
        return Ok(Step::Done);
    }
    let is_others = |record: &Release| {
        !mine.is_some_and(|mine| record.is(mine)) && record.allocation.ips().any(|ip| chosen.contains(&ip))
    };
    if leader.records.iter().any(is_others) {
        leader.eni_lock.make_moves_durable()?;
    }
    if chosen.is_empty() {
        Ok(Step::Nothing)
    } else if chosen.iter().any(|&address| leader.eni_lock.state().is_in_doubt(address, now)) {
        leader.look_then_send(&chosen)
    } else {
        leader.send(&chosen)
    }
}

/// The holder of the lock at work.
pub(super) struct Leader<'a, 'l, 's> {
    pub(super) releaser: &'a Releaser<'a>,
    pub(super) eni_lock: &'l mut EniLock<'s>,
    pub(super) records: Vec<Release>,
    deadline: Deadline,
}

impl Leader<'_, '_, '_> {
    /// By when the answer to one request must be there.
    pub(super) fn limit(&self) -> Deadline {
        self.deadline.at_most(REQUEST_TIMEOUT)
    }

    /// Ends the release of those of `addresses` that somebody has in use, and says whether there were any: such an address is
    /// released with that one's record. An ADD ends the releases of what it is given, so this is the last of several guards.
    fn leave_to_owners(&mut self, addresses: &[IpAddr]) -> store::Result<bool> {
        let mut held = Vec::new();
        for &address in addresses {
            if let Some(owner) = self.eni_lock.owner_of(address)? {
                log::error!(
                    "{address} is not released, because {}/{} uses it",
                    owner.container_id,
                    owner.ifname
                );
                held.push(address);
            }
        }
        self.eni_lock.settle(&mut self.records, |address| held.contains(&address))?;
        Ok(!held.is_empty())
    }

    /// Asks ECS to unassign `addresses`, and acts upon the answer.
    fn send(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        self.eni_lock.sending(addresses)?;
        let error = match self.releaser.client.unassign(
            self.releaser.region,
            self.eni_lock.eni(),
            addresses,
            self.limit(),
        ) {
            Ok(request_id) => {
                log::info!(
                    "released {} from {} (RequestId {request_id})",
                    join(addresses),
                    self.eni_lock.eni()
                );
                return self.released(|address| addresses.contains(&address));
            }
            Err(error) => self.doubt(&error).unwrap_or(error),
        };
        let alone = addresses.len() == 1;
        match (error.kind, error.subject()) {
            (ErrorKind::Refused(Disposition::Released), Subject::EniGone) => {
                log::info!(
                    "{} does not exist any more, so all its addresses are released",
                    self.eni_lock.eni()
                );
                self.records.iter_mut().for_each(|record| record.progress.unanswered.clear());
                self.released(|_| true)
            }
            (ErrorKind::Refused(Disposition::Released), _) if alone => {
                log::info!(
                    "{} was no longer on {}, which ends its release",
                    join(addresses),
                    self.eni_lock.eni()
                );
                self.released(|address| addresses.contains(&address))
            }
            // One of them is not on the ENI: the answer says nothing of the others.
            (ErrorKind::Refused(Disposition::Released), _) => {
                self.eni_lock.answered(None)?;
                self.look_then_send_less(addresses)
            }
            (
                ErrorKind::Refused(Disposition::Permanent),
                Subject::Address | Subject::Request | Subject::ClientToken,
            ) if alone => {
                self.eni_lock.answered(None)?;
                self.hold_back(addresses[0], &error.to_string());
                Ok(Step::Done)
            }
            (
                ErrorKind::Refused(Disposition::Permanent),
                Subject::Address | Subject::Request | Subject::ClientToken,
            ) => {
                self.eni_lock.answered(None)?;
                self.one_by_one(addresses)
            }
            _ => self.failed(addresses, &error),
        }
    }

    /// Whether they are released is unknown, or of one of them it is known that it is: settles what ECS shows no more and
    /// asks again for the rest.
    fn look_then_send(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        match self.look(addresses)? {
            Ok(left) if left.is_empty() => Ok(Step::Done),
            Ok(left) => self.send(&left),
            Err(step) => Ok(step),
        }
    }

    /// The same for a request that was refused because of one of its addresses: it must not be sent as it was.
    fn look_then_send_less(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        match self.look(addresses)? {
            Ok(left) if left.len() < addresses.len() && !left.is_empty() => self.send(&left),
            Ok(left) => self.one_by_one(&left),
            Err(step) => Ok(step),
        }
    }

    /// Settles those of `addresses` that ECS shows no more; the rest comes back.
    fn look(&mut self, addresses: &[IpAddr]) -> store::Result<Result<Vec<IpAddr>, Step>> {
        let eni = match self.releaser.client.describe(self.releaser.region, self.eni_lock.eni(), self.limit())
        {
            Ok(Some(eni)) => eni,
            // It may be gone, or hidden from these credentials; the answer to the next request tells.
            Ok(None) => return Ok(Ok(addresses.to_vec())),
            Err(error) => return self.failed(addresses, &error).map(Err),
        };
        self.hold_back_primary(&eni, addresses);
        let gone = self.proven_gone(&eni, addresses);
        self.eni_lock.settle(&mut self.records, |address| gone.contains(&address))?;
        if !gone.is_empty() {
            log::info!(
                "{} is no longer on {}: an earlier release took effect",
                join(&gone),
                self.eni_lock.eni()
            );
        }
        let left =
            addresses.iter().filter(|address| !gone.contains(address) && !eni.primary.contains(address));
        Ok(Ok(left.copied().collect()))
    }

    fn proven_gone(&self, eni: &Eni, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let now = Timestamp::now();
        let old = |address: &IpAddr| {
            let mut holders =
                self.records.iter().filter(|record| record.allocation.ips().any(|ip| ip == *address));
            holders.all(|record| record.allocation.since.age(now) >= DESCRIBE_LAG)
        };
        let missing = |address: &&IpAddr| !eni.addresses.contains(address) && !eni.primary.contains(address);
        addresses.iter().filter(missing).copied().filter(old).collect()
    }

    /// ECS is said to answer "not assigned" for an ENI's primary address too, so it is never asked for.
    fn hold_back_primary(&mut self, eni: &Eni, addresses: &[IpAddr]) {
        for primary in addresses.iter().filter(|address| eni.primary.contains(address)) {
            let why = format!("cannot release {primary}: it is the primary address of {}", eni.id);
            self.hold_back(*primary, &why);
        }
    }

    fn one_by_one(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        for address in addresses {
            if self.deadline.has_passed() || self.send(&[*address])? == Step::Failed {
                return Ok(Step::Failed);
            }
        }
        Ok(Step::Done)
    }

    fn released(&mut self, done: impl Fn(IpAddr) -> bool) -> store::Result<Step> {
        // In this order: killed in between, the next leader looks once more for what is long gone.
        self.eni_lock.settle(&mut self.records, done)?;
        self.eni_lock.answered(None)?;
        self.eni_lock.set_full(false)?;
        Ok(Step::Done)
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
        let backoff = backoff::after(error, self.eni_lock.state().backoff.as_ref(), self.deadline);
        self.eni_lock.answered(Some(backoff))?;
        self.note(naming(addresses), &error.to_string(), None);
        Ok(Step::Failed)
    }

    /// Takes the record with `address` out of the way of the others for a while.
    fn hold_back(&mut self, address: IpAddr, why: &str) {
        log::error!("{why}");
        self.note(naming(&[address]), why, Some(Timestamp::now().plus(backoff::MAX_PAUSE)));
    }

    /// Writes a failure into the records that `which` chooses. It informs a person; that it cannot be written must not stop
    /// the release.
    pub(super) fn note(
        &mut self,
        which: impl Fn(&Release) -> bool,
        why: &str,
        not_before: Option<Timestamp>,
    ) {
        for record in self.records.iter_mut().filter(|record| which(record)) {
            record.progress.attempts = record.progress.attempts.saturating_add(1);
            record.progress.last_error = Some(why.to_owned());
            record.progress.not_before = not_before.or(record.progress.not_before);
            if let Err(error) = self.eni_lock.update(record) {
                log::warn!("{error}");
            }
        }
    }
}

/// The records with any of `addresses`.
fn naming(addresses: &[IpAddr]) -> impl Fn(&Release) -> bool {
    |record| record.allocation.ips().any(|address| addresses.contains(&address))
}
