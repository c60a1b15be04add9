//! What the person typed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::consent::Consent;
use super::reconcile::Orphans;

/// The text of `--help`.
pub(super) const HELP: &str = "\
aliyun-eni-ipam: a CNI IPAM plugin; pods get secondary private IPs of an Alibaba Cloud ENI.
Container runtimes call it by the CNI protocol. For the person who runs the node:

  aliyun-eni-ipam list                 show what is recorded: state, addresses, pod, ENI, age, attempts, last error
  aliyun-eni-ipam release ADDRESS...   give up these active records and release their addresses now
  aliyun-eni-ipam flush                retry every pending release and clean up after interrupted ADDs; for a timer
  aliyun-eni-ipam reconcile            compare with ECS: orphans (on the ENI, no record) and ghosts (recorded, not on
                                       the ENI); --release-orphans releases the orphans
  aliyun-eni-ipam doctor               check configuration, store, credentials, clock, endpoint, permissions, quota
  aliyun-eni-ipam help [COMMAND]       explain a command
  aliyun-eni-ipam version              print the version

  --config FILE|DIR   the network configuration (default: /etc/cni/net.d)
  --network NAME      the network, where several are configured
  --json              print JSON
  --yes               release without asking
  --help, --version

Exit status: 0 done, 1 something failed or was left over, 2 wrong usage.";

/// The options that every command takes, for the text about one of them.
macro_rules! about {
    ($usage:literal, $text:literal) => {
        concat!(
            "Usage: aliyun-eni-ipam ",
            $usage,
            " [--config FILE|DIR] [--network NAME] [--json]\n\n",
            $text,
            "\n\nOptions of all commands: `aliyun-eni-ipam help`."
        )
    };
}

/// Each command with the text of `help COMMAND`.
const COMMANDS: [(&str, &str); 7] = [
    (
        "list",
        about!(
            "list",
            "Shows every record of the store, one line each. It asks neither ECS nor the metadata service.\n\
             STATE is assigning, active, releasing or quarantined. AGE is the time since the addresses were assigned,\n\
             BOOT whether that was in this boot of the machine or an earlier one. LAST-ERROR is why a release waits."
        ),
    ),
    (
        "release",
        about!(
            "release ADDRESS... [--yes]",
            "Gives up the active records that have these addresses and releases all addresses of these records.\n\
             A container that is still running loses its network, so the command asks first; --yes skips the question."
        ),
    ),
    (
        "flush",
        about!(
            "flush",
            "Retries every pending release at once and cleans up after interrupted ADDs, for all networks that use this\n\
             plugin. It asks nothing, so a timer can run it. Exit status 1 means that releases are left.\n\
             --json prints one object: released (addresses), cleanedUp (a count of interrupted ADDs), left (a count) and\n\
             releasing (what is left, each with addresses, networkInterfaceId and lastError)."
        ),
    ),
    (
        "reconcile",
        about!(
            "reconcile [--release-orphans [--yes]]",
            "Compares the records with what ECS shows on the ENIs of this node.\n\
             An orphan is on the ENI without a record; a ghost is recorded but not on the ENI; in-doubt means that a\n\
             damaged record or an interrupted ADD may have the address. --release-orphans asks and releases the orphans."
        ),
    ),
    (
        "doctor",
        about!(
            "doctor",
            "Checks everything that an ADD and a DEL need, and changes nothing. Each line is ok, warn or fail, with what\n\
             to do. Without a configuration it checks the binary, the default store, instance metadata and credentials."
        ),
    ),
    ("help", "Usage: aliyun-eni-ipam help [COMMAND]\n\nExplains a command, or names all of them."),
    ("version", "Usage: aliyun-eni-ipam version\n\nPrints the version."),
];

/// Every long option, to find the one that was meant.
const OPTIONS: [&str; 7] = ["config", "network", "json", "yes", "release-orphans", "help", "version"];

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `list`
    List,
    /// `release`
    Release {
        /// What to give up.
        addresses: BTreeSet<IpAddr>,
        /// Whether to ask.
        consent: Consent,
    },
    /// `flush`
    Flush,
    /// `reconcile`
    Reconcile {
        /// What to do with orphans.
        orphans: Orphans,
    },
    /// `doctor`
    Doctor,
    /// `help`
    Help {
        /// The text about one command; `None` for that about all.
        of: Option<&'static str>,
    },
    /// `version`
    Version,
}

/// The arguments of the process, made out.
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
                Arg::Long("release-orphans") => words.release_orphans = true,
                Arg::Value(word) if words.command.is_none() => words.command = Some(word.string()?),
                Arg::Value(word) => words.operands.push(word.string()?),
                Arg::Long(option) => return Err(unknown("option", "--", option, &OPTIONS).into()),
                Arg::Short(option) => return Err(format!("unknown option `-{option}`").into()),
            }
        }
        Ok(Self { command: words.command()?, config, network, json })
    }
}

/// What was said of the command, in any order.
#[derive(Default)]
struct Words {
    instead: Option<Instead>,
    command: Option<String>,
    operands: Vec<String>,
    yes: bool,
    release_orphans: bool,
}

/// What is wanted instead of the command.
enum Instead {
    Help,
    Version,
}

impl Words {
    /// The command, if it takes every word and option.
    fn command(self) -> Result<Command, String> {
        match self.instead {
            Some(Instead::Help) => {
                let of = self.command.as_deref().and_then(|name| help_of(name).ok());
                return Ok(Command::Help { of });
            }
            Some(Instead::Version) => return Ok(Command::Version),
            None => {}
        }
        let name = self.command.ok_or("no command is given")?;
        let consent = if self.yes { Consent::Given } else { Consent::Needed };
        let command = match name.as_str() {
            "list" => Command::List,
            "release" => Command::Release { addresses: addresses(&self.operands)?, consent },
            "flush" => Command::Flush,
            "reconcile" if self.release_orphans => Command::Reconcile { orphans: Orphans::Released(consent) },
            "reconcile" => Command::Reconcile { orphans: Orphans::Shown },
            "doctor" => Command::Doctor,
            "help" => Command::Help { of: self.operands.first().map(|name| help_of(name)).transpose()? },
            "version" => Command::Version,
            "ADD" | "DEL" | "CHECK" | "STATUS" | "GC" | "VERSION" => {
                return Err(format!("`{name}` is not a command: container runtimes pass it in CNI_COMMAND"));
            }
            _ => return Err(unknown_command(&name)),
        };
        let releases =
            matches!(command, Command::Release { .. } | Command::Reconcile { orphans: Orphans::Released(_) });
        if self.yes && name == "reconcile" && !releases {
            return Err("`reconcile` takes --yes only together with --release-orphans".to_owned());
        }
        if self.yes && !releases {
            return Err(format!("`{name}` does not take --yes, because it asks nothing"));
        }
        if self.release_orphans && name != "reconcile" {
            return Err(format!("`{name}` does not take --release-orphans; only `reconcile` does"));
        }
        let taken = usize::from(name == "help");
        match self.operands.get(taken) {
            Some(word) if name == "help" => Err(format!("`help` takes one command, but also got `{word}`")),
            Some(word) if name != "release" => Err(format!("`{name}` takes no arguments, but got `{word}`")),
            _ => Ok(command),
        }
    }
}

fn help_of(name: &str) -> Result<&'static str, String> {
    let text = COMMANDS.iter().find(|(command, _)| *command == name).map(|(_, text)| *text);
    text.ok_or_else(|| unknown_command(name))
}

fn unknown_command(name: &str) -> String {
    unknown("command", "", name, &COMMANDS.map(|(name, _)| name))
}

/// Says that there is no such command or option, and which one may have been meant.
fn unknown(what: &str, prefix: &str, name: &str, known: &[&str]) -> String {
    let meant = known.iter().map(|known| (distance(name, known), known)).min();
    match meant {
        Some((distance, meant)) if distance <= meant.len() / 3 => {
            format!("unknown {what} `{prefix}{name}`; did you mean `{prefix}{meant}`?")
        }
        _ => format!("unknown {what} `{prefix}{name}`"),
    }
}

/// How many characters have to be added, left out or changed to make one word the other (Levenshtein's distance).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (count, character) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], count + 1);
        for (column, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(character != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
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
        let reconcile = |orphans| Command::Reconcile { orphans };
        assert_eq!(command(&["reconcile"]), reconcile(Orphans::Shown));
        let released = reconcile(Orphans::Released(Consent::Needed));
        assert_eq!(command(&["--release-orphans", "reconcile"]), released);
        let released = reconcile(Orphans::Released(Consent::Given));
        assert_eq!(command(&["reconcile", "--yes", "--release-orphans"]), released);
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
            (&["list", "--network-name", "a"], "unknown option `--network-name`"),
            (&["list", "--confg", "/a"], "unknown option `--confg`; did you mean `--config`?"),
            (&["list", "--jsn"], "unknown option `--jsn`; did you mean `--json`?"),
            (&["add"], "unknown command `add`"),
            (&[""], "unknown command ``"),
        ] {
            assert_eq!(parse(words).unwrap_err(), why, "{words:?}");
        }
    }

    #[test]
    fn the_distance_of_two_words_is_the_number_of_edits() {
        for (one, other, edits) in [
            ("", "", 0),
            ("list", "list", 0),
            ("lst", "list", 1),
            ("", "list", 4),
            ("flush", "list", 3),
            ("é", "e", 1),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (edits, edits), "{one} {other}");
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

    #[test]
    fn the_help_tells_of_every_command_and_option() {
        let options = OPTIONS.map(|option| format!("--{option}"));
        assert!(options.iter().all(|option| HELP.contains(option)));
        assert!(COMMANDS.iter().all(|(name, _)| HELP.contains(&format!("aliyun-eni-ipam {name}"))));
        let texts = COMMANDS.iter().map(|(_, text)| *text).chain([HELP]);
        assert!(texts.flat_map(str::lines).all(|line| line.chars().count() <= 120));
    }
}
