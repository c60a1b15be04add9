//! The Debian package: what is in it, what Debian's tools say of it, and what a fresh Debian with a real containerd becomes
//! when it is installed, upgraded, removed and purged. `tests/package/setup` makes what these tests need, and
//! `DEBIAN_PACKAGE` names the package; without them, or without root, the tests are ignored, with the reason. With
//! `PACKAGE_TESTS=required` they fail instead.

#![allow(clippy::expect_used, reason = "clippy.toml allows it in tests, but sees only #[test] functions")]
#![allow(clippy::print_stdout, reason = "the counts are what these tests are run for")]

mod contents;
mod debian;
mod installed;
mod load;
mod node;
mod package;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run_suite("PACKAGE_TESTS", [contents::tests(), installed::tests(), node::tests()])
}
