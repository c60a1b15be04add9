//! Requests to assign whose ADD ended before it saw the answer: they are repeated with the same ClientToken, which has no
//! second effect and tells what the first one did, and that is released.
//!
//! An answer that is not one to the request tells nothing. The request is in doubt then, and what the ENI has decides: when
//! no copy of the request can take effect any more and a description shows no address that no record names, the request is
//! over. What the answer names is released as far as the description bears it out, but that does not end the request: it may
//! have brought another address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::answer::{Answer, some};
use super::backoff::{self, PAUSE_AFTER_GIVING_UP};
use super::leader::{DESCRIBE_LAG, Leader, Step};
use super::{Releaser, batch};
use crate::base::clock::Timestamp;
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::store::{self, Address, AssignRequest, IN_DOUBT_FOR, Release, ReleaseId, State};

/// No request asks ECS for more addresses, so of an answer that names more nothing at all is believed.
const LONGEST_ANSWER: usize = 49;

/// The first record that has such a request and may be worked on: the caller's own, or any.
pub(super) fn find(records: &[Release], mine: Option<&ReleaseId>) -> Option<usize> {
    let now = Timestamp::now();
    let has = |record: &Release| batch::is_due(record, now) && has_due(record, now);
    let own = records.iter().position(|record| mine.is_some_and(|mine| record.is(mine)) && has(record));
    own.or_else(|| records.iter().position(has))
}

/// Whether the record has a request that may be asked for now.
pub(super) fn has_due(record: &Release, now: Timestamp) -> bool {
    record.progress.unanswered.iter().any(|ask| is_due(ask, now))
}

/// Whether nothing forbids to ask for this request now. One in doubt waits by itself, and keeps nothing else of its record.
fn is_due(ask: &AssignRequest, now: Timestamp) -> bool {
    ask.in_doubt_until.is_none_or(|until| until.wait(now, backoff::MAX_WAIT).is_zero())
}

/// What is known of a request after it was looked into.
enum Resolution {
    /// These addresses came of it, or none.
    Brought(Vec<IpAddr>),
    /// It was refused, but a copy of it may still be carried out.
    Open(Error),
    /// The answer is not one to it, or it has had such an answer.
    InDoubt(Doubt),
    /// ECS did not answer.
    Failed(Error),
}

/// A request that has had an answer which is not one to it.
struct Doubt {
    /// It is left alone until then.
    until: Timestamp,
    why: String,
    /// Whether what became of it now is unknown as well.
    unknown: bool,
    /// Addresses that the answer names and the ENI has, and that are to be released.
    borne_out: BTreeSet<IpAddr>,
}

/// Repeats the record's requests, so that it names their addresses afterwards.
pub(super) fn settle(leader: &mut Leader<'_, '_, '_>, index: usize) -> store::Result<Step> {
    let now = Timestamp::now();
    let due: Vec<AssignRequest> =
        leader.records[index].progress.unanswered.iter().filter(|ask| is_due(ask, now)).cloned().collect();
    for ask in due {
        let brought = match resolve(leader, &ask) {
            Resolution::Brought(addresses) => addresses,
            Resolution::Open(error) => return hold_back(leader, index, ask.open_until, &error),
            Resolution::InDoubt(doubt) => {
                log::error!("the request of an interrupted ADD on {} is in doubt: {}", ask.eni, doubt.why);
                name(leader, index, &ask, &doubt.borne_out)?;
                leave_in_doubt(&mut leader.records[index], &ask, doubt);
                leader.eni_lock.update(&leader.records[index])?;
                continue;
            }
            Resolution::Failed(error) => {
                let record = &mut leader.records[index];
                reopen(record, &ask, &error);
                note(record, error.to_string());
                leader.eni_lock.update(&leader.records[index])?;
                return leader.failed(&[], &error);
            }
        };
        name(leader, index, &ask, &brought)?;
        let record = &mut leader.records[index];
        record.progress.unanswered.retain(|other| other.client_token != ask.client_token);
        // One of which nothing is left is removed below. Written once more, and left so by a kill, it would stay for ever:
        // there would be nothing in it that anybody could ask ECS for.
        if !record.is_over() {
            leader.eni_lock.update(&leader.records[index])?;
        }
    }
    // A record that named nothing but these requests is over now if they had assigned nothing.
    leader.eni_lock.settle(&mut leader.records, |_| false)?;
    Ok(Step::Done)
}

/// Adds to the record what a request had brought. The answer is that of the first time: what it names may have been released
/// since and be a live pod's by now.
fn name<'a>(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    ask: &AssignRequest,
    brought: impl IntoIterator<Item = &'a IpAddr>,
) -> store::Result<()> {
    for &address in brought {
        if leader.eni_lock.owner_of(address)?.is_none() {
            log::info!("an interrupted ADD had assigned {address} on {}, which is released now", ask.eni);
            leader.records[index].allocation.add(Address::alone(address));
        }
    }
    Ok(())
}

/// Finds out what came of a request: by repeating it, and by what the ENI has where the answer proves nothing.
fn resolve(leader: &Leader<'_, '_, '_>, ask: &AssignRequest) -> Resolution {
    let asked = Timestamp::now();
    // From then on no copy of it that was ever sent takes effect, and a description shows what any of them did.
    let lapsed = ask.open_until.plus(DESCRIBE_LAG) <= asked;
    let doubted = ask.in_doubt_until.is_some();
    let mut shown = None;
    if doubted && lapsed {
        shown = match unexplained(leader, ask) {
            Ok(Some(none)) if none.is_empty() => {
                log::info!("the request of an interrupted ADD left no address on {}", ask.eni);
                return Resolution::Brought(Vec::new());
            }
            Ok(shown) => shown,
            Err(why) => return Resolution::InDoubt(Doubt::undescribed(asked, why, false)),
        };
    }
    let (answered, error) = match leader.releaser.ask(ask, leader.limit()) {
        Ok(Answer::Fit(addresses)) => return Resolution::Brought(addresses),
        Ok(Answer::Unfit { addresses, error }) => (addresses, error),
        Err(error) => match leader.doubt(&error) {
            Some(error) => return Resolution::Failed(error),
            None if !has_assigned_nothing(&error) => return Resolution::Failed(error),
            None if is_open(ask, &error, asked) => return Resolution::Open(error),
            None if !doubted
                || error.token_is_spent()
                || matches!(error.subject(), Subject::Eni | Subject::EniGone) =>
            {
                log::info!("an interrupted ADD had assigned nothing on {}: {error}", ask.eni);
                return Resolution::Brought(Vec::new());
            }
            // An answer that was none came before: what it hid may be on the ENI all the same.
            None => (Vec::new(), error),
        },
    };
    let unknown = error.kind == ErrorKind::Unknown;
    let has_right_length = (1..=ask.count()).contains(&answered.len());
    let told = shown.is_some();
    if !told && has_right_length {
        shown = match unexplained(leader, ask) {
            Ok(shown) => shown,
            Err(why) => return Resolution::InDoubt(Doubt::undescribed(asked, why, unknown)),
        };
    }
    let shown = shown.unwrap_or_default();
    let answered = if answered.len() > LONGEST_ANSWER { Vec::new() } else { answered };
    let mut borne_out: BTreeSet<IpAddr> = answered.iter().copied().filter(|it| shown.contains(it)).collect();
    // Either the whole answer is on the ENI, and is no longer than it may be; or all that is on the ENI is in the answer, at
    // a time at which the ENI shows what the request can have brought. Anything else could be other software's.
    let whole_answer = has_right_length && borne_out.len() == answered.len();
    let whole_eni = told && borne_out == shown && borne_out.len() <= ask.count();
    if !whole_answer && !whole_eni {
        borne_out.clear();
    }
    let open_until = if unknown { reopened(ask) } else { ask.open_until };
    let (until, why) = if shown.len() > borne_out.len() && lapsed {
        let left = &shown - &borne_out;
        let why = format!(
            "{error}; {} of the ENI's addresses are named by no record ({}): `aliyun-eni-ipam reconcile` shows them; \
             unassign in the ECS console those that nobody uses",
            left.len(),
            some(&left)
        );
        (asked.plus(backoff::MAX_PAUSE), why)
    } else {
        (open_until.plus(DESCRIBE_LAG).max(asked.plus(PAUSE_AFTER_GIVING_UP)), error.to_string())
    };
    Resolution::InDoubt(Doubt { until, why, unknown, borne_out })
}

impl Doubt {
    /// Of a request whose ENI could not be looked at.
    fn undescribed(asked: Timestamp, why: String, unknown: bool) -> Self {
        Self { until: asked.plus(PAUSE_AFTER_GIVING_UP), why, unknown, borne_out: BTreeSet::new() }
    }
}

/// The secondary addresses of the ENI, of the request's family, that nothing in the store names; `None` where ECS does not
/// show the ENI.
fn unexplained(leader: &Leader<'_, '_, '_>, ask: &AssignRequest) -> Result<Option<BTreeSet<IpAddr>>, String> {
    let Releaser { client, region, store, .. } = leader.releaser;
    let described = client.describe(region, &ask.eni, leader.limit()).map_err(|error| error.to_string())?;
    let Some(eni) = described else { return Ok(None) };
    let listed = store.list().map_err(|error| error.to_string())?;
    let named: BTreeSet<IpAddr> =
        listed.iter().filter_map(|it| it.allocation.as_ref()).flat_map(store::Allocation::ips).collect();
    let mut left = eni.addresses;
    left.retain(|it| it.is_ipv6() == ask.ipv6 && !named.contains(it) && !leader.eni_lock.has_given(*it));
    if left.is_empty() {
        return Ok(Some(left));
    }
    // What may be another's is neither this request's nor proof that something is.
    if let Some(damaged) = listed.iter().find(|it| it.state == State::Quarantined) {
        let path = damaged.path.display();
        return Err(format!(
            "{path} cannot be read and may name {}: delete it if its pod is gone",
            some(&left)
        ));
    }
    let mut others = listed.iter().flat_map(|it| &it.progress.unanswered);
    let wanted = |other: &AssignRequest| {
        other.client_token != ask.client_token && other.addresses.iter().any(|it| left.contains(it))
    };
    if others.any(wanted) {
        return Err("another request whose outcome is open asks for one of the ENI's addresses".to_owned());
    }
    Ok(Some(left))
}

/// Marks the request as one in doubt. A record that has nothing else to do waits as well.
fn leave_in_doubt(record: &mut Release, ask: &AssignRequest, doubt: Doubt) {
    let asks = &mut record.progress.unanswered;
    for other in asks.iter_mut().filter(|other| other.client_token == ask.client_token) {
        other.in_doubt_until = Some(doubt.until);
        if doubt.unknown {
            other.open_until = reopened(other);
        }
    }
    if record.allocation.addresses.is_empty()
        && let Some(earliest) = asks.iter().map(|ask| ask.in_doubt_until).min().flatten()
    {
        record.progress.not_before = Some(earliest);
    }
    note(record, doubt.why);
}

/// Tells a person why the record is still there.
fn note(record: &mut Release, why: String) {
    record.progress.attempts = record.progress.attempts.saturating_add(1);
    record.progress.last_error = Some(why);
}

/// Whether a copy of the request that was lost sight of may be carried out, or have been, after this one was refused. The
/// time in which that can be may have ended since this one was `asked`.
fn is_open(ask: &AssignRequest, error: &Error, asked: Timestamp) -> bool {
    ask.open_until > asked && !error.token_is_spent()
}

/// Nobody knows what became of this copy either.
fn reopen(record: &mut Release, ask: &AssignRequest, error: &Error) {
    if error.kind == ErrorKind::Unknown {
        let asks = record.progress.unanswered.iter_mut();
        for other in asks.filter(|other| other.client_token == ask.client_token) {
            other.open_until = reopened(other);
        }
    }
}

/// Until when a copy that was sent just now may take effect, or an earlier one.
fn reopened(ask: &AssignRequest) -> Timestamp {
    Timestamp::now().plus(IN_DOUBT_FOR).max(ask.open_until)
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
    leader.eni_lock.update(&leader.records[index])?;
    Ok(Step::Done)
}

/// Whether the refusal of the repeated request proves that the first one had no effect: had it had one, the answer would
/// have been that one's.
fn has_assigned_nothing(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Refused(Disposition::Permanent) => {
            !error.subject().is_the_caller() || error.token_is_spent()
        }
        ErrorKind::Refused(Disposition::Released) => error.subject() == Subject::EniGone,
        _ => false,
    }
}
