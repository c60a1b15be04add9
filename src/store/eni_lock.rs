//! What may be done while an ENI's lock is held: to the records of that ENI that are releasing, and to what is remembered
//! of it. Holding the lock is the right to mutate the ENI in the cloud.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::base::attachment::Attachment;
use crate::base::clock::{Timestamp, boot_id};
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::moment;
use crate::base::region::Family;
use crate::store::eni_state::{Backoff, EniState, PerFamily};
use crate::store::error::{Error, Result};
use crate::store::lock::Lock;
use crate::store::record::{Allocation, Release};
use crate::store::record_name::ReleaseName;
use crate::store::schema::Misread;
use crate::store::{ReleaseId, Store, file, record, schema};

/// A held ENI lock; dropping it lets go.
#[derive(Debug)]
pub struct EniLock<'a> {
    store: &'a Store,
    eni: EniId,
    state: EniState,
    /// What ECS has assigned to the holder of this lock, and no record names yet.
    handed_over: BTreeMap<IpAddr, Attachment>,
    _lock: Lock,
}

impl<'a> EniLock<'a> {
    /// Takes over from the last holder. If that holder was killed during a request, the addresses of the request are in doubt
    /// from here on.
    pub(super) fn new(store: &'a Store, eni: EniId, lock: Lock) -> Result<Self> {
        let mut eni_lock =
            Self { store, eni, state: EniState::default(), handed_over: BTreeMap::new(), _lock: lock };
        let now = Timestamp::now();
        match file::read(&eni_lock.state_path())?.map(|content| schema::parse(&content)) {
            None => {}
            Some(Ok(state)) => eni_lock.state = state,
            Some(Err(Misread::Newer(schema))) => {
                return Err(Error::NewerSchema { path: eni_lock.state_path(), schema });
            }
            // Nobody knows which requests were under way, so every releasing address is in doubt.
            Some(Err(Misread::Damaged(why))) => {
                log::warn!(
                    "{} could not be read ({why}): starting a new one",
                    eni_lock.state_path().display()
                );
                let all: Vec<_> = eni_lock
                    .releasing()?
                    .iter()
                    .flat_map(|it| it.allocation.ips().collect::<Vec<_>>())
                    .collect();
                eni_lock.state.mark_in_doubt(&all, now);
                eni_lock.save()?;
            }
        }
        if !eni_lock.state.in_flight.is_empty() {
            eni_lock.unknown()?;
        }
        if eni_lock.state.bound_doubts(now) {
            eni_lock.save()?;
        }
        Ok(eni_lock)
    }

    /// Lets everybody go first who waits for this lock by now, and takes it again after them. If nobody waits, it is kept.
    ///
    /// # Errors
    /// [`Error::EniBusy`] and the system's.
    pub fn let_others_go_first(self, deadline: Deadline) -> Result<Self> {
        let started = moment::now();
        let (store, eni) = (self.store, self.eni.clone());
        // The place in line is taken before the lock is let go: afterwards it might be one before those who wait.
        let Some(place) = store.turnstile(&eni)?.line_up_again()? else { return Ok(self) };
        drop(self);
        match place.wait(deadline, || Ok(false))? {
            Some(lock) => Self::new(store, eni, lock),
            None => Err(store.eni_busy(&eni, moment::since(started))),
        }
    }

    pub(super) fn store(&self) -> &'a Store {
        self.store
    }

    /// The ENI whose lock this is.
    #[must_use]
    pub fn eni(&self) -> &EniId {
        &self.eni
    }

    /// What is remembered of the ENI.
    #[must_use]
    pub fn state(&self) -> &EniState {
        &self.state
    }

    /// Every release of this ENI, in the order in which they began. Damaged records are set aside.
    pub fn releasing(&self) -> Result<Vec<Release>> {
        self.oldest_releases(None, |_| false)
    }

    /// The releases of this ENI in the order in which they began, but `mine` first, and no more than it takes until `enough`
    /// says so of the last one: what is left behind may be much more than one call can do anything about.
    pub fn oldest_releases(
        &self,
        mine: Option<&ReleaseId>,
        mut enough: impl FnMut(&Release) -> bool,
    ) -> Result<Vec<Release>> {
        let mut names = self.release_names(|name| name.may_be_of(&self.eni))?;
        names.sort_by_cached_key(|name| {
            (!mine.is_some_and(|mine| mine.is(name)), ReleaseName::of(name).began(), name.clone())
        });
        let mut found = Vec::new();
        for name in names {
            let Some(release) = self.read(&name) else { continue };
            let is_last = enough(&release);
            found.push(release);
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// The releases of this ENI that name any of `addresses`.
    pub fn releases_naming(&self, addresses: &[IpAddr]) -> Result<Vec<Release>> {
        let names = self.release_names(|name| name.may_name(&self.eni, addresses))?;
        let mut found: Vec<Release> = names.iter().filter_map(|name| self.read(name)).collect();
        found.retain(|release| release.allocation.ips().any(|ip| addresses.contains(&ip)));
        Ok(found)
    }

    fn release_names(&self, chosen: impl Fn(&ReleaseName<'_>) -> bool) -> Result<Vec<String>> {
        let mut names = file::names(&self.store.releasing_directory())?;
        names.retain(|name| chosen(&ReleaseName::of(name)));
        Ok(names)
    }

    /// The release with this name, if it is one of this ENI.
    fn read(&self, name: &str) -> Option<Release> {
        let read = self.store.read_releasing(name).and_then(|release| {
            let Some(mut release) = release.filter(|release| release.allocation.eni == self.eni) else {
                return Ok(None);
            };
            // Recorded, so that it ends: the next one to read it would count from its own time on.
            if release.bound_waits(Timestamp::now()) {
                self.update(&release)?;
            }
            Ok(Some(release))
        });
        // One bad file must not keep the others from being released.
        read.unwrap_or_else(|error| {
            log::error!("{error}");
            None
        })
    }

    /// Who has `address` of this ENI in use, this lock's holder included.
    pub fn owner_of(&self, address: IpAddr) -> Result<Option<Attachment>> {
        match self.handed_over.get(&address) {
            Some(owner) => Ok(Some(owner.clone())),
            None => self.store.owner_of(&self.eni, address),
        }
    }

    /// ECS has assigned `address` to `owner`, the ADD that holds this lock. Until it is recorded, nothing else says so.
    pub fn hand_over(&mut self, address: IpAddr, owner: &Attachment) {
        self.handed_over.insert(address, owner.clone());
    }

    /// Whether ECS has given `address` to this lock's holder, and no record names it yet.
    #[must_use]
    pub fn has_given(&self, address: IpAddr) -> bool {
        self.handed_over.contains_key(&address)
    }

    /// Makes it durable that other processes' records are releasing: to be called before any of them is released.
    ///
    /// # Errors
    /// When the disk refuses; then they must not be released.
    pub fn make_moves_durable(&self) -> Result<()> {
        self.store.make_moves_durable()
    }

    /// Makes durable which addresses ECS is about to be asked to unassign; only then may it be.
    ///
    /// # Errors
    /// When the disk refuses; then ECS must not be asked.
    pub fn sending(&mut self, addresses: &[IpAddr]) -> Result<()> {
        self.state.in_flight = addresses.to_vec();
        self.save()
    }

    /// ECS has answered: the request was carried out, or was not.
    ///
    /// # Errors
    /// When the disk refuses; the addresses are in doubt then.
    pub fn acknowledge(&mut self, backoff: Option<Backoff>) -> Result<()> {
        self.state.in_flight.clear();
        self.state.backoff = backoff;
        self.save()
    }

    /// The request may have been carried out, and may still be.
    ///
    /// # Errors
    /// When the disk refuses; the next holder of the lock comes to the same conclusion then.
    pub fn unknown(&mut self) -> Result<()> {
        let addresses = std::mem::take(&mut self.state.in_flight);
        self.state.mark_in_doubt(&addresses, Timestamp::now());
        self.save()
    }

    /// Remembers, or forgets, why nobody should ask at the moment.
    pub fn set_backoff(&mut self, backoff: Option<Backoff>) -> Result<()> {
        if self.state.backoff == backoff {
            return Ok(());
        }
        self.state.backoff = backoff;
        self.save()
    }

    /// Remembers, or forgets, why nobody should look into the requests in doubt at the moment.
    pub fn set_resolving(&mut self, resolving: Option<Backoff>) -> Result<()> {
        if self.state.resolving == resolving {
            return Ok(());
        }
        self.state.resolving = resolving;
        self.save()
    }

    /// Remembers that ECS has assigned `address` again, which an active record names: until this moment, a description that does
    /// not show it proves nothing.
    pub fn assigned_again(&mut self, address: IpAddr, until: Timestamp) -> Result<()> {
        self.state.mark_assigned_again(address, until, Timestamp::now());
        self.save()
    }

    /// Whether the names in the ENI's reserve have not `changed` since they were last made durable.
    pub(super) fn is_reserve_durable(&self, changed: u64) -> bool {
        self.state.reserve_durable == Some(changed)
    }

    /// Remembers, from when the state is next written, that the names in the ENI's reserve are durable that had `changed` then.
    pub(super) fn note_durable_reserve(&mut self, changed: u64) {
        self.state.reserve_durable = Some(changed);
    }

    /// Remembers that the ENI was seen to be this instance's in this boot.
    pub fn seen_here(&mut self, boot_id: &str) -> Result<()> {
        self.state.ours_in = Some(boot_id.to_owned());
        self.save()
    }

    /// Remembers whether ECS has an address left for this ENI.
    pub fn set_full(&mut self, full: bool) -> Result<()> {
        if !full && self.state.full.is_none() {
            return Ok(());
        }
        self.state.full = full.then(Timestamp::now);
        self.save()
    }

    /// Remembers that ECS refused to assign `count` addresses at once, because it has fewer left for this ENI. Of one, that
    /// means that the ENI is full.
    pub fn no_room_for(&mut self, family: Family, count: usize) -> Result<()> {
        if count <= 1 {
            return self.set_full(true);
        }
        self.state.learn_fewer_than(family, count, Timestamp::now());
        self.save()
    }

    /// Remembers that ECS has assigned `count` addresses: the ENI was not full, and so many fewer are left.
    pub fn had_room_for(&mut self, family: Family, count: usize) -> Result<()> {
        let is_news = self.state.full.take().is_some()
            | self.state.count_off(family, count)
            | self.state.assigning.get_mut(family).take().is_some();
        if is_news { self.save() } else { Ok(()) }
    }

    /// Remembers why nobody should ask for addresses of `family` at the moment; [`EniLock::had_room_for`] forgets it.
    pub fn set_assigning(&mut self, family: Family, backoff: Backoff) -> Result<()> {
        *self.state.assigning.get_mut(family) = Some(backoff);
        self.save()
    }

    /// Forgets what ECS said of the room on this ENI: addresses were released from it, and nobody knows how many are left.
    pub fn has_more_room(&mut self) -> Result<()> {
        let is_news = !self.state.fewer_than.is_empty() || self.state.full.is_some();
        self.state.fewer_than = PerFamily::default();
        self.state.full = None;
        if is_news { self.save() } else { Ok(()) }
    }

    /// Remembers, until the next boot, that ECS takes no more than `count` addresses of the family in one request about this
    /// ENI.
    pub fn takes_at_most(&mut self, family: Family, count: usize) -> Result<()> {
        self.state.learn_most_per_request(family, count, &boot_id());
        self.save()
    }

    /// Ends what is over of these records: the addresses for which `done` holds are on the ENI no more. A record that has
    /// nothing left is gone afterwards, durably.
    ///
    /// # Errors
    /// When the disk refuses; the release is tried again then, to no effect.
    pub fn finish(&self, records: &mut Vec<Release>, done: impl Fn(IpAddr) -> bool) -> Result<()> {
        let mut removed = false;
        for address in records.iter().flat_map(|record| record.allocation.ips()).filter(|it| done(*it)) {
            self.store.forget_owner_of(&self.eni, address)?;
        }
        for releasing in &mut *records {
            let before = releasing.allocation.addresses.len();
            releasing.allocation.addresses.retain(|address| !done(address.address.ip()));
            if releasing.is_over() {
                file::remove(&self.path(releasing))?;
                removed = true;
            } else if releasing.allocation.addresses.len() < before {
                self.update(releasing)?;
            }
        }
        records.retain(|releasing| !releasing.is_over());
        if removed { file::sync_directory(&self.store.releasing_directory()) } else { Ok(()) }
    }

    /// Makes a changed record durable.
    pub fn update(&self, releasing: &Release) -> Result<()> {
        self.store.replace_release(&self.path(releasing), releasing)
    }

    /// Records addresses of this ENI that nobody has, not to be released before `not_before`.
    pub fn return_to_releasing(&self, allocation: Allocation, not_before: Timestamp) -> Result<ReleaseId> {
        let progress =
            record::ReleaseProgress { not_before: Some(not_before), ..record::ReleaseProgress::default() };
        self.store
            .put_releasing(Allocation { owner: Attachment::nobody(), pod: None, ..allocation }, progress)
    }

    fn path(&self, releasing: &Release) -> PathBuf {
        self.store.releasing_directory().join(&releasing.name)
    }

    fn state_path(&self) -> PathBuf {
        self.store.eni_directory().join(format!("{}.json", self.eni))
    }

    fn save(&self) -> Result<()> {
        let path = self.state_path();
        file::replace(&path, &schema::encode_with_clock(&self.state, &path)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_ecs_said_of_the_room_on_an_eni_is_there_for_the_next_call_until_it_is_no_longer_so() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let eni = EniId::try_from("eni-1".to_owned()).unwrap();
        let (v4, v6) = (Family::V4, Family::V6);
        // What the next call knows: whether the ENI is full, and how many addresses of each family are too many.
        let after = |learn: &dyn Fn(&mut EniLock<'_>) -> Result<()>| {
            learn(&mut store.lock_eni(&eni, Deadline::after(Duration::from_mins(1))).unwrap()).unwrap();
            let (state, now) = (store.eni_state(&eni).unwrap(), Timestamp::now());
            (state.full_at(now).is_some(), state.fewer_than(v4, now), state.fewer_than(v6, now))
        };
        assert_eq!(after(&|lock| lock.no_room_for(v4, 16)), (false, Some(16), None));
        assert_eq!(after(&|lock| lock.no_room_for(v6, 4)), (false, Some(16), Some(4)));
        assert_eq!(after(&|lock| lock.no_room_for(v4, 8)), (false, Some(8), Some(4)));
        assert_eq!(after(&|lock| lock.had_room_for(v4, 6)), (false, Some(2), Some(4)));
        assert_eq!(after(&|lock| lock.had_room_for(v4, 1)), (true, None, Some(4)));
        assert_eq!(after(&|lock| lock.had_room_for(v4, 1)), (false, None, Some(4)));
        assert_eq!(after(&|lock| lock.no_room_for(v4, 1)), (true, None, Some(4)));
        assert_eq!(after(&|lock| lock.had_room_for(v4, 1)), (false, None, Some(4)));
        assert_eq!(after(&|lock| lock.no_room_for(v4, 1)), (true, None, Some(4)));
        assert_eq!(after(&|lock| lock.has_more_room()), (false, None, None));
    }

    #[test]
    fn what_ecs_takes_in_one_request_is_there_for_the_next_call() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let eni = EniId::try_from("eni-1".to_owned()).unwrap();
        let lock = store.lock_eni(&eni, Deadline::after(Duration::from_mins(1)));
        lock.unwrap().takes_at_most(Family::V6, 10).unwrap();
        let state = store.eni_state(&eni).unwrap();
        assert_eq!((state.max_per_request(Family::V6, 32), state.max_per_request(Family::V4, 32)), (10, 32));
    }
}
