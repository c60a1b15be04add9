//! A suite whose tests state what they need of the machine: where that is missing they are reported as ignored, with the
//! reason, and never as passed.
//!
//! Such a suite has `harness = false` in Cargo.toml, a [`tests!`](crate::tests) in each module and this `main`:
//! ```no_run
//! # mod pods { pub fn tests() -> Vec<harness::Test> { Vec::new() } }
//! # use std::process::ExitCode;
//! fn main() -> ExitCode {
//!     harness::run_suite("RUNTIME_TESTS", [pods::tests()])
//! }
//! ```
//! Its command line is libtest's: filters, `--list`, `--test-threads` and so on. Output is not captured, so `--nocapture`
//! changes nothing. cargo-nextest, which asks for the list first, shows what is missing as skipped.

use std::env;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Conclusion, Trial};

use crate::Need;

/// A test and what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    name: &'static str,
    needs: &'static [Need],
    run: fn(),
}

impl Test {
    /// The test `run`; `path` is its path with that of the crate.
    #[must_use]
    pub const fn new(path: &'static str, needs: &'static [Need], run: fn()) -> Self {
        Self { name: path, needs, run }
    }

    /// Its path within the suite.
    fn name(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, name)| name)
    }

    /// Whether all that is missing here could be installed.
    fn could_run(&self) -> bool {
        self.needs.iter().filter(|need| need.missing().is_some()).all(|need| need.can_be_installed())
    }

    /// All that it needs and that is missing here; `None` where nothing is.
    fn missing(&self) -> Option<String> {
        let missing: Vec<_> = self.needs.iter().filter_map(|need| need.missing()).collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}

/// The function `tests` of a module: its tests, by what they need.
///
/// A test that is not named here is dead code, of which the compiler warns.
/// ```
/// # mod some { use harness::Need;
/// harness::tests! {
///     needs [Need::Root, Need::Strace]: a_traced_call_is_slow;
///     needs []: a_call_is_fast;
/// }
///
/// fn a_traced_call_is_slow() {}
///
/// fn a_call_is_fast() {}
/// # }
/// ```
#[macro_export]
macro_rules! tests {
    ($(needs [$($need:expr),* $(,)?]: $($name:ident),+ $(,)?;)+) => {
        /// The tests of this module.
        pub(crate) fn tests() -> Vec<$crate::Test> {
            let mut tests = Vec::new();
            $({
                const NEEDS: &[$crate::Need] = &[$($need),*];
                $(
                    let path = concat!(module_path!(), "::", stringify!($name));
                    tests.push($crate::Test::new(path, NEEDS, $name));
                )+
            })+
            tests
        }
    };
}

/// Runs a suite. Where the environment's `variable` is `required`, a test whose needs are not met fails instead of being
/// ignored, unless only another kernel could meet them; one that is asked for with `--ignored` or `--include-ignored` fails
/// in any case.
#[must_use]
pub fn run_suite(variable: &str, modules: impl IntoIterator<Item = Vec<Test>>) -> ExitCode {
    let required = env::var_os(variable).is_some_and(|value| value == "required");
    run(&Arguments::from_args(), required, modules.into_iter().flatten()).exit_code()
}

fn run(arguments: &Arguments, required: bool, tests: impl Iterator<Item = Test>) -> Conclusion {
    let asked_for = arguments.ignored || arguments.include_ignored;
    let trial = |test: Test| {
        let trial = Trial::ignorable_test(test.name(), move || match test.missing() {
            None => {
                (test.run)();
                Ok(Completion::Completed)
            }
            Some(why) if asked_for || (required && test.could_run()) => Err(why.into()),
            Some(why) => Ok(Completion::ignored_with(why)),
        });
        // Only a list needs to know before the test is run.
        let listed = arguments.list || arguments.ignored;
        trial.with_ignored_flag(listed && !required && test.missing().is_some())
    };
    libtest_mimic::run(arguments, tests.map(trial).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes() {}

    fn cannot_run_here() {
        panic!("it has been run");
    }

    /// How many tests have passed, have failed and were ignored.
    fn counts(arguments: &[&str], required: bool) -> [u64; 3] {
        let arguments = Arguments::from_iter([&["suite", "--logfile=/dev/null"], arguments].concat());
        let tests = [
            Test::new("suite::passes", &[], passes),
            Test::new("suite::cannot_run_here", &[Need::Unicorn], cannot_run_here),
        ];
        let Conclusion { num_passed, num_failed, num_ignored, .. } =
            run(&arguments, required, tests.into_iter());
        [num_passed, num_failed, num_ignored]
    }

    #[test]
    fn what_cannot_run_here_is_ignored_and_neither_run_nor_counted_as_passed() {
        assert_eq!(counts(&[], false), [1, 0, 1]);
        assert_eq!(counts(&["cannot_run_here", "--exact"], false), [0, 0, 1]);
    }

    #[test]
    fn what_cannot_run_here_fails_where_it_is_required_or_asked_for() {
        assert_eq!(counts(&[], true), [1, 1, 0]);
        assert_eq!(counts(&["--ignored"], false), [0, 1, 0]);
        assert_eq!(counts(&["--include-ignored"], false), [1, 1, 0]);
    }

    #[test]
    fn what_only_another_kernel_has_is_not_required() {
        let arguments = Arguments::from_iter(["suite", "--logfile=/dev/null"]);
        let tests = [
            Test::new("suite::another_kernel", &[Need::UnicornInTheKernel], cannot_run_here),
            Test::new("suite::both", &[Need::Unicorn, Need::UnicornInTheKernel], cannot_run_here),
        ];
        let conclusion = run(&arguments, true, tests.into_iter());
        assert_eq!((conclusion.num_failed, conclusion.num_ignored), (0, 2));
    }

    #[test]
    fn a_test_goes_by_its_path_within_the_suite() {
        assert_eq!(Test::new("runtime::pods::one", &[], passes).name(), "pods::one");
    }
}
