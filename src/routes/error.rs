//! What the kernel did not do.

use std::io;

/// What this room returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// What the kernel did not do, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the kernel failed.
    #[error("cannot {what}: {error}")]
    Kernel {
        /// What was to be done, with the interface or the address.
        what: String,
        /// What the kernel said.
        error: io::Error,
    },
}
