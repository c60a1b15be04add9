//! Kernel file locks: the one place that names `fs2`.

use std::fs::File;
use std::io;

/// Locks an open file if nobody else holds its lock. Returns whether it did.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    // The standard library has methods of the same names, which a plain call would reach.
    match uninterrupted(|| fs2::FileExt::try_lock_exclusive(file)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Locks an open file, however long that takes. The kernel serves those who wait in the order in which they came.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    uninterrupted(|| fs2::FileExt::lock_exclusive(file))
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
