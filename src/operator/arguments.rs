//! What the person typed.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

/// The text of `--help`.
pub(super) const HELP: &str = "\
aliyun-eni-ipam: a CNI IPAM plugin; pods get secondary private IPs of an Alibaba Cloud ENI.
Container runtimes call it by the CNI protocol. For the person who runs the node:

  aliyun-eni-ipam list     what is recorded: state, addresses, pod, ENI, age, attempts, last error
  aliyun-eni-ipam flush    release all that is releasing, undo what an interrupted ADD left; for a timer

  --config FILE|DIR   where the network configuration is (default: /etc/cni/net.d)
  --network NAME      which network, where several are configured
  --json              print JSON
  --version, --help

Exit status: 0 done, 1 something failed or was left over, 2 wrong usage.";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `list`
    List,
    /// `flush`
    Flush,
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
            Self::Flush => "flush",
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
        let mut command = None;
        let (mut config, mut network, mut json) = (PathBuf::from("/etc/cni/net.d"), None, false);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("help") | Arg::Short('h') => command = Some(Command::Help),
                Arg::Long("version") | Arg::Short('V') => command = Some(Command::Version),
                Arg::Long("config") => config = parser.value()?.into(),
                Arg::Long("network") => network = Some(parser.value()?.string()?),
                Arg::Long("json") => json = true,
                Arg::Value(name) if command.is_none() => command = Some(named(&name.string()?)?),
                other => return Err(other.unexpected()),
            }
        }
        let command = command.ok_or("no command is given")?;
        Ok(Self { command, config, network, json })
    }
}

fn named(name: &str) -> Result<Command, lexopt::Error> {
    match name {
        "list" => Ok(Command::List),
        "flush" => Ok(Command::Flush),
        _ => Err(format!("{name:?} is no command").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, String> {
        Arguments::parse_from(Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_may_stand_before_and_after_the_command() {
        let before = parse(&["--json", "--config=/a", "list", "--network", "pods"]).unwrap();
        let after = parse(&["list", "--network=pods", "--config", "/a", "--json"]).unwrap();
        assert_eq!(before, after);
        assert_eq!(before.config, PathBuf::from("/a"));
    }

    #[test]
    fn what_cannot_be_made_out_is_refused() {
        for arguments in
            [&["lst"][..], &["list", "flush"], &["--json"], &["list", "--conf", "/a"], &["list", "--config"]]
        {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
