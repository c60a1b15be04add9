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

  aliyun-eni-ipam list                 what is recorded: state, addresses, pod, ENI, age, attempts, last error
  aliyun-eni-ipam release ADDRESS...   give up these active records, and release them now
  aliyun-eni-ipam flush                release all that is releasing, undo what an interrupted ADD left; for a timer
  aliyun-eni-ipam reconcile            compare with ECS: orphans (on the ENI, no record) and ghosts (recorded, not on
                                       the ENI); --release-orphans releases the former
  aliyun-eni-ipam doctor               configuration, store, credentials, clock, endpoint, permissions, quota

  --config FILE|DIR   where the network configuration is (default: /etc/cni/net.d)
  --network NAME      which network, where several are configured
  --json              print JSON
  --yes               release without asking
  --version, --help

Exit status: 0 done, 1 something failed or was left over, 2 wrong usage.";

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
    /// `--help`
    Help,
    /// `--version`
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
            Self::Help => "help",
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
                Arg::Long("help") | Arg::Short('h') => words.instead = Some(Command::Help),
                Arg::Long("version") | Arg::Short('V') => words.instead = Some(Command::Version),
                Arg::Long("config") => config = parser.value()?.into(),
                Arg::Long("network") => network = Some(parser.value()?.string()?),
                Arg::Long("json") => json = true,
                Arg::Long("yes") => words.yes = true,
                Arg::Long("release-orphans") => words.release_orphans = true,
                Arg::Value(word) if words.command.is_none() => words.command = Some(word.string()?),
                Arg::Value(word) => words.operands.push(word.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self { command: words.command()?, config, network, json })
    }
}

/// What was said of the command, in any order.
#[derive(Default)]
struct Words {
    instead: Option<Command>,
    command: Option<String>,
    operands: Vec<String>,
    yes: bool,
    release_orphans: bool,
}

impl Words {
    /// The command, if every word is of use to it.
    fn command(self) -> Result<Command, String> {
        if let Some(command) = self.instead {
            return Ok(command);
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
            _ => return Err(format!("{name:?} is no command")),
        };
        let releases =
            matches!(command, Command::Release { .. } | Command::Reconcile { orphans: Orphans::Released(_) });
        if self.yes && !releases {
            return Err(format!(
                "--yes is of no use to `{name}`, which releases nothing that is to be asked for"
            ));
        }
        if self.release_orphans && name != "reconcile" {
            return Err(format!("--release-orphans is for `reconcile`, not for `{name}`"));
        }
        match self.operands.first() {
            Some(word) if name != "release" => Err(format!("{word:?} is too much for `{name}`")),
            _ => Ok(command),
        }
    }
}

fn addresses(words: &[String]) -> Result<BTreeSet<IpAddr>, String> {
    if words.is_empty() {
        return Err("which addresses are to be released?".to_owned());
    }
    words.iter().map(|word| word.parse().map_err(|_| format!("{word:?} is no IP address"))).collect()
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
        assert_eq!(command(&["release", "--help"]), Command::Help);
        assert_eq!(command(&["--version", "nonsense"]), Command::Version);
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
            &["list", "--yes=no"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn the_help_tells_of_every_command_and_option() {
        let words =
            ["list", "release", "flush", "reconcile", "doctor", "--release-orphans", "--yes", "--json"];
        assert!(words.iter().all(|word| HELP.contains(word)));
    }
}
