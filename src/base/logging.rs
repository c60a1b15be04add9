//! The log: a file of the plugin's own, and for warnings and errors the system's journal as well.
//!
//! A plugin's stderr is thrown away by the calling plugin as soon as the call fails, which is when it would be needed.
//! So the log goes elsewhere, and whatever goes wrong there, a full disk or a stuck journal, is nobody's problem but
//! the log's: it neither fails, delays nor ends a call.

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::base::printable::Line;
use crate::base::random;
use crate::base::user::own_user;

/// Where the system takes log messages, be it journald, rsyslog or another.
const JOURNAL: &str = "/dev/log";

/// The name that messages carry in the journal.
const IDENTIFIER: &str = "aliyun-eni-ipam";

/// Records of this program start with it. Those of libraries are left out: an HTTP client's would hold signed URLs.
const OWN_TARGET: &str = env!("CARGO_CRATE_NAME");

/// The longest message in bytes, which every syslog daemon still takes; the rest is cut off.
const LONGEST_MESSAGE: usize = 8000;

/// The longest context in bytes: a container ID may have any length.
const LONGEST_CONTEXT: usize = 300;

/// A log file that turns out to be a pipe without a reader must not hold the call up, and one that is a symbolic link is
/// not ours.
const OPEN_FLAGS: i32 = libc::O_NONBLOCK | libc::O_NOFOLLOW;

static LOGGER: Logger = Logger(Mutex::new(None));

/// Logs from now on what is at least as grave as `level`, to `file` where one is given and to the journal. May be
/// called again once the configuration is known; the context stays.
pub fn start(level: LevelFilter, file: Option<&Path>) {
    let mut outlets = LOGGER.lock();
    let context = outlets.take().map(|old| old.context).unwrap_or_default();
    *outlets = Some(Outlets { context, ..Outlets::new(level, file, Path::new(JOURNAL)) });
    drop(outlets);
    // It fails from the second time on, when this logger is already in place.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}

/// Begins every line from now on with what the process is doing, such as `DEL 4f1c/eth0`.
pub fn context(context: impl fmt::Display) {
    let context = line_of(LONGEST_CONTEXT, format_args!("{context}"));
    if let Some(outlets) = LOGGER.lock().as_mut() {
        outlets.context = context;
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
        let message = line_of(LONGEST_MESSAGE, *record.args());
        if let Some(outlets) = self.lock().as_mut() {
            outlets.write(record.level(), &message);
        }
    }

    fn flush(&self) {}
}

struct Outlets {
    level: LevelFilter,
    file: LogFile,
    journal: PathBuf,
    context: String,
}

/// Opened at the first line, so that a call that has nothing to say costs nothing.
enum LogFile {
    Unopened(PathBuf),
    Open(File),
    None,
}

impl Outlets {
    fn new(level: LevelFilter, file: Option<&Path>, journal: &Path) -> Self {
        let file = file.map_or(LogFile::None, |path| LogFile::Unopened(path.to_owned()));
        Self { level, file, journal: journal.to_owned(), context: String::new() }
    }

    fn accept(&self, metadata: &Metadata<'_>) -> bool {
        let crate_name = metadata.target().split("::").next();
        metadata.level() <= self.level && crate_name == Some(OWN_TARGET)
    }

    fn write(&mut self, level: Level, message: &str) {
        let separator = if self.context.is_empty() { "" } else { ": " };
        let message = format!("{}{separator}{message}", self.context);
        self.write_to_file(level, &message);
        if level <= Level::Warn {
            self.send_to_journal(level, &message);
        }
    }

    /// One write for the whole line, to a file opened for appending: lines of processes that write at the same time do
    /// not mix. When the file is not to be written, the journal says why, once a process.
    fn write_to_file(&mut self, level: Level, message: &str) {
        if let LogFile::Unopened(path) = &self.file {
            self.file = match open(path) {
                Ok(file) => LogFile::Open(file),
                Err(why) => {
                    let path = path.display();
                    let text = line_of(LONGEST_MESSAGE, format_args!("logFile {path} is not written: {why}"));
                    self.send_to_journal(Level::Warn, &text);
                    LogFile::None
                }
            };
        }
        if let LogFile::Open(file) = &mut self.file {
            let line = format!("{} {level:<5} {} {message}\n", Now, process::id());
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// A datagram as of RFC 3164, without the time and the host, which the receiver knows better. It is dropped when
    /// the receiver does not keep up: waiting for it could take for ever, with a lock held.
    fn send_to_journal(&self, level: Level, message: &str) {
        const DAEMON: u8 = 3 << 3;
        let severity = if level == Level::Error { 3 } else { 4 };
        let datagram = format!("<{}>{IDENTIFIER}[{}]: {message}", DAEMON | severity, process::id());
        let _ = UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(datagram.as_bytes(), &self.journal)
        });
    }
}

/// Opens the log, or says why it is not to be written: others must neither choose the file that lines are appended to, nor
/// read them in one of their own.
fn open(path: &Path) -> Result<File, String> {
    let linked = || fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(OPEN_FLAGS);
    let file = options.open(path).map_err(|error| match error.kind() {
        _ if linked() => "it is a symbolic link; name the file itself".to_owned(),
        io::ErrorKind::NotFound => "its directory does not exist".to_owned(),
        _ => error.to_string(),
    })?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    // A device, such as /dev/null, is where somebody wants the lines to go who may make devices.
    if !metadata.is_file() && !metadata.file_type().is_char_device() {
        return Err("it is not a plain file".to_owned());
    }
    let own = own_user().map_err(|error| error.to_string())?;
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(format!("it belongs to user {}, and this process runs as user {own}", metadata.uid()));
    }
    Ok(file)
}

/// Whether lines could be appended to the file at `path`. It is not made where it is missing, and nothing is written to it.
///
/// # Errors
/// Why not.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    if fs::symlink_metadata(path).is_ok() {
        return open(path).map(drop);
    }
    // A file of another name: a line that somebody appended to this one meanwhile would go with it.
    let unique = random::hex128().map_err(|error| error.to_string())?;
    let draft = path.with_file_name(format!(".{unique}"));
    let written = open(&draft).and_then(|mut file| file.write_all(b"\n").map_err(|error| error.to_string()));
    let _ = fs::remove_file(&draft);
    written
}

/// A text on a single line: what could forge, hide or reorder lines is escaped.
fn line_of(most: usize, text: fmt::Arguments<'_>) -> String {
    let mut line = Line::up_to(most);
    // It fails only when an argument's own formatting does; what there is up to then is logged.
    let _ = line.write_fmt(text);
    line.0
}

/// The present time as of RFC 3339. A clock that is set before 1970 shows 1970.
struct Now;

impl fmt::Display for Now {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = SystemTime::now().max(UNIX_EPOCH);
        humantime::format_rfc3339_millis(now).fmt(formatter)
    }
}

#[cfg(test)]
mod tests;
