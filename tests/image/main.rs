//! The plugin comes to a node and leaves it: `install`, `uninstall` and `flush --every` as a person runs them, and the container image
//! with the manifests of packaging/kubernetes, run by a real containerd. What is missing is reported as ignored, with the reason;
//! with `IMAGE_TESTS=required` it fails instead.
//!
//! The suite runs in a network namespace of its own, because `uninstall` removes the plugin's rules and routes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the counts are what these tests are run for")]

mod container;
#[path = "../runtime/containerd.rs"]
#[allow(dead_code, reason = "the suite `runtime` uses the rest")]
mod containerd;
mod every;
mod host;
mod installing;
#[path = "../runtime/isolation.rs"]
#[allow(dead_code, reason = "the suite `runtime` uses the rest")]
mod isolation;
mod kills;
mod manifests;
mod pid_namespace;
mod removing;
#[path = "../runtime/tools.rs"]
#[allow(dead_code, reason = "the suite `runtime` uses the rest")]
mod tools;

use std::env;
use std::process::{Command, ExitCode};

/// Set where the suite is in its own network namespace.
const INSIDE: &str = "IMAGE_TESTS_INSIDE";

fn main() -> ExitCode {
    if env::var_os(INSIDE).is_none() && can_have_own_network() {
        return in_own_network();
    }
    let modules = [
        container::tests(),
        every::tests(),
        installing::tests(),
        kills::tests(),
        manifests::tests(),
        pid_namespace::tests(),
        removing::tests(),
    ];
    harness::run_suite("IMAGE_TESTS", modules)
}

fn can_have_own_network() -> bool {
    harness::Need::NetworkNamespaces.missing().is_none()
}

fn in_own_network() -> ExitCode {
    let this = env::current_exe().expect("this program has a path");
    let script = "ip link set lo up && echo 1 >/proc/sys/net/ipv4/ip_forward && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", script]).arg(this).args(env::args_os().skip(1)).env(INSIDE, "1");
    let status = command.status().expect("unshare can be run");
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
