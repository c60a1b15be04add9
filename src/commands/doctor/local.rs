//! The checks that need nothing but this node: the configuration and the store.

use std::fs;

use crate::base::clock::Timestamp;
use crate::commands::doctor::report::Report;
use crate::commands::earlier_boot::WHAT_FLUSH_DOES;
use crate::commands::networks::Network;
use crate::config::Ipam;
use crate::context::CallContext;
use crate::failure::Failure;
use crate::store;
use crate::store::{Allocation, Listed, State, Store};

/// Checks every key, and the files that keys name.
pub(super) fn configuration(network: &Network, report: &mut Report) {
    const NAME: &str = "configuration";
    if let Err(error) = check_configuration(network.ipam()) {
        return report.fail(NAME, error);
    }
    let unknown: Vec<_> = network.ipam().unknown_keys().iter().map(ToString::to_string).collect();
    if unknown.is_empty() {
        report.ok(NAME, format!("network {:?}, all keys are valid", network.name()));
    } else {
        let file = network.file().display();
        report.warn(NAME, format!("unknown keys in {file}, which have no effect: {}", unknown.join(", ")));
    }
}

/// Warns of another network with the same ENI and another store. Such stores do not know each other's records: one may release
/// an address late, when a pod of the other has it.
pub(super) fn neighbours<'n>(
    network: &Network,
    configured: impl Iterator<Item = &'n Network>,
    report: &mut Report,
) {
    let place = |network: &Network| {
        let settings = network.ipam().address().ok()?;
        Some(((settings.eni, settings.interface), network.ipam().data_directory().ok()?))
    };
    let Some((eni, directory)) = place(network) else { return };
    for other in configured {
        if let Some((same, elsewhere)) = place(other)
            && same == eni
            && elsewhere != directory
        {
            report.warn(
                "stores",
                format!(
                    "network {:?} uses the same ENI but the store {} instead of {}: give both one dataDir",
                    other.name(),
                    elsewhere.display(),
                    directory.display()
                ),
            );
        }
    }
}

fn check_configuration(ipam: Ipam<'_>) -> Result<(), Failure> {
    ipam.check_all()?;
    if let Some(path) = ipam.address()?.resolv_conf {
        fs::read_to_string(&path).map_err(|error| Failure::ResolvConf { path, error })?;
    }
    Ok(())
}

/// Checks the store and its contents.
pub(super) fn store(context: &CallContext<'_>, report: &mut Report) {
    let store = &context.store;
    let or_fail = |report: &mut Report, name, check: fn(&Store, &mut Report) -> store::Result<()>| {
        if let Err(error) = check(store, report) {
            report.fail(name, error);
        }
    };
    or_fail(report, "store", directory);
    or_fail(report, "records", records);
    or_fail(report, "locks", locks);
    or_fail(report, "releases", releases);
}

/// Checks the mode and the free space. Its owner, and who may write to it, were checked when it was opened.
fn directory(store: &Store, report: &mut Report) -> store::Result<()> {
    store.check_room()?;
    let path = store.directory().display();
    match store.mode()? {
        None => report.ok("store", format!("{path} does not exist yet: the first ADD creates it")),
        Some(mode) if mode & 0o077 != 0 => {
            report.warn(
                "store",
                format!("other users can read {path} (mode {mode:o}): run `chmod 700 {path}`"),
            );
        }
        Some(mode) => report.ok("store", format!("{path}, mode {mode:o}, is writable")),
    }
    Ok(())
}

fn records(store: &Store, report: &mut Report) -> store::Result<()> {
    let listed = store.list()?;
    let damaged = listed.iter().filter(|it| it.state == State::Quarantined);
    let damaged: Vec<_> = damaged.filter_map(|it| it.progress.last_error.as_deref()).collect();
    let is_of_earlier_boot = |it: &&Listed| {
        it.state == State::Active && it.allocation.as_ref().is_some_and(Allocation::is_of_earlier_boot)
    };
    let earlier = listed.iter().filter(is_of_earlier_boot).count();
    let counts = State::ALL
        .map(|state| format!("{} {}", listed.iter().filter(|it| it.state == state).count(), state.name()));
    let counts = counts.join(", ");
    if !damaged.is_empty() {
        report.fail("records", format!("{counts}: {}", damaged.join("; ")));
    } else if earlier > 0 {
        report.warn(
            "records",
            format!("{counts}; active ones of an earlier boot: {earlier}, {WHAT_FLUSH_DOES}"),
        );
    } else {
        report.ok("records", counts);
    }
    Ok(())
}

fn locks(store: &Store, report: &mut Report) -> store::Result<()> {
    let held: Vec<_> = store.held_locks()?.iter().map(|path| path.display().to_string()).collect();
    if held.is_empty() {
        report.ok("locks", "no lock is held");
    } else {
        let held = held.join(" ");
        report.warn(
            "locks",
            format!("held by running calls: {held}; if this persists, `fuser {held}` shows who holds them"),
        );
    }
    Ok(())
}

fn releases(store: &Store, report: &mut Report) -> store::Result<()> {
    let (mut stuck, mut hopeless) = (Vec::new(), false);
    for eni in store.known_enis()? {
        let state = store.eni_state(&eni)?;
        if let Some(full) = state.full_at(Timestamp::now()) {
            stuck.push(format!("ECS had no free address for {eni} at {full}"));
        }
        if let Some(it) = state.backoff {
            hopeless |= it.permanent;
            let next = it.not_before.to_seconds();
            let (since, attempts) = (it.since.to_seconds(), it.attempts);
            stuck.push(format!(
                "{eni}: {attempts} failed since {since}, next try not before {next}: {}",
                it.error
            ));
        }
    }
    match stuck.join("; ") {
        none if none.is_empty() => report.ok("releases", "no release has failed"),
        stuck if hopeless => report.fail("releases", stuck),
        stuck => report.warn("releases", stuck),
    }
    Ok(())
}
