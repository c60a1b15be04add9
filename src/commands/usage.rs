//! What to say about arguments that make no sense: one line for each of the parser's refusals.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use crate::base::suggestion::{meant, unknown};
use crate::commands::definition::{COMMANDS, command_line};

/// What container runtimes pass in `CNI_COMMAND`.
const VERBS: [&str; 6] = ["ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION"];

/// The options that need another one in some commands: each with its command and the other one.
const TOGETHER: [(&str, &str, &str); 2] =
    [("reconcile", "--yes", "--release-orphans"), ("routes", "--yes", "--remove")];

/// Why the parser refused what the person typed after `command`.
pub(super) fn explain(error: &Error, command: Option<&str>) -> String {
    let all = command_line();
    let command = command.unwrap_or_default();
    let argument = strings(error, ContextKind::InvalidArg);
    let option = argument.first().map_or("", |it| name(it));
    let value = strings(error, ContextKind::InvalidValue).first().copied().unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingSubcommand => "no command is given".to_owned(),
        ErrorKind::InvalidSubcommand => unknown_command(command),
        ErrorKind::UnknownArgument if option.starts_with('-') => unknown_option(&all, command, option),
        ErrorKind::UnknownArgument => {
            let operand = all.find_subcommand(command).and_then(|it| it.get_positionals().next());
            match operand.and_then(Arg::get_value_names).and_then(<[_]>::first) {
                Some(one) => format!("`{command}` takes one {one}, but also got `{option}`"),
                None => format!("`{command}` takes no arguments, but got `{option}`"),
            }
        }
        ErrorKind::ArgumentConflict => {
            let others = strings(error, ContextKind::PriorArg);
            not_together(&all, command, others.iter().map(|it| name(it)).chain([option]).collect())
        }
        ErrorKind::MissingRequiredArgument => missing(command, option),
        ErrorKind::TooManyValues => format!("`{option}` takes no value, but got `{value}`"),
        ErrorKind::InvalidValue if value.is_empty() => format!("`{option}` needs a value"),
        ErrorKind::InvalidValue if command == "help" => unknown_command(value),
        ErrorKind::InvalidValue => {
            let known = strings(error, ContextKind::ValidValue);
            let what = match meant(value, &known) {
                Some(meant) => format!("; did you mean `{meant}`?"),
                None => format!(": it takes {}", known.join(", ")),
            };
            format!("unknown value `{value}` for `{option}`{what}")
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            if option.starts_with('-') { format!("`{option}`: {why}") } else { why }
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        kind => kind.to_string(),
    }
}

/// The error for a word that is not a command.
fn unknown_command(name: &str) -> String {
    if VERBS.contains(&name) {
        return format!("`{name}` is not a command: container runtimes pass it in CNI_COMMAND");
    }
    unknown("command", "", name, &COMMANDS)
}

/// The error for an option that the command does not take.
fn unknown_option(all: &Command, command: &str, option: &str) -> String {
    let Some(name) = option.strip_prefix("--") else { return format!("unknown option `{option}`") };
    let has_option = |it: &&Command| it.get_arguments().any(|arg| arg.get_long() == Some(name));
    let with_option: Vec<_> =
        all.get_subcommands().filter(has_option).map(|it| format!("`{}`", it.get_name())).collect();
    match with_option.as_slice() {
        [] => {
            let of_commands = all.get_subcommands().flat_map(Command::get_arguments);
            let known: Vec<_> = all.get_arguments().chain(of_commands).filter_map(Arg::get_long).collect();
            unknown("option", "--", name, &known)
        }
        _ if name == "yes" => format!("`{command}` does not take --yes, because it asks nothing"),
        [only] => format!("`{command}` does not take {option}; only {only} does"),
        [others @ .., last] => {
            format!("`{command}` does not take {option}; only {} and {last} do", others.join(", "))
        }
    }
}

/// The error for options that exclude each other.
fn not_together(all: &Command, command: &str, mut options: Vec<&str>) -> String {
    if let Some((_, option, needed)) =
        TOGETHER.iter().find(|(of, option, _)| *of == command && options.contains(option))
    {
        return format!("`{command}` takes {option} only together with {needed}");
    }
    let its: Vec<_> = all.find_subcommand(command).into_iter().flat_map(Command::get_arguments).collect();
    options.sort_by_key(|option| its.iter().position(|it| it.get_long() == option.strip_prefix("--")));
    format!("`{command}` takes only one of {}", options.join(" and "))
}

/// The error for what is missing.
fn missing(command: &str, what: &str) -> String {
    let needed = TOGETHER.iter().find(|(of, _, needed)| *of == command && *needed == what);
    match needed {
        Some((_, option, needed)) => format!("`{command}` takes {option} only together with {needed}"),
        None if command == "release" => "`release` needs at least one address".to_owned(),
        None => format!("`{command}` needs {what}"),
    }
}

/// An option without the name of its value.
fn name(shown: &str) -> &str {
    if shown.starts_with('-') { shown.split([' ', '=']).next().unwrap_or(shown) } else { shown }
}

/// What the parser says of this kind.
fn strings(error: &Error, kind: ContextKind) -> Vec<&str> {
    match error.get(kind) {
        Some(ContextValue::String(it)) => vec![it],
        Some(ContextValue::Strings(all)) => all.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}
