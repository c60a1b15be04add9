//! The simulator as a program: for a person who tries the plugin, and for tests in other languages.

mod options;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use ecs_simulator::{NamedFault, Simulator, World};
use serde_json::json;

use options::{End, Options, Request};

fn main() -> ExitCode {
    let done = match options::parse(lexopt::Parser::from_env()) {
        Ok(Request::Help) => print(&options::help()),
        Ok(Request::Run(options)) => run(*options),
        Err(message) => Err(format!("{message}\nTry `cargo run -p ecs-simulator -- --help`.")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Without stderr, the status has to do.
            let _ = writeln!(io::stderr(), "ecs-simulator: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: Options) -> Result<(), String> {
    let (api, metadata) = (options.api, options.metadata);
    let simulator = Simulator::start_on(options.world, api, metadata).map_err(|error| {
        format!("{api} or {metadata} cannot be used: {error}; choose other ports with --api and --metadata")
    })?;
    options.fault.into_iter().flat_map(NamedFault::faults).for_each(|fault| simulator.inject(fault));
    print(&ecs_simulator::welcome(&simulator))?;
    if let Some(path) = options.ready_file {
        announce(&simulator, &path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match options.end {
        End::Signal => loop {
            thread::park();
        },
        End::StdinClosed => wait_for_the_end_of_stdin().map_err(|error| format!("stdin: {error}")),
    }
}

fn wait_for_the_end_of_stdin() -> io::Result<()> {
    let mut ignored = [0; 1024];
    while io::stdin().read(&mut ignored)? > 0 {}
    Ok(())
}

/// Prints to stdout. The simulator runs on when nobody reads it.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("stdout: {error}")),
        _ => Ok(()),
    }
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
