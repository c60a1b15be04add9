//! `list`: what is recorded.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Trouble, say};
use crate::clock::Timestamp;
use crate::config::Ipam;
use crate::failure::Failure;
use crate::store::{Listed, State, Store};

/// Prints every record, without a lock and without a question to the cloud.
pub(super) fn list(ipam: Ipam<'_>, as_json: bool) -> Result<(), Trouble> {
    let directory = ipam.data_directory().map_err(Failure::from)?;
    let records = Store::open(&directory).and_then(|store| store.list()).map_err(Failure::from)?;
    if as_json {
        return say(json!({ "records": records.iter().map(to_json).collect::<Vec<_>>() }));
    }
    say(table(&records, Timestamp::now()).trim_end())
}

fn to_json(listed: &Listed) -> Value {
    let allocation = listed.allocation.as_ref();
    json!({
        "state": name(listed.state),
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

fn name(state: State) -> &'static str {
    match state {
        State::Assigning => "assigning",
        State::Active => "active",
        State::Releasing => "releasing",
        State::Quarantined => "quarantined",
    }
}

fn pod(listed: &Listed) -> Option<String> {
    let pod = listed.allocation.as_ref()?.pod.as_ref()?;
    Some(format!("{}/{}", pod.namespace, pod.name))
}

fn table(records: &[Listed], now: Timestamp) -> String {
    let mut text = format!(
        "{:<12} {:<20} {:<32} {:<28} {:>8} {:>8}  {}\n",
        "STATE", "ADDRESS", "POD", "ENI", "AGE", "ATTEMPTS", "LAST ERROR"
    );
    for listed in records {
        let allocation = listed.allocation.as_ref();
        let whose = pod(listed).unwrap_or_else(|| listed.owner.container_id.chars().take(32).collect());
        let age = allocation.map_or_else(|| "-".to_owned(), |it| short(it.since.age(now)));
        let eni = allocation.map_or("-", |it| it.eni.as_str());
        let error = listed.progress.last_error.as_deref().unwrap_or("-");
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:<12} {:<20} {:<32} {:<28} {:>8} {:>8}  {}",
            name(listed.state),
            or_dash(&listed.addresses().join(",")),
            or_dash(&whose),
            eni,
            age,
            listed.progress.attempts,
            error
        );
    }
    text
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
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
