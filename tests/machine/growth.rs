//! That a DEL costs no more where there is much: system calls are counted, because they repeat, and time does not.

use std::fs;

use harness::{Need, Node};

use crate::node;

harness::tests! {
    needs [Need::Strace]:
        a_del_among_many_records_makes_no_more_system_calls_than_among_few;
}

/// How many active records, and how many addresses in the reserve.
const FEW: (usize, usize) = (10, 10);
const MANY: (usize, usize) = (20_000, 500);

fn node_among((active, reserved): (usize, usize)) -> Node {
    let node = node();
    node.crowd(active, reserved);
    node
}

/// How many system calls a DEL makes that unassigns.
fn system_calls(node: &Node) -> usize {
    let trace = node.directory().join("trace");
    let strace = ["-f", "-qq", "-e", "signal=none", "-o", &trace.display().to_string()].map(str::to_owned);
    let once = |_| {
        let _ = node.add("measured").address();
        node.call("DEL", "measured").under("strace", &strace).run().ok();
        let lines = fs::read_to_string(&trace).unwrap();
        // One that was interrupted in the trace has a second line. A directory of many names is read in several calls.
        lines.lines().filter(|line| !line.contains("<... ") && !line.contains("getdents")).count()
    };
    // The least of several, because an answer may arrive in two parts.
    (0..5).map(once).min().unwrap()
}

fn a_del_among_many_records_makes_no_more_system_calls_than_among_few() {
    let [few, many] = [FEW, MANY].map(|records| system_calls(&node_among(records)));
    assert!(many * 10 <= few * 11, "{few} among few, {many} among many");
}
