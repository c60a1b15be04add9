//! Why there is no key.

use crate::base::text::clean;

/// No key. `Display` says which sources were tried and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
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
