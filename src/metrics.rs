//! The numbers for a monitoring system: a file in the form of Prometheus that `node_exporter` reads (`metricsFile`).
//!
//! They are what costs little: names in directories are counted, and one small file an ENI is read, never a record.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::clock::Timestamp;
use crate::random;
use crate::store::{self, Store};

/// How often the file is written because the store has changed meanwhile. More often others write it too.
const ATTEMPTS: usize = 10;

/// Brings the file at `path` up to date. That it cannot be written is no failure of whatever changed the store.
pub(crate) fn update(store: &Store, path: &Path) {
    if let Err(why) = try_update(store, path) {
        log::warn!("cannot write the metrics file {}: {why}", path.display());
    }
}

/// Every process that changes the store writes the file afterwards, so one of them may put an older count over a newer
/// one. Each therefore looks again when it has written: whoever writes last has seen the last change.
fn try_update(store: &Store, path: &Path) -> Result<(), String> {
    let mut written = String::new();
    for _ in 0..ATTEMPTS {
        let text = render(store).map_err(|error| error.to_string())?;
        if text == written {
            break;
        }
        replace(path, &text).map_err(|error| error.to_string())?;
        written = text;
    }
    Ok(())
}

fn render(store: &Store) -> store::Result<String> {
    let mut records = String::new();
    for (state, count) in store.counts()? {
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

/// Whoever reads sees the old file or the new one. `node_exporter` takes no file for metrics whose name does not end in
/// `.prom`, and runs as a user of its own.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", random::hex128()?));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        // Whatever the umask is that a runtime has.
        file.set_permissions(Permissions::from_mode(0o644))?;
        fs::rename(&new, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))
}
