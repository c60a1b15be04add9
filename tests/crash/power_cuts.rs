//! The power goes at every moment of what calls really did, on the disk of [`disk`](crate::disk).
//!
//! Calls are recorded with strace. For every beginning of the recording the model tells which stores may be found after a
//! power cut there. Each is looked at as it is; then it is built for real, and the real plugin has to make good of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use harness::{Effect, Fault, Need, Node, Saved};
use serde_json::json;

use crate::aftermath;
use crate::checks::{Recorded, guarded, on_enis};
use crate::disk::Disk;
use crate::moment::{self, Moment};
use crate::recording::{Event, Recording};
use crate::scenario::{ADOPTED, At, NEIGHBOUR, ORPHAN, one_of};
use crate::tracer;

harness::tests! {
    needs [Need::Strace]:
        of_pods_that_come_and_go_on_a_new_node,
        of_pods_with_addresses_of_both_families,
        of_an_add_that_was_killed_and_of_its_del,
        of_a_killed_adds_successor,
        of_a_flush_after_an_add_that_was_killed_before_its_record_was_durable,
        of_an_add_that_gives_back_what_it_got,
        of_a_release_whose_outcome_nobody_saw,
        of_an_address_that_is_handed_out_while_its_release_is_pending,
        of_a_leader_that_releases_for_killed_dels,
        of_a_del_that_was_killed_before_its_move_was_durable,
        of_a_flush_after_a_del_that_was_killed_before_its_move_was_durable,
        of_a_del_after_a_del_that_was_killed_before_its_move_was_durable,
        of_an_add_after_a_del_that_was_killed_before_its_move_was_durable,
        of_an_add_after_a_reboot_and_of_a_flush,
        of_an_add_that_its_del_comes_for,
        of_an_add_of_both_families_that_its_del_comes_for,
        of_an_add_whose_result_nobody_reads,
        of_a_gc_of_pods_and_of_what_killed_calls_left,
        of_a_release_by_the_operator,
        of_a_reconcile,
        of_an_adoption,
        of_an_add_that_was_killed_before_the_store_was_durable;
}

/// A store and a cloud as they may be after a power cut.
struct Found {
    moment: Moment,
    /// After which event, and after how many requests the cloud is.
    at: (usize, usize),
    /// What runtimes were told of pods of which no call is under way.
    told: BTreeMap<String, bool>,
}

/// Cuts the power at every moment of `history`, and recovers.
fn survives(name: &str, settings: &[(&str, serde_json::Value)], history: fn(&mut Recording)) {
    survives_one_of(1, name, settings, history);
}

/// The same, and recovers from one in so many of the disks that may be found.
pub(crate) fn survives_one_of(
    count: usize,
    name: &str,
    settings: &[(&str, serde_json::Value)],
    history: fn(&mut Recording),
) {
    let mut recording = Recording::new(settings);
    history(&mut recording);
    let found = power_cuts(&recording.events, &recording.clouds());
    for cut in &found {
        let _at = At(format!("{name}, power cut after {:?}", recording.events.get(cut.at.0)));
        assert_eq!(broken(cut), None, "{}", shown(&recording.events[..=cut.at.0]));
    }
    let mut seen = BTreeSet::new();
    let is_new = |cut: &&Found| seen.insert((moment::without_drafts(&cut.moment.tree), cut.at.1));
    let different = one_of(count, tracer::chosen(found.iter().filter(is_new).collect()));
    for Found { moment, at, .. } in &different {
        let _at = At(format!("{name}, power cut after {:?}", recording.events.get(at.0)));
        moment.restore(&recording.node);
        recovers(&recording.node);
    }
    println!(
        "{name}: {} moments, {} possible disks survived, {} of {} different ones recovered",
        recording.events.len(),
        found.len(),
        different.len(),
        seen.len()
    );
}

/// Everything that may be found after a power cut, for every beginning of a recording.
fn power_cuts(events: &[Event], clouds: &[Saved]) -> Vec<Found> {
    let (mut disk, mut told) = (Disk::default(), BTreeMap::new());
    let (mut asked, mut answered) = (0, true);
    let (mut found, taken) = (Vec::new(), SystemTime::now());
    for (index, event) in events.iter().enumerate() {
        disk.apply(event);
        match event {
            Event::Asked => (asked, answered) = (asked + 1, false),
            Event::Answered => answered = true,
            Event::Begin(pod) => drop(told.remove(pod)),
            Event::Told { pod, has_addresses } => drop(told.insert(pod.clone(), *has_addresses)),
            _ => {}
        }
        // A request without an answer may have been carried out or not.
        let least = if answered { asked } else { asked - 1 };
        for tree in disk.after_a_power_cut() {
            for (done, cloud) in clouds.iter().enumerate().take(asked + 1).skip(least) {
                // A boot makes claims forgotten.
                let moment = Moment { tree: tree.clone(), cloud: cloud.clone(), claimed: false, taken };
                found.push(Found { moment, at: (index, done), told: told.clone() });
            }
        }
    }
    found
}

/// Which promise is broken already, before anybody does anything.
fn broken(Found { moment, told, .. }: &Found) -> Option<String> {
    let recorded = match Recorded::read(&moment.tree) {
        Ok(recorded) => recorded,
        Err(why) => return Some(why),
    };
    let forgotten = told.iter().find(|(pod, has)| recorded.active.contains_key(*pod) != **has);
    recorded
        .violation(moment)
        .or(forgotten.map(|(pod, has)| format!("a runtime was told of {pod} that it has addresses: {has}")))
}

/// The real plugin on such a store: what is in use stays, all else is released, and after the pods' DELs nothing is left.
fn recovers(node: &Node) {
    assert_eq!(node.counts()[3], 0, "every record can be read\n{}", node.scene());
    let flushed = guarded(node, &[], || node.operator(&["flush"]));
    let recorded = Recorded::read(&Moment::of(node).tree).unwrap_or_default();
    let held_back = flushed.status() != 0;
    let named: BTreeSet<_> = recorded.active.values().flatten().copied().chain(recorded.entries()).collect();
    let mut on_eni = on_enis(node);
    // Unless it was recorded for the pod that has it.
    if !named.contains(&ORPHAN) {
        on_eni.remove(&ORPHAN);
    }
    if !held_back && named != on_eni {
        flushed.fail("the addresses in use and those in the reserve on the ENI, and no others");
    }
    for pod in recorded.active.keys().chain(&recorded.unfinished) {
        guarded(node, &[pod], || node.del(pod)).ok();
    }
    aftermath::end(node);
}

fn shown(events: &[Event]) -> String {
    let last = events.iter().rev().take(12).rev();
    last.map(|event| format!("{event:?}").chars().take(300).collect::<String>() + "\n").collect()
}

fn of_pods_that_come_and_go_on_a_new_node() {
    survives("pods that come and go", &[], come_and_go);
}

/// There is a pod at any time until the last goes.
pub(crate) fn come_and_go(calls: &mut Recording) {
    calls.add("a");
    calls.add("b");
    calls.del("a");
    calls.add("c");
    calls.del("b");
    calls.del("c");
}

fn of_pods_with_addresses_of_both_families() {
    survives("pods with addresses of both families", &[("ipv6", json!(true))], |calls| {
        calls.add("a");
        calls.del("a");
    });
}

fn of_an_add_that_was_killed_and_of_its_del() {
    survives("an ADD that was killed, and its DEL", &[], |calls| {
        calls.add("neighbour");
        calls.killed("ADD", "a", "recvfrom", 1);
        calls.del("a");
    });
}

fn of_a_killed_adds_successor() {
    survives("an ADD that was killed, and the next one", &[], |calls| {
        calls.killed("ADD", "a", "recvfrom", 1);
        calls.add("a");
        calls.del("a");
    });
}

fn of_a_flush_after_an_add_that_was_killed_before_its_record_was_durable() {
    survives("flush after an ADD that was killed before its record was durable", &[], |calls| {
        calls.add("neighbour");
        // Of its intent and of that one's name, of its record, of the address's name: the next is that of the record's name.
        calls.killed("ADD", "a", "fsync", 5);
        calls.flush();
    });
}

fn of_an_add_that_gives_back_what_it_got() {
    survives("an ADD that gives back what it got", &[("timeoutSeconds", json!(2))], |calls| {
        calls.add("neighbour");
        calls.node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(Effect::Garbage));
        calls.node.cloud.inject(Fault::code("Forbidden.RAM").action("AssignPrivateIpAddresses").times(1));
        calls.failing_add("a");
        calls.node.cloud.clear_faults();
        calls.flush();
    });
}

fn of_a_release_whose_outcome_nobody_saw() {
    survives("a release whose outcome nobody saw", &[], |calls| {
        calls.add("a");
        calls.add("b");
        calls.node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").times(1).effect(Effect::DropAfter));
        calls.del("a");
        calls.add("c");
        calls.del("b");
    });
}

fn of_an_address_that_is_handed_out_while_its_release_is_pending() {
    survives("an address that is handed out while its release is pending", &[], |calls| {
        calls.add("a");
        calls.node.cloud.inject(Fault::code("Forbidden.RAM").action("UnassignPrivateIpAddresses").times(1));
        calls.del("a");
        calls.add("b");
        calls.del("b");
        calls.flush();
    });
}

fn of_a_leader_that_releases_for_killed_dels() {
    survives("a leader that releases for killed DELs", &[], |calls| {
        for pod in ["a", "b", "c"] {
            calls.add(pod);
        }
        calls.killed("DEL", "a", "flock", 2);
        calls.killed("DEL", "b", "recvfrom", 1);
        calls.del("c");
        calls.flush();
    });
}

fn of_a_del_that_was_killed_before_its_move_was_durable() {
    survives("a DEL that was killed before its move was durable", &[], |calls| {
        calls.add("a");
        calls.add("b");
        calls.killed("DEL", "a", "fsync", 1);
        calls.del("b");
        calls.flush();
    });
}

fn of_a_flush_after_a_del_that_was_killed_before_its_move_was_durable() {
    survives("flush after a DEL that was killed before its move was durable", &[], |calls| {
        calls.add("a");
        calls.killed("DEL", "a", "fsync", 1);
        calls.flush();
    });
}

fn of_a_del_after_a_del_that_was_killed_before_its_move_was_durable() {
    survives("the same pod's DEL after one that was killed before its move was durable", &[], |calls| {
        calls.add("a");
        calls.killed("DEL", "a", "fsync", 1);
        calls.del("a");
    });
}

/// The new record takes the name that the old one had in `active/`.
fn of_an_add_after_a_del_that_was_killed_before_its_move_was_durable() {
    survives("the same pod's ADD after a DEL that was killed before its move was durable", &[], |calls| {
        calls.add("a");
        calls.killed("DEL", "a", "fsync", 1);
        calls.add("a");
        calls.del("a");
    });
}

/// Where the machine has just booted as well, the flush has nothing to do.
fn of_an_add_after_a_reboot_and_of_a_flush() {
    survives("an ADD after a reboot, and a flush", &[("ipv6", json!(true))], |calls| {
        for pod in ["a", "b"] {
            calls.add(pod);
        }
        calls.reboot(&["a", "b"]);
        calls.add("a");
        calls.command(&["b"], &["flush"]);
        calls.del("a");
    });
}

fn of_an_add_that_its_del_comes_for() {
    survives("an ADD that its DEL comes for", &[], |calls| {
        calls.add(NEIGHBOUR);
        calls.add_with_its_del("a");
        calls.add("b");
    });
}

fn of_an_add_of_both_families_that_its_del_comes_for() {
    survives("an ADD of both families that its DEL comes for", &[("ipv6", json!(true))], |calls| {
        calls.add(NEIGHBOUR);
        calls.add_with_its_del("a");
    });
}

fn of_an_add_whose_result_nobody_reads() {
    survives("an ADD whose result nobody reads", &[], |calls| {
        calls.add(NEIGHBOUR);
        calls.unread_add("a");
        calls.add("b");
    });
}

fn of_a_gc_of_pods_and_of_what_killed_calls_left() {
    survives("GC of a pod and of what killed calls left", &[("gcGraceSeconds", json!(0))], |calls| {
        for pod in [NEIGHBOUR, "a", "b"] {
            calls.add(pod);
        }
        calls.killed("DEL", "a", "fsync", 1);
        calls.killed("ADD", "c", "recvfrom", 1);
        calls.gc(&["b", "c"]);
    });
}

fn of_a_release_by_the_operator() {
    survives("release by the operator", &[], |calls| {
        calls.add(NEIGHBOUR);
        calls.add("a");
        calls.command(&["a"], &["release", "192.168.0.2", "--yes"]);
        calls.add("b");
    });
}

fn of_a_reconcile() {
    survives("reconcile with an orphan and a killed ADD", &[], |calls| {
        calls.put_orphan();
        calls.add(NEIGHBOUR);
        calls.killed("ADD", "a", "recvfrom", 1);
        calls.command(&[], &["reconcile", "--release-orphans", "--yes"]);
    });
}

fn of_an_adoption() {
    survives("a pod whose record is made again, and its DEL", &[], |calls| {
        calls.put_orphan();
        calls.remember(ADOPTED, ORPHAN);
        calls.add(NEIGHBOUR);
        calls.command(&[], &["reconcile", "--adopt"]);
        calls.del(ADOPTED);
    });
}

fn of_an_add_that_was_killed_before_the_store_was_durable() {
    survives("an ADD that was killed before the store was durable, and the next one", &[], |calls| {
        calls.killed("ADD", "a", "fsync", 1);
        calls.add("b");
    });
}

/// The test shown to fail: without certain calls to `fsync` the same recording must break a promise.
pub(crate) mod without {
    use super::{Event, Need, Path, Recording, broken, power_cuts};

    harness::tests! {
        needs [Need::Strace]:
            the_fsync_of_a_record_it_is_lost,
            the_fsync_of_the_records_directory_it_is_lost,
            the_fsync_of_an_intent_the_address_is_lost,
            the_fsync_of_the_intents_directory_the_address_is_lost,
            the_fdatasync_of_a_request_the_address_is_lost,
            the_fsync_of_the_store_all_is_lost,
            the_fsync_of_where_a_record_moves_to_it_is_lost,
            the_fsync_of_where_a_record_moves_from_a_released_address_stays_in_use;
    }

    /// Whether the model finds a broken promise when `dropped` events of the last call do not take place.
    fn fails(history: fn(&mut Recording), dropped: fn(&Event) -> bool) {
        fails_with(&[], history, dropped);
    }

    /// The same with these settings changed.
    pub(crate) fn fails_with(
        settings: &[(&str, serde_json::Value)],
        history: fn(&mut Recording),
        dropped: fn(&Event) -> bool,
    ) {
        let mut recording = Recording::new(settings);
        history(&mut recording);
        let clouds = recording.clouds();
        let find = |events: &[Event]| power_cuts(events, &clouds).iter().find_map(broken);
        let whole = recording.events;
        assert_eq!(find(&whole), None, "with every fsync in place");
        let last = whole.iter().rposition(|event| matches!(event, Event::Begin(_))).expect("a call");
        let (before, last) = whole.split_at(last);
        let left =
            [before, &last.iter().filter(|event| !dropped(event)).cloned().collect::<Vec<_>>()].concat();
        assert!(left.len() < whole.len(), "there was something to leave out");
        let Some(why) = find(&left) else { panic!("it does not matter") };
        println!("{} of {} events left out: {why}", whole.len() - left.len(), whole.len());
    }

    fn add(calls: &mut Recording) {
        calls.add("a");
    }

    fn add_and_del(calls: &mut Recording) {
        calls.add("a");
        calls.del("a");
    }

    pub(crate) fn syncs(event: &Event, what: &str) -> bool {
        matches!(event, Event::Sync { path, .. } if path == Path::new(what))
    }

    pub(crate) fn syncs_a_file_in(event: &Event, directory: &str) -> bool {
        matches!(event, Event::Sync { path, data: false, .. } if path.parent() == Some(Path::new(directory)))
    }

    fn the_fsync_of_a_record_it_is_lost() {
        fails(add, |event| syncs_a_file_in(event, "store/active"));
    }

    fn the_fsync_of_the_records_directory_it_is_lost() {
        fails(add, |event| syncs(event, "store/active"));
    }

    fn the_fsync_of_an_intent_the_address_is_lost() {
        fails(add, |event| syncs_a_file_in(event, "store/assigning"));
    }

    fn the_fsync_of_the_intents_directory_the_address_is_lost() {
        fails(add, |event| syncs(event, "store/assigning"));
    }

    fn the_fdatasync_of_a_request_the_address_is_lost() {
        fails(add, |event| matches!(event, Event::Sync { data: true, .. }));
    }

    fn the_fsync_of_the_store_all_is_lost() {
        fails(add, |event| syncs(event, "store"));
    }

    fn the_fsync_of_where_a_record_moves_to_it_is_lost() {
        fails(add_and_del, |event| syncs(event, "store/releasing"));
    }

    fn the_fsync_of_where_a_record_moves_from_a_released_address_stays_in_use() {
        fails(add_and_del, |event| syncs(event, "store/active"));
    }
}
