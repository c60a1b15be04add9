//! The node at one moment: every file of the store, and the cloud. It can be taken, looked at, and brought back.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use harness::{Node, Saved};

use crate::checks::on_enis;

harness::tests! {
    needs []:
        time_passes_for_moments_alone,
        the_name_of_a_release_differs_by_its_pod_alone,
        moments_and_random_names_make_no_difference_but_addresses_do,
        the_ids_of_answers_make_no_difference_but_the_answers_do;
}

/// What is below the data directory, and that directory itself under an empty path.
pub(crate) type Tree = BTreeMap<PathBuf, Entry>;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    Directory,
    File(Vec<u8>),
}

/// A moment of a node.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) tree: Tree,
    pub(crate) cloud: Saved,
    /// Whether the ENI is claimed for the store, outside of it.
    pub(crate) claimed: bool,
    /// When it was.
    pub(crate) taken: SystemTime,
}

impl Moment {
    /// The present moment, when the cloud has done all that was asked of it.
    pub(crate) fn of(node: &Node) -> Self {
        node.cloud.wait_until_idle().expect("the simulator answers");
        let mut tree = Tree::new();
        if node.store().exists() {
            read(&node.store(), Path::new(""), &mut tree);
        }
        Self { tree, cloud: node.cloud.save(), claimed: node.has_claims(), taken: SystemTime::now() }
    }

    /// Makes it so again, with an empty log and an empty ledger, and as if no time had passed since: what the store knows to
    /// be so long ago stays so.
    pub(crate) fn restore(&self, node: &Node) {
        for removed in [fs::remove_dir_all(node.store()), fs::remove_file(node.directory().join("log"))] {
            assert!(removed.is_ok() || removed.is_err_and(|it| it.kind() == ErrorKind::NotFound));
        }
        if !self.claimed {
            node.remove_claims();
        }
        let age = self.taken.elapsed().unwrap_or_default();
        for (path, entry) in &self.tree {
            let path = if path == Path::new("") { node.store() } else { node.store().join(path) };
            match entry {
                Entry::Directory => DirBuilder::new().mode(0o700).create(path).expect("a directory"),
                Entry::File(content) => {
                    let mut options = OpenOptions::new();
                    let file = options.write(true).create_new(true).mode(0o600).open(path);
                    file.and_then(|mut file| file.write_all(&later(content, age))).expect("a file");
                }
            }
        }
        node.cloud.clear_faults();
        node.cloud.clear_ledger();
        node.cloud.restore(&self.cloud);
    }

    /// The same text for all moments that differ in nothing but times, random names and drafts: what a call does next
    /// depends on nothing else.
    pub(crate) fn digest(&self, node: &Node) -> String {
        let name = |path: &Path| plain(&without_time(&path.to_string_lossy()));
        let mut files: Vec<_> = without_drafts(&self.tree)
            .iter()
            .map(|(path, entry)| match entry {
                Entry::Directory => name(path),
                Entry::File(content) => {
                    format!("{}: {}", name(path), plain(&String::from_utf8_lossy(content)))
                }
            })
            .collect();
        files.sort();
        let done: Vec<_> = node
            .cloud
            .ledger()
            .into_iter()
            .map(|entry| (entry.action, entry.addresses, entry.executed))
            .collect();
        format!("{}\n{done:?} {:?}", files.join("\n"), on_enis(node))
    }
}

/// What the plugin reads of a tree: nothing whose name begins with a dot.
pub(crate) fn without_drafts(tree: &Tree) -> Tree {
    let is_draft =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    tree.iter()
        .filter(|(path, _)| !is_draft(path))
        .map(|(path, entry)| (path.clone(), entry.clone()))
        .collect()
}

fn read(directory: &Path, name: &Path, tree: &mut Tree) {
    tree.insert(name.to_owned(), Entry::Directory);
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("its entries")) {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        if path.is_dir() {
            read(&path, &name, tree);
        } else {
            tree.insert(name, Entry::File(fs::read(&path).expect("a file")));
        }
    }
}

/// Without what differs from run to run: random numbers and digests in hexadecimal, and moments.
fn plain(text: &str) -> String {
    let text = without_request_ids(text);
    let parts: Vec<_> =
        text.split('"').map(|part| if is_moment(part) { String::new() } else { unhexed(part) }).collect();
    parts.join("\"")
}

/// Without the ids that the cloud gives its answers, which errors quote.
fn without_request_ids(text: &str) -> String {
    const LENGTH: usize = "00000000-0000-0000-0000-000000000000".len();
    let mut parts = text.split("RequestId ");
    let first = parts.next().unwrap_or_default();
    parts.fold(first.to_owned(), |plain, part| plain + part.get(LENGTH..).unwrap_or_default())
}

/// With all its moments that much later, and without the digests that say what it was before.
fn later(content: &[u8], time: Duration) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else { return content.to_vec() };
    let shifted = |part: &str| match humantime::parse_rfc3339(part) {
        Ok(moment) => humantime::format_rfc3339_millis(moment + time).to_string(),
        Err(_) => part.to_owned(),
    };
    let unsealed: String = text.split_inclusive('\n').map(unsealed).collect();
    // When the boot began does not depend on when the file was written.
    let parts: Vec<_> = unsealed.split('"').collect();
    let is_clock = |index: usize| index > 1 && parts[index - 2] == "bootBegan";
    let later = parts.iter().enumerate();
    let later = later.map(|(index, part)| if is_clock(index) { (*part).to_owned() } else { shifted(part) });
    later.collect::<Vec<_>>().join("\"").into_bytes()
}

/// A text without the digest at its end.
fn unsealed(line: &str) -> String {
    match line.rsplit_once(",\"digest\":\"") {
        Some((before, digest)) if !digest.contains(',') => format!("{before}}}\n"),
        _ => line.to_owned(),
    }
}

/// Without the moment in the name of a release.
fn without_time(name: &str) -> String {
    name.split('.').filter(|part| !is_moment(part)).collect::<Vec<_>>().join(".")
}

/// Whether this is a moment such as 2026-11-22T09:12:44.250Z.
fn is_moment(text: &str) -> bool {
    humantime::parse_rfc3339(text).is_ok()
}

/// Without long numbers in hexadecimal.
fn unhexed(text: &str) -> String {
    const SHORTEST: usize = 16;
    let mut plain = String::new();
    for word in text.split_inclusive(|it: char| !it.is_ascii_hexdigit()) {
        let digits = word.trim_end_matches(|it: char| !it.is_ascii_hexdigit());
        plain.push_str(if digits.len() < SHORTEST { word } else { &word[digits.len()..] });
    }
    plain
}

fn time_passes_for_moments_alone() {
    let clock = "\"clock\":{\"bootBegan\":\"2026-11-22T09:12:44.250Z\"}";
    let text = |since: &str| format!("{{\"since\":\"{since}\",\"address\":\"192.168.0.1/24\",{clock}}}\n");
    let shifted = later(text("2026-11-22T09:12:44.250Z").as_bytes(), Duration::from_millis(61_000));
    assert_eq!(shifted, text("2026-11-22T09:13:45.250Z").as_bytes());
    let sealed = text("2026-11-22T09:12:44.250Z").replace("}\n", ",\"digest\":\"0123\"}\n");
    assert_eq!(later(sealed.as_bytes(), Duration::from_millis(61_000)), shifted);
    // Of an intent, texts come behind one that is sealed.
    let [both, shifted] = [&sealed, std::str::from_utf8(&shifted).expect("a text")].map(|it| it.repeat(2));
    assert_eq!(later(both.as_bytes(), Duration::from_millis(61_000)), shifted.as_bytes());
}

fn the_name_of_a_release_differs_by_its_pod_alone() {
    let name = |text: &str| plain(&without_time(text));
    let first = name("releasing/c1-0123456789abcdef.2026-11-22T09:12:44Z.fedcba9876543210");
    assert_eq!(first, name("releasing/c1-1123456789abcdef.2027-01-02T19:02:00Z.eedcba9876543210"));
    assert_ne!(first, name("releasing/c2-0123456789abcdef.2026-11-22T09:12:44Z.fedcba9876543210"));
}

fn moments_and_random_names_make_no_difference_but_addresses_do() {
    let text = |unique: &str, since: &str, address: &str| {
        plain(&format!("c1-{unique}: {{\"address\":\"{address}/24\",\"since\":\"{since}\"}}"))
    };
    let first = text("0123456789abcdef", "2026-11-22T09:12:44.250Z", "192.168.0.1");
    assert_eq!(first, text("fedcba9876543210", "2027-01-02T19:02:00.001Z", "192.168.0.1"));
    assert_ne!(first, text("0123456789abcdef", "2026-11-22T09:12:44.250Z", "192.168.0.2"));
}

fn the_ids_of_answers_make_no_difference_but_the_answers_do() {
    let text =
        |code: &str, id: &str| plain(&format!("\"refused: {code}; RequestId {id}; use a larger one\""));
    let first = text("QuotaExceeded", "A9B9A38F-B524-E94C-D340-419534E0CA0E");
    assert_eq!(first, text("QuotaExceeded", "23968DF5-4070-B776-AAD6-9FA940D51923"));
    assert_ne!(first, text("Forbidden", "A9B9A38F-B524-E94C-D340-419534E0CA0E"));
}
