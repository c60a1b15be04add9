//! The folders are the map: imports run downwards only.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with those of the crate that it may import. Modules further down may be left out of none.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("deadline", &[]),
    ("eni", &[]),
    ("random", &[]),
    ("printable", &[]),
    ("logging", &["printable"]),
    ("cni", &[]),
    ("store", &["clock", "deadline", "eni", "random"]),
    ("ecs", &["deadline", "eni", "random"]),
    ("config", &["cni", "ecs", "eni"]),
    ("release", &["clock", "deadline", "ecs", "eni", "random", "store"]),
    ("failure", &["cni", "config", "ecs", "eni", "store"]),
    ("metrics", &["clock", "random", "store"]),
    ("session", &["cni", "config", "deadline", "ecs", "failure", "metrics", "release", "store"]),
    (
        "verbs",
        &[
            "clock", "cni", "config", "deadline", "ecs", "eni", "failure", "random", "release", "session",
            "store",
        ],
    ),
];

#[test]
fn imports_run_downwards_only() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, allowed) in MAY_IMPORT {
        let mut files = vec![source.join(format!("{module}.rs"))];
        collect(&source.join(module), &mut files);
        for file in files.iter().filter(|file| file.exists()) {
            for imported in imports(&fs::read_to_string(file).unwrap()) {
                let fine = imported == *module || allowed.contains(&imported.as_str());
                assert!(fine, "{} imports {imported}", file.display());
            }
        }
    }
}

/// Files that write to a terminal. All but the first, which writes JSON and a text of its own, escape each line.
const WRITE_TO_A_TERMINAL: &[&str] = &["cni/output.rs", "operator/consent.rs", "operator/mod.rs"];

#[test]
fn few_places_write_to_a_terminal() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    let writes = |text: &str| ["stdout()", "stderr()", "dev/tty"].iter().any(|it| text.contains(it));
    files.retain(|file| writes(&fs::read_to_string(file).unwrap()));
    files.sort();
    assert_eq!(files, WRITE_TO_A_TERMINAL.iter().map(|file| source.join(file)).collect::<Vec<_>>());
}

/// The suites with a `main` of their own, where an attribute `#[test]` has no effect and the compiler says nothing of it.
const WITHOUT_LIBTEST: [&str; 3] = ["crash", "machine", "runtime"];

#[test]
fn no_test_hides_behind_an_attribute_without_effect() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("harness = false").count(), WITHOUT_LIBTEST.len());
    for suite in WITHOUT_LIBTEST {
        let mut files = Vec::new();
        collect(&root.join("tests").join(suite), &mut files);
        assert!(!files.is_empty(), "{suite}");
        for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "rs")) {
            let text = fs::read_to_string(file).unwrap();
            let stray = text.lines().any(|line| line.trim() == "#[test]");
            assert!(!stray, "{}: name the test in `harness::tests!`", file.display());
        }
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The modules of the crate that a file names after `crate::`.
fn imports(text: &str) -> Vec<String> {
    let names = text.split("crate::").skip(1);
    names.map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()).collect()
}
