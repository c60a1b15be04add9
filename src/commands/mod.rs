//! The commands for the person who runs the node.

mod arguments;
mod compare;
mod consent;
mod doctor;
mod flush;
mod list;
mod networks;
mod reconcile;
mod release;
mod releasing;
mod table;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, Command};
use networks::{Configuration, Network};
use serde_json::Value;

use crate::base::logging;
use crate::base::printable::printable;
use crate::base::text::plain_words;
use crate::failure::Failure;

/// Why a command did not do what was asked.
enum CommandError {
    /// It cannot be made out what is asked.
    Usage(String),
    /// It is clear what is asked, but not of which network.
    Configuration(String),
    /// It failed.
    Failed(String),
    /// It was done, but not all of it.
    LeftOver,
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs the command that the process's arguments name. The exit status is 0 when all was done, 1 when something failed or
/// was left over, 2 when the command cannot be made out.
#[must_use]
pub fn run() -> ExitCode {
    let done = Arguments::parse().map_err(CommandError::Usage).and_then(|arguments| execute(&arguments));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandError::LeftOver) => ExitCode::from(1),
        Err(CommandError::Failed(why)) => {
            print_error(&why);
            ExitCode::from(1)
        }
        Err(CommandError::Usage(why)) => {
            print_error(&why);
            tell("Try `aliyun-eni-ipam --help`.");
            ExitCode::from(2)
        }
        Err(CommandError::Configuration(why)) => {
            print_error(&why);
            ExitCode::from(2)
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), CommandError> {
    match &arguments.command {
        Command::Help { of } => return print_lines(of.unwrap_or(arguments::HELP).lines()),
        Command::Version => return print(concat!("aliyun-eni-ipam ", env!("CARGO_PKG_VERSION"))),
        Command::Doctor => return doctor::doctor(arguments),
        _ => {}
    }
    let found = Configuration::read(&arguments.config).map_err(CommandError::Configuration)?;
    let (network, others) =
        found.chosen(arguments.network.as_deref()).map_err(CommandError::Configuration)?;
    for (file, why) in &found.broken {
        print_error(&format!("{} is ignored, because it is broken: {why}", file.display()));
    }
    // A timer is to serve whatever is configured.
    if !others.is_empty() && arguments.command != Command::Flush {
        return Err(CommandError::Configuration(several(&found)));
    }
    start_log(network, &arguments.command);
    let json = arguments.json;
    match &arguments.command {
        Command::List => list::list(network.ipam(), json),
        Command::Release { addresses, consent } => {
            release::release(network.ipam(), addresses, *consent, json)
        }
        Command::Flush => flush::flush(std::iter::once(network).chain(others), json),
        Command::Reconcile { orphans } => reconcile::reconcile(network, *orphans, json),
        Command::Doctor | Command::Help { .. } | Command::Version => Ok(()),
    }
}

fn start_log(network: &Network, command: &Command) {
    let settings = network.ipam().log();
    logging::start(settings.level, Some(&settings.file));
    logging::context(command.name());
}

/// What to print where one network is needed and there are more.
fn several(found: &Configuration) -> String {
    format!("several networks use this plugin ({}): choose one with --network", found.names())
}

/// A container's ID for people. CNI sets no limit to its length, and a long one would push the rows above it off the screen.
fn short_id(container_id: &str) -> String {
    // That of containerd and of Docker.
    const USUAL: usize = 64;
    match container_id.char_indices().nth(USUAL) {
        Some((end, _)) => format!("{}...", &container_id[..end]),
        None => container_id.to_owned(),
    }
}

/// Prints one line to stdout: a line break in it is a piece of data, and is escaped like every other control character.
fn print(line: impl fmt::Display) -> Result<(), CommandError> {
    print_line(&printable(line))
}

/// Prints lines to stdout, each like [`print`].
fn print_lines(lines: impl IntoIterator<Item = impl fmt::Display>) -> Result<(), CommandError> {
    lines.into_iter().try_for_each(print)
}

/// Prints a document to stdout, with no other escapes than those of JSON.
fn print_json(document: &Value) -> Result<(), CommandError> {
    print_line(&document.to_string())
}

/// That nobody reads is no failure of the command: what it was to do is done.
fn print_line(line: &str) -> Result<(), CommandError> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn print_error(text: &str) {
    tell(format_args!("aliyun-eni-ipam: {}", plain_words(text)));
}

/// Prints one line to stderr, escaped as by [`say`].
fn tell(line: impl fmt::Display) {
    // Without a stderr there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{}", printable(line));
}
