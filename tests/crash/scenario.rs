//! The situations in which a call is interrupted, and the call.

use std::fs::{File, OpenOptions};
use std::thread;
use std::time::{Duration, Instant};

use harness::simulator::AddressPolicy;
use harness::{Answer, Calling, Fault, Node, World};
use serde_json::json;

use crate::tracer::{Tracing, trace_of};

/// The pod whose call is interrupted.
pub(crate) const POD: &str = "pod";

/// A pod that has its address throughout.
pub(crate) const NEIGHBOUR: &str = "neighbour";

/// What kind of call is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Add,
    Del,
    Gc,
    /// The operator's command.
    Flush,
}

/// A situation and a call.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) verb: Verb,
    /// Brings the situation about.
    prepare: fn(&mut Node),
    /// Somebody else holds the ENI's lock until the call has tried to take it.
    locked: bool,
}

pub(crate) const FIRST_ADD: Scenario = Scenario::new("the first ADD on a node", Verb::Add, |_| {});

pub(crate) const ADD: Scenario = Scenario::new("ADD", Verb::Add, neighbour);

pub(crate) const DUAL_STACK_ADD: Scenario = Scenario::new("ADD of both families", Verb::Add, both_families);

pub(crate) const ADD_OF_A_RELEASED_ADDRESS: Scenario =
    Scenario::new("ADD that is given an address whose release is not yet settled", Verb::Add, |node| {
        neighbour(node);
        refused_release(node, "old");
        // The cloud has released it all the same, and hands it out again.
        let address = node.on_eni().into_iter().next_back().expect("the address of the old pod");
        node.cloud.unassign(Node::ENI, address);
    });

pub(crate) const ADD_THAT_CATCHES_UP: Scenario =
    Scenario::new("ADD that makes up for a failed release", Verb::Add, |node| {
        neighbour(node);
        refused_release(node, "old");
        forget_the_failure(node);
    });

pub(crate) const ADD_AFTER_A_DEAD_ADD: Scenario =
    Scenario::new("ADD after the same pod's ADD was killed", Verb::Add, |node| {
        neighbour(node);
        killed(node, add(node), "recvfrom", 1);
    });

pub(crate) const REPEATED_ADD: Scenario =
    Scenario::new("ADD of a pod that has its address", Verb::Add, |node| {
        neighbour(node);
        let _ = node.add(POD).address();
    });

pub(crate) const DEL: Scenario = Scenario::new("DEL", Verb::Del, |node| {
    neighbour(node);
    let _ = node.add(POD).address();
});

pub(crate) const DUAL_STACK_DEL: Scenario = Scenario::new("DEL of both families", Verb::Del, |node| {
    both_families(node);
    let _ = node.add(POD).address();
});

pub(crate) const LEADING_DEL: Scenario =
    Scenario::new("DEL that releases for DELs that were killed", Verb::Del, |node| {
        neighbour(node);
        for pod in [POD, "first", "second", "third"] {
            let _ = node.add(pod).address();
        }
        for pod in ["first", "second", "third"] {
            // The first lock is the store's, the second is the ENI's.
            killed(node, node.call("DEL", pod), "flock", 2);
        }
    });

pub(crate) const DEL_AFTER_A_DEAD_LEADER: Scenario =
    Scenario::new("DEL after a DEL was killed whose request had left", Verb::Del, |node| {
        neighbour(node);
        for pod in [POD, "first"] {
            let _ = node.add(pod).address();
        }
        killed(node, node.call("DEL", "first"), "recvfrom", 1);
    });

pub(crate) const FOLLOWING_DEL: Scenario = Scenario {
    locked: true,
    ..Scenario::new("DEL that finds the ENI's lock taken", Verb::Del, |node| {
        neighbour(node);
        let _ = node.add(POD).address();
    })
};

pub(crate) const DEL_WITH_A_PENDING_RELEASE: Scenario =
    Scenario::new("DEL of a pod with an older release pending", Verb::Del, |node| {
        neighbour(node);
        let _ = node.add(POD).address();
        killed(node, del(node), "flock", 2);
        let _ = node.add(POD).address();
    });

pub(crate) const DEL_OF_A_DEAD_ADD: Scenario =
    Scenario::new("DEL of a pod whose ADD was killed", Verb::Del, |node| {
        neighbour(node);
        killed(node, add(node), "recvfrom", 1);
    });

pub(crate) const FLUSH: Scenario =
    Scenario::new("flush of what killed ADDs and DELs left", Verb::Flush, |node| {
        neighbour(node);
        for pod in ["first", "second"] {
            let _ = node.add(pod).address();
        }
        killed(node, node.call("DEL", "first"), "flock", 2);
        killed(node, node.call("DEL", "second"), "recvfrom", 1);
        killed(node, add(node), "recvfrom", 1);
    });

pub(crate) const GC: Scenario = Scenario::new("GC of a pod that is no more", Verb::Gc, |node| {
    node.set("gcGraceSeconds", 0);
    neighbour(node);
    let _ = node.add(POD).address();
});

impl Scenario {
    const fn new(name: &'static str, verb: Verb, prepare: fn(&mut Node)) -> Self {
        Self { name, verb, prepare, locked: false }
    }

    /// A node in this situation. Its cloud hands out the address again that was released last: that is where a mistake
    /// hurts most.
    pub(crate) fn node(&self) -> Node {
        let world = World::single_node().with_policy(AddressPolicy::LowestFree);
        let mut node = Node::in_world(env!("CARGO_BIN_EXE_aliyun-eni-ipam"), world);
        (self.prepare)(&mut node);
        node.cloud.clear_faults();
        node
    }

    fn call<'a>(&self, node: &'a Node) -> Calling<'a> {
        match self.verb {
            Verb::Add => add(node),
            Verb::Del => del(node),
            Verb::Gc => gc(node),
            Verb::Flush => node.command(&["flush"]),
        }
    }

    /// Makes the call.
    pub(crate) fn run(&self, node: &Node) -> Answer {
        self.call(node).run()
    }

    /// Makes the call under the tracer.
    pub(crate) fn trace(&self, node: &Node, tracing: &Tracing) -> Answer {
        let trace = trace_of(node);
        let call = tracing.apply(self.call(node), &trace);
        if !self.locked {
            return call.run();
        }
        let _ = std::fs::remove_file(&trace);
        let held = eni_lock(node);
        let mut running = call.start();
        let tried = || std::fs::read_to_string(&trace).is_ok_and(|it| it.contains("EAGAIN (Resource temp"));
        let limit = Instant::now() + Duration::from_secs(20);
        while running.is_running() && !tried() {
            assert!(Instant::now() < limit, "{} never tried to take the ENI's lock", self.name);
            thread::sleep(Duration::from_millis(1));
        }
        drop(held);
        running.wait()
    }
}

/// Holds the lock of the node's ENI.
fn eni_lock(node: &Node) -> File {
    let path = node.store().join("eni").join(format!("{}.lock", Node::ENI));
    let file = OpenOptions::new().write(true).open(path).expect("an earlier call has made it");
    file.try_lock().expect("nobody else holds it");
    file
}

fn add(node: &Node) -> Calling<'_> {
    node.call("ADD", POD)
}

fn del(node: &Node) -> Calling<'_> {
    node.call("DEL", POD)
}

/// GC of a runtime that knows of the neighbour alone.
fn gc(node: &Node) -> Calling<'_> {
    let valid = json!([{"containerID": NEIGHBOUR, "ifname": "eth0"}]);
    let call = node.call("GC", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS");
    call.config(|config| config["cni.dev/valid-attachments"] = valid)
}

fn neighbour(node: &mut Node) {
    let _ = node.add(NEIGHBOUR).address();
}

fn both_families(node: &mut Node) {
    node.set("ipv6", true);
    neighbour(node);
}

/// Makes a call that is killed when it is about to make a certain system call.
pub(crate) fn killed(node: &Node, call: Calling<'_>, name: &str, nth: usize) {
    let answer = Tracing::kill(name, nth).apply(call, &trace_of(node)).run();
    if answer.status() != -1 {
        answer.fail("a kill");
    }
    node.cloud.wait_until_idle().expect("the simulator answers");
}

/// ADD and DEL of a pod whose release the cloud refuses, so that it stays recorded as releasing.
fn refused_release(node: &Node, pod: &str) {
    let _ = node.add(pod).address();
    node.cloud.inject(Fault::code("Forbidden.RAM").action("UnassignPrivateIpAddresses"));
    node.del(pod).ok();
    node.cloud.clear_faults();
}

/// Makes the plugin try again at once.
fn forget_the_failure(node: &Node) {
    let state = node.store().join("eni").join(format!("{}.json", Node::ENI));
    std::fs::remove_file(state).expect("it has been written");
}

/// Names the point of interruption when a test fails there.
pub(crate) struct At(pub(crate) String);

impl Drop for At {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("at: {}", self.0);
        }
    }
}
