//! A node in a situation, which can be brought about again and again, and what must hold of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use harness::simulator::AddressPolicy;
use harness::{Answer, Kernel, RoutedNode, TABLE, World, addresses_of};
use serde_json::Value;

use crate::checks::guarded;
use crate::course::NEXT;
use crate::moment::Moment;
use crate::routes::situations::Situation;
use crate::scenario::{NEIGHBOUR, POD};
use crate::tracer::{self, SystemCall, Tracing, trace_of};

/// What others have on the node: each line is shown as it is here.
const OTHERS: &str = "\
rule add pref 100 from 10.1.0.0/16 lookup 55
rule add pref 2048 from 10.2.0.1 lookup 55
rule add pref 2048 from 10.2.0.2 lookup 1000000001 protocol static
rule add pref 3000 from 10.2.0.3 lookup 1000000001 protocol kernel
route add blackhole 10.4.0.0/16 table 55
route add 10.5.0.0/16 via 192.168.0.253 dev eth0 protocol static";

/// The same, as it is shown.
const OTHERS_SHOWN: [&str; 6] = [
    "rule 100: from 10.1.0.0/16 lookup 55",
    "rule 2048: from 10.2.0.1 lookup 55",
    "rule 2048: from 10.2.0.2 lookup 1000000001 proto static",
    "rule 3000: from 10.2.0.3 lookup 1000000001",
    "route blackhole 10.4.0.0/16 table 55",
    "route 10.5.0.0/16 via 192.168.0.253 dev eth0 proto static",
];

/// The same of the packet filter.
const OTHERS_TABLE: &str = "table inet another {\nchain prerouting {\ntype filter hook prerouting priority -150\nmeta mark 1 accept\n}\n}\n";

/// What a runtime remembers of the pods.
pub(crate) struct Pods {
    pub(crate) neighbour: Value,
    pub(crate) pod: Value,
    pub(crate) addresses: Vec<IpAddr>,
    neighbours: Vec<IpAddr>,
}

/// A node in a situation.
pub(crate) struct Stage<'a> {
    pub(crate) node: RoutedNode,
    pods: Pods,
    situation: &'a Situation,
    start: Moment,
    /// What the kernel has after the call; after that and the pod's DEL.
    pub(crate) done: Kernel,
    gone: Kernel,
}

impl<'a> Stage<'a> {
    /// Does the work where the node's cloud can be reached: in a thread that has joined its namespace.
    pub(crate) fn play(situation: &'a Situation, work: impl FnOnce(Self, Vec<SystemCall>) + Send) {
        let world = World::single_node().with_policy(AddressPolicy::LowestFree);
        let node = RoutedNode::in_world(harness::plugin!(), world);
        let name_space = Arc::clone(&node.name_space);
        name_space.run(|| {
            let (stage, calls) = Self::new(situation, node);
            work(stage, calls);
        });
    }

    /// In this situation, and what its call does, uninterrupted: its system calls.
    fn new(situation: &'a Situation, mut node: RoutedNode) -> (Self, Vec<SystemCall>) {
        node.node.set("ipv6", true);
        let [neighbour, pod] = [NEIGHBOUR, POD].map(|pod| node.ipam_add(pod));
        let [neighbours, addresses] = [&neighbour, &pod].map(addresses_of);
        let pods = Pods { neighbour, pod, addresses, neighbours };
        (situation.store)(&node, &pods);
        let start = Moment::of(&node.node);
        let nothing = Kernel(Vec::new());
        let mut stage = Self { node, pods, situation, start, done: nothing.clone(), gone: nothing };
        stage.begin();
        let answer = stage.traced(&Tracing::Watch);
        if answer.status() != 0 {
            answer.fail("success of the call that is to be interrupted");
        }
        let calls = tracer::calls(&trace_of(&stage.node.node));
        stage.done = stage.node.kernel();
        stage.holds_after_call("uninterrupted");
        stage.delete();
        stage.gone = stage.node.kernel();
        stage.is_gone("uninterrupted");
        (stage, calls)
    }

    /// Brings the situation about.
    pub(crate) fn begin(&self) {
        self.start.restore(&self.node.node);
        self.node.boot();
        self.node.name_space.ip(OTHERS);
        self.node.name_space.nft(OTHERS_TABLE);
        (self.situation.kernel)(&self.node, &self.pods);
        self.holds("at the beginning");
    }

    /// Makes the call under the tracer.
    pub(crate) fn traced(&self, tracing: &Tracing) -> Answer {
        let call = (self.situation.call)(&self.node, &self.pods);
        let call = tracing.apply(call, &trace_of(&self.node.node));
        guarded(&self.node.node, &[], || self.node.there(call).run())
    }

    /// What must hold at every moment.
    #[track_caller]
    pub(crate) fn holds(&self, when: &str) {
        let kernel = self.node.kernel();
        if self.situation.has_neighbour && !self.situation.removes_all {
            for address in &self.pods.neighbours {
                assert_eq!(kernel.tables_of(*address), [TABLE], "{when}: the neighbour's rule\n{kernel:#?}");
            }
        }
        let lines: BTreeSet<_> = kernel.0.iter().map(String::as_str).collect();
        for line in OTHERS_SHOWN {
            assert!(lines.contains(line), "{when}: {line:?} of others\n{kernel:#?}");
        }
    }

    /// After the call, whether it was interrupted or not.
    #[track_caller]
    pub(crate) fn holds_after_call(&self, when: &str) {
        self.holds(when);
        let kernel = self.node.kernel();
        for address in self.pods.addresses.iter().filter(|_| self.situation.spares_pod) {
            assert_eq!(kernel.tables_of(*address), [TABLE], "{when}: the pod's rule\n{kernel:#?}");
        }
    }

    /// All that the node depends on for what comes next.
    pub(crate) fn digest(&self) -> String {
        format!("{}\n{:?}", Moment::of(&self.node.node).digest(&self.node.node), self.node.kernel())
    }

    /// Every way of going on from what `interrupt` leaves.
    #[track_caller]
    pub(crate) fn goes_on(&self, interrupt: impl Fn()) {
        let ways: [fn(&Self); 4] = [Self::again, Self::deleted, Self::another_pod, Self::flushed];
        for (nth, way) in ways.into_iter().enumerate() {
            if nth > 0 {
                self.begin();
                interrupt();
            }
            way(self);
        }
    }

    /// The same call leaves what one call would have left.
    fn again(&self) {
        let answer = self.node.there((self.situation.call)(&self.node, &self.pods)).run();
        if answer.status() != 0 {
            answer.fail("success of the same call again");
        }
        self.is("again", &self.done);
        self.delete();
        self.is("again, and deleted", &self.gone);
    }

    /// The runtime deletes the pod at once.
    fn deleted(&self) {
        self.delete();
        self.is_gone("deleted");
        let kernel = self.node.kernel();
        if !self.situation.removes_all && self.situation.has_neighbour {
            let more: Vec<_> = kernel.0.iter().filter(|line| !self.gone.0.contains(line)).collect();
            // What GC and `flush` would have removed stays until they come again.
            let more: Vec<_> = more.into_iter().filter(|line| !line.contains("192.168.0.20")).collect();
            assert!(more.is_empty(), "more than there should be is left: {more:#?}");
        }
    }

    /// Another pod gets the address.
    fn another_pod(&self) {
        self.delete();
        let next = self.node.add(NEXT);
        let next_addresses = addresses_of(&next.result);
        let kernel = self.node.kernel();
        for address in &next_addresses {
            assert_eq!(kernel.tables_of(*address), [TABLE], "the next pod's rule for {address}\n{kernel:#?}");
        }
        assert!(
            self.pods.addresses.iter().all(|it| next_addresses.contains(it)),
            "it has the pod's addresses"
        );
        self.holds("after another pod came");
        self.node.del(NEXT, Some(&next.result));
        self.is_gone("after another pod");
    }

    /// An operator's timer comes.
    fn flushed(&self) {
        let flush = guarded(&self.node.node, &[], || self.node.command(&["flush"]).run());
        if flush.status() != 0 {
            flush.fail("nothing that is left");
        }
        self.holds("flushed");
        let shown = self.node.command(&["routes"]).run();
        if shown.status() != 0 {
            shown.fail("nothing that differs after a flush");
        }
        self.delete();
        self.is_gone("flushed, and deleted");
    }

    /// The DELs of the pod, as a runtime calls them, twice.
    #[track_caller]
    pub(crate) fn delete(&self) {
        for _ in 0..2 {
            guarded(&self.node.node, &[POD], || self.node.chained("DEL", POD, Some(&self.pods.pod)).run())
                .ok();
            guarded(&self.node.node, &[POD], || self.node.ipam("DEL", POD).run()).ok();
        }
        self.holds("deleted");
    }

    #[track_caller]
    fn is(&self, when: &str, expected: &Kernel) {
        let kernel = self.node.kernel();
        assert!(kernel == *expected, "{when}, it differs:\n{}", kernel.difference(expected));
    }

    #[track_caller]
    fn is_gone(&self, when: &str) {
        let kernel = self.node.kernel();
        for address in &self.pods.addresses {
            let left: Vec<_> = kernel.naming(*address).collect();
            assert!(left.is_empty(), "{when}: of a pod that is gone there is still {left:#?}");
        }
    }
}
