//! Real container runtimes against CNI plugins: containerd by way of CRI, as kubelet uses it, by way of
//! `ctr`, and libcni alone. `tests/runtime/setup` installs what they need; without it, or without root, these
//! tests are skipped with one line that says so. With `RUNTIME_TESTS=required` they fail instead.

#![allow(clippy::expect_used, reason = "clippy.toml allows it in tests, but sees only #[test] functions")]

mod containerd;
mod harness;
mod isolation;
mod libcni;
mod tools;
mod wrapper;
