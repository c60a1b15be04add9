//! Temporary keys, kept on disk for the next process.
//!
//! A node that is drained starts a process for each of its pods within seconds, and each needs a key. The first gets
//! one and leaves it in a file; the others wait for it at a lock. What is in the file is only ever believed as far as
//! it makes sense, and a file that does not is as good as none.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use log::{debug, warn};
use sha2::{Digest, Sha256};

use super::cached_key::CachedKey;
use super::error::Error;
use super::file;
use crate::base::access_key::AccessKey;
use crate::base::deadline::Deadline;
use crate::base::file_lock::try_lock;
use crate::base::text::reason;
use crate::cloud::rpc::signature::hex;

/// How often a process that waits for another's key looks whether it is there.
const POLL: Duration = Duration::from_millis(10);

/// A directory for keys, if there is one.
#[derive(Debug)]
pub(super) struct Cache {
    directory: Option<PathBuf>,
}

impl Cache {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// The kept key of `identity`, or the one that `fetch` gets. Of the processes that want it at the same time, one
    /// fetches. A `refused` key is not returned unless there is no other; where another process has replaced it
    /// meanwhile, nothing is fetched. Also tells whether an earlier process got the key.
    pub(super) fn obtain(
        &self,
        identity: &str,
        refused: Option<&AccessKey>,
        deadline: Deadline,
        fetch: impl FnOnce() -> Result<AccessKey, Error>,
    ) -> Result<(AccessKey, bool), Error> {
        let fetched = |key| (key, false);
        let Some(directory) = self.directory.as_deref().filter(|it| is_there(it)) else {
            return fetch().map(fetched);
        };
        let slot = Slot::new(directory, identity);
        let wanted = |kept: &CachedKey| kept.is_fresh(SystemTime::now()) && Some(&kept.key) != refused;
        let found = |kept: CachedKey| (kept.key, true);
        if let Some(kept) = slot.read().filter(wanted) {
            return Ok(found(kept));
        }
        let lock = match slot.lock(deadline) {
            Ok(lock) => lock,
            Err(Unlocked::TooLate) => {
                return Err(Error::transient(
                    "another process is fetching the credentials and did not finish in time",
                ));
            }
            Err(Unlocked::Unusable(why)) => {
                debug!("temporary credentials are not cached: {}: {why}", directory.display());
                return fetch().map(fetched);
            }
        };
        let kept = slot.read();
        let kept = match kept {
            Some(kept) if wanted(&kept) => return Ok(found(kept)),
            other => other,
        };
        let result = match fetch() {
            Ok(key) => {
                slot.write(&CachedKey { key: key.clone(), fetched: SystemTime::now() });
                Ok(fetched(key))
            }
            // Better an old key than none, while it lasts.
            Err(error) => match kept {
                Some(kept) if kept.is_usable(SystemTime::now()) && Some(&kept.key) != refused => {
                    warn!("the temporary credentials expire soon and cannot be renewed: {error}");
                    Ok(found(kept))
                }
                _ => Err(error),
            },
        };
        drop(lock);
        result
    }
}

/// Whether keys can be kept in `directory`, which may be deleted at any time. The one that it is in is its owner's to make.
fn is_there(directory: &Path) -> bool {
    directory.is_dir() || DirBuilder::new().mode(0o700).create(directory).is_ok() || directory.is_dir()
}

/// The files of one identity.
struct Slot<'a> {
    directory: &'a Path,
    identity: &'a str,
    name: String,
}

/// Why there is no lock.
enum Unlocked {
    TooLate,
    Unusable(String),
}

impl<'a> Slot<'a> {
    fn new(directory: &'a Path, identity: &'a str) -> Self {
        let name = format!("credentials-{}", &hex(&Sha256::digest(identity))[..16]);
        Self { directory, identity, name }
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}.{suffix}", self.name))
    }

    /// What is kept, if it is ours and whole, and nobody else could have written it.
    fn read(&self) -> Option<CachedKey> {
        let path = self.path("json");
        if file::is_open_to_others(&fs::symlink_metadata(&path).ok()?) {
            return None;
        }
        CachedKey::parse(&file::read(&path).ok()?, self.identity)
    }

    /// Replaces what is kept. Whoever reads sees the old key or the new one. No fsync: what a power cut spoils is
    /// fetched again. The lock is held, so the name of the new file is nobody else's.
    fn write(&self, kept: &CachedKey) {
        let new = self.path("new");
        let write = || {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(kept.to_text(self.identity).as_bytes())?;
            fs::rename(&new, self.path("json"))
        };
        if let Err(error) = write() {
            debug!("the temporary credentials are not cached: {}: {}", new.display(), reason(&error));
            let _ = fs::remove_file(&new);
        }
    }

    /// The lock of this slot, held until the file is dropped. Its file stays: a lock on a file that can be replaced
    /// would be two locks.
    fn lock(&self, deadline: Deadline) -> Result<File, Unlocked> {
        let unusable = |error: &std::io::Error| Unlocked::Unusable(reason(error));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.path("lock")).map_err(|error| unusable(&error))?;
        loop {
            if try_lock(&file).map_err(|error| unusable(&error))? {
                return Ok(file);
            }
            if deadline.has_passed() {
                return Err(Unlocked::TooLate);
            }
            deadline.sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests;
