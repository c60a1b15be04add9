//! What a process adds to the totals, and the line that says it.

use std::borrow::Cow;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::region::Family;

use super::facts::{self, name_of};

/// The longest name in a line: those of actions have thirty characters.
const LONGEST: usize = 64;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A call of a verb, by the code of its error; [`DONE`] for one that succeeded.
    Call,
    /// A request to ECS, by the class of its result.
    Request,
}

/// What stands for the code of a call without an error.
pub(super) const DONE: &str = "0";

/// What a process has to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Something that took time.
    Took {
        /// What it was.
        kind: Kind,
        /// The verb or the action.
        name: Cow<'static, str>,
        /// How it ended.
        result: Cow<'static, str>,
        /// How long it took.
        took: Duration,
    },
    /// A value that takes the place of the last one of this name.
    Fact(Cow<'static, str>, u64),
}

impl Kind {
    const ALL: [Self; 2] = [Self::Call, Self::Request];

    /// Its name in a line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Request => "request",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Event {
    /// A call of `verb`; `error` is the code of its error.
    pub(crate) fn call(verb: &'static str, error: Option<u32>, took: Duration) -> Self {
        let result = error.map_or(Cow::from(DONE), |code| code.to_string().into());
        Self::Took { kind: Kind::Call, name: verb.into(), result, took }
    }

    /// A request to ECS.
    pub(crate) fn request(action: &'static str, result: &'static str, took: Duration) -> Self {
        Self::Took { kind: Kind::Request, name: action.into(), result: result.into(), took }
    }

    /// That `flush` has run to its end.
    pub(crate) fn flushed(at: Timestamp) -> Self {
        Self::Fact(facts::FLUSHED.into(), at.unix_seconds())
    }

    /// How many addresses of `family` each ENI may have.
    pub(crate) fn quota(family: Family, count: u64) -> Self {
        Self::Fact(facts::quota(name_of(family)).into(), count)
    }

    /// It as a line, without the end of the line.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Took { kind, name, result, took } => {
                format!("{} {name} {result} {}", kind.name(), took.as_micros())
            }
            Self::Fact(name, value) => format!("fact {name} {value}"),
        }
    }

    /// What a line says; `None` of one that is damaged.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["fact", name, value] => Some(Self::Fact(word(name)?.to_owned().into(), value.parse().ok()?)),
            [kind, name, result, micros] => Some(Self::Took {
                kind: Kind::of_name(kind)?,
                name: word(name)?.to_owned().into(),
                result: word(result)?.to_owned().into(),
                took: Duration::from_micros(micros.parse().ok()?),
            }),
            _ => None,
        }
    }
}

/// A name that is fit to be the value of a label, or a part of one.
pub(super) fn word(text: &str) -> Option<&str> {
    let is_fit = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_fit && (1..=LONGEST).contains(&text.len())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_written() {
        let took = Duration::from_micros(1_234_567);
        for event in [
            Event::call("ADD", None, took),
            Event::call("DEL", Some(112), took),
            Event::request("AssignPrivateIpAddresses", "throttled", took),
            Event::Fact("flush".into(), 17),
        ] {
            assert_eq!(Event::parse(&event.line()), Some(event));
        }
    }

    #[test]
    fn a_line_that_is_damaged_says_nothing() {
        for line in [
            "",
            "call",
            "call ADD 0",
            "call ADD 0 ",
            "call ADD 0 12x",
            "call ADD 0 -1",
            "call ADD 0 1 2",
            "call A\"B 0 1",
            "call  0 1",
            "other ADD 0 1",
            "fact flush",
            "fact fl\0sh 1",
            "fact flush 99999999999999999999",
        ] {
            assert_eq!(Event::parse(line), None, "{line:?}");
        }
        assert_eq!(Event::parse(&format!("call {} 0 1", "A".repeat(65))), None);
    }
}
