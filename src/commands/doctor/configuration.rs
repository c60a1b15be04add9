//! The configuration: its files as a runtime reads them, the keys, and the files that keys name.

use std::fs;
use std::path::Path;

use crate::commands::doctor::conflist;
use crate::commands::doctor::report::Report;
use crate::commands::networks::{Configuration, Network};
use crate::config::Ipam;
use crate::failure::Failure;

const NAME: &str = "configuration";

/// Checks the files. A runtime looks at them in the order of their names, and the first one counts for it: containerd stops
/// at one that it cannot read, and by default takes no further one.
pub(super) fn files(found: &Configuration, report: &mut Report) {
    let is_ours = |file: &Path| found.networks.iter().any(|network| network.file() == file);
    let first_of_ours = found.files.iter().position(|file| is_ours(file));
    let mut before = Vec::new();
    for (i, file) in found.files.iter().enumerate() {
        let Err(refused) = conflist::check(file) else {
            if first_of_ours.is_some_and(|first| i < first) {
                before.push(file.file_name().unwrap_or_default().to_string_lossy());
            }
            continue;
        };
        let line = format!("{} is broken: {}", file.display(), refused.why);
        let is_before = first_of_ours.is_none_or(|first| i < first);
        if refused.names_this_plugin || is_ours(file) || first_of_ours.is_none() {
            report.fail(NAME, line);
        } else if is_before {
            report.fail(
                NAME,
                format!("{line}; containerd stops at it, and pods get no network: repair or remove it"),
            );
        } else {
            // It is probably another plugin's, and not the one that is used.
            report.warn(NAME, line);
        }
    }
    if let (Some(first), false) = (first_of_ours, before.is_empty()) {
        let ours = found.files[first].file_name().unwrap_or_default().to_string_lossy();
        let before = before.join(", ");
        report.warn(
            NAME,
            format!(
                "{before} comes before {ours}: a runtime that uses the first network only, as containerd does by default, does \
                 not use this plugin, unless {before} refers to it"
            ),
        );
    }
}

/// Two files with a network of one name: the runtime uses one of them, and whoever changes the other changes nothing.
pub(super) fn names(found: &Configuration, report: &mut Report) {
    for (i, network) in found.networks.iter().enumerate() {
        let of_other_file = |it: &&Network| it.name() == network.name() && it.file() != network.file();
        if let Some(other) = found.networks[..i].iter().find(of_other_file) {
            let (one, two) = (other.file().display(), network.file().display());
            report.warn(
                NAME,
                format!(
                    "{one} and {two} both configure the network {:?}: remove the one that is out of date",
                    network.name()
                ),
            );
        }
    }
}

/// Checks every key, and the files that keys name.
pub(super) fn keys(network: &Network, is_one_of_several: bool, report: &mut Report) {
    if let Err(error) = check_keys(network.ipam()) {
        return report.fail(NAME, error);
    }
    let unknown: Vec<_> = network.ipam().unknown_keys().iter().map(ToString::to_string).collect();
    if !unknown.is_empty() {
        let file = network.file().display();
        report.warn(NAME, format!("unknown keys in {file}, which have no effect: {}", unknown.join(", ")));
    } else if is_one_of_several {
        report.ok(NAME, "all keys are valid");
    } else {
        report.ok(NAME, format!("network {:?}, all keys are valid", network.name()));
    }
}

fn check_keys(ipam: Ipam<'_>) -> Result<(), Failure> {
    ipam.check_all()?;
    if let Some(path) = ipam.address()?.resolv_conf {
        fs::read_to_string(&path).map_err(|error| Failure::ResolvConf { path, error })?;
    }
    Ok(())
}
