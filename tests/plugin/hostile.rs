//! A store that somebody else has been at, and answers that no honest server gives.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::process::Command;

use harness::{Effect, Fault, Node};

use crate::node;

/// The only file in one of the store's directories.
fn only_file(node: &Node, directory: &str) -> PathBuf {
    let mut entries = fs::read_dir(node.store().join(directory)).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    path
}

#[test]
fn the_store_is_readable_by_its_owner_alone() {
    let node = node();
    let _ = node.add("c0").address();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(node.store()), 0o700);
    for directory in ["active", "address", "assigning", "releasing", "eni", "cache"] {
        assert_eq!(mode(node.store().join(directory)), 0o700, "{directory}");
    }
    assert_eq!(mode(only_file(&node, "active")), 0o600);
    assert_eq!(mode(node.directory().join("log")), 0o600);
}

#[test]
fn a_symbolic_link_in_place_of_a_record_is_not_followed() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    let elsewhere = node.directory().join("elsewhere");
    fs::rename(&record, &elsewhere).unwrap();
    symlink(&elsewhere, &record).unwrap();
    let text = node.del("c0").error(101);
    assert!(text.contains("symbolic link") && text.contains(record.to_str().unwrap()), "{text}");
    assert_eq!(node.on_eni().len(), 1);
    assert!(elsewhere.exists());
}

#[test]
fn a_fifo_in_place_of_a_record_is_refused_and_not_waited_for() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    fs::remove_file(&record).unwrap();
    assert!(Command::new("mkfifo").arg(&record).status().unwrap().success());
    assert!(node.del("c0").error(101).contains("plain file"));
}

#[test]
fn a_record_of_another_user_is_refused() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    if chown(&record, Some(12345), None).is_err() {
        println!("skipped: only root can give files away");
        return;
    }
    assert!(node.del("c0").error(101).contains("12345"));
    assert_eq!(node.on_eni().len(), 1);
}

#[test]
fn a_store_that_others_can_write_to_is_refused_by_every_verb() {
    let node = node();
    let _ = node.add("c0").address();
    fs::set_permissions(node.store(), Permissions::from_mode(0o770)).unwrap();
    for answer in [node.add("c1"), node.del("c0")] {
        assert!(answer.error(101).contains("set it to 700"));
    }
    assert_eq!(node.on_eni().len(), 1);
}

#[test]
fn a_store_behind_a_symbolic_link_is_refused() {
    let node = node();
    fs::create_dir(node.directory().join("elsewhere")).unwrap();
    symlink(node.directory().join("elsewhere"), node.store()).unwrap();
    let _ = node.add("c0").error(101);
    assert!(node.on_eni().is_empty());
}

#[test]
fn a_damaged_record_is_set_aside_and_the_error_says_where_it_is() {
    for damage in ["", "{", "[]", "null", "{\"schema\":1}", "\u{0}\u{0}\u{0}"] {
        let node = node();
        let _ = node.add("c0").address();
        fs::write(only_file(&node, "active"), damage).unwrap();
        let text = node.del("c0").error(102);
        let quarantined = only_file(&node, "quarantine");
        assert!(text.contains(quarantined.to_str().unwrap()), "{text}");
        assert_eq!(node.counts(), [0, 0, 0, 1]);
        // One damaged record keeps nobody else from anything.
        let _ = node.add("c1").address();
        node.del("c1").ok();
    }
}

#[test]
fn a_record_of_a_later_version_is_left_as_it_is() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    fs::write(&record, "{\"schema\":2,\"new\":true}").unwrap();
    assert!(node.del("c0").error(102).contains("newer version"));
    assert_eq!(fs::read_to_string(&record).unwrap(), "{\"schema\":2,\"new\":true}");
}

#[test]
fn a_damaged_release_keeps_no_other_one_from_being_made() {
    let node = node().with("timeoutSeconds", 1);
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("ServiceUnavailable")));
    let _ = node.add("c0").address();
    node.del("c0").ok();
    fs::write(only_file(&node, "releasing"), "garbage").unwrap();
    let _ = node.add("c1").address();
    node.cloud.clear_faults();
    node.del("c1").ok();
    let _ = node.operator(&["flush"]);
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 0, 0, 1]));
}

#[test]
fn a_record_that_is_larger_than_any_is_set_aside_like_every_damaged_one() {
    let node = node();
    let _ = node.add("c0").address();
    let record = only_file(&node, "active");
    let swollen = [fs::read(&record).unwrap(), vec![b' '; 1 << 20]].concat();
    fs::write(&record, &swollen).unwrap();
    assert!(node.del("c0").error(102).contains("larger"));
    assert!(fs::read(only_file(&node, "quarantine")).unwrap() == swollen);
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 0, 0, 1]));
}

#[test]
fn answers_that_are_none_neither_hang_nor_lose_anything() {
    for effect in [
        Effect::Garbage,
        Effect::TruncatedBody,
        Effect::EndlessBody,
        Effect::HugeHeaders,
        Effect::Html { status: 200 },
        Effect::Html { status: 403 },
        Effect::Empty { status: 200 },
        Effect::Stall,
    ] {
        let node = node().with("timeoutSeconds", 2);
        let _ = node.add("c0").address();
        node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(effect.clone()));
        node.del("c0").ok();
        assert_eq!(node.on_eni(), node.recorded(), "{effect:?}");
        node.cloud.clear_faults();
        assert_eq!(node.operator(&["flush"]).status(), 0, "{effect:?}\n{}", node.scene());
        assert!(node.on_eni().is_empty(), "{effect:?}");
    }
}

#[test]
fn metadata_that_is_none_fails_an_add_clearly() {
    for effect in
        [Effect::Garbage, Effect::EndlessBody, Effect::Empty { status: 500 }, Effect::Html { status: 200 }]
    {
        let mut node = node().with("timeoutSeconds", 3);
        node.ipam.remove("networkInterfaceId");
        node.cloud.inject_metadata("/latest", effect.clone(), None);
        let text = node.add("c0").any_error();
        assert!(text.contains("metadata"), "{effect:?}: {text}");
        assert!(node.on_eni().is_empty() && node.records().is_empty());
    }
}
