//! How commands are run, and how conditions are awaited.

use std::fmt::{self, Debug, Display, Formatter};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use harness::needs::STANDARD_PLUGINS;

/// The longest that any single command of these tests may take.
pub(crate) const COMMAND_LIMIT: &str = "120";

/// After this time something is taken to hang.
pub(crate) use harness::HANGS as PATIENCE;

/// A client's deadline that a call which is held back is sure to miss, and that one which is not usually meets.
pub(crate) const IMPATIENT: Duration = Duration::from_secs(2);

pub(crate) fn cri_client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtime/cri.py")
}

/// Fills a directory of CNI plugins: the standard ones and, under the names given, those of the test.
pub(crate) fn link_plugins(directory: &Path, plugins: &[(&str, &Path)]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(STANDARD_PLUGINS)? {
        let entry = entry?;
        symlink(entry.path(), directory.join(entry.file_name()))?;
    }
    for (name, plugin) in plugins {
        let link = directory.join(name);
        // A test may replace a standard plugin.
        if link.exists() {
            fs::remove_file(&link)?;
        }
        symlink(fs::canonicalize(plugin)?, link)?;
    }
    Ok(())
}

/// A command that did not succeed: what was run and all that it said.
pub(crate) struct Failure {
    command: String,
    status: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Failure {
    fn new(command: String, status: &impl Display, stdout: &[u8], stderr: &[u8]) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { command, status: status.to_string(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Whether this is a CRI call's missed deadline. The runtime has the client's deadline too, and tells of
    /// what it killed when it is the first of the two to notice.
    pub(crate) fn is_deadline(&self) -> bool {
        ["DEADLINE_EXCEEDED", "context deadline exceeded", "signal: killed"]
            .iter()
            .any(|sign| self.stderr.contains(sign))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})\n{}{}", self.command, self.status, self.stdout, self.stderr)
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Runs a command to its end and returns what it printed to stdout.
pub(crate) fn run(command: &mut Command) -> Result<String, Failure> {
    start(command)?.wait()
}

/// Starts a command.
pub(crate) fn start(command: &mut Command) -> Result<Running, Failure> {
    let described = format!("{command:?}");
    match command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => Ok(Running { command: described, child }),
        Err(error) => Err(Failure::new(described, &error, b"", b"")),
    }
}

/// A command that runs.
pub(crate) struct Running {
    command: String,
    child: Child,
}

impl Running {
    /// Waits for its end and returns what it printed to stdout.
    pub(crate) fn wait(self) -> Result<String, Failure> {
        match self.child.wait_with_output() {
            Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Ok(output) => Err(Failure::new(self.command, &output.status, &output.stdout, &output.stderr)),
            Err(error) => Err(Failure::new(self.command, &error, b"", b"")),
        }
    }

    /// Ends it as `timeout` does, under which commands on a node run: with all that it has started.
    pub(crate) fn end(self) {
        // Where it has ended already, there is nothing to be ended; and it was not to succeed.
        let _ = run(Command::new("kill").arg(self.child.id().to_string()));
        let _ = self.wait();
    }
}

/// Waits until the condition holds; false when it does not within the limit.
pub(crate) fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
