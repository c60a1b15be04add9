//! The machine that the figures are from.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Instant, SystemTime};

use crate::statistics::median;

/// What the figures depend on, as it was before the first run.
#[derive(Debug)]
pub(crate) struct Machine {
    processors: usize,
    model: String,
    kernel: String,
    file_system: String,
    fsync: f64,
    load: String,
    plugin: String,
    day: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let load = read("/proc/loadavg");
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let stores = tempfile::tempdir().expect("there is room for temporary files");
        Self {
            processors: thread::available_parallelism().map_or(1, usize::from),
            model: model(&read("/proc/cpuinfo")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mounts"), stores.path()),
            fsync: fsync_time(stores.path()),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            plugin: plugin(),
            day: now.split('T').next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processors, model, kernel, file_system, fsync, load, plugin, day } = self;
        write!(
            f,
            "These are of {day}, of version {} ({plugin}), from a machine with {processors} processors ({model}), Linux {kernel}, the stores on \
             {file_system}, where the fsync of a small file takes {fsync:.2} ms; the load before the first run was {load}.",
            env!("CARGO_PKG_VERSION")
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Which binary is measured.
fn plugin() -> String {
    let named = std::env::var_os("PLUGIN_BINARY").filter(|path| !path.is_empty());
    // Its directory is this machine's.
    match named.as_ref().and_then(|_| harness::plugin!().parent()?.parent()?.file_name()?.to_str()) {
        Some(target) => format!("built for {target}"),
        None => "as `cargo build --release` builds it".to_owned(),
    }
}

/// The processor's name, which not every architecture tells.
fn model(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split_once(": ")).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The type of the file system that a path is on: the last mount of the longest place above it.
fn file_system(mounts: &str, path: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = mounts.filter(|(place, _)| path.starts_with(place));
    above.max_by_key(|(place, _)| place.len()).map(|(_, name)| name.to_owned()).unwrap_or_default()
}

/// How long a small file takes to become durable: the median of many, in milliseconds.
fn fsync_time(directory: &Path) -> f64 {
    let once = |number: usize| {
        let mut file = File::create(directory.join(format!("probe{number}"))).unwrap();
        file.write_all(b"{}").unwrap();
        let start = Instant::now();
        file.sync_data().unwrap();
        start.elapsed().as_secs_f64() * 1000.0
    };
    median(&(0..51).map(once).collect::<Vec<_>>())
}
