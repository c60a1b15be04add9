//! A network namespace with links of its own: what a test sets up there touches nothing of this machine.
//!
//! ```no_run
//! use harness::NameSpace;
//!
//! let [one, other] = [NameSpace::new(), NameSpace::new()];
//! one.ip(&format!("link add eth0 type veth peer name eth0 netns {}", other.pid()));
//! one.ip("link set eth0 up\naddr add 192.0.2.1/24 dev eth0");
//! let listener = one.run(|| std::net::TcpListener::bind("192.0.2.1:0"));
//! ```

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Shows the links of the new namespace in `/sys`, says that it is done, and lives as long as the test's end of its stdin.
const BEGIN: &str = "mount -t sysfs none /sys && ip link set lo up && echo ready && exec cat";

/// A network namespace, and a mount namespace whose `/sys` shows its links. It lasts until it is dropped, or the test's
/// process ends. Needs [`Need::NetworkNamespaces`](crate::Need::NetworkNamespaces) and root.
#[derive(Debug)]
pub struct NameSpace {
    child: Child,
    network: File,
}

/// Something that lives in a namespace, as a server does: it is dropped there.
#[derive(Debug)]
pub struct Within<T: Send> {
    value: Option<T>,
    name_space: Arc<NameSpace>,
}

impl NameSpace {
    /// A namespace in which the loopback interface is up.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without it is no test")]
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", BEGIN]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("unshare can be run");
        let mut ready = String::new();
        let stdout = child.stdout.take().expect("its stdout is a pipe");
        BufReader::new(stdout).read_line(&mut ready).expect("its stdout can be read");
        assert_eq!(ready, "ready\n", "a network namespace can be made");
        let network = File::open(format!("/proc/{}/ns/net", child.id())).expect("the namespace is there");
        Self { child, network }
    }

    /// The process that keeps it, as `ip link set eth0 netns PID` names a namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The path of the network namespace, as in `CNI_NETNS`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.pid()).into()
    }

    /// Does the work in a thread that has joined the network namespace. Threads and processes that it starts are there, too; their
    /// `/sys` is this machine's.
    ///
    /// # Panics
    /// When the work does.
    #[track_caller]
    #[expect(clippy::expect_used, reason = "a test without it is no test")]
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let joined = || {
            move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("the namespace can be joined");
            work()
        };
        let done = thread::scope(|scope| scope.spawn(joined).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// What the work makes, to be dropped where it was made.
    #[track_caller]
    pub fn within<T: Send>(self: &Arc<Self>, work: impl FnOnce() -> T + Send) -> Within<T> {
        Within { value: Some(self.run(work)), name_space: Arc::clone(self) }
    }

    /// The arguments with which `nsenter` starts a program in both namespaces, for
    /// [`Calling::under`](crate::Calling::under).
    #[must_use]
    pub fn enter(&self) -> [String; 2] {
        let pid = self.pid();
        [format!("--net=/proc/{pid}/ns/net"), format!("--mount=/proc/{pid}/ns/mnt")]
    }

    /// A program that is run in both namespaces.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.enter()).arg(program);
        command
    }

    /// What a program prints that is run here with this stdin.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    #[track_caller]
    pub fn output(&self, program: &str, arguments: &[&str], stdin: &str) -> String {
        let (success, stdout, stderr) = self.attempt(program, arguments, stdin);
        assert!(success, "{program} {}: {stderr}{stdout}\n{stdin}", arguments.join(" "));
        stdout
    }

    /// Whether a program that is run here with this stdin succeeds, and what it prints.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without it is no test")]
    pub fn attempt(&self, program: &str, arguments: &[&str], stdin: &str) -> (bool, String, String) {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter can be run");
        // A program that reads no stdin may have ended: what it prints tells whether it is content.
        let _ = child.stdin.take().expect("its stdin is a pipe").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// Runs `ip` with each of these lines.
    ///
    /// # Panics
    /// When one of them fails.
    #[track_caller]
    pub fn ip(&self, lines: &str) {
        let _ = self.output("ip", &["-batch", "-"], lines);
    }

    /// Runs `ip -6` with each of these lines.
    ///
    /// # Panics
    /// When one of them fails.
    #[track_caller]
    pub fn ip6(&self, lines: &str) {
        let _ = self.output("ip", &["-6", "-batch", "-"], lines);
    }

    /// What `ip` prints with these arguments, which have spaces between them.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn show(&self, arguments: &str) -> String {
        self.output("ip", &arguments.split_whitespace().collect::<Vec<_>>(), "")
    }

    /// Runs `nft` with this script.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn nft(&self, script: &str) {
        let _ = self.output("nft", &["-f", "-"], script);
    }

    /// Sets one of the kernel's parameters, such as `net/ipv4/ip_forward`.
    ///
    /// # Panics
    /// When it cannot be set.
    #[track_caller]
    pub fn set_parameter(&self, name: &str, value: &str) {
        let written = self.run(|| fs::write(format!("/proc/sys/{name}"), value));
        assert!(written.is_ok(), "{name}={value}: {written:?}");
    }

    /// One of the kernel's parameters.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    #[track_caller]
    #[expect(clippy::expect_used, reason = "a test without it is no test")]
    pub fn parameter(&self, name: &str) -> String {
        let read = self.run(|| fs::read_to_string(format!("/proc/sys/{name}")));
        read.expect("the parameter can be read").trim().to_owned()
    }
}

impl Default for NameSpace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for NameSpace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<T: Send> Deref for Within<T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "it is taken by `drop` alone")]
    fn deref(&self) -> &T {
        self.value.as_ref().expect("it has not been dropped")
    }
}

impl<T: Send> DerefMut for Within<T> {
    #[expect(clippy::expect_used, reason = "it is taken by `drop` alone")]
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("it has not been dropped")
    }
}

impl<T: Send> Drop for Within<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        self.name_space.run(|| drop(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Need;

    #[test]
    fn threads_programs_and_sys_are_those_of_the_namespace() {
        if [Need::Root, Need::NetworkNamespaces].iter().any(|need| need.missing().is_some()) {
            return;
        }
        let [one, other] = [NameSpace::new(), NameSpace::new()];
        one.ip(&format!("link add eth7 type veth peer name eth8 netns {}", other.pid()));
        assert_eq!(other.output("ls", &["/sys/class/net"], ""), "eth8\nlo\n");
        one.ip("addr add 192.0.2.1/24 dev eth7\nlink set eth7 up");
        other.ip("addr add 192.0.2.2/24 dev eth8\nlink set eth8 up");
        let one = Arc::new(one);
        let listener = one.within(|| std::net::TcpListener::bind("192.0.2.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        assert!(other.run(|| std::net::TcpStream::connect(address)).is_ok());
        one.set_parameter("net/ipv4/conf/eth7/arp_ignore", "1");
        assert_eq!(one.parameter("net/ipv4/conf/eth7/arp_ignore"), "1");
        assert!(!other.attempt("ip", &["link", "show", "eth7"], "").0);
    }
}
