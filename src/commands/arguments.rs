//! The arguments that a person typed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::base::suggestion::unknown;
use crate::commands::consent::Consent;
use crate::commands::help::{OPTIONS, help_of, unknown_command};
use crate::commands::reconcile::Remedy;
use crate::commands::routes::Action;

/// A command with its own arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `list`
    List,
    /// `release`
    Release {
        /// The addresses to release.
        addresses: BTreeSet<IpAddr>,
        /// Whether the person has agreed beforehand.
        consent: Consent,
    },
    /// `flush`
    Flush,
    /// `reconcile`
    Reconcile {
        /// What to do about the differences.
        remedy: Remedy,
    },
    /// `routes`
    Routes {
        /// What to do about them.
        action: Action,
    },
    /// `doctor`
    Doctor,
    /// `help`
    Help {
        /// The text about one command; `None` stands for the text about all.
        of: Option<&'static str>,
    },
    /// `version`
    Version,
}

/// The parsed arguments of the process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) command: Command,
    pub(super) config: PathBuf,
    pub(super) network: Option<String>,
    pub(super) json: bool,
}

impl Command {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Release { .. } => "release",
            Self::Flush => "flush",
            Self::Reconcile { .. } => "reconcile",
            Self::Routes { .. } => "routes",
            Self::Doctor => "doctor",
            Self::Help { .. } => "help",
            Self::Version => "version",
        }
    }
}

impl Arguments {
    pub(super) fn parse() -> Result<Self, String> {
        Self::parse_from(Parser::from_env()).map_err(|error| error.to_string())
    }

    fn parse_from(mut parser: Parser) -> Result<Self, lexopt::Error> {
        let (mut config, mut network, mut json) = (PathBuf::from("/etc/cni/net.d"), None, false);
        let mut words = Words::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("help") | Arg::Short('h') => words.instead = Some(Instead::Help),
                Arg::Long("version") | Arg::Short('V') => words.instead = Some(Instead::Version),
                Arg::Long("config") => config = parser.value()?.into(),
                Arg::Long("network") => network = Some(parser.value()?.string()?),
                Arg::Long("json") => json = true,
                Arg::Long("yes") => words.yes = true,
                Arg::Long(option) if OF_COMMANDS.iter().any(|(_, its)| *its == option) => {
                    words.of_command.extend(OF_COMMANDS.iter().filter(|(_, its)| *its == option));
                }
                Arg::Value(word) if words.command.is_none() => words.command = Some(word.string()?),
                Arg::Value(word) => words.operands.push(word.string()?),
                Arg::Long(option) => return Err(unknown("option", "--", option, &OPTIONS).into()),
                Arg::Short(option) => return Err(format!("unknown option `-{option}`").into()),
            }
        }
        Ok(Self { command: words.command()?, config, network, json })
    }
}

/// The words and options of the command, which can come in any order.
#[derive(Default)]
struct Words {
    instead: Option<Instead>,
    command: Option<String>,
    operands: Vec<String>,
    yes: bool,
    /// The options of single commands, each with its command.
    of_command: BTreeSet<(&'static str, &'static str)>,
}

/// The options that say what a command is to do, each with its command, which takes one of them at most.
const OF_COMMANDS: [(&str, &str); 5] = [
    ("reconcile", "release-orphans"),
    ("reconcile", "adopt"),
    ("reconcile", "restore"),
    ("routes", "repair"),
    ("routes", "remove"),
];

/// An option that replaces the command.
enum Instead {
    Help,
    Version,
}

impl Words {
    /// The command, unless it does not take one of the words or options.
    fn command(self) -> Result<Command, String> {
        match self.instead {
            Some(Instead::Help) => {
                let of = self.command.as_deref().and_then(|name| help_of(name).ok());
                return Ok(Command::Help { of });
            }
            Some(Instead::Version) => return Ok(Command::Version),
            None => {}
        }
        let name = self.command.clone().ok_or("no command is given")?;
        let consent = if self.yes { Consent::Given } else { Consent::Needed };
        let command = match name.as_str() {
            "list" => Command::List,
            "release" => Command::Release { addresses: addresses(&self.operands)?, consent },
            "flush" => Command::Flush,
            "reconcile" => Command::Reconcile {
                remedy: match self.option_of("reconcile")? {
                    Some("adopt") => Remedy::Adopt,
                    Some("restore") => Remedy::Restore,
                    Some(_) => Remedy::ReleaseOrphans(consent),
                    None => Remedy::None,
                },
            },
            "routes" => Command::Routes {
                action: match self.option_of("routes")? {
                    Some("repair") => Action::Repair,
                    Some(_) => Action::Remove(consent),
                    None => Action::Look,
                },
            },
            "doctor" => Command::Doctor,
            "help" => Command::Help { of: self.operands.first().map(|name| help_of(name)).transpose()? },
            "version" => Command::Version,
            "ADD" | "DEL" | "CHECK" | "STATUS" | "GC" | "VERSION" => {
                return Err(format!("`{name}` is not a command: container runtimes pass it in CNI_COMMAND"));
            }
            _ => return Err(unknown_command(&name)),
        };
        let asks = matches!(
            command,
            Command::Release { .. }
                | Command::Reconcile { remedy: Remedy::ReleaseOrphans(_) }
                | Command::Routes { action: Action::Remove(_) }
        );
        let asking = [("reconcile", "release-orphans"), ("routes", "remove")];
        if let Some((_, option)) = asking.iter().find(|(its, _)| self.yes && name == *its && !asks) {
            return Err(format!("`{name}` takes --yes only together with --{option}"));
        }
        if self.yes && !asks {
            return Err(format!("`{name}` does not take --yes, because it asks nothing"));
        }
        if let Some((of, option)) = self.of_command.iter().find(|(of, _)| name != *of) {
            return Err(format!("`{name}` does not take --{option}; only `{of}` does"));
        }
        let taken = usize::from(name == "help");
        match self.operands.get(taken) {
            Some(word) if name == "help" => Err(format!("`help` takes one command, but also got `{word}`")),
            Some(word) if name != "release" => Err(format!("`{name}` takes no arguments, but got `{word}`")),
            _ => Ok(command),
        }
    }
}

impl Words {
    /// The one option that says what `command` is to do.
    fn option_of(&self, command: &str) -> Result<Option<&'static str>, String> {
        let mut given = self.of_command.iter().filter(|(of, _)| *of == command).map(|(_, option)| *option);
        let first = given.next();
        if given.next().is_none() {
            return Ok(first);
        }
        let options = OF_COMMANDS.iter().filter(|(of, _)| *of == command);
        let options: Vec<_> = options.map(|(_, option)| format!("--{option}")).collect();
        let (last, others) = options.split_last().ok_or("no options")?;
        Err(format!("`{command}` takes one of {} and {last}", others.join(", ")))
    }
}

fn addresses(words: &[String]) -> Result<BTreeSet<IpAddr>, String> {
    if words.is_empty() {
        return Err("`release` needs at least one address".to_owned());
    }
    words.iter().map(|word| word.parse().map_err(|_| format!("`{word}` is not an IP address"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::help::COMMANDS;

    fn parse(arguments: &[&str]) -> Result<Arguments, String> {
        Arguments::parse_from(Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    fn command(arguments: &[&str]) -> Command {
        parse(arguments).unwrap().command
    }

    #[test]
    fn options_may_stand_before_and_after_the_command() {
        let before = parse(&["--json", "--config=/a", "list", "--network", "pods"]).unwrap();
        let after = parse(&["list", "--network=pods", "--config", "/a", "--json"]).unwrap();
        assert_eq!(before, after);
        assert_eq!(before.config, PathBuf::from("/a"));
    }

    #[test]
    fn what_is_to_be_released_is_asked_for_unless_told_otherwise() {
        let expected = BTreeSet::from(["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
        let release = |consent| Command::Release { addresses: expected.clone(), consent };
        assert_eq!(command(&["release", "10.0.0.1", "2001:DB8::1", "10.0.0.1"]), release(Consent::Needed));
        assert_eq!(command(&["release", "10.0.0.1", "--yes", "2001:db8::1"]), release(Consent::Given));
        let reconcile = |remedy| Command::Reconcile { remedy };
        assert_eq!(command(&["reconcile"]), reconcile(Remedy::None));
        let released = reconcile(Remedy::ReleaseOrphans(Consent::Needed));
        assert_eq!(command(&["--release-orphans", "reconcile"]), released);
        let released = reconcile(Remedy::ReleaseOrphans(Consent::Given));
        assert_eq!(command(&["reconcile", "--yes", "--release-orphans"]), released);
        assert_eq!(command(&["reconcile", "--adopt"]), reconcile(Remedy::Adopt));
        assert_eq!(command(&["reconcile", "--restore"]), reconcile(Remedy::Restore));
    }

    #[test]
    fn routes_are_only_looked_at_unless_told_otherwise() {
        let routes = |action| Command::Routes { action };
        assert_eq!(command(&["routes"]), routes(Action::Look));
        assert_eq!(command(&["routes", "--repair"]), routes(Action::Repair));
        assert_eq!(command(&["--remove", "routes"]), routes(Action::Remove(Consent::Needed)));
        assert_eq!(command(&["routes", "--yes", "--remove"]), routes(Action::Remove(Consent::Given)));
    }

    #[test]
    fn help_and_version_come_before_everything_else() {
        assert_eq!(command(&["--help"]), Command::Help { of: None });
        assert_eq!(command(&["nonsense", "--help"]), Command::Help { of: None });
        assert_eq!(command(&["--version", "nonsense"]), Command::Version);
        for (name, text) in COMMANDS {
            assert_eq!(command(&[name, "--help"]), Command::Help { of: Some(text) });
            assert_eq!(command(&["help", name]), Command::Help { of: Some(text) });
            assert!(text.starts_with(&format!("Usage: aliyun-eni-ipam {name}")), "{text}");
        }
        assert_eq!(command(&["help"]), Command::Help { of: None });
        assert_eq!(command(&["version"]), Command::Version);
    }

    #[test]
    fn what_was_meant_is_suggested_only_where_it_is_near() {
        for (words, why) in [
            (&["lst"][..], "unknown command `lst`; did you mean `list`?"),
            (&["relaese", "10.0.0.1"], "unknown command `relaese`; did you mean `release`?"),
            (&["help", "flsh"], "unknown command `flsh`; did you mean `flush`?"),
            (&["list", "--network-name", "a"], "unknown option `--network-name`; did you mean `--network`?"),
            (&["list", "--netns", "a"], "unknown option `--netns`"),
            (&["list", "--confg", "/a"], "unknown option `--confg`; did you mean `--config`?"),
            (&["list", "--jsn"], "unknown option `--jsn`; did you mean `--json`?"),
            (&["add"], "unknown command `add`"),
            (&[""], "unknown command ``"),
        ] {
            assert_eq!(parse(words).unwrap_err(), why, "{words:?}");
        }
    }

    #[test]
    fn what_cannot_be_made_out_is_refused() {
        for arguments in [
            &["lst"][..],
            &["list", "flush"],
            &["--json"],
            &["list", "--conf", "/a"],
            &["list", "--config"],
            &["release"],
            &["release", "web-0"],
            &["release", "10.0.0.0/24"],
            &["release", "10.0.0.1", "--release-orphans"],
            &["reconcile", "10.0.0.1"],
            &["reconcile", "--yes"],
            &["reconcile", "--adopt", "--yes"],
            &["reconcile", "--adopt", "--release-orphans"],
            &["reconcile", "--adopt", "--restore"],
            &["flush", "--adopt"],
            &["reconcile", "--restore", "--yes"],
            &["reconcile", "--restore", "--release-orphans"],
            &["flush", "--restore"],
            &["routes", "--repair", "--remove"],
            &["routes", "--repair", "--yes"],
            &["routes", "--yes"],
            &["routes", "eth1"],
            &["routes", "--adopt"],
            &["flush", "--repair"],
            &["release", "10.0.0.1", "--remove"],
            &["flush", "--yes"],
            &["doctor", "now"],
            &["help", "list", "flush"],
            &["version", "now"],
            &["list", "-x"],
            &["list", "--yes=no"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
