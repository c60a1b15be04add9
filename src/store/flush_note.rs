//! When `flush` last ran to its end: by that `doctor` sees whether a timer runs it.

use serde::{Deserialize, Serialize};

use crate::base::clock::{Timestamp, boot_id};
use crate::store::error::Result;
use crate::store::schema::SCHEMA;
use crate::store::{Store, file, schema};

/// The name of the file in `cache/`: whoever deletes it learns the same from the next flush.
const NAME: &str = "flushed.json";

/// The content of the file.
#[derive(Serialize)]
struct Note {
    schema: u32,
    #[serde(flatten)]
    flushed: Flushed,
}

/// When `flush` last ran to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flushed {
    /// The moment, by the present clock if it was in this boot.
    pub at: Timestamp,
    /// The boot in which it was.
    pub boot_id: String,
}

impl Store {
    /// Remembers that `flush` has just run to its end. Where there is no store, none is made.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_flush(&self) -> Result<()> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        file::make_directory(&self.cache_directory())?;
        let path = self.cache_directory().join(NAME);
        let now = Note { schema: SCHEMA, flushed: Flushed { at: Timestamp::now(), boot_id: boot_id() } };
        file::replace(&path, &schema::encode_with_clock(&now, &path)?)
    }

    /// When `flush` last ran to its end; `None` where that is not known.
    #[must_use]
    pub fn last_flush(&self) -> Option<Flushed> {
        let content = file::read(&self.cache_directory().join(NAME)).ok()??;
        schema::parse(&content).ok()
    }
}
