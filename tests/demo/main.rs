//! The plugin on a simulated cloud, in four acts: what it does that an IPAM plugin with a local file does not do. It is run as a
//! container runtime runs it; no account and no root are needed. The exit status is 1 when an address was lost or taken.

mod books;
mod drain;
mod killed;
mod one_pod;
mod outage;
mod plugin;
mod screen;
mod stage;
mod wire;

use std::error::Error;
use std::io;
use std::io::Write as _;
use std::process::ExitCode;

use books::Verdict;
use stage::Stage;

fn main() -> ExitCode {
    match play() {
        Ok(Verdict::AllAccountedFor) => ExitCode::SUCCESS,
        Ok(Verdict::LostOrTaken) => ExitCode::from(1),
        Err(error) if nobody_reads(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr, the status has to do.
            let _ = writeln!(io::stderr(), "demo: {error}");
            ExitCode::from(2)
        }
    }
}

fn play() -> Result<Verdict, Box<dyn Error>> {
    let mut stage = Stage::set(&plugin::build()?)?;
    one_pod::play(&mut stage)?;
    drain::play(&mut stage)?;
    outage::play(&mut stage)?;
    killed::play(&mut stage)?;
    Ok(books::close(&stage)?)
}

/// Whether whoever was reading has gone away, as `head` does.
fn nobody_reads(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
