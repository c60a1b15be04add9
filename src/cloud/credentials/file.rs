//! Files that hold keys or tokens.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Once;

use log::warn;

use crate::base::text::reason;

/// More than any such file has.
const MAX: u64 = 1 << 20;

/// The text of a file, or in words why there is none.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let problem = |why: &str| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(|error| problem(&reason(&error)))?;
    let metadata = file.metadata().map_err(|error| problem(&reason(&error)))?;
    if !metadata.is_file() {
        return Err(problem("it is not a file"));
    }
    let mut text = String::new();
    file.take(MAX + 1).read_to_string(&mut text).map_err(|error| problem(&reason(&error)))?;
    if text.len() as u64 > MAX { Err(problem("it is too long")) } else { Ok(text) }
}

/// Whether others than the owner may read or change a file.
pub(super) fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

/// Warns, once in a process, of a file of keys that others can read.
pub(super) fn warn_if_open_to_others(path: &Path) {
    static WARNED: Once = Once::new();
    if path.metadata().is_ok_and(|metadata| is_open_to_others(&metadata)) {
        WARNED.call_once(|| {
            warn!(
                "{0} contains access keys and other users can read it: run `chmod 600 {0}`",
                path.display()
            );
        });
    }
}
