//! What a person sees: the bytes that commands print, drawn by a terminal emulator.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::thread;

use harness::{Effect, Fault, Node};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;
use vt100::Parser;

use crate::node;

/// Names that `libcni` accepts for an interface, and how each of them is shown.
const CRAFTED: &[(&str, &str)] = &[
    // Erases the line that the cursor is in, moves the cursor up, erases the screen, resets the terminal.
    ("\u{1b}[2K", r"\u{1b}[2K"),
    ("\u{1b}[1A\u{1b}[2K", r"\u{1b}[1A\u{1b}[2K"),
    ("\u{1b}[H\u{1b}[J", r"\u{1b}[H\u{1b}[J"),
    ("\u{1b}c", r"\u{1b}c"),
    // Hides what follows, goes back over what stands there.
    ("\u{1b}[8m", r"\u{1b}[8m"),
    ("\u{8}\u{8}\u{8}\u{7f}", r"\u{8}\u{8}\u{8}\u{7f}"),
    // The same command as the first one, begun by one character of the C1 set.
    ("\u{9b}2K", r"\u{9b}2K"),
    // Reverses the order of what follows, has no width, joins words, tags.
    ("a\u{202e}5.0\u{202c}", r"a\u{202e}5.0\u{202c}"),
    ("\u{2067}0\u{2069}", r"\u{2067}0\u{2069}"),
    ("\u{200b}\u{2060}\u{feff}", r"\u{200b}\u{2060}\u{feff}"),
    ("\u{e0041}", r"\u{e0041}"),
    // A letter that is written from the right, and one that is drawn over the character before it.
    ("\u{5d0}0", r"\u{5d0}0"),
    ("a\u{336}", r"a\u{336}"),
];

/// A terminal of this many columns: the end of the person, and that of the command.
pub(crate) fn open_terminal(columns: u16) -> (File, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (person.into(), terminal)
}

/// The rows of a terminal of this many columns after it has got these bytes.
fn drawn(bytes: &str, columns: u16) -> Vec<String> {
    let mut terminal = Parser::new(NonZero::new(60).unwrap(), NonZero::new(columns).unwrap(), 0);
    // What a kernel's terminal makes of a line feed.
    terminal.process(bytes.replace('\n', "\r\n").as_bytes());
    let rows: Vec<_> = terminal.screen().rows(0, columns).collect();
    let end = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    rows[..end].to_vec()
}

/// A node with two pods, the second one's interface being called `ifname`.
fn with_crafted(ifname: &str) -> (Node, [IpAddr; 2]) {
    let node = node();
    let addresses = [
        node.call("ADD", "c0").run().address(),
        node.call("ADD", "c1").env("CNI_IFNAME", ifname).run().address(),
    ];
    (node, addresses)
}

/// Makes the active records look older than any lag of ECS.
fn age(node: &Node) {
    for entry in fs::read_dir(node.store().join("active")).unwrap() {
        let path = entry.unwrap().path();
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        record["allocation"]["since"] = "2026-01-01T00:00:00.000Z".into();
        fs::write(&path, record.to_string()).unwrap();
    }
}

/// Expects a row of its own for each address, and the name in the second one as it is to be shown.
#[track_caller]
fn assert_rows(what: &str, rows: &[String], addresses: &[IpAddr], shown: Option<&str>) {
    let grid = rows.join("\n");
    for address in addresses {
        let with_address = rows.iter().filter(|row| row.contains(&address.to_string()));
        assert_eq!(with_address.count(), 1, "{what}: {address} in\n{grid}");
    }
    assert!(shown.is_none_or(|shown| grid.contains(shown)), "{what}: {shown:?} in\n{grid}");
}

#[test]
fn a_crafted_interface_name_hides_no_row_of_the_question_of_release() {
    for (ifname, shown) in CRAFTED {
        let (node, addresses) = with_crafted(ifname);
        let words = addresses.map(|address| address.to_string());
        let conversation = node.command(&["release", &words[0], &words[1]]).ask();
        let rows = drawn(&conversation.question(), 200);
        assert_rows("release", &rows, &addresses, Some(shown));
        assert_eq!(rows.len(), 4, "{}", rows.join("\n"));
        assert_eq!(conversation.answer("n").status(), 1);
        assert_eq!(node.counts(), [0, 2, 0, 0]);
    }
}

#[test]
fn a_crafted_interface_name_hides_no_row_of_reconcile() {
    for (ifname, shown) in CRAFTED {
        let (node, addresses) = with_crafted(ifname);
        age(&node);
        for address in addresses {
            node.cloud.unassign(Node::ENI, address);
        }
        let answer = node.operator(&["reconcile"]);
        assert_eq!(answer.status(), 1, "{answer:?}");
        assert_rows("reconcile", &drawn(&answer.stdout(), 200), &addresses, Some(shown));
    }
}

#[test]
fn a_crafted_interface_name_hides_no_row_of_list_and_forges_no_line_of_the_log() {
    for (ifname, shown) in CRAFTED {
        let (node, addresses) = with_crafted(ifname);
        assert_rows("list", &drawn(&node.operator(&["list"]).stdout(), 200), &addresses, None);
        node.call("DEL", "c1").env("CNI_IFNAME", ifname).run().ok();
        node.del("c0").ok();

        let log = node.log();
        let rows = drawn(&log, 400);
        assert_eq!(rows.len(), log.lines().count(), "{}", rows.join("\n"));
        for row in &rows {
            let (time, _) = row.split_once(' ').unwrap();
            assert!(humantime::parse_rfc3339(time).is_ok(), "{row}");
        }
        assert!(log.contains(&format!(" ADD c1/{shown}: ")), "{log}");
    }
}

#[test]
fn a_container_id_that_would_fill_the_screen_is_shown_in_short() {
    let node = node();
    let addresses = [node.add("a").address(), node.add(&"x".repeat(20_000)).address()];
    let words = addresses.map(|address| address.to_string());
    let conversation = node.command(&["release", &words[0], &words[1]]).ask();
    assert_rows("release", &drawn(&conversation.question(), 80), &addresses, None);
    assert_eq!(conversation.answer("n").status(), 1);
}

#[test]
fn a_line_break_in_what_ecs_says_makes_no_row() {
    let node = node();
    let address = node.add("c0").address();
    let forged = "no\r\nreleasing  192.168.0.99\u{1b}[2K\u{2028}\u{202e}";
    let refusal = Effect::Error {
        code: "Forbidden.RAM".into(),
        message: forged.into(),
        status: 403,
        retry_after_ms: None,
    };
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(refusal));
    node.del("c0").ok();
    let rows = drawn(&node.operator(&["list"]).stdout(), 400);
    assert_rows("list", &rows, &[address], None);
    assert_eq!(rows.len(), 2, "{}", rows.join("\n"));
    for row in rows {
        assert!(!row.contains(['\u{2028}', '\u{202e}']), "{row:?}");
    }
}

#[test]
fn what_a_person_types_or_a_file_says_is_shown_and_not_obeyed() {
    let node = node();
    let _ = node.add("c0").address();
    for words in [&["\u{1b}[2K\nforged"][..], &["list", "--network", "\u{1b}[2K\nforged\u{202e}"]] {
        let answer = node.operator(words);
        assert_eq!(answer.status(), 2);
        let rows = drawn(&answer.stderr(), 400);
        assert!(rows.len() <= 2 && rows[0].contains("forged") && rows[0].contains("u{1b}"), "{rows:?}");
    }
    let directory = node.directory().join("\u{1b}[2K\u{1b}[1A");
    let answer = node.operator_with(&directory, &["list"]);
    let rows = drawn(&answer.stderr(), 400);
    assert!(rows.len() <= 2 && rows[0].contains(r"\u{1b}[2K\u{1b}[1A"), "{rows:?}");

    // A name that is no UTF-8, of a file that is no configuration.
    let networks = node.directory().join("net.d");
    fs::create_dir(&networks).unwrap();
    fs::write(networks.join("10-pods.conflist"), node.conflist().to_string()).unwrap();
    fs::write(networks.join(OsStr::from_bytes(b"\xff\x1b[2K.conf")), "{").unwrap();
    let answer = node.operator_with(&networks, &["list"]);
    let rows = drawn(&answer.stderr(), 400);
    assert!(answer.status() == 0 && rows.len() == 1, "{rows:?}");
    assert!(rows[0].contains(r"/\u{fffd}\u{1b}[2K.conf is ignored"), "{rows:?}");

    let mut crafted = node.conflist();
    crafted["plugins"][0]["ipam"]["\u{1b}[1A\u{1b}[2K\nfail"] = true.into();
    let file = node.directory().join("crafted.conflist");
    fs::write(&file, crafted.to_string()).unwrap();
    let rows = drawn(&node.operator_with(&file, &["doctor"]).stdout(), 400);
    let configuration = rows.iter().find(|row| row.starts_with("warn  configuration"));
    assert!(configuration.is_some_and(|row| row.contains(r"\u{1b}[1A\u{1b}[2K\nfail")), "{rows:?}");
}

/// What a person sees of a command that has a terminal for everything, and its exit status. The person types before it asks.
fn typed(node: &Node, words: &[&str], answer: &str) -> (i32, String) {
    let (mut person, terminal) = open_terminal(80);
    person.write_all(answer.as_bytes()).unwrap();
    let reader = thread::spawn(move || {
        let mut seen = Vec::new();
        // It ends with an error when nobody has the terminal open any more.
        let _ = person.read_to_end(&mut seen);
        String::from_utf8(seen).unwrap()
    });
    let one_place = ["-c", "exec \"$@\" 2>&1", "sh"].map(str::to_owned);
    let call = node.command(words).under("sh", &one_place);
    let answer = call.stdin_handle(terminal.try_clone().unwrap()).run_into(terminal);
    (answer.status(), reader.join().unwrap())
}

#[test]
fn on_a_terminal_a_person_is_asked_and_answers() {
    let node = node();
    let address = node.add("c0").address().to_string();
    let (status, seen) = typed(&node, &["release", &address], "n\n");
    assert!(status == 1 && seen.contains("[y/N] ") && !seen.contains("--yes"), "{seen}");
    assert_eq!(node.counts(), [0, 1, 0, 0]);
    let (status, seen) = typed(&node, &["release", &address], "y\n");
    assert_eq!((status, node.counts()), (0, [0, 0, 0, 0]), "{seen}");
}

#[test]
fn where_nobody_answers_the_command_says_how_to_agree_and_does_nothing() {
    let node = node();
    let address = node.add("c0").address().to_string();
    node.cloud.assign(Node::ENI, "192.168.0.99".parse().unwrap());
    node.cloud.clear_ledger();
    for (words, what) in
        [(&["release", &*address][..], &*address), (&["reconcile", "--release-orphans"], "192.168.0.99")]
    {
        // The input has ended, and an input to type at beside an output that nobody sees: that one would wait for ever.
        let (_person, terminal) = open_terminal(80);
        for call in
            [node.command(words).stdin_handle(Stdio::null()), node.command(words).stdin_handle(terminal)]
        {
            let answer = call.run();
            assert_eq!(answer.status(), 1, "{answer:?}");
            let told = answer.stderr();
            assert!(told.contains(what) && told.contains("to agree, run it again with --yes"), "{told}");
        }
    }
    assert_eq!(node.cloud.count("UnassignPrivateIpAddresses"), 0);
    assert_eq!(node.counts(), [0, 1, 0, 0]);
}

#[test]
fn an_answer_by_a_pipe_is_one() {
    let node = node();
    let address = node.add("c0").address().to_string();
    let answer = node.command(&["release", &address]).stdin("y\n").run();
    assert_eq!((answer.status(), node.counts()), (0, [0, 0, 0, 0]), "{answer:?}");
}
