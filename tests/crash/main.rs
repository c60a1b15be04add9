//! Nothing is ever lost: the plugin is killed at every system call, has every file operation fail once, has every one from a moment on fail, has its writes cut
//! short at every byte, and loses its power at every moment, and each time what is left must keep the two promises of
//! [`checks`].
//!
//! One command each, with the counts printed:
//! ```text
//! cargo test --test crash kill_points -- --nocapture
//! cargo test --test crash failing_calls -- --nocapture
//! cargo test --test crash short_writes -- --nocapture
//! cargo test --test crash power_cuts -- --nocapture
//! ```
//! What concerns the reserve, requests for several addresses and several ENIs is in [`reserve`], and the calls that change rules
//! and routes are in [`routes`], with the same names of tests. The latter need root and network namespaces as well.
//!
//! They need `strace` and the right to trace. Without, they are ignored, with the reason. Every seventh point is tried; with
//! `CRASH_TESTS=required` all are, and what is ignored otherwise fails.

#![allow(clippy::expect_used, reason = "clippy.toml allows it in tests, but sees only #[test] functions")]
#![allow(clippy::print_stdout, reason = "the counts are what these tests are run for")]

mod aftermath;
mod checks;
mod course;
mod disk;
mod failing_calls;
mod kill_points;
mod moment;
mod outcome;
mod power_cuts;
mod recording;
mod reserve;
mod routes;
mod scenario;
mod short_writes;
mod situations;
mod tracer;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Power cuts are made of what strace has seen, so no disk takes part in them.
    harness::keep_files_in_memory();
    let modules = [
        failing_calls::tests(),
        failing_calls::lasting::tests(),
        kill_points::tests(),
        moment::tests(),
        power_cuts::tests(),
        power_cuts::without::tests(),
        reserve::failing_calls::tests(),
        reserve::interleaved::tests(),
        reserve::kill_points::tests(),
        reserve::lasting::tests(),
        reserve::power_cuts::tests(),
        reserve::power_cuts::without::tests(),
        routes::failing_calls::tests(),
        routes::kill_points::tests(),
        short_writes::tests(),
    ];
    harness::run_suite("CRASH_TESTS", modules)
}
