//! The programs that take turns.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use harness::needs::HOST_LOCAL;
use harness::{Calling, Node, SystemCalls, Trace};
use serde_json::json;
use tempfile::TempDir;

/// A call, and for which container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    verb: &'static str,
    container: &'static str,
}

impl Call {
    const fn new(name: &'static str, verb: &'static str, container: &'static str) -> Self {
        Self { name, verb, container }
    }
}

/// What is measured, in an order that leaves no record behind.
pub(crate) const CALLS: [Call; 4] = [
    Call::new("VERSION", "VERSION", "measured"),
    Call::new("DEL of nobody", "DEL", "nobody"),
    Call::new("ADD", "ADD", "measured"),
    Call::new("DEL", "DEL", "measured"),
];

/// Where ADD and DEL are among the calls.
pub(crate) const ADD_AND_DEL: [usize; 2] = [2, 3];

/// Two small programs that the bench compiles.
#[derive(Debug)]
pub(crate) struct Tools(TempDir);

impl Tools {
    pub(crate) fn compile() -> Self {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures/calls");
        for name in ["empty", "usage"] {
            let mut compiler = Command::new("cc");
            compiler.args(["-O2", "-static", "-o"]).arg(directory.path().join(name));
            compiler.arg(sources.join(name).with_extension("c"));
            assert!(
                compiler.status().is_ok_and(|it| it.success()),
                "needs cc and a static C library: {compiler:?}"
            );
        }
        Self(directory)
    }

    fn empty(&self) -> PathBuf {
        self.0.path().join("empty")
    }

    fn usage(&self) -> String {
        self.0.path().join("usage").display().to_string()
    }
}

/// A program, and a network for which it is called as a runtime calls it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    node: Node,
    stdin: PathBuf,
}

/// What a call used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// The most memory that it had at any time, in MiB.
    pub(crate) memory: f64,
    /// Its processor time in milliseconds.
    pub(crate) processor: f64,
}

impl Peer {
    /// On a node that does without deadlines and logs of a test.
    fn new(name: &'static str, mut node: Node) -> Self {
        for key in ["logLevel", "timeoutSeconds"] {
            node.ipam.remove(key);
        }
        // The newest that Debian's host-local knows.
        node.version = "1.0.0".into();
        let stdin = node.directory().join("stdin");
        fs::write(&stdin, node.config().to_string()).unwrap();
        Self { name, node, stdin }
    }

    /// The plugin, among the records of so many other pods.
    pub(crate) fn ours(name: &'static str, node: Node, records: usize) -> Self {
        let peer = Self::new(name, node);
        peer.node.crowd(records, 0);
        peer
    }

    /// The reference plugin, likewise.
    pub(crate) fn host_local(records: usize) -> Self {
        let mut node = Node::new(HOST_LOCAL);
        let ipam =
            json!({"type": "host-local", "dataDir": node.store(), "ranges": [[{"subnet": "10.0.0.0/8"}]]});
        node.ipam = ipam.as_object().cloned().unwrap();
        let peer = Self::new("host-local", node);
        let _ = peer.node.add("other").address();
        let directory = peer.node.store().join(&peer.node.network);
        let record = fs::read(directory.join("10.0.0.2")).unwrap();
        // A file each, and the last address of all, after which it looks for a free one.
        for number in 1..records {
            let address = std::net::Ipv4Addr::from(0x0a00_0002 + u32::try_from(number).unwrap()).to_string();
            fs::write(directory.join(&address), &record).unwrap();
            if number + 1 == records {
                fs::write(directory.join("last_reserved_ip.0"), address).unwrap();
            }
        }
        peer
    }

    /// The program that does nothing.
    pub(crate) fn empty(tools: &Tools) -> Self {
        Self::new("empty program", Node::new(tools.empty()))
    }

    fn call(&self, call: Call) -> Calling<'_> {
        self.node.call(call.verb, call.container)
    }

    /// How long a call takes, from its start to its end, in milliseconds. Nobody reads what it prints.
    pub(crate) fn time(&self, call: Call) -> f64 {
        self.finish(self.call(call))
    }

    fn finish(&self, call: Calling<'_>) -> f64 {
        let mut command = call.into_command();
        command.stdin(File::open(&self.stdin).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status();
        let took = start.elapsed();
        assert!(status.is_ok_and(|it| it.success()), "{}: {command:?}\n{}", self.name, self.node.scene());
        took.as_secs_f64() * 1000.0
    }

    /// What a call asks of the system.
    pub(crate) fn system_calls(&self, call: Call) -> SystemCalls {
        let trace = Trace::to(self.node.directory().join("trace"));
        let (strace, arguments) = trace.tracer();
        self.finish(self.call(call).under(strace, &arguments));
        trace.counts().unwrap()
    }

    /// What memory and processor time a call uses.
    pub(crate) fn usage(&self, tools: &Tools, call: Call) -> Usage {
        let report = self.node.directory().join("usage");
        self.finish(self.call(call).under(&tools.usage(), &[report.display().to_string()]));
        let text = fs::read_to_string(report).unwrap();
        let figures: Vec<f64> = text.split_whitespace().map(|it| it.parse().unwrap()).collect();
        let [memory, processor] = figures[..] else { panic!("no figures: {text}") };
        Usage { memory: memory / 1024.0, processor: processor / 1000.0 }
    }
}

/// What peers took for each call, in milliseconds.
pub(crate) type Times = [Vec<f64>; CALLS.len()];

/// Has peers make all calls in turns, so many times after one that does not count: forwards and backwards, so that nobody
/// always comes after the same one.
pub(crate) fn take_turns<T>(
    runs: usize,
    peers: &[Peer],
    measure: impl Fn(&Peer, Call) -> T,
) -> Vec<[Vec<T>; CALLS.len()]> {
    let mut measured: Vec<_> = peers.iter().map(|_| CALLS.map(|_| Vec::with_capacity(runs))).collect();
    for run in 0..=runs {
        for (nth, call) in CALLS.into_iter().enumerate() {
            let mut order: Vec<_> = (0..peers.len()).collect();
            if run % 2 == 1 {
                order.reverse();
            }
            for peer in order {
                let it = measure(&peers[peer], call);
                if run > 0 {
                    measured[peer][nth].push(it);
                }
            }
        }
    }
    measured
}
