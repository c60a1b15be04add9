//! `list`: what is recorded.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Trouble, say_json, say_lines, table};
use crate::clock::{Timestamp, boot_id};
use crate::config::Ipam;
use crate::failure::Failure;
use crate::store::{Listed, Store};

/// Prints every record, without a lock and without a question to the cloud.
pub(super) fn list(ipam: Ipam<'_>, as_json: bool) -> Result<(), Trouble> {
    let directory = ipam.data_directory().map_err(Failure::from)?;
    let records = Store::open(&directory).and_then(|store| store.list()).map_err(Failure::from)?;
    if as_json {
        return say_json(&json!({ "records": records.iter().map(to_json).collect::<Vec<_>>() }));
    }
    say_lines(table(&records, Timestamp::now()))
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
        "attempts": listed.progress.attempts,
        "lastError": listed.progress.last_error,
    })
}

fn pod(listed: &Listed) -> Option<String> {
    let pod = listed.allocation.as_ref()?.pod.as_ref()?;
    Some(format!("{}/{}", pod.namespace, pod.name))
}

const HEAD: [&str; 8] = ["STATE", "ADDRESSES", "POD", "ENI", "AGE", "SINCE", "ATTEMPTS", "LAST ERROR"];

fn table(records: &[Listed], now: Timestamp) -> Vec<String> {
    let boot = boot_id();
    table::render(HEAD, records.iter().map(|listed| row(listed, now, &boot)))
}

fn row(listed: &Listed, now: Timestamp, boot: &str) -> [String; HEAD.len()] {
    let allocation = listed.allocation.as_ref();
    let whose = pod(listed).unwrap_or_else(|| listed.owner.container_id.chars().take(32).collect());
    let since = allocation.map_or("", |it| if it.boot_id == boot { "this boot" } else { "an earlier boot" });
    [
        listed.state.name().to_owned(),
        listed.addresses().join(","),
        whose,
        allocation.map_or_else(String::new, |it| it.eni.to_string()),
        allocation.map_or_else(String::new, |it| short(it.since.age(now))),
        since.to_owned(),
        listed.progress.attempts.to_string(),
        listed.progress.last_error.clone().unwrap_or_default(),
    ]
}

/// An age in its largest unit: what a person compares.
fn short(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
