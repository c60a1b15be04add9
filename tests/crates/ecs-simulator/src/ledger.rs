//! The record of every API call: what was asked, what became of it, what the caller was told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

use crate::end::lock;
use crate::error::ApiError;

/// One API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts the calls in the order of their arrival, from 1, also across [`clear_ledger`].
    ///
    /// [`clear_ledger`]: crate::Simulator::clear_ledger
    pub seq: u64,
    /// When the request had been read, in milliseconds since the simulator's start.
    pub started_ms: u64,
    /// When the answer was ready or the connection was given up; `None` while the call is under way.
    pub ended_ms: Option<u64>,
    /// The action's name as it was sent, empty if there was none.
    pub action: String,
    /// The parameter `NetworkInterfaceId`.
    pub eni: Option<String>,
    /// The addresses that were asked for, or those that an Assign answered.
    pub addresses: Vec<IpAddr>,
    /// Method and target as they were sent, with the values of secret parameters replaced by `***`.
    pub request_line: String,
    /// All parameters but `Signature` and `SecurityToken`.
    pub parameters: BTreeMap<String, String>,
    /// The access key that was named.
    pub access_key_id: Option<String>,
    /// The parameter `ClientToken`.
    pub client_token: Option<String>,
    /// The HTTP status that was sent, 0 if none was.
    pub status: u16,
    /// The error code that was sent.
    pub code: Option<String>,
    /// Whether the inventory was changed. This can become true after the connection is gone.
    pub executed: bool,
    /// Whether a complete, well-formed answer of the API was written.
    pub answered: bool,
    /// `HMAC-SHA1`, `ACS3-HMAC-SHA256`, whatever else was claimed, or empty for an unsigned request.
    pub signature_method: String,
}

impl Entry {
    /// The entry as a JSON object whose keys are the fields' names.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "seq": self.seq,
            "started_ms": self.started_ms,
            "ended_ms": self.ended_ms,
            "action": self.action,
            "eni": self.eni,
            "addresses": self.addresses,
            "request_line": self.request_line,
            "parameters": self.parameters,
            "access_key_id": self.access_key_id,
            "client_token": self.client_token,
            "status": self.status,
            "code": self.code,
            "executed": self.executed,
            "answered": self.answered,
            "signature_method": self.signature_method,
        })
    }
}

/// All entries, in the order of their arrival.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    entries: Vec<Entry>,
    last_seq: u64,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), book: Mutex::default() }
    }

    /// Adds an entry, numbers and dates it, and answers its number.
    pub(crate) fn open(&self, mut entry: Entry) -> u64 {
        let mut book = lock(&self.book);
        book.last_seq += 1;
        entry.seq = book.last_seq;
        entry.started_ms = self.elapsed_ms();
        book.entries.push(entry);
        book.last_seq
    }

    /// Notes what a call did, unless the entry has been cleared away.
    pub(crate) fn note(&self, seq: u64, change: impl FnOnce(&mut Entry)) {
        let mut book = lock(&self.book);
        // An entry that is still changing is among the last ones.
        if let Some(entry) = book.entries.iter_mut().rev().find(|entry| entry.seq == seq) {
            change(entry);
        }
    }

    /// Notes the end of a call. The caller of the API may look into the ledger as soon as it has the answer, so this
    /// comes before the answer is written.
    pub(crate) fn close(&self, seq: u64, status: u16, error: Option<&ApiError>, answered: bool) {
        let now = self.elapsed_ms();
        self.note(seq, |entry| {
            entry.ended_ms = Some(now);
            entry.status = status;
            entry.code = error.map(|error| error.code.clone());
            entry.answered = answered;
        });
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        lock(&self.book).entries.clone()
    }

    pub(crate) fn last(&self, is_meant: impl Fn(&Entry) -> bool) -> Option<Entry> {
        lock(&self.book).entries.iter().rev().find(|entry| is_meant(entry)).cloned()
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        lock(&self.book).entries.iter().filter(|entry| entry.action == action).count()
    }

    pub(crate) fn clear(&self) {
        lock(&self.book).entries.clear();
    }

    fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }
}
