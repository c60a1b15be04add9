//! The life of a release in the store: from the DEL, or another caller that begins it, until ECS has confirmed.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::logging::{self, Event};
use crate::base::region::RegionId;
use crate::store::error::{Error, Result};
use crate::store::lock::Lock;
use crate::store::record::{Active, Allocation, Release, ReleaseProgress};
use crate::store::record_name::{ReleaseName, record_name, release_name};
use crate::store::schema::Misread;
use crate::store::{Store, file, intent};

/// A release under way: the name of its record, and the ENI that has to be locked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseId {
    name: String,
    /// The ENI that has, or will turn out to have, the addresses.
    pub eni: EniId,
    /// The region of the ENI.
    pub region: RegionId,
}

impl ReleaseId {
    /// Whether its record has this name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// What a DEL has begun: from here on the attachment has nothing in use, and that is durable.
#[derive(Debug)]
pub struct BegunRelease {
    /// The attachment's releases that ECS has not confirmed, older ones included.
    pub pending: Vec<ReleaseId>,
    /// Why more could not be done at once. A durable file names the addresses all the same, and later calls find it.
    pub unfinished: Option<Error>,
    /// What went into the reserve instead, if anything did: nothing of it is to be released.
    pub kept: Option<Allocation>,
}

/// For which records the reserve has room.
#[allow(missing_debug_implementations, reason = "it holds a function")]
pub struct Room<'a> {
    /// The most entries of a network on an ENI in each family.
    pub entries: usize,
    /// Whether the addresses of this record are fit for another pod.
    pub is_fit: &'a dyn Fn(&Active) -> bool,
}

impl Store {
    /// Begins a DEL: moves the record of `owner` to releasing, or into the reserve where that has `room`, and marks an ADD of
    /// `owner` that is still running, so that the ADD undoes itself. The move to releasing needs no room on the disk; where the
    /// reserve cannot be written, the record goes there.
    ///
    /// # Errors
    /// [`Busy`](super::Error::Busy), [`Quarantined`](super::Error::Quarantined) and the system's.
    pub fn begin_release(
        &self,
        owner: &Attachment,
        room: Option<&Room<'_>>,
        deadline: Deadline,
    ) -> Result<BegunRelease> {
        let lock = self.lock(deadline)?;
        let path = self.assigning_directory().join(record_name(owner));
        let mut unfinished = None;
        match intent::find(&path)? {
            Some(intent::Found::Alive(file)) => intent::mark(&file, &path)?,
            Some(intent::Found::Dead(dead)) => match self.end_dead_intent(&path, &dead) {
                // The intent stays, and is as durable as the release that it could not become.
                Err(error @ Error::Io { .. }) => unfinished = Some(error),
                ended => ended?,
            },
            None => {}
        }
        if let Some(active) = self.active(owner)? {
            let kept = match room {
                Some(room) if (room.is_fit)(&active) => self.move_to_reserve(&active, room.entries, &lock)?,
                _ => false,
            };
            if kept {
                let pending = self.pending(owner).unwrap_or_else(|error| {
                    unfinished = Some(error);
                    Vec::new()
                });
                return Ok(BegunRelease { pending, unfinished, kept: Some(active.0) });
            }
            let moved = self.move_to_releasing(&active, &lock)?;
            let pending = self.pending(owner).unwrap_or_else(|error| {
                unfinished = Some(error);
                vec![moved]
            });
            return Ok(BegunRelease { pending, unfinished, kept: None });
        }
        let pending = self.pending(owner)?;
        if !pending.is_empty() {
            self.make_moves_durable()?;
        }
        Ok(BegunRelease { pending, unfinished, kept: None })
    }

    /// Begins the release of exactly this record, for callers other than a DEL: an ADD that nobody reads the result of, GC, a
    /// person. If the attachment has another record by now, that record stays: a DEL and another ADD may have come between.
    ///
    /// # Errors
    /// [`Busy`](super::Error::Busy), [`Quarantined`](super::Error::Quarantined) and the system's.
    pub fn begin_release_of(&self, active: &Active, deadline: Deadline) -> Result<Vec<ReleaseId>> {
        let lock = self.lock(deadline)?;
        let owner = &active.0.owner;
        if self.active(owner)?.as_ref() != Some(active) {
            return Ok(Vec::new());
        }
        self.move_to_releasing(active, &lock)?;
        self.pending(owner)
    }

    pub(super) fn move_to_releasing(&self, Active(allocation): &Active, lock: &Lock) -> Result<ReleaseId> {
        let name = release_name(allocation, &[])?;
        let from = self.active_directory().join(record_name(&allocation.owner));
        let to = self.releasing_directory().join(&name);
        let moved = match file::rename(&from, &to) {
            // Even a name can need a block more. What can be found out again makes room for it.
            Err(error) if error.is_full_disk() && file::exists(&from)? => {
                log::warn!("{error}: removing the cache to make room");
                file::clear(&self.cache_directory());
                file::rename(&from, &to)
            }
            moved => moved,
        };
        moved.inspect_err(|_| lock.lose_count())?;
        lock.one_less();
        Ok(ReleaseId { name, eni: allocation.eni.clone(), region: allocation.region.clone() })
    }

    /// Makes it durable that records have moved from active to releasing. The process that moved them may have died before
    /// it did so. If an address were released first, a power cut could bring its record back as active.
    pub(super) fn make_moves_durable(&self) -> Result<()> {
        for directory in [self.releasing_directory(), self.active_directory()] {
            if file::exists(&directory)? {
                file::sync_directory(&directory)?;
            }
        }
        Ok(())
    }

    /// The releases of `owner` that ECS has not confirmed.
    pub fn pending(&self, owner: &Attachment) -> Result<Vec<ReleaseId>> {
        let mut pending = Vec::new();
        for name in self.releasing_names(&record_name(owner))? {
            if let Some(releasing) = self.read_releasing(&name)? {
                pending.push(releasing.pending());
            }
        }
        Ok(pending)
    }

    /// Whether ECS has not confirmed this release yet.
    pub fn is_pending(&self, pending: &ReleaseId) -> Result<bool> {
        file::exists(&self.releasing_directory().join(&pending.name))
    }

    /// The record of this release; `None` when it is done.
    pub fn releasing(&self, pending: &ReleaseId) -> Result<Option<Release>> {
        self.read_releasing(&pending.name)
    }

    /// Records addresses that no pod uses as releasing: orphans, and addresses that an ADD must not use.
    pub fn put_releasing(&self, allocation: Allocation, progress: ReleaseProgress) -> Result<ReleaseId> {
        file::make_directory(&self.releasing_directory())?;
        file::make_directory(&self.eni_directory())?;
        let name = release_name(&allocation, &progress.in_doubt)?;
        let path = self.releasing_directory().join(&name);
        let releasing = Release { name, allocation, progress };
        file::replace(&path, &releasing.encode(&path)?)?;
        Ok(releasing.pending())
    }

    pub(super) fn read_releasing(&self, name: &str) -> Result<Option<Release>> {
        let path = self.releasing_directory().join(name);
        let Some(content) = file::read(&path)? else { return Ok(None) };
        match Release::parse(name, &content) {
            Ok(release) => Ok(Some(release)),
            Err(Misread::Damaged(why)) => match self.mend_release(name)? {
                Some(mended) => Ok(Some(mended)),
                None => Err(self.misread(&path, Misread::Damaged(why))),
            },
            Err(newer) => Err(self.misread(&path, newer)),
        }
    }

    pub(super) fn releasing_names(&self, record_name: &str) -> Result<Vec<String>> {
        let mut names = file::names(&self.releasing_directory())?;
        names.retain(|name| ReleaseName::of(name).record() == record_name);
        Ok(names)
    }
}

impl Release {
    /// Whether nothing is left of it to release.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.allocation.addresses.is_empty() && self.progress.in_doubt.is_empty()
    }

    /// The release whose record this is.
    #[must_use]
    pub fn pending(&self) -> ReleaseId {
        let Allocation { eni, region, .. } = &self.allocation;
        ReleaseId { name: self.name.clone(), eni: eni.clone(), region: region.clone() }
    }

    /// When it began: when the DEL came. Of a release that an older version began, when its addresses were assigned.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        ReleaseName::of(&self.name).began().unwrap_or(self.allocation.since)
    }

    /// A line of the log about some of its addresses: how often ECS was asked, this time included, and how long it has taken.
    pub(crate) fn event(&self, message: &'static str, addresses: impl IntoIterator<Item = IpAddr>) -> Event {
        let event = self.allocation.event(message).addresses(addresses);
        // The name of the record tells the second; how long this call has been there is known better.
        let (age, call) = (self.began().age(Timestamp::now()), logging::elapsed());
        let took = if age < call + Duration::from_secs(1) { age.min(call) } else { age };
        event.attempt(self.progress.attempts.saturating_add(1)).took(took)
    }

    /// Whether this is the record behind `pending`.
    #[must_use]
    pub fn is(&self, pending: &ReleaseId) -> bool {
        self.name == pending.name
    }
}
