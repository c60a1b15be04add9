//! Plain text that fits 100 columns, with colour where a person looks at it.

use std::env;
use std::io::{self, IsTerminal, Write};

/// No line is longer.
const WIDTH: usize = 100;

/// Where the demo is shown.
#[derive(Debug)]
pub(crate) struct Screen {
    colour: bool,
}

/// How a line looks on a terminal.
#[derive(Clone, Copy)]
enum Look {
    Plain,
    Bold,
    Command,
    Dim,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: io::stdout().is_terminal() && !unwanted }
    }

    /// An empty line.
    pub(crate) fn gap(&self) -> io::Result<()> {
        self.say("")
    }

    /// The title of an act.
    pub(crate) fn heading(&self, text: &str) -> io::Result<()> {
        self.gap()?;
        self.print("", "", Look::Bold, text)
    }

    /// A paragraph.
    pub(crate) fn say(&self, text: &str) -> io::Result<()> {
        self.print("", "", Look::Plain, text)
    }

    /// What is called.
    pub(crate) fn command(&self, text: &str) -> io::Result<()> {
        self.gap()?;
        self.print("  $ ", "      ", Look::Command, text)
    }

    /// What a program printed.
    pub(crate) fn output(&self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| self.print("    ", "        ", Look::Plain, line))
    }

    /// What became of it in the cloud.
    pub(crate) fn fact(&self, text: &str) -> io::Result<()> {
        self.print("    ", "        ", Look::Dim, text)
    }

    /// Writes a line, with one indentation for its beginning and another one for what does not fit.
    fn print(&self, first: &str, next: &str, look: Look, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        let (begin, end) = if self.colour { look.codes() } else { ("", "") };
        let mut indent = first;
        for line in wrap(text, WIDTH - first.len(), WIDTH - next.len()) {
            if line.is_empty() {
                writeln!(stdout)?;
            } else {
                writeln!(stdout, "{indent}{begin}{line}{end}")?;
            }
            indent = next;
        }
        Ok(())
    }
}

impl Look {
    fn codes(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("", ""),
            Self::Bold => ("\x1b[1m", "\x1b[0m"),
            Self::Command => ("\x1b[36m", "\x1b[0m"),
            Self::Dim => ("\x1b[2m", "\x1b[0m"),
        }
    }
}

/// Breaks a line where it may be broken: at a space, or before a parameter of a query.
fn wrap(text: &str, first: usize, next: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut width = first;
    for piece in pieces(text) {
        if line.chars().count() + piece.trim_end().chars().count() > width && !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
            line.clear();
            width = next;
        }
        line.push_str(piece);
        // A single piece that is too long is cut.
        while line.trim_end().chars().count() > width {
            let rest = line.chars().skip(width).collect();
            lines.push(line.chars().take(width).collect());
            line = rest;
            width = next;
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// The text in pieces that are not broken, with the spaces behind them.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let breaks = |at: &usize| {
            let before_parameter = bytes[*at] == b'&';
            before_parameter || (bytes[*at - 1] == b' ' && bytes[*at] != b' ')
        };
        let end = (1..rest.len()).find(breaks).unwrap_or(rest.len());
        let (piece, other) = rest.split_at(end);
        rest = other;
        Some(piece)
    })
}
