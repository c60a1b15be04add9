//! A wall clock that is set: nothing that is to hold for a minute ends at once, and nothing holds for hours.
//!
//! The tests cannot set the clock. They change what the store's files say, as if they had been written before it was set.

use std::fs;
use std::time::Duration;

use harness::simulator::AddressPolicy;
use harness::{Effect, Fault, Node, World};
use serde_json::Value;

use crate::{eventually, node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

const HOUR: Duration = Duration::from_hours(1);

/// How moments in the store differ from those of the present clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// An hour behind: the clock was set forward since.
    Behind,
    /// An hour ahead: the clock was set back since.
    Ahead,
}

/// Changes each text of the store's files that is the value of a key.
fn rewrite(node: &Node, change: impl Fn(&str, &str) -> String) {
    for directory in ["assigning", "active", "releasing", "eni"] {
        for entry in fs::read_dir(node.store().join(directory)).into_iter().flatten().flatten() {
            let text = without_digest(&fs::read_to_string(entry.path()).unwrap());
            let mut parts: Vec<String> = text.split('"').map(str::to_owned).collect();
            for value in
                (3..parts.len()).step_by(2).filter(|value| parts[value - 1] == ":").collect::<Vec<_>>()
            {
                parts[value] = change(&parts[value - 2], &parts[value]);
            }
            // In place, because an address leads to its record by a second name of the file.
            fs::write(entry.path(), parts.join("\"")).unwrap();
        }
    }
}

/// The record as it is without its digest, which would not match what it says any more.
fn without_digest(text: &str) -> String {
    match text.split_once(",\"digest\":\"") {
        Some((document, _)) => document.to_owned() + "}\n",
        None => text.to_owned(),
    }
}

fn moved(moment: &str, written: Written) -> String {
    match (humantime::parse_rfc3339(moment), written) {
        (Ok(moment), Written::Behind) => humantime::format_rfc3339_millis(moment - HOUR).to_string(),
        (Ok(moment), Written::Ahead) => humantime::format_rfc3339_millis(moment + HOUR).to_string(),
        (Err(_), _) => moment.to_owned(),
    }
}

/// Makes it so that the clock was set since the store was written.
fn set_clock(node: &Node, written: Written) {
    rewrite(node, |_, value| moved(value, written));
}

/// Makes it so that an hour has passed since.
fn let_an_hour_pass(node: &Node) {
    let is_clock = |key: &str| key == "bootBegan";
    rewrite(node, |key, value| if is_clock(key) { value.to_owned() } else { moved(value, Written::Behind) });
}

/// Makes it so that the store was written by a version that did not say by which clock.
fn forget_clocks(node: &Node) {
    for directory in ["assigning", "active", "releasing", "eni"] {
        for entry in fs::read_dir(node.store().join(directory)).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap();
            if let Ok(mut document) = serde_json::from_str::<Value>(&text) {
                for key in ["clock", "digest"] {
                    document.as_object_mut().unwrap().remove(key);
                }
                fs::write(entry.path(), document.to_string() + "\n").unwrap();
            }
        }
    }
}

/// A node with the request of a killed ADD in doubt, which ECS refuses to answer again for now: an earlier copy of it may
/// still take effect.
fn with_request_in_doubt() -> Node {
    let node = node().with("timeoutSeconds", 3);
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::Stall));
    let add = node.call("ADD", "c0").start();
    eventually("the request is under way", || node.cloud.count(ASSIGN) > 0);
    add.kill();
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    node.del("c0").ok();
    assert_eq!(node.counts(), [0, 0, 1, 0], "{}", node.scene());
    node
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_request_be_repeated_again_and_again() {
    for says_its_clock in [true, false] {
        let node = with_request_in_doubt();
        if !says_its_clock {
            forget_clocks(&node);
        }
        set_clock(&node, Written::Ahead);
        node.cloud.clear_ledger();
        assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
        node.del("c0").ok();
        assert!(node.cloud.count(ASSIGN) <= 3, "{} requests", node.cloud.count(ASSIGN));
        assert_eq!(node.counts(), [0, 0, 1, 0], "it is still in doubt\n{}", node.scene());
        // And not for longer than it would have been.
        let_an_hour_pass(&node);
        assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
        assert!(node.records().is_empty(), "{}", node.scene());
    }
}

#[test]
fn an_address_in_doubt_stays_so_when_the_clock_is_set_forward() {
    let world = World::single_node().with_policy(AddressPolicy::LowestFree);
    let node = node_in(world).with("timeoutSeconds", 5);
    let address = node.add("c0").address();
    // The first request is on its way for long, and the second one releases the address.
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::Late(Duration::ZERO)));
    node.cloud.hold_late();
    node.del("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
    set_clock(&node, Written::Behind);
    // ECS hands out the same address first.
    let next = node.add("c1").address();
    node.cloud.let_go();
    eventually("the late request has been carried out", || {
        node.cloud
            .ledger()
            .iter()
            .filter(|entry| entry.action == UNASSIGN && entry.ended_ms.is_some())
            .count()
            >= 2
    });
    assert_ne!(next, address, "{}", node.scene());
    assert!(node.on_eni().contains(&next), "{}", node.scene());
}

#[test]
fn a_request_in_doubt_stays_so_when_the_clock_is_set_forward() {
    let node = with_request_in_doubt();
    set_clock(&node, Written::Behind);
    assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
    assert_eq!(node.counts(), [0, 0, 1, 0], "an earlier copy can still take effect\n{}", node.scene());
}
