//! `strace`: the system calls of a run, and a run in which one of them kills the process or fails.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use harness::Calling;

/// The calls that change files or use the network.
const RECORDED: [&str; 26] = [
    "open",
    "openat",
    "creat",
    "close",
    "mkdir",
    "mkdirat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "truncate",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "sendto",
    "recvfrom",
    "flock",
];

/// The calls that others can notice. A lock goes with the last handle of its file.
const NOTICEABLE: [&str; 17] = [
    "close",
    "connect",
    "fdatasync",
    "flock",
    "fsync",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "recvfrom",
    "rename",
    "renameat",
    "rmdir",
    "sendto",
    "unlink",
    "unlinkat",
    "write",
];

/// In strace's words, that a process stops when it has made a call.
const STOP: &str = "signal=SIGSTOP";

/// One system call of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemCall {
    pub(crate) name: String,
    /// Among those of its name, from 1.
    pub(crate) nth: usize,
    /// As strace shows it.
    pub(crate) text: String,
}

/// How a run is traced.
#[derive(Clone, Debug)]
pub(crate) enum Tracing {
    /// All calls are written down.
    Watch,
    /// What concerns files and the network is written down in full. With the name of a call, and its number among those of
    /// that name, the process is killed when it is about to make that one.
    Record { kill: Option<(String, usize)> },
    /// One call, counted among those of its name, does not take place: instead something happens, in strace's words.
    Inject { name: String, nth: usize, effect: &'static str },
    /// From the call of each name with this number on none takes place: instead something happens, in strace's words.
    InjectFrom { first: BTreeMap<&'static str, usize>, effect: &'static str },
}

impl Tracing {
    /// The process is killed when it is about to make this call.
    pub(crate) fn kill(name: &str, nth: usize) -> Self {
        Self::Inject { name: name.to_owned(), nth, effect: "signal=SIGKILL" }
    }

    /// The process stops when it has made this call, and the trace says so.
    pub(crate) fn stop(name: &str, nth: usize) -> Self {
        Self::Inject { name: name.to_owned(), nth, effect: STOP }
    }

    /// Has `call` traced into `output`. Locks that are tried are written down in any case.
    pub(crate) fn apply<'a>(&self, call: Calling<'a>, output: &Path) -> Calling<'a> {
        let output = output.to_string_lossy().into_owned();
        let mut arguments = ["-f", "-qq", "-e", "signal=none", "-o", &output].map(str::to_owned).to_vec();
        let kill = "signal=SIGKILL";
        let injection = match self {
            Self::Watch | Self::InjectFrom { .. } => None,
            Self::Record { kill: it } => {
                // A question mark, because not every architecture has them all.
                let names: Vec<_> = RECORDED.iter().map(|name| format!("?{name}")).collect();
                arguments.extend(["-xx", "-s", "1000000", "-e"].map(str::to_owned));
                arguments.push(format!("trace={}", names.join(",")));
                it.as_ref().map(|(name, nth)| (name, nth, kill))
            }
            Self::Inject { name, nth, effect } => {
                arguments.extend(["-e".to_owned(), format!("trace={name},flock")]);
                Some((name, nth, *effect))
            }
        };
        if let Self::InjectFrom { first, effect } = self {
            let names: Vec<_> = first.keys().copied().collect();
            arguments.extend([
                "--seccomp-bpf".to_owned(),
                "-e".to_owned(),
                format!("trace={},flock", names.join(",")),
            ]);
            for (name, first) in first {
                arguments.extend(["-e".to_owned(), format!("inject={name}:{effect}:when={first}+")]);
            }
        }
        if let Some((name, nth, effect)) = injection {
            arguments.extend(["-e".to_owned(), format!("inject={name}:{effect}:when={nth}")]);
            if effect == STOP {
                arguments.extend(["-e", STOP].map(str::to_owned));
            }
            // Far less work where the kernel can tell the calls that matter; it loses signals.
            if effect.starts_with("error=") {
                arguments.push("--seccomp-bpf".to_owned());
            }
        }
        call.under("strace", &arguments)
    }
}

/// The traced process. The trace must have begun.
pub(crate) fn process(trace: &Path) -> String {
    let trace = fs::read_to_string(trace).expect("a trace");
    trace.split_once(' ').expect("a thread and a call").0.to_owned()
}

/// Whether the process was stopped, and has not gone on before.
pub(crate) fn has_stopped(trace: &Path) -> bool {
    fs::read_to_string(trace).expect("a trace").contains("--- stopped by SIGSTOP ---")
}

/// The calls in a trace that the process's first thread made. Its other threads, which look up names of hosts, neither write
/// nor send.
pub(crate) fn calls(trace: &Path) -> Vec<SystemCall> {
    let mut counts = BTreeMap::<String, usize>::new();
    let mut main = None;
    let mut calls = Vec::new();
    for line in fs::read_to_string(trace).expect("a trace").lines() {
        let (thread, text) = line.split_once(' ').expect("a thread and a call");
        let text = text.trim_start();
        if *main.get_or_insert_with(|| thread.to_owned()) != thread {
            continue;
        }
        // The second half of a call, or the end of a thread.
        let Some((name, _)) = text.split_once('(').filter(|_| !text.starts_with(['<', '+'])) else {
            continue;
        };
        let nth = counts.entry(name.to_owned()).or_default();
        *nth += 1;
        calls.push(SystemCall { name: name.to_owned(), nth: *nth, text: text.to_owned() });
    }
    calls
}

/// The calls before which somebody else could notice a change: a kill before any other has the same effect as one before the
/// last of these.
pub(crate) fn after_noticeable(calls: &[SystemCall]) -> Vec<SystemCall> {
    let is_noticeable = |call: &SystemCall| match call.name.as_str() {
        "openat" => call.text.contains("O_CREAT"),
        name => NOTICEABLE.contains(&name),
    };
    let pairs = calls.windows(2).filter(|pair| is_noticeable(&pair[0]));
    calls.first().into_iter().chain(pairs.map(|pair| &pair[1])).cloned().collect()
}

/// The call that failed; `None` where it was not reached.
pub(crate) fn failed(trace: &Path) -> Option<String> {
    let trace = fs::read_to_string(trace).expect("a trace");
    let mut begun = BTreeMap::new();
    for line in trace.lines() {
        let (thread, text) = line.split_once(' ').expect("a thread and a call");
        let text = text.trim_start();
        if text.ends_with("<unfinished ...>") {
            begun.insert(thread, text);
        } else if text.contains("(INJECTED)") {
            // The second half of a call does not say with what it was made.
            let is_second_half = text.starts_with('<');
            return begun
                .get(thread)
                .filter(|_| is_second_half)
                .map_or(Some(text), |it| Some(it))
                .map(str::to_owned);
        }
    }
    None
}

/// Where traces of a node's runs go.
pub(crate) fn trace_of(node: &harness::Node) -> PathBuf {
    node.directory().join("trace")
}

/// Whether everything has to be tried.
fn is_required() -> bool {
    env::var_os("CRASH_TESTS").is_some_and(|value| value == "required")
}

/// The points that are tried: all where that is required, and otherwise every seventh, which takes half a minute instead of
/// several and finds most of what all find.
pub(crate) fn chosen<T>(points: Vec<T>) -> Vec<T> {
    points.into_iter().step_by(if is_required() { 1 } else { 7 }).collect()
}
