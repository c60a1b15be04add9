//! An ADD's intent: on disk before ECS is asked, and for as long as the ADD's end is open.
//!
//! The file is a log, one JSON object a line: whose the ADD is, then each request before it is sent, whatever was settled of
//! them, and a DEL's mark. It is appended to in place, because its ADD holds a lock on it (on the inode, which a renamed
//! file would not have) for as long as it lives: that is how others tell a slow ADD's intent from a dead one's.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::record::{self, Allocation, Ask, Misread, Owner, Pod, SCHEMA};
use super::{file, lock};
use crate::clock::Timestamp;

/// Whose ADD it is, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intention {
    /// The attachment that is to get addresses.
    pub owner: Owner,
    /// The network's name.
    pub network: String,
    /// The pod, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// The boot in which the ADD runs.
    #[serde(default)]
    pub boot_id: String,
    /// When the ADD began.
    pub since: Timestamp,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    schema: u32,
    intention: Intention,
}

/// Every later line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Event {
    /// ECS is about to be asked.
    Ask(Ask),
    /// The request with this ClientToken has assigned nothing that is not recorded elsewhere.
    Settled(String),
    /// A DEL came.
    Deleted,
}

/// What an intent's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) intention: Intention,
    /// The requests whose answers are open.
    pub(super) unanswered: Vec<Ask>,
    pub(super) deleted: bool,
}

impl Content {
    pub(super) fn parse(content: &[u8]) -> std::result::Result<Self, Misread> {
        let mut lines = content.split_inclusive(|&byte| byte == b'\n');
        let Head { intention, .. } = record::parse(lines.next().unwrap_or_default())?;
        let mut read = Self { intention, unanswered: Vec::new(), deleted: false };
        for line in lines {
            match serde_json::from_slice(line) {
                Ok(Event::Ask(ask)) => read.unanswered.push(ask),
                Ok(Event::Settled(token)) => read.unanswered.retain(|ask| ask.client_token != token),
                Ok(Event::Deleted) => read.deleted = true,
                // A line without its end was cut off while it was written, so before anybody acted upon it.
                Err(_) if !line.ends_with(b"\n") => {}
                Err(error) => return Err(Misread::Damaged(error.to_string())),
            }
        }
        Ok(read)
    }

    /// What the ADD may have got without anybody knowing: no address yet, on the ENI that it asked for. `None` of an ADD
    /// that has not asked, or whose requests are all settled.
    pub(super) fn allocation(&self) -> Option<Allocation> {
        let ask = self.unanswered.first()?;
        Some(Allocation {
            owner: self.intention.owner.clone(),
            network: self.intention.network.clone(),
            eni: ask.eni.clone(),
            region: ask.region.clone(),
            addresses: Vec::new(),
            pod: self.intention.pod.clone(),
            boot_id: self.intention.boot_id.clone(),
            since: self.intention.since,
        })
    }
}

/// The intent of this process's own ADD, locked until it is dropped.
#[derive(Debug)]
pub struct Intent {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Whose.
    pub intention: Intention,
    /// The `ClientToken`s of the requests whose answers this process has seen and keeps.
    answered: Vec<String>,
}

impl Intent {
    /// Writes the intent to `path` if nobody has one there; `None` where somebody has.
    pub(super) fn create(directory: &Path, path: &Path, intention: Intention) -> Result<Option<Self>> {
        let head = record::encode(&Head { schema: SCHEMA, intention: intention.clone() }, path)?;
        let draft = file::Draft::write(directory, &head, |file| lock::try_file(file).map(|_| ()))?;
        let Some(file) = draft.claim(path)? else { return Ok(None) };
        file::sync_directory(directory)?;
        Ok(Some(Self { file, path: path.to_owned(), intention, answered: Vec::new() }))
    }

    /// Makes it durable that ECS is about to be asked; only then may it be.
    ///
    /// # Errors
    /// When the disk refuses; then ECS must not be asked.
    pub fn ask(&mut self, ask: &Ask) -> Result<()> {
        append(&self.file, &self.path, &Event::Ask(ask.clone()))
    }

    /// Makes it durable that what the request with this ClientToken assigned, if anything, is recorded elsewhere.
    ///
    /// # Errors
    /// When the disk refuses; then the request will be repeated one day, to no effect.
    pub fn settled(&mut self, client_token: &str) -> Result<()> {
        append(&self.file, &self.path, &Event::Settled(client_token.to_owned()))
    }

    /// The answer to the request with this ClientToken has been seen: what it brought goes into the record, or into
    /// [`Store::abandon`](super::Store::abandon). The file does not say so, because it ends with either.
    pub fn answered(&mut self, client_token: &str) {
        self.answered.push(client_token.to_owned());
    }

    /// Whether any answer has been seen that brought something.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        !self.answered.is_empty()
    }

    /// The requests whose answers nobody has seen.
    pub(super) fn unanswered(&self) -> Result<Vec<Ask>> {
        let mut unanswered = read(&self.path, &self.file)?.unanswered;
        unanswered.retain(|ask| !self.answered.contains(&ask.client_token));
        Ok(unanswered)
    }

    /// Whether a DEL for this attachment came meanwhile.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_deleted(&self) -> Result<bool> {
        read(&self.path, &self.file).map(|content| content.deleted)
    }
}

/// The intent of an ADD that may be dead.
pub(super) enum Found {
    /// Its ADD lives.
    Alive(File),
    /// Its ADD has ended; nobody else can settle it while this is held.
    Dead(File),
}

/// Opens the intent at `path`; `None` where there is none (any more).
pub(super) fn find(path: &Path) -> Result<Option<Found>> {
    let Some(file) = file::open(path, OpenOptions::new().read(true).append(true))? else { return Ok(None) };
    if !lock::try_file(&file).map_err(Error::io("lock", path))? {
        return Ok(Some(Found::Alive(file)));
    }
    // Between the opening and the lock its ADD may have ended properly and taken the file away.
    Ok(same_file(&file, path)?.then_some(Found::Dead(file)))
}

/// Leaves a DEL's mark in a living ADD's intent.
pub(super) fn mark(file: &File, path: &Path) -> Result<()> {
    append(file, path, &Event::Deleted)
}

/// What an open intent says.
pub(super) fn read(path: &Path, file: &File) -> Result<Content> {
    let mut reader = file;
    reader.seek(SeekFrom::Start(0)).map_err(Error::io("read", path))?;
    Content::parse(&file::read_open(path, file)?).map_err(|misread| misread.into_error(path))
}

fn append(mut file: &File, path: &Path, event: &Event) -> Result<()> {
    // One write of one line, so that an ADD and a DEL that append at the same time do not mix their lines.
    let line = record::encode(event, path)?;
    file.write_all(&line).map_err(Error::io("write", path))?;
    file.sync_data().map_err(Error::io("make durable", path))
}

fn same_file(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata().map_err(Error::io("look at", path))?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok(named.ino() == open.ino() && named.dev() == open.dev()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}
