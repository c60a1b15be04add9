//! What any call may answer, whatever it was given.

use std::time::Duration;

use harness::{Answer, Calling};
use serde_json::Value;

/// A call that takes longer hangs: its own time ends after two seconds at most.
pub(crate) const HANGS: Duration = Duration::from_mins(1);

/// A plugin that would read without end stops here: it needs a tenth of that.
const MEMORY: &str = "--as=1073741824";

/// Makes a call, bounded in time and memory, and expects an answer that a runtime can do something with.
pub(crate) fn make(call: Calling<'_>) -> Answer {
    let answer = call.under("prlimit", &[MEMORY.to_owned()]).run_within(HANGS);
    judge(&answer);
    answer
}

/// Expects a result or nothing from a call that succeeds, and one error document from one that fails: with a code and
/// without the words that make containerd forget a pod, and not that of a defect.
fn judge(answer: &Answer) {
    let panicked = answer.stderr().contains("panicked")
        || answer.stdout().contains("internal error: a bug in the plugin");
    if panicked {
        answer.fail("no panic");
    }
    if answer.status() != 0 {
        let _ = answer.any_error();
    } else if !answer.stdout().is_empty()
        && !matches!(answer.json(), Value::Object(it) if !it.contains_key("code"))
    {
        answer.fail("a result, or nothing");
    }
}

/// Expects that an operator's command ends, and says why where it fails.
pub(crate) fn command(call: Calling<'_>) -> Answer {
    let answer = call.under("prlimit", &[MEMORY.to_owned()]).run_within(HANGS);
    let why = answer.stderr();
    if why.contains("panicked") || !(0..=1).contains(&answer.status()) {
        answer.fail("the end of a command");
    }
    answer
}
