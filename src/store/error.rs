//! What can go wrong with the store, with the path and what a person can do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::eni::EniId;

/// A failure of the store. Nothing was lost: a record stays in the state that it had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation on a file or directory.
    #[error("failed to {doing} {}: {source}", .path.display())]
    Io {
        /// The operation, as in "failed to {doing} {path}".
        doing: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory that somebody else could have made or changed: it is not used.
    #[error("refusing to use {}: {why}", .path.display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it, and how to put it right.
        why: String,
    },
    /// A record that could not be read as one. It has been moved to `quarantine/`.
    #[error(
        "cannot read the record {} ({why}): once its pod is gone, delete this file, then release its addresses with \
         `aliyun-eni-ipam reconcile --release-orphans`", .path.display()
    )]
    Quarantined {
        /// Where it is now.
        path: PathBuf,
        /// Why it could not be read.
        why: String,
    },
    /// A record of a later version of this plugin. It is left as it is.
    #[error(
        "a newer version of this plugin wrote {} (schema version {schema}): install that version again", .path.display()
    )]
    NewerSchema {
        /// The record.
        path: PathBuf,
        /// The schema version that it states.
        schema: u32,
    },
    /// An ENI that another store of this machine uses.
    #[error(
        "{eni} belongs to the store {by}, so the store {this} cannot use it: set ipam.dataDir of all networks that use \
         this ENI to {by}; if that store is not used any more, run `aliyun-eni-ipam flush` with it, then delete it",
        by = .by.display(), this = .this.display()
    )]
    Claimed {
        /// Which.
        eni: EniId,
        /// The store that uses it.
        by: PathBuf,
        /// This one.
        this: PathBuf,
    },
    /// The store's own lock, which nobody needs for longer than a moment, and others held for the whole of the wait.
    #[error(
        "waited {:.1} s for the lock {path}: try again; if this persists, `fuser {path}` shows who holds it",
        .waited.as_secs_f64(), path = .path.display()
    )]
    Busy {
        /// The lock's file.
        path: PathBuf,
        /// How long the wait was.
        waited: Duration,
    },
    /// The lock of an ENI, whose turn did not come in time: each call before it keeps the lock for a request to ECS.
    #[error(
        "waited {:.1} s for the lock of {eni} behind {}, which {} for ECS to answer: try again later",
        .waited.as_secs_f64(), other_calls(*.behind), if *.behind == Some(1) { "waits" } else { "wait" }
    )]
    EniBusy {
        /// Of which ENI.
        eni: EniId,
        /// How long the wait was.
        waited: Duration,
        /// How many other calls were before it at the end, if the system tells.
        behind: Option<usize>,
    },
}

fn other_calls(number: Option<usize>) -> String {
    match number {
        None => "other calls".to_owned(),
        Some(1) => "1 other call".to_owned(),
        Some(number) => format!("{number} other calls"),
    }
}

/// What the store's functions return.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] maker for `map_err`.
    pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Whether the disk, or what this user may have of it, is full.
    pub(super) fn is_full_disk(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    pub(super) fn untrusted(path: &Path, why: impl Into<String>) -> Self {
        Self::Untrusted { path: path.to_owned(), why: why.into() }
    }
}
