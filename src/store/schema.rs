//! The store's JSON forms carry a version, so that a later one is told from damage, and the clock by which they were written.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::clock::Clock;
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

/// Reads any of the store's JSON forms that carry a schema version, so that a later version is told from damage. Its moments
/// are by the present clock.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(content: &[u8]) -> std::result::Result<T, Misread> {
    parse_parts(content).map(|(document, _)| document)
}

/// The same, and the clock by which the writer of this form writes what follows it.
pub(super) fn parse_parts<T: for<'de> Deserialize<'de>>(
    content: &[u8],
) -> std::result::Result<(T, Option<Clock>), Misread> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
        #[serde(default)]
        clock: Option<Clock>,
    }
    check_length(content)?;
    let clock = match serde_json::from_slice::<Versioned>(content) {
        Ok(Versioned { schema: SCHEMA, clock }) => clock,
        Ok(Versioned { schema, .. }) => return Err(Misread::Newer(schema)),
        Err(error) => return Err(Misread::Damaged(error.to_string())),
    };
    if !digest::is_intact(content) {
        return Err(Misread::Damaged("its digest does not match what it says".into()));
    }
    match Clock::translate(clock.as_ref(), || serde_json::from_slice(content)) {
        Ok(document) => Ok((document, clock)),
        Err(error) => Err(Misread::Damaged(error.to_string())),
    }
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

/// The bytes of a form with moments, one line: it says by which clock they are.
pub(super) fn encode_with_clock(value: &impl Serialize, path: &Path) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Dated<'a, T> {
        #[serde(flatten)]
        value: &'a T,
        #[serde(skip_serializing_if = "Option::is_none")]
        clock: Option<&'static Clock>,
    }
    encode(&Dated { value, clock: Clock::present() }, path)
}

/// The bytes of any of the store's JSON forms, one line.
pub(super) fn encode(value: &impl Serialize, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| Error::io("encode", path)(error.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
