//! The local store: which attachment has which addresses, and in which state.
//!
//! ```text
//! <dataDir>/            mode 0700
//!   lock                held for the moment of a transition, never across a network call; its length says how many
//!                       records are active
//!   assigning/<key>     an ADD's intent, durable before ECS is asked
//!   active/<key>        addresses in use
//!   address/<eni>-<ip>  another name of the active record that names this address
//!   reserved/<eni>/<ip> assigned to the ENI, and no pod's
//!   releasing/<key>.<time>.<unique>.<eni>.<ip>   DEL came at this time, ECS has not confirmed
//!   quarantine/         files that could not be read, set aside
//!   eni/<id>.lock       held across one mutation of that ENI in the cloud
//!   eni/<id>.queue      held by the next in line for that lock
//!   eni/<id>.json       what is remembered of that ENI from one process to the next
//!   routes.lock         held while the node's routes are changed
//!   cache/              what can be found out again
//!   metrics/            what metrics add up over calls, where `metricsFile` is set; may be lost at any time
//! ```
//! The directory that a file is in is its state and a rename is a transition, so that a kill or a power cut at any
//! instruction leaves every record whole, in the one state or the other. Finding an attachment's record opens one file by
//! name. This module knows no cloud and no CNI.
//!
//! Locks are taken in one order: an ENI's, then the store's. Whoever holds the one of the routes takes no other.

mod active_count;
mod adding;
mod adopt;
mod boots;
mod census;
mod claim;
mod clearing;
mod damaged;
mod digest;
mod eni_lock;
mod eni_state;
mod error;
mod file;
mod finding_lock;
mod flush_note;
mod giving_back;
mod inspection;
mod intent;
mod keeping;
mod listing;
mod lock;
mod owners;
mod record;
mod record_name;
mod releasing;
mod reserve;
mod reserve_listing;
mod routes_lock;
mod schema;
mod sharing;
mod taking;
mod trust;
mod waiting;
mod waits;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use adding::{Begun, Committed};
pub(crate) use adopt::Adopted;
pub(crate) use census::Census;
pub(crate) use clearing::StoreHold;
pub(crate) use eni_lock::EniLock;
pub(crate) use eni_state::{Backoff, EniState, IN_DOUBT_FOR, MAX_WAIT};
pub use error::Error;
pub(crate) use error::Result;
pub(crate) use finding_lock::FindingLock;
pub(crate) use flush_note::Flushed;
pub(crate) use giving_back::Kept;
pub(crate) use intent::{AddIntent, OpenIntent};
pub(crate) use listing::Listed;
pub use listing::State;
pub(crate) use lock::LOOK;
pub(crate) use record::{Active, Allocation, AssignRequest, Release, ReleaseProgress, join};
pub(crate) use releasing::{BegunRelease, ReleaseId, Room};
pub(crate) use reserve::{Entry, Reserved};
pub(crate) use routes_lock::RoutesLock;
pub(crate) use sharing::Demand;
pub(crate) use waiting::Holder;
pub(crate) use waits::Waits;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::attachment::Attachment;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::moment;
use record_name::{record_name, unique_name};
use schema::Misread;

/// A store in its directory. Opening it creates nothing and locks nothing.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The store in `directory`, which need not exist yet.
    ///
    /// # Errors
    /// [`Error::Untrusted`] when others can write there, or put another directory in its place.
    pub fn open(directory: &Path) -> Result<Self> {
        trust::check_directory(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The directory, for messages.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn assigning_directory(&self) -> PathBuf {
        self.directory.join("assigning")
    }

    fn active_directory(&self) -> PathBuf {
        self.directory.join("active")
    }

    fn releasing_directory(&self) -> PathBuf {
        self.directory.join("releasing")
    }

    fn eni_directory(&self) -> PathBuf {
        self.directory.join("eni")
    }

    fn quarantine_directory(&self) -> PathBuf {
        self.directory.join("quarantine")
    }

    /// Whether anything is recorded for `owner`. It takes no lock, creates no directory and parses nothing.
    pub fn knows(&self, owner: &Attachment) -> Result<bool> {
        let name = record_name(owner);
        // In the order in which a record moves, so that a record that moves meanwhile is still found.
        for directory in [self.assigning_directory(), self.active_directory()] {
            if file::exists(&directory.join(&name))? {
                return Ok(true);
            }
        }
        Ok(!self.releasing_names(&name)?.is_empty() || !self.set_aside(owner)?.is_empty())
    }

    /// The addresses that `owner` has in use.
    ///
    /// # Errors
    /// [`Error::Quarantined`] when its record is damaged, and the system's.
    pub fn active(&self, owner: &Attachment) -> Result<Option<Active>> {
        let path = self.active_directory().join(record_name(owner));
        let Some(content) = file::read(&path)? else { return Ok(None) };
        match Active::parse_of(owner, &content) {
            Ok(active) => Ok(Some(active)),
            Err(misread) => Err(self.misread(&path, misread)),
        }
    }

    /// What is remembered of an ENI; the default where nothing is, or where the file is damaged.
    ///
    /// # Errors
    /// [`Error::NewerSchema`], also when the file is not to be trusted or the system refuses.
    pub fn eni_state(&self, eni: &EniId) -> Result<EniState> {
        let path = self.eni_directory().join(format!("{eni}.json"));
        match file::read(&path)?.map(|content| schema::parse(&content)) {
            Some(Ok(state)) => Ok(state),
            Some(Err(newer @ Misread::Newer(_))) => Err(newer.into_error(&path)),
            Some(Err(Misread::Damaged(_))) | None => Ok(EniState::default()),
        }
    }

    /// Takes the lock of `eni` if nobody holds it and nobody waits for it.
    pub fn try_lock_eni(&self, eni: &EniId) -> Result<Option<EniLock<'_>>> {
        match self.turnstile(eni)?.attempt()? {
            Some(lock) => EniLock::new(self, eni.clone(), lock).map(Some),
            None => Ok(None),
        }
    }

    /// Takes the lock of `eni` in turn, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`Error::EniBusy`] and the system's.
    pub fn lock_eni(&self, eni: &EniId, deadline: Deadline) -> Result<EniLock<'_>> {
        let started = moment::now();
        self.lock_eni_unless(eni, deadline, || Ok(false))?
            .ok_or_else(|| self.eni_busy(eni, moment::since(started)))
    }

    /// Takes the lock of `eni` in turn; `None` if `deadline` passes before, or the wait becomes `needless`.
    pub fn lock_eni_unless(
        &self,
        eni: &EniId,
        deadline: Deadline,
        needless: impl FnMut() -> Result<bool>,
    ) -> Result<Option<EniLock<'_>>> {
        match self.turnstile(eni)?.wait(deadline, needless)? {
            Some(lock) => EniLock::new(self, eni.clone(), lock).map(Some),
            None => Ok(None),
        }
    }

    /// Takes the first lock of `enis` that is to be had in turn: after `patience` in vain before the first, it waits for all of them.
    /// `None` if `deadline` passes before, or the wait becomes `needless`.
    pub(crate) fn lock_any_eni(
        &self,
        enis: &[&EniId],
        patience: Duration,
        deadline: Deadline,
        needless: impl FnMut() -> Result<bool>,
    ) -> Result<Option<EniLock<'_>>> {
        let turnstiles = enis.iter().map(|eni| self.turnstile(eni)).collect::<Result<Vec<_>>>()?;
        match lock::wait_for_any(&turnstiles, patience, deadline, needless)? {
            Some((index, lock)) => EniLock::new(self, enis[index].clone(), lock).map(Some),
            None => Ok(None),
        }
    }

    /// That the lock of `eni` was waited for in vain, and behind how many others.
    #[must_use]
    pub fn eni_busy(&self, eni: &EniId, waited: Duration) -> Error {
        let behind = self.turnstile(eni).ok().as_ref().and_then(waiting::calls_before);
        Error::EniBusy { eni: eni.clone(), waited, behind }
    }

    /// The directory for what can be found out again: temporary keys, and facts of the node. It may be deleted at any time.
    #[must_use]
    pub fn cache_directory(&self) -> PathBuf {
        self.directory.join("cache")
    }

    /// What was remembered under `name`. If it cannot be read, it counts as forgotten, because it can be found out again.
    #[must_use]
    pub fn remembered<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.recalled(name).ok()?
    }

    /// The same, where it matters that it cannot be read. What is there and is not whole counts as forgotten.
    pub(crate) fn recalled<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.cache_directory().join(format!("{name}.json"));
        let Some(content) = file::read(&path)? else { return Ok(None) };
        Ok(schema::check_length(&content).ok().and_then(|()| serde_json::from_slice(&content).ok()))
    }

    /// Everything that was remembered under names with this beginning, as far as it can be read.
    pub(crate) fn all_remembered<T: DeserializeOwned>(&self, beginning: &str) -> Vec<T> {
        let names = file::names(&self.cache_directory()).unwrap_or_default();
        let names = names.iter().filter(|name| name.starts_with(beginning));
        names.filter_map(|name| self.remembered(name.strip_suffix(".json")?)).collect()
    }

    /// Remembers `facts` under `name`.
    pub fn remember(&self, name: &str, facts: &impl Serialize) -> Result<()> {
        file::make_directory(&self.cache_directory())?;
        let path = self.cache_directory().join(format!("{name}.json"));
        file::replace(&path, &schema::encode(facts, &path)?)
    }

    /// Whether there is a directory at all, and so anything that is recorded.
    pub(crate) fn is_there(&self) -> Result<bool> {
        match std::fs::metadata(&self.directory) {
            Ok(metadata) => Ok(metadata.is_dir()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("inspect", &self.directory)(error)),
        }
    }

    /// Checks that another record could be written. It takes no lock and does not create the directory.
    pub fn check_room(&self) -> Result<()> {
        let existing = self.directory.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("/"));
        file::check_room(existing)
    }

    fn turnstile(&self, eni: &EniId) -> Result<lock::Turnstile> {
        let directory = self.eni_directory();
        file::make_directory(&directory)?;
        Ok(lock::Turnstile {
            lock: directory.join(format!("{eni}.lock")),
            queue: directory.join(format!("{eni}.queue")),
        })
    }

    fn lock_path(&self) -> PathBuf {
        self.directory.join("lock")
    }

    fn lock(&self, deadline: Deadline) -> Result<lock::Lock> {
        lock::wait(&self.lock_path(), deadline)
    }

    /// Sets a damaged file aside; the error says where it is, or why it could not be moved.
    fn misread(&self, path: &Path, misread: Misread) -> Error {
        let why = match misread {
            Misread::Damaged(why) => why,
            newer @ Misread::Newer(_) => return newer.into_error(path),
        };
        let quarantine = self.quarantine_directory();
        let state = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let moved = file::make_directory(&quarantine)
            .and_then(|_| unique_name(&format!("{state}-{name}")))
            .and_then(|name| {
                let to = quarantine.join(name);
                file::rename(path, &to).map(|()| to)
            });
        if state == "active" {
            self.lose_active_count();
        }
        match moved {
            Ok(path) => Error::Quarantined { path, why },
            Err(error) => error,
        }
    }
}

#[cfg(test)]
mod tests;
