//! From the process's arguments to a command's exit status.

use std::iter;
use std::process::ExitCode;

use crate::commands::arguments::{Arguments, Command};
use crate::commands::error::CommandError;
use crate::commands::networks::Configuration;
use crate::commands::output::{print, print_error, print_lines, print_to_stderr};
use crate::commands::{doctor, ending, flush, flush_every, help, install, list, reconcile, release, routes};

/// Runs the command that the process's arguments name. The exit status is 0 when all was done, 1 when something failed or
/// was left over, and 2 when the arguments or the configuration do not say what to do.
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
            print_to_stderr("Try `aliyun-eni-ipam --help`.");
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
        Command::Help { of } => return print_lines(help::page(of.as_deref()).lines()),
        Command::Version => return print(concat!("aliyun-eni-ipam ", env!("CARGO_PKG_VERSION"))),
        Command::Doctor => return doctor::doctor(arguments),
        Command::Routes { action } => {
            return routes::routes(&arguments.config, arguments.network.as_deref(), *action, arguments.json);
        }
        Command::Install { conflist, plugin_directory } => {
            return install::install(arguments, conflist.as_deref(), plugin_directory.as_deref());
        }
        Command::Uninstall { plugin_directory, consent } => {
            return install::uninstall(arguments, plugin_directory.as_deref(), *consent);
        }
        Command::Flush { timeout, every: Some(every) } => {
            return flush_every::flush_every(arguments, *timeout, *every);
        }
        _ => {}
    }
    let found = Configuration::read(&arguments.config).map_err(CommandError::Configuration)?;
    let found = found.sharing_foreign_addresses();
    let (network, others) =
        found.chosen(arguments.network.as_deref()).map_err(CommandError::Configuration)?;
    for (file, why) in &found.broken {
        print_error(&format!("{} is ignored, because it is broken: {why}", file.display()));
    }
    // A timer serves whatever is configured, and a person sees all that is recorded.
    if !others.is_empty() && !matches!(arguments.command, Command::Flush { .. } | Command::List(_)) {
        return Err(CommandError::Configuration(found.choose_one()));
    }
    network.start_log(arguments.command.name());
    if matches!(arguments.command, Command::Flush { .. }) {
        ending::end_in_good_order();
    }
    let json = arguments.json;
    match &arguments.command {
        Command::List(options) => {
            let networks: Vec<_> = iter::once(network).chain(others).collect();
            list::list(&networks, arguments.network.as_deref(), options, json)
        }
        Command::Release { addresses, consent } => {
            release::release(network.ipam(), addresses, *consent, json)
        }
        Command::Flush { timeout, every: None } => {
            flush::flush(iter::once(network).chain(others), &found, *timeout, json)
        }
        Command::Reconcile { remedy, timeout } => reconcile::reconcile(network, *remedy, *timeout, json),
        _ => Ok(()),
    }
}
