//! What `doctor` reports: a line for each check.

use std::fmt;

use serde_json::{Value, json};

use crate::commands::error::CommandError;
use crate::commands::output::{print, print_json};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// It works, but a person should look at it; or it could not be tested.
    Warn,
    /// Something does not work.
    Fail,
}

/// One check that was made.
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
}

/// The checks that were made so far.
pub(super) struct Report {
    as_json: bool,
    checks: Vec<Check>,
    /// Why a line could not be printed.
    unprinted: Option<CommandError>,
}

impl Report {
    /// A report that is printed line by line, or as one document at its end.
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json, checks: Vec::new(), unprinted: None }
    }

    pub(super) fn ok(&mut self, name: &'static str, detail: impl fmt::Display) {
        self.add(name, Status::Ok, &detail);
    }

    pub(super) fn warn(&mut self, name: &'static str, detail: impl fmt::Display) {
        self.add(name, Status::Warn, &detail);
    }

    pub(super) fn fail(&mut self, name: &'static str, detail: impl fmt::Display) {
        self.add(name, Status::Fail, &detail);
    }

    /// Of a check that needs something else to work first.
    pub(super) fn not_tested(&mut self, name: &'static str, why: impl fmt::Display) {
        self.warn(name, format!("not tested: {why}"));
    }

    pub(super) fn add(&mut self, name: &'static str, status: Status, detail: &dyn fmt::Display) {
        let check = Check { name, status, detail: detail.to_string() };
        if !self.as_json
            && let Err(error) = print(&check)
        {
            self.unprinted = Some(error);
        }
        self.checks.push(check);
    }

    /// Prints the JSON, if that was asked for; fails if a check has failed.
    pub(super) fn end(self) -> Result<(), CommandError> {
        if self.as_json {
            print_json(&json!({ "checks": self.checks.iter().map(Check::to_json).collect::<Vec<_>>() }))?;
        }
        let failed = self.checks.iter().any(|check| check.status == Status::Fail);
        match self.unprinted {
            Some(error) => Err(error),
            None if failed => Err(CommandError::LeftOver),
            None => Ok(()),
        }
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Check {
    fn to_json(&self) -> Value {
        json!({ "name": self.name, "status": self.status.name(), "detail": self.detail })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5} {:<14} {}", self.status.name(), self.name, self.detail)
    }
}
