//! Calling the plugin as a container runtime does.

use std::fmt;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ecs_simulator::World;
use serde_json::Value;

use crate::{Answer, Conversation, Node, Ready};

/// A call that is being prepared.
#[derive(Debug)]
#[must_use = "a call is made by `run` or `start`"]
pub struct Calling<'a> {
    node: &'a Node,
    command: Command,
    stdin: Input,
    what: String,
}

/// Where stdin comes from.
enum Input {
    Bytes(Vec<u8>),
    Stream(Box<dyn Read + Send>),
    Handle(Stdio),
}

/// A call that is under way.
#[derive(Debug)]
pub struct Running<'a> {
    node: &'a Node,
    child: Child,
    what: String,
}

impl<'a> Calling<'a> {
    pub(crate) fn new(node: &'a Node, verb: &str, container: &str) -> Self {
        let mut command = Command::new(node.plugin());
        command.env_clear();
        let stdin = Input::Bytes(node.config().to_string().into_bytes());
        let mut call = Self { node, command, stdin, what: format!("{verb} {container}") };
        for (name, value) in [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", container),
            ("CNI_IFNAME", "eth0"),
            ("CNI_NETNS", "/var/run/netns/test"),
            ("CNI_PATH", "/opt/cni/bin"),
        ] {
            call = call.env(name, value);
        }
        call.in_surroundings()
    }

    pub(crate) fn with_arguments(node: &'a Node, arguments: &[&str]) -> Self {
        let mut command = Command::new(node.plugin());
        command.env_clear().args(arguments);
        let what = format!("aliyun-eni-ipam {}", arguments.join(" "));
        let call = Self { node, command, stdin: Input::Bytes(Vec::new()), what }.in_surroundings();
        // `doctor` looks there for the plugin that the runtime calls: no test sees what this machine has installed.
        match node.plugin().parent() {
            Some(directory) => call.env("CNI_PATH", directory),
            None => call,
        }
    }

    /// What a call finds whoever makes it: an access key, and a cache of libcni that is not this machine's.
    fn in_surroundings(self) -> Self {
        let cache = self.node.cni_cache();
        self.env("CNI_CACHE_DIR", cache)
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", World::ACCESS_KEY_ID)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", World::ACCESS_KEY_SECRET)
    }

    pub(crate) fn node(&self) -> &Node {
        self.node
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable of the environment.
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Changes the network configuration for this call.
    ///
    /// # Panics
    /// When stdin has been replaced by what is no JSON.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn config(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let Input::Bytes(bytes) = &self.stdin else { panic!("stdin is no configuration: {:?}", self.stdin) };
        let mut config = serde_json::from_slice(bytes).expect("stdin is a configuration");
        change(&mut config);
        self.stdin = Input::Bytes(config.to_string().into_bytes());
        self
    }

    /// Replaces stdin.
    pub fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = Input::Bytes(stdin.into());
        self
    }

    /// Replaces stdin by what a reader yields, which may be more than fits into memory.
    pub fn stdin_stream(mut self, stream: impl Read + Send + 'static) -> Self {
        self.stdin = Input::Stream(Box::new(stream));
        self
    }

    /// Replaces stdin by an open file or pipe, which the test may share.
    pub fn stdin_handle(mut self, handle: impl Into<Stdio>) -> Self {
        self.stdin = Input::Handle(handle.into());
        self
    }

    /// Makes the call in this working directory.
    pub fn in_directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs the plugin under another program, such as a tracer, and that one under what this is called with next.
    pub fn under(mut self, program: &str, arguments: &[String]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.command.get_program()).args(self.command.get_args()).env_clear();
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        self.command = command;
        self
    }

    /// The command without a stdin, for whoever starts it with no more than it takes.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Makes the call and waits for its end.
    #[must_use]
    pub fn run(self) -> Answer {
        self.start().wait()
    }

    /// Makes the call, and takes it for a failure of the plugin that it has not ended after this time.
    ///
    /// # Panics
    /// When it has not.
    #[must_use]
    pub fn run_within(self, limit: Duration) -> Answer {
        self.start().wait_within(limit)
    }

    /// Makes the call with nobody there to read its answer.
    ///
    /// # Panics
    /// When the plugin cannot be started.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn run_unread(self) -> Answer {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        ours.shutdown(Shutdown::Both).expect("it can be shut down");
        drop(ours);
        self.run_into(OwnedFd::from(theirs))
    }

    /// Makes the call with another stdout.
    #[must_use]
    pub fn run_into(mut self, stdout: impl Into<Stdio>) -> Answer {
        self.command.stdout(stdout);
        self.launch(Stdio::piped()).wait()
    }

    /// Makes the call and does not wait for its end.
    #[must_use]
    pub fn start(mut self) -> Running<'a> {
        self.command.stdout(Stdio::piped());
        self.launch(Stdio::piped())
    }

    /// Makes the call with this stdout and stderr, and does not wait for its end.
    #[must_use]
    pub fn start_into(mut self, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Running<'a> {
        self.command.stdout(stdout);
        self.launch(stderr.into())
    }

    /// Runs a command until it asks something, and lets it wait for the answer.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn ask(mut self) -> Conversation<'a> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.command.spawn().expect("the plugin starts");
        Conversation::begin(self.node, child, self.what)
    }

    /// Starts the plugin and keeps its stdin back, so that it waits for it.
    ///
    /// # Panics
    /// When the plugin cannot be started, or its stdin is a stream or a handle.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn ready(mut self) -> Ready<'a> {
        let Input::Bytes(stdin) = self.stdin else { panic!("stdin is not at hand: {:?}", self.stdin) };
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the plugin starts");
        let pipe = child.stdin.take().expect("its stdin is a pipe");
        let running = Running { node: self.node, child, what: self.what };
        Ready::new(running, pipe, stdin, self.node.plugin())
    }

    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    fn launch(mut self, stderr: Stdio) -> Running<'a> {
        let (handle, mut source): (_, Box<dyn Read + Send>) = match self.stdin {
            Input::Bytes(bytes) => (Stdio::piped(), Box::new(io::Cursor::new(bytes))),
            Input::Stream(stream) => (Stdio::piped(), stream),
            Input::Handle(handle) => (handle, Box::new(io::empty())),
        };
        self.command.stdin(handle).stderr(stderr);
        let mut child = self.command.spawn().expect("the plugin starts");
        // The command keeps its own copy of a handle until it is dropped.
        drop(self.command);
        if let Some(mut pipe) = child.stdin.take() {
            // In a thread, because the plugin need not read it all before it answers.
            thread::spawn(move || drop(io::copy(&mut source, &mut pipe)));
        }
        Running { node: self.node, child, what: self.what }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Stream(_) => f.write_str("a stream"),
            Self::Handle(_) => f.write_str("a handle"),
        }
    }
}

impl Running<'_> {
    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the plugin, as nothing but a kernel or an operator does.
    ///
    /// # Panics
    /// When it cannot be killed.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// The plugin's stdout, to be read while it runs.
    ///
    /// # Panics
    /// When it was taken before.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn take_stdout(&mut self) -> impl Read + use<> {
        self.child.stdout.take().expect("its stdout is there")
    }

    /// Whether the plugin still runs.
    ///
    /// # Panics
    /// When the system does not tell.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the system tells").is_none()
    }

    /// Goes away as a runtime does that has given up: nobody reads what the plugin will print, and nobody waits.
    ///
    /// # Panics
    /// When the plugin cannot be waited for.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn give_up(mut self) -> thread::JoinHandle<std::process::ExitStatus> {
        drop(self.child.stdout.take());
        drop(self.child.stderr.take());
        thread::spawn(move || self.child.wait().expect("it ends"))
    }

    /// Waits for the end of the call.
    ///
    /// # Panics
    /// When the plugin cannot be waited for.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn wait(self) -> Answer {
        let output = self.child.wait_with_output().expect("the plugin ends");
        Answer::new(self.what, output, self.node.scene())
    }

    /// Waits for the end of the call, but no longer than `limit`: then the plugin is killed.
    ///
    /// # Panics
    /// When it had to be killed.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn wait_within(mut self, limit: Duration) -> Answer {
        let end = Instant::now() + limit;
        let mut written = [Vec::new(), Vec::new()];
        let pipes = [collect(self.child.stdout.take()), collect(self.child.stderr.take())];
        for (written, pipe) in written.iter_mut().zip(pipes) {
            // Both end with the process.
            let Ok(bytes) = pipe.recv_timeout(end.saturating_duration_since(Instant::now())) else {
                let _ = self.child.kill();
                panic!("{} had not ended after {limit:?}\n{}", self.what, self.node.scene());
            };
            *written = bytes;
        }
        let [stdout, stderr] = written;
        let status = self.child.wait().expect("the plugin ends");
        Answer::new(self.what, Output { status, stdout, stderr }, self.node.scene())
    }
}

/// Reads a pipe to its end in a thread of its own.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        // Nobody listens any more when the call took too long.
        read.map(|_| sender.send(bytes))
    });
    receiver
}
