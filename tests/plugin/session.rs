//! An outage, as a person at a terminal sees it: deferred DELs, `list`, `doctor`, recovery, and `flush` with its progress.
//!
//! `tests/plugin/session.txt` has the session, for people to read. `UPDATE_SESSION=1 cargo test --test plugin session` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use harness::{Answer, Effect, Fault, Node, OnTerminal, eventually};

use crate::flush_time::screen;
use crate::node;
use crate::plain::plain;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Wide enough for every line, so that none is cut where it varies.
const COLUMNS: u16 = 600;

/// What is typed and shown.
struct Session<'n> {
    node: &'n Node,
    text: String,
}

impl Session<'_> {
    fn happens(&mut self, what: &str) {
        writeln!(self.text, "\n{what}").unwrap();
    }

    /// The person types a command, of whose lines some are chosen as by `then`.
    fn types(&mut self, command: &str, then: &str, chosen: impl Fn(&str) -> bool) -> i32 {
        let words: Vec<&str> = command.split(' ').collect();
        let (answer, written) = self.node.command(&words).start_on_terminal(COLUMNS).wait();
        writeln!(self.text, "\n$ aliyun-eni-ipam {command}{then}").unwrap();
        let rows = screen(&written, COLUMNS);
        self.shows(rows.iter().filter(|row| chosen(row)).map(String::as_str));
        self.exits(&answer)
    }

    fn shows<'r>(&mut self, rows: impl Iterator<Item = &'r str>) {
        for row in rows {
            writeln!(self.text, "    {}", aligned(&plain(self.node, row))).unwrap();
        }
    }

    /// The last line of a command that still runs, once it is `expected`.
    fn shows_while_it_runs(&mut self, running: &OnTerminal<'_>, expected: &str) {
        let mut line = String::new();
        eventually(expected, || {
            line = screen(&running.written(), COLUMNS).pop().unwrap_or_default();
            line.contains(expected)
        });
        // How long it has waited by then is a matter of chance.
        let end = line.find(" (").unwrap_or(line.len());
        writeln!(self.text, "  ~ {}", plain(self.node, &line[..end])).unwrap();
    }

    fn exits(&mut self, answer: &Answer) -> i32 {
        writeln!(self.text, "exit {}", answer.status()).unwrap();
        answer.status()
    }
}

/// A row of a table, whose columns are as wide as what varies in them. How often something was tried by then is a matter of chance.
fn aligned(row: &str) -> String {
    if row.starts_with(' ') {
        return row.split_once(" attempts)").map_or(row.to_owned(), |(before, after)| {
            let (before, _) = before.rsplit_once(' ').unwrap_or_default();
            format!("{before} N attempts){after}")
        });
    }
    let cells = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let cells = cells.map(|cell| if cell.parse().is_ok_and(|number: u32| number > 0) { "N" } else { cell });
    cells.collect::<Vec<_>>().join("  ")
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/session.txt")
}

#[test]
fn a_session_at_a_terminal_from_an_outage_to_the_end_of_it_is_as_it_was_written_down() {
    let mut node = node().with("maxAddressesPerCall", 1);
    let pods = ["web-0", "web-1", "web-2", "web-3"];
    for pod in pods {
        let _ = node.add_pod(pod).address();
    }
    let title = "An outage of ECS, as the person at the terminal sees it: \"$\" is what is typed, \"~\" a line that is rewritten while \
                 the command runs. Written by `UPDATE_SESSION=1 cargo test --test plugin session`.\n";
    let endpoint = node.cloud.endpoint();
    // Nobody listens there.
    node.set("endpoint", "http://127.0.0.1:1");
    node.set("timeoutSeconds", 1);
    let mut session = Session { node: &node, text: title.to_owned() };
    for pod in &pods[..3] {
        node.del(pod).ok();
        node.forget_pod(pod);
    }
    session
        .happens("ECS is out of reach. Three pods are deleted: their DELs succeed, and the releases wait.");
    assert_eq!(session.types("list", "", |_| true), 0);
    session.types("doctor", " | grep -v '^ok'", |row| !row.starts_with("ok "));
    session.happens("A flush tries at once, and says what keeps the releases.");
    assert_eq!(session.types("flush", "", |_| true), 1);

    session.happens("ECS can be reached again, and is slow.");
    let text = session.text;
    node.set("endpoint", endpoint);
    node.set("timeoutSeconds", 25);
    let mut session = Session { node: &node, text };
    node.cloud.inject(Fault::on(UNASSIGN).skip(1).times(1).effect(Effect::Hold));
    node.cloud.hold_late();
    writeln!(session.text, "\n$ aliyun-eni-ipam flush").unwrap();
    let flush = node.command(&["flush"]).start_on_terminal(COLUMNS);
    session.shows_while_it_runs(&flush, "1 of 3 released, 2 left; waiting for ECS");
    node.cloud.let_go();
    let (answer, written) = flush.wait();
    session.shows(screen(&written, COLUMNS).iter().map(String::as_str));
    assert_eq!(session.exits(&answer), 0);
    assert_eq!(session.types("list", "", |_| true), 0);
    session.types("doctor", " | tail -1", |row| row.contains(" summary "));

    let now = session.text;
    if std::env::var_os("UPDATE_SESSION").is_some() {
        fs::write(path(), &now).unwrap();
    }
    let before = fs::read_to_string(path()).unwrap_or_default();
    let differs = before.lines().zip(now.lines()).find(|(old, new)| old != new);
    assert!(
        before == now,
        "the session differs from {}, first in {differs:?}\nIf that is right: UPDATE_SESSION=1 cargo test --test plugin session\n{now}",
        path().display()
    );
}
