//! The life of an ADD in the store: its intent, and what becomes of it.

use std::fs::File;
use std::path::Path;

use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::logging::Event;
use crate::store::error::{Error, Result};
use crate::store::intent::{AddIntent, OpenIntent};
use crate::store::lock::Lock;
use crate::store::record::{Active, Allocation, AssignRequest, ReleaseProgress};
use crate::store::record_name::record_name;
use crate::store::schema::Misread;
use crate::store::{ReleaseId, Store, file, intent};

/// What an ADD finds when it begins.
#[derive(Debug)]
pub enum Begun {
    /// The attachment has its addresses already.
    Existing(Active),
    /// Nothing: this is the ADD's own intent.
    New {
        /// The intent.
        intent: OpenIntent,
        /// Whether this ADD has made the store: nothing was recorded before.
        first: bool,
    },
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
    /// An address has become another attachment's, or is not in the reserve any more. Nothing has changed.
    Gone,
}

impl Store {
    /// Begins an ADD: makes its intent durable, unless the attachment has addresses or another ADD under way. Waits only while
    /// the intent of a dead ADD is turned into a release.
    ///
    /// # Errors
    /// The system's; nothing has begun then.
    pub fn begin_add(&self, intention: &AddIntent, deadline: Deadline) -> Result<Begun> {
        if let Some(active) = self.active(&intention.owner)? {
            return Ok(Begun::Existing(active));
        }
        let first = file::make_directory(&self.active_directory())?;
        for directory in [
            self.assigning_directory(),
            self.address_directory(),
            self.releasing_directory(),
            self.eni_directory(),
        ] {
            file::make_directory(&directory)?;
        }
        let path = self.assigning_directory().join(record_name(&intention.owner));
        let intent = loop {
            if let Some(intent) = OpenIntent::create(&self.assigning_directory(), &path, intention.clone())? {
                break intent;
            }
            if self.has_living_add(&intention.owner, deadline)? {
                return Ok(Begun::Busy);
            }
        };
        // Another ADD may have committed between the look and the intent; none can while the intent is ours.
        match self.active(&intention.owner)? {
            Some(active) => {
                self.forget(&intent)?;
                Ok(Begun::Existing(active))
            }
            None => match self.make_own_moves_durable(&intention.owner) {
                Ok(()) => Ok(Begun::New { intent, first }),
                Err(error) => {
                    self.forget(&intent)?;
                    Err(error)
                }
            },
        }
    }

    /// A DEL of `owner` may have been killed before its move was durable. The new record takes the name that the old one had in
    /// `active/`: a power cut could then lose the move, and with it the only name of the old addresses.
    fn make_own_moves_durable(&self, owner: &Attachment) -> Result<()> {
        if self.releasing_names(&record_name(owner))?.is_empty() { Ok(()) } else { self.make_moves_durable() }
    }

    /// Ends an ADD well: its addresses are in use from here on, unless a DEL has come.
    ///
    /// # Errors
    /// The system's; the intent then still names the request, and what it assigned can be given back.
    pub fn commit(&self, intent: &OpenIntent, active: &Active, deadline: Deadline) -> Result<Committed> {
        let is_taken = || {
            let mut owners = active.0.ips().map(|address| self.owner_of(&active.0.eni, address));
            owners.find_map(|owner| owner.map(|owner| owner.map(|_| true)).transpose()).unwrap_or(Ok(false))
        };
        self.commit_unless(is_taken, intent, active, deadline)
    }

    /// The same where somebody else may have the addresses.
    pub(super) fn commit_unless(
        &self,
        is_taken: impl FnOnce() -> Result<bool>,
        intent: &OpenIntent,
        active: &Active,
        deadline: Deadline,
    ) -> Result<Committed> {
        let path = self.active_directory().join(record_name(&active.0.owner));
        let draft = file::Draft::write(&self.active_directory(), &active.encode(&path)?, |_| Ok(()))?;
        let lock = self.lock(deadline)?;
        if intent.is_deleted()? {
            return Ok(Committed::Deleted);
        }
        if is_taken()? {
            return Ok(Committed::Gone);
        }
        self.enter(active, &draft)?;
        draft.replace(&path)?;
        lock.one_more();
        if let Err(error) = file::sync_directory(&self.active_directory()) {
            // Taken back before anybody else sees it: what this ADD got is released now, and a record that stayed active
            // would take the address from whoever has it next.
            self.remove_unsure(&path, &lock)?;
            return Err(error);
        }
        let addresses: Vec<_> = active.0.ips().collect();
        if let Err(error) = self.forget_reserved(&active.0.eni, &addresses, &lock) {
            log::warn!(
                "an entry of the reserve stays beside the record of its address, which does no harm: {error}"
            );
        }
        // From here on the record is what counts. An intent that stays behind repeats a request that has no second effect,
        // and nothing is released that an active record names.
        self.end_intent(intent);
        Ok(Committed::Active)
    }

    /// Removes the active record at `path`, of which nobody knows whether it is durable.
    pub(super) fn remove_unsure(&self, path: &Path, lock: &Lock) -> Result<()> {
        lock.lose_count();
        file::remove(path)?;
        let _ = file::sync_directory(&self.active_directory());
        Ok(())
    }

    /// Removes the intent of an ADD that has its record. What is in doubt of its requests becomes releasing before.
    pub(super) fn end_intent(&self, intent: &OpenIntent) {
        let ended = intent
            .in_doubt()
            .and_then(|in_doubt| self.put_requests(intent.intention.releases_of(in_doubt)))
            .and_then(|_| self.forget(intent));
        if let Err(error) = ended {
            log::warn!("cannot remove the intent of a finished ADD, which does no harm: {error}");
        }
    }

    /// Records requests in doubt, and what was got beside them, as releasing.
    fn put_requests(&self, releases: Vec<(Allocation, Vec<AssignRequest>)>) -> Result<Vec<ReleaseId>> {
        let put = |(allocation, in_doubt)| {
            self.put_releasing(allocation, ReleaseProgress { in_doubt, ..ReleaseProgress::default() })
        };
        releases.into_iter().map(put).collect()
    }

    /// Ends an ADD badly: what it got, and what it asked for without seeing the answer, is to be released.
    ///
    /// # Errors
    /// The system's; the intent stays then and is settled later.
    pub fn abandon(&self, intent: &OpenIntent, got: Option<Allocation>) -> Result<Vec<ReleaseId>> {
        // Of a commit that could not be taken back: the record names what was got, and the pod's DEL releases it.
        if self.active(&intent.intention.owner)?.is_some() {
            return Ok(Vec::new());
        }
        let mut releases = intent.intention.releases_of(intent.in_doubt()?);
        if let Some(got) = got.filter(|got| !got.addresses.is_empty()) {
            match releases.iter_mut().find(|(allocation, _)| allocation.eni == got.eni) {
                Some((allocation, _)) => *allocation = got,
                None => releases.push((got, Vec::new())),
            }
        }
        let pending = self.put_requests(releases)?;
        self.forget(intent)?;
        Ok(pending)
    }

    pub(super) fn forget(&self, intent: &OpenIntent) -> Result<()> {
        file::remove(&intent.path)?;
        file::sync_directory(&self.assigning_directory())
    }

    /// Turns the intent of an ADD that has ended into a release of what it asked for, if it asked for anything. The caller
    /// holds the store's lock.
    pub(super) fn end_dead_intent(&self, path: &Path, dead: &File) -> Result<()> {
        let content = match intent::read(path, dead) {
            Ok(content) => content,
            Err(Error::Quarantined { why, .. }) => return Err(self.misread(path, Misread::Damaged(why))),
            Err(error) => return Err(error),
        };
        let AddIntent { owner, network, pod, since, .. } = &content.intention;
        Event::new("found an ADD that was interrupted")
            .of(owner, pod.as_ref(), network)
            .took(since.age(Timestamp::now()))
            .info();
        self.put_requests(content.intention.releases_of(content.in_doubt))?;
        file::remove(path)?;
        file::sync_directory(&self.assigning_directory())
    }

    /// Whether an ADD of `owner` is running, or was killed.
    pub fn is_assigning(&self, owner: &Attachment) -> Result<bool> {
        file::exists(&self.assigning_directory().join(record_name(owner)))
    }

    /// Whether an ADD of `owner` lives. What a dead one has asked for is releasing from here on.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Quarantined`] and the system's.
    pub fn has_living_add(&self, owner: &Attachment, deadline: Deadline) -> Result<bool> {
        let path = self.assigning_directory().join(record_name(owner));
        match intent::find(&path)? {
            Some(intent::Found::Alive(_)) => Ok(true),
            Some(intent::Found::Dead(dead)) => {
                let _lock = self.lock(deadline)?;
                self.end_dead_intent(&path, &dead).map(|()| false)
            }
            None => Ok(false),
        }
    }
}
