//! Asks the person before something is released.

use std::io::{self, BufRead, Read, Write};

use crate::base::printable::printable;

/// Whether the person has agreed beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// By `--yes`.
    Given,
    /// No, so the person is asked.
    Needed,
}

impl Consent {
    /// Whether the person agrees. The question goes to stderr, because a program may read stdout. If the question cannot be
    /// shown or answered, the answer is no. Each line is escaped: no name in the question can add a line or hide one.
    pub(super) fn obtain(self, question: &[String]) -> bool {
        match self {
            Self::Given => true,
            Self::Needed => ask(question, &mut io::stderr().lock(), &mut io::stdin().lock()),
        }
    }
}

/// The longest answer that is read. A person types less.
const MAX_ANSWER_BYTES: u64 = 1000;

fn ask(question: &[String], to: &mut impl Write, from: &mut impl BufRead) -> bool {
    let lines: Vec<_> = question.iter().map(printable).collect();
    if write!(to, "{} [y/N] ", lines.join("\n")).and_then(|()| to.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    let read = from.take(MAX_ANSWER_BYTES).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answer: &[u8]) -> bool {
        let mut shown = Vec::new();
        let question = ["1 on eni-1\n2 on eni-1".to_owned(), "Release it?".to_owned()];
        let agreed = ask(&question, &mut shown, &mut &*answer);
        assert_eq!(shown, b"1 on eni-1\\n2 on eni-1\nRelease it? [y/N] ");
        agreed
    }

    #[test]
    fn nothing_but_a_clear_yes_is_one() {
        for yes in ["y\n", "Y\n", "yes\n", " YES \r\n", "y"] {
            assert!(answered(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yep\n", "\ny\n", "y y\n"] {
            assert!(!answered(no.as_bytes()), "{no:?}");
        }
        assert!(!answered(b"\xff\n"));
        assert!(!answered(&vec![b'y'; 1 << 20]));
    }

    #[test]
    fn where_nobody_sees_the_question_the_answer_is_no() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert!(!ask(&["Release it?".to_owned()], &mut writer, &mut &b"y\n"[..]));
    }
}
