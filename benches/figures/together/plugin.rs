//! The plugin: real processes, all of which have been started and wait for their stdin, which is then written to each.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Node, Timed, at_once, last_of};

use super::cloud::{ENIS, outcome, set_places, world};
use super::size::{Outcome, Size};

/// What a node is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) size: Size,
    /// How many addresses ECS takes in a request.
    pub(super) limit: usize,
    /// Whether pods get an IPv6 address, too.
    pub(super) dual: bool,
}

/// Pods that start together, and then end together.
pub(super) fn start_and_drain(kind: Kind) -> [Outcome; 2] {
    let node = node(kind);
    let pods = names("c", kind.size.pods);
    let start = together(&node, kind, "ADD", &pods);
    for pod in &pods {
        // Where an ADD has failed.
        let _ = node.call("ADD", pod).config(|config| config["ipam"]["timeoutSeconds"] = 60.into()).run();
    }
    let drain = together(&node, kind, "DEL", &pods);
    let left: usize = ENIS[..kind.size.enis].iter().map(|eni| node.cloud.addresses(eni).len()).sum();
    assert_eq!((left, node.counts(), node.reserved()), (0, [0; 4], 0), "{kind:?} leaves something");
    [start, drain]
}

/// Half of the pods end while the other half starts: what was asked, and when the last ADD and the last DEL were answered.
pub(super) fn start_while_others_end(kind: Kind) -> (Outcome, [Duration; 2]) {
    let node = node(kind);
    let (old, new) = (names("old", kind.size.pods / 2), names("new", kind.size.pods / 2));
    let _ = at_once(old.iter().map(|pod| node.call("ADD", pod)));
    node.cloud.set_latency(kind.size.latency);
    node.cloud.clear_ledger();
    let calls = old.iter().zip(&new).flat_map(|(old, new)| [node.call("DEL", old), node.call("ADD", new)]);
    let answers = at_once(calls);
    let last =
        |first: usize| answers.iter().skip(first).step_by(2).map(|it| it.after).max().unwrap_or_default();
    (outcome(&node.cloud, last_of(&answers), failed(&answers)), [last(1), last(0)])
}

/// Pods that come and go one by one, so many and each so long after the one before: what was asked, and the times of each ADD and each
/// DEL.
pub(super) fn one_by_one(kind: Kind, reserve: usize, every: Duration) -> (Outcome, [Vec<Duration>; 2]) {
    let node = node(kind).with("reserve", reserve).with("reuseDelaySeconds", 1);
    node.cloud.set_latency(kind.size.latency);
    node.cloud.clear_ledger();
    let (start, mut times) = (Instant::now(), [Vec::new(), Vec::new()]);
    for pod in names("c", kind.size.pods) {
        let begun = Instant::now();
        let _ = node.add(&pod).address();
        let added = Instant::now();
        node.del(&pod).ok();
        times[0].push(added - begun);
        times[1].push(added.elapsed());
        thread::sleep(every.saturating_sub(begun.elapsed()));
    }
    (outcome(&node.cloud, start.elapsed(), 0), times)
}

/// Calls at once.
fn together(node: &Node, kind: Kind, verb: &str, pods: &[String]) -> Outcome {
    node.cloud.set_latency(kind.size.latency);
    node.cloud.clear_ledger();
    let answers = at_once(pods.iter().map(|pod| node.call(verb, pod)));
    node.cloud.set_latency(Duration::ZERO);
    outcome(&node.cloud, last_of(&answers), failed(&answers))
}

/// How many of the answers are no success.
fn failed(answers: &[Timed]) -> usize {
    answers.iter().filter(|timed| timed.answer.status() != 0).count()
}

/// A node as most are: the deadline and the log of the defaults. It has had a pod on each ENI, because what is measured is not that
/// hundred calls at once find out about their ENIs.
fn node(kind: Kind) -> Node {
    let Kind { size: Size { pods, enis, .. }, limit, dual } = kind;
    let world = world(enis, 1).with_most_per_request(limit);
    let mut node = Node::in_world(harness::plugin!(), world).with("ipv6", dual).with("logLevel", "info");
    node.ipam.remove("timeoutSeconds");
    if enis > 1 {
        node.ipam.remove("networkInterfaceId");
        node.set("interfaces", "secondary");
    }
    let first = names("first", enis);
    for pod in &first {
        let _ = node.add(pod).addresses();
    }
    for pod in &first {
        node.del(pod).ok();
    }
    node.cloud.with_world(|world| set_places(world, enis, pods.div_ceil(enis)));
    // A log that has become long is no part of it.
    let _ = fs::remove_file(node.directory().join("log"));
    node
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}
