//! How many cases are tried, and from which random numbers.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fmt::Debug;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

thread_local! {
    /// Whether panics of this thread are printed no more.
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Tries a property on `count` generated cases, times `HOSTILE_CASES`. The property panics where it does not hold, and
/// returns how many executions the case came to; their sum is printed.
pub(crate) fn survive<S: Strategy>(what: &str, count: u32, cases: &S, property: impl Fn(S::Value) -> usize)
where
    S::Value: Debug,
{
    let times =
        std::env::var("HOSTILE_CASES").map_or(1, |times| times.parse().expect("HOSTILE_CASES is a number"));
    let seed = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(what),
    };
    match attempt(count.saturating_mul(times), seed, cases, property) {
        Ok(executions) => println!("hostile: {executions} {what} survived"),
        Err(failure) => {
            // Of a long output the end is seen first, so the command is last, and no backtrace follows: that of the first
            // failure has been printed.
            println!("{what}: {failure}\n{}", command_for_the_same(times, seed));
            resume_unwind(Box::new(failure));
        }
    }
}

/// Tries a property on `count` cases from `seed`: how many executions they came to, or what failed and the input.
fn attempt<S: Strategy>(
    count: u32,
    seed: u64,
    cases: &S,
    property: impl Fn(S::Value) -> usize,
) -> Result<usize, String>
where
    S::Value: Debug,
{
    let config = Config {
        cases: count,
        failure_persistence: None,
        // A smaller case is nice to have, and each step towards it costs as much as the case.
        max_shrink_iters: 100,
        max_shrink_time: 30_000,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let executions = Cell::new(0);
    let outcome = TestRunner::new(config).run(cases, |case| {
        // The first failure is printed with its place. The same a hundred times over, while a smaller case is looked for, would
        // hide it.
        let played = catch_unwind(AssertUnwindSafe(|| property(case))).unwrap_or_else(|failure| {
            silence(true);
            resume_unwind(failure)
        });
        executions.set(executions.get() + played);
        Ok(())
    });
    silence(false);
    outcome.map(|()| executions.get()).map_err(|failure| failure.to_string())
}

/// The command that makes the same cases again.
fn command_for_the_same(times: u32, seed: u64) -> String {
    let name = thread::current().name().filter(|name| name.contains("::")).map(|name| format!(" {name}"));
    let name = name.unwrap_or_default();
    format!("repeat it: HOSTILE_CASES={times} PROPTEST_RNG_SEED={seed} cargo test --test hostile{name}")
}

/// Whether this thread's panics are printed no more. Threads that play a part of its case are silenced like it.
pub(crate) fn is_silent() -> bool {
    SILENT.get()
}

/// Prints panics of this thread no more, or again.
pub(crate) fn silence(silent: bool) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !is_silent() {
                print(panic);
            }
        }));
    });
    SILENT.set(silent);
}

#[test]
fn a_failure_can_be_repeated_by_its_seed() {
    let cases = proptest::num::u64::ANY;
    let first_of = |seed| {
        let first = Cell::new(None);
        attempt(1, seed, &cases, |case| {
            first.set(Some(case));
            1
        })
        .unwrap();
        first.get()
    };
    assert_eq!(first_of(7), first_of(7));
    assert_ne!(first_of(7), first_of(8));
    let failure = attempt(200, 7, &cases, |case| {
        assert!(case < 1_000_000, "it is too large");
        1
    });
    assert!(!is_silent());
    assert_eq!(failure.unwrap_err().trim(), "Test failed: it is too large.\nminimal failing input: 1000000");
    let command = command_for_the_same(20, 7);
    assert!(command.starts_with("repeat it: HOSTILE_CASES=20 PROPTEST_RNG_SEED=7 cargo test"), "{command}");
}
