//! One request's worth of work for the holder of an ENI's lock: gather, ask, act upon the answer.

use std::net::IpAddr;

use log::Level;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::region::Family;
use crate::cloud::ecs::{ALWAYS_TAKEN, Eni};
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::pool::release::decision::may_resolve;
use crate::pool::release::due::{has_due_request, is_record_due};
use crate::pool::release::leader::{Leader, Step};
use crate::pool::release::refused::{self, Next};
use crate::pool::release::{DESCRIBE_LAG, Releaser, batch, in_doubt};
use crate::store;
use crate::store::{EniLock, Release, ReleaseId};

/// Takes one step: looks into the ENI's requests in doubt, or releases one batch of addresses. The caller's own record comes
/// first; then both take turns, in the order in which their releases began, so that neither waits for all of the other.
pub(super) fn step(
    releaser: &Releaser<'_>,
    eni_lock: &mut EniLock<'_>,
    mine: Option<&ReleaseId>,
    deadline: Deadline,
) -> store::Result<Step> {
    let now = Timestamp::now();
    let records = gather(releaser, eni_lock, mine, now)?;
    let mut leader = Leader::new(releaser, eni_lock, records, deadline);
    leader.mine = mine.cloned();
    if let Some(step) = leader.check_attachment()? {
        return Ok(step);
    }
    let state = leader.eni_lock.state();
    let most = |family| state.max_per_request(family, releaser.max_per_request);
    let chosen = batch::choose(&leader.records, most, now);
    if let Some(index) = leader.next_in_doubt(now)
        && leader.records[..=index].iter().all(|record| !chosen_from(record, &chosen))
    {
        return in_doubt::resolve(&mut leader, index, mine);
    }
    leader.clear_entries(&chosen)?;
    if leader.leave_to_other_software(&chosen)? || leader.leave_to_owners(&chosen)? {
        return Ok(Step::Done);
    }
    let is_others =
        |record: &Release| !mine.is_some_and(|mine| record.is(mine)) && chosen_from(record, &chosen);
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

fn chosen_from(record: &Release, chosen: &[IpAddr]) -> bool {
    record.allocation.ips().any(|ip| chosen.contains(&ip))
}

/// The records that this step is about: as many of the oldest as have something to be done now.
fn gather(
    releaser: &Releaser<'_>,
    eni_lock: &EniLock<'_>,
    mine: Option<&ReleaseId>,
    now: Timestamp,
) -> store::Result<Vec<Release>> {
    // ECS answers for one region: that the ENI is not in it says nothing of a record that names another.
    let is_of_region = |record: &Release| record.allocation.region == *releaser.region;
    let mut batch: Vec<IpAddr> = Vec::new();
    let enough = |record: &Release| {
        if !is_of_region(record) || !is_record_due(record, now) {
            return false;
        }
        let is_request = batch.is_empty()
            && record.allocation.addresses.is_empty()
            && has_due_request(record, now)
            && may_resolve(eni_lock.state().resolving.as_ref(), now);
        let first = batch.first().copied().or_else(|| record.allocation.ips().next());
        let Some(family) = first.map(Family::of) else { return is_request };
        batch.extend(record.allocation.ips().filter(|ip| Family::of(*ip) == family));
        let most = eni_lock.state().max_per_request(family, releaser.max_per_request);
        is_request || batch.len() >= most
    };
    let mut records = eni_lock.oldest_releases(mine, enough)?;
    records.retain(is_of_region);
    Ok(records)
}

/// What a look at the ENI has left to be done.
enum Look {
    /// These addresses are still to be released.
    Left(Vec<IpAddr>),
    /// ECS did not show the ENI; the failure is remembered.
    Failed,
}

impl Leader<'_, '_, '_> {
    /// The first record with a request in doubt that may be looked into now.
    fn next_in_doubt(&self, now: Timestamp) -> Option<usize> {
        let has_one = |record: &Release| is_record_due(record, now) && has_due_request(record, now);
        may_resolve(self.eni_lock.state().resolving.as_ref(), now)
            .then(|| self.records.iter().position(has_one))
            .flatten()
    }

    /// Ends the release of those of `addresses` that are on the ENI for other software, and says whether there were any. A
    /// record can name one that a pod had before the configuration named it, or that ECS gave to an interrupted ADD.
    fn leave_to_other_software(&mut self, addresses: &[IpAddr]) -> store::Result<bool> {
        let foreign = self.releaser.foreign;
        let left: Vec<IpAddr> = addresses.iter().copied().filter(|it| foreign.contains(*it)).collect();
        if left.is_empty() {
            return Ok(false);
        }
        self.tell("left to other software: ipam.foreignAddresses names it", |it| left.contains(&it), None);
        // A power cut must not bring a record back as active whose release has ended.
        self.eni_lock.make_moves_durable()?;
        self.eni_lock.finish(&mut self.records, |address| left.contains(&address))?;
        Ok(true)
    }

    /// Ends the release of those of `addresses` that somebody has in use, and says whether there were any: such an address is
    /// released with that one's record. An ADD ends the releases of what it is given, so this is the last of several guards.
    fn leave_to_owners(&mut self, addresses: &[IpAddr]) -> store::Result<bool> {
        let mut held = Vec::new();
        for &address in addresses {
            if let Some(owner) = self.eni_lock.owner_of(address)? {
                for record in self.records.iter().filter(|it| it.allocation.ips().any(|ip| ip == address)) {
                    let event = record.event("not released", [address]);
                    event.say(
                        Level::Error,
                        format_args!("{address} is not released, because {owner} uses it"),
                    );
                }
                held.push(address);
            }
        }
        if held.is_empty() {
            return Ok(false);
        }
        // The record of the one who uses it may be so young that a power cut could take it away.
        self.eni_lock.make_moves_durable()?;
        self.eni_lock.finish(&mut self.records, |address| held.contains(&address))?;
        Ok(true)
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
                self.tell("released", |address| addresses.contains(&address), Some(&request_id.0));
                return self.released(|address| addresses.contains(&address));
            }
            Err(error) => self.confirm_eni_gone(&error).unwrap_or(error),
        };
        let alone = addresses.len() == 1;
        match (error.kind, error.subject()) {
            (ErrorKind::Refused(Disposition::Released), Subject::EniGone) => {
                self.tell(
                    "released with its ENI, which does not exist any more",
                    |_| true,
                    request_id(&error),
                );
                self.clear_all_entries()?;
                self.records.iter_mut().for_each(|record| record.progress.in_doubt.clear());
                self.released(|_| true)
            }
            (ErrorKind::Refused(Disposition::Released), _) if alone => {
                self.tell(
                    "released before: it was off the ENI",
                    |address| addresses.contains(&address),
                    request_id(&error),
                );
                self.released(|address| addresses.contains(&address))
            }
            // One of them is not on the ENI: the answer says nothing of the others.
            (ErrorKind::Refused(Disposition::Released), _) => {
                self.eni_lock.acknowledge(None)?;
                self.look_then_send_less(addresses)
            }
            _ => self.refused(addresses, &error),
        }
    }

    /// Acts upon a failure that leaves all of `addresses` on the ENI, as far as is known.
    fn refused(&mut self, addresses: &[IpAddr], error: &Error) -> store::Result<Step> {
        let next = refused::after(error, addresses.len());
        if next == Next::Fail {
            return self.failed(addresses, error);
        }
        self.eni_lock.acknowledge(None)?;
        match next {
            Next::Fewer { learn } => {
                // Without its advice, which is for a request that was wrong.
                let (count, code) = (addresses.len(), error.code.as_deref().unwrap_or_default());
                let id = error.request_id.as_deref().unwrap_or_default();
                log::info!(
                    "ECS refused to unassign {count} addresses in one request ({code}, RequestId {id}): trying {ALWAYS_TAKEN}"
                );
                if learn {
                    self.eni_lock.takes_at_most(Family::of(addresses[0]), ALWAYS_TAKEN)?;
                }
                self.send_first(addresses)
            }
            Next::OneByOne => self.one_by_one(addresses),
            Next::HoldBack | Next::Fail => {
                self.hold_back(addresses[0], &error.to_string());
                Ok(Step::Done)
            }
        }
    }

    /// For addresses in doubt, and for those that were refused because one of them is released: ends the release of what ECS
    /// shows no more, and asks for the rest.
    fn look_then_send(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        match self.look(addresses)? {
            Look::Left(left) if left.is_empty() => Ok(Step::Done),
            Look::Left(left) if self.has_time() => self.send(&left),
            Look::Left(_) | Look::Failed => Ok(Step::Failed),
        }
    }

    /// The same for a request that was refused because of one of its addresses: it must not be sent as it was.
    fn look_then_send_less(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        match self.look(addresses)? {
            Look::Left(_) if !self.has_time() => Ok(Step::Failed),
            Look::Left(left) if left.len() < addresses.len() && !left.is_empty() => self.send(&left),
            Look::Left(left) if left.len() > ALWAYS_TAKEN => self.send_first(&left),
            Look::Left(left) => self.one_by_one(&left),
            Look::Failed => Ok(Step::Failed),
        }
    }

    /// Ends the release of those of `addresses` that ECS shows no more.
    fn look(&mut self, addresses: &[IpAddr]) -> store::Result<Look> {
        let Releaser { client, region, .. } = self.releaser;
        let eni = match client.describe(region, self.eni_lock.eni(), self.limit()) {
            Ok(Some(eni)) => eni,
            // It may be gone, or hidden from these credentials; the answer to the next request tells.
            Ok(None) => return Ok(Look::Left(addresses.to_vec())),
            Err(error) => return self.failed(addresses, &error).map(|_| Look::Failed),
        };
        self.hold_back_primary(&eni, addresses);
        let gone = self.end_what_is_gone(&eni, addresses)?;
        let is_left = |address: &&IpAddr| !gone.contains(address) && !eni.primary.contains(address);
        Ok(Look::Left(addresses.iter().filter(is_left).copied().collect()))
    }

    /// Ends the release of those of `addresses` that this description of the ENI proves to be released, and says which.
    pub(super) fn end_what_is_gone(&mut self, eni: &Eni, addresses: &[IpAddr]) -> store::Result<Vec<IpAddr>> {
        let (now, state) = (Timestamp::now(), self.eni_lock.state());
        let lags = |address: &&IpAddr| state.is_assigned_again(**address, now);
        let told: Vec<IpAddr> = addresses.iter().filter(|it| !lags(it)).copied().collect();
        let gone = proven_gone(&self.records, eni, &told, now);
        self.tell("released by an earlier request", |address| gone.contains(&address), None);
        self.eni_lock.finish(&mut self.records, |address| gone.contains(&address))?;
        Ok(gone)
    }

    /// ECS is said to answer "not assigned" for an ENI's primary address too, so it is never asked for.
    fn hold_back_primary(&mut self, eni: &Eni, addresses: &[IpAddr]) {
        for primary in addresses.iter().filter(|address| eni.primary.contains(address)) {
            let why = format!("cannot release {primary}: it is the primary address of {}", eni.id);
            self.hold_back(*primary, &why);
        }
    }

    /// Sends less of a request that was refused as it was: what is left comes in later steps.
    fn send_first(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        let first: Vec<IpAddr> = addresses.iter().take(ALWAYS_TAKEN).copied().collect();
        if self.has_time() { self.send(&first) } else { Ok(Step::Failed) }
    }

    fn one_by_one(&mut self, addresses: &[IpAddr]) -> store::Result<Step> {
        for address in addresses {
            if !self.has_time() || self.send(&[*address])? == Step::Failed {
                return Ok(Step::Failed);
            }
        }
        Ok(Step::Done)
    }

    fn released(&mut self, done: impl Fn(IpAddr) -> bool) -> store::Result<Step> {
        // In this order: killed in between, the next leader looks once more for what is long gone.
        self.eni_lock.finish(&mut self.records, done)?;
        self.eni_lock.acknowledge(None)?;
        // There is room now, which a request in doubt may have waited for.
        self.eni_lock.has_more_room()?;
        self.eni_lock.set_resolving(None)?;
        Ok(Step::Done)
    }
}

fn request_id(error: &Error) -> Option<&str> {
    error.request_id.as_deref()
}

/// Those of `addresses` that the description shows to be released: it lags, so it proves nothing of a young record.
fn proven_gone(records: &[Release], eni: &Eni, addresses: &[IpAddr], now: Timestamp) -> Vec<IpAddr> {
    let is_old = |address: &IpAddr| {
        let mut naming = records.iter().filter(|record| record.allocation.ips().any(|ip| ip == *address));
        naming.all(|record| record.allocation.since.age(now) >= DESCRIBE_LAG)
    };
    let is_missing = |address: &IpAddr| !eni.addresses.contains(address) && !eni.primary.contains(address);
    addresses.iter().copied().filter(|address| is_missing(address) && is_old(address)).collect()
}
