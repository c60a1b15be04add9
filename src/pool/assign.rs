//! Asking ECS for one address, while the ENI's lock is held and the ADD's intent says so.

use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::region::Family;
use crate::cloud::rpc::{Disposition, Error, ErrorKind, Subject};
use crate::pool::release;
use crate::pool::release::{Answer, Releaser};
use crate::store::{Address, Allocation, AssignRequest, EniLock, IN_DOUBT_FOR, OpenIntent, Owner, Store};

use crate::failure::{Failure, Result};
use crate::node::placement::{EniPlacement, Wanted};

/// How many addresses in a row may turn out to be unusable.
const TRIES: usize = 20;

/// An ADD that asks while it holds the ENI's lock. It lets go of the lock while it waits to ask again, so that DELs do not
/// wait behind ADDs, but only as long as it cannot have been given anything: whoever settles a dead ADD's request must not
/// meet an address that no active record names yet.
pub(crate) struct Assigner<'a, 's> {
    pub(crate) releaser: Releaser<'a>,
    pub(crate) store: &'s Store,
    /// Its caller's, who goes on holding it until what was given is recorded, as in use or as releasing.
    pub(crate) eni_lock: &'a mut Option<EniLock<'s>>,
    pub(crate) intent: &'a mut OpenIntent,
    pub(crate) place: &'a EniPlacement,
    pub(crate) deadline: Deadline,
}

impl<'s> Assigner<'_, 's> {
    /// One address that the pod can have.
    ///
    /// # Errors
    /// What ECS said last, or that a DEL came. The intent then names the request whose outcome is not known, if any.
    pub(crate) fn obtain(&mut self, want: &Wanted) -> Result<IpAddr> {
        let mut may_make_room = true;
        let mut failures = 0;
        for _ in 0..TRIES {
            if self.intent.is_deleted()? {
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
                    self.eni_lock()?.set_full(false)?;
                    match self.accept(&ask, &addresses, asked)? {
                        Some(address) => return Ok(address),
                        None => continue,
                    }
                }
                Err(Unanswered { error, open: true }) => return Err(error.into()),
                Err(Unanswered { error, open: false }) => error,
            };
            // ECS has said that nothing was assigned.
            self.intent.settled(&ask.client_token)?;
            failures += 1;
            let full = error.subject().is_full();
            self.eni_lock()?.set_full(full)?;
            // What is wanted may be held by a release that nobody has got round to.
            let may_help = full || (want.address.is_some() && error.subject() == Subject::Address);
            if may_help && std::mem::take(&mut may_make_room) && self.make_room()? {
                continue;
            }
            if !self.intent.has_answers() {
                *self.eni_lock = None;
            }
            if is_final(&error) || !self.wait(&error, failures) {
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
        let eni_lock = match self.eni_lock.take() {
            Some(eni_lock) => eni_lock,
            None => self.store.lock_eni(&self.place.eni, self.deadline)?,
        };
        Ok(self.eni_lock.insert(eni_lock))
    }

    fn make_room(&mut self) -> Result<bool> {
        let (releaser, deadline) = (self.releaser, self.deadline);
        Ok(releaser.make_room(self.eni_lock()?, deadline)?)
    }

    /// Makes it durable that ECS is about to be asked.
    fn ask(&mut self, want: &Wanted) -> Result<AssignRequest> {
        let ask = AssignRequest {
            eni: self.place.eni.clone(),
            region: self.place.region.to_string(),
            client_token: crate::base::random::hex128().map_err(Failure::Random)?,
            open_until: Timestamp::now().plus(self.deadline.remaining()).plus(IN_DOUBT_FOR),
            ipv6: want.family == Family::V6,
            addresses: want.address.into_iter().collect(),
            block: Some(want.subnet.block),
            primary: self.place.primary.iter().copied().filter(|it| Family::of(*it) == want.family).collect(),
            in_doubt_until: None,
        };
        self.intent.ask(&ask)?;
        Ok(ask)
    }

    /// Sends the request, and again with the same ClientToken as long as nobody knows whether it was carried out. Whoever
    /// answers something else than what was asked is likely to do so again, and is asked once more only.
    fn request(&mut self, ask: &AssignRequest) -> std::result::Result<Vec<IpAddr>, Unanswered> {
        let mut failures = 0;
        let mut unfit = 0;
        let mut open = false;
        loop {
            let error = match self.releaser.ask(ask, self.deadline.at_most(release::REQUEST_TIMEOUT)) {
                Ok(Answer::Fit(addresses)) => return Ok(addresses),
                Ok(Answer::Unfit { error, .. }) => {
                    self.intent.in_doubt(&ask.client_token);
                    unfit += 1;
                    error
                }
                Err(error) => error,
            };
            failures += 1;
            open |= error.kind == ErrorKind::Unknown;
            // The operation that ECS is busy with may be a copy of this one, and its answer can be had a little later.
            let again = match error.kind {
                ErrorKind::Unknown => unfit < 2,
                ErrorKind::Refused(Disposition::Retry) => open,
                ErrorKind::Refused(_) | ErrorKind::NotSent => false,
            };
            if !again || !self.wait(&error, failures) {
                // A copy that was lost sight of may be carried out after this one was refused.
                return Err(Unanswered { open: open && !error.token_is_spent(), error });
            }
        }
    }

    /// Waits before the next attempt; false if there is no time left for one.
    fn wait(&self, error: &Error, failures: u32) -> bool {
        let pause = release::pause_after(error, failures);
        let possible = pause < self.deadline.remaining();
        if possible {
            log::info!("trying again in {:.1} s: {error}", pause.as_secs_f64());
            self.deadline.sleep(pause);
        }
        possible
    }

    /// Judges what ECS assigned. That it hands an address out proves that an earlier release of it has happened, so the
    /// record of that release ends first. But where nobody saw that release's outcome a short while ago, its request may
    /// still be on its way and take the address from the pod that has it by then: such an address is put back, to be
    /// released when the danger is over. What counts is the moment of asking: a suspicion that has ended since may have
    /// come true after ECS assigned the address and before its answer was here. An address that a record has in use was taken
    /// off the ENI behind the plugin's back: its pod has it again now, and keeps it.
    fn accept(
        &mut self,
        ask: &AssignRequest,
        addresses: &[IpAddr],
        asked: Timestamp,
    ) -> Result<Option<IpAddr>> {
        let (now, place, intention) = (Timestamp::now(), self.place, self.intent.intention.clone());
        let eni_lock = self.eni_lock()?;
        let mut records = eni_lock.releasing()?;
        let mut usable = None;
        for &address in addresses {
            let suspect = eni_lock.state().is_in_doubt(address, asked);
            if let Some(Owner { container_id, ifname }) = eni_lock.owner_of(address)? {
                log::warn!(
                    "something else had removed {address} from {}; it is back and still belongs to {container_id}/{ifname}",
                    place.eni
                );
            } else if usable.is_none() && !suspect {
                eni_lock.hand_over(address, &intention.owner);
                usable = Some(address);
            } else {
                log::warn!(
                    "{address} is not given to the pod and is released later, because an earlier release of it is in doubt"
                );
                let allocation =
                    Allocation { addresses: vec![Address::alone(address)], ..place.allocation(&intention) };
                eni_lock
                    .return_to_releasing(allocation, if suspect { now.plus(IN_DOUBT_FOR) } else { now })?;
            }
            eni_lock.settle(&mut records, |settled| settled == address)?;
        }
        if usable.is_some() {
            self.intent.answered(&ask.client_token);
        } else {
            self.intent.settled(&ask.client_token)?;
        }
        Ok(usable)
    }
}

/// No address, and why.
struct Unanswered {
    error: Error,
    /// Whether the request may have assigned one all the same, or may yet.
    open: bool,
}

/// Whether asking again, with a new ClientToken, is of no use.
fn is_final(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Refused(Disposition::Permanent | Disposition::Released))
        && !error.token_is_spent()
}
