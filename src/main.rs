//! The process: a container runtime's call, or a person's command.

use std::any::Any;
use std::io;
use std::panic;
use std::process::ExitCode;

use aliyun_eni_ipam::cni::{self, Call, Environment, Refusal};
use aliyun_eni_ipam::{Failure, Ipam, logging, run_command, verbs};

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
            // If nobody reads it, nothing is left to do.
            let _ = cni::print(&refusal.to_json());
            ExitCode::FAILURE
        }
    }
}

fn answer(environment: &Environment) -> Result<(), Refusal> {
    let call = cni::read_call(environment, io::stdin())?;
    start_log(&call, environment);
    let refuse = |failure: Failure| Refusal { error: failure.to_cni(), version: Some(call.version()) };
    verbs::serve(&call, &mut cni::print).inspect_err(Failure::log).map_err(refuse)
}

fn start_log(call: &Call, environment: &Environment) {
    let Some(network) = call.network() else { return };
    logging::start(&Ipam::new(&network.ipam).log());
    // Both roles write to one file.
    let verb = if matches!(call, Call::Chained(_)) { "routes " } else { "" }.to_owned() + call.command();
    logging::context(match call.attachment() {
        Some(attachment) => {
            let pod = environment.pod();
            logging::Context::of_attachment(&verb, &network.name, attachment, pod.as_ref())
        }
        None => logging::Context::of_network(&verb, &network.name),
    });
}

/// Turns a panic into an error document: of a plugin that prints nothing, a runtime can only say that it failed.
fn catch_panic(work: impl FnOnce() -> Result<(), Refusal>) -> Result<(), Refusal> {
    panic::set_hook(Box::new(|info| log::error!("panic: {info}")));
    panic::catch_unwind(panic::AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let failure = Failure::Panic(message_of(payload.as_ref()).to_owned());
        failure.log();
        Err(Refusal { error: failure.to_cni(), version: None })
    })
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("of an unknown kind")
}
