//! The reserve's files after a disk, or somebody, has been at them: an entry that cannot be read is given to nobody and goes back to
//! ECS by its name, and whatever else lies there keeps no pod from its address.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Node, World};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::cases::survive;
use crate::records::{Change, change};
use crate::stage::{Moment, files, node};
use crate::verdict::{command, make};

/// Puts something into a place.
type Put = fn(&Path);

/// How many addresses are kept.
const RESERVE: usize = 4;

/// The pods that live.
const PODS: [&str; 2] = ["used-0", "used-1"];

/// What is called when the files have been changed.
const DEEDS: [(&str, &str); 9] = [
    ("ADD", "new"),
    ("DEL", "used-1"),
    ("DEL", "new"),
    ("STATUS", ""),
    ("GC", ""),
    ("list", ""),
    ("flush", ""),
    ("reconcile", ""),
    ("doctor", ""),
];

/// A node with two pods, and a reserve of which one entry is a pod's that has ended.
struct Stage {
    node: Node,
    start: Moment,
    entries: Vec<PathBuf>,
}

impl Stage {
    fn set() -> Self {
        let node = node().with("gcGraceSeconds", 0).with("reserve", RESERVE).with("reuseDelaySeconds", 0);
        for pod in [PODS[0], PODS[1], "left"] {
            let _ = node.add(pod).address();
        }
        node.del("left").ok();
        let entries = files(&reserved(&node));
        assert!(entries.len() > 1, "{}", node.scene());
        let start = Moment::of(&node, "start");
        Self { node, start, entries }
    }

    /// Makes the calls, and expects after each that what lives keeps its address.
    fn perform(&self, deeds: &[(&str, &str)]) {
        let node = &self.node;
        let mut live: Vec<(&str, IpAddr)> = PODS.iter().map(|pod| (*pod, address_of(node, pod))).collect();
        for &(what, pod) in deeds {
            live.retain(|(name, _)| what != "DEL" || *name != pod);
            if what.starts_with(|it: char| it.is_ascii_lowercase()) {
                drop(command(node.command(&[what])));
            } else {
                let valid: Vec<_> =
                    live.iter().map(|(pod, _)| json!({"containerID": pod, "ifname": "eth0"})).collect();
                let answer =
                    make(node.call(what, pod).config(|it| it["cni.dev/valid-attachments"] = json!(valid)));
                match what {
                    "ADD" if answer.status() == 0 => live.push((pod, answer.address())),
                    "DEL" => answer.ok(),
                    _ => {}
                }
            }
            let addresses: BTreeSet<_> = live.iter().map(|(_, address)| *address).collect();
            assert_eq!(addresses.len(), live.len(), "{live:?} after {what} {pod}\n{}", node.scene());
            assert!(addresses.is_subset(&node.on_eni()), "{live:?} after {what} {pod}\n{}", node.scene());
        }
    }

    /// All pods end and the reserve is given up: what is left on the ENI.
    fn end(&self) -> BTreeSet<IpAddr> {
        for pod in PODS.iter().chain(&["new"]) {
            make(self.node.call("DEL", pod)).ok();
        }
        let mut config = self.node.conflist();
        config["plugins"][0]["ipam"]["reserve"] = json!(0);
        config["plugins"][0]["ipam"]["timeoutSeconds"] = json!(60);
        let path = self.node.directory().join("without-reserve.conflist");
        fs::write(&path, config.to_string()).unwrap();
        drop(command(self.node.program(&["flush", "--config", &path.display().to_string()])));
        self.node.on_eni()
    }
}

fn reserved(node: &Node) -> PathBuf {
    node.store().join("reserved").join(Node::ENI)
}

/// The address whose entry this is.
fn address_in(entry: &Path) -> IpAddr {
    entry.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// The address that a record says a pod has.
fn address_of(node: &Node, pod: &str) -> IpAddr {
    let records = files(&node.store().join("active"));
    let of_pod = |it: &&PathBuf| it.file_name().unwrap().to_str().unwrap().starts_with(&format!("{pod}-"));
    let record: Value =
        serde_json::from_slice(&fs::read(records.iter().find(of_pod).unwrap()).unwrap()).unwrap();
    let address = record["allocation"]["addresses"][0]["address"].as_str().unwrap();
    address.split('/').next().unwrap().parse().unwrap()
}

/// Whether this version can tell from what is left of an entry that it is to be given back, and in which region.
fn says_otherwise(content: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(content) else { return false };
    let is_newer = value["schema"].as_u64().is_some_and(|schema| schema > 1);
    is_newer || value["entry"]["regionId"].as_str().is_some_and(|region| region != World::REGION_ID)
}

#[test]
fn a_damaged_entry_costs_no_pod_anything_and_its_address_is_given_back() {
    let stage = Stage::set();
    let deeds = (Just(DEEDS.to_vec()).prop_shuffle(), 1..DEEDS.len());
    let cases = (select(stage.entries.clone()), change(), any::<bool>(), deeds);
    survive("calls upon damaged entries", 25, &cases, |(path, change, alone, (deeds, count))| {
        stage.play(&path, &change, alone, &deeds[..count]);
        count + PODS.len() + 2
    });
}

impl Stage {
    /// Changes an entry, alone or with those that are names of the same file.
    fn play(&self, path: &Path, change: &Change, alone: bool, deeds: &[(&str, &str)]) {
        self.start.restore(&self.node);
        let damaged = change.to(&fs::read(path).unwrap());
        if alone {
            fs::remove_file(path).unwrap();
        }
        fs::write(path, &damaged).unwrap();
        self.perform(deeds);
        let left = self.end();
        assert!(left.is_empty() || says_otherwise(&damaged), "{left:?}\n{}", self.node.scene());
    }
}

#[test]
fn what_is_no_entry_keeps_no_pod_from_its_address() {
    let stage = Stage::set();
    let long = "1".repeat(255);
    let names: [&[u8]; 11] = [
        b"x",
        b"192.168.0.300",
        b"192.168.0.2 ",
        b"192.168.0.2/24",
        b"::ffff:192.168.0.2",
        b"fe80::1%eth0",
        b"-1",
        b"192.168.000.002",
        b"\xff\xfe",
        b"\n",
        long.as_bytes(),
    ];
    let makes: [(&str, Put); 4] = [
        ("file", |path| fs::write(path, "{}").unwrap()),
        ("directory", |path| fs::create_dir(path).unwrap()),
        ("link", |path| symlink("/etc/passwd", path).unwrap()),
        ("pipe", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
    ];
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.contains(&b'/')) {
        let (kind, make) = makes[index % makes.len()];
        stage.start.restore(&stage.node);
        make(&reserved(&stage.node).join(OsStr::from_bytes(name)));
        println!("a {kind} that is called {:?}", String::from_utf8_lossy(name));
        stage.perform(&DEEDS[..6]);
        assert_eq!(stage.end(), BTreeSet::new(), "{}", stage.node.scene());
    }
}

/// Where an entry should be, or a directory of entries, or the reserve, there is something else. Pods come and go beside such an
/// entry.
#[test]
fn something_else_in_the_place_of_an_entry_or_of_the_reserve_hangs_nobody() {
    let stage = Stage::set();
    let makes: [(&str, Put); 4] = [
        ("file", |path| fs::write(path, "{}").unwrap()),
        ("directory", |path| fs::create_dir(path).unwrap()),
        ("link", |path| symlink("/nowhere", path).unwrap()),
        ("pipe", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
    ];
    let entries: Vec<IpAddr> = stage.entries.iter().map(|it| address_in(it)).collect();
    let of_reserve = [stage.node.store().join("reserved"), reserved(&stage.node)];
    for place in of_reserve.iter().chain(&stage.entries.clone()[..1]) {
        for (kind, put) in makes {
            stage.start.restore(&stage.node);
            if place.is_dir() {
                fs::remove_dir_all(place).unwrap();
            } else {
                fs::remove_file(place).unwrap();
            }
            put(place);
            println!("a {kind} in the place of {}", place.display());
            stage.perform(&DEEDS);
            if of_reserve.contains(place) {
                // Without a look at the reserve nobody asks ECS for anything, but nothing is lost of what pods had.
                let left = stage.end();
                let names = |file: &PathBuf, address: &IpAddr| {
                    fs::read_to_string(file).is_ok_and(|text| {
                        ["/", "\""].iter().any(|end| text.contains(&format!("\"{address}{end}")))
                    })
                };
                let records = files(&stage.node.store().join("releasing"));
                let is_lost =
                    |it: &&IpAddr| !entries.contains(it) && !records.iter().any(|file| names(file, it));
                let lost: Vec<_> = left.iter().filter(is_lost).collect();
                assert!(lost.is_empty(), "{lost:?}\n{}", stage.node.scene());
            } else {
                let _ = make(stage.node.call("ADD", "new")).address();
                let _ = stage.end();
                // What is no plain file stops commands that look at everything, as anywhere in the store, until a person removes it.
                let removed = if place.is_dir() { fs::remove_dir(place) } else { fs::remove_file(place) };
                assert!(removed.is_ok() || kind == "file", "{removed:?}");
                let left = stage.end();
                // What is no file is left where it is until a person removes it.
                assert!(
                    left.is_subset(&entries[..1].iter().copied().collect()),
                    "{left:?}\n{}",
                    stage.node.scene()
                );
            }
        }
    }
}

#[test]
fn an_entry_of_a_later_version_is_left_alone() {
    let stage = Stage::set();
    stage.start.restore(&stage.node);
    let content = fs::read_to_string(&stage.entries[0]).unwrap().replace("{\"schema\":1,", "{\"schema\":2,");
    let later: Vec<IpAddr> =
        stage.entries.iter().map(|it| it.file_name().unwrap().to_str().unwrap().parse().unwrap()).collect();
    for entry in &stage.entries {
        fs::write(entry, &content).unwrap();
    }
    let given = make(stage.node.call("ADD", "new")).address();
    assert!(!later.contains(&given), "{}", stage.node.scene());
    assert_eq!(stage.end(), later.into_iter().collect(), "{}", stage.node.scene());
    assert!(stage.entries.iter().all(|it| fs::read_to_string(it).unwrap() == content));
}

#[test]
fn entries_of_an_eni_that_is_gone_go_too() {
    let stage = Stage::set();
    stage.start.restore(&stage.node);
    let gone = stage.node.store().join("reserved/eni-bp1gone00000000000001");
    fs::create_dir(&gone).unwrap();
    for (index, entry) in stage.entries.iter().enumerate() {
        fs::copy(entry, gone.join(format!("192.168.0.{}", 200 + index))).unwrap();
    }
    stage.perform(&DEEDS);
    assert_eq!(stage.end(), BTreeSet::new(), "{}", stage.node.scene());
    assert_eq!((files(&gone), stage.node.records()), (Vec::new(), Vec::new()), "{}", stage.node.scene());
}

/// No ENI has so many: it is the files that are many.
#[test]
fn thousands_of_entries_keep_nobody_waiting() {
    const MANY: u16 = 5000;
    let mut stage = Stage::set();
    stage.start.restore(&stage.node);
    let first = stage.entries[0].clone();
    for number in 0..MANY {
        let [high, low] = number.to_be_bytes();
        fs::hard_link(&first, reserved(&stage.node).join(format!("10.1.{high}.{low}"))).unwrap();
    }
    stage.node.set("timeoutSeconds", 30);
    let _ = make(stage.node.call("ADD", "new")).address();
    stage.perform(&DEEDS[1..6]);
    assert!(stage.node.on_eni().contains(&address_of(&stage.node, PODS[0])));
}
