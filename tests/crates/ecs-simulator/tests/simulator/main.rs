//! The simulator as its clients see it: over sockets.

#![expect(clippy::unwrap_used, reason = "in a test, whatever cannot be unwrapped is a failure")]

mod addresses;
mod client;
mod concurrency;
mod control;
mod describe;
mod faults;
mod metadata;
mod program;
mod signatures;
mod sts;
mod tls;
