//! Requests to assign that an ADD left in doubt. They are repeated with the same ClientToken: that has no second effect, the
//! answer tells what the first one assigned, and that is released.
//!
//! If the answer does not answer the request, the ENI decides: the request is over when no copy of it can take effect any more
//! and a description shows no address without a record. An address that both the answer and the description name is
//! released, but does not end the request, which may have brought another one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::base::address::Address;
use crate::base::clock::Timestamp;
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::pool::release::answer::some;
use crate::pool::release::backoff::{MAX_PAUSE, PAUSE_AFTER_GIVING_UP};
use crate::pool::release::due::{has_due_request, is_record_due, is_request_due};
use crate::pool::release::leader::{Leader, Step, count_failure};
use crate::pool::release::{Answer, DESCRIBE_LAG, Releaser};
use crate::store::{self, AssignRequest, IN_DOUBT_FOR, Release, ReleaseId, State};

/// No request asks ECS for more addresses, so of an answer that names more nothing at all is believed.
const LONGEST_ANSWER: usize = 49;

/// The first record that has such a request and may be worked on: the caller's own, or any.
pub(super) fn find(records: &[Release], mine: Option<&ReleaseId>, now: Timestamp) -> Option<usize> {
    let has = |record: &Release| is_record_due(record, now) && has_due_request(record, now);
    let own = records.iter().position(|record| mine.is_some_and(|mine| record.is(mine)) && has(record));
    own.or_else(|| records.iter().position(has))
}

/// What is known of a request after it was looked into.
enum Resolution {
    /// It brought these addresses, or none.
    Brought(Vec<IpAddr>),
    /// It was refused, but a copy of it can still take effect.
    CopyUnderWay(Error),
    /// It has had an answer that does not answer it, now or before.
    InDoubt(InDoubt),
    /// ECS did not answer.
    Failed(Error),
}

/// What is known of a request that has had such an answer.
struct InDoubt {
    /// It is left alone until then.
    until: Timestamp,
    why: String,
    /// Whether the outcome of the copy that was sent just now is unknown as well.
    unknown: bool,
    /// Addresses that the answer names and the ENI has, and that are to be released.
    borne_out: BTreeSet<IpAddr>,
}

/// Repeats the record's requests, so that it names their addresses afterwards.
pub(super) fn resolve(leader: &mut Leader<'_, '_, '_>, index: usize) -> store::Result<Step> {
    let now = Timestamp::now();
    let due = leader.records[index].progress.in_doubt.iter().filter(|ask| is_request_due(ask, now));
    for ask in due.cloned().collect::<Vec<AssignRequest>>() {
        let brought = match look_into(leader, &ask) {
            Resolution::Brought(addresses) => addresses,
            Resolution::CopyUnderWay(error) => return hold_back(leader, index, ask.in_doubt_until, &error),
            Resolution::InDoubt(doubt) => {
                log::error!("the request of an interrupted ADD on {} is in doubt: {}", ask.eni, doubt.why);
                name(leader, index, &ask, &doubt.borne_out)?;
                leave_in_doubt(&mut leader.records[index], &ask, doubt);
                leader.eni_lock.update(&leader.records[index])?;
                continue;
            }
            Resolution::Failed(error) => {
                let record = &mut leader.records[index];
                if error.kind == ErrorKind::Unknown {
                    extend(record, &ask, Timestamp::now());
                }
                count_failure(record, error.to_string());
                leader.eni_lock.update(&leader.records[index])?;
                return leader.failed(&[], &error);
            }
        };
        name(leader, index, &ask, &brought)?;
        let record = &mut leader.records[index];
        record.progress.in_doubt.retain(|other| other.client_token != ask.client_token);
        // A record that nothing is left of is removed below. Were it written once more and the process killed then, it would
        // stay for ever: it names nothing that anybody could ask ECS for.
        if !record.is_over() {
            leader.eni_lock.update(&leader.records[index])?;
        }
    }
    // A record that named nothing but these requests is over now if they had assigned nothing.
    leader.eni_lock.finish(&mut leader.records, |_| false)?;
    Ok(Step::Done)
}

/// Adds to the record what a request had brought. The answer is that of the first time: an address in it may have been
/// released since, and a live pod may use it now.
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
fn look_into(leader: &Leader<'_, '_, '_>, ask: &AssignRequest) -> Resolution {
    let asked = Timestamp::now();
    let is_in_doubt = ask.not_before.is_some();
    let mut shown = None;
    if is_in_doubt && is_lapsed(ask, asked) {
        shown = match unexplained(leader, ask) {
            Ok(Some(none)) if none.is_empty() => {
                log::info!("the request of an interrupted ADD left no address on {}", ask.eni);
                return Resolution::Brought(Vec::new());
            }
            Ok(shown) => shown,
            Err(why) => return Resolution::InDoubt(InDoubt::undescribed(asked, why, false)),
        };
    }
    let (answered, error) = match leader.releaser.ask(ask, leader.limit()) {
        Ok(Answer::Fit(addresses)) => return Resolution::Brought(addresses),
        Ok(Answer::Unfit { addresses, error }) => (addresses, error),
        Err(error) => match leader.confirm_eni_gone(&error) {
            Some(error) => return Resolution::Failed(error),
            None if !has_assigned_nothing(&error) => return Resolution::Failed(error),
            None if may_copy_take_effect(ask, &error, asked) => return Resolution::CopyUnderWay(error),
            None if !is_in_doubt
                || error.token_is_spent()
                || matches!(error.subject(), Subject::Eni | Subject::EniGone) =>
            {
                log::info!("an interrupted ADD had assigned nothing on {}: {error}", ask.eni);
                return Resolution::Brought(Vec::new());
            }
            // An earlier answer did not answer the request. What it hid may be on the ENI all the same.
            None => (Vec::new(), error),
        },
    };
    let told = shown.is_some();
    if !told && has_right_length(ask, &answered) {
        shown = match unexplained(leader, ask) {
            Ok(shown) => shown,
            Err(why) => {
                let unknown = error.kind == ErrorKind::Unknown;
                return Resolution::InDoubt(InDoubt::undescribed(asked, why, unknown));
            }
        };
    }
    let evidence = Evidence { answered, error, shown: shown.unwrap_or_default(), told };
    Resolution::InDoubt(evidence.weigh(ask, asked, Timestamp::now()))
}

/// What is known of a request whose answer does not answer it.
struct Evidence {
    answered: Vec<IpAddr>,
    error: Error,
    /// The ENI's addresses that no record names.
    shown: BTreeSet<IpAddr>,
    /// Whether they were looked for when no copy of the request could take effect any more.
    told: bool,
}

impl Evidence {
    /// Which addresses are to be released, and when to look again. The request was repeated after `asked`; its answer was
    /// there at `now`.
    fn weigh(self, ask: &AssignRequest, asked: Timestamp, now: Timestamp) -> InDoubt {
        let Self { answered, error, shown, told } = self;
        let unknown = error.kind == ErrorKind::Unknown;
        let has_right_length = has_right_length(ask, &answered);
        let answered = if answered.len() > LONGEST_ANSWER { Vec::new() } else { answered };
        let mut borne_out: BTreeSet<IpAddr> =
            answered.iter().copied().filter(|it| shown.contains(it)).collect();
        // Either the whole answer is on the ENI, and is no longer than it may be; or all that is on the ENI is in the answer,
        // at a time at which the ENI shows what the request can have brought. Anything else could be other software's.
        let whole_answer = has_right_length && borne_out.len() == answered.len();
        let whole_eni = told && borne_out == shown && borne_out.len() <= ask.count();
        if !whole_answer && !whole_eni {
            borne_out.clear();
        }
        let (until, why) = if shown.len() > borne_out.len() && is_lapsed(ask, asked) {
            let left = &shown - &borne_out;
            let why = format!(
                "{error}; {} of the ENI's addresses are named by no record ({}): `aliyun-eni-ipam reconcile` shows \
                 them; unassign in the ECS console those that nobody uses",
                left.len(),
                some(&left)
            );
            (asked.plus(MAX_PAUSE), why)
        } else {
            let in_doubt_until = if unknown { extended(ask, now) } else { ask.in_doubt_until };
            let until = in_doubt_until.plus(DESCRIBE_LAG).max(asked.plus(PAUSE_AFTER_GIVING_UP));
            (until, error.to_string())
        };
        InDoubt { until, why, unknown, borne_out }
    }
}

/// Whether no copy of the request that was ever sent can take effect, and a description shows what any of them did.
fn is_lapsed(ask: &AssignRequest, asked: Timestamp) -> bool {
    ask.in_doubt_until.plus(DESCRIBE_LAG) <= asked
}

fn has_right_length(ask: &AssignRequest, answered: &[IpAddr]) -> bool {
    (1..=ask.count()).contains(&answered.len())
}

impl InDoubt {
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
    let mut others = listed.iter().flat_map(|it| &it.progress.in_doubt);
    let wanted = |other: &AssignRequest| {
        other.client_token != ask.client_token && other.addresses.iter().any(|it| left.contains(it))
    };
    if others.any(wanted) {
        return Err("another request whose outcome is open asks for one of the ENI's addresses".to_owned());
    }
    Ok(Some(left))
}

/// Leaves the request alone for a while. A record that has nothing else to do waits as well.
fn leave_in_doubt(record: &mut Release, ask: &AssignRequest, doubt: InDoubt) {
    if doubt.unknown {
        extend(record, ask, Timestamp::now());
    }
    let asks = &mut record.progress.in_doubt;
    for other in asks.iter_mut().filter(|other| other.client_token == ask.client_token) {
        other.not_before = Some(doubt.until);
    }
    if record.allocation.addresses.is_empty()
        && let Some(earliest) = asks.iter().map(|ask| ask.not_before).min().flatten()
    {
        record.progress.not_before = Some(earliest);
    }
    count_failure(record, doubt.why);
}

/// Whether an earlier copy of the request can take effect, or has, although this one was refused. That time may have ended
/// after this one was `asked`.
fn may_copy_take_effect(ask: &AssignRequest, error: &Error, asked: Timestamp) -> bool {
    ask.in_doubt_until > asked && !error.token_is_spent()
}

/// Records that the outcome of the copy that was sent just now is unknown too.
fn extend(record: &mut Release, ask: &AssignRequest, now: Timestamp) {
    let asks = record.progress.in_doubt.iter_mut();
    for other in asks.filter(|other| other.client_token == ask.client_token) {
        other.in_doubt_until = extended(other, now);
    }
}

/// Until when a copy that was sent before `now`, or an earlier one, can take effect.
fn extended(ask: &AssignRequest, now: Timestamp) -> Timestamp {
    now.plus(IN_DOUBT_FOR).max(ask.in_doubt_until)
}

/// Leaves the record alone until no copy of its request can take effect. The step is done: the caller can take others.
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
