//! An ADD's intent: on disk before ECS is asked, and for as long as the ADD's end is open.
//!
//! The file is a log, a JSON text sequence (RFC 7464): whose the ADD is, then each request before it is sent, whatever was
//! settled of them, and a DEL's mark. It is appended to in place, because its ADD holds a lock on it (on the inode, which a
//! renamed file would not have) for as long as it lives: that is how others tell a slow ADD's intent from a dead one's.
//!
//! A text that begins with a NUL is a hint: it saves work, and nothing is lost without it. It is not made durable. Versions that
//! know no hints pass over it, because they take it for a text that a power cut tore; so does every version over a hint that
//! it cannot read.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::attachment::{Attachment, Pod};
use crate::base::clock::{Clock, Timestamp};
use crate::base::file_lock::try_lock;
use crate::store::error::{Error, Result};
use crate::store::record::{Allocation, AssignRequest};
use crate::store::schema::{Misread, SCHEMA};
use crate::store::waits::Waits;
use crate::store::{digest, file, schema};

/// Whose ADD it is, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddIntent {
    /// The attachment that is to get addresses.
    pub owner: Attachment,
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

/// Stands before each text. A full disk can cut a text short, and where the next one begins must be clear all the same.
const BEGIN: u8 = 0x1e;

/// Stands before each hint, after [`BEGIN`].
const HINT: u8 = 0;

/// The first text of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    schema: u32,
    intention: AddIntent,
}

/// Every later text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Event {
    /// ECS is about to be asked.
    Ask(AssignRequest),
    /// The request with this ClientToken has assigned nothing that is not recorded elsewhere.
    Settled(String),
    /// A DEL came.
    Deleted,
}

/// A text that may be missing: one of these. What a later version notes besides is passed over.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Hint {
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<NotedAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Waits>,
}

/// The request with this ClientToken was answered with these addresses.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NotedAnswer {
    client_token: String,
    addresses: Vec<IpAddr>,
}

/// What an intent's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) intention: AddIntent,
    /// The requests that nothing is recorded of elsewhere, with their answers where the ADD has noted them.
    pub(super) in_doubt: Vec<AssignRequest>,
    pub(super) deleted: bool,
    /// What the ADD waits for, where it has said so.
    pub(super) waits: Option<Waits>,
}

impl Content {
    pub(super) fn parse(content: &[u8]) -> std::result::Result<Self, Misread> {
        schema::check_length(content)?;
        let mut texts = content.split(|&byte| byte == BEGIN);
        if texts.next().is_none_or(|before| !before.is_empty()) {
            return Err(Misread::Damaged("it does not start like the intent of an ADD".into()));
        }
        let head = whole(texts.next().unwrap_or_default()).unwrap_or_default();
        // All moments are those of the ADD's process, by one clock.
        let (Head { intention, .. }, clock) = schema::parse_parts(head)?;
        let mut read = Self { intention, in_doubt: Vec::new(), deleted: false, waits: None };
        for text in texts {
            if let Some(hint) = text.strip_prefix(&[HINT]) {
                Clock::translate(clock.as_ref(), || read.take_hint(hint));
                continue;
            }
            // Nobody has acted upon one that is not whole.
            let Some(text) = whole(text) else { continue };
            match Clock::translate(clock.as_ref(), || serde_json::from_slice(text)) {
                Ok(Event::Ask(ask)) => read.in_doubt.push(ask),
                Ok(Event::Settled(token)) => read.in_doubt.retain(|ask| ask.client_token != token),
                Ok(Event::Deleted) => read.deleted = true,
                Err(error) => return Err(Misread::Damaged(error.to_string())),
            }
        }
        Ok(read)
    }

    fn take_hint(&mut self, text: &[u8]) {
        let Some(text) = whole(text).filter(|text| digest::is_intact(text)) else { return };
        let Ok(Hint { answered, waits }) = serde_json::from_slice(text) else { return };
        self.waits = waits.or(self.waits.take());
        let Some(NotedAnswer { client_token, addresses }) = answered else { return };
        if let Some(ask) = self.in_doubt.iter_mut().find(|ask| ask.client_token == client_token) {
            ask.answered = addresses;
        }
    }

    /// What the ADD may have got without anybody knowing: no address yet, on the ENI that it asked for first. `None` of an ADD
    /// that has not asked, or whose requests are all settled.
    pub(super) fn allocation(&self) -> Option<Allocation> {
        Some(self.intention.allocation(self.in_doubt.first()?))
    }
}

impl AddIntent {
    /// What a request of the ADD may have brought: no address yet.
    fn allocation(&self, ask: &AssignRequest) -> Allocation {
        Allocation {
            owner: self.owner.clone(),
            network: self.network.clone(),
            eni: ask.eni.clone(),
            region: ask.region.clone(),
            addresses: Vec::new(),
            pod: self.pod.clone(),
            boot_id: self.boot_id.clone(),
            since: self.since,
        }
    }

    /// The releases of these requests, one for each ENI: whoever holds the ENI's lock finds all that is about it.
    pub(super) fn releases_of(&self, in_doubt: Vec<AssignRequest>) -> Vec<(Allocation, Vec<AssignRequest>)> {
        let mut releases: Vec<(Allocation, Vec<AssignRequest>)> = Vec::new();
        for ask in in_doubt {
            match releases.iter_mut().find(|(allocation, _)| allocation.eni == ask.eni) {
                Some((_, asks)) => asks.push(ask),
                None => releases.push((self.allocation(&ask), vec![ask])),
            }
        }
        releases
    }
}

/// The text at the beginning of `bytes`, unless it was never written to its end: a full disk leaves its end out, and a power
/// cut can leave zeros in the place of any of it, or behind the text before.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let text = bytes.split_inclusive(|&byte| byte == b'\n').next()?;
    (text.ends_with(b"\n") && !text.contains(&0)).then_some(text)
}

/// The intent of this process's own ADD, locked until it is dropped.
#[derive(Debug)]
pub struct OpenIntent {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Whose.
    pub intention: AddIntent,
    /// The `ClientToken`s of the requests whose answers this process has seen and keeps.
    acknowledged: Vec<String>,
    /// How many requests are neither acknowledged nor resolved.
    open: usize,
}

impl OpenIntent {
    /// Writes the intent to `path` if nobody has one there; `None` where somebody has.
    pub(super) fn create(directory: &Path, path: &Path, intention: AddIntent) -> Result<Option<Self>> {
        let head = Head { schema: SCHEMA, intention: intention.clone() };
        let head = text(&schema::encode_with_clock(&head, path)?);
        let draft = file::Draft::write(directory, &head, |file| try_lock(file).map(|_| ()))?;
        let Some(file) = draft.claim(path)? else { return Ok(None) };
        file::sync_directory(directory)?;
        Ok(Some(Self { file, path: path.to_owned(), intention, acknowledged: Vec::new(), open: 0 }))
    }

    /// Makes it durable that ECS is about to be asked; only then may it be.
    ///
    /// # Errors
    /// When the disk refuses; then ECS must not be asked.
    pub fn ask(&mut self, ask: &AssignRequest) -> Result<()> {
        self.ask_without_sync(ask)?;
        self.sync()
    }

    /// The same without making it durable: [`OpenIntent::sync`] has to come before ECS is asked.
    pub(super) fn ask_without_sync(&mut self, ask: &AssignRequest) -> Result<()> {
        self.open += 1;
        write_event(&self.file, &self.path, &Event::Ask(ask.clone()))
    }

    /// Makes durable what was recorded.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }

    /// Says what the ADD waits for, so that whoever asks ECS asks for it too. It is not made durable: a power cut ends the ADD.
    pub(crate) fn wait_for(&self, waits: Waits) {
        self.hint(&Hint { waits: Some(waits), ..Hint::default() });
    }

    /// Makes it durable that what the request with this ClientToken assigned, if anything, is recorded elsewhere.
    ///
    /// # Errors
    /// When the disk refuses; then the request will be repeated one day, to no effect.
    pub fn resolve(&mut self, client_token: &str) -> Result<()> {
        append(&self.file, &self.path, &Event::Settled(client_token.to_owned()))?;
        self.open = self.open.saturating_sub(1);
        Ok(())
    }

    /// Notes what the request with this ClientToken has brought: if this process is killed now, its addresses can be released
    /// without the request being repeated. It is not made durable, and its failure costs no more than that repetition.
    pub fn note_answer(&self, client_token: &str, addresses: &[IpAddr]) {
        let answered = NotedAnswer { client_token: client_token.to_owned(), addresses: addresses.to_vec() };
        self.hint(&Hint { answered: Some(answered), ..Hint::default() });
    }

    fn hint(&self, hint: &Hint) {
        let noted = schema::encode(hint, &self.path).and_then(|text| {
            let text = [&[BEGIN, HINT], digest::seal(text).as_slice()].concat();
            write_at_once(&self.file, &text).map_err(Error::io("write", &self.path))
        });
        if let Err(error) = noted {
            log::debug!("{error}");
        }
    }

    /// The answer to the request with this ClientToken has been seen: what it brought goes into the record, or into
    /// [`Store::abandon`](super::Store::abandon). The file does not say so, because it ends with either.
    pub fn acknowledge(&mut self, client_token: &str) {
        self.acknowledged.push(client_token.to_owned());
        self.open = self.open.saturating_sub(1);
    }

    /// What the acknowledged requests have brought is recorded elsewhere.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn resolve_acknowledged(&mut self) -> Result<()> {
        for token in std::mem::take(&mut self.acknowledged) {
            append(&self.file, &self.path, &Event::Settled(token))?;
        }
        Ok(())
    }

    /// Whether any answer has been seen that brought something.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        !self.acknowledged.is_empty()
    }

    /// The requests whose answers nobody has seen, or has acted upon.
    pub(super) fn in_doubt(&self) -> Result<Vec<AssignRequest>> {
        if self.open == 0 {
            return Ok(Vec::new());
        }
        let mut in_doubt = read(&self.path, &self.file)?.in_doubt;
        in_doubt.retain(|ask| !self.acknowledged.contains(&ask.client_token));
        Ok(in_doubt)
    }

    /// Whether a DEL for this attachment came meanwhile.
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
    if !try_lock(&file).map_err(Error::io("lock", path))? {
        return Ok(Some(Found::Alive(file)));
    }
    // Between the opening and the lock its ADD may have ended properly and taken the file away.
    Ok(same_file(&file, path)?.then_some(Found::Dead(file)))
}

/// Leaves a DEL's mark in a living ADD's intent, unless that ADD is one of a later version, which may read it differently.
pub(super) fn mark(file: &File, path: &Path) -> Result<()> {
    match read(path, file) {
        // Its ADD alone can tell whether a damaged one matters.
        Ok(_) | Err(Error::Quarantined { .. }) => append(file, path, &Event::Deleted),
        Err(error) => Err(error),
    }
}

/// What an open intent says.
pub(super) fn read(path: &Path, file: &File) -> Result<Content> {
    let mut reader = file;
    reader.seek(SeekFrom::Start(0)).map_err(Error::io("read", path))?;
    Content::parse(&file::read_open(path, file)?).map_err(|misread| misread.into_error(path))
}

/// A text of the sequence.
fn text(line: &[u8]) -> Vec<u8> {
    [&[BEGIN], line].concat()
}

fn write_event(file: &File, path: &Path, event: &Event) -> Result<()> {
    write_at_once(file, &text(&schema::encode(event, path)?)).map_err(Error::io("write", path))
}

fn append(file: &File, path: &Path, event: &Event) -> Result<()> {
    write_event(file, path, event)?;
    file.sync_data().map_err(Error::io("sync", path))
}

/// One write, so that an ADD and a DEL that append at the same time do not mix their texts. What a short one has left out
/// could come behind the other's, and is not sent after.
fn write_at_once(mut file: &File, text: &[u8]) -> io::Result<()> {
    loop {
        return match file.write(text) {
            Ok(written) if written == text.len() => Ok(()),
            Ok(_) => Err(io::Error::other("it was written only in part; is the disk full?")),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
    }
}

fn same_file(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata().map_err(Error::io("inspect", path))?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok(named.ino() == open.ino() && named.dev() == open.dev()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("inspect", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "\u{1e}{\"schema\":1,\"intention\":{\"owner\":{\"containerId\":\"c\",\"ifname\":\"eth0\"},\
        \"network\":\"pods\",\"since\":\"2026-11-22T09:12:44.250Z\"}}\n";
    const ASK: &str = "\u{1e}{\"ask\":{\"networkInterfaceId\":\"eni-1\",\"regionId\":\"cn-hangzhou\",\
        \"clientToken\":\"t1\",\"openUntil\":\"2026-11-22T09:12:44.250Z\"}}\n";
    const ANSWERED: &str =
        "\u{1e}\0{\"answered\":{\"clientToken\":\"t1\",\"addresses\":[\"192.168.0.7\"]}}\n";
    const DELETED: &str = "\u{1e}\"deleted\"\n";

    fn parse(content: &str) -> std::result::Result<Content, String> {
        Content::parse(content.as_bytes()).map_err(|misread| match misread {
            Misread::Newer(schema) => schema.to_string(),
            Misread::Damaged(why) => why,
        })
    }

    #[test]
    fn a_text_that_a_full_disk_cut_short_hides_nothing_that_comes_before_or_after_it() {
        for end in 0..ASK.len() {
            let content = parse(&[HEAD, ASK, &ASK[..end], DELETED].concat()).unwrap();
            assert!(content.deleted, "cut at {end}");
            assert_eq!(content.in_doubt[0].client_token, "t1");
        }
    }

    #[test]
    fn zeros_where_a_power_cut_stopped_a_write_hide_nothing() {
        for start in 0..ASK.len() {
            for end in start + 1..=ASK.len() {
                let torn = [&ASK[..start], &"\0".repeat(end - start), &ASK[end..]].concat();
                let content = parse(&[HEAD, ASK, &torn, DELETED].concat()).unwrap();
                assert!(content.deleted, "zeros in {start}..{end}");
                assert_eq!(content.in_doubt.len(), 1, "zeros in {start}..{end}");
            }
        }
    }

    #[test]
    fn an_answer_that_was_noted_is_the_requests_until_that_is_settled() {
        let content = parse(&[HEAD, ASK, ANSWERED, DELETED].concat()).unwrap();
        assert!(content.deleted);
        assert_eq!(content.in_doubt[0].client_token, "t1");
        assert_eq!(content.in_doubt[0].answered, [IpAddr::from([192, 168, 0, 7])]);
        let settled = parse(&[HEAD, ASK, ANSWERED, "\u{1e}{\"settled\":\"t1\"}\n"].concat()).unwrap();
        assert!(settled.allocation().is_none());
    }

    #[test]
    fn a_hint_that_is_torn_or_unknown_leaves_the_request_in_doubt() {
        let unknown = ANSWERED.replace("answered", "later");
        let torn = (0..ANSWERED.len()).map(|end| ANSWERED[..end].to_owned());
        let zeros = (2..ANSWERED.len()).map(|at| [&ANSWERED[..at], "\0", &ANSWERED[at + 1..]].concat());
        for hint in torn.chain(zeros).chain([unknown]) {
            let content = parse(&[HEAD, ASK, &hint, DELETED].concat()).unwrap();
            assert!(content.deleted && content.in_doubt.len() == 1, "{hint:?}");
            assert!(content.in_doubt[0].answered.is_empty(), "{hint:?}");
        }
    }

    #[test]
    fn a_noted_address_in_which_a_byte_has_changed_is_not_believed() {
        let sealed = digest::seal(ANSWERED.as_bytes()[2..].to_vec());
        let sealed = ["\u{1e}\0", std::str::from_utf8(&sealed).unwrap()].concat();
        assert_eq!(parse(&[HEAD, ASK, &sealed].concat()).unwrap().in_doubt[0].answered.len(), 1);
        let flipped = sealed.replace("192.168.0.7", "192.168.0.5");
        let content = parse(&[HEAD, ASK, &flipped].concat()).unwrap();
        assert!(content.in_doubt[0].answered.is_empty());
    }

    #[test]
    fn a_version_that_knows_no_hints_passes_over_them() {
        // It takes every text as this does, and skips what is not whole.
        assert_eq!(whole(&ANSWERED.as_bytes()[1..]), None);
    }

    #[test]
    fn a_text_that_was_whole_once_and_cannot_be_read_is_damage() {
        let damaged = ASK.replacen("eni-1", "eni\"1", 1);
        assert!(parse(&[HEAD, &damaged, DELETED].concat()).is_err());
        assert!(parse(&[HEAD.trim_start_matches('\u{1e}'), ASK].concat()).is_err());
        assert!(parse("").is_err());
    }
}
