//! The situations in which a call is interrupted, and the call.

mod reserve;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use harness::simulator::AddressPolicy;
use harness::{Answer, Calling, Fault, Node, World};
use serde_json::json;

use crate::aftermath;
use crate::checks::guarded;
use crate::course::{self, Course, UNASSIGN};
use crate::moment::Moment;
use crate::outcome;
use crate::tracer::{self, SystemCall, Tracing, trace_of};

pub(crate) use reserve::*;

/// The pod whose call is interrupted.
pub(crate) const POD: &str = "pod";

/// A pod that has its address throughout.
pub(crate) const NEIGHBOUR: &str = "neighbour";

/// An address on the ENI that nobody has recorded: a person has put it there.
pub(crate) const ORPHAN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 77));

/// The pod's address, where a person has taken it off the ENI.
pub(crate) const GHOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 66));

/// A pod whose record was lost: it has [`ORPHAN`], and libcni remembers that.
pub(crate) const ADOPTED: &str = "adopted";

/// A pod that is no more, of which a backup has brought back a record with [`ORPHAN`].
pub(crate) const STALE: &str = "stale";

/// What kind of call is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Add,
    /// An ADD that must not succeed, because its pod is deleted meanwhile or its place on the ENI is not free.
    FailingAdd,
    /// An ADD that nobody listens to.
    UnreadAdd,
    Del,
    Gc,
    /// An operator's command.
    Command,
}

/// A situation and a call.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) verb: Verb,
    /// Brings the situation about.
    prepare: fn(&mut Node),
    /// The call.
    call: for<'a> fn(&'a Node) -> Calling<'a>,
    /// What goes on around it.
    course: Course,
    /// The pods whose addresses may be released.
    pub(crate) given_up: &'static [&'static str],
    /// It is interrupted from the first system call on that contains the one, up to the next that contains the other.
    interrupted: (&'static str, &'static str),
    /// It takes so long that it is killed only where that makes a difference to others, after a call that they can notice, and
    /// that each call fails in one way only.
    pub(crate) costly: bool,
    /// One in so many points is tried, unless `CRASH_RESERVE=all`.
    one_of: usize,
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

pub(crate) const ADD_AFTER_A_REBOOT: Scenario =
    Scenario::new("ADD of a pod that had its address before the node booted", Verb::Add, rebooted);

/// Where the machine has just booted as well, there is nothing to interrupt but a look.
pub(crate) const FLUSH_AFTER_A_REBOOT: Scenario =
    Scenario::new("flush of what an earlier boot left", Verb::Command, rebooted);

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

pub(crate) const FOLLOWING_DEL: Scenario =
    Scenario { name: "DEL that finds the ENI's lock taken", course: course::behind_a_lock, ..DEL };

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
    Scenario::new("flush of what killed ADDs and DELs left", Verb::Command, |node| {
        neighbour(node);
        killed_dels(node, ["first", "second"]);
        killed(node, add(node), "recvfrom", 1);
        // Its request may have got an address that is being released, of which only time tells.
        node.let_time_pass(aftermath::IN_DOUBT);
    });

pub(crate) const RELEASE: Scenario = Scenario {
    call: |node| node.command(&["release", "192.168.0.2", "--yes"]),
    costly: true,
    ..Scenario::new("release of a pod's address", Verb::Command, |node| {
        neighbour(node);
        assert_eq!(node.add(POD).address().to_string(), "192.168.0.2");
    })
};

pub(crate) const RECONCILE: Scenario = Scenario {
    call: |node| node.command(&["reconcile", "--release-orphans", "--yes"]),
    costly: true,
    ..Scenario::new("reconcile with an orphan and a killed ADD", Verb::Command, |node| {
        neighbour(node);
        let _ = node.add(POD).address();
        killed(node, node.call("ADD", "first"), "recvfrom", 1);
        node.cloud.assign(Node::ENI, ORPHAN);
    })
};

pub(crate) const RESTORE: Scenario = Scenario {
    call: |node| node.command(&["reconcile", "--restore"]),
    costly: true,
    ..Scenario::new("restore of a pod's address", Verb::Command, |node| {
        neighbour(node);
        let asking = add(node).env("CNI_ARGS", format!("IP={GHOST}"));
        assert_eq!(asking.run().address(), GHOST);
        // A description shows all that it has.
        node.let_time_pass(aftermath::IN_DOUBT);
        node.cloud.unassign(Node::ENI, GHOST);
    })
};

pub(crate) const RESTORE_WHOSE_REQUEST_IS_LATE: Scenario = Scenario {
    name: "restore whose request arrives late",
    course: course::with_its_assignment_late,
    interrupted: ("POST /", NOTHING),
    ..RESTORE
};

pub(crate) const ADOPT: Scenario = Scenario {
    call: |node| {
        // Written for each call, because what comes after one takes it away.
        node.cache(ADOPTED, &[ORPHAN]);
        node.command(&["reconcile", "--adopt"])
    },
    costly: true,
    given_up: &[],
    ..Scenario::new("reconcile --adopt of a pod without a record", Verb::Command, |node| {
        neighbour(node);
        let _ = node.add(POD).address();
        killed(node, node.call("ADD", "first"), "recvfrom", 1);
        node.cloud.assign(Node::ENI, ORPHAN);
    })
};

pub(crate) const ADOPT_FROM_A_STALE_RECORD: Scenario = Scenario {
    name: "reconcile --adopt of a pod whose address an old record names",
    prepare: |node| {
        neighbour(node);
        let _ = node.add(POD).address();
        let old = node.call("ADD", STALE).env("CNI_ARGS", format!("IP={ORPHAN}")).run();
        assert_eq!(old.address(), ORPHAN);
        node.let_time_pass(Duration::from_mins(10));
    },
    ..ADOPT
};

pub(crate) const UNREAD_ADD: Scenario = Scenario {
    costly: true,
    course: course::unread,
    interrupted: ("POST /", NOTHING),
    ..Scenario::new("ADD whose result nobody reads", Verb::UnreadAdd, neighbour)
};

pub(crate) const DEL_OF_A_LIVING_ADD: Scenario = Scenario {
    course: course::while_the_pods_add_lives,
    ..Scenario::new("DEL that comes for an ADD which is alive", Verb::Del, neighbour)
};

pub(crate) const DEL_THAT_WAITS_FOR_AN_ADD: Scenario = Scenario {
    costly: true,
    course: course::waiting_for_the_pods_add,
    call: course::waiting_del,
    // How often it looks for the ADD's end is different each time.
    interrupted: ("", "nanosleep"),
    ..Scenario::new("DEL that waits for an ADD to undo itself", Verb::Del, neighbour)
};

pub(crate) const ADD_WITH_A_DEL: Scenario = Scenario {
    course: course::with_the_pods_del,
    interrupted: ("POST /", NOTHING),
    ..Scenario::new("ADD that a DEL comes for", Verb::FailingAdd, neighbour)
};

pub(crate) const ADD_WITH_A_WAITING_DEL: Scenario = Scenario {
    costly: true,
    name: "ADD that a DEL waits for",
    course: course::with_the_pods_waiting_del,
    ..ADD_WITH_A_DEL
};

pub(crate) const DUAL_STACK_ADD_WITH_A_DEL: Scenario = Scenario {
    costly: true,
    name: "ADD of both families that a DEL comes for",
    prepare: both_families,
    ..ADD_WITH_A_DEL
};

pub(crate) const DEL_WHOSE_REQUEST_IS_LATE: Scenario = Scenario {
    costly: true,
    name: "DEL whose request arrives late",
    course: course::with_its_release_late,
    // What comes after the wait is the work of a leader that comes after another.
    interrupted: ("POST /", "nanosleep"),
    ..DEL
};

pub(crate) const DEL_AFTER_A_LATE_REQUEST: Scenario = Scenario {
    costly: true,
    course: course::with_an_earlier_release_late,
    given_up: &[POD, "first"],
    interrupted: ("flock", NOTHING),
    ..Scenario::new("DEL while a dead leader's request is late", Verb::Del, |node| {
        neighbour(node);
        for pod in [POD, "first"] {
            let _ = node.add(pod).address();
        }
    })
};

pub(crate) const ADD_WHOSE_REQUEST_IS_LATE: Scenario = Scenario {
    costly: true,
    course: course::with_its_assignment_late,
    interrupted: ("POST /", NOTHING),
    ..Scenario::new("ADD whose request arrives late", Verb::Add, neighbour)
};

pub(crate) const ADD_WHOSE_REQUEST_IS_LATE_ON_A_FULL_ENI: Scenario = Scenario {
    costly: true,
    course: course::with_its_assignment_late,
    interrupted: ("POST /", NOTHING),
    ..Scenario::new("ADD on a full ENI whose request arrives when there is room", Verb::FailingAdd, |node| {
        neighbour(node);
        // The primary address counts.
        node.cloud.with_world(|world| world.quota.ipv4 = 2);
    })
};

pub(crate) const GC_OF_MANY: Scenario = Scenario {
    costly: true,
    given_up: &[POD, "stale"],
    ..Scenario::new("GC of pods that are no more and of what a killed ADD and DEL left", Verb::Gc, |node| {
        node.set("gcGraceSeconds", 0);
        neighbour(node);
        for pod in [POD, "stale", "first"] {
            let _ = node.add(pod).address();
        }
        killed(node, node.call("DEL", "first"), "flock", 2);
        killed(node, node.call("ADD", "second"), "recvfrom", 1);
    })
};

pub(crate) const GC: Scenario = Scenario::new("GC of a pod that is no more", Verb::Gc, |node| {
    node.set("gcGraceSeconds", 0);
    neighbour(node);
    let _ = node.add(POD).address();
});

/// What no system call contains.
const NOTHING: &str = "\n";

impl Scenario {
    pub(crate) const fn new(name: &'static str, verb: Verb, prepare: fn(&mut Node)) -> Self {
        let call: for<'a> fn(&'a Node) -> Calling<'a> = match verb {
            Verb::Add | Verb::FailingAdd | Verb::UnreadAdd => add,
            Verb::Del => del,
            Verb::Gc => gc,
            Verb::Command => flush,
        };
        let (given_up, interrupted) = (&[POD] as &[&str], ("", NOTHING));
        Self {
            name,
            verb,
            prepare,
            call,
            course: course::alone,
            given_up,
            interrupted,
            costly: false,
            one_of: 1,
        }
    }

    /// The points that are tried.
    pub(crate) fn chosen<T>(&self, points: Vec<T>) -> Vec<T> {
        one_of(self.one_of, tracer::chosen(points))
    }

    /// A node in this situation. Its cloud hands out the address again that was released last: that is where a mistake
    /// hurts most.
    pub(crate) fn node(&self) -> Node {
        let world = World::single_node().with_policy(AddressPolicy::LowestFree);
        let mut node = Node::in_world(plugin(), world);
        (self.prepare)(&mut node);
        node.cloud.clear_faults();
        node
    }

    /// Makes the call with nothing going on around it.
    pub(crate) fn run(&self, node: &Node) -> Answer {
        (self.call)(node).run()
    }

    /// Makes the call under the tracer, with what goes on around it.
    pub(crate) fn trace(&self, node: &Node, tracing: &Tracing) -> Answer {
        (self.course)(node, tracing.apply((self.call)(node), &trace_of(node)))
    }

    /// The system calls of an uninterrupted run, those among them at which it is to be interrupted. Whoever waits for others looks
    /// more often in one run than in the next: the calls of the shortest of several are in all of them.
    pub(crate) fn system_calls(&self, node: &Node, start: &Moment) -> Vec<SystemCall> {
        let record = |_| {
            // From the same files in the same order as all later runs.
            start.restore(node);
            self.watch(node)
        };
        let runs = if self.costly { 3 } else { 1 };
        (0..runs).map(record).min_by_key(Vec::len).unwrap_or_default()
    }

    /// Makes the call under the tracer, uninterrupted.
    fn watch(&self, node: &Node) -> Vec<SystemCall> {
        let whole = guarded(node, self.given_up, || self.trace(node, &Tracing::Watch));
        outcome::is_as_planned(node, self.verb, &whole);
        let (from, to) = self.interrupted;
        let calls = tracer::calls(&trace_of(node)).into_iter();
        let mut calls: Vec<_> = calls.skip_while(|call| !call.text.contains(from)).collect();
        let end = calls.iter().position(|call| call.text.contains(to));
        calls.truncate(end.map_or(calls.len(), |end| end + 1));
        calls
    }
}

fn add(node: &Node) -> Calling<'_> {
    node.call("ADD", POD)
}

fn del(node: &Node) -> Calling<'_> {
    node.call("DEL", POD)
}

/// GC of a runtime that knows of the neighbour alone.
pub(crate) fn gc(node: &Node) -> Calling<'_> {
    let valid = json!([{"containerID": NEIGHBOUR, "ifname": "eth0"}]);
    let call = node.call("GC", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS");
    call.config(|config| config["cni.dev/valid-attachments"] = valid)
}

fn flush(node: &Node) -> Calling<'_> {
    node.command(&["flush"])
}

/// Two pods whose DELs were killed: one before it asked, one while it waited for the answer.
fn killed_dels(node: &Node, [early, late]: [&str; 2]) {
    for pod in [early, late] {
        let _ = node.add(pod).address();
    }
    killed(node, node.call("DEL", early), "flock", 2);
    killed(node, node.call("DEL", late), "recvfrom", 1);
}

/// The pod is of before, and the neighbour of this boot.
fn rebooted(node: &mut Node) {
    let _ = node.add(POD).address();
    node.reboot();
    neighbour(node);
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
    node.cloud.inject(Fault::code("Forbidden.RAM").action(UNASSIGN));
    node.del(pod).ok();
    node.cloud.clear_faults();
}

/// Makes the plugin try again at once.
fn forget_the_failure(node: &Node) {
    let state = node.store().join("eni").join(format!("{}.json", Node::ENI));
    std::fs::remove_file(state).expect("it has been written");
}

/// One in so many of these, or all of them with `CRASH_RESERVE=all`.
pub(crate) fn one_of<T>(count: usize, points: Vec<T>) -> Vec<T> {
    let all = std::env::var_os("CRASH_RESERVE").is_some_and(|it| it == "all");
    points.into_iter().step_by(if all { 1 } else { count }).collect()
}

/// The plugin.
pub(crate) fn plugin() -> PathBuf {
    harness::plugin!().to_owned()
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
