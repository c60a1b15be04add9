//! One walk of the person on call: what happened, what the person typed, what was printed, and what the ENI had then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use harness::{Answer, Calling, Node};
use serde_json::Value;

use super::before;
use crate::plain::plain;

/// A node, the pods that live on it, and what is written down of them.
pub(super) struct Walk {
    pub(super) node: Node,
    /// The addresses of the pods that live.
    living: BTreeMap<String, BTreeSet<IpAddr>>,
    text: String,
    /// The directory of configurations, if there is more than one.
    config: Option<PathBuf>,
    /// How long the machine has been up, if that matters.
    up: Option<Duration>,
}

impl Walk {
    /// A walk on a node without pods.
    pub(super) fn on(node: Node, title: &str) -> Self {
        Self { node, living: BTreeMap::new(), text: format!("## {title}\n"), config: None, up: None }
    }

    /// This walk cannot be taken here: what was written down of it before is taken to hold.
    pub(super) fn skipped(mut self, why: &str) -> Self {
        println!("skipped: {:?} {why}", self.text.trim());
        let before = before();
        let after = before.split_once(&self.text).map_or("", |(_, after)| after);
        self.text.push_str(after.find("\n## ").map_or(after, |end| &after[..end]));
        self
    }

    /// Starts a pod.
    pub(super) fn start(&mut self, pod: &str) -> IpAddr {
        let address = self.node.add_pod_by(pod, |call| self.by_its_clock(call)).address();
        self.lives(pod, address);
        address
    }

    /// Starts these pods.
    pub(super) fn start_all(&mut self, pods: &[&str]) {
        for pod in pods {
            self.start(pod);
        }
    }

    /// From here on a pod lives that has this address.
    pub(super) fn lives(&mut self, pod: &str, address: IpAddr) {
        self.living.entry(pod.to_owned()).or_default().insert(address);
    }

    /// From here on the pod does not live.
    pub(super) fn end(&mut self, pod: &str) {
        self.living.remove(pod);
    }

    /// Deletes a pod. From the moment of its DEL, its address is no longer its own.
    pub(super) fn stop(&mut self, pod: &str) {
        self.end(pod);
        self.by_its_clock(self.node.call("DEL", pod)).run().ok();
        self.node.forget_pod(pod);
        self.looks(&format!("The pod {pod} is deleted."));
    }

    /// Writes down what happens to the node.
    pub(super) fn happens(&mut self, what: &str) {
        writeln!(self.text, "\n{what}").unwrap();
        self.inventory();
    }

    /// Writes down that all is as it is said to be, and that no live pod has lost its address.
    pub(super) fn looks(&mut self, what: &str) {
        self.happens(what);
        self.nobody_is_robbed(what);
    }

    /// The person types this command. No live pod loses its address by it.
    pub(super) fn types(&mut self, arguments: &[&str]) -> Answer {
        let answer = self.run(arguments);
        self.writes(&format!("aliyun-eni-ipam {}", arguments.join(" ")), &answer, |_| true);
        answer
    }

    /// The runtime starts a pod, which fails.
    pub(super) fn fails_to_start(&mut self, pod: &str, args: &str) {
        let answer = self.node.call("ADD", pod).env("CNI_ARGS", args).run();
        let _ = answer.any_error();
        let error = answer.json();
        let text = format!("{}: {}; {}", error["code"], word(&error["msg"]), word(&error["details"]));
        writeln!(self.text, "\nThe runtime starts {pod}:").unwrap();
        writeln!(self.text, "    {}", plain(&self.node, &text)).unwrap();
        self.inventory();
        self.nobody_is_robbed("an ADD");
    }

    /// The configurations are in this directory from here on.
    pub(super) fn configured_in(&mut self, directory: PathBuf) {
        self.config = Some(directory);
    }

    /// The machine boots, and has been up for this long in all that follows. Needs
    /// [`Need::MountNamespaces`](harness::Need::MountNamespaces).
    pub(super) fn boots(&mut self, up: Duration) {
        self.node.reboot();
        self.up = Some(up);
    }

    fn by_its_clock<'a>(&self, call: Calling<'a>) -> Calling<'a> {
        match self.up {
            Some(up) => call.up_for(up),
            None => call,
        }
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        match &self.config {
            Some(config) => self.node.operator_with(config, arguments),
            None => self.by_its_clock(self.node.command(arguments)).run(),
        }
    }

    fn writes(&mut self, typed: &str, answer: &Answer, shown: impl Fn(&str) -> bool) {
        writeln!(self.text, "\n$ {typed}").unwrap();
        let printed = plain(&self.node, &format!("{}{}", answer.stdout(), answer.stderr()));
        for line in printed.lines().filter(|line| shown(line)) {
            writeln!(self.text, "    {line}").unwrap();
        }
        writeln!(self.text, "exit {}", answer.status()).unwrap();
        self.inventory();
        self.nobody_is_robbed(typed);
    }

    /// The person asks `doctor`. What is well is left out here.
    pub(super) fn asks_doctor(&mut self) -> Answer {
        let answer = self.run(&["doctor"]);
        self.writes("aliyun-eni-ipam doctor | grep -v '^ok'", &answer, |line| !line.starts_with("ok "));
        answer
    }

    fn inventory(&mut self) {
        let some = |addresses: BTreeSet<IpAddr>| {
            let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            if addresses.is_empty() { "nothing".to_owned() } else { addresses.join(", ") }
        };
        let alive = self.living.values().flatten().copied().collect();
        let (on_eni, alive) = (some(self.node.on_eni()), some(alive));
        writeln!(self.text, "[on the ENI: {on_eni}; live pods have: {alive}]").unwrap();
    }

    fn nobody_is_robbed(&self, by: &str) {
        let on_eni = self.node.on_eni();
        for (pod, addresses) in &self.living {
            assert!(addresses.is_subset(&on_eni), "{pod} has lost its address by {by}:\n{}", self.text);
        }
    }

    /// The end: what was written down.
    pub(super) fn written(self) -> String {
        self.text
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
