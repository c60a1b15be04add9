//! Asks ECS for the addresses of one ADD, while the ADD holds the ENI's lock and its intent names each request.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::address::Address;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::random;
use crate::base::region::Family;
use crate::cloud::rpc::{Disposition, Error, ErrorKind};
use crate::pool::attempt::Attempt;
use crate::pool::release;
use crate::pool::release::{Answer, DESCRIBE_LAG, Releaser};
use crate::store::{Active, Allocation, AssignRequest, Committed, EniLock, IN_DOUBT_FOR};

use crate::failure::{Failure, Result};
use crate::node::placement::{EniPlacement, Wanted};

/// How many addresses in a row may turn out to be unusable.
const TRIES: usize = 20;

/// How many addresses in a row may turn out to be other software's. They stay on the ENI, so each costs room.
const MAX_FOREIGN: usize = 4;

/// How long after an unknown outcome an ADD goes on asking, and with it holds the ENI's lock: nobody else must wait for it for
/// longer.
const HOLD_AFTER_UNKNOWN: Duration = Duration::from_secs(10);

impl Attempt<'_> {
    /// Gets the addresses that are wanted, and makes the record.
    ///
    /// # Errors
    /// Why there is no address, or no record. [`Attempt::undo`] then releases what there is.
    pub(crate) fn run(
        &mut self,
        releaser: Releaser<'_>,
        place: &EniPlacement,
        wanted: &[Wanted],
    ) -> Result<Active> {
        let mut active = Active(place.allocation(&self.intent.intention));
        self.got = Some(active.0.clone());
        let eni_lock = self.eni_lock.insert(self.store.lock_eni(&place.eni, self.deadline)?);
        let owner = &self.intent.intention.owner;
        if let Some(why) = releaser.resolve_predecessor(eni_lock, owner, self.deadline)? {
            return Err(Failure::EarlierInDoubt { eni: place.eni.clone(), why });
        }
        for want in wanted {
            let address = Assigner { releaser, place, attempt: self, foreign: 0 }.obtain(want)?;
            active.0.add(want.subnet.address(address));
            self.got = Some(active.0.clone());
        }
        match self.store.commit(&self.intent, &active, self.deadline)? {
            Committed::Active => log::info!("assigned {}", active.0),
            Committed::Deleted => return Err(Failure::Deleted),
            Committed::Gone => return Err(Failure::NoUsableAddress { eni: place.eni.clone() }),
        }
        self.eni_lock = None;
        self.committed = Some(active.clone());
        Ok(active)
    }
}

/// An attempt that asks ECS on one ENI. It lets go of the ENI's lock while it waits to ask again, so that DELs do not wait
/// behind ADDs, but only as long as it cannot have been given anything: whoever resolves a dead ADD's request must not meet
/// an address that no record names yet.
struct Assigner<'a, 's> {
    releaser: Releaser<'a>,
    place: &'a EniPlacement,
    attempt: &'a mut Attempt<'s>,
    /// How many addresses ECS has given that are other software's.
    foreign: usize,
}

impl<'s> Assigner<'_, 's> {
    /// One address that the pod can have.
    ///
    /// # Errors
    /// What ECS said last, or that a DEL came. The intent then names the request in doubt, if any.
    fn obtain(&mut self, want: &Wanted) -> Result<IpAddr> {
        let mut may_make_room = true;
        let mut failures = 0;
        for _ in 0..TRIES {
            if self.attempt.intent.is_deleted()? {
                return Err(Failure::Deleted);
            }
            let asked = Timestamp::now();
            let state = self.eni_lock()?.state();
            if want.address.is_some_and(|address| state.is_in_doubt(address, asked)) {
                return Err(Failure::NoUsableAddress { eni: self.place.eni.clone() });
            }
            let ask = self.ask(want)?;
            let error = match self.request(&ask) {
                Ok(addresses) => {
                    self.attempt.intent.note_answer(&ask.client_token, &addresses);
                    self.eni_lock()?.set_full(false)?;
                    match self.accept(&ask, &addresses, asked)? {
                        Some(address) => return Ok(address),
                        None if self.foreign >= MAX_FOREIGN => {
                            return Err(Failure::OnlyForeign { eni: self.place.eni.clone() });
                        }
                        None => continue,
                    }
                }
                Err(NoAddress { error, in_doubt: true }) => return Err(error.into()),
                Err(NoAddress { error, in_doubt: false }) => error,
            };
            // ECS has said that nothing was assigned.
            self.attempt.intent.resolve(&ask.client_token)?;
            failures += 1;
            let full = error.subject().is_full();
            self.eni_lock()?.set_full(full)?;
            // A release that is still to be done may hold the address that is wanted.
            let may_help = full || (want.address.is_some() && error.subject().is_an_address());
            if may_help && std::mem::take(&mut may_make_room) && self.make_room()? {
                continue;
            }
            if !self.attempt.intent.has_answers() {
                self.attempt.eni_lock = None;
            }
            if is_final(&error) || !self.wait(&error, failures, self.attempt.deadline) {
                return Err(match want.address {
                    Some(address) => Failure::Withheld { address, error: Box::new(error) },
                    None => error.into(),
                });
            }
        }
        Err(Failure::NoUsableAddress { eni: self.place.eni.clone() })
    }

    /// The ENI's lock, taken again where it was let go of.
    fn eni_lock(&mut self) -> Result<&mut EniLock<'s>> {
        let Attempt { store, eni_lock, deadline, .. } = &mut *self.attempt;
        let held = match eni_lock.take() {
            Some(held) => held,
            None => store.lock_eni(&self.place.eni, *deadline)?,
        };
        Ok(eni_lock.insert(held))
    }

    fn make_room(&mut self) -> Result<bool> {
        let (releaser, deadline) = (self.releaser, self.attempt.deadline);
        Ok(releaser.make_room(self.eni_lock()?, deadline)?)
    }

    /// Makes the request durable before ECS is asked.
    fn ask(&mut self, want: &Wanted) -> Result<AssignRequest> {
        let ask = AssignRequest {
            eni: self.place.eni.clone(),
            region: self.place.region.clone(),
            client_token: random::hex128().map_err(Failure::Random)?,
            in_doubt_until: Timestamp::now().plus(self.attempt.deadline.remaining()).plus(IN_DOUBT_FOR),
            ipv6: want.family == Family::V6,
            addresses: want.address.into_iter().collect(),
            count: 1,
            block: Some(want.subnet.block),
            primary: self.place.primary.iter().copied().filter(|it| Family::of(*it) == want.family).collect(),
            answered: Vec::new(),
            asked: Some(Timestamp::now()),
            not_before: None,
        };
        self.attempt.intent.ask(&ask)?;
        Ok(ask)
    }

    /// Sends the request, and again with the same ClientToken while its outcome is unknown, for [`HOLD_AFTER_UNKNOWN`]. After
    /// an answer that does not answer the request, the next one is likely to be no better: ECS is asked once more only.
    fn request(&mut self, ask: &AssignRequest) -> std::result::Result<Vec<IpAddr>, NoAddress> {
        let mut failures = 0;
        let mut unfit = 0;
        let mut in_doubt = false;
        let mut deadline = self.attempt.deadline;
        loop {
            let error = match self.releaser.ask(ask, deadline.at_most(release::REQUEST_TIMEOUT)) {
                Ok(Answer::Fit(addresses)) => return Ok(addresses),
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

    /// Waits before the next attempt; false if there is no time left for one until `deadline`.
    fn wait(&self, error: &Error, failures: u32, deadline: Deadline) -> bool {
        let pause = release::pause_after(error, failures, Timestamp::now(), random::jitter);
        let possible = pause + self.releaser.min_time() <= deadline.remaining();
        if possible {
            log::info!("trying again in {:.1} s: {error}", pause.as_secs_f64());
            deadline.sleep(pause);
        }
        possible
    }

    /// Decides about each address that ECS assigned. Whether it is in doubt is judged by the moment of asking: an old request
    /// may have taken effect after ECS assigned the address and before its answer was here.
    fn accept(
        &mut self,
        ask: &AssignRequest,
        addresses: &[IpAddr],
        asked: Timestamp,
    ) -> Result<Option<IpAddr>> {
        let (now, place, intention) = (Timestamp::now(), self.place, self.attempt.intent.intention.clone());
        let foreign = self.releaser.foreign;
        let mut left_to_others = 0;
        let eni_lock = self.eni_lock()?;
        let mut records = eni_lock.releases_naming(addresses)?;
        let mut usable = None;
        for &address in addresses {
            let release_at = |eni_lock: &EniLock<'_>, not_before| {
                let addresses = vec![Address::alone(address)];
                let allocation = Allocation { addresses, ..place.allocation(&intention) };
                eni_lock.return_to_releasing(allocation, not_before)
            };
            let owner = eni_lock.owner_of(address)?;
            match (owner, eni_lock.state().is_in_doubt(address, asked), usable) {
                // It was taken off the ENI behind the plugin's back. Its pod has it again, and keeps it.
                (Some(owner), _, _) => {
                    log::warn!(
                        "something else had removed {address} from {}; it is back and still belongs to {owner}",
                        place.eni
                    );
                    eni_lock.assigned_again(address, now.plus(DESCRIBE_LAG))?;
                }
                (None, _, _) if foreign.contains(address) => {
                    left_to_others += 1;
                    log::warn!(
                        "ECS assigned {address} on {}, which is not given to the pod but left to other software: \
                         ipam.foreignAddresses names it",
                        place.eni
                    );
                }
                // An old request to release it can still take it from a pod.
                (None, true, _) => {
                    log::warn!(
                        "{address} is not given to the pod and will be released later, because an earlier release of it \
                         is in doubt"
                    );
                    release_at(eni_lock, now.plus(IN_DOUBT_FOR))?;
                }
                (None, false, Some(_)) => {
                    log::warn!(
                        "{address} is not given to the pod, which has one already, and will be released"
                    );
                    release_at(eni_lock, now)?;
                }
                (None, false, None) => {
                    eni_lock.hand_over(address, &intention.owner);
                    usable = Some(address);
                }
            }
            // ECS assigns only what is free, so an earlier release of it has happened.
            eni_lock.finish(&mut records, |assigned| assigned == address)?;
        }
        self.foreign += left_to_others;
        if usable.is_some() {
            self.attempt.intent.acknowledge(&ask.client_token);
        } else {
            self.attempt.intent.resolve(&ask.client_token)?;
        }
        Ok(usable)
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
