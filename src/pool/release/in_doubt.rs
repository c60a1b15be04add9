//! Requests to assign that an ADD left in doubt, and how they end.
//!
//! A request is in doubt until it is answered, or until it has lapsed: no copy of it can take effect any more, and a
//! description shows what any of them did. A lapsed request that left no unexplained address on the ENI has assigned nothing,
//! and one description ends all such requests. Otherwise the request is repeated with the same ClientToken: that has no second
//! effect, and the answer tells what the first one assigned, which is released. A refusal tells nothing: ECS may refuse before
//! it looks at the ClientToken.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::address::Address;
use crate::base::clock::Timestamp;
use crate::base::random;
use crate::cloud::ecs::MOST_ADDRESSES;
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::pool::release::answer::some;
use crate::pool::release::backoff::{MAX_PAUSE, PAUSE_AFTER_GIVING_UP, pause};
use crate::pool::release::due::{is_record_due, is_request_due};
use crate::pool::release::leader::{Leader, Step, count_failure};
use crate::pool::release::unexplained::{Unexplained, unexplained};
use crate::pool::release::{Answer, DESCRIBE_LAG, REQUEST_TIMEOUT};
use crate::store::{self, AssignRequest, IN_DOUBT_FOR, Release, ReleaseId};

/// No request asks ECS for more addresses, so of an answer that names more nothing at all is believed.
const LONGEST_ANSWER: usize = MOST_ADDRESSES;

/// What the log says of a request that is known to have brought nothing.
const ASSIGNED_NOTHING: &str = "an interrupted ADD had assigned nothing";

/// Looks into the first due request of the record at `index`, so that it ends, its addresses are named, or it waits.
///
/// Before a request has lapsed, only its own attachment's call repeats it without looking at the ENI: repeated, a request
/// that never arrived assigns an address, and many such requests would fill the ENI.
pub(super) fn resolve(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    mine: Option<&ReleaseId>,
) -> store::Result<Step> {
    let asked = Timestamp::now();
    let record = leader.records[index].clone();
    let Some(ask) = record.progress.in_doubt.iter().find(|ask| is_request_due(ask, asked)).cloned() else {
        return Ok(Step::Nothing);
    };
    if !ask.answered.is_empty() {
        return answered(leader, index, &ask, &ask.answered);
    }
    if !is_lapsed(&ask, asked) && mine.is_some_and(|mine| record.is(mine)) {
        return repeat(leader, index, &ask, asked, None);
    }
    // What a description shows, it shows for every request of this ENI.
    leader.read_all()?;
    let Some(index) = leader.records.iter().position(|it| it.name == record.name) else {
        return Ok(Step::Done);
    };
    match unexplained(leader, ask.ipv6) {
        Ok(Some(shown)) if left_nothing(&ask, &shown.addresses) => {
            end_lapsed(leader, &shown.addresses, ask.ipv6, asked)
        }
        Ok(shown) => repeat(leader, index, &ask, asked, shown),
        Err(error) => {
            let attempts = record.progress.attempts;
            wait(leader, index, &ask, retry_at(&error, attempts), &error.to_string())?;
            leader.resolving_failed(&error)?;
            Ok(Step::Failed)
        }
    }
}

/// Whether a request can have left none of these addresses, which nothing explains. One for particular addresses has left some of
/// those, or nothing.
fn left_nothing(ask: &AssignRequest, unexplained: &BTreeSet<IpAddr>) -> bool {
    match ask.addresses.as_slice() {
        [] => unexplained.is_empty(),
        these => these.iter().all(|address| !unexplained.contains(address)),
    }
}

/// Ends every request of the family that had lapsed when it was `asked` what the ENI has, and that has left none of the
/// unexplained addresses. Others wait until they have lapsed.
fn end_lapsed(
    leader: &mut Leader<'_, '_, '_>,
    unexplained: &BTreeSet<IpAddr>,
    ipv6: bool,
    asked: Timestamp,
) -> store::Result<Step> {
    // An address may be explained by a record or an entry whose name a power cut could still take back.
    leader.eni_lock.make_names_durable()?;
    leader.eni_lock.set_resolving(None)?;
    for record in leader.records.iter_mut().filter(|record| is_record_due(record, asked)) {
        let before = record.progress.in_doubt.clone();
        // One whose answer was noted is not in doubt: its address is explained by that, and is still to be released.
        let is_concerned = |ask: &AssignRequest| {
            ask.ipv6 == ipv6 && ask.answered.is_empty() && left_nothing(ask, unexplained)
        };
        record.progress.in_doubt.retain(|ask| !is_concerned(ask) || !is_lapsed(ask, asked));
        let ended = before.len() - record.progress.in_doubt.len();
        if ended > 0 {
            record.event(ASSIGNED_NOTHING, []).info();
        }
        for ask in record.progress.in_doubt.iter_mut().filter(|ask| is_concerned(ask)) {
            ask.not_before = Some(lapses_at(ask));
        }
        if record.progress.in_doubt != before && !record.is_over() {
            leader.eni_lock.update(record)?;
        }
    }
    leader.eni_lock.finish(&mut leader.records, |_| false)?;
    Ok(Step::Done)
}

/// Sends the request again. `shown` is what the ENI had that nothing explains when this was `asked`, where it was looked at.
pub(super) fn repeat(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    ask: &AssignRequest,
    asked: Timestamp,
    shown: Option<Unexplained>,
) -> store::Result<Step> {
    // Written before it is sent: this process may be killed, and the copy take effect after that.
    in_doubt_until(leader, index, ask, Timestamp::now().plus(REQUEST_TIMEOUT + IN_DOUBT_FOR));
    leader.eni_lock.update(&leader.records[index])?;
    let error = match leader.releaser.ask(ask, leader.limit()) {
        Ok(Answer::Fit { addresses: brought, .. }) => return answered(leader, index, ask, &brought),
        Ok(Answer::Unfit { addresses, error }) => {
            return unfit(leader, index, ask, asked, Evidence { addresses, error, shown });
        }
        Err(error) => error,
    };
    let until = if error.kind == ErrorKind::Unknown {
        Timestamp::now().plus(IN_DOUBT_FOR)
    } else {
        ask.in_doubt_until
    };
    in_doubt_until(leader, index, ask, until);
    let unclear = leader.confirm_eni_gone(&error);
    let is_gone = error.subject() == Subject::EniGone && unclear.is_none();
    let error = unclear.unwrap_or(error);
    let is_refused = matches!(error.kind, ErrorKind::Refused(Disposition::Permanent | Disposition::Released));
    let is_spent = error.token_is_spent() && is_lapsed(ask, asked);
    if is_gone || is_spent {
        return answered(leader, index, ask, &[]);
    }
    if !is_refused || error.subject().is_the_caller() {
        let attempts = leader.records[index].progress.attempts;
        wait(leader, index, ask, retry_at(&error, attempts), &error.to_string())?;
        leader.resolving_failed(&error)?;
        return Ok(Step::Failed);
    }
    let why = format!("the request of an interrupted ADD is still in doubt: {error}");
    match shown {
        Some(shown) if is_lapsed(ask, asked) => {
            let why = format!("{why}; {}", to_be_looked_at(&shown.addresses));
            wait(leader, index, ask, asked.plus(MAX_PAUSE), &why)?;
            if error.subject().is_full() {
                // The others would be refused as well, until a release has made room.
                leader.resolving_failed(&error)?;
            }
        }
        _ => wait(leader, index, ask, lapses_at(ask), &why)?,
    }
    Ok(Step::Done)
}

/// The request is known to have brought these addresses, or none: they are named in its record, and it is over.
pub(super) fn answered(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    ask: &AssignRequest,
    brought: &[IpAddr],
) -> store::Result<Step> {
    if brought.is_empty() {
        leader.records[index].event(ASSIGNED_NOTHING, []).info();
    }
    leader.eni_lock.set_resolving(None)?;
    // Nothing moves meanwhile: what is named at this moment is named durably before the request is crossed off.
    let _hold = leader.hold_store()?;
    leader.eni_lock.make_names_durable()?;
    name(leader, index, brought)?;
    let record = &mut leader.records[index];
    record.progress.in_doubt.retain(|other| other.client_token != ask.client_token);
    // A record that nothing is left of is removed below. Were it written once more and the process killed then, it would
    // stay for ever: it names nothing that anybody could ask ECS for.
    if !record.is_over() {
        leader.eni_lock.update(&leader.records[index])?;
    }
    leader.eni_lock.finish(&mut leader.records, |_| false)?;
    Ok(Step::Done)
}

/// Adds to the record what a request had brought and nothing names. The answer is that of the first time: an address in it may
/// have been released since, and a live pod may use it now, or it may be in the reserve. The caller holds the store's lock until
/// the record is written.
fn name<'a>(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    brought: impl IntoIterator<Item = &'a IpAddr>,
) -> store::Result<()> {
    let brought: Vec<IpAddr> = brought.into_iter().copied().collect();
    let idle = leader.eni_lock.named_but_unused(&brought)?;
    for address in brought {
        if leader.eni_lock.owner_of(address)?.is_some() {
            // It may have been off the ENI, and this request have brought it back.
            leader.eni_lock.assigned_again(address, Timestamp::now().plus(DESCRIBE_LAG))?;
        } else if !idle.contains(&address) {
            leader.records[index].event("an interrupted ADD had assigned it: releasing it", [address]).info();
            leader.records[index].allocation.add(Address::alone(address));
        }
    }
    Ok(())
}

/// An answer that does not answer the request.
struct Evidence {
    addresses: Vec<IpAddr>,
    error: Error,
    shown: Option<Unexplained>,
}

/// Such an answer ends nothing. An address that both the answer and the ENI have is released, but the request may have
/// brought another one.
fn unfit(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    ask: &AssignRequest,
    asked: Timestamp,
    evidence: Evidence,
) -> store::Result<Step> {
    let Evidence { addresses, error, shown } = evidence;
    in_doubt_until(leader, index, ask, Timestamp::now().plus(IN_DOUBT_FOR));
    let told = shown.is_some() && is_lapsed(ask, asked);
    let has_right_length = (1..=ask.count()).contains(&addresses.len());
    let shown = match shown {
        None if has_right_length => unexplained(leader, ask.ipv6).ok().flatten(),
        shown => shown,
    };
    let other_reason = shown.as_ref().and_then(|it| it.other_reason.clone());
    let shown = shown.map(|it| it.addresses).unwrap_or_default();
    let addresses = if addresses.len() > LONGEST_ANSWER { Vec::new() } else { addresses };
    let mut borne_out: BTreeSet<IpAddr> = addresses.iter().copied().filter(|it| shown.contains(it)).collect();
    // Either the whole answer is on the ENI, and is no longer than it may be; or all that is on the ENI is in the answer, at
    // a time at which the ENI shows what the request can have brought. Anything else could be other software's.
    let whole_answer = has_right_length && borne_out.len() == addresses.len();
    let whole_eni = told && borne_out == shown && borne_out.len() <= ask.count();
    if (!whole_answer && !whole_eni) || other_reason.is_some() {
        borne_out.clear();
    }
    let hold = leader.hold_store()?;
    name(leader, index, &borne_out)?;
    leader.eni_lock.update(&leader.records[index])?;
    drop(hold);
    let left = &shown - &borne_out;
    let (until, why) = if let Some(why) = other_reason.filter(|_| !left.is_empty()) {
        (asked.plus(MAX_PAUSE), format!("{error}; {why}"))
    } else if told && !left.is_empty() {
        (asked.plus(MAX_PAUSE), format!("{error}; {}", to_be_looked_at(&left)))
    } else {
        (lapses_at(&in_record(leader, index, ask)), error.to_string())
    };
    wait(leader, index, ask, until.max(asked.plus(PAUSE_AFTER_GIVING_UP)), &why)?;
    Ok(Step::Done)
}

fn to_be_looked_at(left: &BTreeSet<IpAddr>) -> String {
    format!(
        "{} of the ENI's addresses are named by no record ({}): `aliyun-eni-ipam reconcile` shows them; unassign in the \
         ECS console those that nobody uses",
        left.len(),
        some(left)
    )
}

/// Leaves the request alone until `until`; nothing else waits for it.
pub(super) fn wait(
    leader: &mut Leader<'_, '_, '_>,
    index: usize,
    ask: &AssignRequest,
    until: Timestamp,
    why: &str,
) -> store::Result<()> {
    let record = &mut leader.records[index];
    let asks = record.progress.in_doubt.iter_mut();
    for other in asks.filter(|other| other.client_token == ask.client_token) {
        other.not_before = Some(until);
    }
    count_failure(record, why.to_owned());
    leader.eni_lock.update(&leader.records[index])
}

/// When to ask again after `error`, by how often this record has failed before.
pub(super) fn retry_at(error: &Error, attempts: u32) -> Timestamp {
    let now = Timestamp::now();
    let pause = if matches!(error.kind, ErrorKind::Refused(Disposition::Permanent)) {
        MAX_PAUSE
    } else {
        pause(error, attempts.saturating_add(1), now, random::jitter)
    };
    now.plus(pause.max(Duration::from_millis(1)))
}

/// From when on no copy of the request that was ever sent can take effect, and a description shows what any of them did.
fn lapses_at(ask: &AssignRequest) -> Timestamp {
    ask.in_doubt_until.plus(DESCRIBE_LAG)
}

fn is_lapsed(ask: &AssignRequest, asked: Timestamp) -> bool {
    lapses_at(ask) <= asked
}

/// A request of this release that is still to be heard of: it has been neither refused nor answered, and has not lapsed.
pub(super) fn unheard(record: &Release, now: Timestamp) -> Option<AssignRequest> {
    let mut asks = record.progress.in_doubt.iter();
    let is_refused = |ask: &AssignRequest| ask.not_before.is_some_and(|moment| moment >= lapses_at(ask));
    asks.find(|ask| !is_lapsed(ask, now) && !is_refused(ask)).cloned()
}

/// Hears of a request of the leader's only record, for the next call of its attachment.
pub(super) fn hear(leader: &mut Leader<'_, '_, '_>, ask: &AssignRequest) -> store::Result<Step> {
    if ask.answered.is_empty() {
        repeat(leader, 0, ask, Timestamp::now(), None)
    } else {
        answered(leader, 0, ask, &ask.answered)
    }
}

/// Until `until`, or as long as before this copy was sent, a copy of the request can take effect.
fn in_doubt_until(leader: &mut Leader<'_, '_, '_>, index: usize, ask: &AssignRequest, until: Timestamp) {
    let asks = leader.records[index].progress.in_doubt.iter_mut();
    for other in asks.filter(|other| other.client_token == ask.client_token) {
        other.in_doubt_until = until.max(ask.in_doubt_until);
    }
}

/// The request as its record has it now.
fn in_record(leader: &Leader<'_, '_, '_>, index: usize, ask: &AssignRequest) -> AssignRequest {
    let mut asks = leader.records[index].progress.in_doubt.iter();
    asks.find(|other| other.client_token == ask.client_token).unwrap_or(ask).clone()
}
