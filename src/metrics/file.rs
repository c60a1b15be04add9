//! The file that `node_exporter` reads.

use std::ffi::OsStr;
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::base::random;

/// How old a draft must be to be taken for a dead process's: far older than any call becomes.
const ABANDONED: Duration = Duration::from_hours(1);

/// Removes what killed processes left half written beside the file at `path`. Its directory is not the plugin's own, so
/// nothing goes but plain files with the names that [`replace`] gives.
///
/// # Errors
/// When the directory cannot be read, or a draft not be removed. That there is no directory is none.
pub(crate) fn sweep(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path.parent().unwrap_or(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.flatten() {
        let is_abandoned = |metadata: Metadata| {
            let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
            metadata.is_file() && age.is_some_and(|age| age > ABANDONED)
        };
        if is_draft(&entry.file_name(), path) && entry.metadata().is_ok_and(is_abandoned) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file of this name is a draft of the file at `path`.
fn is_draft(name: &OsStr, path: &Path) -> bool {
    let unique = name.to_str().and_then(|name| name.strip_prefix(&draft_prefix(path)));
    unique
        .is_some_and(|it| it.len() == 32 && it.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn draft_prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Whoever reads sees the old file or the new one. `node_exporter` takes no file for metrics whose name does not end in
/// `.prom`, and runs as a user of its own.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_file_name(draft_prefix(path) + &random::hex128()?);
    let write = || {
        write_draft(&new, text)?;
        fs::rename(&new, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))
}

fn write_draft(new: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask is that a runtime has.
    file.set_permissions(Permissions::from_mode(0o644))
}

/// Whether the file at `path` could be brought up to date. Nothing is changed, and nothing stays.
///
/// # Errors
/// Why not.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let new = path.with_file_name(draft_prefix(path) + &random::hex128()?);
    // As much as the metrics of some ENIs take.
    let written = write_draft(&new, &" ".repeat(4096));
    let removed = match fs::remove_file(&new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => written.and(removed),
    }
}
