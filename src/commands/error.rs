//! How a command can fail.

use std::{fmt, io};

use crate::failure::Failure;
use crate::routes;

/// Why a command did not do what was asked.
pub(super) enum CommandError {
    /// The arguments are not understood.
    Usage(String),
    /// The arguments are understood, but not which network they are about.
    Configuration(String),
    /// The command failed.
    Failed(String),
    /// The command did a part of its work, and has said which part is left.
    LeftOver,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Configuration(why) | Self::Failed(why) => f.write_str(why),
            Self::LeftOver => f.write_str("something is left over"),
        }
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<routes::Error> for CommandError {
    fn from(error: routes::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
