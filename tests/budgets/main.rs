//! What a call may cost in system calls, fsyncs, opened files and instructions, and how large the binary may be.
//! `budgets.txt` has the budgets. A change that costs more either becomes cheaper, or raises its budget there and says why.
//!
//! Only the release binary shows what users pay: `BUDGETS_BINARY` has its path, and without it nothing is measured. With
//! `BUDGETS_TESTS=required` a test that cannot run fails instead of being ignored.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "figures are printed")]

mod budget;
mod calls;
mod figure;
mod measure;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run_suite("BUDGETS_TESTS", [budget::tests(), measure::tests()])
}
