//! Asking the person before something is taken away.

use std::io::{self, BufRead, Read, Write};

use crate::base::printable::printable;

/// Whether the person has agreed beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// By `--yes`.
    Given,
    /// No: the person is to be asked.
    Needed,
}

impl Consent {
    /// Whether the person agrees. The question goes to stderr, because stdout may be a program's; where nobody is there to
    /// see it or to answer, the answer is no. A line break within one of its lines is escaped: nothing that is asked about
    /// can make a line of its own, or hide one.
    pub(super) fn obtain(self, question: &[String]) -> bool {
        match self {
            Self::Given => true,
            Self::Needed => ask(question, &mut io::stderr().lock(), &mut io::stdin().lock()),
        }
    }
}

/// The longest answer that is read: nobody types more by hand.
const MOST_BYTES: u64 = 1000;

fn ask(question: &[String], to: &mut impl Write, from: &mut impl BufRead) -> bool {
    let lines: Vec<_> = question.iter().map(printable).collect();
    if write!(to, "{} [y/N] ", lines.join("\n")).and_then(|()| to.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    let read = from.take(MOST_BYTES).read_line(&mut answer);
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
