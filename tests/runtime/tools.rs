//! Where `setup` put what these tests need, how commands are run, and how conditions are awaited.

use std::fmt::{self, Debug, Display, Formatter};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

/// Where Debian installs the standard CNI plugins.
const STANDARD_PLUGINS: &str = "/usr/lib/cni";

/// The longest that any single command of these tests may take.
pub(crate) const COMMAND_LIMIT: &str = "120";

/// How long something may take that usually takes less than a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client's deadline that a call which is held back is sure to miss, and that one which is not usually meets.
pub(crate) const IMPATIENT: Duration = Duration::from_secs(2);

/// What keeps the runtime tests from running here, in one line; `None` when they can run.
pub(crate) fn missing() -> Option<String> {
    if !fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return Some("the runtime tests need root".to_owned());
    }
    let files = [python(), libcni(), pause_image(), Path::new(STANDARD_PLUGINS).join("ptp")];
    let programs = ["containerd", "ctr", "runc", "ip", "iptables", "unshare", "nsenter"].map(find_program);
    let absent: Vec<String> = files
        .into_iter()
        .chain(programs)
        .filter(|path| !path.exists())
        .map(|path| path.display().to_string())
        .collect();
    (!absent.is_empty())
        .then(|| format!("the runtime tests need {}; tests/runtime/setup installs it", absent.join(", ")))
}

/// Whether the runtime tests can run here. Where not, says why, past the test runner's capture of what
/// passing tests print; with `RUNTIME_TESTS=required` it panics instead.
pub(crate) fn can_run() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| match missing() {
        None => true,
        Some(what) if env::var_os("RUNTIME_TESTS").is_some_and(|value| value == "required") => {
            panic!("{what}")
        }
        Some(what) => {
            say_skipped(&what);
            false
        }
    })
}

/// Whether the kernel can make network interfaces of this kind, on top of others. Where not, says so.
pub(crate) fn can_make(kind: &str) -> bool {
    let script = format!("ip link add eth0 type veth && ip link add link eth0 name eth1 type {kind}");
    let possible = run(Command::new("unshare").args(["--net", "sh", "-c", &script])).is_ok();
    if !possible {
        say_skipped(&format!("this kernel has no {kind}"));
    }
    possible
}

fn say_skipped(why: &str) {
    // Nothing depends on whether anybody reads it.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// The program's path, or its bare name where PATH does not have it.
fn find_program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Python of the virtual environment that `setup` made; `RUNTIME_VENV` names one elsewhere.
pub(crate) fn python() -> PathBuf {
    let default = || repository().join("target/runtime-venv");
    env::var_os("RUNTIME_VENV").map_or_else(default, PathBuf::from).join("bin/python3")
}

pub(crate) fn cri_client() -> PathBuf {
    repository().join("tests/runtime/cri.py")
}

pub(crate) fn libcni() -> PathBuf {
    repository().join("target/runtime/libcni")
}

pub(crate) fn pause_image() -> PathBuf {
    repository().join("target/runtime/pause.tar")
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
