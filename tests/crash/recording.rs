//! What calls really did to the files of the store, and when they asked the cloud.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use harness::simulator::{AddressPolicy, Entry};
use harness::{Answer, Calling, Node, Saved, World, of_earlier_boot};

use crate::course::{self, ASSIGN, Course, wait_until};
use crate::scenario::{ORPHAN, gc, plugin};
use crate::tracer::{Tracing, trace_of};

/// One thing that happened. Paths begin at the node's directory, in which the store is `store`; files are known by the call
/// that has them open and its file descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    MakeDirectory(PathBuf),
    /// A file or a directory is opened, and made if it is a file that is not there.
    Open {
        handle: Handle,
        path: PathBuf,
    },
    Write {
        handle: Handle,
        data: Vec<u8>,
    },
    /// `fsync`, or `fdatasync` where `data` alone is made durable; under the name by which the file was opened.
    Sync {
        handle: Handle,
        path: PathBuf,
        data: bool,
    },
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Unlink(PathBuf),
    /// A request to ECS has left.
    Asked,
    /// Its answer has come.
    Answered,
    /// A call for this pod begins.
    Begin(String),
    /// It has told the runtime that the pod has its addresses, or that it has none.
    Told {
        pod: String,
        has_addresses: bool,
    },
}

/// The number of the call, and its file descriptor.
pub(crate) type Handle = (usize, i32);

/// Several calls, one after the other, on a node that was new.
pub(crate) struct Recording {
    pub(crate) node: Node,
    pub(crate) events: Vec<Event>,
    calls: usize,
    start: Saved,
}

impl Recording {
    /// Of a node with these settings changed.
    pub(crate) fn new(settings: &[(&str, serde_json::Value)]) -> Self {
        let world = World::single_node().with_policy(AddressPolicy::LowestFree);
        let mut node = Node::in_world(plugin(), world);
        for (key, value) in settings {
            node.set(key, value.clone());
        }
        let start = node.cloud.save();
        Self { node, events: Vec::new(), calls: 0, start }
    }

    /// ADD, which succeeds.
    pub(crate) fn add(&mut self, pod: &str) {
        let answer = self.run(pod, None, |node| node.call("ADD", pod));
        let _ = answer.address();
        self.events.push(Event::Told { pod: pod.to_owned(), has_addresses: true });
    }

    /// ADD, whose result nobody reads.
    pub(crate) fn unread_add(&mut self, pod: &str) {
        let answer = self.record(&[pod], None, |node| node.call("ADD", pod), course::unread);
        assert_ne!(answer.status(), 0, "{}", self.node.scene());
    }

    /// ADD, and while it waits for ECS the pod's DEL, which succeeds.
    pub(crate) fn add_with_its_del(&mut self, pod: &str) {
        let (add_trace, del_trace) = (trace_of(&self.node), self.node.directory().join("trace-of-del"));
        let tracing = Tracing::Record { kill: None };
        let asked = self.node.cloud.count(ASSIGN);
        self.node.cloud.hold(ASSIGN);
        let add = tracing.apply(self.node.call("ADD", pod), &add_trace).start();
        wait_until("the ADD asks", || self.node.cloud.count(ASSIGN) > asked);
        tracing.apply(self.node.call("DEL", pod), &del_trace).run().ok();
        self.node.cloud.let_go();
        let _ = add.wait().any_error();
        self.node.cloud.wait_until_idle().expect("the simulator answers");
        let (add, del) = (self.read(&add_trace), self.read(&del_trace));
        let asked = add.iter().position(|event| *event == Event::Asked).expect("it has asked") + 1;
        self.events.push(Event::Begin(pod.to_owned()));
        self.events.extend_from_slice(&add[..asked]);
        self.events.extend(del);
        self.events.push(Event::Told { pod: pod.to_owned(), has_addresses: false });
        self.events.extend_from_slice(&add[asked..]);
    }

    /// ADD, which fails.
    pub(crate) fn failing_add(&mut self, pod: &str) {
        let _ = self.run(pod, None, |node| node.call("ADD", pod)).any_error();
    }

    /// DEL, which succeeds.
    pub(crate) fn del(&mut self, pod: &str) {
        self.run(pod, None, |node| node.call("DEL", pod)).ok();
        self.events.push(Event::Told { pod: pod.to_owned(), has_addresses: false });
    }

    /// A call that is killed when it is about to make a certain system call.
    pub(crate) fn killed(&mut self, verb: &str, pod: &str, name: &str, nth: usize) {
        let answer = self.run(pod, Some((name, nth)), |node| node.call(verb, pod));
        if answer.status() != -1 {
            answer.fail("a kill");
        }
    }

    /// The node boots, and what it has written so far is of an earlier boot. These pods are gone.
    pub(crate) fn reboot(&mut self, gone: &[&str]) {
        self.node.reboot();
        for event in &mut self.events {
            if let Event::Write { data, .. } = event {
                *data = of_earlier_boot(data);
            }
        }
        self.events.extend(gone.iter().map(|pod| Event::Begin((*pod).to_owned())));
    }

    /// `flush`.
    pub(crate) fn flush(&mut self) {
        self.command(&[], &["flush"]);
    }

    /// An operator's command that may take these pods' addresses.
    pub(crate) fn command(&mut self, given_up: &[&str], arguments: &[&str]) {
        let _ = self.record(given_up, None, |node| node.command(arguments), course::alone);
    }

    /// GC of a runtime that knows of the neighbour alone, and not of these pods.
    pub(crate) fn gc(&mut self, given_up: &[&str]) {
        self.record(given_up, None, gc, course::alone).ok();
    }

    /// Puts an address on the ENI that nobody has recorded, before all calls.
    pub(crate) fn put_orphan(&mut self) {
        assert_eq!(self.calls, 0, "it is there from the beginning");
        self.node.cloud.assign(Node::ENI, ORPHAN);
        self.start = self.node.cloud.save();
    }

    /// Has libcni remember that a pod has an address.
    pub(crate) fn remember(&mut self, pod: &str, address: IpAddr) {
        self.node.cache(pod, &[address]);
    }

    fn run(
        &mut self,
        pod: &str,
        kill: Option<(&str, usize)>,
        call: impl for<'a> FnOnce(&'a Node) -> Calling<'a>,
    ) -> Answer {
        self.record(&[pod], kill, call, course::alone)
    }

    /// Makes a call that these pods may get or lose addresses by.
    fn record(
        &mut self,
        pods: &[&str],
        kill: Option<(&str, usize)>,
        call: impl for<'a> FnOnce(&'a Node) -> Calling<'a>,
        course: Course,
    ) -> Answer {
        let trace = trace_of(&self.node);
        let kill = kill.map(|(name, nth)| (name.to_owned(), nth));
        let answer = course(&self.node, Tracing::Record { kill }.apply(call(&self.node), &trace));
        self.node.cloud.wait_until_idle().expect("the simulator answers");
        self.events.extend(pods.iter().map(|&pod| Event::Begin(pod.to_owned())));
        let events = self.read(&trace);
        self.events.extend(events);
        answer
    }

    /// What the next call has done, as its trace tells.
    fn read(&mut self, trace: &Path) -> Vec<Event> {
        self.calls += 1;
        let mut reader =
            Reader { root: self.node.directory(), call: self.calls, open: BTreeMap::new(), asking: false };
        let trace = fs::read_to_string(trace).expect("a trace");
        whole_lines(&trace).iter().filter_map(|line| reader.event(line)).collect()
    }

    /// The cloud as it was after each number of requests, from none to all.
    pub(crate) fn clouds(&self) -> Vec<Saved> {
        let end = self.node.cloud.save();
        let mut clouds = vec![self.at(&end, &[])];
        let ledger = self.node.cloud.ledger();
        clouds.extend((1..=ledger.len()).map(|count| self.at(&end, &ledger[..count])));
        clouds
    }

    fn at(&self, end: &Saved, done: &[Entry]) -> Saved {
        let mut cloud = end.clone();
        let tokens: Vec<_> = done.iter().filter_map(|entry| entry.client_token.as_deref()).collect();
        cloud.keep_requests(|token| tokens.contains(&token));
        cloud.world = self.start.world.clone();
        for entry in done.iter().filter(|entry| entry.executed) {
            let eni = entry.eni.as_ref().and_then(|eni| cloud.world.enis.get_mut(eni)).expect("the ENI");
            if entry.action.starts_with("Unassign") {
                eni.addresses.retain(|address| !entry.addresses.contains(address));
            } else {
                eni.addresses.extend(&entry.addresses);
            }
        }
        cloud
    }
}

/// Reads one call's trace.
struct Reader<'a> {
    root: &'a Path,
    call: usize,
    /// What is open and lies in the store.
    open: BTreeMap<i32, PathBuf>,
    asking: bool,
}

impl Reader<'_> {
    fn event(&mut self, line: &str) -> Option<Event> {
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let result: i32 = result.split(' ').next()?.parse().ok()?;
        if result < 0 {
            return None;
        }
        let strings = strings(arguments);
        let fd = || arguments.split([',', ')']).next().and_then(|it| it.parse::<i32>().ok());
        let paths: Vec<_> = strings.iter().filter_map(|string| self.in_store(string)).collect();
        match name {
            "open" | "openat" | "creat" => {
                let path = paths.into_iter().next()?;
                assert!(!arguments.contains("O_TRUNC"), "a file that is emptied is not modelled: {line}");
                self.open.insert(result, path.clone());
                Some(Event::Open { handle: (self.call, result), path })
            }
            "close" => {
                self.open.remove(&fd()?);
                None
            }
            "write" => {
                self.open.get(&fd()?)?;
                let data = strings.into_iter().next()?;
                assert_eq!(data.len(), usize::try_from(result).unwrap_or_default(), "{line}");
                Some(Event::Write { handle: (self.call, fd()?), data })
            }
            "fsync" | "fdatasync" => {
                let path = self.open.get(&fd()?)?.clone();
                Some(Event::Sync { handle: (self.call, fd()?), path, data: name == "fdatasync" })
            }
            "mkdir" | "mkdirat" => Some(Event::MakeDirectory(paths.into_iter().next()?)),
            "unlink" | "unlinkat" => Some(Event::Unlink(paths.into_iter().next()?)),
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let [from, to] = <[PathBuf; 2]>::try_from(paths).ok()?;
                Some(if name.starts_with("link") { Event::Link(from, to) } else { Event::Rename(from, to) })
            }
            "sendto" if strings.first()?.starts_with(b"POST ") => {
                self.asking = true;
                Some(Event::Asked)
            }
            "recvfrom" if self.asking && result > 0 => {
                self.asking = false;
                Some(Event::Answered)
            }
            "sendto" | "recvfrom" | "flock" => None,
            _ => {
                let touched = !paths.is_empty() || fd().is_some_and(|fd| self.open.contains_key(&fd));
                assert!(!touched, "not modelled: {line}");
                None
            }
        }
    }

    /// The path from the node's directory, if it is in the store or is that directory.
    fn in_store(&self, string: &[u8]) -> Option<PathBuf> {
        let path = Path::new(std::str::from_utf8(string).ok()?).strip_prefix(self.root).ok()?;
        (path == Path::new("") || path.starts_with("store")).then(|| path.to_owned())
    }
}

/// The calls of a trace, in the order of their ends; those that another thread interrupted are put together again.
fn whole_lines(trace: &str) -> Vec<String> {
    let mut begun = BTreeMap::new();
    let mut whole = Vec::new();
    for line in trace.lines() {
        let (thread, text) = line.split_once(' ').expect("a thread and a call");
        let text = text.trim_start();
        if let Some(beginning) = text.strip_suffix("<unfinished ...>") {
            begun.insert(thread, beginning);
        } else if let Some((_, end)) = text.strip_prefix("<... ").and_then(|it| it.split_once(" resumed>")) {
            whole.push(format!("{}{end}", begun.remove(thread).unwrap_or_default()));
        } else {
            whole.push(text.to_owned());
        }
    }
    whole
}

/// The strings among a call's arguments, which strace was told to show in hexadecimal.
fn strings(arguments: &str) -> Vec<Vec<u8>> {
    let quoted = arguments.split('"').skip(1).step_by(2);
    let byte = |hex: &str| u8::from_str_radix(hex, 16).expect("a byte in hexadecimal");
    quoted.map(|string| string.split("\\x").skip(1).map(byte).collect()).collect()
}
