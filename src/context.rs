//! What every verb and every command works with: the configuration, the store, the way to ECS, the deadline.

use std::cell::{OnceCell, RefCell};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::foreign::ForeignAddresses;
use crate::base::moment;
use crate::base::region::{Family, RegionId};
use crate::cloud::ecs::Client;
use crate::cloud::rpc;
use crate::config::Ipam;
use crate::failure::{Failure, Result};
use crate::metrics::{self, ActiveRecords, Event};
use crate::node::facts::known_region;
use crate::node::quota::{self, EniQuota};
use crate::pool::release::{DEFERRED, Drained, Outcome, Releaser, Watch};
use crate::store;
use crate::store::{Release, ReleaseId, Store};

/// One call at work.
pub(crate) struct CallContext<'a> {
    pub(crate) ipam: Ipam<'a>,
    pub(crate) store: Store,
    /// By when the whole call has answered.
    pub(crate) deadline: Deadline,
    /// How long it waits for one thing: see [`CallContext::patience`].
    patience: Duration,
    began: Instant,
    client: OnceCell<Client>,
    foreign: OnceCell<ForeignAddresses>,
    /// For the metrics, beside what the client has asked.
    events: RefCell<Vec<Event>>,
    /// Why ECS did not do what it was asked last for a release of this call.
    failure: RefCell<Option<rpc::Error>>,
}

impl<'a> CallContext<'a> {
    /// Opens the store. The call's time runs from here on.
    pub(crate) fn open(ipam: Ipam<'a>) -> Result<Self> {
        let (began, timeout) = (moment::now(), ipam.timeout()?);
        let deadline = Deadline::after(timeout);
        let store = Store::open(&ipam.data_directory()?)?;
        Ok(Self::new(ipam, store, deadline, timeout, began))
    }

    /// The same for a command that has until `deadline`, and waits for one thing as long as `patience`.
    pub(crate) fn open_until(ipam: Ipam<'a>, deadline: Deadline, patience: Duration) -> Result<Self> {
        let began = moment::now();
        let store = Store::open(&ipam.data_directory()?)?;
        Ok(Self::new(ipam, store, deadline, patience, began))
    }

    /// The same with a store that is open already.
    pub(crate) fn with_store(ipam: Ipam<'a>, store: Store) -> Result<Self> {
        let (began, timeout) = (moment::now(), ipam.timeout()?);
        Ok(Self::new(ipam, store, Deadline::after(timeout), timeout, began))
    }

    fn new(ipam: Ipam<'a>, store: Store, deadline: Deadline, patience: Duration, began: Instant) -> Self {
        let (client, foreign) = (OnceCell::new(), OnceCell::new());
        let (events, failure) = (RefCell::default(), RefCell::default());
        Self { ipam, store, deadline, patience, began, client, foreign, events, failure }
    }

    /// By when one thing is given up that is begun now: a lock, an answer, an ENI of which nothing is released. It is the
    /// deadline of a runtime's call. A command that has more time goes on with the next thing.
    pub(crate) fn patience(&self) -> Deadline {
        self.deadline.at_most(self.patience)
    }

    /// Does `work` and then brings the metrics up to date, however the work ended.
    pub(crate) fn run_then_write_metrics<T>(self, work: impl FnOnce(&Self) -> T) -> T {
        let outcome = work(&self);
        self.write_metrics(ActiveRecords::Counted);
        outcome
    }

    /// The same for a call of `verb`, which counts.
    pub(crate) fn serve_then_write_metrics(
        self,
        verb: &'static str,
        work: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        self.serve_then_write(verb, ActiveRecords::Counted, work)
    }

    /// The same for ADD and DEL, whose cost does not grow with the number of pods.
    pub(crate) fn serve_then_write_kept_metrics(
        self,
        verb: &'static str,
        work: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        self.serve_then_write(verb, ActiveRecords::Kept, work)
    }

    fn serve_then_write(
        self,
        verb: &'static str,
        active: ActiveRecords,
        work: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        let outcome = work(&self);
        let code = outcome.as_ref().err().map(|failure| failure.kind().0.0);
        self.events.borrow_mut().push(Event::call(verb, code, moment::since(self.began)));
        self.write_metrics(active);
        outcome
    }

    fn write_metrics(&self, active: ActiveRecords) {
        match self.ipam.metrics_file() {
            Ok(Some(path)) => {
                metrics::update(&self.store, &path, active, self.take_events());
            }
            Ok(None) => {}
            Err(error) => log::warn!("{error}"),
        }
    }

    /// What there is for the metrics since this was called last, with what the client has asked.
    fn take_events(&self) -> Vec<Event> {
        let mut events = self.events.take();
        let asked = self.client.get().map(Client::take_asked).unwrap_or_default();
        events.extend(asked.into_iter().map(|it| Event::request(it.action, it.result, it.took)));
        events
    }

    /// The way to ECS. Nothing is dialled before it is used.
    pub(crate) fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let settings = self.ipam.cloud()?.keeping_keys_in(&self.store.cache_directory());
        Ok(self.client.get_or_init(|| Client::new(settings)))
    }

    /// Makes sure that this store is the only one of this node with addresses of `eni`, before ECS is asked to assign one.
    pub(crate) fn claim(&self, eni: &EniId, region: &RegionId) -> Result<()> {
        let cloud = self.client()?.cloud_on_this_machine(region);
        Ok(self.store.claim(eni, cloud.as_deref(), self.patience())?)
    }

    /// What releases from ENIs of `region`.
    pub(crate) fn releaser<'s>(&'s self, region: &'s RegionId) -> Result<Releaser<'s>> {
        let (max_per_request, timeout) = (self.ipam.max_per_request()?, self.patience);
        let (client, foreign) = (self.client()?, self.foreign()?);
        let (store, failure) = (&self.store, &self.failure);
        Ok(Releaser { store, client, region, foreign, max_per_request, timeout, failure })
    }

    /// What is on the ENI for other software. While it cannot be read, nothing is released: nobody knows what must not be.
    pub(crate) fn foreign(&self) -> Result<&ForeignAddresses> {
        if let Some(foreign) = self.foreign.get() {
            return Ok(foreign);
        }
        let foreign = self.ipam.foreign_addresses()?;
        Ok(self.foreign.get_or_init(|| foreign))
    }

    /// Releases a little of what earlier calls have left on `eni`, after the call's own work. That it fails is not the call's
    /// failure.
    pub(crate) fn release_backlog(&self, eni: &EniId, region: &RegionId) {
        let done =
            self.releaser(region).and_then(|releaser| Ok(releaser.release_backlog(eni, self.deadline)?));
        if let Err(error) = done {
            log::warn!("what earlier calls left is not released yet: {error}");
        }
    }

    /// Gives back a little of what the network has in the reserve of `eni` beyond what it keeps, or else of what earlier calls have
    /// left, after an ADD's own work. That it fails is not the ADD's failure.
    pub(crate) fn release_surplus(&self, network: &str, eni: &EniId, region: &RegionId) {
        let done = self.releaser(region).and_then(|releaser| {
            let keep = self.ipam.reserve()?.reserve;
            Ok(releaser.release_surplus(network, keep, eni, self.deadline)?)
        });
        if let Err(error) = done {
            log::warn!("what is not needed any more is not released yet: {error}");
        }
    }

    /// Whether anything is in the reserve of `eni`.
    pub(crate) fn has_reserve(&self, eni: &EniId) -> bool {
        self.store.reserved_addresses(eni).is_ok_and(|addresses| !addresses.is_empty())
    }

    /// Releases these until the deadline. What is left then stays recorded; `onReleaseFailure` says whether the call fails.
    /// Where it does not, nothing that keeps ECS from being asked makes it fail: neither a full disk nor a wrong key.
    pub(crate) fn release(&self, pending: &[ReleaseId]) -> Result<()> {
        let fail = self.ipam.fails_when_not_released()?;
        for one in pending {
            if fail {
                self.release_one(one)?;
            } else if let Err(failure) = self.release_or_defer(one) {
                self.tell_deferred(one, &failure);
            }
        }
        Ok(())
    }

    /// Releases this one, for as long as one thing is waited for. What is left then stays recorded, and the log says why. Returns
    /// the reason.
    ///
    /// # Errors
    /// Whatever keeps ECS from being asked.
    pub(crate) fn release_or_defer(&self, one: &ReleaseId) -> Result<Option<String>> {
        match self.releaser(&one.region)?.release(one, self.patience())? {
            Outcome::Released => Ok(None),
            Outcome::Deferred(deferred) => {
                deferred.log();
                Ok(Some(deferred.why))
            }
        }
    }

    fn tell_deferred(&self, one: &ReleaseId, failure: &Failure) {
        match self.store.releasing(one) {
            Ok(Some(release)) => {
                let event = release.event(DEFERRED, release.allocation.ips());
                event.attempt(release.progress.attempts).error(failure).warn();
            }
            _ => log::warn!("the release from {} is left to later calls: {failure}", one.eni),
        }
    }

    /// Releases this one, for as long as one thing is waited for.
    ///
    /// # Errors
    /// [`Failure::NotReleased`] when ECS has not confirmed by then, and whatever keeps it from being asked. The release stays
    /// recorded.
    pub(crate) fn release_one(&self, one: &ReleaseId) -> Result<()> {
        match self.releaser(&one.region)?.release(one, self.patience())? {
            Outcome::Released => Ok(()),
            Outcome::Deferred(it) => Err(Failure::NotReleased { eni: one.eni.clone(), why: it.why }),
        }
    }

    /// What is still to be released of `pending`, and why it has not been: its own last failure, or that of its ENI. `None`
    /// if it is released.
    pub(crate) fn left(&self, pending: &ReleaseId) -> store::Result<Option<(Release, String)>> {
        let Some(releasing) = self.store.releasing(pending)? else { return Ok(None) };
        let why = match &releasing.progress.last_error {
            Some(error) => Some(error.clone()),
            None => self.store.eni_state(&pending.eni)?.backoff.map(|backoff| backoff.error),
        };
        Ok(Some((releasing, why.unwrap_or_else(|| "this call had no time left to ask ECS".into()))))
    }

    /// Remembers that `flush` has tried everything, and what only it has the time to find out for the metrics. That this fails is not
    /// the flush's failure.
    pub(crate) fn note_flush(&self) {
        if let Err(error) = self.store.note_flush() {
            log::warn!("`doctor` will not know of this flush: {error}");
        }
        if let Ok(Some(_)) = self.ipam.metrics_file() {
            let mut events = self.events.borrow_mut();
            events.push(Event::flushed(Timestamp::now()));
            if let Some(quota) = self.quota() {
                events.push(Event::quota(Family::V4, quota.ipv4));
                events.push(Event::quota(Family::V6, quota.ipv6));
            }
        }
    }

    /// How many addresses an ENI of this node may have, if anybody tells.
    fn quota(&self) -> Option<EniQuota> {
        let region = known_region(&self.store, &self.ipam.address().ok()?)?;
        quota::known_or_asked(self.client().ok()?, &self.store, &region, self.patience())
    }

    /// Removes what killed processes left half written, in the store and beside the metrics.
    pub(crate) fn sweep(&self) -> Result<()> {
        // Metrics are a service to others: their failure fails no call.
        if let Ok(Some(path)) = self.ipam.metrics_file()
            && let Err(error) = metrics::sweep(&path)
        {
            log::warn!("drafts of metricsFile {} could not be removed: {error}", path.display());
        }
        Ok(self.store.sweep()?)
    }

    /// Releases everything that may be released now, on every ENI: on several at the same time, because one that does not answer
    /// must not use up the time of the others. With `anew` it forgets that earlier attempts failed. Returns how it ended for each.
    ///
    /// # Errors
    /// When nothing is known of what is to be released.
    pub(crate) fn drain(&self, anew: bool, watch: Watch<'_>) -> Result<Vec<(EniId, Result<Drained>)>> {
        // Those of one ENI in several regions come one after the other: a failure in the region of a damaged record must not be taken
        // for the ENI's.
        let pending = self.store.pending_by_eni()?;
        let enis: Vec<_> = pending.chunk_by(|one, next| one.eni == next.eni).map(<[_]>::to_vec).collect();
        if enis.len() < 2 {
            return Ok(pending.into_iter().map(|any| self.drain_one(any, anew, watch)).collect());
        }
        let (ipam, deadline, patience, began) = (self.ipam, self.deadline, self.patience, self.began);
        let directory = self.store.directory();
        let workers = enis.len().min(AT_ONCE);
        let (enis, done) = (Mutex::new(enis.into_iter()), Mutex::new(Vec::new()));
        // Each has a way of its own to ECS.
        let work = || {
            loop {
                let next = locked(&enis).next();
                let Some(of_eni) = next else { break };
                let drained = match Store::open(directory) {
                    Ok(store) => {
                        let context = Self::new(ipam, store, deadline, patience, began);
                        let drained: Vec<_> =
                            of_eni.into_iter().map(|any| context.drain_one(any, anew, watch)).collect();
                        (drained, context.take_events())
                    }
                    Err(error) => {
                        let eni = of_eni.into_iter().next().map(|any| any.eni);
                        (eni.into_iter().zip([Err(error.into())]).collect(), Vec::new())
                    }
                };
                locked(&done).push(drained);
            }
        };
        thread::scope(|scope| {
            for _ in 1..workers {
                // Where there is no room for another thread, the others do its work.
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (drained, events): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        self.events.borrow_mut().extend(events.into_iter().flatten());
        Ok(drained.into_iter().flatten().collect())
    }

    fn drain_one(&self, any: ReleaseId, anew: bool, watch: Watch<'_>) -> (EniId, Result<Drained>) {
        let releaser = self.releaser(&any.region);
        let drained = releaser.and_then(|it| Ok(it.drain(&any, anew, self.deadline, watch)?));
        (any.eni, drained)
    }
}

/// On how many ENIs a command releases at the same time.
const AT_ONCE: usize = 16;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
