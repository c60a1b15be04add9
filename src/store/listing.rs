//! The store as a whole: for the commands of people, GC and STATUS, and for what earlier calls have left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::address::Address;
use crate::base::attachment::Attachment;
use crate::base::clock::Timestamp;
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::store::error::{Error, Result};
use crate::store::intent::Content;
use crate::store::record::{Active, Allocation, Release, ReleaseProgress};
use crate::store::record_name::{ReleaseName, record_name};
use crate::store::schema::Misread;
use crate::store::{ReleaseId, Store, file, intent};

/// How many intents a call that came for something else looks at.
const MOST_PROBED: usize = 16;

/// Which state a record is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// An ADD is under way, or ended without its end being known.
    Assigning,
    /// In the reserve: assigned to the ENI, and no pod's.
    Reserved,
    /// In use.
    Active,
    /// Being released: ECS has not confirmed yet.
    Releasing,
    /// Set aside, because it could not be read.
    Quarantined,
}

/// One record as a person sees it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its state.
    pub state: State,
    /// Where it is.
    pub path: PathBuf,
    /// What it says; `None` of a quarantined one, and of an ADD that has not chosen its ENI yet. Of an address in the reserve, since
    /// when it is there.
    pub allocation: Option<Allocation>,
    /// The attachment that owns it; nobody for a quarantined one and an address in the reserve.
    pub owner: Attachment,
    /// How its release has gone so far. Of an ADD, the requests whose answers are open.
    pub progress: ReleaseProgress,
    /// When its release began; `None` of what is not releasing, and of a release that an older version began.
    pub releasing_since: Option<Timestamp>,
    /// Since when an address in the reserve rests; `None` of one that came straight from ECS, and of what is in another state.
    pub rests_since: Option<Timestamp>,
}

impl State {
    /// Every state, in the order in which a record moves.
    pub const ALL: [Self; 5] =
        [Self::Assigning, Self::Reserved, Self::Active, Self::Releasing, Self::Quarantined];

    /// Its name, for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Assigning => "assigning",
            Self::Reserved => "reserved",
            Self::Active => "active",
            Self::Releasing => "releasing",
            Self::Quarantined => "quarantined",
        }
    }
}

impl Store {
    /// Every record, read without a lock. A record that moves meanwhile may be listed twice, but is never left out: but for an address
    /// that leaves the reserve and comes back, or the other way round, faster than this reads. An entry of the reserve that does not
    /// count, because a record has its address, is not listed.
    ///
    /// # Errors
    /// When a directory or a file cannot be read. Damaged records are listed, not moved.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let mut found = self.in_state(State::Assigning)?;
        // An address goes from the reserve to a pod and back, so the reserve is looked at before the active records and after them.
        let mut entries = BTreeMap::new();
        self.add_entries(&mut entries)?;
        let mut records = self.in_state(State::Active)?;
        self.add_entries(&mut entries)?;
        records.extend(self.in_state(State::Releasing)?);
        found.extend(Listed::counting(entries, &records));
        found.extend(records);
        found.extend(self.in_state(State::Quarantined)?);
        Ok(found)
    }

    /// The same at one moment, for callers who take what is not listed for nobody's: nothing goes into the reserve or out of it
    /// meanwhile. Who holds the ENI's lock as well sees all that is recorded of it.
    ///
    /// # Errors
    /// [`Error::Busy`], and those of [`Store::list`].
    pub fn list_at_once(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        if !self.is_there()? {
            return Ok(Vec::new());
        }
        let _lock = self.lock(deadline)?;
        self.list()
    }

    /// The records in a state that has a directory of its own.
    fn in_state(&self, state: State) -> Result<Vec<Listed>> {
        let directory = self.directory_of(state);
        let mut names = file::names(&directory)?;
        names.sort();
        let mut found = Vec::new();
        for name in names {
            let path = directory.join(name);
            // Gone meanwhile: it has moved on to a directory that is still to be listed, or is over.
            let Some(content) = file::read(&path)? else { continue };
            let listed = Listed::parse(state, &path, &content);
            found.push(listed.unwrap_or_else(|misread| Listed::quarantined(&path, misread)));
        }
        Ok(found)
    }

    /// Why this release waits: its own last failure, or that of its ENI, which is left alone for a while after one. `None`
    /// of a release that nobody has tried, and of what is not releasing.
    pub fn last_error_of(&self, listed: &Listed) -> Result<Option<String>> {
        match (&listed.progress.last_error, &listed.allocation) {
            (None, Some(allocation)) if listed.state == State::Releasing => {
                Ok(self.eni_state(&allocation.eni)?.backoff.map(|backoff| backoff.error))
            }
            (own, _) => Ok(own.clone()),
        }
    }

    /// How many records are in this state, by the names in its directory: nothing is opened. Of the reserve, every entry counts here.
    pub fn count(&self, state: State) -> Result<usize> {
        if state == State::Reserved {
            return Ok(self.reserved_counts()?.iter().map(|(_, count)| count).sum());
        }
        file::names(&self.directory_of(state)).map(|names| names.len())
    }

    /// Whether more than one record is active, by the first names of its directory: it takes no longer where there are many.
    pub(crate) fn has_several_active(&self) -> bool {
        let entries = std::fs::read_dir(self.active_directory()).into_iter().flatten().flatten();
        let is_record = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
        entries.filter(|entry| is_record(&entry.file_name())).nth(1).is_some()
    }

    fn directory_of(&self, state: State) -> PathBuf {
        match state {
            State::Assigning => self.assigning_directory(),
            State::Reserved => self.reserved_directory(),
            State::Active => self.active_directory(),
            State::Releasing => self.releasing_directory(),
            State::Quarantined => self.quarantine_directory(),
        }
    }

    /// Removes what killed processes left half written.
    pub fn sweep(&self) -> Result<()> {
        let of_reserve = self.reserved_enis()?;
        let of_reserve = of_reserve.iter().map(|eni| self.entries_directory(eni));
        let others = [
            self.assigning_directory(),
            self.active_directory(),
            self.releasing_directory(),
            self.eni_directory(),
            self.cache_directory(),
        ];
        for directory in others.into_iter().chain(of_reserve) {
            file::sweep(&directory)?;
        }
        Ok(())
    }

    /// Every record in use.
    ///
    /// # Errors
    /// When one cannot be read: a caller that wants to release must know them all.
    pub fn all_active(&self) -> Result<Vec<Active>> {
        let mut found = Vec::new();
        for name in file::names(&self.active_directory())? {
            let path = self.active_directory().join(&name);
            let Some(content) = file::read(&path)? else { continue };
            let active = Active::parse_if(&content, |owner| record_name(owner) == name);
            found.push(active.map_err(|misread| self.misread(&path, misread))?);
        }
        Ok(found)
    }

    /// One release for each ENI and region that has any.
    ///
    /// # Errors
    /// When the directory cannot be read. Damaged records are set aside and do not count.
    pub fn pending_by_eni(&self) -> Result<Vec<ReleaseId>> {
        let mut enis = BTreeMap::new();
        for name in file::names(&self.releasing_directory())? {
            match self.read_releasing(&name) {
                Ok(Some(releasing)) => {
                    let Allocation { eni, region, .. } = &releasing.allocation;
                    enis.insert((eni.clone(), region.clone()), releasing.pending());
                }
                Ok(None) => {}
                Err(error) => log::error!("{error}"),
            }
        }
        Ok(enis.into_values().collect())
    }

    /// How many releases there are of `eni`, by the names in the directory: nothing is opened. One whose name does not tell is
    /// counted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn count_releases_of(&self, eni: &EniId) -> Result<usize> {
        let names = file::names(&self.releasing_directory())?;
        Ok(names.iter().filter(|name| ReleaseName::of(name).may_be_of(eni)).count())
    }

    /// Whether a release or an ADD is recorded, by the names in the directories: nothing is opened.
    pub fn has_backlog(&self) -> Result<bool> {
        Ok(!file::names(&self.releasing_directory())?.is_empty()
            || !file::names(&self.assigning_directory())?.is_empty())
    }

    /// Turns the intent of one dead ADD into a release, if there is one. It looks at a few only, and passes over those that it
    /// cannot read.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn release_a_dead_intent(&self, deadline: Deadline) -> Result<()> {
        for name in file::names(&self.assigning_directory())?.into_iter().take(MOST_PROBED) {
            let path = self.assigning_directory().join(name);
            match self.release_dead_intent(&path, deadline, |_| true) {
                Ok(released) if released.is_empty() => {}
                Ok(_) => break,
                Err(error) => log::warn!("{error}"),
            }
        }
        Ok(())
    }

    /// Every ENI with a state file.
    pub fn known_enis(&self) -> Result<Vec<EniId>> {
        let names = file::names(&self.eni_directory())?;
        let ids = names.iter().filter_map(|name| name.strip_suffix(".json"));
        Ok(ids.filter_map(|id| EniId::try_from(id.to_owned()).ok()).collect())
    }

    /// Turns the intents of dead ADDs that `chosen` selects into releases, and returns these.
    ///
    /// # Errors
    /// The first failure; the rest has been done all the same.
    pub fn release_dead_intents(
        &self,
        deadline: Deadline,
        chosen: impl Fn(&intent::AddIntent) -> bool,
    ) -> Result<Vec<ReleaseId>> {
        let (mut pending, mut failure) = (Vec::new(), None);
        for name in file::names(&self.assigning_directory())? {
            match self.release_dead_intent(&self.assigning_directory().join(name), deadline, &chosen) {
                Ok(found) => pending.extend(found),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(pending), Err)
    }

    fn release_dead_intent(
        &self,
        path: &Path,
        deadline: Deadline,
        chosen: impl Fn(&intent::AddIntent) -> bool,
    ) -> Result<Vec<ReleaseId>> {
        let _lock = self.lock(deadline)?;
        let Some(intent::Found::Dead(dead)) = intent::find(path)? else { return Ok(Vec::new()) };
        match intent::read(path, &dead) {
            Ok(content) if !chosen(&content.intention) => return Ok(Vec::new()),
            Ok(content) => {
                self.end_dead_intent(path, &dead)?;
                return self.pending(&content.intention.owner);
            }
            Err(Error::Quarantined { .. }) => self.end_dead_intent(path, &dead)?,
            Err(error) => return Err(error),
        }
        Ok(Vec::new())
    }
}

impl Listed {
    /// The addresses that it names, as text.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.allocation.iter().flat_map(Allocation::ips).map(|address| address.to_string()).collect()
    }

    fn parse(state: State, path: &Path, content: &[u8]) -> std::result::Result<Self, Misread> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (owner, allocation, progress) = match state {
            State::Assigning => {
                let content = Content::parse(content)?;
                let mut allocation = content.allocation();
                if let Some(allocation) = &mut allocation {
                    let answered = content.in_doubt.iter().flat_map(|it| &it.answered);
                    allocation.addresses.extend(answered.copied().map(Address::alone));
                }
                let progress = ReleaseProgress { in_doubt: content.in_doubt, ..ReleaseProgress::default() };
                (content.intention.owner, allocation, progress)
            }
            State::Active => {
                let Active(allocation) = Active::parse_if(content, |owner| record_name(owner) == name)?;
                (allocation.owner.clone(), Some(allocation), ReleaseProgress::default())
            }
            State::Releasing => {
                let Release { allocation, progress, .. } = Release::parse("", content)?;
                (allocation.owner.clone(), Some(allocation), progress)
            }
            // The latter are read by their own form.
            State::Quarantined | State::Reserved => {
                return Err(Misread::Damaged("it was set aside earlier".into()));
            }
        };
        let releasing_since = if state == State::Releasing { ReleaseName::of(name).began() } else { None };
        let rests_since = None;
        Ok(Self { state, path: path.to_owned(), allocation, owner, progress, releasing_since, rests_since })
    }

    pub(super) fn quarantined(path: &Path, misread: Misread) -> Self {
        let why = misread.into_error(path).to_string();
        let progress = ReleaseProgress { last_error: Some(why), ..ReleaseProgress::default() };
        Self {
            state: State::Quarantined,
            path: path.to_owned(),
            allocation: None,
            owner: Attachment::nobody(),
            progress,
            releasing_since: None,
            rests_since: None,
        }
    }
}
