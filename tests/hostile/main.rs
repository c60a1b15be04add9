//! Input that nobody honest gives: generated, thrown at the real binary and at the library's client over real sockets.
//! No input may panic it, hang it, fill its memory, or make it lose an address.
//!
//! `HOSTILE_CASES=20` makes each test try twenty times as many cases. A failure tells the seed of its random numbers, and
//! `PROPTEST_RNG_SEED=<seed>` makes the same cases again.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "the tests tell how much they have tried")]

mod answers;
mod calls;
mod cases;
mod chained;
mod clouds;
mod cni_cache;
mod http;
mod lengths;
mod metadata;
mod mutated;
mod records;
mod reserve;
mod stage;
mod tree;
mod verdict;
