//! `list`: shows every record.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::clock::{Timestamp, boot_id};
use crate::commands::error::CommandError;
use crate::commands::output::{print_json, print_lines};
use crate::commands::table;
use crate::config::Ipam;
use crate::failure::Failure;
use crate::store::{self, Listed, State, Store};

/// Which records are shown, and in which order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListOptions {
    /// Only those in one of these states; none stands for all.
    pub(super) states: Vec<State>,
    /// Only those of this pod.
    pub(super) pod: Option<String>,
    /// The column to sort by.
    pub(super) sort: Option<SortKey>,
}

/// What records can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    State,
    Address,
    Pod,
    Eni,
    Age,
}

impl SortKey {
    pub(super) const ALL: [Self; 5] = [Self::State, Self::Address, Self::Pod, Self::Eni, Self::Age];

    /// Its name, as a person types it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Address => "address",
            Self::Pod => "pod",
            Self::Eni => "eni",
            Self::Age => "age",
        }
    }
}

/// Prints every record. It takes no lock and asks neither ECS nor the metadata service.
pub(super) fn list(ipam: Ipam<'_>, options: &ListOptions, as_json: bool) -> Result<(), CommandError> {
    if *options != ListOptions::default() {
        return Err(CommandError::Failed("`list` does not filter or sort yet".to_owned()));
    }
    let directory = ipam.data_directory().map_err(Failure::from)?;
    let records = read(&directory).map_err(Failure::from)?;
    if as_json {
        return print_json(&json!({ "records": records.iter().map(to_json).collect::<Vec<_>>() }));
    }
    print_lines(table(&records, Timestamp::now()))
}

/// Reads every record. One without an error of its own gets that of its ENI.
fn read(directory: &Path) -> store::Result<Vec<Listed>> {
    let store = Store::open(directory)?;
    let mut records = store.list()?;
    for record in &mut records {
        record.progress.last_error = store.last_error_of(record)?;
    }
    Ok(records)
}

fn to_json(listed: &Listed) -> Value {
    let allocation = listed.allocation.as_ref();
    json!({
        "state": listed.state.name(),
        "network": allocation.map(|it| &it.network),
        "containerId": listed.owner.container_id,
        "ifname": listed.owner.ifname,
        "addresses": listed.addresses(),
        "networkInterfaceId": allocation.map(|it| &it.eni),
        "regionId": allocation.map(|it| &it.region),
        "pod": pod(listed),
        "since": allocation.map(|it| it.since.to_seconds()),
        "restsSince": listed.rests_since.map(Timestamp::to_seconds),
        "releasingSince": listed.releasing_since.map(Timestamp::to_seconds),
        "attempts": listed.progress.attempts,
        "lastError": listed.progress.last_error,
    })
}

fn pod(listed: &Listed) -> Option<String> {
    listed.allocation.as_ref()?.pod.as_ref().map(ToString::to_string)
}

/// AGE is the time since the addresses were assigned, or since when one is in the reserve. BOOT says whether that was in this boot of
/// the machine or an earlier one.
const HEAD: [&str; 10] =
    ["STATE", "ADDRESSES", "POD", "NETWORK", "CONTAINER", "ENI", "AGE", "BOOT", "ATTEMPTS", "LAST-ERROR"];

/// How many characters of a containerID the table shows, as the tools of container runtimes do. `--json` shows all.
const SHOWN_ID_LENGTH: usize = 13;

fn table(records: &[Listed], now: Timestamp) -> Vec<String> {
    let boot = boot_id();
    table::render(HEAD, records.iter().map(|listed| row(listed, now, &boot)))
}

fn row(listed: &Listed, now: Timestamp, boot: &str) -> [String; HEAD.len()] {
    let allocation = listed.allocation.as_ref();
    let assigned_in = allocation.map_or("", |it| match it.is_of_earlier_boot() {
        true => "earlier",
        false if it.boot_id == boot => "this",
        false => "",
    });
    [
        listed.state.name().to_owned(),
        listed.addresses().join(","),
        pod(listed).unwrap_or_default(),
        allocation.map_or_else(String::new, |it| it.network.clone()),
        listed.owner.container_id.chars().take(SHOWN_ID_LENGTH).collect(),
        allocation.map_or_else(String::new, |it| it.eni.to_string()),
        allocation.map_or_else(String::new, |it| short(it.since.age(now))),
        assigned_in.to_owned(),
        listed.progress.attempts.to_string(),
        listed.progress.last_error.clone().unwrap_or_default(),
    ]
}

/// An age in one unit, for a person to compare.
fn short(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
