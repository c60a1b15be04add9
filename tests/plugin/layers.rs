//! The folders are the map: imports run downwards only.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with those of the crate that it may import. Modules further down may be left out of none.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("deadline", &[]),
    ("eni", &[]),
    ("random", &[]),
    ("logging", &[]),
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
