//! Kernel file locks: the one place that names `fs2`.

use std::fs::File;
use std::io;

/// Locks an open file if nobody else holds its lock. Returns whether it did.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        // The standard library has methods of the same names, which a plain call would reach.
        return match fs2::FileExt::try_lock_exclusive(file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
    }
}
