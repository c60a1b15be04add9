//! What commands print. Only a document of JSON leaves this file unescaped.

use std::fmt;
use std::io::{self, Write};

use serde_json::Value;

use crate::base::printable::printable;
use crate::base::text::plain_words;
use crate::commands::error::CommandError;

/// Prints one line to stdout. A line break in it is data, and is escaped like every other control character.
pub(super) fn print(line: impl fmt::Display) -> Result<(), CommandError> {
    print_line(&printable(line))
}

/// Prints lines to stdout, each like [`print()`].
pub(super) fn print_lines(lines: impl IntoIterator<Item = impl fmt::Display>) -> Result<(), CommandError> {
    lines.into_iter().try_for_each(print)
}

/// Prints a document to stdout, with no other escapes than those of JSON.
pub(super) fn print_json(document: &Value) -> Result<(), CommandError> {
    print_line(&document.to_string())
}

/// A reader that has gone away is not a failure: the command has done its work.
fn print_line(line: &str) -> Result<(), CommandError> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints an error to stderr, with the program's name before it.
pub(super) fn print_error(text: &str) {
    print_to_stderr(format_args!("aliyun-eni-ipam: {}", plain_words(text)));
}

/// Prints one line to stderr, escaped as by [`print()`].
pub(super) fn print_to_stderr(line: impl fmt::Display) {
    // Nothing is left to do if stderr cannot be written to.
    let _ = writeln!(io::stderr().lock(), "{}", printable(line));
}

/// Writes `line` over the last line of the terminal at stderr, on which `before` characters stand. The cursor stays in this line.
pub(super) fn write_over(line: &str, before: usize) {
    let line = printable(line);
    let blank = " ".repeat(before.saturating_sub(line.chars().count()));
    let back = if line.is_empty() { "\r" } else { "" };
    let mut stderr = io::stderr().lock();
    // Nobody looks any more if it cannot be written.
    let _ = stderr.write_all(format!("\r{line}{blank}{back}").as_bytes()).and_then(|()| stderr.flush());
}

/// A number with its word.
pub(super) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Shortens a containerID for people. CNI does not limit its length, and a long one would push other rows off the screen.
pub(super) fn short_id(container_id: &str) -> String {
    // The length of the IDs of containerd and Docker.
    const USUAL: usize = 64;
    match container_id.char_indices().nth(USUAL) {
        Some((end, _)) => format!("{}...", &container_id[..end]),
        None => container_id.to_owned(),
    }
}
