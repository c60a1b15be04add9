//! What can go wrong with the store, with the path and what a person can do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A failure of the store. Nothing was lost: a record stays in the state that it had.
#[derive(Debug)]
pub enum Error {
    /// The system refused an operation on a file or directory.
    Io {
        /// The operation, as in "failed to {doing} {path}".
        doing: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory that somebody else could have made or changed: it is not used.
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it, and how to put it right.
        why: String,
    },
    /// A record that could not be read as one. It has been moved to `quarantine/`.
    Quarantined {
        /// Where it is now.
        path: PathBuf,
        /// Why it could not be read.
        why: String,
    },
    /// A record of a later version of this plugin. It is left as it is.
    NewerSchema {
        /// The record.
        path: PathBuf,
        /// The schema version that it states.
        schema: u32,
    },
    /// A lock that others held for the whole of the wait.
    Busy {
        /// The lock's file.
        path: PathBuf,
        /// How long the wait was.
        waited: Duration,
    },
}

/// What the store's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] maker for `map_err`.
    pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn untrusted(path: &Path, why: impl Into<String>) -> Self {
        Self::Untrusted { path: path.to_owned(), why: why.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, source } => write!(f, "failed to {doing} {}: {source}", path.display()),
            Self::Untrusted { path, why } => write!(f, "refusing to use {}: {why}", path.display()),
            Self::Quarantined { path, why } => write!(
                f,
                "cannot read the record {} ({why}): once its pod is gone, delete this file, then release its addresses \
                 with `aliyun-eni-ipam reconcile --release-orphans`",
                path.display()
            ),
            Self::NewerSchema { path, schema } => write!(
                f,
                "a newer version of this plugin wrote {} (schema version {schema}): install that version again",
                path.display()
            ),
            Self::Busy { path, waited } => write!(
                f,
                "waited {:.1} s for the lock {}: try again; if this persists, `fuser {}` shows who holds it",
                waited.as_secs_f64(),
                path.display(),
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
