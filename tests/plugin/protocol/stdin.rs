//! How stdin is read: to its end, within bounds, and by VERSION only as far as it tells something.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use serde_json::json;

use super::{OF_ONE, error, expect_error};
use crate::{eventually, node};

/// Yields one byte at a time, so that each is written by itself.
struct Dribble(io::Cursor<Vec<u8>>);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(&mut buffer[..1])
    }
}

#[test]
fn the_configuration_may_come_in_pieces() {
    let node = node();
    let config = node.config().to_string().into_bytes();
    let _ = node.call("ADD", "c1").stdin_stream(Dribble(io::Cursor::new(config))).run().address();
}

#[test]
fn what_follows_the_configuration_is_read_too_and_must_be_blank() {
    let node = node();
    let config = node.config().to_string();
    let _ = node.call("ADD", "c1").stdin(format!("\n\t{config} \r\n\n")).run().address();
    let answer = node.call("ADD", "c2").stdin(format!("{config}{config}")).run();
    assert!(answer.error(6).starts_with("error unmarshall network config: trailing characters"));
}

#[test]
fn version_answers_whatever_is_on_stdin() {
    let node = node();
    for (stdin, version) in [
        ("", "1.1.0"),
        ("garbage", "1.1.0"),
        ("[]", "1.1.0"),
        (r#"{"cniVersion":"9.9.9"}"#, "1.1.0"),
        (r#"{"cniVersion":5}"#, "1.1.0"),
        (r#"{"cniVersion":"0.4.0"}"#, "0.4.0"),
        (r#"{"cniVersion":"1.0.0","name":5,"ipam":[]}"#, "1.0.0"),
    ] {
        let expected = json!({
            "cniVersion": version,
            "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
        });
        assert_eq!(node.call("VERSION", "c1").stdin(stdin).run().result(), expected, "{stdin}");
    }
}

#[test]
fn version_does_not_wait_for_the_end_of_stdin() {
    let node = node();
    for (input, version) in [(&br#"{"cniVersion":"1.0.0"}"#[..], "1.0.0"), (b"", "1.1.0")] {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(input).unwrap();
        let running = RefCell::new(node.call("VERSION", "c1").stdin_handle(reader).start());
        eventually("VERSION ends while its stdin is open", || !running.borrow_mut().is_running());
        assert_eq!(running.into_inner().wait().result()["cniVersion"], version);
        drop(writer);
    }
}

#[test]
fn a_stdin_that_cannot_be_read_is_an_i_o_error() {
    let node = node();
    for verb in OF_ONE {
        let directory = std::fs::File::open(node.directory()).unwrap();
        let answer = node.call(verb, "c1").stdin_handle(directory).run();
        assert!(answer.error(5).starts_with("error reading from stdin: "));
    }
}

#[test]
fn a_stdin_that_is_closed_is_an_empty_one() {
    let node = node();
    let closed = |verb| {
        let script = ["-c".to_owned(), r#"exec "$0" <&-"#.to_owned()];
        node.call(verb, "c1").under("/bin/sh", &script).run()
    };
    for verb in ["ADD", "DEL", "CHECK", "STATUS", "GC"] {
        assert!(closed(verb).error(6).starts_with("error unmarshall network config: EOF"));
    }
    assert_eq!(closed("VERSION").result()["cniVersion"], "1.1.0");
}

/// What a shell gives the plugin as the most address space, in KiB: a fraction of what is sent, and the plugin's code and
/// stacks are in it.
const ADDRESS_SPACE: u64 = 256 << 10;

#[test]
fn a_gibibyte_of_stdin_is_refused_in_bounded_memory() {
    let node = node();
    let script = ["-c".to_owned(), format!(r#"ulimit -v {ADDRESS_SPACE} && exec "$0""#)];
    for verb in ["ADD", "DEL", "CHECK", "STATUS", "GC"] {
        for byte in *b" [" {
            let gibibyte = io::repeat(byte).take(1 << 30);
            let answer = node.call(verb, "c1").stdin_stream(gibibyte).under("/bin/sh", &script).run();
            let msg = "error unmarshall network config: it is longer than 16777216 bytes";
            expect_error(&answer, &error(None, 6, msg, ""));
        }
    }
    let gibibyte = io::repeat(b' ').take(1 << 30);
    let answer = node.call("VERSION", "c1").stdin_stream(gibibyte).under("/bin/sh", &script).run();
    assert_eq!(answer.result()["cniVersion"], "1.1.0");
    assert!(!node.store().exists());
}
