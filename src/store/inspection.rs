//! What `doctor` looks at. Nothing is created, changed or waited for.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::{Store, file};
use crate::base::file_lock::try_lock;

impl Store {
    /// The mode of the store's directory; `None` where there is no store yet.
    pub fn mode(&self) -> Result<Option<u32>> {
        match fs::symlink_metadata(&self.directory) {
            Ok(metadata) => Ok(Some(metadata.mode() & 0o7777)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("inspect", &self.directory)(error)),
        }
    }

    /// The locks that somebody holds at this moment. Those that are free are held for that moment.
    pub fn held_locks(&self) -> Result<Vec<PathBuf>> {
        let names = file::names(&self.eni_directory())?;
        let of_enis = names.iter().map(|name| self.eni_directory().join(name));
        let of_enis = of_enis.filter(|path| path.extension().is_some_and(|it| it == "lock"));
        let mut held = Vec::new();
        for path in std::iter::once(self.directory.join("lock")).chain(of_enis) {
            let Some(file) = file::open(&path, OpenOptions::new().read(true).write(true))? else { continue };
            if !try_lock(&file).map_err(Error::io("lock", &path))? {
                held.push(path);
            }
        }
        Ok(held)
    }
}
