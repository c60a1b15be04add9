//! Everything that the plugin says to a person, in one file, so that a reader can judge the texts together:
//! `tests/plugin/messages.txt`. `UPDATE_MESSAGES=1 cargo test --test plugin messages` writes it anew; without that
//! variable what the plugin says now is compared with it.
//!
//! Most lines come from the binary itself, driven into the situation that the line names; what cannot be driven there
//! comes from the error types. Numbers, times, ids and paths that differ from run to run are replaced.

mod errors;
mod printed;
mod variants;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A heading and the messages under it, each with the situation in which it is said.
struct Section {
    heading: &'static str,
    messages: Vec<(String, String)>,
}

#[test]
fn every_message_is_the_one_in_the_table() {
    let now = render(&[
        errors::of_calls(),
        variants::of_failures(),
        variants::of_the_store(),
        variants::of_the_routes(),
        errors::of_the_configuration(),
        errors::codes_of_ecs(),
        printed::log_lines(),
        printed::doctor(),
        printed::outputs(),
        printed::wrong_usage(),
    ]);
    for phrase in ["not found", "no such file or directory"] {
        assert!(!now.to_lowercase().contains(phrase), "containerd takes {phrase:?} for success");
    }
    if std::env::var_os("UPDATE_MESSAGES").is_some() {
        fs::write(path(), &now).unwrap();
    }
    let table = fs::read_to_string(path()).unwrap_or_default();
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (table.lines().collect(), now.lines().collect());
    let gone: Vec<_> = old.difference(&new).collect();
    let added: Vec<_> = new.difference(&old).collect();
    assert!(
        table == now,
        "the table has {gone:#?}\nand the plugin says {added:#?}\nIf that is right: UPDATE_MESSAGES=1 cargo test --test \
         plugin messages"
    );
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/messages.txt")
}

fn render(sections: &[Section]) -> String {
    let mut text = String::from(
        "What the plugin says to people. Written by `UPDATE_MESSAGES=1 cargo test --test plugin messages`.\n",
    );
    for Section { heading, messages } in sections {
        write!(text, "\n## {heading}\n").unwrap();
        for (situation, message) in messages {
            let lines: Vec<_> = message.lines().collect();
            match lines.as_slice() {
                [line] => writeln!(text, "{situation} -> {line}").unwrap(),
                lines => {
                    let indented = lines.join("\n    ").replace("    \n", "\n");
                    writeln!(text, "{situation} ->\n    {indented}").unwrap();
                }
            }
        }
    }
    text
}
