//! From one call on, every call that changes the disk fails, for as long as the plugin's own call lasts: the disk has become
//! full, or read-only, or broke.
//!
//! A DEL that succeeds all the same has made its release durable before; and once the disk works again all ends well.

use std::collections::{BTreeMap, BTreeSet};

use super::{own, recovers};
use crate::checks::guarded;
use crate::moment::Moment;
use crate::outcome;
use crate::scenario::{At, Scenario, Verb};
use crate::situations::in_these_situations;
use crate::tracer::{SystemCall, Tracing};

/// What becomes of a disk: the calls that fail from then on, and how.
const DISKS: [(&str, &str, &[&str]); 4] = [
    // Names can be moved and removed.
    ("full", "error=ENOSPC", &["write", "mkdir", "link", "linkat"]),
    ("read-only", "error=EROFS", &["write", "mkdir", "link", "linkat", "rename", "unlink"]),
    // What was written before cannot be made durable either.
    ("broken", "error=EIO", &["write", "mkdir", "link", "linkat", "rename", "unlink", "fsync", "fdatasync"]),
    // Nothing can even be opened.
    (
        "gone",
        "error=EIO",
        &[
            "write",
            "mkdir",
            "link",
            "linkat",
            "rename",
            "unlink",
            "fsync",
            "fdatasync",
            "openat",
            "getdents64",
        ],
    ),
];

/// Has the disk fail at each of the scenario's calls that change it.
pub(crate) fn survives(scenario: &Scenario) {
    let node = scenario.node();
    let start = Moment::of(&node);
    let calls = scenario.system_calls(&node, &start);
    let (mut survived, mut succeeded, mut states) = (0, 0, BTreeSet::new());
    let failing = scenario.chosen(moments(&calls));
    for (disk, index) in failing {
        let (what, effect, names) = DISKS[disk];
        start.restore(&node);
        let _at = At(format!("{}, the disk is {what} from {} on", scenario.name, calls[index].text));
        let tracing = Tracing::InjectFrom { first: first_of(names, &calls[..index]), effect };
        let answer = guarded(&node, scenario.given_up, || scenario.trace(&node, &tracing));
        survived += 1;
        if answer.status() == 0 {
            succeeded += 1;
            outcome::has_done(&node, scenario.verb, &answer);
        } else if ![1, 2].contains(&answer.status()) {
            // What it says is written to the same disk, as it were.
            answer.fail("an orderly end");
        } else if scenario.verb == Verb::Del && what == "full" {
            answer.fail("success, because a release is recorded by moving a name");
        }
        if states.insert(Moment::of(&node).digest(&node)) {
            assert_eq!(node.counts()[3], 0, "every record can be read\n{}", node.scene());
            recovers(&node, scenario);
        }
    }
    println!(
        "{}: {survived} of {survived} failing disks survived, {succeeded} of them without an error of the plugin's, \
         {} different states among them",
        scenario.name,
        states.len(),
    );
}

/// Each disk with each call at which it can begin to fail.
fn moments(calls: &[SystemCall]) -> Vec<(usize, usize)> {
    let begin = calls.iter().position(own).unwrap_or_default();
    let of_disk = |(disk, (_, _, names)): (usize, &(_, _, &[&str]))| {
        let fails = |index: &usize| names.contains(&calls[*index].name.as_str());
        (begin..calls.len()).filter(fails).map(|index| (disk, index)).collect::<Vec<_>>()
    };
    DISKS.iter().enumerate().flat_map(of_disk).collect()
}

/// The number of the first call of each name after these.
fn first_of(names: &[&'static str], before: &[SystemCall]) -> BTreeMap<&'static str, usize> {
    let count = |name: &str| before.iter().filter(|call| call.name == name).map(|call| call.nth).max();
    names.iter().map(|&name| (name, count(name).unwrap_or_default() + 1)).collect()
}

in_these_situations! {
    of_the_first_add_on_a_node: FIRST_ADD,
    of_an_add: ADD,
    of_an_add_of_both_families: DUAL_STACK_ADD,
    of_an_add_that_is_given_an_address_whose_release_is_pending: ADD_OF_A_RELEASED_ADDRESS,
    of_an_add_that_makes_up_for_a_failed_release: ADD_THAT_CATCHES_UP,
    of_an_add_after_a_killed_add: ADD_AFTER_A_DEAD_ADD,
    of_a_del: DEL,
    of_a_del_that_releases_for_killed_dels: LEADING_DEL,
    of_a_del_after_a_killed_leader: DEL_AFTER_A_DEAD_LEADER,
    of_a_del_with_an_older_release_pending: DEL_WITH_A_PENDING_RELEASE,
    of_a_del_of_a_killed_add: DEL_OF_A_DEAD_ADD,
    of_a_flush: FLUSH,
}
