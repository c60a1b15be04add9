//! What all acts play on: one node, its cloud, and the books that are kept of it.

use std::error::Error;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::simulator::Entry;
use harness::{Answer, Node};

use crate::books::Books;
use crate::screen::Screen;

/// The pod that runs from the beginning to the end.
pub(crate) const SURVIVOR: &str = "db-0";

pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) screen: Screen,
    pub(crate) books: Books,
}

impl Stage {
    /// A node with one pod.
    pub(crate) fn set(plugin: &Path) -> io::Result<Self> {
        let node = Node::new(plugin).with("timeoutSeconds", 25);
        let mut stage = Self { node, screen: Screen::new(), books: Books::default() };
        stage.screen.say(
            "A node with an elastic network interface (ENI), and a simulated Alibaba Cloud on this machine.",
        )?;
        stage.screen.say(
            "The plugin is the real binary, called as containerd calls it. Nothing here needs an account or root.",
        )?;
        let answer = stage.add(SURVIVOR);
        stage.screen.say(&format!(
            "One pod, {SURVIVOR}, runs from the beginning to the end and must keep its address, {}.",
            answer.address()
        ))?;
        Ok(stage)
    }

    /// ADD of a pod, which the books then hold for the owner of its address.
    pub(crate) fn add(&mut self, pod: &str) -> Answer {
        let answer = self.node.add(pod);
        self.books.pod_has(pod, answer.address(), self.requests());
        answer
    }

    /// ADDs of several pods at once.
    pub(crate) fn add_all(&mut self, pods: &[String]) {
        let calls: Vec<_> = pods.iter().map(|pod| self.node.call("ADD", pod).start()).collect();
        let answers: Vec<_> = calls.into_iter().map(harness::Running::wait).collect();
        for (pod, answer) in pods.iter().zip(answers) {
            self.books.pod_has(pod, answer.address(), self.requests());
        }
    }

    /// DEL of a pod, and how long it took.
    pub(crate) fn del(&mut self, pod: &str) -> (Answer, Duration) {
        self.books.pod_goes(pod, self.requests());
        let start = Instant::now();
        let answer = self.node.del(pod);
        (answer, start.elapsed())
    }

    /// DELs of several pods at once, and how long it took until the last one was done.
    pub(crate) fn del_all(&mut self, pods: &[String]) -> Duration {
        for pod in pods {
            self.books.pod_goes(pod, self.requests());
        }
        let start = Instant::now();
        let calls: Vec<_> = pods.iter().map(|pod| self.node.call("DEL", pod).start()).collect();
        for call in calls {
            call.wait().ok();
        }
        start.elapsed()
    }

    /// How many requests ECS has received so far.
    pub(crate) fn requests(&self) -> usize {
        self.node.cloud.ledger().len()
    }

    /// The requests that ECS has received after the first `earlier`.
    pub(crate) fn requests_after(&self, earlier: usize) -> Vec<Entry> {
        self.node.cloud.ledger().split_off(earlier)
    }

    /// The secondary addresses of the ENI, as the cloud has them.
    pub(crate) fn inventory(&self) -> String {
        let addresses: Vec<_> = self.node.on_eni().iter().map(ToString::to_string).collect();
        format!("on the ENI: {}", addresses.join(", "))
    }

    /// Runs a command of the person who runs the node, and shows what it prints.
    pub(crate) fn show_command(&self, command: &str) -> io::Result<()> {
        let answer = self.node.operator(&[command]);
        self.screen.command(&format!("aliyun-eni-ipam {command}"))?;
        self.screen.output(&answer.stdout())?;
        self.screen.output(&answer.stderr())?;
        self.screen.fact(&format!("exit status {}", answer.status()))
    }

    /// Waits for something that is bound to happen.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        happened: impl Fn(&Node) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while !happened(&self.node) {
            if start.elapsed() > Duration::from_mins(1) {
                return Err(format!("it never came to be that {what}").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
