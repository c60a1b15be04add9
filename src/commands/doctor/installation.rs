//! The binary: the one that runs, and the one that the container runtime calls.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::base::text::{clean, reason};
use crate::base::user::own_user;
use crate::commands::doctor::report::Report;
use crate::config::{TYPE, plugins_of};

const NAME: &str = "binary";

/// What `--version` prints.
const VERSION: &str = concat!("aliyun-eni-ipam ", env!("CARGO_PKG_VERSION"));

/// Where runtimes look for plugins if nobody tells them otherwise.
const USUAL: &str = "/opt/cni/bin";

/// How long the installed file may take to say which version it is, and how much it may say.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST: u64 = 256;

/// Checks the binary that runs and the one that is installed: in `directory`, or where runtimes look.
pub(super) fn binary(directory: Option<&Path>, report: &mut Report) {
    let running = env::current_exe();
    match &running {
        Ok(path) => report.ok(NAME, format!("{VERSION}, {}", path.display())),
        Err(error) => report.warn(NAME, format!("{VERSION}; cannot tell its own path: {}", reason(error))),
    }
    match installed(directory) {
        Ok(path) if running.is_ok_and(|running| is_same(&running, &path)) => {}
        Ok(path) => match ask_version(&path) {
            Ok(()) => report.ok(NAME, format!("{} is installed and of the same version", path.display())),
            Err(why) => report.fail(NAME, format!("{} {why}", path.display())),
        },
        Err(why) => report.fail(NAME, why),
    }
}

/// Checks that the other plugins of a configuration's file are where this one is.
pub(super) fn other_plugins(file: &Path, directory: &Path, report: &mut Report) {
    let text = fs::read_to_string(file).unwrap_or_default();
    // Another line says so of one that is no JSON.
    let config: Value = serde_json::from_str(&text).unwrap_or_default();
    let types = plugins_of(&config).iter().flat_map(|plugin| [&plugin["type"], &plugin["ipam"]["type"]]);
    let others: BTreeSet<&str> = types.filter_map(Value::as_str).filter(|it| *it != TYPE).collect();
    let (mut missing, mut unseen) = (Vec::new(), Vec::new());
    for name in others {
        let path = directory.join(name);
        match fs::metadata(&path) {
            Ok(plugin) if plugin.is_file() && plugin.permissions().mode() & 0o111 != 0 => {}
            // A container does not see all files of the node.
            Err(_) if fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink()) => unseen.push(name),
            _ => missing.push(name),
        }
    }
    if !unseen.is_empty() {
        report.not_tested(
            "plugins",
            format!(
                "{} in {} leads to what is not seen from here",
                unseen.join(" and "),
                directory.display()
            ),
        );
    }
    if !missing.is_empty() {
        report.fail(
            "plugins",
            format!(
                "{} uses {}, and {} has no such program: install the standard CNI plugins there, or name another directory with \
                 --plugin-dir",
                file.display(),
                missing.join(" and "),
                directory.display()
            ),
        );
    }
}

/// The directories in which runtimes look for plugins, as far as this process knows.
pub(in crate::commands) fn plugin_directories() -> OsString {
    env::var_os("CNI_PATH").filter(|it| !it.is_empty()).unwrap_or_else(|| OsString::from(USUAL))
}

/// The file that a runtime would call, whose name is the type in a configuration: the first plain one in these directories.
fn installed(directory: Option<&Path>) -> Result<PathBuf, String> {
    let directories = directory.map_or_else(plugin_directories, |it| it.as_os_str().to_owned());
    let mut files = env::split_paths(&directories).map(|directory| directory.join(TYPE));
    files.find(|file| fs::metadata(file).is_ok_and(|metadata| metadata.is_file())).ok_or_else(|| {
        format!(
            "there is no {TYPE} in {}, where runtimes look for plugins: install it there, or name the directories that your \
             runtime looks in with the variable CNI_PATH",
            directories.to_string_lossy()
        )
    })
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => {
            (one.dev(), one.ino()) == (other.dev(), other.ino()) && other.permissions().mode() & 0o111 != 0
        }
        _ => false,
    }
}

/// Asks the file which version it is. It may be any file, so it is run only if nobody but root and this user could have made
/// it, with an empty environment, and for a bounded time. The error goes on after its name.
fn ask_version(file: &Path) -> Result<(), String> {
    let metadata = fs::metadata(file).map_err(|error| format!("cannot be read: {}", reason(&error)))?;
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(format!("is not executable: run `chmod 755 {}`", file.display()));
    }
    if metadata.mode() & 0o022 != 0 || (metadata.uid() != 0 && own_user().ok() != Some(metadata.uid())) {
        return Err(format!(
            "could be changed by others (user {}, mode {:o}), who would run as the runtime's user: make root its owner and \
             set its mode to 755",
            metadata.uid(),
            metadata.mode() & 0o7777
        ));
    }
    let said = run(file)
        .map_err(|why| format!("does not say which version it is ({why}): install {VERSION} there"))?;
    match said.trim_end() {
        VERSION => Ok(()),
        other => Err(format!(
            "is of another version: it says {:?}, and this is {VERSION}. Install one of the two in both places",
            clean(other, 80)
        )),
    }
}

/// The beginning of what the file prints to stdout.
fn run(file: &Path) -> Result<String, String> {
    let why = |error: io::Error| reason(&error);
    let mut child = Command::new(file)
        .arg("--version")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(why)?;
    let said = listen(&mut child);
    // Whatever it does besides, nobody waits for it.
    let _ = child.kill();
    let _ = child.wait();
    said
}

/// Its children may keep the pipe open, so a thread of its own reads, and nobody waits for that longer than [`PATIENCE`].
fn listen(child: &mut Child) -> Result<String, String> {
    let Some(stdout) = child.stdout.take() else { return Err("it has no stdout".to_owned()) };
    let stdout = File::from(std::os::fd::OwnedFd::from(stdout));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        let read = stdout.take(MOST).read_to_end(&mut said);
        // Nobody listens any more when it took too long.
        let _ = sender.send(read.map(|_| said));
    });
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(said)) => Ok(String::from_utf8_lossy(&said).into_owned()),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
