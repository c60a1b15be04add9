//! The binary that the runtime calls.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Answer, Node};

use super::{expect, lines};
use crate::node;

/// A directory of plugins with this script in the place of the plugin.
fn with_script(node: &Node, name: &str, script: &str) -> PathBuf {
    let directory = node.directory().join(name);
    fs::create_dir(&directory).unwrap();
    let file = directory.join("aliyun-eni-ipam");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    set_mode(&file, 0o755);
    directory
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn doctor_with(node: &Node, path: &str) -> Answer {
    node.command(&["doctor", "--json"]).env("CNI_PATH", path).run_within(Duration::from_mins(1))
}

fn doctor_in(node: &Node, directory: &Path) -> Answer {
    doctor_with(node, directory.to_str().unwrap())
}

#[test]
fn a_plugin_that_no_runtime_would_find_or_could_start_fails() {
    let node = node();
    let empty = node.directory().join("empty");
    fs::create_dir_all(empty.join("aliyun-eni-ipam")).unwrap();
    expect(
        &doctor_in(&node, &empty),
        "binary",
        "fail",
        &["there is no", empty.to_str().unwrap(), "CNI_PATH"],
    );
    let directory = with_script(&node, "not-executable", "exit 0");
    set_mode(&directory.join("aliyun-eni-ipam"), 0o644);
    expect(&doctor_in(&node, &directory), "binary", "fail", &["is not executable", "chmod 755"]);
    let link = node.directory().join("link");
    fs::create_dir(&link).unwrap();
    symlink("/nowhere", link.join("aliyun-eni-ipam")).unwrap();
    expect(&doctor_in(&node, &link), "binary", "fail", &["there is no"]);
}

#[test]
fn a_plugin_of_another_version_fails_and_one_of_the_same_does_not() {
    let node = node();
    let other = with_script(&node, "other", "echo aliyun-eni-ipam 0.0.1");
    expect(&doctor_in(&node, &other), "binary", "fail", &["another version", "\"aliyun-eni-ipam 0.0.1\""]);
    let same = node.directory().join("same");
    fs::create_dir(&same).unwrap();
    fs::copy(node.plugin(), same.join("aliyun-eni-ipam")).unwrap();
    let answer = doctor_in(&node, &same);
    expect(&answer, "binary", "ok", &["installed and of the same version"]);
    // The first one that a runtime finds counts.
    let path = |first: &Path, second: &Path| format!("{}:{}", first.display(), second.display());
    expect(&doctor_with(&node, &path(&same, &other)), "binary", "ok", &["same version"]);
    expect(&doctor_with(&node, &path(&other, &same)), "binary", "fail", &["another version"]);
    // Its own file is fine, however it is reached.
    let link = node.directory().join("link");
    symlink(node.plugin().parent().unwrap(), &link).unwrap();
    let answer = doctor_in(&node, &link);
    assert_eq!(lines(&answer, "binary").len(), 1, "{answer:?}");
}

#[test]
fn any_file_may_be_there_and_none_holds_the_doctor_up_or_learns_a_secret() {
    let node = node();
    for (name, script, words) in [
        ("endless", "while :; do echo y; done", "another version"),
        ("silent", "exec sleep 1000", "no answer within 5 s"),
        // Its child keeps the pipe open.
        ("forking", "sleep 1000 &", "no answer within 5 s"),
        ("other", "env >&2; exit 3", "another version"),
        ("telling", "env; exit 3", "another version"),
        ("escapes", r"printf '\033[2Kaliyun-eni-ipam 0.1.0'", "another version"),
    ] {
        let directory = with_script(&node, name, script);
        let answer = doctor_in(&node, &directory);
        expect(&answer, "binary", "fail", &[words]);
        assert!(!answer.stdout().contains('\u{1b}'), "{answer:?}");
        let binary = lines(&answer, "binary").join("\n");
        assert!(!binary.contains("ACCESS_KEY"), "{binary}");
    }
    let text = with_script(&node, "text", "");
    fs::write(text.join("aliyun-eni-ipam"), "\u{7f}no program").unwrap();
    expect(&doctor_in(&node, &text), "binary", "fail", &["does not say which version"]);
}

#[test]
fn a_plugin_that_others_could_change_is_not_even_started() {
    let node = node();
    let witness = node.directory().join("witness");
    let directory = with_script(&node, "writable", &format!("touch {}", witness.display()));
    set_mode(&directory.join("aliyun-eni-ipam"), 0o777);
    expect(&doctor_in(&node, &directory), "binary", "fail", &["could be changed by others", "mode 777"]);
    assert!(!witness.exists());
}
