//! What was done, step by step, for people and as JSON.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::commands::error::CommandError;
use crate::commands::output::{print, print_json};

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Something was placed, removed or released.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// Something stays, because something else has to come first. Running the command again goes on.
    Left,
    /// It was tried in vain.
    Failed,
}

/// The steps so far. Each is printed as soon as it is known, or all of them as one document at the end.
pub(super) struct Steps {
    as_json: bool,
    steps: Vec<(&'static str, Outcome, String)>,
}

impl Steps {
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json, steps: Vec::new() }
    }

    pub(super) fn as_json(&self) -> bool {
        self.as_json
    }

    pub(super) fn done(&mut self, name: &'static str, detail: impl Display) -> Result<(), CommandError> {
        self.add(name, Outcome::Done, &detail)
    }

    pub(super) fn unchanged(&mut self, name: &'static str, detail: impl Display) -> Result<(), CommandError> {
        self.add(name, Outcome::Unchanged, &detail)
    }

    pub(super) fn left(&mut self, name: &'static str, detail: impl Display) -> Result<(), CommandError> {
        self.add(name, Outcome::Left, &detail)
    }

    pub(super) fn failed(&mut self, name: &'static str, detail: impl Display) -> Result<(), CommandError> {
        self.add(name, Outcome::Failed, &detail)
    }

    fn add(
        &mut self,
        name: &'static str,
        outcome: Outcome,
        detail: &dyn Display,
    ) -> Result<(), CommandError> {
        let detail = detail.to_string();
        match outcome {
            Outcome::Done => log::info!("{name}: {detail}"),
            Outcome::Unchanged => log::debug!("{name}: {detail}"),
            Outcome::Left | Outcome::Failed => log::warn!("{name}: {detail}"),
        }
        if !self.as_json {
            print(format_args!("{:<9} {name:<9} {detail}", outcome.name()))?;
        }
        self.steps.push((name, outcome, detail));
        Ok(())
    }

    /// Whether every step that was tried ended well.
    pub(super) fn are_all_well(&self) -> bool {
        self.steps.iter().all(|(_, outcome, _)| matches!(outcome, Outcome::Done | Outcome::Unchanged))
    }

    /// Prints the document, with `more` in it, if that was asked for; fails where something is left.
    pub(super) fn end(self, more: Option<(&str, Value)>) -> Result<(), CommandError> {
        if self.as_json {
            let step = |(name, outcome, detail): &(&str, Outcome, String)| json!({ "name": name, "outcome": outcome.name(), "detail": detail });
            let mut document = json!({ "steps": self.steps.iter().map(step).collect::<Vec<_>>() });
            if let Some((key, value)) = more {
                document[key] = value;
            }
            print_json(&document)?;
        }
        if self.are_all_well() { Ok(()) } else { Err(CommandError::LeftOver) }
    }
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }
}
