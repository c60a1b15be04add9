//! The power goes at every moment of calls that fill the reserve, take from it, put into it and give back.

use harness::{Effect, Fault, Need};
use serde_json::json;

use crate::course::ASSIGN;
use crate::power_cuts::{come_and_go, survives_one_of};
use crate::recording::Recording;
use crate::scenario::{NEIGHBOUR, ONE_OF};

harness::tests! {
    needs [Need::Strace]:
        of_pods_that_come_and_go_with_a_reserve,
        of_pods_with_addresses_of_both_families_and_a_reserve,
        of_an_add_that_was_killed_while_it_took_and_of_its_del,
        of_a_del_that_was_killed_on_its_way_into_the_reserve,
        of_surplus_that_goes_back,
        of_a_request_for_several_that_is_repeated,
        of_an_address_that_makes_room,
        of_a_gc_with_a_reserve;
}

fn survives(name: &str, settings: &[(&str, serde_json::Value)], history: fn(&mut Recording)) {
    survives_one_of(ONE_OF, name, settings, history);
}

fn of_pods_that_come_and_go_with_a_reserve() {
    survives(
        "pods that come and go with a reserve",
        &[("reserve", json!(1)), ("reuseDelaySeconds", json!(0))],
        come_and_go,
    );
}

fn of_pods_with_addresses_of_both_families_and_a_reserve() {
    survives(
        "pods with addresses of both families and a reserve",
        &[("ipv6", json!(true)), ("reserve", json!(1)), ("reuseDelaySeconds", json!(0))],
        |calls| {
            calls.add("a");
            calls.add("b");
            calls.del("a");
        },
    );
}

fn of_an_add_that_was_killed_while_it_took_and_of_its_del() {
    survives(
        "an ADD that was killed before its record was durable, and its DEL",
        &[("reserve", json!(2))],
        |calls| {
            calls.add(NEIGHBOUR);
            // Of its intent and of that one's name, of its record: the next is that of where the record has its name.
            calls.killed("ADD", "a", "fsync", 4);
            calls.del("a");
            calls.add("b");
        },
    );
}

fn of_a_del_that_was_killed_on_its_way_into_the_reserve() {
    survives("a DEL that was killed on its way into the reserve", &[("reserve", json!(2))], |calls| {
        calls.add(NEIGHBOUR);
        calls.add("a");
        // Of the entry and of its name: the next is that of where the record was.
        calls.killed("DEL", "a", "fsync", 3);
        calls.add("b");
        calls.del("b");
    });
}

fn of_surplus_that_goes_back() {
    survives("surplus that goes back", &[("reserve", json!(2))], |calls| {
        calls.add(NEIGHBOUR);
        calls.node.set("reserve", 0);
        calls.add("a");
        calls.flush();
    });
}

fn of_a_request_for_several_that_is_repeated() {
    survives("a request for several that is repeated", &[("reserve", json!(2))], |calls| {
        calls.killed("ADD", "a", "recvfrom", 1);
        calls.add("a");
        calls.node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::DropAfter));
        calls.add("b");
        calls.flush();
    });
}

fn of_an_address_that_makes_room() {
    survives("an address that makes room", &[("reserve", json!(2))], |calls| {
        // The primary address counts.
        calls.node.cloud.with_world(|world| world.quota.ipv4 = 2);
        calls.add("a");
        calls.del("a");
        calls.add("b");
    });
}

fn of_a_gc_with_a_reserve() {
    survives("GC of a pod with a reserve", &[("gcGraceSeconds", json!(0)), ("reserve", json!(2))], |calls| {
        for pod in [NEIGHBOUR, "a"] {
            calls.add(pod);
        }
        calls.killed("ADD", "b", "fsync", 4);
        calls.gc(&["a", "b"]);
    });
}

/// The test shown to fail: without certain calls to `fsync` the same recording must break a promise.
pub(crate) mod without {
    use harness::Need;
    use serde_json::json;

    use crate::power_cuts::without::{fails_with, syncs, syncs_a_file_in};
    use crate::recording::Recording;
    use crate::scenario::NEIGHBOUR;

    harness::tests! {
        needs [Need::Strace]:
            the_fsync_of_an_entry_the_addresses_are_lost,
            the_fsync_of_the_entries_directory_the_addresses_are_lost,
            the_fsync_of_where_an_entry_comes_from_two_pods_have_its_address;
    }

    /// The directory of the entries.
    const RESERVED: &str = "store/reserved/eni-bp1secondary000000001";

    fn filling_add(calls: &mut Recording) {
        calls.add("a");
    }

    fn del(calls: &mut Recording) {
        calls.add(NEIGHBOUR);
        calls.add("a");
        calls.del("a");
    }

    fn the_fsync_of_an_entry_the_addresses_are_lost() {
        fails_with(&[("reserve", json!(1))], filling_add, |event| syncs_a_file_in(event, RESERVED));
    }

    fn the_fsync_of_the_entries_directory_the_addresses_are_lost() {
        fails_with(&[("reserve", json!(1))], filling_add, |event| syncs(event, RESERVED));
    }

    fn the_fsync_of_where_an_entry_comes_from_two_pods_have_its_address() {
        fails_with(&[("reserve", json!(2))], del, |event| syncs(event, "store/active"));
    }
}
