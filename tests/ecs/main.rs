//! The ECS client against the simulator: each module is about one thing that callers rely on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod actions;
mod cache;
mod codes;
mod credentials;
mod failures;
mod freshness;
mod metadata;
mod proxy;
mod secrets;
mod setup;
mod tls;
