//! Input that nobody honest gives: generated, thrown at the real binary and at the library's client over real sockets.
//! No input may panic it, hang it, fill its memory, or make it lose an address.
//!
//! `HOSTILE_CASES=20` makes each test try twenty times as many cases. Each run makes other cases. A failure ends with the
//! command that makes the same cases again: `PROPTEST_RNG_SEED` is the seed of their random numbers. A case that is rare
//! becomes a test of its own, beside the generated one.

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
