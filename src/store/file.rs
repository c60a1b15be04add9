//! Files that survive a kill and a power cut: whole or not there, and never somebody else's.
//!
//! A new content is written beside its place under a name that starts with a dot, made durable, and then linked or renamed
//! into its place; the directory is made durable last. Readers skip names that start with a dot.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::random;
use crate::store::error::{Error, Result};
use crate::store::trust::check_owner;

/// No file of the store is larger: a record has a few hundred bytes. A longer one is damaged.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// Makes `directory` and its missing parents, mode 0700, and makes their names durable. Returns whether it was this call that made it.
pub(super) fn make_directory(directory: &Path) -> Result<bool> {
    if directory.is_dir() {
        return Ok(false);
    }
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        // The parent's own name as well: whoever made the parent may have been killed before it was durable.
        Ok(()) => {
            directory.ancestors().skip(1).take(2).filter(named).try_for_each(sync_directory)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::io("create the directory", directory)(error)),
    }
}

/// Whether a path's ancestor is a name and not the empty rest of a relative path.
fn named(path: &&Path) -> bool {
    !path.as_os_str().is_empty()
}

/// Opens an existing file of the store; `None` where there is none. Links, files of other users and anything that is not a
/// plain file are refused.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<Option<File>> {
    // Without O_NONBLOCK the opening of a FIFO that somebody put in a record's place would hang.
    let file = match options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) => {
            return Err(Error::untrusted(path, "it is a symbolic link; remove it"));
        }
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let metadata = file.metadata().map_err(Error::io("inspect", path))?;
    if !metadata.is_file() {
        return Err(Error::untrusted(path, "it is not a plain file; remove it"));
    }
    check_owner(path, &metadata)?;
    Ok(Some(file))
}

/// The content of a file of the store, as [`read_open`] has it; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some(file) = open(path, OpenOptions::new().read(true))? else { return Ok(None) };
    read_open(path, &file).map(Some)
}

/// The content of an open file of the store, from where it stands. Of one that is longer than any it has [`MAX_BYTES`] and
/// one more, by which a reader knows.
pub(super) fn read_open(path: &Path, file: &File) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content).map_err(Error::io("read", path))?;
    Ok(content)
}

/// Whether there is anything at `path`. That the system does not tell is an error: what cannot be seen may be there.
pub(super) fn exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("inspect", path)(error)),
    }
}

/// Whether both paths are names of one file.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::symlink_metadata(one), fs::symlink_metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Opens a lock's file, making it where it is missing.
pub(super) fn open_lock(path: &Path) -> Result<File> {
    let file =
        open(path, OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600))?;
    file.ok_or_else(|| Error::io("open", path)(io::ErrorKind::NotFound.into()))
}

/// A content that is durable but has no place yet. Dropped, it leaves nothing behind.
pub(super) struct Draft {
    file: Option<File>,
    path: PathBuf,
}

impl Draft {
    /// Writes `content` under a name of its own in `directory` and makes it durable. `prepare` sees the open file before
    /// anything is written: the place for a lock that must be there before the file has its name.
    pub(super) fn write(
        directory: &Path,
        content: &[u8],
        prepare: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<Self> {
        let unique = random::hex128().map_err(Error::io("read", Path::new("/dev/urandom")))?;
        let path = directory.join(format!(".{unique}"));
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        let mut draft = Self { file: Some(file), path };
        if let Some(file) = &mut draft.file {
            prepare(file).map_err(Error::io("lock", &draft.path))?;
            file.write_all(content).map_err(Error::io("write", &draft.path))?;
            file.sync_all().map_err(Error::io("sync", &draft.path))?;
        }
        Ok(draft)
    }

    /// Gives the draft one more name; the caller makes the directory durable.
    pub(super) fn name_too(&self, path: &Path) -> Result<()> {
        fs::hard_link(&self.path, path).map_err(Error::io("create", path))
    }

    /// The same where the name may be another file's: it is never nobody's.
    pub(super) fn name_over(&self, path: &Path) -> Result<()> {
        // Swept up like a draft where this process is killed in between.
        let unique = random::hex128().map_err(Error::io("read", Path::new("/dev/urandom")))?;
        let second = self.path.with_file_name(format!(".{unique}"));
        self.name_too(&second)?;
        fs::rename(&second, path).map_err(Error::io("create", path)).inspect_err(|_| drop(remove(&second)))
    }

    /// Gives the draft the place `path`, whatever is there; the caller makes the directory durable.
    pub(super) fn replace(mut self, path: &Path) -> Result<()> {
        fs::rename(&self.path, path).map_err(Error::io("create", path))?;
        self.file = None;
        Ok(())
    }

    /// Gives the draft the place `path` if nothing is there, and returns the open file; `None` where something is.
    pub(super) fn claim(mut self, path: &Path) -> Result<Option<File>> {
        match fs::hard_link(&self.path, path) {
            Ok(()) => {
                let file = self.file.take();
                fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))?;
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(Error::io("create", path)(error)),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Best effort: `flush` sweeps up what stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes `content` the durable content of `path`.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    Draft::write(directory, content, |_| Ok(()))?.replace(path)?;
    sync_directory(directory)
}

/// Moves a file between two directories, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("move", from))?;
    // The new name first: after a power cut in between the record is in both places or in the new one, never in none.
    for path in [to, from] {
        sync_directory(path.parent().unwrap_or(Path::new("/")))?;
    }
    Ok(())
}

/// Removes a file that may be gone already; the caller makes the directory durable.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Makes the names in `directory` durable.
pub(super) fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|handle| handle.sync_all())
        .map_err(Error::io("sync the directory", directory))
}

/// The names in `directory` that do not start with a dot, in no order; none where it does not exist.
pub(super) fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", directory)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::io("list", directory))?.file_name();
        // A name that is no UTF-8 is not one of ours.
        if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Whether a file of a record's size can be written to `directory`. Nothing is made durable, and nothing stays.
pub(super) fn check_room(directory: &Path) -> Result<()> {
    let unique = random::hex128().map_err(Error::io("read", Path::new("/dev/urandom")))?;
    let path = directory.join(format!(".{unique}"));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(&[0; 4096]));
    let removed = remove(&path);
    written.map_err(Error::io("write to", directory)).and(removed)
}

/// Removes the files in `directory`, as far as that can be done.
pub(super) fn clear(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
}

/// How old a draft must be to be taken for a dead process's: far older than any call becomes.
const ABANDONED: Duration = Duration::from_hours(1);

/// Removes the drafts in `directory` that nobody can be working on any more.
pub(super) fn sweep(directory: &Path) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("list", directory)(error)),
    };
    for entry in entries.flatten() {
        let is_draft = entry.file_name().to_str().is_some_and(|name| name.starts_with('.'));
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
        if is_draft && age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED)) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}
