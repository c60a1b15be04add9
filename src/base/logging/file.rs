//! The file of the log: whose it may be, and how it is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::base::random;
use crate::base::user::own_user;

/// A log file that turns out to be a pipe without a reader must not hold the call up, and one that is a symbolic link is
/// not ours.
const OPEN_FLAGS: i32 = libc::O_NONBLOCK | libc::O_NOFOLLOW;

/// Opens the log, or says why it is not to be written: others must neither choose the file that lines are appended to, nor
/// read them in one of their own.
pub(super) fn open(path: &Path) -> Result<File, String> {
    let linked = || fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(OPEN_FLAGS);
    let file = options.open(path).map_err(|error| match error.kind() {
        _ if linked() => "it is a symbolic link; name the file itself".to_owned(),
        io::ErrorKind::NotFound => "its directory does not exist".to_owned(),
        _ => error.to_string(),
    })?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    // A device, such as /dev/null, is where somebody wants the lines to go who may make devices.
    if !metadata.is_file() && !metadata.file_type().is_char_device() {
        return Err("it is not a plain file".to_owned());
    }
    let own = own_user().map_err(|error| error.to_string())?;
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(format!("it belongs to user {}, and this process runs as user {own}", metadata.uid()));
    }
    Ok(file)
}

/// Whether lines could be appended to the file at `path`. It is not made where it is missing, and nothing is written to it.
///
/// # Errors
/// Why not.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    if fs::symlink_metadata(path).is_ok() {
        return open(path).map(drop);
    }
    // A file of another name: a line that somebody appended to this one meanwhile would go with it.
    let unique = random::hex128().map_err(|error| error.to_string())?;
    let draft = path.with_file_name(format!(".{unique}"));
    let written = open(&draft).and_then(|mut file| file.write_all(b"\n").map_err(|error| error.to_string()));
    let _ = fs::remove_file(&draft);
    written
}
