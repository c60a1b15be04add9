//! The numbers for a monitoring system: a file in the form of Prometheus that `node_exporter` reads (`metricsFile`).
//!
//! They are what costs little: names in directories are counted, and one small file an ENI is read, never a record. Nor are the
//! names of the active records on the hot path, because there is one for each pod: the store keeps their number. Those of the
//! reserve are counted: there are not many more than `reserve` says.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::random;
use crate::store;
use crate::store::{State, Store};

/// Where the number of active records comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActiveRecords {
    /// They are counted.
    Counted,
    /// It is what the store keeps: for ADD and DEL.
    Kept,
}

/// How often the file is written because the store has changed meanwhile. More often others write it too.
const ATTEMPTS: usize = 10;

/// Brings the file at `path` up to date. That it cannot be written is no failure of whatever changed the store.
pub(crate) fn update(store: &Store, path: &Path, active: ActiveRecords) {
    if let Err(why) = try_update(store, path, active) {
        log::warn!("cannot write the metrics file {}: {why}", path.display());
    }
}

/// Every process that changes the store writes the file afterwards, so one of them may put an older count over a newer
/// one. Each therefore looks again when it has written: whoever writes last has seen the last change.
fn try_update(store: &Store, path: &Path, active: ActiveRecords) -> Result<(), String> {
    let mut written = String::new();
    for _ in 0..ATTEMPTS {
        let text = render(store, active).map_err(|error| error.to_string())?;
        if text == written {
            break;
        }
        replace(path, &text).map_err(|error| error.to_string())?;
        written = text;
    }
    Ok(())
}

fn render(store: &Store, active: ActiveRecords) -> store::Result<String> {
    let (mut records, mut reserved) = (String::new(), String::new());
    let in_reserve = store.reserved_counts()?;
    for (eni, count) in &in_reserve {
        let _ = writeln!(reserved, "aliyun_eni_ipam_reserved_addresses{{eni=\"{eni}\"}} {count}");
    }
    for state in State::ALL {
        let count = match (state, active) {
            (State::Reserved, _) => in_reserve.iter().map(|(_, count)| count).sum(),
            (State::Active, ActiveRecords::Kept) => store.active_count()?,
            (State::Active, ActiveRecords::Counted) => store.count_active()?,
            _ => store.count(state)?,
        };
        let _ = writeln!(records, "aliyun_eni_ipam_records{{state=\"{}\"}} {count}", state.name());
    }
    let (mut failures, mut since, mut full) = (String::new(), String::new(), String::new());
    let mut enis = store.known_enis()?;
    enis.sort();
    for eni in enis {
        let state = store.eni_state(&eni)?;
        let is_full = u8::from(state.full_at(Timestamp::now()).is_some());
        let attempts = state.backoff.as_ref().map_or(0, |backoff| backoff.attempts);
        let _ = writeln!(failures, "aliyun_eni_ipam_release_failures{{eni=\"{eni}\"}} {attempts}");
        if let Some(backoff) = state.backoff {
            let name = "aliyun_eni_ipam_releases_failing_since_timestamp_seconds";
            let _ = writeln!(since, "{name}{{eni=\"{eni}\"}} {}", backoff.since.unix_seconds());
        }
        let _ = writeln!(full, "aliyun_eni_ipam_eni_full{{eni=\"{eni}\"}} {is_full}");
    }
    Ok([
        gauge("records", "Records in the store, by state.", &records),
        gauge("reserved_addresses", "Addresses in the reserve of the ENI.", &reserved),
        gauge(
            "release_failures",
            "How often in a row releases of the ENI's addresses have failed.",
            &failures,
        ),
        gauge(
            "releases_failing_since_timestamp_seconds",
            "When they began to fail; absent while they do not.",
            &since,
        ),
        gauge("eni_full", "Whether ECS had no address left for the ENI when it was asked last.", &full),
    ]
    .concat())
}

fn gauge(name: &str, help: &str, samples: &str) -> String {
    let name = format!("aliyun_eni_ipam_{name}");
    format!("# HELP {name} {help}\n# TYPE {name} gauge\n{samples}")
}

/// How old a draft must be to be taken for a dead process's: far older than any call becomes.
const ABANDONED: Duration = Duration::from_hours(1);

/// Removes what killed processes left half written beside the file at `path`. Its directory is not the plugin's own, so
/// nothing goes but plain files with the names that [`replace`] gives.
///
/// # Errors
/// When the directory cannot be read, or a draft not be removed. That there is no directory is none.
pub(crate) fn sweep(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path.parent().unwrap_or(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.flatten() {
        let is_abandoned = |metadata: Metadata| {
            let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
            metadata.is_file() && age.is_some_and(|age| age > ABANDONED)
        };
        if is_draft(&entry.file_name(), path) && entry.metadata().is_ok_and(is_abandoned) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file of this name is a draft of the file at `path`.
fn is_draft(name: &OsStr, path: &Path) -> bool {
    let unique = name.to_str().and_then(|name| name.strip_prefix(&draft_prefix(path)));
    unique
        .is_some_and(|it| it.len() == 32 && it.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn draft_prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Whoever reads sees the old file or the new one. `node_exporter` takes no file for metrics whose name does not end in
/// `.prom`, and runs as a user of its own.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_file_name(draft_prefix(path) + &random::hex128()?);
    let write = || {
        write_draft(&new, text)?;
        fs::rename(&new, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))
}

fn write_draft(new: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask is that a runtime has.
    file.set_permissions(Permissions::from_mode(0o644))
}

/// Whether the file at `path` could be brought up to date. Nothing is changed, and nothing stays.
///
/// # Errors
/// Why not.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let new = path.with_file_name(draft_prefix(path) + &random::hex128()?);
    // As much as the metrics of some ENIs take.
    let written = write_draft(&new, &" ".repeat(4096));
    let removed = match fs::remove_file(&new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => written.and(removed),
    }
}
