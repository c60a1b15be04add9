//! What `doctor` reports: a line for each check, and one that sums them up.

use std::fmt;

use serde_json::{Value, json};

use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::output::{print, print_json};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Ok,
    /// It works, but a person should look at it; or it could not be tested.
    Warn,
    /// Something does not work.
    Fail,
}

/// The checks whose failure explains that of others, the cause before its effects.
const CAUSES: [&str; 15] = [
    "configuration",
    "plugins",
    "binary",
    "store",
    "metadata",
    "region",
    "credentials",
    "endpoint",
    "permissions",
    "eni",
    "link",
    "managers",
    "main-table",
    "forwarding",
    "routes",
];

/// One check that was made.
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    /// The networks that it is about; none where it is about the node.
    networks: Vec<String>,
    /// For how many pods there are addresses, if it is about that.
    pods: Option<u64>,
}

/// How all checks together ended.
pub(in crate::commands) struct Verdict {
    /// How many have failed.
    pub(in crate::commands) fails: usize,
    /// What `doctor --json` prints.
    pub(in crate::commands) document: Value,
}

/// The checks that were made so far.
pub(super) struct Report {
    as_json: bool,
    /// How many networks are checked.
    of: usize,
    /// The networks that the next checks are about.
    about: Vec<String>,
    checks: Vec<Check>,
    /// Why a line could not be printed.
    unprinted: Option<CommandError>,
}

impl Report {
    /// A report on `of` networks that is printed line by line, or as one document at its end.
    pub(super) fn new(as_json: bool, of: usize) -> Self {
        Self { as_json, of, about: Vec::new(), checks: Vec::new(), unprinted: None }
    }

    /// The next checks are about these networks. A line says so where there are others.
    pub(super) fn about(&mut self, networks: &[&Network]) {
        self.about = networks.iter().map(|network| network.name().to_owned()).collect();
    }

    /// The next checks are about the node.
    pub(super) fn about_the_node(&mut self) {
        self.about.clear();
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
        self.add_with(name, status, detail, None);
    }

    /// For how many pods there are addresses, which programs may read.
    pub(super) fn capacity(
        &mut self,
        name: &'static str,
        status: Status,
        pods: u64,
        detail: &dyn fmt::Display,
    ) {
        self.add_with(name, status, detail, Some(pods));
    }

    fn add_with(&mut self, name: &'static str, status: Status, detail: &dyn fmt::Display, pods: Option<u64>) {
        let detail = format!("{}{detail}", self.prefix());
        let check = Check { name, status, detail, networks: self.about.clone(), pods };
        if !self.as_json {
            self.print(&check);
        }
        self.checks.push(check);
    }

    /// Which networks a line is about, unless it is about all of them.
    fn prefix(&self) -> String {
        let names: Vec<_> = self.about.iter().map(|name| format!("{name:?}")).collect();
        match names.as_slice() {
            names if names.len() >= self.of => String::new(),
            [] => String::new(),
            [name] => format!("network {name}: "),
            names => format!("networks {}: ", names.join(", ")),
        }
    }

    fn print(&mut self, line: &dyn fmt::Display) {
        if let Err(error) = print(line) {
            self.unprinted = Some(error);
        }
    }

    /// Prints the summary, or the JSON if that was asked for; fails if a check has failed.
    pub(super) fn end(self) -> Result<(), CommandError> {
        let as_json = self.as_json;
        let verdict = self.verdict()?;
        if as_json {
            print_json(&verdict.document)?;
        }
        if verdict.fails == 0 { Ok(()) } else { Err(CommandError::LeftOver) }
    }

    /// Prints the summary, but no JSON.
    pub(super) fn verdict(mut self) -> Result<Verdict, CommandError> {
        let counts = [Status::Ok, Status::Warn, Status::Fail].map(|status| (status, self.count(status)));
        let worst = self.checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok);
        let mut summary = json!({ "first": self.first(worst).map(Check::to_json) });
        for (status, count) in counts {
            summary[status.name()] = count.into();
        }
        if !self.as_json {
            let mut detail = counts.map(|(status, count)| format!("{count} {}", status.name())).join(", ");
            if let Some(first) = self.first(worst) {
                detail = format!("{detail}; begin with `{}`", first.name);
            }
            let (name, networks) = ("summary", Vec::new());
            self.print(&Check { name, status: worst, detail, networks, pods: None });
        }
        let checks: Vec<_> = self.checks.iter().map(Check::to_json).collect();
        let document = json!({ "checks": checks, "summary": summary });
        let fails = self.count(Status::Fail);
        match self.unprinted {
            Some(error) => Err(error),
            None => Ok(Verdict { fails, document }),
        }
    }

    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// What to look at first: among the worst checks, the one that may explain others.
    fn first(&self, worst: Status) -> Option<&Check> {
        let rank =
            |check: &&Check| CAUSES.iter().position(|name| *name == check.name).unwrap_or(CAUSES.len());
        let of_worst = self.checks.iter().filter(|check| check.status == worst && worst != Status::Ok);
        of_worst.min_by_key(rank)
    }
}

/// As many pods or addresses as a line names.
const MOST: usize = 20;

/// As many of these as a line takes, and how many more there are.
pub(super) fn some(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(MOST);
    let shown = all.take(MOST).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
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
        let mut check = json!({
            "name": self.name,
            "status": self.status.name(),
            "detail": self.detail,
            "networks": self.networks,
        });
        if let Some(pods) = self.pods {
            check["pods"] = pods.into();
        }
        check
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5} {:<14} {}", self.status.name(), self.name, self.detail)
    }
}
