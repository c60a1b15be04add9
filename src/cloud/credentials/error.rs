//! Why there is no key.

use std::fmt;

use crate::base::text::clean;

/// No key. `Display` says which sources were tried and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(super) message: String,
    /// Whether the same may succeed later without anybody changing anything.
    pub transient: bool,
}

impl Error {
    pub(super) fn transient(message: &str) -> Self {
        Self { message: clean(message, 1000), transient: true }
    }

    pub(super) fn lasting(message: &str) -> Self {
        Self { transient: false, ..Self::transient(message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
