//! Real container runtimes against CNI plugins: containerd by way of CRI, as kubelet uses it, by way of
//! `ctr`, and libcni alone. `tests/runtime/setup` installs what they need; without it, or without root, these
//! tests are ignored, with the reason. With `RUNTIME_TESTS=required` they fail instead.
//!
//! `self_check` shows with a standard IPAM plugin that the harness works. The other modules are about the plugin
//! under test: a [`stage::Stage`] has it, a simulated cloud and a containerd.

#![allow(clippy::expect_used, reason = "clippy.toml allows it in tests, but sees only #[test] functions")]

mod changes;
#[allow(dead_code, reason = "the suite `image` uses the rest")]
mod containerd;
mod crashes;
mod failures;
mod isolation;
mod libcni;
mod lost_store;
mod on_call;
mod outage;
mod pods;
mod secondary;
mod self_check;
mod slow;
mod stage;
mod tools;
mod wrapper;

use std::process::ExitCode;

fn main() -> ExitCode {
    let modules = [
        changes::tests(),
        crashes::tests(),
        failures::tests(),
        lost_store::tests(),
        on_call::tests(),
        outage::tests(),
        pods::tests(),
        secondary::tests(),
        self_check::tests(),
        slow::tests(),
    ];
    harness::run_suite("RUNTIME_TESTS", modules)
}
