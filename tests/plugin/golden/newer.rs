//! A store that a later version has written to, under a plugin that knows schema 1: what it cannot read it leaves as it is,
//! to the byte, and whoever needs it is told which file it is and what to do.

use std::fs;
use std::path::Path;

use harness::{Answer, Calling, Effect, Fault, Node};
use serde_json::{Value, json};

use super::{ASSIGN, UNASSIGN, file_with, files};
use crate::{eventually, node};

/// The pod whose file it is, and one that has nothing to do with it.
const OWNER: &str = "c-newer";
const OTHER: &str = "c-other";

/// What the call comes to, beside that it leaves the file as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It fails, and names the file and the remedy.
    Refused,
    /// It fails for a reason of its own.
    Fails,
    /// It does not need the file.
    Succeeds,
    /// It succeeds, and says the same of the file.
    Warns,
}

use Fate::{Fails, Refused, Succeeds, Warns};

fn without_attachment<'a>(node: &'a Node, verb: &str) -> Calling<'a> {
    ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"].into_iter().fold(node.call(verb, ""), Calling::without)
}

fn check(node: &Node) -> Answer {
    let result = json!({"cniVersion": "1.1.0", "ips": [{"address": "192.168.0.1/24"}]});
    node.call("CHECK", OWNER).config(|config| config["prevResult"] = result).run()
}

fn gc(node: &Node) -> Answer {
    let nothing_is_valid = |config: &mut Value| config["cni.dev/valid-attachments"] = json!([]);
    without_attachment(node, "GC").config(nothing_is_valid).run()
}

/// A node with the pod that the file is about.
fn node_with_pod() -> Node {
    let node = node().with("gcGraceSeconds", 0);
    let _ = node.add(OWNER).address();
    node
}

/// Makes the file look as if a later version had written it.
fn make_newer(path: &Path) {
    let content = fs::read_to_string(path).unwrap();
    let newer = content.replacen("\"schema\":1", "\"schema\":2,\"later\":[true]", 1);
    assert_ne!(content, newer);
    fs::write(path, newer).unwrap();
}

/// Expects of each call what it comes to, and that the file stays as it is.
fn expect(node: &Node, path: &Path, fates: [(&str, Fate); 10]) {
    let content = fs::read(path).unwrap();
    for (what, fate) in fates {
        let answer = match what {
            "list" | "doctor" | "flush" => node.operator(&[what]),
            "STATUS" => without_attachment(node, what).run(),
            "CHECK" => check(node),
            "GC" => gc(node),
            "ADD" => node.add(OWNER),
            "DEL" => node.del(OWNER),
            "ADD of another" => node.add(OTHER),
            _ => node.del(OTHER),
        };
        let said = answer.stdout() + &answer.stderr();
        let names_it = said.contains(path.to_str().unwrap())
            && said.contains("newer version")
            && said.contains("install");
        let fine = match fate {
            Refused => answer.status() != 0 && names_it,
            Fails => answer.status() != 0,
            Succeeds => answer.status() == 0,
            Warns => answer.status() == 0 && names_it,
        };
        if !fine {
            answer.fail(&format!("that {what} {fate:?} ({})", path.display()));
        }
        assert!(fs::read(path).is_ok_and(|now| now == content), "{what} has changed {}", path.display());
    }
}

#[test]
fn an_intent_of_a_later_version_is_left_alone_and_named() {
    let node = node().with("gcGraceSeconds", 0);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::Stall));
    let add = node.call("ADD", OWNER).start();
    let intents = || files(&node.store().join("assigning"));
    eventually("the ADD asks", || {
        intents().values().any(|content| String::from_utf8_lossy(content).contains("\"ask\""))
    });
    let path = file_with(&node, "assigning", OWNER);
    make_newer(&path);
    // While its ADD lives, a DEL may not leave its mark in it.
    let content = fs::read(&path).unwrap();
    let text = node.del(OWNER).error(102);
    assert!(text.contains(path.to_str().unwrap()) && text.contains("newer version"), "{text}");
    assert!(fs::read(&path).unwrap() == content, "{}", node.scene());
    add.kill();
    node.cloud.clear_faults();
    let fates = [
        ("list", Warns),
        ("doctor", Refused),
        ("STATUS", Succeeds),
        ("CHECK", Fails),
        ("ADD", Refused),
        ("ADD of another", Succeeds),
        ("DEL", Refused),
        ("DEL of another", Succeeds),
        ("GC", Refused),
        ("flush", Refused),
    ];
    expect(&node, &path, fates);
}

#[test]
fn an_active_record_of_a_later_version_is_left_alone_and_named() {
    let node = node_with_pod();
    let path = file_with(&node, "active", OWNER);
    make_newer(&path);
    let fates = [
        ("list", Warns),
        ("doctor", Refused),
        ("STATUS", Succeeds),
        ("CHECK", Refused),
        ("ADD", Refused),
        ("ADD of another", Succeeds),
        ("DEL", Refused),
        ("DEL of another", Succeeds),
        ("GC", Refused),
        ("flush", Succeeds),
    ];
    expect(&node, &path, fates);
    assert_eq!(node.on_eni().len(), 1, "{}", node.scene());
}

#[test]
fn a_release_of_a_later_version_is_left_alone_and_named() {
    let node = node_with_pod().with("timeoutSeconds", 1);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.del(OWNER).ok();
    node.cloud.clear_faults();
    let path = file_with(&node, "releasing", OWNER);
    make_newer(&path);
    fs::remove_file(node.store().join("eni").join(format!("{}.json", Node::ENI))).unwrap();
    let node = node.with("timeoutSeconds", 10);
    let fates = [
        ("list", Warns),
        ("doctor", Refused),
        ("STATUS", Succeeds),
        ("CHECK", Refused),
        ("ADD", Succeeds),
        ("ADD of another", Succeeds),
        // What the ADD has just got is this version's.
        ("DEL", Succeeds),
        ("DEL of another", Succeeds),
        ("GC", Refused),
        ("flush", Refused),
    ];
    expect(&node, &path, fates);
    assert!(node.cloud.addresses(Node::ENI).contains(&"192.168.0.1".parse().unwrap()), "{}", node.scene());
}

#[test]
fn the_state_of_an_eni_of_a_later_version_is_left_alone_and_named() {
    let node = node_with_pod();
    let path = node.store().join("eni").join(format!("{}.json", Node::ENI));
    fs::write(&path, "{\"schema\":1}\n").unwrap();
    make_newer(&path);
    let fates = [
        ("list", Succeeds),
        ("doctor", Refused),
        ("STATUS", Refused),
        ("CHECK", Succeeds),
        // It has its address.
        ("ADD", Succeeds),
        ("ADD of another", Refused),
        // Its record is releasing, and waits for the version that can read the file.
        ("DEL", Succeeds),
        // What is recorded nowhere is not there to be released.
        ("DEL of another", Succeeds),
        ("GC", Refused),
        ("flush", Refused),
    ];
    expect(&node, &path, fates);
    assert_eq!(node.cloud.count(UNASSIGN), 0, "{}", node.scene());
    assert_eq!(node.on_eni().len(), 1, "{}", node.scene());
}
