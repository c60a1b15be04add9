//! `doctor`: is everything there that an ADD and a DEL need? One line each, with what to do.

mod cloud;
mod local;
mod permissions;

use std::fmt;

use serde_json::{Value, json};

use crate::commands::arguments::Arguments;
use crate::commands::networks::{Configuration, Network};
use crate::commands::{CommandError, print, print_json, several, start_log};
use crate::context::CallContext;

/// Looks at everything, and changes nothing. Each line is printed when it is known: what comes next may take its time.
pub(super) fn doctor(arguments: &Arguments) -> Result<(), CommandError> {
    let found = Configuration::read(&arguments.config);
    let chosen = match &found {
        Ok(found) => found.chosen(arguments.network.as_deref()),
        Err(why) => Err(why.clone()),
    };
    // Where there are networks it must be clear which one is meant, or what follows would be about another.
    if let Ok(found) = &found
        && !found.networks.is_empty()
    {
        match &chosen {
            Ok((_, others)) if others.is_empty() => {}
            Ok(_) => return Err(CommandError::Configuration(several(found))),
            Err(why) => return Err(CommandError::Configuration(why.clone())),
        }
    }
    let mut report = Report { as_json: arguments.json, ..Report::default() };
    binary(&mut report);
    for (file, why) in found.iter().flat_map(|found| &found.broken) {
        let line = format!("{} is broken: {why}", file.display());
        // Where the network is found all the same, the file is probably another plugin's.
        report.add("configuration", if chosen.is_ok() { Status::Warn } else { Status::Fail }, &line);
    }
    match &chosen {
        Ok((network, _)) => {
            start_log(network, &arguments.command);
            local::configuration(network, &mut report);
            local::neighbours(network, found.iter().flat_map(|found| &found.networks), &mut report);
            node(network, true, &mut report);
        }
        // What can be checked of a node all the same, with the default of every key.
        Err(why) => {
            report.fail("configuration", why);
            node(&Network::with_defaults(), false, &mut report);
        }
    }
    report.end()
}

fn binary(report: &mut Report) {
    let version = concat!("aliyun-eni-ipam ", env!("CARGO_PKG_VERSION"));
    match std::env::current_exe() {
        Ok(path) => report.ok("binary", format!("{version}, {}", path.display())),
        Err(error) => report.warn("binary", format!("{version}; cannot tell its own path: {error}")),
    }
}

fn node(network: &Network, is_configured: bool, report: &mut Report) {
    match CallContext::open(network.ipam()) {
        Ok(context) => context.run_then_write_metrics(|context| {
            local::store(context, report);
            cloud::cloud(context, is_configured, report);
        }),
        Err(failure) => report.fail("store", &failure),
    }
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
struct Report {
    as_json: bool,
    checks: Vec<Check>,
    /// Why a line could not be printed.
    unprinted: Option<CommandError>,
}

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
        let check = Check { name, status, detail: detail.to_string() };
        if !self.as_json
            && let Err(trouble) = print(&check)
        {
            self.unprinted = Some(trouble);
        }
        self.checks.push(check);
    }

    /// Whether everything is well, and the JSON where that is wanted.
    fn end(self) -> Result<(), CommandError> {
        if self.as_json {
            print_json(&json!({ "checks": self.checks.iter().map(Check::to_json).collect::<Vec<_>>() }))?;
        }
        let failed = self.checks.iter().any(|check| check.status == Status::Fail);
        match self.unprinted {
            Some(trouble) => Err(trouble),
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
