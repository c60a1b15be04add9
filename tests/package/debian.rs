//! A fresh Debian: files of its own, in namespaces of its own. No process, mount, link or file of it outlives the test, whether
//! that passes, panics or is killed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use harness::{NameSpace, eventually, needs};
use tempfile::TempDir;

/// The longest that any single command may take.
const COMMAND_LIMIT: &str = "300";

/// Outside: runs `$1` with the other arguments in cgroups of its own, until the test closes its stdin or dies.
const OUTSIDE: &str = r#"
cgroups=debian-$$
all=/sys/fs/cgroup
if [ ! -e $all/cgroup.procs ]; then
    # With the first version each controller has a tree of its own, some of them under two names.
    all=$(for tree in $all/*; do [ -L "$tree" ] || [ ! -e "$tree/cgroup.procs" ] || echo "$tree"; done)
fi
for tree in $all; do
    mkdir "$tree/$cgroups"
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$tree/$cgroups/$file" ] || cat "$tree/$file" >"$tree/$cgroups/$file" 2>/dev/null
    done
done
sh -c "$1" sh "$cgroups" "$all" "$2" "$3" </dev/null &
cat >/dev/null
{
    kill -KILL $!
    wait $!
} 2>/dev/null
for tree in $all; do
    # A cgroup can be removed once its last process has gone.
    tries=0
    while ! find "$tree/$cgroups" -depth -type d -exec rmdir {} + 2>/dev/null && [ $tries -lt 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
done
"#;

/// Enters the cgroups and namespaces.
const ENTER: &str = r#"
for tree in $2; do
    echo $$ >"$tree/$1/cgroup.procs"
done
exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child sh -c "$4" sh "$1" "$2" "$3"
"#;

/// The first process: it says which one it is outside, makes `$3` the root of all, and becomes `systemd`, or just reaps what is
/// orphaned.
const FIRST_PROCESS: &str = r#"
set -e
read -r pid _ </proc/self/stat
mount --bind "$3" "$3"
cd "$3"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
for tree in $2; do
    mkdir -p ".$tree"
    mount --bind "$tree/$1" ".$tree"
done
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    : >dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/test
pivot_root . mnt
cd /
umount -l /mnt
echo "$pid"
exec >/dev/null
INIT
"#;

/// What is run first on a Debian that boots, and what on one that is a container or a chroot.
const SYSTEMD: &str =
    "exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=journal";
const NO_INIT: &str = "while :; do sleep 3600; done";

/// What is not on this Debian's own disk.
const NOT_ON_DISK: &str = r"find / \( -path /proc -o -path /sys -o -path /dev \) -prune -o -print";

pub(crate) struct Debian {
    // Dropped in this order: the processes, then what they have used.
    outside: Child,
    pid: String,
    _network: Arc<NameSpace>,
    directory: TempDir,
}

impl Debian {
    /// Unpacks one. systemd is installed but does not run, as in a container.
    pub(crate) fn fresh() -> Self {
        Self::start(Arc::new(NameSpace::new()), NO_INIT, |_| ())
    }

    /// Unpacks one, prepares its root directory, and boots it in this network: systemd runs, and starts containerd.
    pub(crate) fn booted(network: &Arc<NameSpace>, prepare: impl FnOnce(&Path)) -> Self {
        let debian = Self::start(Arc::clone(network), SYSTEMD, prepare);
        eventually("systemd runs", || debian.attempt("systemctl is-system-running").0);
        debian
    }

    fn start(network: Arc<NameSpace>, init: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = TempDir::with_prefix("debian-").expect("temporary directory");
        let root = directory.path().join("root");
        fs::create_dir(&root).expect("root directory");
        let mut unpack = Command::new("tar");
        unpack.arg("-xf").arg(needs::debian()).arg("-C").arg(&root).args(["--exclude=./dev/*"]);
        succeed(&mut unpack);
        prepare(&root);

        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", network.path().display()));
        command.args(["sh", "-c", OUTSIDE, "sh", ENTER]).arg(&root).arg(FIRST_PROCESS.replace("INIT", init));
        let mut outside = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nsenter");
        let mut pid = String::new();
        let stdout = outside.stdout.take().expect("its stdout is a pipe");
        BufReader::new(stdout).read_line(&mut pid).expect("its stdout can be read");
        let debian = Self { outside, pid: pid.trim().to_owned(), _network: network, directory };
        assert!(!debian.pid.is_empty(), "the namespaces of a Debian can be made");
        debian
    }

    /// A file or directory of its disk, as seen from outside.
    pub(crate) fn on_disk(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path.trim_start_matches('/'))
    }

    /// The same of any of its file systems.
    pub(crate) fn seen(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    /// The arguments with which `nsenter` starts a program on it.
    pub(crate) fn enter(&self) -> [String; 5] {
        ["--mount", "--pid", "--cgroup", "--net", &format!("--target={}", self.pid)].map(str::to_owned)
    }

    /// A program that is run on it.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.enter()).arg(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        command.env("DEBIAN_FRONTEND", "noninteractive").env("HOME", "/root");
        command
    }

    /// What a shell that runs this line prints, stderr included, and whether it succeeded.
    pub(crate) fn attempt(&self, line: &str) -> (bool, String) {
        let mut command = self.command("timeout");
        command.args([COMMAND_LIMIT, "sh", "-c", &format!("exec 2>&1; {line}")]).stdin(Stdio::null());
        let output = command.output().expect("nsenter");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What a shell that runs this line prints, which has to succeed.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let (succeeded, printed) = self.attempt(line);
        assert!(succeeded, "{line}\n{printed}");
        printed
    }

    /// Puts a file there. `/run/test` is the test's.
    pub(crate) fn copy(&self, file: &Path, to: &str) {
        fs::copy(file, self.seen(to)).unwrap_or_else(|error| panic!("{} to {to}: {error}", file.display()));
    }

    /// Every file and directory that it has.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        self.run(NOT_ON_DISK).lines().map(str::to_owned).collect()
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        drop(self.outside.stdin.take());
        // With the first process gone, the kernel kills the others before the wait is over.
        let _ = self.outside.wait();
    }
}

/// Runs a command of this machine, which has to succeed, and returns what it printed.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stdout}{stderr}");
    stdout
}
