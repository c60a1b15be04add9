//! The person on call does what the commands advise, and no live pod loses its address by it.
//!
//! `tests/plugin/on_call.txt` has what each walk prints, with the exit status and what the ENI has before and after, for
//! people to read. `UPDATE_ON_CALL=1 cargo test --test plugin on_call` writes it anew.

mod walk;
mod walks;

use std::fs;
use std::path::{Path, PathBuf};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/on_call.txt")
}

/// The walks as they were written down.
fn before() -> String {
    fs::read_to_string(path()).unwrap_or_default()
}

#[test]
fn whoever_does_what_the_commands_say_takes_no_address_from_a_live_pod() {
    let walks: Vec<String> = walks::ALL.iter().map(|walk| walk().written()).collect();
    let now = format!(
        "What the person on call sees, and what becomes of the pods. Written by `UPDATE_ON_CALL=1 cargo test --test plugin \
         on_call`.\n\n{}",
        walks.join("\n")
    );
    if std::env::var_os("UPDATE_ON_CALL").is_some() {
        fs::write(path(), &now).unwrap();
    }
    let before = before();
    let differs = before.lines().zip(now.lines()).find(|(old, new)| old != new);
    assert!(
        before == now,
        "the walks differ from {}, first in {differs:?}\nIf that is right: UPDATE_ON_CALL=1 cargo test --test plugin \
         on_call\n{now}",
        path().display()
    );
}
