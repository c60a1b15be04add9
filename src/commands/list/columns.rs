//! The columns of `list`, for people.

use std::time::Duration;

use crate::base::clock::{Timestamp, boot_id};
use crate::commands::fitted::{self, Column, Fit};
use crate::commands::list::records::Row;
use crate::commands::networks::Network;
use crate::commands::table;

/// AGE is the time in the state: since the addresses were assigned, since the DEL, or since the address is in the reserve. BOOT says
/// whether the addresses were assigned in this boot of the machine or an earlier one. NEXT-TRY is the time before which no call
/// tries the release.
const HEAD: [&str; 11] = [
    "STATE",
    "ADDRESSES",
    "POD",
    "NETWORK",
    "CONTAINER",
    "ENI",
    "AGE",
    "BOOT",
    "ATTEMPTS",
    "NEXT-TRY",
    "LAST-ERROR",
];

/// How many characters of a containerID the table shows, as the tools of container runtimes do. `--json` shows all.
const SHOWN_ID_LENGTH: usize = 13;

/// Every column, for programs that count them.
pub(super) fn table(rows: &[Row], now: Timestamp) -> Vec<String> {
    let boot = boot_id();
    table::render(HEAD, rows.iter().map(|row| cells(row, now, &boot)))
}

/// The columns that tell rows apart or say something unusual, in a terminal of this width. The network and the ENI are usual if they
/// are the only ones.
pub(super) fn fitted_table(rows: &[Row], networks: &[&Network], now: Timestamp, width: usize) -> Vec<String> {
    let boot = boot_id();
    let network = match networks {
        [only] => Some(only.name().to_owned()),
        _ => None,
    };
    let eni = rows.iter().find_map(Row::eni).map(ToString::to_string);
    let usual = |value: &str| Some(value.to_owned());
    let columns: [(Option<String>, Fit); HEAD.len()] = [
        (None, Fit::Whole),
        (None, Fit::Lines),
        (usual("-"), Fit::Middle),
        (network, Fit::Middle),
        (None, Fit::Whole),
        (eni, Fit::Whole),
        (None, Fit::Whole),
        (usual("this"), Fit::Whole),
        (usual("0"), Fit::Whole),
        (usual("-"), Fit::Whole),
        (usual("-"), Fit::Words),
    ];
    let mut heads = HEAD.into_iter();
    let columns = columns.map(|(usual, fit)| Column { head: heads.next().unwrap_or_default(), usual, fit });
    fitted::render(&columns, rows.iter().map(|row| cells(row, now, &boot)), width)
}

fn cells(row: &Row, now: Timestamp, boot: &str) -> [String; HEAD.len()] {
    let listed = &row.listed;
    let assigned_in = listed.allocation.as_ref().map_or("", |it| match it.is_of_earlier_boot() {
        true => "earlier",
        false if it.boot_id == boot => "this",
        false => "",
    });
    let next_try = row.next_try.map(|moment| short(now.age(moment)));
    [
        listed.state.name().to_owned(),
        listed.addresses().join(","),
        row.pod_name().unwrap_or_default(),
        row.network().unwrap_or_default().to_owned(),
        listed.owner.container_id.chars().take(SHOWN_ID_LENGTH).collect(),
        row.eni().map(ToString::to_string).unwrap_or_default(),
        row.in_state_since().map(|moment| short(moment.age(now))).unwrap_or_default(),
        assigned_in.to_owned(),
        listed.progress.attempts.to_string(),
        next_try.unwrap_or_default(),
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
