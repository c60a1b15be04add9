//! The user that this process runs as.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

/// The number of this process's effective user. The system is asked once.
pub(crate) fn own_user() -> io::Result<u32> {
    static OWN: OnceLock<u32> = OnceLock::new();
    if let Some(own) = OWN.get() {
        return Ok(*own);
    }
    // The owner of a process's own /proc directory is its effective user.
    let own = fs::metadata("/proc/self")?.uid();
    Ok(*OWN.get_or_init(|| own))
}
