//! A value that cannot be used.

use std::fmt;

/// A value that the `ipam` section must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The key, as written in the configuration; with dots for a key inside an object.
    pub key: String,
    /// The value as JSON, shortened; never that of a secret.
    pub value: String,
    /// What it should be.
    pub expected: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ipam.{} is {}, but must be {}", self.key, self.value, self.expected)
    }
}

impl std::error::Error for Error {}
