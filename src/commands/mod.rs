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
use networks::Network;

use crate::base::logging;
use crate::cni::plain_words;
use crate::failure::Failure;

/// Why a command did not do what was asked.
enum Trouble {
    /// It cannot be made out what is asked.
    Usage(String),
    /// It failed.
    Failed(String),
    /// It was done, but not all of it.
    LeftOver,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs the command that the process's arguments name. The exit status is 0 when all was done, 1 when something failed or
/// was left over, 2 when the command cannot be made out.
#[must_use]
pub fn run() -> ExitCode {
    let done = Arguments::parse().map_err(Trouble::Usage).and_then(|arguments| execute(&arguments));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::LeftOver) => ExitCode::from(1),
        Err(Trouble::Failed(why)) => {
            complain(&why);
            ExitCode::from(1)
        }
        Err(Trouble::Usage(why)) => {
            complain(&format!("{why}\nTry `aliyun-eni-ipam --help`."));
            ExitCode::from(2)
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), Trouble> {
    match &arguments.command {
        Command::Help => return say(arguments::HELP),
        Command::Version => return say(concat!("aliyun-eni-ipam ", env!("CARGO_PKG_VERSION"))),
        _ => {}
    }
    let found = Network::find(&arguments.config).map_err(Trouble::Usage)?;
    let (network, others) = Network::chosen(&found, arguments.network.as_deref()).map_err(Trouble::Usage)?;
    // A timer is to serve whatever is configured.
    if !others.is_empty() && arguments.command != Command::Flush {
        let names: Vec<_> = found.iter().map(Network::name).collect();
        let names = names.join(", ");
        return Err(Trouble::Usage(format!(
            "several networks use this plugin ({names}): choose one with --network"
        )));
    }
    let settings = network.ipam().log();
    logging::start(settings.level, Some(&settings.file));
    logging::context(arguments.command.name());
    let json = arguments.json;
    match &arguments.command {
        Command::List => list::list(network.ipam(), json),
        Command::Release { addresses, consent } => {
            release::release(network.ipam(), addresses, *consent, json)
        }
        Command::Flush => flush::flush(std::iter::once(network).chain(others), json),
        Command::Reconcile { orphans } => reconcile::reconcile(network, *orphans, json),
        Command::Doctor => doctor::doctor(network, &found, json),
        Command::Help | Command::Version => Ok(()),
    }
}

/// Prints to stdout. That nobody reads is no failure of the command: what it was to do is done.
fn say(text: impl fmt::Display) -> Result<(), Trouble> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn complain(text: &str) {
    // Without a stderr there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "aliyun-eni-ipam: {}", plain_words(text));
}
