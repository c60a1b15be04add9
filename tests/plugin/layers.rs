//! The folders are the map: imports run downwards only, from room to room and from file to file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with those that it may import besides itself. A file that is in none of these is a room of its own name.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["base", "cni", "commands", "config", "failure", "verbs"]),
    (
        "commands",
        &[
            "base",
            "cloud::ecs",
            "cloud::http",
            "cloud::metadata",
            "cloud::rpc",
            "cni",
            "config",
            "context",
            "failure",
            "metrics",
            "node",
            "pool",
            "routes",
            "store",
        ],
    ),
    (
        "verbs",
        &[
            "base",
            "cloud::metadata",
            "cni",
            "config",
            "context",
            "failure",
            "node",
            "pool",
            "routes",
            "store",
        ],
    ),
    (
        "context",
        &["base", "cloud::ecs", "cloud::rpc", "cni", "config", "failure", "metrics", "node", "pool", "store"],
    ),
    ("pool", &["base", "cloud::ecs", "cloud::metadata", "cloud::rpc", "failure", "node", "store"]),
    ("node", &["base", "cloud::ecs", "cloud::metadata", "cni", "config", "failure", "routes", "store"]),
    ("failure", &["base", "cloud::metadata", "cloud::rpc", "cni", "config", "routes", "store"]),
    ("metrics", &["base", "store"]),
    ("config", &["base", "cloud::credentials", "cloud::ecs", "cloud::http", "cloud::rpc", "cni"]),
    ("routes", &["base"]),
    ("store", &["base"]),
    ("cni", &["base"]),
    ("cloud::ecs", &["base", "cloud::credentials", "cloud::http", "cloud::metadata", "cloud::rpc"]),
    ("cloud::credentials", &["base", "cloud::http", "cloud::metadata", "cloud::rpc"]),
    ("cloud::metadata", &["base", "cloud::http"]),
    ("cloud::rpc", &["base", "cloud::http"]),
    ("cloud::http", &["base"]),
    ("cloud", &[]),
    ("base", &[]),
];

#[test]
fn imports_run_downwards_only() {
    let house = House::read();
    for (file, imports) in &house.imports {
        let own = room(file);
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == own)
            .unwrap_or_else(|| panic!("{file} is in no room of the map: give {own} a line"));
        for imported in imports {
            let theirs = room(imported);
            assert!(theirs == own || allowed.contains(&theirs.as_str()), "{file} imports {imported}");
        }
    }
}

#[test]
fn a_room_is_above_all_that_it_may_import() {
    let rank = |room: &str| MAY_IMPORT.iter().position(|(name, _)| *name == room).unwrap();
    for (room, allowed) in MAY_IMPORT {
        for below in *allowed {
            assert!(rank(below) > rank(room), "{room} may import {below}, which stands above it");
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut left = House::read().imports;
    loop {
        let is_imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        let before = left.len();
        let modules: BTreeSet<String> = left.keys().cloned().collect();
        // What imports nothing that is left, or is imported by nothing that is left, is in no circle.
        left.retain(|file, imports| is_imported.contains(file) && !imports.is_disjoint(&modules));
        for imports in left.values_mut() {
            imports.retain(|it| modules.contains(it));
        }
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "these files import each other in a circle: {left:#?}");
}

/// Files that write to a terminal. All but the first, which writes JSON and a text of its own, escape each line; the last one only
/// asks how wide it is.
const WRITE_TO_A_TERMINAL: &[&str] =
    &["cni/output.rs", "commands/consent.rs", "commands/output.rs", "commands/terminal.rs"];

#[test]
fn few_places_write_to_a_terminal() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect_files(&source, &mut files);
    let writes = |text: &str| ["stdout()", "stderr()", "dev/tty"].iter().any(|it| text.contains(it));
    files.retain(|file| writes(&fs::read_to_string(file).unwrap()));
    files.sort();
    assert_eq!(files, WRITE_TO_A_TERMINAL.iter().map(|file| source.join(file)).collect::<Vec<_>>());
}

/// The suites with a `main` of their own, where an attribute `#[test]` has no effect and the compiler says nothing of it.
const WITHOUT_LIBTEST: [&str; 7] = ["budgets", "crash", "image", "machine", "network", "package", "runtime"];

#[test]
fn no_test_hides_behind_an_attribute_without_effect() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let is_such = |table: &&str| table.starts_with("test]]") && table.contains("harness = false");
    assert_eq!(manifest.split("[[").filter(is_such).count(), WITHOUT_LIBTEST.len());
    for suite in WITHOUT_LIBTEST {
        let mut files = Vec::new();
        collect_files(&root.join("tests").join(suite), &mut files);
        assert!(!files.is_empty(), "{suite}");
        for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "rs")) {
            let text = fs::read_to_string(file).unwrap();
            let stray = text.lines().any(|line| line.trim() == "#[test]");
            assert!(!stray, "{}: name the test in `harness::tests!`", file.display());
        }
    }
}

fn collect_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Every module of `src` with the modules that its file names.
struct House {
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl House {
    fn read() -> Self {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = BTreeMap::new();
        collect(&source, &source, &mut texts);
        // It only lists the rooms.
        texts.remove("lib");
        let modules: BTreeSet<String> = texts.keys().cloned().collect();
        let doors: Vec<_> = texts.iter().flat_map(|(file, text)| doors(text, file)).collect();
        let imports = texts
            .iter()
            .map(|(file, text)| {
                let text = &without_doors(text);
                let named = paths(text, file).into_iter().chain(children(text, file));
                let named = named.filter_map(|path| module_of(&through(&path, &doors), &modules));
                (file.clone(), named.filter(|it| it != file && !is_own_child(file, it, text)).collect())
            })
            .collect();
        Self { imports }
    }
}

/// What a `mod.rs` passes on of its files: the path by which others name it, and the one by which it is found.
fn doors(text: &str, file: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(" use ").filter(|(at, _)| is_door(text, *at)) {
        let own: Vec<String> = file.split("::").map(str::to_owned).collect();
        let rest = &text[at + " use ".len()..];
        let (rest, base) = match rest.strip_prefix("crate::") {
            Some(rest) => (rest, Vec::new()),
            None => (rest, own.clone()),
        };
        let mut leads_to = Vec::new();
        expand(rest, &base, &mut leads_to);
        found.extend(
            leads_to.into_iter().map(|path| ([own.clone(), path[path.len() - 1..].to_vec()].concat(), path)),
        );
    }
    found
}

/// What a `mod.rs` names of its own files, which it may do without `self::`.
fn children(text: &str, file: &str) -> Vec<Vec<String>> {
    let lines = text.lines().map(|line| line.trim_start_matches("pub ").trim_start_matches("pub(crate) "));
    let names = lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let used = names.filter(|name| text.contains(&format!("{name}::")));
    used.map(|name| file.split("::").chain([name]).map(str::to_owned).collect()).collect()
}

fn without_doors(text: &str) -> String {
    let lines = text.split_inclusive(";\n");
    lines.filter(|it| !it.lines().any(|line| line.starts_with("pub") && line.contains(" use "))).collect()
}

fn is_door(text: &str, at: usize) -> bool {
    text[..at].rsplit('\n').next().is_some_and(|line| line.starts_with("pub"))
}

fn through(path: &[String], doors: &[(Vec<String>, Vec<String>)]) -> Vec<String> {
    match doors.iter().find(|(name, _)| path.starts_with(name)) {
        Some((name, leads_to)) if name != leads_to => {
            through(&[leads_to.as_slice(), &path[name.len()..]].concat(), doors)
        }
        _ => path.to_vec(),
    }
}

/// `cloud::rpc::codes` is in the room `cloud::rpc`, `store::file` in `store`.
fn room(module: &str) -> String {
    let depth = if module.starts_with("cloud::") { 2 } else { 1 };
    module.split("::").take(depth).collect::<Vec<_>>().join("::")
}

/// The module that a path leads to: the longest beginning of it that is one.
fn module_of(path: &[String], modules: &BTreeSet<String>) -> Option<String> {
    (1..=path.len()).rev().map(|length| path[..length].join("::")).find(|it| modules.contains(it))
}

/// Whether `child` is a part of `parent` that stands in a file of its own only because it is long: its tests.
fn is_own_child(parent: &str, child: &str, text: &str) -> bool {
    child == format!("{parent}::tests") && text.contains("mod tests;")
}

fn collect(root: &Path, directory: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, texts);
            continue;
        }
        let relative = path.strip_prefix(root).unwrap().with_extension("");
        let mut names: Vec<_> = relative.iter().map(|name| name.to_str().unwrap()).collect();
        if names.last() == Some(&"mod") {
            names.pop();
        }
        texts.insert(names.join("::"), fs::read_to_string(&path).unwrap());
    }
}

/// The paths that a file names: after `crate::`, `super::` and `aliyun_eni_ipam::`, each of a braced list.
fn paths(text: &str, file: &str) -> Vec<Vec<String>> {
    let parent: Vec<&str> = file.split("::").collect();
    let mut found = Vec::new();
    for (start, base) in
        [("crate::", &[][..]), ("aliyun_eni_ipam::", &[]), ("super::", &parent[..parent.len() - 1])]
    {
        for (at, _) in text.match_indices(start) {
            // `super::super::` is met once more at its second half, and would be taken for a sibling there.
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') || in_comment(text, at) {
                continue;
            }
            let base: Vec<String> = base.iter().map(|&name| name.to_owned()).collect();
            // Inside `mod tests { ... }` of the same file, `super` is the file itself.
            let base = match start {
                "super::" if is_indented(text, at) => parent.iter().map(|&name| name.to_owned()).collect(),
                _ => base,
            };
            expand(&text[at + start.len()..], &base, &mut found);
        }
    }
    found
}

fn in_comment(text: &str, at: usize) -> bool {
    text[..at].rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with("//"))
}

fn is_indented(text: &str, at: usize) -> bool {
    text[..at].rsplit('\n').next().is_some_and(|line| line.starts_with("    use "))
}

/// Follows `a::b::{c, d::e}` from `rest` on; returns how many bytes that took.
fn expand(rest: &str, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    let mut at = 0;
    loop {
        let word: String = rest[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if word == "super" {
            path.pop();
        } else if !word.is_empty() && word != "self" {
            path.push(word.clone());
        }
        at += word.len();
        if rest[at..].starts_with("::") {
            at += 2;
        } else if word.is_empty() && rest[at..].starts_with('{') {
            at += 1;
            while !rest[at..].starts_with('}') {
                at += rest[at..].chars().take_while(|c| c.is_whitespace() || *c == ',').count();
                let step = expand(&rest[at..], &path, found);
                at += step.max(usize::from(step == 0 && !rest[at..].starts_with('}')));
            }
            return at + 1;
        } else {
            found.push(path);
            return at;
        }
    }
}

#[test]
fn a_braced_list_is_followed_into_each_of_its_names() {
    let text = "use crate::a::{self, b::C, d::{E, f}};\n// crate::no\nuse super::g::H;\n    use super::*;";
    let paths: BTreeSet<String> = paths(text, "x::y").iter().map(|path| path.join("::")).collect();
    let expected = ["a", "a::b::C", "a::d::E", "a::d::f", "x::g::H", "x::y"].map(str::to_owned);
    assert_eq!(paths, BTreeSet::from(expected));
}
