//! The process: a container runtime's call, or a person's command.

use std::any::Any;
use std::io;
use std::panic;
use std::process::ExitCode;

use aliyun_eni_ipam::cni::{self, Call, Environment, Refusal};
use aliyun_eni_ipam::{Failure, Ipam, logging, plain_words, run_command, verbs};

fn main() -> ExitCode {
    let environment = Environment::from_process();
    // Runtimes never pass arguments; people always do.
    if std::env::args_os().len() > 1 {
        return run_command();
    }
    if !environment.has_command() {
        cni::print_about("aliyun-eni-ipam", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match catch_panic(|| answer(&environment)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            log::error!("{}", plain_words(&refusal.to_string()));
            // If nobody reads it, nothing is left to do.
            let _ = cni::print(&refusal.to_json());
            ExitCode::FAILURE
        }
    }
}

fn answer(environment: &Environment) -> Result<(), Refusal> {
    let call = cni::read_call(environment, io::stdin())?;
    start_log(&call);
    let refuse = |failure: Failure| Refusal { error: failure.to_cni(), version: Some(call.version()) };
    verbs::serve(&call, &mut cni::print).map_err(refuse)
}

fn start_log(call: &Call) {
    let Some(network) = call.network() else { return };
    let settings = Ipam::new(&network.ipam).log();
    logging::start(settings.level, Some(&settings.file));
    // Both roles write to one file.
    let verb = if matches!(call, Call::Chained(_)) { "routes " } else { "" }.to_owned() + call.command();
    logging::context(match call.attachment() {
        Some(attachment) => format!("{verb} {attachment}"),
        None => format!("{verb} {}", network.name),
    });
}

/// Turns a panic into an error document: of a plugin that prints nothing, a runtime can only say that it failed.
fn catch_panic(work: impl FnOnce() -> Result<(), Refusal>) -> Result<(), Refusal> {
    panic::set_hook(Box::new(|info| log::error!("panic: {info}")));
    panic::catch_unwind(panic::AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let failure = Failure::Panic(message_of(payload.as_ref()).to_owned());
        Err(Refusal { error: failure.to_cni(), version: None })
    })
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("of an unknown kind")
}
