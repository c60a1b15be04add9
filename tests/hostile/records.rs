//! Files of the store that a disk, or somebody, has been at.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use harness::{Answer, Effect, Fault, Node, World};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::cases::survive;
use crate::mutated::{Damage, Mutation, damage, mutate, mutations};
use crate::stage::{Moment, eventually, files, node};
use crate::verdict::{command, make};

/// What has become of a file.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Its bytes are others.
    Damage(Damage),
    /// One of its lines, which are JSON, says something else.
    Mutate(Index, Vec<Mutation>),
    /// It is longer than any file that the plugin writes.
    Swell,
}

impl Change {
    pub(crate) fn to(&self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Damage(damage) => damage.to(content),
            Self::Swell => [content, " ".repeat(300 << 10).as_bytes()].concat(),
            Self::Mutate(index, mutations) => {
                let text = std::str::from_utf8(content).unwrap();
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                let line = index.get(&lines);
                // Of an intent, a character stands before each of them, and before a hint another one.
                let json = line.trim_start_matches(['\u{1e}', '\0']);
                let begin = &line[..line.len() - json.len()];
                let changed = format!("{begin}{}", mutate(&serde_json::from_str(json).unwrap(), mutations));
                let at = index.index(lines.len());
                lines[at] = changed;
                (lines.join("\n") + "\n").into_bytes()
            }
        }
    }
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => damage().prop_map(Change::Damage),
        6 => (any::<Index>(), mutations(2)).prop_map(|(line, mutations)| Change::Mutate(line, mutations)),
        1 => Just(Change::Swell),
    ]
}

/// What is called after that.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// A call about the pod whose file it is.
    OfVictim(&'static str),
    /// A call about another pod, or about none.
    OfOther(&'static str, &'static str),
    /// An operator's command.
    Command(&'static str),
}

const DEEDS: [Deed; 10] = [
    Deed::OfVictim("ADD"),
    Deed::OfVictim("CHECK"),
    Deed::OfVictim("DEL"),
    Deed::OfOther("ADD", "new"),
    Deed::OfOther("DEL", "used-1"),
    Deed::OfOther("STATUS", ""),
    Deed::OfOther("GC", ""),
    Deed::Command("list"),
    Deed::Command("flush"),
    Deed::Command("reconcile"),
];

/// The pods, with a file each: two that live, two whose releases ECS has refused, and one whose ADD was killed while ECS
/// carried its request out.
const PODS: [&str; 5] = ["used-0", "used-1", "left-0", "left-1", "lost-0"];

/// A store with a file of each kind.
struct Stage {
    node: Node,
    /// ECS has just refused a release, and is left alone for a while; or whoever asked last was killed.
    starts: [Moment; 2],
    /// What each pod has been given.
    given: Vec<(&'static str, IpAddr)>,
    /// Every file that can be damaged.
    files: Vec<PathBuf>,
}

impl Stage {
    fn set() -> Self {
        let mut node =
            node().with("gcGraceSeconds", 0).with("credentials", json!({"source": "ecs-ram-role"}));
        let mut given: Vec<_> = PODS[..4].iter().map(|pod| (*pod, node.add(pod).address())).collect();
        let refusal = Effect::code("Forbidden.RAM");
        node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(refusal));
        node.del("left-0").ok();
        node.del("left-1").ok();
        node.cloud.clear_ledger();
        node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::StallAfter));
        let killed = node.call("ADD", "lost-0").start();
        eventually("ECS has been asked", || node.cloud.ledger().iter().any(|entry| entry.executed));
        killed.kill();
        let known: BTreeSet<_> = given.iter().map(|(_, address)| *address).collect();
        given.push(("lost-0", *node.on_eni().difference(&known).next().unwrap()));
        node.cloud.clear_faults();
        let refused = Moment::of(&node, "refused");
        let state = node.store().join("eni").join(format!("{}.json", Node::ENI));
        let in_flight = given.iter().find(|(pod, _)| *pod == "left-1").unwrap().1;
        fs::write(state, json!({"schema": 1, "inFlight": [in_flight]}).to_string()).unwrap();
        let starts = [refused, Moment::of(&node, "killed")];
        let mut files = files(&node.store());
        files.retain(|path| fs::metadata(path).unwrap().len() > 0);
        node.set("timeoutSeconds", 1);
        Self { node, starts, given, files }
    }

    fn address_of(&self, pod: &str) -> Option<IpAddr> {
        self.given.iter().find(|(name, _)| *name == pod).map(|(_, address)| *address)
    }

    /// Does it; whether another pod's DEL has to succeed, depends on whether everything can be known to this version.
    fn perform(&self, deed: Deed, victim: &str, is_known: bool) {
        let node = &self.node;
        let attachments: Vec<_> =
            PODS.iter().map(|pod| json!({"containerID": pod, "ifname": "eth0"})).collect();
        let given = self.address_of(victim).map(|address| format!("{address}/24"));
        let extend = |config: &mut Value| {
            config["cni.dev/valid-attachments"] = attachments.into();
            config["prevResult"] = json!({"cniVersion": "1.1.0", "ips": [{"address": given}]});
        };
        match deed {
            Deed::OfVictim(verb) => drop(make(node.call(verb, victim).config(extend))),
            Deed::OfOther(verb, pod) => {
                let answer = make(node.call(verb, pod).config(extend));
                if verb == "DEL" && pod != victim && is_known {
                    answer.ok();
                }
            }
            Deed::Command(name) => drop(command(node.command(&[name, "--json"]))),
        }
    }
}

/// The pod whose record this file is; nobody's is a pod of its own.
fn pod_of(path: &Path) -> &'static str {
    let name = path.file_name().unwrap().to_str().unwrap();
    PODS.iter().find(|pod| name.starts_with(*pod)).unwrap_or(&"nobody")
}

/// What the store makes of its files after the damage.
struct Reading {
    /// Whether the damaged file is a record to it.
    sound: bool,
    /// The addresses that its records name.
    addresses: BTreeSet<IpAddr>,
}

impl Reading {
    fn of(listed: &Answer, path: &Path) -> Self {
        // Of a file that is longer than any, `list` only says that it is there.
        let records = if listed.status() == 0 { listed.json()["records"].take() } else { Value::Null };
        let records: Vec<Value> = records.as_array().cloned().unwrap_or_default();
        let is_sound = |record: &&Value| record["state"] != "quarantined";
        let addresses = records
            .iter()
            .filter(is_sound)
            .flat_map(|it| it["addresses"].as_array().cloned().unwrap_or_default());
        let is_record =
            ["active", "assigning", "releasing"].iter().any(|it| path.parent().unwrap().ends_with(it));
        Self {
            sound: !is_record || records.iter().filter(is_sound).count() == PODS.len(),
            addresses: addresses.map(|address| address.as_str().unwrap().parse().unwrap()).collect(),
        }
    }
}

#[test]
fn a_damaged_file_costs_no_other_pod_anything_and_its_own_address_is_kept_until_its_del() {
    let stage = Stage::set();
    let Stage { node, starts, .. } = &stage;
    let deeds = (Just(DEEDS.to_vec()).prop_shuffle(), 1..DEEDS.len());
    let cases = (select(vec![0, 1]), select(stage.files.clone()), change(), deeds);
    survive("calls upon a damaged store", 25, &cases, |(start, path, change, (deeds, count))| {
        starts[start].restore(node);
        let damaged = change.to(&fs::read(&path).unwrap());
        if path.parent().unwrap().ends_with("address") {
            // Another name of a record's file; the record itself is damaged under its own.
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, &damaged).unwrap();
        let victim = pod_of(&path);
        let reading = Reading::of(&command(node.command(&["list", "--json"])), &path);
        for deed in &deeds[..count] {
            stage.perform(*deed, victim, !is_of_a_later_version(&path));
        }
        // Its entries in address/ tell what it named: the pod's DEL releases that, and anybody does after that DEL.
        let releasing = path.parent().unwrap().ends_with("releasing");
        let is_due = |deed: &Deed| match deed {
            Deed::OfVictim(verb) => *verb == "DEL" || releasing,
            Deed::OfOther(verb, pod) => (*verb == "DEL" && *pod == victim) || releasing,
            Deed::Command(_) => releasing,
        };
        if !reading.sound && !deeds[..count].iter().any(is_due) {
            let address = stage.address_of(victim).unwrap();
            assert!(
                files(&node.store()).iter().any(|path| fs::read(path).unwrap() == damaged),
                "{}",
                node.scene()
            );
            expect_kept(node, &reading, address);
        }
        // Whatever the file says now, the others have lost nothing, and in the end nothing of theirs is left.
        for pod in ["used-0", "used-1", "new"] {
            let deleted = make(node.call("DEL", pod));
            if pod != victim && !is_of_a_later_version(&path) {
                deleted.ok();
            }
        }
        let flushed = command(node.command(&["flush"]));
        let of_others: BTreeSet<_> =
            stage.given.iter().filter(|(pod, _)| *pod != victim).map(|(_, address)| *address).collect();
        let left: BTreeSet<_> = node.on_eni().intersection(&of_others).copied().collect();
        if !left.is_empty() && !is_of_a_later_version(&path) {
            flushed.fail(&format!("nothing on the ENI of {left:?}"));
        }
        let is_deleted = releasing || ["used-0", "used-1"].contains(&victim);
        if !reading.sound && !is_deleted && !deeds[..count].iter().any(is_due) {
            expect_kept(node, &reading, stage.address_of(victim).unwrap());
        }
        count + 5
    });
}

/// Expects that nobody has asked for the release of the address that a damaged file named, unless another record does.
#[track_caller]
fn expect_kept(node: &Node, reading: &Reading, address: IpAddr) {
    let asked = node
        .cloud
        .ledger()
        .iter()
        .any(|it| it.action.starts_with("Unassign") && it.addresses.contains(&address));
    let kept = node.on_eni().contains(&address) && !asked;
    assert!(kept || reading.addresses.contains(&address), "{address}\n{}", node.scene());
}

/// A record without its digest, by which any change of it would be noticed.
fn unsealed(record: &str) -> String {
    match record.split_once(",\"digest\":") {
        Some((before, _)) => format!("{before}}}\n"),
        None => record.to_owned(),
    }
}

/// A later version of this plugin is to be asked about such a file, and about everything that hangs on it.
fn is_of_a_later_version(path: &Path) -> bool {
    let content: Option<Value> =
        fs::read(path).ok().and_then(|content| serde_json::from_slice(&content).ok());
    content.is_some_and(|content| content["schema"].as_u64().is_some_and(|it| it > 1))
}

#[test]
fn a_release_whose_region_is_damaged_ends_no_other_one_and_keeps_none_from_being_made() {
    let stage = Stage::set();
    let Stage { node, starts, .. } = &stage;
    let left = ["left-0", "left-1", "lost-0"];
    for (victim, region) in left.iter().flat_map(|victim| [(victim, "cn-hangzhov"), (victim, "CN")]) {
        starts[0].restore(node);
        let path = stage.files.iter().find(|path| pod_of(path) == *victim).unwrap();
        let content = fs::read_to_string(path).unwrap();
        assert!(content.contains(World::REGION_ID));
        fs::write(path, unsealed(&content.replace(World::REGION_ID, region))).unwrap();
        command(node.command(&["flush"]));
        let others: BTreeSet<_> =
            left.iter().filter(|pod| *pod != victim).filter_map(|pod| stage.address_of(pod)).collect();
        assert!(node.on_eni().is_disjoint(&others), "{victim} in {region}\n{}", node.scene());
    }
}

#[test]
fn a_release_that_has_been_tried_as_often_as_can_be_counted_is_tried_again() {
    let stage = Stage::set();
    let Stage { node, starts, .. } = &stage;
    let path = stage.files.iter().find(|path| pod_of(path) == "left-0").unwrap();
    starts[1].restore(node);
    let content = fs::read_to_string(path).unwrap();
    assert!(content.contains("\"attempts\":1,"));
    fs::write(path, unsealed(&content.replace("\"attempts\":1,", "\"attempts\":4294967295,"))).unwrap();
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    command(node.command(&["flush"]));
    node.cloud.clear_faults();
    command(node.command(&["flush"]));
    assert!(!node.on_eni().contains(&stage.address_of("left-0").unwrap()), "{}", node.scene());
}

#[test]
fn what_stands_in_a_hint_of_an_intent_keeps_nothing_from_being_released() {
    let stage = Stage::set();
    let Stage { node, starts, .. } = &stage;
    let path = stage.files.iter().find(|path| pod_of(path) == "lost-0").unwrap();
    let content = fs::read_to_string(path).unwrap();
    let (before, hint) = content.split_once("\u{1e}\0").unwrap();
    let (hint, after) = hint.split_once('\n').unwrap();
    let waits: Value = serde_json::from_str(hint).unwrap();
    let waits = waits["waits"].to_string();
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let hints = [
        "null".to_owned(),
        "{".to_owned(),
        nested.clone(),
        "{\"waits\":7}".to_owned(),
        format!("{{\"waits\":{nested}}}"),
        format!("{{\"waits\":{waits},\"waits\":{waits}}}"),
        hint.replace("\"until\":\"", "\"until\":\"x"),
        hint.replace(Node::ENI, "../x"),
        "{\"answered\":{\"clientToken\":\"x\",\"addresses\":[\"10.0.0.9\"]}}".to_owned(),
        format!("{{\"waits\":{waits},\"later\":\"{}\"}}", "x".repeat(100_000)),
    ];
    for changed in hints {
        starts[1].restore(node);
        fs::write(path, format!("{before}\u{1e}\0{changed}\n{after}")).unwrap();
        let shown: String = changed.chars().take(100).collect();
        command(node.command(&["flush"]));
        let lost = stage.address_of("lost-0").unwrap();
        assert!(!node.on_eni().contains(&lost), "{shown}\n{}", node.scene());
        assert!(!path.exists(), "{shown}\n{}", node.scene());
    }
}
