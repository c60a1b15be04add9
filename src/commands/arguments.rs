//! The arguments that a person typed.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::error::ErrorKind;

use crate::commands::consent::Consent;
use crate::commands::definition::{COMMANDS, command_line};
use crate::commands::list::ListOptions;
use crate::commands::reconcile::Remedy;
use crate::commands::routes::Action;
use crate::commands::usage::explain;

/// A command with its own arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `list`
    List(ListOptions),
    /// `release`
    Release {
        /// The addresses to release.
        addresses: BTreeSet<IpAddr>,
        /// Whether the person has agreed beforehand.
        consent: Consent,
    },
    /// `flush`
    Flush {
        /// How long one run may take.
        timeout: Option<Duration>,
        /// The pause between two runs; `None`: there is only one.
        every: Option<Duration>,
    },
    /// `reconcile`
    Reconcile {
        /// What to do about the differences.
        remedy: Remedy,
        /// How long each step may take.
        timeout: Option<Duration>,
    },
    /// `routes`
    Routes {
        /// What to do about them.
        action: Action,
    },
    /// `doctor`
    Doctor,
    /// `install`
    Install {
        /// The network configuration to place.
        conflist: Option<PathBuf>,
        /// Where the binary goes.
        plugin_directory: Option<PathBuf>,
    },
    /// `uninstall`
    Uninstall {
        /// Where the binary is.
        plugin_directory: Option<PathBuf>,
        /// Whether the person has agreed beforehand.
        consent: Consent,
    },
    /// `help`
    Help {
        /// The command to explain; `None` stands for all.
        of: Option<String>,
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
            Self::List(_) => "list",
            Self::Release { .. } => "release",
            Self::Flush { .. } => "flush",
            Self::Reconcile { .. } => "reconcile",
            Self::Routes { .. } => "routes",
            Self::Doctor => "doctor",
            Self::Install { .. } => "install",
            Self::Uninstall { .. } => "uninstall",
            Self::Help { .. } => "help",
            Self::Version => "version",
        }
    }
}

impl Arguments {
    pub(super) fn parse() -> Result<Self, String> {
        Self::parse_from(std::env::args_os().skip(1).collect())
    }

    fn parse_from(words: Vec<OsString>) -> Result<Self, String> {
        let words = command_first(words);
        let command = words.first().map(|it| it.to_string_lossy().into_owned());
        let program = OsString::from("aliyun-eni-ipam");
        let parsed = command_line().try_get_matches_from([program].into_iter().chain(words.iter().cloned()));
        let command = match parsed {
            Ok(matches) => return Ok(Self::of(matches)),
            // Help comes before everything else.
            Err(error) if error.kind() == ErrorKind::DisplayHelp || has(&words, ["--help", "-h"]) => {
                Command::Help { of: command.filter(|it| COMMANDS.contains(&it.as_str())) }
            }
            Err(error) if error.kind() == ErrorKind::DisplayVersion || has(&words, ["--version", "-V"]) => {
                Command::Version
            }
            Err(error) => return Err(explain(&error, command.as_deref())),
        };
        Ok(Self { command, config: PathBuf::new(), network: None, json: false })
    }

    fn of(mut matches: ArgMatches) -> Self {
        let (name, mut its) = matches.remove_subcommand().unwrap_or_default();
        Self {
            config: its.remove_one("config").unwrap_or_default(),
            network: its.remove_one("network"),
            json: its.get_flag("json"),
            command: command(&name, its),
        }
    }
}

/// The command of this name with its own arguments.
fn command(name: &str, mut its: ArgMatches) -> Command {
    let is_set = |its: &ArgMatches, flag| its.get_flag(flag);
    let consent = |its: &ArgMatches| if its.get_flag("yes") { Consent::Given } else { Consent::Needed };
    match name {
        "list" => Command::List(ListOptions {
            states: its.remove_many("state").into_iter().flatten().collect(),
            pod: its.remove_one("pod"),
            sort: its.remove_one("sort"),
        }),
        "release" => Command::Release {
            consent: consent(&its),
            addresses: its.remove_many("address").into_iter().flatten().collect(),
        },
        "flush" => Command::Flush { timeout: its.remove_one("timeout"), every: its.remove_one("every") },
        "reconcile" => Command::Reconcile {
            remedy: match () {
                () if is_set(&its, "adopt") => Remedy::Adopt,
                () if is_set(&its, "restore") => Remedy::Restore,
                () if is_set(&its, "release-orphans") => Remedy::ReleaseOrphans(consent(&its)),
                () => Remedy::None,
            },
            timeout: its.remove_one("timeout"),
        },
        "routes" => Command::Routes {
            action: match () {
                () if is_set(&its, "repair") => Action::Repair,
                () if is_set(&its, "remove") => Action::Remove(consent(&its)),
                () => Action::Look,
            },
        },
        "doctor" => Command::Doctor,
        "install" => Command::Install {
            conflist: its.remove_one("conflist"),
            plugin_directory: its.remove_one("plugin-dir"),
        },
        "uninstall" => {
            Command::Uninstall { consent: consent(&its), plugin_directory: its.remove_one("plugin-dir") }
        }
        "version" => Command::Version,
        _ => Command::Help { of: its.remove_one("of") },
    }
}

/// Whether one of these options is among the words.
fn has(words: &[OsString], options: [&str; 2]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| options.iter().any(|it| word == *it))
}

/// The words with the command before its options, where the parser expects it. People write `--yes release` as well.
fn command_first(mut words: Vec<OsString>) -> Vec<OsString> {
    let all = command_line();
    let options = || all.get_arguments().chain(all.get_subcommands().flat_map(clap::Command::get_arguments));
    let takes_value = |name: &OsStr| {
        let mut options = options().filter(|it| it.get_long().is_some_and(|long| name == long));
        options.any(|it| it.get_action().takes_values())
    };
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.to_str().and_then(|word| word.strip_prefix('-')) {
            None => {
                let command = words.remove(at);
                words.insert(0, command);
                break;
            }
            Some(option) => {
                let name = option.strip_prefix('-').unwrap_or_default();
                at += if takes_value(OsStr::new(name)) { 2 } else { 1 };
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::list::SortKey;
    use crate::store::State;

    fn parse(arguments: &[&str]) -> Result<Arguments, String> {
        Arguments::parse_from(arguments.iter().map(OsString::from).collect())
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
        let reconcile = |remedy| Command::Reconcile { remedy, timeout: None };
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
    fn options_with_values_are_made_out() {
        let Command::List(options) = command(&[
            "--pod",
            "web-0",
            "list",
            "--state",
            "active,releasing",
            "--sort=age",
            "--state",
            "assigning",
        ]) else {
            panic!("another command")
        };
        assert_eq!(options.states, [State::Active, State::Releasing, State::Assigning]);
        assert_eq!((options.pod.as_deref(), options.sort), (Some("web-0"), Some(SortKey::Age)));
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            command(&["flush", "--timeout", "5", "--every=60"]),
            Command::Flush { timeout: seconds(5), every: seconds(60) }
        );
        assert_eq!(
            command(&["reconcile", "--timeout=5"]),
            Command::Reconcile { remedy: Remedy::None, timeout: seconds(5) }
        );
        let directory = Some(PathBuf::from("/a"));
        assert_eq!(
            command(&["install", "--plugin-dir", "/a", "b.conflist"]),
            Command::Install { conflist: Some("b.conflist".into()), plugin_directory: directory.clone() }
        );
        assert_eq!(
            command(&["uninstall", "--yes", "--plugin-dir=/a"]),
            Command::Uninstall { plugin_directory: directory, consent: Consent::Given }
        );
    }

    #[test]
    fn an_option_that_is_repeated_counts_as_it_stands_last() {
        let parsed = parse(&["list", "--json", "--config", "/a", "--json", "--config=/b"]).unwrap();
        assert_eq!((parsed.config, parsed.json), (PathBuf::from("/b"), true));
    }

    #[test]
    fn help_and_version_come_before_everything_else() {
        assert_eq!(command(&["--help"]), Command::Help { of: None });
        assert_eq!(command(&["nonsense", "--help"]), Command::Help { of: None });
        assert_eq!(command(&["--version", "nonsense"]), Command::Version);
        assert_eq!(command(&["list", "--verbose", "-h"]), Command::Help { of: Some("list".to_owned()) });
        for name in COMMANDS {
            let help = Command::Help { of: Some(name.to_owned()) };
            for words in [[name, "--help"], ["-h", name], ["help", name]] {
                assert_eq!(command(&words), help);
            }
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
    fn a_refusal_says_in_one_line_what_the_command_takes() {
        for (words, why) in [
            (&[][..], "no command is given"),
            (&["ADD"], "`ADD` is not a command: container runtimes pass it in CNI_COMMAND"),
            (&["list", "flush"], "`list` takes no arguments, but got `flush`"),
            (&["help", "list", "flush"], "`help` takes one COMMAND, but also got `flush`"),
            (&["release"], "`release` needs at least one address"),
            (&["release", "--yes"], "`release` needs at least one address"),
            (&["release", "10.0.0.0/24"], "`10.0.0.0/24` is not an IP address"),
            (&["doctor", "--yes"], "`doctor` does not take --yes, because it asks nothing"),
            (&["reconcile", "--yes"], "`reconcile` takes --yes only together with --release-orphans"),
            (
                &["reconcile", "--adopt", "--yes"],
                "`reconcile` takes --yes only together with --release-orphans",
            ),
            (&["routes", "--yes", "--repair"], "`routes` takes --yes only together with --remove"),
            (&["reconcile", "--adopt", "--restore"], "`reconcile` takes only one of --adopt and --restore"),
            (&["routes", "--remove", "--repair"], "`routes` takes only one of --repair and --remove"),
            (&["list", "--adopt"], "`list` does not take --adopt; only `reconcile` does"),
            (&["list", "--timeout", "3"], "`list` does not take --timeout; only `reconcile` and `flush` do"),
            (&["list", "--config"], "`--config` needs a value"),
            (&["list", "--json=1"], "`--json` takes no value, but got `1`"),
            (&["flush", "--timeout", "x"], "`--timeout`: `x` is not a number of seconds from 1 to 86400"),
            (&["flush", "--every", "0"], "`--every`: `0` is not a number of seconds from 1 to 86400"),
            (&["list", "--state", "activ"], "unknown value `activ` for `--state`; did you mean `active`?"),
            (
                &["list", "--sort", "x"],
                "unknown value `x` for `--sort`: it takes state, address, pod, network, eni, age, attempts",
            ),
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
