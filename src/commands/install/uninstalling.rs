//! `uninstall`: the configuration, the releases, the routes and the binary, in this order.
//!
//! Who is killed in between can begin again: a configuration is put aside under a name that no runtime reads, which a second
//! `uninstall` knows, until what it is needed for is done.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::commands::arguments::Arguments;
use crate::commands::consent::Consent;
use crate::commands::doctor;
use crate::commands::error::CommandError;
use crate::commands::install::steps::Steps;
use crate::commands::install::{binary, giving_up, place};
use crate::commands::networks::{Configuration, Network};
use crate::commands::routes::{NodeStores, Removed, remove_unless_needed};
use crate::store::{State, Store};

/// What the name of a configuration that is put aside ends in.
const ASIDE: &str = ".uninstalled";

/// The configurations in the directory that an `uninstall` has put aside.
pub(super) fn put_aside_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_aside = |name: &str| name.starts_with('.') && name.ends_with(ASIDE);
    let aside = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_aside));
    let mut files: Vec<PathBuf> = aside.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// What is to be removed.
struct Found {
    directory: PathBuf,
    /// The configurations that use this plugin, also those that are put aside.
    configuration: Configuration,
}

/// Removes the configurations, releases what is pending, and removes the routes and the binary. Asks first where pods have addresses.
pub(in crate::commands) fn uninstall(
    arguments: &Arguments,
    plugin_directory: Option<&Path>,
    consent: Consent,
) -> Result<(), CommandError> {
    let found = look(&arguments.config).map_err(CommandError::Configuration)?;
    let defaults = [Network::with_defaults()];
    let configured = &found.configuration.networks;
    // Without a configuration, the store in its usual place is looked at.
    let networks = if configured.is_empty() { &defaults } else { configured.as_slice() };
    networks[0].start_log("uninstall");
    let pods = NodeStores::open(networks)?.active();
    if !pods.is_empty() && !consent.obtain(&question(&pods)) {
        return Err(CommandError::Failed("not confirmed, so nothing was removed".into()));
    }
    let mut steps = Steps::new(arguments.json);
    let aside = put_aside(&found, &mut steps)?;
    // While runtimes find a configuration, they call the plugin.
    if !steps.are_all_well() {
        return steps.end(None);
    }
    let are_all_released = giving_up::release_all(configured, &aside, &mut steps)?;
    remove_routes(networks, &mut steps)?;
    if are_all_released {
        for file in &aside {
            if let Err(why) = place::remove(file) {
                steps.failed("conflist", why)?;
            }
        }
        binary::uninstall(&binary::directory(plugin_directory), &mut steps)?;
    } else {
        steps.left("binary", "it stays for what is left to be released: run `uninstall` again")?;
    }
    say_what_stays(networks, &mut steps)?;
    steps.end(None)
}

/// Reads what uses this plugin in the file or directory `config`, which need not exist.
fn look(config: &Path) -> Result<Found, String> {
    let directory =
        if config.is_dir() || !config.exists() { config } else { config.parent().unwrap_or(config) };
    let read = if config.exists() { Configuration::read(config)?.files } else { Vec::new() };
    let files = [read, put_aside_in(directory)].concat();
    Ok(Found { directory: directory.to_owned(), configuration: Configuration::of_files(config, files) })
}

fn question(pods: &BTreeMap<IpAddr, String>) -> Vec<String> {
    let mut lines = vec!["These pods have addresses of this plugin:".to_owned()];
    lines.extend(pods.iter().map(|(address, pod)| format!("  {address}: {pod}")));
    lines.push(
        "They keep their network, but cannot be deleted as long as the plugin is missing. Drain the node first. Remove the plugin?"
            .to_owned(),
    );
    lines
}

/// Takes the configurations away from the runtime. Returns where they are now.
fn put_aside(found: &Found, steps: &mut Steps) -> Result<Vec<PathBuf>, CommandError> {
    const NAME: &str = "conflist";
    let is_aside = |file: &Path| file.to_string_lossy().ends_with(ASIDE);
    let mut files: Vec<&Path> = found.configuration.networks.iter().map(Network::file).collect();
    files.dedup();
    let (mut aside, mut removed): (Vec<PathBuf>, usize) = (Vec::new(), 0);
    for file in files {
        if is_aside(file) {
            aside.push(file.to_owned());
            continue;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let place = found.directory.join(format!(".{name}{ASIDE}"));
        match place::rename(file, &place) {
            Ok(()) => {
                removed += 1;
                steps.done(NAME, format!("removed {}", file.display()))?;
                aside.retain(|it| *it != place);
                aside.push(place);
            }
            Err(why) => steps.failed(NAME, why)?,
        }
    }
    for (file, why) in found.configuration.broken.iter().filter(|(file, _)| doctor::names_this_plugin(file)) {
        steps.left(
            NAME,
            format!("{} names this plugin and is broken ({why}): remove it or correct it", file.display()),
        )?;
    }
    if removed == 0 && steps.are_all_well() {
        steps.unchanged(NAME, format!("no file in {} uses this plugin", found.directory.display()))?;
    }
    Ok(aside)
}

fn remove_routes(networks: &[Network], steps: &mut Steps) -> Result<(), CommandError> {
    const NAME: &str = "routes";
    match remove_unless_needed(networks) {
        Ok(Removed::All(changes)) if changes.is_empty() => {
            steps.unchanged(NAME, "the kernel has nothing of this plugin")
        }
        Ok(Removed::All(changes)) => changes.iter().try_for_each(|change| steps.done(NAME, change)),
        Ok(Removed::Needed(pods)) => {
            let pods: Vec<_> = pods.iter().map(|(address, pod)| format!("{address} of {pod}")).collect();
            let pods = pods.join(", ");
            steps.left(NAME, format!("they stay for {pods}: run `routes --remove` when these are gone"))
        }
        Err(why) => steps.failed(NAME, why),
    }
}

/// The records outlive the plugin: they are the only ones that say which addresses are assigned.
fn say_what_stays(networks: &[Network], steps: &mut Steps) -> Result<(), CommandError> {
    let mut stores: Vec<PathBuf> = networks.iter().filter_map(|it| it.store_directory().ok()).collect();
    stores.dedup();
    for directory in stores.iter().filter(|it| it.exists()) {
        let shown = directory.display();
        let listed = Store::open(directory).and_then(|store| store.list());
        let detail = match listed {
            Ok(listed) if listed.is_empty() => format!("{shown} stays, without records: it may be deleted"),
            Ok(listed) => {
                let active = listed.iter().filter(|it| it.state == State::Active).count();
                let others = listed.len() - active;
                format!(
                    "{shown} stays: it has the records of {active} addresses of pods, and {others} others"
                )
            }
            Err(error) => format!("{shown} stays: {error}"),
        };
        steps.unchanged("store", detail)?;
    }
    Ok(())
}
