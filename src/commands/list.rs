//! `list`: shows every record.

mod columns;
mod options;
mod records;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::commands::error::CommandError;
use crate::commands::networks::Network;
use crate::commands::output::{print, print_error, print_json, print_lines};
use crate::commands::terminal;
use crate::failure::Failure;
use records::{Row, is_wanted, read, sort};

pub(super) use options::{ListOptions, SortKey};

/// Prints the records of the stores of `networks`, or only those of the network that is `named`. It takes no lock and asks
/// neither ECS nor the metadata service.
pub(super) fn list(
    networks: &[&Network],
    named: Option<&str>,
    options: &ListOptions,
    as_json: bool,
) -> Result<(), CommandError> {
    let now = Timestamp::now();
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    let stores = stores(networks);
    let count = stores.len();
    for store in stores {
        match store.and_then(|directory| Ok(read(&directory, now)?)) {
            Ok(found) => rows.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    // What can be read is shown, unless that is nothing.
    let failure = failures.pop();
    if let Some(failure) = failure {
        if failures.len() + 1 == count {
            print_all(&failures);
            return Err(failure.into());
        }
        failures.push(failure);
    }
    let recorded = rows.len();
    rows.retain(|row| is_wanted(row, named, options));
    sort(&mut rows, options.sort.unwrap_or(SortKey::State));
    if as_json {
        print_json(&json!({ "records": rows.iter().map(to_json).collect::<Vec<_>>() }))?;
    } else {
        match (terminal::width(), rows.is_empty()) {
            (None, _) => print_lines(columns::table(&rows, now))?,
            (Some(_), true) => print(nothing(recorded))?,
            (Some(width), false) => print_lines(columns::fitted_table(&rows, networks, now, width))?,
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    print_all(&failures);
    Err(CommandError::LeftOver)
}

fn print_all(failures: &[Failure]) {
    for failure in failures {
        print_error(&failure.to_string());
    }
}

/// The store of each network, every one once.
fn stores(networks: &[&Network]) -> Vec<Result<PathBuf, Failure>> {
    let mut stores: Vec<Result<PathBuf, Failure>> = Vec::new();
    for network in networks {
        let store = network.store_directory().map_err(Failure::from);
        let is_known = |known: &Result<PathBuf, Failure>| matches!((known, &store), (Ok(one), Ok(other)) if one == other);
        if !stores.iter().any(is_known) {
            stores.push(store);
        }
    }
    stores
}

/// What a person sees instead of an empty table. A pipe gets the head alone.
fn nothing(recorded: usize) -> String {
    match recorded {
        0 => "nothing is recorded".to_owned(),
        count => format!("no record matches ({count} in all)"),
    }
}

fn to_json(row: &Row) -> Value {
    let listed = &row.listed;
    let allocation = listed.allocation.as_ref();
    json!({
        "state": listed.state.name(),
        "network": row.network(),
        "containerId": listed.owner.container_id,
        "ifname": listed.owner.ifname,
        "addresses": listed.addresses(),
        "networkInterfaceId": row.eni(),
        "regionId": allocation.map(|it| &it.region),
        "pod": row.pod_name(),
        "since": allocation.map(|it| it.since.to_seconds()),
        "restsSince": listed.rests_since.map(Timestamp::to_seconds),
        "releasingSince": listed.releasing_since.map(Timestamp::to_seconds),
        "nextTry": row.next_try.map(Timestamp::to_seconds),
        "attempts": listed.progress.attempts,
        "lastError": listed.progress.last_error,
    })
}
