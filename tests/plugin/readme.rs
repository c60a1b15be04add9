//! "Try it in two minutes" of README.md: what it tells a reader to type works, and prints what is shown there.
//!
//! `UPDATE_README=1 cargo test --test plugin readme` writes what the commands print into README.md.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::World;
use harness::simulator::{Simulator, welcome};

const TITLE: &str = "\n## Try it in two minutes\n";
/// Where README.md and conf-examples have the simulator and the plugin's files.
const API: &str = "127.0.0.1:18080";
const METADATA: &str = "127.0.0.1:18081";
const BUILT: &str = "/home/you/aliyun-eni-ipam/target/debug";
/// Where libcni keeps its cache. The reader's machine has none: `CNI_CACHE_DIR` keeps that of this one out of sight.
const CACHE: &str = "/var/lib/cni";
const FILES: &str = "/tmp/aliyun-eni-ipam-try";
/// Printed between two blocks.
const MARK: &str = "--- end of a block ---";

/// A fenced block and what kind it is.
#[derive(Clone, Debug, PartialEq)]
struct Block {
    kind: String,
    text: String,
}

/// A section in pieces: text between blocks, and blocks.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Prose(String),
    Block(Block),
}

/// A machine as the reader's, with files and ports of its own.
struct Reader {
    cloud: Simulator,
    directory: tempfile::TempDir,
}

impl Reader {
    fn new() -> Self {
        let cloud = Simulator::start(World::single_node()).unwrap();
        let reader = Self { cloud, directory: tempfile::tempdir().unwrap() };
        let (source, copy) = (root().join("conf-examples"), reader.directory.path().join("conf-examples"));
        fs::create_dir(&copy).unwrap();
        let debug = reader.directory.path().join("target/debug");
        fs::create_dir_all(&debug).unwrap();
        symlink(harness::plugin!(), debug.join("aliyun-eni-ipam")).unwrap();
        for name in ["simulator.json", "simulator.conflist"] {
            let text = fs::read_to_string(source.join(name)).unwrap();
            for place in [API, METADATA, FILES] {
                assert!(text.contains(place), "{name} names {place}");
            }
            fs::write(copy.join(name), reader.localised(&text)).unwrap();
        }
        reader
    }

    /// The places of this machine, each with the one that README.md names for it.
    fn places(&self) -> [(String, &'static str); 5] {
        let without_scheme = |url: String| url.strip_prefix("http://").unwrap().to_owned();
        [
            (without_scheme(self.cloud.endpoint()), API),
            (without_scheme(self.cloud.metadata_endpoint()), METADATA),
            (self.directory.path().join("files").display().to_string(), FILES),
            (built().display().to_string(), BUILT),
            (self.directory.path().join("cni").display().to_string(), CACHE),
        ]
    }

    fn localised(&self, text: &str) -> String {
        self.places().iter().fold(text.to_owned(), |text, (ours, theirs)| text.replace(theirs, ours))
    }

    fn as_in_readme(&self, text: &str) -> String {
        self.places().iter().fold(text.to_owned(), |text, (ours, theirs)| text.replace(ours, theirs))
    }

    /// Types the blocks one after the other into one shell, and answers what each printed.
    fn type_in(&self, blocks: &[Block]) -> Vec<String> {
        let mut script = String::new();
        for block in blocks {
            script.extend([&self.localised(&block.text), "\necho '", MARK, "'\n"]);
        }
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &format!("exec 2>&1\n{script}")]).current_dir(self.directory.path());
        shell
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("CNI_CACHE_DIR", self.directory.path().join("cni"));
        let output = shell.stdin(Stdio::null()).output().unwrap();
        let printed = self.as_in_readme(&String::from_utf8(output.stdout).unwrap());
        assert!(output.status.success(), "{} after\n{printed}", output.status);
        printed.split_terminator(&format!("{MARK}\n")).map(str::to_owned).collect()
    }
}

/// Where the plugin was built, which depends on the target and on the profile.
fn built() -> &'static Path {
    let plugin = harness::plugin!();
    plugin.parent().unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README.md in three: before the section's text, the text, behind it.
fn readme() -> [String; 3] {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let begin = text.find(TITLE).unwrap() + TITLE.len();
    let end = text[begin..].find("\n## ").map_or(text.len(), |length| begin + length);
    [&text[..begin], &text[begin..end], &text[end..]].map(str::to_owned)
}

fn pieces(section: &str) -> Vec<Piece> {
    let parts = section.split("```").enumerate();
    let pieces = parts.map(|(number, part)| {
        if number % 2 == 0 {
            return Piece::Prose(part.to_owned());
        }
        let (kind, text) = part.split_once('\n').unwrap();
        Piece::Block(Block { kind: kind.to_owned(), text: text.to_owned() })
    });
    pieces.collect()
}

fn write(pieces: &[Piece]) -> String {
    let parts = pieces.iter().map(|piece| match piece {
        Piece::Prose(text) => text.clone(),
        Piece::Block(block) => format!("```{}\n{}```", block.kind, block.text),
    });
    parts.collect()
}

/// A block that other tests are for: it compiles, or it needs root and programs that a machine may not have.
fn is_left_out(commands: &Block) -> bool {
    commands.text.starts_with("cargo ") || commands.text.contains("cnitool")
}

/// The section as it would be if its outputs were those of today.
fn as_it_should_be(section: &str) -> String {
    let reader = Reader::new();
    let mut pieces = pieces(section);
    let commands = pieces.iter().filter_map(|piece| match piece {
        Piece::Block(block) if block.kind == "sh" && !is_left_out(block) => Some(block.clone()),
        _ => None,
    });
    let commands: Vec<_> = commands.collect();
    let mut printed = commands.iter().zip(reader.type_in(&commands));
    let welcome = reader.as_in_readme(&welcome(&reader.cloud));

    let mut expected = None;
    for piece in &mut pieces {
        let Piece::Block(block) = piece else { continue };
        if block.kind == "sh" {
            expected = if block.text.contains("-p ecs-simulator") {
                Some(welcome.clone())
            } else if is_left_out(block) {
                None
            } else {
                printed.next().map(|(_, text)| text)
            };
        } else if let Some(text) = expected.take() {
            block.text = text;
        }
    }
    write(&pieces)
}

/// What is the same however long the commands took: no ages and moments, no ids of requests, no width of a column.
fn normalised(section: &str) -> Vec<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let normalised = |word: &str| {
        if word.strip_suffix('s').is_some_and(is_number) {
            "SECONDS".to_owned()
        } else if word.len() >= 20 && word.contains('T') && word.ends_with('Z') {
            "MOMENT".to_owned()
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| {
        // Both "3s" and "within 3 s".
        let joined = line.replace(" s ", "s ");
        joined.split_whitespace().map(normalised).collect::<Vec<_>>().join(" ")
    };
    section.lines().map(line).collect()
}

#[test]
fn what_a_reader_types_in_two_minutes_prints_what_is_shown() {
    let [before, section, behind] = readme();
    let commands =
        pieces(&section).iter().filter(|it| matches!(it, Piece::Block(block) if block.kind == "sh")).count();
    assert!(commands >= 6, "{commands} blocks of commands");
    let expected = as_it_should_be(&section);
    if normalised(&section) == normalised(&expected) {
        return;
    }
    if env::var_os("UPDATE_README").is_some() {
        fs::write(root().join("README.md"), [before, expected, behind].concat()).unwrap();
        return;
    }
    panic!("UPDATE_README=1 writes this into README.md, where the section reads otherwise:\n{expected}");
}

#[test]
fn a_section_in_pieces_is_put_together_again() {
    let [_, section, _] = readme();
    assert_eq!(write(&pieces(&section)), section);
    assert_eq!(normalised("a  12s  2026-11-25T20:00:00Z"), ["a SECONDS MOMENT"]);
    assert_eq!(normalised("within 1 s of it"), ["within SECONDS of it"]);
    assert_ne!(normalised("192.168.0.1"), normalised("192.168.0.2"));
}
