//! `doctor`: is everything there that an ADD and a DEL need? One line each, with what to do.

mod cloud;
mod local;
mod permissions;

use std::fmt;

use serde_json::{Value, json};

use super::networks::Network;
use super::{Trouble, say_json, say_lines};
use crate::session::Session;

/// Looks at everything, and changes nothing.
pub(super) fn doctor(network: &Network, configured: &[Network], as_json: bool) -> Result<(), Trouble> {
    let mut report = Report::default();
    local::configuration(network, &mut report);
    local::neighbours(network, configured, &mut report);
    match Session::open(network.ipam()) {
        Ok(session) => {
            local::store(&session, &mut report);
            cloud::cloud(&session, &mut report);
        }
        Err(failure) => report.fail("store", &failure),
    }
    if as_json {
        say_json(&json!({ "checks": report.0.iter().map(Check::to_json).collect::<Vec<_>>() }))?;
    } else {
        say_lines(&report.0)?;
    }
    let failed = report.0.iter().any(|check| check.status == Status::Fail);
    if failed { Err(Trouble::LeftOver) } else { Ok(()) }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    /// It works, but somebody should know; or it could not be tested.
    Warn,
    /// Something does not work.
    Fail,
}

/// One line.
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
}

/// What has been looked at so far.
#[derive(Default)]
struct Report(Vec<Check>);

impl Report {
    fn ok(&mut self, name: &'static str, detail: impl fmt::Display) {
        self.add(name, Status::Ok, &detail);
    }

    fn warn(&mut self, name: &'static str, detail: impl fmt::Display) {
        self.add(name, Status::Warn, &detail);
    }

    fn fail(&mut self, name: &'static str, detail: impl fmt::Display) {
        self.add(name, Status::Fail, &detail);
    }

    /// For what cannot be known before something else works.
    fn not_tested(&mut self, name: &'static str, why: impl fmt::Display) {
        self.warn(name, format!("not tested: {why}"));
    }

    fn add(&mut self, name: &'static str, status: Status, detail: &dyn fmt::Display) {
        self.0.push(Check { name, status, detail: detail.to_string() });
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
