//! Files of tests in memory.

use std::env;
use std::path::Path;

/// Has all nodes of this process keep their files in memory, where the machine has room there for them and `TMPDIR` names no other place.
///
/// For suites in which no file has to outlive its process: on a disk they mostly wait for directories to become durable.
pub fn keep_files_in_memory() {
    let memory = Path::new("/dev/shm");
    if env::var_os("TMPDIR").is_none() && tempfile::tempdir_in(memory).is_ok() {
        // Fails where somebody has set another place.
        let _ = tempfile::env::override_temp_dir(memory);
    }
}
