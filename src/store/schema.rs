//! The store's JSON forms carry a version, so that a later one is told from damage.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::error::{Error, Result};
use crate::store::{digest, file};

/// The version of the store's JSON forms. A reader refuses later ones and leaves them as they are.
pub(super) const SCHEMA: u32 = 1;

/// Why a file's content is no record.
pub(super) enum Misread {
    /// It is of a later version.
    Newer(u32),
    /// It is damaged.
    Damaged(String),
}

impl Misread {
    /// The error for a file that stays where it is.
    pub(super) fn into_error(self, path: &Path) -> Error {
        match self {
            Self::Newer(schema) => Error::NewerSchema { path: path.to_owned(), schema },
            Self::Damaged(why) => Error::Quarantined { path: path.to_owned(), why },
        }
    }
}

/// Reads any of the store's JSON forms that carry a schema version, so that a later version is told from damage.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(content: &[u8]) -> std::result::Result<T, Misread> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    check_length(content)?;
    match serde_json::from_slice::<Versioned>(content) {
        Ok(Versioned { schema: SCHEMA }) => {}
        Ok(Versioned { schema }) => return Err(Misread::Newer(schema)),
        Err(error) => return Err(Misread::Damaged(error.to_string())),
    }
    if !digest::is_intact(content) {
        return Err(Misread::Damaged("its digest does not match what it says".into()));
    }
    serde_json::from_slice(content).map_err(|error| Misread::Damaged(error.to_string()))
}

/// What is longer than any file of the store has not been read to its end.
pub(super) fn check_length(content: &[u8]) -> std::result::Result<(), Misread> {
    let max = file::MAX_BYTES;
    if content.len() <= max {
        Ok(())
    } else {
        Err(Misread::Damaged(format!("it is larger than {max} bytes")))
    }
}

/// The bytes of any of the store's JSON forms, one line.
pub(super) fn encode(value: &impl Serialize, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| Error::io("encode", path)(error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
