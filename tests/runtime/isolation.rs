//! A node's own view of the machine: private mounts and an own process tree, on the machine's network.
//!
//! All that a container runtime starts (shims, pods, orphaned plugins) and mounts lives in two Linux
//! namespaces that end with their first process, and that ends with the test: no process and no mount
//! outlives a test, whether it passes, panics or is killed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use serde_json::Value;

use crate::tools::{COMMAND_LIMIT, Failure, run};

/// The first process of the namespaces. It mounts SOURCE TARGET pairs (`tmpfs` being an empty directory),
/// says which process it is outside, and lives until the test closes its stdin or dies. It also reaps what is
/// orphaned.
const FIRST_PROCESS: &str = r#"
set -e
read -r pid _ </proc/self/stat
mount -t proc proc /proc
while [ $# -gt 0 ]; do
    case $1 in
        tmpfs) mount -t tmpfs tmpfs "$2" ;;
        *) mount --bind "$1" "$2" ;;
    esac
    shift 2
done
echo "$pid"
cat >/dev/null
exit 0
"#;

pub(crate) struct Isolation {
    unshare: Child,
    first_process: String,
}

impl Isolation {
    /// Starts the namespaces, in which each of these files and directories is replaced by another, or, with
    /// `None`, by an empty directory. Where the machine lacks such a directory, an empty one is made.
    pub(crate) fn start(replaced: &[(&str, Option<PathBuf>)]) -> io::Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", FIRST_PROCESS, "sh"]);
        for (target, source) in replaced {
            if !Path::new(target).exists() {
                fs::create_dir_all(target)?;
            }
            command.arg(source.as_deref().unwrap_or(Path::new("tmpfs"))).arg(target);
        }
        let mut unshare =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut first_process = String::new();
        if let Some(stdout) = unshare.stdout.take() {
            BufReader::new(stdout).read_line(&mut first_process)?;
        }
        let mut isolation = Self { unshare, first_process: first_process.trim().to_owned() };
        if isolation.first_process.is_empty() {
            return Err(io::Error::other(format!("no namespaces: {}", isolation.last_words())));
        }
        Ok(isolation)
    }

    /// A command that will run inside, within the limit of all commands.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command
            .args([COMMAND_LIMIT, "nsenter", "--mount", "--pid", "--target", &self.first_process])
            .arg(program);
        command
    }

    /// A command that will run inside for as long as it likes.
    pub(crate) fn daemon(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--target", &self.first_process]).arg(program);
        command
    }

    /// The addresses of global scope in a network namespace, as the kernel has them.
    pub(crate) fn netns_addresses(&self, netns: &str) -> Result<Vec<String>, Failure> {
        let mut command = self.command("nsenter");
        command.arg(format!("--net={netns}")).args(["ip", "-json", "address", "show", "scope", "global"]);
        let interfaces: Value = serde_json::from_str(&run(&mut command)?).unwrap_or_default();
        let addresses = |interface: &Value| interface["addr_info"].as_array().cloned().unwrap_or_default();
        Ok(interfaces
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(addresses)
            .filter_map(|address| address["local"].as_str().map(str::to_owned))
            .collect())
    }

    /// Ends all that runs inside. With the first process gone, the kernel kills the others before the wait is
    /// over.
    pub(crate) fn end(&mut self) {
        drop(self.unshare.stdin.take());
        // It has nothing to say, and waiting twice is harmless.
        let _ = self.unshare.wait();
    }

    fn last_words(&mut self) -> String {
        let mut text = String::new();
        drop(self.unshare.stdin.take());
        if let Some(stderr) = &mut self.unshare.stderr {
            // Whatever could be read is better than nothing.
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Isolation {
    fn drop(&mut self) {
        self.end();
    }
}
