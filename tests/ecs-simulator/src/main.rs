//! Runs a simulator on its own, for tests in other languages. The library's documentation has the details.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ecs_simulator::{Simulator, World};
use serde_json::json;

const USAGE: &str = "\
usage: ecs-simulator [--api ADDR:PORT] [--metadata ADDR:PORT] [--ready-file PATH] [--world FILE.json]

Runs until stdin is closed or a signal ends it. The ready file is written when both ports are listening.
";

struct Options {
    api: SocketAddr,
    metadata: SocketAddr,
    ready_file: Option<PathBuf>,
    world: World,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1))
        .and_then(|options| run(options).map_err(|error| error.to_string()))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Without stderr, the status has to do.
            let _ = write!(io::stderr(), "ecs-simulator: {message}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut options = Options { api: any, metadata: any, ready_file: None, world: World::single_node() };
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--api" => options.api = address(&value()?)?,
            "--metadata" => options.metadata = address(&value()?)?,
            "--ready-file" => options.ready_file = Some(value()?.into()),
            "--world" => {
                let path = value()?;
                change(&mut options.world, &path).map_err(|error| format!("{path}: {error}"))?;
            }
            _ => return Err(format!("unknown option {flag}")),
        }
    }
    Ok(options)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("not an address with a port: {text}"))
}

fn change(world: &mut World, path: &str) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let overrides = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    world.apply_json(&overrides)
}

fn run(options: Options) -> io::Result<()> {
    let simulator = Simulator::start_on(options.world, options.api, options.metadata)?;
    if let Some(path) = options.ready_file {
        announce(&simulator, &path)?;
    }
    let mut ignored = [0; 1024];
    while io::stdin().read(&mut ignored)? > 0 {}
    Ok(())
}

/// Writes where and how the simulator can be reached; whoever sees the file sees all of it.
fn announce(simulator: &Simulator, path: &Path) -> io::Result<()> {
    let ready = json!({
        "endpoint": simulator.endpoint(),
        "metadata_endpoint": simulator.metadata_endpoint(),
        "access_key_id": World::ACCESS_KEY_ID,
        "access_key_secret": World::ACCESS_KEY_SECRET,
    });
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, format!("{ready}\n"))?;
    fs::rename(unfinished, path)
}
