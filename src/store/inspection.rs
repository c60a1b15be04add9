//! What `doctor` looks at. Nothing is created or changed.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::lock::Lock;
use super::waiting::Holder;
use super::{Store, file, intent};
use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::base::file_lock::try_lock;
use crate::base::moment;

impl Store {
    /// The mode of the store's directory; `None` where there is no store yet.
    pub fn mode(&self) -> Result<Option<u32>> {
        match fs::symlink_metadata(&self.directory) {
            Ok(metadata) => Ok(Some(metadata.mode() & 0o7777)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("inspect", &self.directory)(error)),
        }
    }

    /// The locks that somebody holds at this moment, and who, where the kernel tells. Those that are free are held for that moment.
    pub(crate) fn held_locks(&self) -> Result<Vec<(PathBuf, Option<Holder>)>> {
        let names = file::names(&self.eni_directory())?;
        let of_enis = names.iter().map(|name| self.eni_directory().join(name));
        let of_enis = of_enis.filter(|path| path.extension().is_some_and(|it| it == "lock"));
        let mut held = Vec::new();
        for path in [self.lock_path(), self.routes_lock_path()].into_iter().chain(of_enis) {
            let Some(file) = file::open(&path, OpenOptions::new().read(true).write(true))? else { continue };
            if !try_lock(&file).map_err(Error::io("lock", &path))? {
                let holder = Holder::of(&path);
                held.push((path, holder));
            }
        }
        Ok(held)
    }

    /// How many intents dead ADDs have left. Each is probed under the store's lock, as everybody does it: a DEL that met the
    /// probe would take the dead ADD for a living one.
    ///
    /// # Errors
    /// [`Error::Busy`] and the system's.
    pub fn dead_intents(&self, deadline: Deadline) -> Result<usize> {
        let mut dead = 0;
        for name in file::names(&self.assigning_directory())? {
            let _lock = self.lock(deadline)?;
            let found = intent::find(&self.assigning_directory().join(name))?;
            dead += usize::from(matches!(found, Some(intent::Found::Dead(_))));
        }
        Ok(dead)
    }

    /// Keeps other calls from the ENI while the returned value lives, and changes nothing that is remembered of it. `None`
    /// where no call has ever locked it.
    ///
    /// # Errors
    /// [`Error::EniBusy`] and the system's.
    pub fn hold_eni(&self, eni: &EniId, deadline: Deadline) -> Result<Option<HeldEni>> {
        let directory = self.eni_directory();
        if !file::exists(&directory.join(format!("{eni}.lock")))? {
            return Ok(None);
        }
        let started = moment::now();
        match self.turnstile(eni)?.wait(deadline, || Ok(false))? {
            Some(lock) => Ok(Some(HeldEni { _lock: lock })),
            None => Err(self.eni_busy(eni, moment::since(started))),
        }
    }
}

/// An ENI that nobody else works on meanwhile.
#[derive(Debug)]
pub struct HeldEni {
    _lock: Lock,
}
