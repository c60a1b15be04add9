//! The situations that concern the reserve, requests for several addresses, and several ENIs.

use std::fs;
use std::time::Duration;

use harness::Node;
use harness::simulator::Eni;

use super::{
    ADD_WHOSE_REQUEST_IS_LATE, ADD_WITH_A_DEL, GHOST, NOTHING, ORPHAN, POD, Scenario, UNREAD_ADD, Verb, add,
    killed, neighbour,
};
use crate::aftermath;
use crate::course;

/// One in so many points is tried: most of these calls do what others do as well. `CRASH_RESERVE=all` tries each.
pub(crate) const ONE_OF: usize = 8;

/// How many addresses are kept.
const RESERVE: usize = 2;

/// Longer than an address rests.
const RESTED: Duration = Duration::from_mins(3);

/// The node's other ENI, which comes after [`Node::ENI`].
const OTHER_ENI: &str = "eni-bp1secondary000000002";

/// Addresses that are entries since ECS gave them, and need no rest.
pub(crate) const ADD_FROM_THE_RESERVE: Scenario = situation("ADD from the reserve", Verb::Add, full_reserve);

/// An entry that a pod left, and that is older than what metadata may not show yet.
pub(crate) const ADD_OF_A_RESTED_ADDRESS: Scenario =
    situation("ADD of an address that has rested", Verb::Add, |node| {
        node.set("reserve", 1);
        neighbour(node);
        come_and_go(node, "first");
        node.let_time_pass(RESTED);
    });

pub(crate) const DUAL_STACK_ADD_FROM_THE_RESERVE: Scenario = Scenario {
    ..situation("ADD of both families from the reserve", Verb::Add, |node| {
        node.set("ipv6", true);
        full_reserve(node);
    })
};

pub(crate) const ADD_FROM_THE_RESERVE_AND_FROM_ECS: Scenario = Scenario {
    ..situation("ADD of one family from the reserve and of the other from ECS", Verb::Add, |node| {
        full_reserve(node);
        node.set("ipv6", true);
    })
};

/// ECS would refuse it.
pub(crate) const ADD_OF_A_REQUESTED_ADDRESS_IN_THE_RESERVE: Scenario = Scenario {
    call: |node| add(node).env("CNI_ARGS", format!("IP={GHOST}")),
    ..situation("ADD of a requested address that is in the reserve", Verb::Add, |node| {
        ghost_in_reserve(node);
    })
};

pub(crate) const ADD_FROM_THE_RESERVE_OF_AN_EARLIER_BOOT: Scenario = Scenario {
    ..situation("ADD from the reserve of an earlier boot", Verb::Add, |node| {
        full_reserve(node);
        node.reboot();
        // The neighbour of this boot; another entry is left.
        node.del(super::NEIGHBOUR).ok();
        neighbour(node);
    })
};

/// Somebody has taken it off the ENI.
pub(crate) const ADD_WHOSE_ENTRY_IS_GONE: Scenario = Scenario {
    ..situation("ADD that finds an entry which is not on the ENI any more", Verb::Add, |node| {
        ghost_in_reserve(node);
        node.let_time_pass(RESTED);
        node.cloud.unassign(Node::ENI, GHOST);
    })
};

pub(crate) const FILLING_ADD: Scenario = situation("ADD that fills the reserve", Verb::Add, empty_reserve);

pub(crate) const DUAL_STACK_FILLING_ADD: Scenario = Scenario {
    costly: true,
    ..situation("ADD of both families that fills the reserve", Verb::Add, |node| {
        node.set("ipv6", true);
        empty_reserve(node);
    })
};

/// Their intents say that they wait, but nobody has locked them any more. Where the kernel does not tell, they count.
pub(crate) const ADD_BESIDE_KILLED_ONES: Scenario = Scenario {
    ..situation("ADD beside others that were killed while they waited", Verb::Add, |node| {
        neighbour(node);
        course::kill_while_they_wait(node, ["first", "second"]);
    })
};

pub(crate) const ADD_FOR_OTHERS: Scenario = Scenario {
    costly: true,
    course: course::with_others_waiting,
    interrupted: ("EAGAIN", NOTHING),
    ..situation("ADD that asks for others", Verb::Add, neighbour)
};

pub(crate) const DUAL_STACK_ADD_FOR_OTHERS: Scenario = Scenario {
    name: "ADD of both families that asks for others",
    prepare: super::both_families,
    ..ADD_FOR_OTHERS
};

/// How often it looks for an entry is different each time.
pub(crate) const WAITING_ADD: Scenario = Scenario {
    costly: true,
    course: course::behind_another,
    ..situation("ADD that waits for what another asks for", Verb::Add, neighbour)
};

pub(crate) const FILLING_ADD_WHOSE_REQUEST_IS_LATE: Scenario = Scenario {
    one_of: ONE_OF,
    name: "ADD whose request for several arrives late",
    prepare: empty_reserve,
    ..ADD_WHOSE_REQUEST_IS_LATE
};

pub(crate) const ADD_AFTER_A_DEAD_FILLING_ADD: Scenario = Scenario {
    ..situation(
        "ADD after the same pod's ADD was killed that asked for several",
        Verb::Add,
        killed_filling_add,
    )
};

pub(crate) const DEL_OF_A_DEAD_FILLING_ADD: Scenario = Scenario {
    ..situation("DEL of a pod whose ADD was killed that asked for several", Verb::Del, killed_filling_add)
};

pub(crate) const FLUSH_AFTER_A_DEAD_FILLING_ADD: Scenario = Scenario {
    costly: true,
    ..situation("flush after an ADD was killed that asked for several", Verb::Command, |node| {
        killed_filling_add(node);
        node.let_time_pass(aftermath::IN_DOUBT);
    })
};

pub(crate) const FILLING_ADD_WITH_A_DEL: Scenario = Scenario {
    one_of: ONE_OF,
    costly: true,
    name: "ADD that asks for several and that a DEL comes for",
    prepare: empty_reserve,
    ..ADD_WITH_A_DEL
};

pub(crate) const UNREAD_ADD_FROM_THE_RESERVE: Scenario = Scenario {
    one_of: ONE_OF,
    name: "ADD from the reserve whose result nobody reads",
    prepare: full_reserve,
    interrupted: ("rename", NOTHING),
    ..UNREAD_ADD
};

pub(crate) const DEL_INTO_THE_RESERVE: Scenario = situation("DEL into the reserve", Verb::Del, |node| {
    full_reserve(node);
    let _ = node.add(POD).address();
});

pub(crate) const DUAL_STACK_DEL_INTO_THE_RESERVE: Scenario = Scenario {
    ..situation("DEL of both families into the reserve", Verb::Del, |node| {
        node.set("ipv6", true);
        full_reserve(node);
        let _ = node.add(POD).address();
    })
};

pub(crate) const DEL_BESIDE_A_FULL_RESERVE: Scenario = Scenario {
    ..situation("DEL beside a full reserve", Verb::Del, |node| {
        node.set("reserve", 0);
        neighbour(node);
        let _ = node.add(POD).address();
        node.set("reserve", RESERVE);
        // It asks for two more than it needs.
        let _ = node.add("first").address();
    })
};

/// The pod's ADD was killed when its record was durable, and before it removed the entry.
pub(crate) const DEL_INTO_THE_RESERVE_BESIDE_A_STALE_ENTRY: Scenario =
    situation("DEL into the reserve beside a stale entry", Verb::Del, |node| {
        full_reserve(node);
        add_beside_stale_entry(node);
    });

/// The same when no reserve is kept any more: the leader has to remove the entry.
pub(crate) const DEL_BESIDE_A_STALE_ENTRY: Scenario =
    situation("DEL beside a stale entry", Verb::Del, |node| {
        full_reserve(node);
        add_beside_stale_entry(node);
        node.set("reserve", 0);
    });

pub(crate) const ADD_WITH_SURPLUS: Scenario = situation("ADD that gives surplus back", Verb::Add, |node| {
    full_reserve(node);
    node.set("reserve", 0);
});

pub(crate) const FLUSH_WITH_SURPLUS: Scenario =
    situation("flush that gives surplus back", Verb::Command, |node| {
        node.set("reserve", 3);
        neighbour(node);
        node.set("reserve", 1);
    });

/// Another network's entries are nobody's, as soon as nobody configures it.
pub(crate) const FLUSH_OF_ANOTHER_NETWORK: Scenario = Scenario {
    ..situation("flush of entries of a network that nobody configures", Verb::Command, |node| {
        full_reserve(node);
        "others".clone_into(&mut node.network);
    })
};

pub(crate) const GC_WITH_A_RESERVE: Scenario = Scenario {
    costly: true,
    given_up: &[POD, "first"],
    ..situation("GC of a pod that is no more, with a reserve", Verb::Gc, |node| {
        node.set("gcGraceSeconds", 0);
        node.set("reserve", 3);
        neighbour(node);
        let _ = node.add(POD).address();
        // Its record is there, and not durable.
        killed(node, node.call("ADD", "first"), "fsync", 4);
        node.set("reserve", 1);
    })
};

pub(crate) const RECONCILE_WITH_A_RESERVE: Scenario = Scenario {
    call: |node| node.command(&["reconcile", "--release-orphans", "--yes"]),
    costly: true,
    ..situation("reconcile with a reserve and an orphan", Verb::Command, |node| {
        full_reserve(node);
        add_beside_stale_entry(node);
        node.cloud.assign(Node::ENI, ORPHAN);
    })
};

/// The only place that is left has an address that must rest.
pub(crate) const ADD_THAT_MAKES_ROOM: Scenario =
    situation("ADD that makes room in the reserve", Verb::Add, |node| {
        node.set("reserve", RESERVE);
        // The primary address counts.
        node.cloud.with_world(|world| world.quota.ipv4 = 3);
        neighbour(node);
        come_and_go(node, "first");
    });

pub(crate) const ADD_ON_THE_SECOND_ENI: Scenario =
    situation("ADD whose first ENI is full", Verb::Add, two_enis);

pub(crate) const ADD_BESIDE_A_FULL_ENI: Scenario = Scenario {
    ..situation("ADD whose first ENI is known to be full", Verb::Add, |node| {
        two_enis(node);
        come_and_go(node, "first");
    })
};

const fn situation(name: &'static str, verb: Verb, prepare: fn(&mut Node)) -> Scenario {
    Scenario { one_of: ONE_OF, ..Scenario::new(name, verb, prepare) }
}

/// A reserve that has all that it is to have.
pub(crate) fn full_reserve(node: &mut Node) {
    node.set("reserve", RESERVE);
    neighbour(node);
}

/// A reserve that has nothing yet.
fn empty_reserve(node: &mut Node) {
    neighbour(node);
    node.set("reserve", RESERVE);
}

fn killed_filling_add(node: &mut Node) {
    empty_reserve(node);
    killed(node, add(node), "recvfrom", 1);
}

/// An address that a person may take off the ENI.
fn ghost_in_reserve(node: &mut Node) {
    node.set("reserve", 1);
    let asking = node.call("ADD", "first").env("CNI_ARGS", format!("IP={GHOST}"));
    assert_eq!(asking.run().address(), GHOST);
    node.del("first").ok();
    neighbour(node);
}

fn come_and_go(node: &Node, pod: &str) {
    let _ = node.add(pod).address();
    node.del(pod).ok();
}

/// The pod's address came from the reserve, and its entry is still there.
fn add_beside_stale_entry(node: &Node) {
    let directory = node.store().join("reserved").join(Node::ENI);
    let entries: Vec<_> =
        fs::read_dir(&directory).into_iter().flatten().flatten().map(|it| it.path()).collect();
    let contents: Vec<_> = entries.iter().map(|path| fs::read(path).expect("an entry")).collect();
    let entry = directory.join(node.add(POD).address().to_string());
    let at = entries.iter().position(|path| *path == entry).expect("it was in the reserve");
    assert!(!entry.exists(), "the ADD has removed it");
    fs::write(&entry, &contents[at]).expect("it can be put back");
}

/// A network of two ENIs, each with room for one pod; the first has it.
fn two_enis(node: &mut Node) {
    let other = Eni::new(OTHER_ENI, "00:16:3e:00:00:03", [192, 168, 0, 12].into());
    node.cloud.with_world(|world| {
        world.enis.insert(OTHER_ENI.to_owned(), other);
        // The primary address counts.
        world.quota.ipv4 = 2;
    });
    node.ipam.remove("networkInterfaceId");
    node.set("interfaces", "secondary");
    neighbour(node);
    assert_eq!(node.on_eni().len(), 1, "the neighbour is on the first");
}
