//! The files that every call writes: `logFile` and `metricsFile`. They are tried as their writers do it, and stay as they are.

use std::io;
use std::path::Path;

use crate::base::logging;
use crate::base::text::reason;
use crate::base::user::own_user;
use crate::commands::doctor::report::Report;
use crate::commands::networks::Network;
use crate::metrics;

/// Checks the log. Warnings and errors go to the journal as well.
pub(super) fn log(network: &Network, report: &mut Report) {
    let path = network.ipam().log().file;
    match logging::check(&path) {
        Ok(()) => report.ok("log", format!("{} can be written", path.display())),
        Err(why) => {
            let line = format!("logFile {} cannot be written: {}", path.display(), fit(&why));
            if is_root() { report.fail("log", line) } else { report.warn("log", as_root(&line)) }
        }
    }
}

/// Checks the file of metrics, if one is configured. Its value was judged with the other keys.
pub(super) fn metrics(network: &Network, report: &mut Report) {
    const NAME: &str = "metrics";
    let Ok(Some(path)) = network.ipam().metrics_file() else { return };
    match metrics::check(&path) {
        Err(error) => {
            let line = format!("metricsFile {} cannot be written: {}", path.display(), why_of(&error, &path));
            let is_this_users = error.kind() == io::ErrorKind::PermissionDenied && !is_root();
            if is_this_users { report.warn(NAME, as_root(&line)) } else { report.fail(NAME, line) }
        }
        Ok(()) if path.extension().is_none_or(|it| it != "prom") => report.warn(
            NAME,
            format!(
                "node_exporter ignores {}, because its name does not end in .prom: rename it",
                path.display()
            ),
        ),
        Ok(()) => report.ok(NAME, format!("{} can be written", path.display())),
    }
}

fn why_of(error: &io::Error, path: &Path) -> String {
    let directory = path.parent().unwrap_or(path);
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!(
                "the directory {} does not exist: create it, or correct ipam.metricsFile",
                directory.display()
            )
        }
        io::ErrorKind::IsADirectory => "it is a directory: remove it, or correct ipam.metricsFile".to_owned(),
        _ => reason(error),
    }
}

/// Where the reason names no remedy, the file does.
fn fit(why: &str) -> String {
    if why.contains(';') {
        why.to_owned()
    } else {
        format!("{why}; correct ipam.logFile, or what is at this path")
    }
}

pub(super) fn is_root() -> bool {
    own_user().is_ok_and(|user| user == 0)
}

pub(super) fn as_root(line: &str) -> String {
    format!("{line}; runtimes call the plugin as root, so run `doctor` as root to be sure")
}
