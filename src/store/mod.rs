//! The local store: which attachment has which addresses, and in which state.
//!
//! ```text
//! <dataDir>/            mode 0700
//!   lock                held for the moment of a transition, never across a network call
//!   assigning/<key>     an ADD's intent, durable before ECS is asked
//!   active/<key>        addresses in use
//!   address/<eni>-<ip>  another name of the active record that names this address
//!   releasing/<key>.<unique>   DEL has begun, ECS has not confirmed
//!   quarantine/         files that could not be read, set aside
//!   eni/<id>.lock       held across one mutation of that ENI in the cloud
//!   eni/<id>.json       what is remembered of that ENI from one process to the next
//!   cache/              what can be found out again
//! ```
//! The directory that a file is in is its state and a rename is a transition, so that a kill or a power cut at any
//! instruction leaves every record whole, in the one state or the other. Finding an attachment's record opens one file by
//! name. The module knows no cloud and no CNI.
//!
//! Locks are taken in one order: an ENI's, then the store's.

mod eni_state;
mod error;
mod file;
mod holders;
mod inspection;
mod intent;
mod key;
mod lease;
mod listing;
mod lock;
mod record;

use std::path::{Path, PathBuf};

pub use eni_state::{Backoff, EniState, SUSPICION};
pub use error::{Error, Result};
pub use intent::{Intent, Intention};
pub use lease::Lease;
pub use listing::{Listed, State};
pub use record::{Active, Address, Allocation, Ask, Owner, Pod, Progress, Releasing};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deadline::Deadline;
use crate::eni::EniId;
use crate::random;
use key::key;
use record::Misread;

/// A store in its directory. Opening it makes nothing and locks nothing.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

/// A release under way: the name of its record, and the ENI whose lock whoever works on it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    name: String,
    /// The ENI that has, or will turn out to have, the addresses.
    pub eni: EniId,
    /// The region of the ENI.
    pub region: String,
}

/// What an ADD finds when it begins.
#[derive(Debug)]
pub enum Begun {
    /// The attachment has its addresses already.
    Existing(Active),
    /// Nothing: this is the ADD's own intent.
    New(Intent),
    /// Another ADD for the same attachment is under way.
    Busy,
}

/// How an ADD's commit went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The addresses are the attachment's; the intent is gone.
    Active,
    /// A DEL came meanwhile: this ADD must give back what it got.
    Deleted,
}

impl Store {
    /// The store in `directory`, which need not exist yet.
    ///
    /// # Errors
    /// [`Error::Untrusted`] when others can write there.
    pub fn open(directory: &Path) -> Result<Self> {
        file::check_directory(directory)?;
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

    /// Whether anything at all is recorded of `owner`: no lock, no directory made, nothing parsed.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn knows(&self, owner: &Owner) -> Result<bool> {
        let key = key(owner);
        // In the order in which a record moves, so that one that moves meanwhile is met all the same.
        for directory in [self.assigning_directory(), self.active_directory()] {
            if file::exists(&directory.join(&key))? {
                return Ok(true);
            }
        }
        Ok(!self.releasing_names(&key)?.is_empty())
    }

    /// The addresses that `owner` has in use.
    ///
    /// # Errors
    /// [`Error::Quarantined`] when its record is damaged, and the system's.
    pub fn active(&self, owner: &Owner) -> Result<Option<Active>> {
        let path = self.active_directory().join(key(owner));
        let Some(content) = file::read(&path)? else { return Ok(None) };
        match Active::parse(&content) {
            Ok(active) => Ok(Some(active)),
            Err(misread) => Err(self.misread(&path, misread)),
        }
    }

    /// Begins an ADD: makes its intent durable, unless the attachment has addresses or another ADD under way. Waits for
    /// nothing but the settling of a dead ADD's intent.
    ///
    /// # Errors
    /// The system's; nothing has begun then.
    pub fn begin_add(&self, intention: &Intention, deadline: Deadline) -> Result<Begun> {
        if let Some(active) = self.active(&intention.owner)? {
            return Ok(Begun::Existing(active));
        }
        for directory in [
            self.assigning_directory(),
            self.active_directory(),
            self.address_directory(),
            self.releasing_directory(),
            self.eni_directory(),
        ] {
            file::make_directory(&directory)?;
        }
        let path = self.assigning_directory().join(key(&intention.owner));
        let intent = loop {
            if let Some(intent) = Intent::create(&self.assigning_directory(), &path, intention.clone())? {
                break intent;
            }
            match intent::find(&path)? {
                Some(intent::Found::Alive(_)) => return Ok(Begun::Busy),
                Some(intent::Found::Dead(dead)) => {
                    let _lock = self.lock(deadline)?;
                    self.bury(&path, &dead)?;
                }
                None => {}
            }
        };
        // Another ADD may have committed between the look and the intent; none can while the intent is ours.
        match self.active(&intention.owner)? {
            Some(active) => {
                self.forget(&intent)?;
                Ok(Begun::Existing(active))
            }
            None => Ok(Begun::New(intent)),
        }
    }

    /// Ends an ADD well: its addresses are in use from here on, unless a DEL has come.
    ///
    /// # Errors
    /// The system's; the intent then still names the request, and what it assigned can be given back.
    pub fn commit(&self, intent: &Intent, active: &Active, deadline: Deadline) -> Result<Committed> {
        let path = self.active_directory().join(key(&active.0.owner));
        let draft = file::Draft::write(&self.active_directory(), &active.encode(&path)?, |_| Ok(()))?;
        let _lock = self.lock(deadline)?;
        if intent.is_deleted()? {
            return Ok(Committed::Deleted);
        }
        self.enter(active, &draft)?;
        draft.replace(&path)?;
        if let Err(error) = file::sync_directory(&self.active_directory()) {
            // Taken back before anybody else sees it: what this ADD got is released now, and a record that stayed active
            // would take the address from whoever has it next.
            file::remove(&path)?;
            let _ = file::sync_directory(&self.active_directory());
            return Err(error);
        }
        // From here on the record is what counts. An intent that stays behind repeats a request that has no second effect,
        // and nothing is released that an active record names.
        if let Err(error) = self.forget(intent) {
            log::warn!("the intent of a finished ADD stays behind: {error}");
        }
        Ok(Committed::Active)
    }

    /// Ends an ADD badly: what it got, and what it asked for without seeing the answer, is to be released. `None` where
    /// that is nothing.
    ///
    /// # Errors
    /// The system's; the intent stays then and is settled later.
    pub fn abandon(&self, intent: &Intent, got: Option<Allocation>) -> Result<Option<Pending>> {
        // Of a commit that could not be taken back: the record names what was got, and the pod's DEL releases it.
        if self.active(&intent.intention.owner)?.is_some() {
            return Ok(None);
        }
        let unanswered = intent.unanswered()?;
        let pending = match got {
            Some(got) if !(got.addresses.is_empty() && unanswered.is_empty()) => {
                Some(self.put_releasing(got, Progress { unanswered, ..Progress::default() })?)
            }
            _ => None,
        };
        self.forget(intent)?;
        Ok(pending)
    }

    fn forget(&self, intent: &Intent) -> Result<()> {
        file::remove(&intent.path)?;
        file::sync_directory(&self.assigning_directory())
    }

    /// Begins a DEL: what `owner` has is releasing from here on, and an ADD of its that is under way is marked, so that it
    /// undoes itself. Returns every release of this owner that is not confirmed, older ones included.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Quarantined`] and the system's.
    pub fn begin_release(&self, owner: &Owner, deadline: Deadline) -> Result<Vec<Pending>> {
        let _lock = self.lock(deadline)?;
        let key = key(owner);
        let path = self.assigning_directory().join(&key);
        match intent::find(&path)? {
            Some(intent::Found::Alive(file)) => intent::mark(&file, &path)?,
            Some(intent::Found::Dead(dead)) => self.bury(&path, &dead)?,
            None => {}
        }
        if self.active(owner)?.is_some() {
            self.move_to_releasing(&key)?;
            return self.pending(owner);
        }
        let pending = self.pending(owner)?;
        if !pending.is_empty() {
            self.make_moves_durable()?;
        }
        Ok(pending)
    }

    /// Begins the release of this very record, for who has not been told to by a DEL: an ADD whose result nobody reads, GC, a
    /// person. Another record of the same attachment is not touched: a DEL may have come meanwhile, and another ADD.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Quarantined`] and the system's.
    pub fn begin_release_of(&self, active: &Active, deadline: Deadline) -> Result<Vec<Pending>> {
        let _lock = self.lock(deadline)?;
        let owner = &active.0.owner;
        if self.active(owner)?.as_ref() != Some(active) {
            return Ok(Vec::new());
        }
        self.move_to_releasing(&key(owner))?;
        self.pending(owner)
    }

    fn move_to_releasing(&self, key: &str) -> Result<()> {
        let to = self.releasing_directory().join(unique_name(key)?);
        file::rename(&self.active_directory().join(key), &to)
    }

    /// Makes it durable that records have moved from active to releasing. Whoever moved them may not have got so far, and
    /// may be dead; were an address released before that, a power cut could bring its record back as active.
    fn make_moves_durable(&self) -> Result<()> {
        for directory in [self.releasing_directory(), self.active_directory()] {
            if file::exists(&directory)? {
                file::sync_directory(&directory)?;
            }
        }
        Ok(())
    }

    /// The releases of `owner` that ECS has not confirmed.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn pending(&self, owner: &Owner) -> Result<Vec<Pending>> {
        let mut pending = Vec::new();
        for name in self.releasing_names(&key(owner))? {
            if let Some(releasing) = self.read_releasing(&name)? {
                pending.push(releasing.pending());
            }
        }
        Ok(pending)
    }

    /// Whether ECS has not confirmed this release yet.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_pending(&self, pending: &Pending) -> Result<bool> {
        file::exists(&self.releasing_directory().join(&pending.name))
    }

    /// Whether an ADD of `owner` is under way, or has ended without anybody knowing how.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_assigning(&self, owner: &Owner) -> Result<bool> {
        file::exists(&self.assigning_directory().join(key(owner)))
    }

    /// Whether an ADD of `owner` lives. What a dead one has asked for is releasing from here on.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Quarantined`] and the system's.
    pub fn has_living_add(&self, owner: &Owner, deadline: Deadline) -> Result<bool> {
        let path = self.assigning_directory().join(key(owner));
        match intent::find(&path)? {
            Some(intent::Found::Alive(_)) => Ok(true),
            Some(intent::Found::Dead(dead)) => {
                let _lock = self.lock(deadline)?;
                self.bury(&path, &dead).map(|()| false)
            }
            None => Ok(false),
        }
    }

    /// The record of this release; `None` when it is done.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn releasing(&self, pending: &Pending) -> Result<Option<Releasing>> {
        self.read_releasing(&pending.name)
    }

    /// Records addresses that nobody has, to be released: orphans, and what an ADD must not use.
    ///
    /// # Errors
    /// The system's.
    pub fn put_releasing(&self, allocation: Allocation, progress: Progress) -> Result<Pending> {
        file::make_directory(&self.releasing_directory())?;
        file::make_directory(&self.eni_directory())?;
        let name = unique_name(&key(&allocation.owner))?;
        let path = self.releasing_directory().join(&name);
        let releasing = Releasing { name, allocation, progress };
        file::replace(&path, &releasing.encode(&path)?)?;
        Ok(releasing.pending())
    }

    /// What is remembered of an ENI; the default where nothing is, or nothing that can be read.
    ///
    /// # Errors
    /// When the file is not to be trusted or the system refuses.
    pub fn eni_state(&self, eni: &EniId) -> Result<EniState> {
        let content = file::read(&self.eni_directory().join(format!("{eni}.json")))?;
        Ok(content.and_then(|content| record::parse(&content).ok()).unwrap_or_default())
    }

    /// Takes the lock of `eni` if nobody holds it.
    ///
    /// # Errors
    /// The system's.
    pub fn try_lease(&self, eni: &EniId) -> Result<Option<Lease<'_>>> {
        match lock::attempt(&self.eni_lock(eni)?)? {
            Some(lock) => Lease::new(self, eni.clone(), lock).map(Some),
            None => Ok(None),
        }
    }

    /// Takes the lock of `eni`, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`Error::Busy`] and the system's.
    pub fn wait_lease(&self, eni: &EniId, deadline: Deadline) -> Result<Lease<'_>> {
        Lease::new(self, eni.clone(), lock::wait(&self.eni_lock(eni)?, deadline)?)
    }

    /// The directory for what can be found out again: temporary keys, and facts of the node. It may be deleted at any time.
    #[must_use]
    pub fn cache_directory(&self) -> PathBuf {
        self.directory.join("cache")
    }

    /// What was remembered under `name`; nothing where that cannot be read, because it can be found out again.
    #[must_use]
    pub fn remembered<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let content = file::read(&self.cache_directory().join(format!("{name}.json"))).ok()??;
        record::check_length(&content).ok()?;
        serde_json::from_slice(&content).ok()
    }

    /// Remembers `facts` under `name`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remember(&self, name: &str, facts: &impl Serialize) -> Result<()> {
        file::make_directory(&self.cache_directory())?;
        let path = self.cache_directory().join(format!("{name}.json"));
        file::replace(&path, &record::encode(facts, &path)?)
    }

    /// Whether another record could be written: tried without a lock, and without making the directory.
    ///
    /// # Errors
    /// The system's, or that the directory is not to be trusted.
    pub fn check_room(&self) -> Result<()> {
        let existing = self.directory.ancestors().find(|it| it.is_dir()).unwrap_or(Path::new("/"));
        file::check_room(existing)
    }

    fn eni_lock(&self, eni: &EniId) -> Result<PathBuf> {
        file::make_directory(&self.eni_directory())?;
        Ok(self.eni_directory().join(format!("{eni}.lock")))
    }

    fn lock(&self, deadline: Deadline) -> Result<lock::Lock> {
        lock::wait(&self.directory.join("lock"), deadline)
    }

    /// Turns the intent of an ADD that has ended into a release of what it asked for, if it asked for anything.
    fn bury(&self, path: &Path, dead: &std::fs::File) -> Result<()> {
        let content = match intent::read(path, dead) {
            Ok(content) => content,
            Err(Error::Quarantined { why, .. }) => return Err(self.misread(path, Misread::Damaged(why))),
            Err(error) => return Err(error),
        };
        if let Some(allocation) = content.allocation() {
            self.put_releasing(
                allocation,
                Progress { unanswered: content.unanswered, ..Progress::default() },
            )?;
        }
        file::remove(path)?;
        file::sync_directory(&self.assigning_directory())
    }

    fn read_releasing(&self, name: &str) -> Result<Option<Releasing>> {
        let path = self.releasing_directory().join(name);
        let Some(content) = file::read(&path)? else { return Ok(None) };
        Releasing::parse(name, &content).map(Some).map_err(|misread| self.misread(&path, misread))
    }

    fn releasing_names(&self, key: &str) -> Result<Vec<String>> {
        let mut names = file::names(&self.releasing_directory())?;
        names.retain(|name| name.split_once('.').is_some_and(|(owner, _)| owner == key));
        Ok(names)
    }

    /// Sets a damaged file aside; the error says where it is, or why it could not be moved.
    fn misread(&self, path: &Path, misread: Misread) -> Error {
        let why = match misread {
            Misread::Damaged(why) => why,
            newer @ Misread::Newer(_) => return newer.into_error(path),
        };
        let quarantine = self.directory.join("quarantine");
        let state = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let moved = file::make_directory(&quarantine)
            .and_then(|()| unique_name(&format!("{state}-{name}")))
            .and_then(|name| {
                let to = quarantine.join(name);
                file::rename(path, &to).map(|()| to)
            });
        match moved {
            Ok(path) => Error::Quarantined { path, why },
            Err(error) => error,
        }
    }
}

/// `prefix`, a dot and something that no other name has.
fn unique_name(prefix: &str) -> Result<String> {
    let unique = random::hex128().map_err(Error::io("read", Path::new("/dev/urandom")))?;
    Ok(format!("{prefix}.{}", &unique[..16]))
}
