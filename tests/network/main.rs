//! Who reaches whom: nodes, their pods and hosts elsewhere in an emulated VPC, with the real `ptp` and `portmap`, this plugin and its
//! simulated cloud. Everything is in network namespaces. What is missing here is reported as ignored, with the reason; with
//! `NETWORK_TESTS=required` it fails instead, and the whole matrix is run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "what arrived is printed, and not only judged")]

mod another_network;
mod cluster;
mod figures;
mod filter;
mod inventory;
mod matrix;
mod node;
mod parts;
mod place;
mod pod;
mod probe;
mod repair;
mod runtime;
mod services;
mod setup;
mod vpc;
mod vpc_filter;
mod ways;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut modules = vec![filter::tests(), matrix::tests(), parts::tests(), repair::tests()];
    // They judge nothing, so nobody waits for them who has not asked for them.
    if env::var_os("NETWORK_FIGURES").is_some() {
        modules.push(figures::tests());
    }
    harness::run_suite("NETWORK_TESTS", modules)
}
