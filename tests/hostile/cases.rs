//! How many cases are tried, and from which random numbers.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fmt::Debug;
use std::hash::BuildHasher;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Tries a property on `count` generated cases, times `HOSTILE_CASES`. The property panics where it does not hold, and
/// returns how many executions the case came to; their sum is printed.
pub(crate) fn survive<S: Strategy>(what: &str, count: u32, cases: &S, property: impl Fn(S::Value) -> usize)
where
    S::Value: Debug,
{
    let times =
        std::env::var("HOSTILE_CASES").map_or(1, |times| times.parse().expect("HOSTILE_CASES is a number"));
    let from_environment = Config::default();
    let seed = match from_environment.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(what),
    };
    let config = Config {
        cases: count.saturating_mul(times),
        failure_persistence: None,
        // A smaller case is nice to have, and each step towards it costs as much as the case.
        max_shrink_iters: 100,
        max_shrink_time: 30_000,
        rng_seed: RngSeed::Fixed(seed),
        ..from_environment
    };
    let executions = Cell::new(0);
    let outcome = TestRunner::new(config).run(cases, |case| {
        executions.set(executions.get() + property(case));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{what}, with PROPTEST_RNG_SEED={seed}: {failure}");
    }
    println!("hostile: {} {what} survived", executions.get());
}
