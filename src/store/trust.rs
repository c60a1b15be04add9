//! Whether anybody but this process's user and root could have made, changed or moved what is at a path.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::base::user;
use crate::store::error::{Error, Result};

/// Write permission for the group and for everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// In a directory with this bit, only the owner of an entry, the owner of the directory and root rename or remove it.
const STICKY: u32 = 0o1000;

/// As many symbolic links as the kernel follows on one path.
const MAX_LINKS: usize = 40;

/// Checks that only this process's user can have put anything into `directory`, and that nobody else can put another one in
/// its place. A directory that is not there passes when that is so of its parents: then nothing is in it.
pub(super) fn check_directory(directory: &Path) -> Result<()> {
    check_parents(directory)?;
    let Some(metadata) = look_at(directory)? else { return Ok(()) };
    if !metadata.is_dir() {
        return Err(Error::untrusted(
            directory,
            "it is not a directory; set ipam.dataDir to the directory itself, not to a link",
        ));
    }
    check_owner(directory, &metadata)?;
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        let why = format!("others may write to it (mode {:o}); set it to 700", metadata.mode() & 0o7777);
        return Err(Error::untrusted(directory, why));
    }
    Ok(())
}

/// Checks that the file at `path` belongs to this process's user.
pub(super) fn check_owner(path: &Path, metadata: &Metadata) -> Result<()> {
    let own = own_user()?;
    if metadata.uid() == own {
        return Ok(());
    }
    let why = format!("it belongs to user {} while this process runs as user {own}", metadata.uid());
    Err(Error::untrusted(path, why))
}

/// Checks the directories above `directory`, and the links through which it is reached. Whoever may write to one of them
/// could move the store away: a DEL would find nothing and succeed, and the address would be lost.
fn check_parents(directory: &Path) -> Result<()> {
    let mut left: VecDeque<OsString> = names(directory.parent().unwrap_or(directory)).collect();
    let (mut path, mut links) = (PathBuf::new(), 0);
    while let Some(name) = left.pop_front() {
        if name == ".." {
            path.pop();
            continue;
        }
        // The root replaces what there is.
        path.push(name);
        // Nothing is below what is not there.
        let Some(metadata) = look_at(&path)? else { return Ok(()) };
        if metadata.uid() != 0 && metadata.uid() != own_user()? {
            let what = if metadata.is_symlink() { "the link" } else { "the directory" };
            let why = format!(
                "{what} {} on the way to it belongs to user {}, who could put another in its place: make root its owner, \
                 or set ipam.dataDir to another directory",
                path.display(),
                metadata.uid()
            );
            return Err(Error::untrusted(directory, why));
        }
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(Error::untrusted(directory, "it is behind a circle of symbolic links"));
            }
            let target = fs::read_link(&path).map_err(Error::io("read the link", &path))?;
            path.pop();
            for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                left.push_front(name);
            }
            continue;
        }
        let mode = metadata.mode() & 0o7777;
        // What is in a sticky directory is safe when its owner is, who is looked at next.
        if mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0 {
            let why = format!(
                "others may write to the directory {} above it (mode {mode:o}) and could put another in its place: \
                 run `chmod go-w {}`, or set ipam.dataDir to another directory",
                path.display(),
                path.display()
            );
            return Err(Error::untrusted(directory, why));
        }
    }
    Ok(())
}

/// The components of a path that have a meaning of their own.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter(|it| *it != Component::CurDir).map(|it| OsStr::to_owned(it.as_os_str()))
}

/// What is at `path` itself; `None` where there is nothing.
fn look_at(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("inspect", path)(error)),
    }
}

/// The user that this process runs as.
fn own_user() -> Result<u32> {
    user::own_user().map_err(Error::io("inspect", Path::new("/proc/self")))
}
