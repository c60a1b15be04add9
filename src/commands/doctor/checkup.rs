//! The checks of `doctor`, in their order.

use crate::commands::arguments::Arguments;
use crate::commands::doctor::report::{Report, Status};
use crate::commands::doctor::{cloud, local};
use crate::commands::error::CommandError;
use crate::commands::networks::{Configuration, Network};
use crate::context::CallContext;

/// Checks everything and changes nothing. Each line is printed as soon as it is known, because the next check may take long.
pub(in crate::commands) fn doctor(arguments: &Arguments) -> Result<(), CommandError> {
    let found = Configuration::read(&arguments.config);
    let chosen = match &found {
        Ok(found) => found.chosen(arguments.network.as_deref()),
        Err(why) => Err(why.clone()),
    };
    // With several networks, the checks would otherwise be about one that the person may not mean.
    if let Ok(found) = &found
        && !found.networks.is_empty()
    {
        match &chosen {
            Ok((_, others)) if others.is_empty() => {}
            Ok(_) => return Err(CommandError::Configuration(found.choose_one())),
            Err(why) => return Err(CommandError::Configuration(why.clone())),
        }
    }
    let mut report = Report::new(arguments.json);
    binary(&mut report);
    for (file, why) in found.iter().flat_map(|found| &found.broken) {
        let line = format!("{} is broken: {why}", file.display());
        // If the network is found in another file, the broken one is probably another plugin's.
        report.add("configuration", if chosen.is_ok() { Status::Warn } else { Status::Fail }, &line);
    }
    match &chosen {
        Ok((network, _)) => {
            network.start_log(arguments.command.name());
            local::configuration(network, &mut report);
            local::neighbours(network, found.iter().flat_map(|found| &found.networks), &mut report);
            node(network, true, &mut report);
        }
        // Without a configuration, the rest is checked with the default of every key.
        Err(why) => {
            report.fail("configuration", why);
            node(&Network::with_defaults(), false, &mut report);
        }
    }
    report.end()
}

fn binary(report: &mut Report) {
    let version = concat!("aliyun-eni-ipam ", env!("CARGO_PKG_VERSION"));
    match std::env::current_exe() {
        Ok(path) => report.ok("binary", format!("{version}, {}", path.display())),
        Err(error) => report.warn("binary", format!("{version}; cannot tell its own path: {error}")),
    }
}

fn node(network: &Network, is_configured: bool, report: &mut Report) {
    match CallContext::open(network.ipam()) {
        Ok(context) => context.run_then_write_metrics(|context| {
            local::store(context, report);
            cloud::cloud(context, is_configured, report);
        }),
        Err(failure) => report.fail("store", &failure),
    }
}
