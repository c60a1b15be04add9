//! The log: a file of the plugin's own, and for warnings and errors the system's journal as well.
//!
//! A plugin's stderr is thrown away by the calling plugin as soon as the call fails, which is when it would be needed.
//! So the log goes elsewhere, and whatever goes wrong there, a full disk or a stuck journal, is nobody's problem but
//! the log's: it neither fails, delays nor ends a call.
//!
//! A line is a message and fields (`field`), and is written as text, as JSON or as an entry of the journal (`line`).

mod context;
mod field;
mod file;
mod line;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};

pub use context::Context;
pub(crate) use field::Event;
pub use field::{FIELDS, Field, Kind};
pub(crate) use file::check;

use field::{Fields, OWN_TARGET};
use line::{Line, message_of};

/// Where journald takes entries with fields.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Where any system takes lines, where there is no journald.
const SYSLOG: &str = "/dev/log";

static LOGGER: Logger = Logger(Mutex::new(None));

/// In which form lines are written to the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line that people read.
    #[default]
    Text,
    /// An object of JSON in each line.
    Json,
}

/// Where the log goes, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The least important level that is written.
    pub level: LevelFilter,
    /// The file.
    pub file: PathBuf,
    /// The form of its lines.
    pub format: Format,
}

/// Logs from now on what is at least as grave as the settings' level, to their file and to the journal. May be called again once
/// the configuration is known; the context stays.
pub fn start(settings: &Settings) {
    let mut outlets = LOGGER.lock();
    let context = outlets.take().map(|old| old.context).unwrap_or_default();
    *outlets = Some(Outlets { context, ..Outlets::new(settings, [JOURNAL, SYSLOG].map(PathBuf::from)) });
    drop(outlets);
    // It fails from the second time on, when this logger is already in place.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(settings.level);
}

/// Says in every line from now on what the process is doing.
pub fn context(context: Context) {
    if let Some(outlets) = LOGGER.lock().as_mut() {
        outlets.context = context;
    }
}

/// How long the process has been doing it.
pub(crate) fn elapsed() -> Duration {
    LOGGER.lock().as_ref().map(|outlets| outlets.began.elapsed()).unwrap_or_default()
}

/// Until it is dropped, lines are kept back, to be written to the file at once: those of a request for many pods.
#[derive(Debug)]
#[must_use]
pub(crate) struct Together;

/// Writes all lines at once that are logged while the result is kept.
pub(crate) fn together() -> Together {
    if let Some(outlets) = LOGGER.lock().as_mut() {
        outlets.kept_back.get_or_insert_default();
    }
    Together
}

impl Drop for Together {
    fn drop(&mut self) {
        if let Some(outlets) = LOGGER.lock().as_mut() {
            let lines = outlets.kept_back.take().unwrap_or_default();
            outlets.write_to_file(&lines);
        }
    }
}

struct Logger(Mutex<Option<Outlets>>);

impl Logger {
    /// A panic elsewhere is no reason not to log it.
    fn lock(&self) -> MutexGuard<'_, Option<Outlets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.lock().as_ref().is_some_and(|outlets| outlets.accept(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Formatted while the lock is not held: an argument's `Display` might log.
        let (message, fields) = (message_of(*record.args()), Fields::of(record));
        if let Some(outlets) = self.lock().as_mut() {
            outlets.write(record.level(), message, fields);
        }
    }

    fn flush(&self) {}
}

struct Outlets {
    level: LevelFilter,
    format: Format,
    file: LogFile,
    /// The socket of journald, and the one for any other receiver of syslog.
    sockets: [PathBuf; 2],
    context: Context,
    began: Instant,
    /// Lines that are to be written at once.
    kept_back: Option<String>,
}

/// Opened at the first line, so that a call that has nothing to say costs nothing.
enum LogFile {
    Unopened(PathBuf),
    Open(File),
    None,
}

impl Outlets {
    fn new(settings: &Settings, sockets: [PathBuf; 2]) -> Self {
        Self {
            level: settings.level,
            format: settings.format,
            file: LogFile::Unopened(settings.file.clone()),
            sockets,
            context: Context::default(),
            began: Instant::now(),
            kept_back: None,
        }
    }

    fn accept(&self, metadata: &Metadata<'_>) -> bool {
        let crate_name = metadata.target().split("::").next();
        metadata.level() <= self.level && crate_name == Some(OWN_TARGET)
    }

    fn write(&mut self, level: Level, message: String, fields: Fields) {
        let line = Line::new(level, &self.context, message, fields);
        let text = match self.format {
            Format::Text => line.to_text(),
            Format::Json => line.to_json(),
        };
        if level <= Level::Warn {
            self.send_to_journal(&line);
        }
        match &mut self.kept_back {
            Some(kept_back) => kept_back.push_str(&text),
            None => self.write_to_file(&text),
        }
    }

    /// One write for whole lines, to a file opened for appending: lines of processes that write at the same time do
    /// not mix. When the file is not to be written, the journal says why, once a process.
    fn write_to_file(&mut self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        if let LogFile::Unopened(path) = &self.file {
            self.file = match file::open(path) {
                Ok(file) => LogFile::Open(file),
                Err(why) => {
                    let message =
                        message_of(format_args!("logFile {} is not written: {why}", path.display()));
                    self.send_to_journal(&Line::new(Level::Warn, &self.context, message, Fields::default()));
                    LogFile::None
                }
            };
        }
        if let LogFile::Open(file) = &mut self.file {
            let _ = file.write_all(lines.as_bytes());
        }
    }

    /// One datagram, which is dropped when the receiver does not keep up: waiting for it could take for ever, with a lock held.
    fn send_to_journal(&self, line: &Line<'_>) {
        let [journal, syslog] = &self.sockets;
        let send = |path: &Path, datagram: &[u8]| -> io::Result<()> {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.send_to(datagram, path).map(drop)
        };
        let is_missing = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
        };
        if send(journal, &line.to_journal()).is_err_and(|error| is_missing(&error)) {
            let _ = send(syslog, line.to_syslog().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
