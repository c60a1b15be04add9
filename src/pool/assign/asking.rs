//! Asks ECS for addresses, while the ADD holds the ENI's lock and its intent names each request.

use std::net::IpAddr;
use std::time::Duration;

use log::Level;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::logging::Event;
use crate::base::random;
use crate::base::region::Family;
use crate::cloud::ecs::{ALWAYS_TAKEN, assign_action, is_too_many};
use crate::cloud::rpc::{Disposition, Error, ErrorKind, WithoutIds};
use crate::failure::{Failure, Result};
use crate::node::placement::Wanted;
use crate::pool::assign::formula::Count;
use crate::pool::assign::picking::{Look, Picker};
use crate::pool::assign::source::Source;
use crate::pool::attempt::Attempt;
use crate::pool::release;
use crate::pool::release::Answer;
use crate::store::{AssignRequest, Backoff, Demand, EniLock, Entry, IN_DOUBT_FOR, MAX_WAIT};

/// How many addresses in a row may turn out to be unusable.
const TRIES: usize = 20;

/// How many addresses in a row may turn out to be other software's. They stay on the ENI, so each costs room.
const MAX_FOREIGN: usize = 4;

/// How long after an unknown outcome an ADD goes on asking, and with it holds the ENI's lock: nobody else must wait for it for
/// longer.
const HOLD_AFTER_UNKNOWN: Duration = Duration::from_secs(10);

/// Where an address comes from that an ADD has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// ECS has just given it.
    Given(IpAddr),
    /// It is in the reserve, and may be gone when the ADD takes it.
    Reserved(IpAddr),
    /// Nothing was found, and the ENI's lock was let go while the ADD waited to ask again.
    Nothing,
}

/// How an ADD has made room for an address of one family: each way is tried once.
#[derive(Clone, Copy, Debug, Default)]
struct MadeRoom {
    /// It has released what was releasing.
    by_release: bool,
    /// It has given back what rests in the reserve.
    in_reserve: bool,
}

/// What an ADD remembers from one request to the next.
#[derive(Debug)]
pub(super) struct Effort {
    /// How many more requests it sends.
    tries: usize,
    /// How many of them have failed.
    failures: u32,
    /// How it has made room on this ENI, for each family.
    made_room: [MadeRoom; 2],
    /// How many addresses ECS has given that are other software's.
    pub(super) foreign: usize,
}

impl Effort {
    pub(super) fn new() -> Self {
        Self { tries: TRIES, failures: 0, made_room: [MadeRoom::default(); 2], foreign: 0 }
    }

    /// The ADD goes on to another ENI, where room can be made anew.
    pub(super) fn change_eni(&mut self) {
        self.made_room = Default::default();
    }
}

/// An attempt that holds an ENI's lock and asks ECS. It lets go of the lock while it waits to ask again, so that DELs do not wait
/// behind ADDs, but only as long as it cannot have been given anything: whoever resolves a dead ADD's request must not meet
/// an address that no record names yet.
pub(super) struct Asker<'a, 's> {
    pub(super) source: &'a Source<'a>,
    pub(super) attempt: &'a mut Attempt<'s>,
    pub(super) effort: &'a mut Effort,
}

/// A request that is about to be sent.
struct Planned {
    ask: AssignRequest,
    /// How many ADDs wait, this one included.
    waiting: usize,
}

impl<'s> Asker<'_, 's> {
    /// One address that the pod can have. It asks for those of others that wait as well.
    ///
    /// # Errors
    /// What ECS said last, or that a DEL came. The intent then names the request in doubt, if any.
    pub(super) fn obtain(&mut self, want: &Wanted) -> Result<Found> {
        let mut most = usize::MAX;
        while self.effort.tries > 0 {
            if self.attempt.intent.is_deleted()? {
                return Err(Failure::Deleted);
            }
            let asked = Timestamp::now();
            let state = self.eni_lock()?.state();
            if want.address.is_some_and(|address| state.is_in_doubt(address, asked)) {
                return Err(Failure::NoUsableAddress { eni: self.source.place.eni.clone() });
            }
            let reserved = self.pick(want)?;
            if let Some(backoff) = self.refused_for_quota(want.family, asked)? {
                match reserved {
                    Some(address) => return Ok(Found::Reserved(address)),
                    None if self.wait_for_quota(want.family, &backoff)? => return Ok(Found::Nothing),
                    None => continue,
                }
            }
            let Some(Planned { ask, waiting }) = self.plan(want, reserved.is_some(), most)? else {
                return Ok(reserved.map_or(Found::Nothing, Found::Reserved));
            };
            self.effort.tries -= 1;
            let error = match self.request(&ask) {
                Ok(addresses) => {
                    self.attempt.intent.note_answer(&ask.client_token, &addresses);
                    self.eni_lock()?.had_room_for(want.family, addresses.len())?;
                    match self.accept(&ask, &addresses, asked)? {
                        Some(address) => return Ok(Found::Given(address)),
                        None if self.effort.foreign >= MAX_FOREIGN => {
                            return Err(Failure::OnlyForeign { eni: self.source.place.eni.clone() });
                        }
                        None => continue,
                    }
                }
                // Others wait for what it has asked for. It need not.
                Err(NoAddress { in_doubt: true, .. }) if reserved.is_some() => {
                    return Ok(reserved.map_or(Found::Nothing, Found::Reserved));
                }
                Err(NoAddress { error, in_doubt: true }) => return Err(error.into()),
                Err(NoAddress { error, in_doubt: false }) => error,
            };
            // ECS has said that nothing was assigned.
            self.attempt.intent.resolve(&ask.client_token)?;
            if let Some(fewer) = self.fewer(&error, &ask, waiting)? {
                most = fewer;
                continue;
            }
            if error.is_throttled() {
                // What is remembered of it says for how long, to this ADD and to others.
                self.remember_throttling(want.family, &error)?;
                continue;
            }
            if let Some(address) = reserved {
                return Ok(Found::Reserved(address));
            }
            self.effort.failures += 1;
            // A release that is still to be done may hold the address that is wanted.
            let may_help =
                error.subject().is_full() || (want.address.is_some() && error.subject().is_an_address());
            if may_help && self.make_room(&error, want.family, waiting)? {
                most = waiting;
                continue;
            }
            let lets_go = !self.attempt.intent.has_answers();
            if lets_go {
                self.attempt.eni_lock = None;
            }
            if is_final(&error) || !self.wait(&error, self.effort.failures, self.attempt.deadline) {
                return Err(match want.address {
                    Some(address) => Failure::Withheld { address, error: Box::new(error) },
                    None => error.into(),
                });
            }
            if lets_go {
                return Ok(Found::Nothing);
            }
        }
        Err(Failure::NoUsableAddress { eni: self.source.place.eni.clone() })
    }

    /// The ENI's lock, taken again where it was let go of.
    pub(super) fn eni_lock(&mut self) -> Result<&mut EniLock<'s>> {
        let Attempt { store, eni_lock, deadline, .. } = &mut *self.attempt;
        let held = match eni_lock.take() {
            Some(held) => held,
            None => store.lock_eni(&self.source.place.eni, *deadline)?,
        };
        Ok(eni_lock.insert(held))
    }

    /// Remembers for the next ADDs of this ENI that the account has used up its calls.
    fn remember_throttling(&mut self, family: Family, error: &Error) -> Result<()> {
        let eni_lock = self.eni_lock()?;
        let previous = eni_lock.state().assigning(family);
        let backoff =
            release::backoff_after(error, previous, Duration::MAX, Timestamp::now(), random::jitter);
        eni_lock.set_assigning(family, backoff)?;
        self.attempt.throttled = Some(error.clone());
        Ok(())
    }

    /// Why ECS should not be asked now for addresses of the family.
    fn refused_for_quota(&mut self, family: Family, now: Timestamp) -> Result<Option<Backoff>> {
        let backoff = self.eni_lock()?.state().assigning(family);
        Ok(backoff.filter(|it| !it.not_before.wait(now, MAX_WAIT).is_zero()).cloned())
    }

    /// Waits until ECS may be asked again. Returns whether the ENI's lock was let go of meanwhile.
    ///
    /// # Errors
    /// What ECS has answered, to this ADD or to an earlier one, if that is too long.
    fn wait_for_quota(&mut self, family: Family, backoff: &Backoff) -> Result<bool> {
        let pause = backoff.not_before.wait(Timestamp::now(), MAX_WAIT);
        let lets_go = !self.attempt.intent.has_answers();
        if lets_go {
            self.attempt.eni_lock = None;
        }
        if pause + self.source.releaser.min_time() > self.attempt.deadline.remaining() {
            let of_earlier = || {
                let why = format!("ECS is not asked again before {}: {}", backoff.not_before, backoff.error);
                Error::not_now(assign_action(family), &why).about(&self.source.place.eni)
            };
            return Err(self.attempt.throttled.take().unwrap_or_else(of_earlier).into());
        }
        self.attempt.deadline.sleep(pause);
        Ok(lets_go)
    }

    /// An entry that it could take instead of asking.
    fn pick(&self, want: &Wanted) -> Result<Option<IpAddr>> {
        let picker = Picker::new(self.source, self.attempt.deadline);
        picker.pick(want, Look::From(0))
    }

    /// Makes room on a full ENI: by a release that is due, or by one of what nobody may take yet.
    fn make_room(&mut self, error: &Error, family: Family, count: usize) -> Result<bool> {
        let (releaser, deadline) = (self.source.releaser, self.attempt.deadline);
        let made = &mut self.effort.made_room[usize::from(family == Family::V6)];
        let is_first = !std::mem::replace(&mut made.by_release, true);
        // What is releasing may be of the other family.
        if is_first && releaser.make_room(self.eni_lock()?, deadline)? {
            return Ok(true);
        }
        let made = &mut self.effort.made_room[usize::from(family == Family::V6)];
        if !error.subject().is_full() || std::mem::replace(&mut made.in_reserve, true) {
            return Ok(false);
        }
        let network = self.attempt.intent.intention.network.clone();
        let delay = self.source.keeping.rest;
        let eni_lock = self.eni_lock()?;
        Ok(releaser.make_room_in_reserve(eni_lock, (family, count), (&network, delay), deadline)?)
    }

    /// Makes a request durable before ECS is asked: for what is missing, and for one address if nothing `is_reserved` for this ADD.
    /// `None` where ECS need not be asked.
    fn plan(&mut self, want: &Wanted, is_reserved: bool, most: usize) -> Result<Option<Planned>> {
        let (source, now) = (self.source, Timestamp::now());
        let least = usize::from(!is_reserved);
        let ask = self.prepare(want)?;
        if source.is_particular() {
            if is_reserved {
                return Ok(None);
            }
            self.attempt.intent.ask(&ask)?;
            return Ok(Some(Planned { ask, waiting: 1 }));
        }
        let state = self.eni_lock()?.state().clone();
        let is_full = state.full_at(now).is_some();
        if is_full && is_reserved {
            return Ok(None);
        }
        // A full ENI is asked for one, which tells as well as many whether it has room again.
        let left = if is_full { Some(1) } else { state.fewer_than(want.family, now) };
        let fewer_than = left.unwrap_or(usize::MAX);
        let most = state
            .max_per_request(want.family, source.releaser.max_per_request)
            .min(fewer_than.saturating_sub(1))
            .min(most)
            .max(1);
        let picker = Picker::new(source, self.attempt.deadline);
        let network = self.attempt.intent.intention.network.clone();
        let mut waiting = 1;
        let asked = |demand: &Demand| {
            let is_fit = |address, entry: &Entry| picker.is_fit(want, address, entry, &state, now);
            waiting = demand.waiting;
            let missing = Count::new(demand, &network, source.keeping.entries, is_fit).missing();
            let count = missing.max(least).min(most);
            (count > 0).then_some(AssignRequest { count, ..ask })
        };
        let (store, deadline) = (self.attempt.store, self.attempt.deadline);
        let planned = store.plan_request(
            &mut self.attempt.intent,
            (&source.place.eni, want.family),
            asked,
            deadline,
        )?;
        Ok(planned.map(|ask| Planned { ask, waiting }))
    }

    /// A request for one address.
    fn prepare(&self, want: &Wanted) -> Result<AssignRequest> {
        let place = self.source.place;
        Ok(AssignRequest {
            eni: place.eni.clone(),
            region: place.region.clone(),
            client_token: random::hex128().map_err(Failure::Random)?,
            in_doubt_until: Timestamp::now().plus(self.attempt.deadline.remaining()).plus(IN_DOUBT_FOR),
            ipv6: want.family == Family::V6,
            addresses: want.address.into_iter().collect(),
            count: 1,
            block: Some(want.subnet.block),
            primary: place.primary.iter().copied().filter(|it| Family::of(*it) == want.family).collect(),
            answered: Vec::new(),
            asked: Some(Timestamp::now()),
            not_before: None,
        })
    }

    /// After a refusal: for how many to ask next instead, if that may help; and remembers what the refusal says of the ENI.
    fn fewer(&mut self, error: &Error, ask: &AssignRequest, waiting: usize) -> Result<Option<usize>> {
        let (count, family) = (ask.count(), if ask.ipv6 { Family::V6 } else { Family::V4 });
        let is_full = error.subject().is_full();
        let eni_lock = self.eni_lock()?;
        if is_full {
            eni_lock.no_room_for(family, count)?;
        } else if is_too_many(error, count) {
            eni_lock.takes_at_most(family, ALWAYS_TAKEN)?;
            return Ok(Some(ALWAYS_TAKEN));
        } else if count == 1 {
            eni_lock.set_full(false)?;
        }
        let is_final = matches!(error.kind, ErrorKind::Refused(Disposition::Permanent));
        Ok(match count {
            0 | 1 => None,
            _ if is_full && waiting < count => Some(waiting),
            _ if is_full => Some(count / 2),
            // Whatever it is about: one address alone may be had.
            _ if is_final && !error.subject().denies_access() => Some(1),
            _ => None,
        })
    }

    /// Sends the request, and again with the same ClientToken while its outcome is unknown, for [`HOLD_AFTER_UNKNOWN`]. After
    /// an answer that does not answer the request, the next one is likely to be no better: ECS is asked once more only.
    fn request(&mut self, ask: &AssignRequest) -> std::result::Result<Vec<IpAddr>, NoAddress> {
        let mut failures = 0;
        let mut unfit = 0;
        let mut in_doubt = false;
        let mut deadline = self.attempt.deadline;
        loop {
            self.attempt.requests += 1;
            let error = match self.source.releaser.ask(ask, deadline.at_most(release::REQUEST_TIMEOUT)) {
                Ok(Answer::Fit { addresses, request_id }) => {
                    self.attempt.request_id = Some(request_id);
                    return Ok(addresses);
                }
                Ok(Answer::Unfit { error, .. }) => {
                    unfit += 1;
                    error
                }
                Err(error) => error,
            };
            failures += 1;
            if error.kind == ErrorKind::Unknown && !in_doubt {
                in_doubt = true;
                deadline = deadline.at_most(HOLD_AFTER_UNKNOWN);
            }
            // The operation that ECS is busy with may be a copy of this one, and its answer can be had a little later.
            let again = match error.kind {
                ErrorKind::Unknown => unfit < 2,
                ErrorKind::Refused(Disposition::Retry) => in_doubt,
                ErrorKind::Refused(_) | ErrorKind::NotSent => false,
            };
            if !again || !self.wait(&error, failures, deadline) {
                // An earlier copy, with an unknown outcome, can take effect after this one was refused.
                return Err(NoAddress { in_doubt: in_doubt && !error.token_is_spent(), error });
            }
        }
    }

    /// Tells of a request that is repeated. Where it is refused for good, the call's last line says what to do.
    fn tell_again(&self, error: &Error, pause: Duration) {
        let event = Event::new("trying again").eni(&self.source.place.eni).attempt(self.attempt.requests);
        let event = event.request(error.request_id.as_deref()).ecs_code(error.code.as_deref());
        let event = if error.code.is_some() { event } else { event.error(WithoutIds(error)) };
        event.say(Level::Info, format_args!("trying again in {:.1} s", pause.as_secs_f64()));
    }

    /// Waits before the next attempt; false if there is no time left for one until `deadline`.
    fn wait(&self, error: &Error, failures: u32, deadline: Deadline) -> bool {
        let pause = release::pause_after(error, failures, Timestamp::now(), random::jitter);
        let possible = pause + self.source.releaser.min_time() <= deadline.remaining();
        if possible {
            self.tell_again(error, pause);
            deadline.sleep(pause);
        }
        possible
    }
}

/// A request that brought no address, and why.
struct NoAddress {
    error: Error,
    /// Whether it may have assigned one all the same, or may yet.
    in_doubt: bool,
}

/// Whether asking again with a new ClientToken does not help.
fn is_final(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Refused(Disposition::Permanent | Disposition::Released))
        && !error.token_is_spent()
}
