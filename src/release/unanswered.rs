//! Requests to assign whose ADD ended before it saw the answer: they are repeated with the same ClientToken, which has no
//! second effect and tells what the first one did, and that is released.

use std::net::IpAddr;

use super::leader::{Leader, Step};
use super::{Releaser, batch};
use crate::clock::Timestamp;
use crate::ecs::{Class, Concern, Error, ErrorKind, Family, Want};
use crate::store::{self, Address, Ask, Pending, Releasing, SUSPICION};

/// The first record that has such a request and may be worked on: the caller's own, or any.
pub(super) fn find(records: &[Releasing], mine: Option<&Pending>) -> Option<usize> {
    let now = Timestamp::now();
    let has = |record: &Releasing| !record.progress.unanswered.is_empty() && batch::is_due(record, now);
    let own = records.iter().position(|record| mine.is_some_and(|mine| record.is(mine)) && has(record));
    own.or_else(|| records.iter().position(has))
}

/// Repeats the record's requests, so that it names their addresses afterwards.
pub(super) fn settle(leader: &mut Leader<'_, '_, '_>, index: usize) -> store::Result<Step> {
    for ask in leader.records[index].progress.unanswered.clone() {
        let asked = Timestamp::now();
        let answer = repeat(leader, &ask).map_err(|error| {
            let doubted = leader.doubt(&error);
            (error, doubted)
        });
        let assigned = match answer {
            Ok(assigned) => assigned,
            Err((error, None)) if has_assigned_nothing(&error) && is_open(&ask, &error, asked) => {
                return hold_back(leader, index, ask.open_until, &error);
            }
            Err((error, None)) if has_assigned_nothing(&error) => {
                log::info!("an interrupted ADD had assigned nothing on {}: {error}", ask.eni);
                Vec::new()
            }
            Err((error, doubted)) => {
                let error = doubted.unwrap_or(error);
                let record = &mut leader.records[index];
                reopen(record, &ask, &error);
                record.progress.attempts = record.progress.attempts.saturating_add(1);
                record.progress.last_error = Some(error.to_string());
                leader.lease.update(&leader.records[index])?;
                return leader.failed(&[], &error);
            }
        };
        // The answer is that of the first time: what it names may have been released since and be a live pod's by now.
        for address in assigned {
            if leader.lease.holder(address)?.is_none() {
                log::info!("an interrupted ADD had assigned {address} on {}, which is released now", ask.eni);
                leader.records[index].allocation.add(Address::alone(address));
            }
        }
        let record = &mut leader.records[index];
        record.progress.unanswered.retain(|other| *other != ask);
        // One of which nothing is left is removed below. Written once more, and left so by a kill, it would stay for ever:
        // there would be nothing in it that anybody could ask ECS for.
        if !record.is_over() {
            leader.lease.update(&leader.records[index])?;
        }
    }
    // A record that named nothing but these requests is over now if they had assigned nothing.
    leader.lease.settle(&mut leader.records, |_| false)?;
    Ok(Step::Done)
}

/// Whether a copy of the request that was lost sight of may be carried out, or have been, after this one was refused. The
/// time in which that can be may have ended since this one was `asked`.
fn is_open(ask: &Ask, error: &Error, asked: Timestamp) -> bool {
    ask.open_until > asked && !error.token_is_spent()
}

/// Nobody knows what became of this copy either.
fn reopen(record: &mut Releasing, ask: &Ask, error: &Error) {
    if error.kind == ErrorKind::Unknown {
        let until = Timestamp::now().plus(SUSPICION).max(ask.open_until);
        for other in record.progress.unanswered.iter_mut().filter(|other| *other == ask) {
            other.open_until = until;
        }
    }
}

/// Leaves the record alone until its request can be carried out no more. That is a step done: others can be taken.
fn hold_back(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    until: Timestamp,
    error: &Error,
) -> store::Result<Step> {
    let record = &mut leader.records[index];
    record.progress.not_before = Some(until);
    record.progress.last_error =
        Some(format!("the request of an interrupted ADD is still in doubt: {error}"));
    leader.lease.update(&leader.records[index])?;
    Ok(Step::Done)
}

fn repeat(leader: &Leader<'_, '_, '_>, ask: &Ask) -> Result<Vec<IpAddr>, Error> {
    let (family, want) = request_of(ask);
    let Releaser { client, region, .. } = leader.releaser;
    client.assign(region, &ask.eni, family, &want, &ask.client_token, leader.limit())
}

/// What a recorded request asks ECS for.
pub(crate) fn request_of(ask: &Ask) -> (Family, Want) {
    let family = if ask.ipv6 { Family::V6 } else { Family::V4 };
    let want = if ask.addresses.is_empty() { Want::Count(1) } else { Want::Addresses(ask.addresses.clone()) };
    (family, want)
}

/// Whether the refusal of the repeated request proves that the first one had no effect: had it had one, the answer would
/// have been that one's.
fn has_assigned_nothing(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Refused(Class::Permanent) => error.concern() != Concern::Account || error.token_is_spent(),
        ErrorKind::Refused(Class::Released) => error.concern() == Concern::Eni,
        _ => false,
    }
}
