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

/// A directory of many names is read in several calls, and how memory is had for them depends on the C library.
const OF_SIZE: [&str; 6] = ["getdents", "brk(", "mmap(", "munmap(", "mremap(", "madvise("];

fn node_among((active, reserved): (usize, usize)) -> Node {
    let node = node();
    node.crowd(active, reserved);
    node
}

/// How many system calls a DEL makes whose network keeps so many addresses in the reserve.
fn system_calls(node: &Node, reserve: usize) -> usize {
    let trace = node.directory().join("trace");
    let strace = ["-f", "-qq", "-e", "signal=none", "-o", &trace.display().to_string()].map(str::to_owned);
    let keeping = |config: &mut serde_json::Value| config["ipam"]["reserve"] = reserve.into();
    let once = |_| {
        let _ = node.add("measured").address();
        node.call("DEL", "measured").config(keeping).under("strace", &strace).run().ok();
        let lines = fs::read_to_string(&trace).unwrap();
        // One that was interrupted in the trace has a second line.
        let is_counted =
            |line: &&str| !line.contains("<... ") && !OF_SIZE.iter().any(|name| line.contains(name));
        lines.lines().filter(is_counted).count()
    };
    // The least of several, because an answer may arrive in two parts.
    (0..5).map(once).min().unwrap()
}

fn a_del_among_many_records_makes_no_more_system_calls_than_among_few() {
    let few = system_calls(&node_among(FEW), 0);
    let among_many = node_among(MANY);
    // Where others keep so many, a DEL unassigns whatever its own network keeps.
    for reserve in [0, 10] {
        let many = system_calls(&among_many, reserve);
        assert!(many * 10 <= few * 11, "reserve {reserve}: {few} among few, {many} among many");
    }
}
