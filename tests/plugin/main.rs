//! The plugin as runtimes and people meet it: the real binary, real files, real locks, and a cloud on real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test that cannot run here says so")]

mod add;
mod another_node;
mod answers;
mod behind_its_back;
mod del;
mod doctor;
mod examples;
mod figures;
mod gc;
mod hostile;
mod layers;
mod metrics;
mod operator;
mod protocol;
mod race;
mod reconcile;
mod release;
mod status;

use std::thread;
use std::time::{Duration, Instant};

use harness::{Node, World};

/// A node with the plugin under test.
fn node() -> Node {
    Node::new(env!("CARGO_BIN_EXE_aliyun-eni-ipam"))
}

/// The same in a world of the test's own.
fn node_in(world: World) -> Node {
    Node::in_world(env!("CARGO_BIN_EXE_aliyun-eni-ipam"), world)
}

/// Waits for something that is bound to happen; how long it takes is no matter.
#[track_caller]
fn eventually(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came to be that {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
