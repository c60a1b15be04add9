//! The protocol, at the real binary: what a runtime may send, and what it is answered.

mod attachments;
mod documents;
mod environment;
mod keys;
mod output;
mod requested;
mod stdin;
mod system;
mod table;
mod versions;
mod wording;

pub(crate) use keys::wrong_values;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use harness::{Answer, Node};
use serde_json::{Value, json};

/// The operations that are about one attachment.
const OF_ONE: [&str; 3] = ["ADD", "DEL", "CHECK"];

/// The operations that are about a network or about nothing.
const OF_ALL: [&str; 3] = ["STATUS", "GC", "VERSION"];

/// Expects exactly this error, and a failure.
#[track_caller]
fn expect_error(answer: &Answer, expected: &Value) {
    let _ = answer.any_error();
    if answer.json() != *expected {
        answer.fail(&expected.to_string());
    }
}

/// An error document, `details` left out where they are empty; `version` where the call's is known.
fn error(version: Option<&str>, code: u32, msg: &str, details: &str) -> Value {
    let mut document = json!({"code": code, "msg": msg});
    for (key, value) in [("cniVersion", version.unwrap_or_default()), ("details", details)] {
        if !value.is_empty() {
            document[key] = value.into();
        }
    }
    document
}

/// Does the work for each of the `items`, several at a time, because most of it is waiting.
fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// Expects that no address is on the ENI without being recorded, and that after `flush` none is there that no pod has.
#[track_caller]
fn expect_nothing_lost(node: &Node) {
    assert!(node.on_eni().is_subset(&node.recorded()), "an address is lost\n{}", node.scene());
    // As long as a request stays in doubt.
    node.let_time_pass(Duration::from_mins(3));
    let flushed = node.operator(&["flush"]);
    if flushed.status() != 0 || node.counts()[2] != 0 {
        flushed.fail("that everything can be released");
    }
    assert_eq!(node.on_eni(), node.recorded(), "{}", node.scene());
}
