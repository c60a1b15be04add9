//! The plugin as runtimes and people meet it, like the suite `plugin`, where a test needs what not every machine has: root,
//! network namespaces, `strace`, or another plugin to compare with. What is missing is reported as ignored, with the reason;
//! with `PEERS_TESTS=required` it fails instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alerts;
mod chained;
mod churn;
mod claim;
mod disk;
mod doctor;
mod earlier_boot;
mod eni_link;
mod growth;
mod host_local;
mod interfaces;
mod journal;
mod late_delivery;
mod metrics;
mod network;
mod owner;
mod routes_command;
mod several_enis;

use std::process::ExitCode;

use harness::Node;

fn main() -> ExitCode {
    harness::run_suite(
        "PEERS_TESTS",
        [
            alerts::tests(),
            chained::tests(),
            churn::tests(),
            claim::tests(),
            disk::tests(),
            doctor::tests(),
            eni_link::tests(),
            earlier_boot::tests(),
            growth::tests(),
            host_local::tests(),
            interfaces::tests(),
            journal::tests(),
            late_delivery::tests(),
            metrics::tests(),
            owner::tests(),
            routes_command::tests(),
            several_enis::tests(),
        ],
    )
}

/// A node with the plugin under test.
fn node() -> Node {
    Node::new(harness::plugin!())
}
