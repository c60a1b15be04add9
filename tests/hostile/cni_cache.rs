//! Files of libcni's cache that a disk, or somebody, has been at, while the store is as it was, lost, or an old backup.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use harness::{Answer, Node};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::cases::survive;
use crate::mutated::{Damage, Mutation, damage, mutate, mutations, text};
use crate::stage::{Moment, node};
use crate::verdict::{command, make};

/// What has become of the victim's file.
#[derive(Clone, Debug)]
enum Change {
    /// Its bytes are others.
    Damage(Damage),
    /// It says something else.
    Mutate(Vec<Mutation>),
    /// The configuration in it does.
    Configure(Vec<Mutation>),
    /// Its result has these addresses.
    Claim(Vec<&'static str>),
    /// Its pod, container or network has a name of this length, or this one.
    Name(&'static str, usize, String),
    /// It is longer than any that libcni writes.
    Swell,
    /// It is no plain file.
    Directory,
    Link,
}

/// Where it stands.
#[derive(Clone, Debug)]
enum Place {
    /// Under its own name.
    Own,
    /// Beside the file as it was, under this name.
    Beside(Vec<u8>),
}

/// What a claim can name beside plain addresses.
const VICTIMS: &str = "the victim's";
const ANOTHERS: &str = "another pod's";
const MAPPED: &str = "another pod's, as IPv6";
const PRIMARY: &str = "the ENI's primary address";

fn change() -> impl Strategy<Value = Change> {
    let claims = [VICTIMS, ANOTHERS, MAPPED, PRIMARY, "10.9.8.7/24", "::/0", "192.168.0.255/32", "x"];
    let claim = proptest::collection::vec(select(claims.to_vec()), 0..80);
    let key = select(vec!["containerId", "ifName", "networkName", "K8S_POD_NAME"]);
    prop_oneof![
        4 => damage().prop_map(Change::Damage),
        6 => mutations(3).prop_map(Change::Mutate),
        3 => mutations(2).prop_map(Change::Configure),
        6 => claim.prop_map(|mut claim| { claim.truncate(claim.len() % 5 + claim.len() / 70 * 70); Change::Claim(claim) }),
        3 => (key, select(vec![0, 0, 300, 5000, 600_000]), text()).prop_map(|(key, length, text)| Change::Name(key, length, text)),
        1 => Just(Change::Swell),
        1 => Just(Change::Directory),
        1 => Just(Change::Link),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    let name =
        proptest::collection::vec(any::<u8>().prop_filter("a name", |it| ![0, b'/'].contains(it)), 3..40);
    prop_oneof![2 => Just(Place::Own), 1 => name.prop_map(Place::Beside)]
}

/// What is called after that.
const DEEDS: [&str; 10] = [
    "reconcile",
    "reconcile --adopt",
    "reconcile --restore",
    "reconcile --release-orphans --yes",
    "flush",
    "doctor",
    "list",
    "GC",
    "ADD new",
    "STATUS",
];

const PODS: [&str; 4] = ["c0", "c1", "c2", "c3"];

struct Stage {
    node: Node,
    given: Vec<IpAddr>,
    /// What the files of the cache were.
    files: Vec<(PathBuf, Vec<u8>)>,
    starts: [Moment; 3],
}

impl Stage {
    fn set() -> Self {
        let node = node().with("gcGraceSeconds", 0);
        let old = node.add_pod("old").address();
        // Records of a backup: one of a pod that has gone, and none of the others.
        let backup = Moment::of(&node, "backup");
        node.del_pod("old").ok();
        let mut given = vec![node.call("ADD", "c0").env("CNI_ARGS", format!("IP={old}")).run().address()];
        node.cache("c0", &given);
        given.extend(PODS[1..].iter().map(|pod| node.add_pod(pod).address()));
        let files: Vec<_> = PODS
            .iter()
            .map(|pod| node.cached(pod))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        node.let_time_pass(std::time::Duration::from_mins(10));
        let kept = Moment::of(&node, "kept");
        let backup = backup.with_cloud_of(&kept);
        fs::remove_dir_all(node.store()).unwrap();
        std::os::unix::fs::DirBuilderExt::mode(&mut fs::DirBuilder::new(), 0o700)
            .create(node.store())
            .unwrap();
        let lost = Moment::of(&node, "lost");
        Self { node, given, files, starts: [kept, lost, backup] }
    }

    /// The cache with one changed file.
    fn cache(&self, victim: usize, change: &Change, place: &Place) {
        let results = self.node.cni_cache().join("results");
        fs::remove_dir_all(&results).unwrap();
        fs::create_dir(&results).unwrap();
        for (path, content) in &self.files {
            fs::write(path, content).unwrap();
        }
        let (own, content) = &self.files[victim];
        let path = match place {
            Place::Own => {
                fs::remove_file(own).unwrap();
                own.clone()
            }
            Place::Beside(name) => results.join(OsString::from_vec(name.clone())),
        };
        match change {
            Change::Directory => drop(fs::create_dir(path)),
            Change::Link => drop(std::os::unix::fs::symlink(&self.files[(victim + 1) % PODS.len()].0, path)),
            change => drop(fs::write(path, self.changed(victim, change, content))),
        }
    }

    fn changed(&self, victim: usize, change: &Change, content: &[u8]) -> Vec<u8> {
        let mut document: Value = serde_json::from_slice(content).unwrap();
        match change {
            Change::Damage(damage) => return damage.to(content),
            Change::Mutate(mutations) => return mutate(&document, mutations).into_bytes(),
            Change::Swell => return [content, " ".repeat(2 << 20).as_bytes()].concat(),
            Change::Configure(mutations) => {
                let config = BASE64_STANDARD.decode(document["config"].as_str().unwrap()).unwrap();
                let config = mutate(&serde_json::from_slice(&config).unwrap(), mutations);
                document["config"] = BASE64_STANDARD.encode(config).into();
            }
            Change::Claim(claims) => {
                let another = self.given[(victim + 1) % PODS.len()];
                let ips = claims.iter().map(|claim| match *claim {
                    VICTIMS => format!("{}/24", self.given[victim]),
                    ANOTHERS => format!("{another}/24"),
                    MAPPED => format!("::ffff:{another}/128"),
                    PRIMARY => {
                        let primary = self.node.cloud.with_world(|world| world.eni_mut(Node::ENI).primary_ip);
                        format!("{primary}/24")
                    }
                    other => other.to_owned(),
                });
                document["result"]["ips"] = ips.map(|it| json!({"address": it})).collect();
            }
            Change::Name(key, length, text) => {
                let name = if *length > 0 { "x".repeat(*length) } else { text.clone() };
                if document.get(key).is_some() {
                    document[*key] = name.into();
                } else {
                    document["cniArgs"] = json!([[key, name]]);
                }
            }
            Change::Directory | Change::Link => {}
        }
        document.to_string().into_bytes()
    }

    fn perform(&self, deed: &str) -> Option<Answer> {
        let node = &self.node;
        let valid: Vec<_> = PODS.iter().map(|pod| json!({"containerID": pod, "ifname": "eth0"})).collect();
        match deed {
            "GC" | "STATUS" => {
                drop(make(node.call(deed, "").config(|it| it["cni.dev/valid-attachments"] = valid.into())));
                None
            }
            "ADD new" => {
                drop(make(node.call("ADD", "new")));
                None
            }
            words => {
                let words: Vec<_> = words.split(' ').chain(["--json"]).collect();
                Some(command(node.command(&words)))
            }
        }
    }
}

/// Every address that a comparison names, whatever as.
fn named(answer: &Answer) -> BTreeSet<IpAddr> {
    let document = answer.json();
    let mut found = BTreeSet::new();
    for eni in document["enis"].as_array().into_iter().flatten() {
        for key in ["orphans", "inUse", "conflicts", "undecided", "ghosts", "foreign"] {
            for entry in eni[key].as_array().into_iter().flatten() {
                let address = entry.as_str().or(entry["address"].as_str()).unwrap();
                found.insert(address.parse().unwrap());
            }
        }
    }
    found
}

#[test]
fn a_hostile_cache_takes_no_address_from_a_pod_whose_file_is_whole_and_loses_none() {
    let stage = Stage::set();
    let Stage { node, starts, given, .. } = &stage;
    let deeds = (Just(DEEDS.to_vec()).prop_shuffle(), 1..DEEDS.len());
    let cases = (0..3_usize, any::<Index>(), change(), place(), deeds);
    survive("commands upon a hostile cache", 15, &cases, |(start, victim, change, place, (deeds, count))| {
        starts[start].restore(node);
        let victim = victim.index(PODS.len());
        stage.cache(victim, &change, &place);
        for deed in &deeds[..count] {
            drop(stage.perform(deed));
            let on_eni = node.on_eni();
            // Where its own file is gone, nothing need show that the victim lives.
            let whole = |pod: &usize| *pod != victim || start == 0 || matches!(place, Place::Beside(_));
            if let Some(pod) = (0..PODS.len()).filter(whole).find(|pod| !on_eni.contains(&given[*pod])) {
                panic!("{} has lost its address by {deed}\n{}", PODS[pod], node.scene());
            }
        }
        // Whatever is on the ENI, a record has it or a person is told.
        let seen = command(node.command(&["reconcile", "--json"]));
        let known = &node.recorded() | &named(&seen);
        assert!(node.on_eni().is_subset(&known), "{:?} {seen:?}\n{}", node.on_eni(), node.scene());
        // And when all pods are gone and libcni has forgotten them, all of it can be released.
        for pod in PODS.iter().chain(&["new", "old"]) {
            let _ = make(node.call("DEL", pod));
        }
        let results = node.cni_cache().join("results");
        fs::remove_dir_all(&results).unwrap();
        fs::create_dir(&results).unwrap();
        let gc = |it: &mut Value| it["cni.dev/valid-attachments"] = json!([]);
        let _ = make(node.call("GC", "").config(gc));
        let _ = command(node.command(&["flush"]));
        let end = command(node.command(&["reconcile", "--release-orphans", "--yes", "--json"]));
        assert!(node.on_eni().is_empty() && node.recorded().is_empty(), "{end:?}\n{}", node.scene());
        count + 10
    });
}
