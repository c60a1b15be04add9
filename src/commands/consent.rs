//! Asks the person before something is released.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use crate::base::printable::printable;
use crate::commands::output::print_error;

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
        if self == Self::Given {
            return true;
        }
        let (from, to) = (io::stdin(), io::stderr());
        // Who types sees no question that goes to a file, and would wait for nothing.
        let asked = if from.is_terminal() && !to.is_terminal() {
            show(question, "\n", &mut to.lock()).map_or(Answer::Unasked, |()| Answer::None)
        } else {
            ask(question, &mut to.lock(), &mut from.lock())
        };
        if asked == Answer::None {
            print_error("nobody has answered: to agree, run it again with --yes");
        }
        asked == Answer::Yes
    }
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    /// Anything else that was typed.
    No,
    /// The input ended: nobody is there.
    None,
    /// The question could not be shown.
    Unasked,
}

/// The longest answer that is read. A person types less.
const MAX_ANSWER_BYTES: u64 = 1000;

fn ask(question: &[String], to: &mut impl Write, from: &mut impl BufRead) -> Answer {
    if show(question, " [y/N] ", to).is_err() {
        return Answer::Unasked;
    }
    let mut answer = String::new();
    match from.take(MAX_ANSWER_BYTES).read_line(&mut answer) {
        Ok(0) => {
            // The prompt has left the line open.
            let _ = writeln!(to);
            Answer::None
        }
        Ok(_) if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") => Answer::Yes,
        _ => Answer::No,
    }
}

fn show(question: &[String], end: &str, to: &mut impl Write) -> io::Result<()> {
    let lines: Vec<_> = question.iter().map(printable).collect();
    write!(to, "{}{end}", lines.join("\n"))?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(typed: &[u8]) -> Answer {
        let mut shown = Vec::new();
        let question = ["1 on eni-1\n2 on eni-1".to_owned(), "Release it?".to_owned()];
        let answer = ask(&question, &mut shown, &mut &*typed);
        let end = if answer == Answer::None { "\n" } else { "" };
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            format!("1 on eni-1\\n2 on eni-1\nRelease it? [y/N] {end}")
        );
        answer
    }

    #[test]
    fn nothing_but_a_clear_yes_is_one() {
        for yes in ["y\n", "Y\n", "yes\n", " YES \r\n", "y"] {
            assert_eq!(answered(yes.as_bytes()), Answer::Yes, "{yes:?}");
        }
        for no in ["\n", "n\n", "no\n", "yep\n", "\ny\n", "y y\n"] {
            assert_eq!(answered(no.as_bytes()), Answer::No, "{no:?}");
        }
        assert_eq!(answered(b"\xff\n"), Answer::No);
        assert_eq!(answered(&vec![b'y'; 1 << 20]), Answer::No);
    }

    #[test]
    fn the_end_of_the_input_is_no_answer() {
        assert_eq!(answered(b""), Answer::None);
    }

    #[test]
    fn where_nobody_sees_the_question_the_answer_is_no() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let answer = ask(&["Release it?".to_owned()], &mut writer, &mut &b"y\n"[..]);
        assert_eq!(answer, Answer::Unasked);
    }
}
