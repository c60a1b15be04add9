//! The program's options.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ecs_simulator::{NamedFault, World};
use lexopt::{Arg, Parser, ValueExt};

/// The ports that conf-examples/simulator.conflist names.
const API: u16 = 18080;
const METADATA: u16 = 18081;

const HELP: &str = "\
A simulated node on Alibaba Cloud: the ECS API for network interfaces and the instance metadata
service, on loopback only. It needs no account. It forgets everything when it ends.

usage: cargo run -p ecs-simulator -- [OPTIONS]

  --api ADDR:PORT       where the ECS API listens (default 127.0.0.1:18080; port 0: a free one)
  --metadata ADDR:PORT  where the metadata service listens (default 127.0.0.1:18081)
  --quota N             IPv4 addresses of an ENI, the primary one included (default 250)
  --per-request N       addresses in one request (default: as documented; 0: any number)
  --latency MS          how long each request takes (default 0)
  --fault KIND          what goes wrong from the start:
FAULTS
  --world FILE.json     changes to the simulated region; the crate's documentation names the keys
  --ready-file FILE     is written as JSON when both ports listen
  --until-stdin-closes  ends when stdin is closed; otherwise a signal ends it (Ctrl-C)
  --help

While it runs:

  curl -X POST http://127.0.0.1:18081/_control/fault/outage           a fault, in place of any other
  curl -X POST http://127.0.0.1:18081/_control/fault/none             all is well again
  curl -d '{\"ms\": 500}' http://127.0.0.1:18081/_control/latency       half a second a request
  curl -d '{\"quota_ipv4\": 3}' http://127.0.0.1:18081/_control/world   room for two pods
  curl http://127.0.0.1:18081/_control/ledger                         every request so far
";

/// What the program is to do.
pub(crate) enum Request {
    /// Print the help.
    Help,
    /// Run a simulator.
    Run(Box<Options>),
}

/// What ends the simulator.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// A signal.
    Signal,
    /// The end of stdin.
    StdinClosed,
}

pub(crate) struct Options {
    pub(crate) api: SocketAddr,
    pub(crate) metadata: SocketAddr,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) world: World,
    pub(crate) fault: Option<NamedFault>,
    pub(crate) end: End,
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let faults: Vec<_> =
        NamedFault::ALL.iter().map(|fault| format!("      {:12}  {}", fault.name, fault.meaning)).collect();
    HELP.replace("FAULTS", &faults.join("\n"))
}

pub(crate) fn parse(mut parser: Parser) -> Result<Request, String> {
    let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut options = Options {
        api: on(API),
        metadata: on(METADATA),
        ready_file: None,
        world: World::single_node(),
        fault: None,
        end: End::Signal,
    };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let option = match argument {
            Arg::Long(name) => format!("--{name}"),
            Arg::Short('h') => "--help".to_owned(),
            Arg::Short(letter) => format!("-{letter}"),
            Arg::Value(word) => return Err(format!("unexpected argument `{}`", word.display())),
        };
        let mut value = || {
            let value = parser.value().and_then(ValueExt::string);
            value.map_err(|_| format!("`{option}` needs a value"))
        };
        match option.as_str() {
            "--help" => return Ok(Request::Help),
            "--api" => options.api = loopback(&option, &value()?)?,
            "--metadata" => options.metadata = loopback(&option, &value()?)?,
            "--quota" => options.world.quota.ipv4 = number(&option, &value()?)?,
            "--per-request" => {
                let most: usize = number(&option, &value()?)?;
                options.world.set_most_per_request((most > 0).then_some(most));
            }
            "--latency" => options.world.latency = Duration::from_millis(number(&option, &value()?)?),
            "--fault" => options.fault = Some(NamedFault::find(&value()?)?),
            "--world" => change(&mut options.world, &value()?)?,
            "--ready-file" => options.ready_file = Some(value()?.into()),
            "--until-stdin-closes" => options.end = End::StdinClosed,
            _ => return Err(format!("unknown option `{option}`")),
        }
    }
    Ok(Request::Run(Box::new(options)))
}

/// Everybody who reaches the simulator may control it, so it is for this machine alone.
fn loopback(option: &str, text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("`{option} {text}`: expected ADDR:PORT, such as 127.0.0.1:18080"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("`{option} {text}`: only a loopback address is allowed, such as 127.0.0.1:18080"))
    }
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{option} {text}`: expected a whole number"))
}

fn change(world: &mut World, path: &str) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let overrides = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    world.apply_json(&overrides).map_err(|error| format!("{path}: {error}"))
}
