//! The plugin as runtimes and people meet it, like the suite `plugin`, where a test needs what not every machine has: root,
//! `strace`, or another plugin to compare with. What is missing is reported as ignored, with the reason; with
//! `PEERS_TESTS=required` it fails instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod claim;
mod host_local;
mod metrics;
mod owner;

use std::process::ExitCode;

use harness::Node;

fn main() -> ExitCode {
    harness::run_suite("PEERS_TESTS", [claim::tests(), host_local::tests(), metrics::tests(), owner::tests()])
}

/// A node with the plugin under test.
fn node() -> Node {
    Node::new(env!("CARGO_BIN_EXE_aliyun-eni-ipam"))
}
