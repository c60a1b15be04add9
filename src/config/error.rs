//! A value that cannot be used.

use std::fmt;

/// A value that the `ipam` section must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The key, as written in the configuration; with dots for a key inside an object.
    pub key: String,
    /// The value as JSON, shortened; empty for one that may be a secret.
    pub value: String,
    /// What it should be.
    pub expected: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.as_str() {
            "" => write!(f, "ipam.{} must be {} (its value is not shown)", self.key, self.expected),
            value => write!(f, "ipam.{} is {value}, but must be {}", self.key, self.expected),
        }
    }
}

impl std::error::Error for Error {}
