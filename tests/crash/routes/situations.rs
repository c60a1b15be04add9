//! The situations in which a call is interrupted that changes rules and routes, and the call.

use harness::{Calling, PRIMARY_TABLE, RoutedNode, TABLE};
use serde_json::Value;

use crate::routes::stage::Pods;
use crate::scenario::{NEIGHBOUR, POD};
use crate::tracer;

/// A situation and a call.
pub(crate) struct Situation {
    pub(crate) name: &'static str,
    /// What the kernel has before the call, beside what others have put there.
    pub(crate) kernel: fn(&RoutedNode, &Pods),
    /// What the store has; all pods have addresses before.
    pub(crate) store: fn(&RoutedNode, &Pods),
    pub(crate) call: for<'a> fn(&'a RoutedNode, &Pods) -> Calling<'a>,
    /// Whether the neighbour's rules are there before the call, and are to be there throughout.
    pub(crate) has_neighbour: bool,
    /// Whether the call is not the pod's own, so that the pod keeps its rules.
    pub(crate) spares_pod: bool,
    /// Whether the call takes all rules away, as a person asked.
    pub(crate) removes_all: bool,
    /// Of how many points one is tried.
    pub(crate) one_of: usize,
}

/// A person's command makes hundreds of calls to look and few to change. `CRASH_ROUTES=all` tries each point of it.
const OF_A_COMMAND: usize = 6;

pub(crate) const FIRST_ADD: Situation = Situation {
    kernel: |_, _| {},
    has_neighbour: false,
    ..Situation::new("the first chained ADD on a node", add)
};

pub(crate) const ADD: Situation = Situation::new("chained ADD", add);

pub(crate) const ADD_AFTER_ANOTHER_POD: Situation = Situation {
    kernel: |node, pods| {
        neighbour(node, pods);
        lead(node, pods, PRIMARY_TABLE);
    },
    ..Situation::new("chained ADD of an address of which rules lead elsewhere", add)
};

pub(crate) const SECOND_ADD: Situation =
    Situation { kernel: both, ..Situation::new("chained ADD of a pod that has its rules", add) };

pub(crate) const DEL: Situation = Situation { kernel: both, ..Situation::new("chained DEL", del) };

pub(crate) const DEL_WITHOUT_A_RECORD: Situation = Situation {
    kernel: |node, pods| {
        neighbour(node, pods);
        lead(node, pods, TABLE);
    },
    store: |node, _| node.ipam("DEL", POD).run().ok(),
    ..Situation::new("chained DEL by prevResult", del)
};

pub(crate) const DEL_AFTER_ANOTHER_POD: Situation = Situation {
    kernel: both,
    call: |node, pods| node.chained_here("DEL", "old", Some(&pods.pod)),
    spares_pod: true,
    ..Situation::new("chained DEL of a pod whose address another pod has", del)
};

pub(crate) const GC: Situation = Situation {
    kernel: left_over,
    call: |node, _| {
        let call = node.chained_here("GC", "", None).without("CNI_CONTAINERID").without("CNI_IFNAME");
        call.without("CNI_NETNS").config(|config| {
            let attachment = |pod| serde_json::json!({"containerID": pod, "ifname": "eth0"});
            config["cni.dev/valid-attachments"] = [NEIGHBOUR, POD].map(attachment).as_slice().into();
        })
    },
    ..Situation::new("GC of rules that are left over", add)
};

pub(crate) const FLUSH: Situation = Situation {
    kernel: left_over,
    call: |node, _| node.command_here(&["flush"]),
    one_of: OF_A_COMMAND,
    ..Situation::new("flush where rules are missing and left over", add)
};

pub(crate) const REPAIR: Situation = Situation {
    kernel: left_over,
    call: |node, _| node.command_here(&["routes", "--repair"]),
    one_of: OF_A_COMMAND,
    ..Situation::new("routes --repair", add)
};

pub(crate) const REMOVE: Situation = Situation {
    kernel: both,
    call: |node, _| node.command_here(&["routes", "--remove", "--yes"]),
    removes_all: true,
    one_of: OF_A_COMMAND,
    ..Situation::new("routes --remove", add)
};

impl Situation {
    const fn new(name: &'static str, call: for<'a> fn(&'a RoutedNode, &Pods) -> Calling<'a>) -> Self {
        Self {
            name,
            kernel: neighbour,
            store: |_, _| {},
            call,
            has_neighbour: true,
            spares_pod: false,
            removes_all: false,
            one_of: 1,
        }
    }

    /// The points that are tried.
    pub(crate) fn chosen<T>(&self, points: Vec<T>) -> Vec<T> {
        let all = std::env::var_os("CRASH_ROUTES").is_some_and(|it| it == "all");
        tracer::chosen(points).into_iter().step_by(if all { 1 } else { self.one_of }).collect()
    }
}

fn add<'a>(node: &'a RoutedNode, pods: &Pods) -> Calling<'a> {
    node.chained_here("ADD", POD, Some(&pods.pod))
}

fn del<'a>(node: &'a RoutedNode, pods: &Pods) -> Calling<'a> {
    node.chained_here("DEL", POD, Some(&pods.pod))
}

fn chained_add(node: &RoutedNode, pod: &str, result: &Value) {
    let _ = node.chained("ADD", pod, Some(result)).run().result();
}

fn neighbour(node: &RoutedNode, pods: &Pods) {
    chained_add(node, NEIGHBOUR, &pods.neighbour);
}

fn both(node: &RoutedNode, pods: &Pods) {
    neighbour(node, pods);
    chained_add(node, POD, &pods.pod);
}

/// The pod's rules lead to this table, whether it has a record or not.
fn lead(node: &RoutedNode, pods: &Pods, table: u32) {
    for address in &pods.addresses {
        let family = if address.is_ipv6() { "-6" } else { "-4" };
        let arguments = format!("{family} rule add pref 2048 from {address} lookup {table} protocol kernel");
        let _ = node.name_space.show(&arguments);
    }
}

/// The neighbour's rules are there, the pod's lead elsewhere or are missing, and there are rules of nobody's.
fn left_over(node: &RoutedNode, pods: &Pods) {
    neighbour(node, pods);
    lead(node, pods, PRIMARY_TABLE);
    for nobodys in ["192.168.0.201", "192.168.0.202"] {
        let arguments = format!("rule add pref 2048 from {nobodys} lookup {TABLE} protocol kernel");
        let _ = node.name_space.show(&arguments);
    }
}

/// A test for each situation, which calls `survives` of the module that it stands in.
macro_rules! in_every_situation {
    () => {
        $crate::routes::situations::in_these_situations! {
            of_the_first_chained_add_on_a_node: FIRST_ADD,
            of_a_chained_add: ADD,
            of_a_chained_add_after_another_pod: ADD_AFTER_ANOTHER_POD,
            of_a_second_chained_add: SECOND_ADD,
            of_a_chained_del: DEL,
            of_a_chained_del_without_a_record: DEL_WITHOUT_A_RECORD,
            of_a_chained_del_after_another_pod: DEL_AFTER_ANOTHER_POD,
            of_a_chained_gc: GC,
            of_a_flush: FLUSH,
            of_a_repair: REPAIR,
            of_a_removal: REMOVE,
        }
    };
}

macro_rules! in_these_situations {
    ($($name:ident: $situation:ident,)*) => {
        harness::tests! {
            needs [harness::Need::Strace, harness::Need::Root, harness::Need::NetworkNamespaces]: $($name),*;
        }

        $(
            fn $name() {
                survives(&$crate::routes::situations::$situation);
            }
        )*
    };
}

pub(crate) use {in_every_situation, in_these_situations};
