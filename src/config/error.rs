//! A value that cannot be used.

/// A value that the `ipam` section must not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An error that shows the value.
    #[error("ipam.{key} is {value}, but must be {expected}")]
    Invalid {
        /// The key, as written in the configuration; with dots for a key inside an object.
        key: String,
        /// The value as JSON, shortened.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// An error that hides the value, because it may be a secret.
    #[error("ipam.{key} must be {expected} (its value is not shown)")]
    InvalidSecret {
        /// The key.
        key: String,
        /// What it should be.
        expected: String,
    },
    /// A value that an entry of `plugins` must not have.
    #[error("{key} of the chained plugin is {value}, but must be {expected}")]
    OfChain {
        /// The key.
        key: String,
        /// The value as JSON, shortened.
        value: String,
        /// What it should be.
        expected: String,
    },
}

impl Error {
    /// The same of a key that stands in an entry of `plugins`.
    pub(super) fn of_a_chain(self) -> Self {
        match self {
            Self::Invalid { key, value, expected } => Self::OfChain { key, value, expected },
            other => other,
        }
    }
}
