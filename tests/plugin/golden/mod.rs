//! Stores of earlier versions: each is read by every later one, and what it names is released.
//!
//! `golden/schema-1/` is a store in every state, and the inventory and the listing that go with it. It is data, written once
//! by the plugin itself, and stays as it is when the store's form changes: then another directory joins it. To write it:
//! ```text
//! GOLDEN_STORE=write cargo test --test plugin golden::a_store_is_still_written
//! ```

mod newer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness::simulator::{AddressPolicy, Eni};
use harness::{Answer, Effect, Fault, Node, World};
use serde_json::{Value, json};

use crate::{eventually, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const DESCRIBE: &str = "DescribeNetworkInterfaces";

/// The ENI on which a release was under way when its DEL was killed.
const OTHER_ENI: &str = "eni-bp1secondary000000002";

/// The boot in which the golden stores were written.
const BOOT: &str = "00000000-0000-4000-8000-000000000001";

/// Every directory of a store, in which all files but the locks are.
const DIRECTORIES: [&str; 7] = ["assigning", "active", "address", "releasing", "quarantine", "eni", "cache"];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/golden/schema-1")
}

fn read_json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(golden().join(name)).unwrap()).unwrap()
}

fn world() -> World {
    let other = Eni::new(OTHER_ENI, "00:16:3e:00:00:03", [192, 168, 0, 12].into());
    World::single_node().with_policy(AddressPolicy::LowestFree).with_eni(other)
}

/// A node to which the golden store has come, and whose ENIs have what that names.
fn golden_node() -> Node {
    let node = node_in(world()).with("timeoutSeconds", 30);
    restore(&golden().join("store"), &node.store());
    for (eni, addresses) in read_json("inventory.json").as_object().unwrap() {
        for address in addresses.as_array().unwrap() {
            node.cloud.assign(eni, address.as_str().unwrap().parse().unwrap());
        }
    }
    node
}

/// Copies a store with what git does not keep: who may read, that an address's entry is another name of its record, and which boot
/// this is: its pods live.
fn restore(from: &Path, to: &Path) {
    let make = |directory: &Path| {
        fs::create_dir_all(directory).unwrap();
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    };
    make(to);
    let mut records = BTreeMap::new();
    for directory in DIRECTORIES {
        make(&to.join(directory));
        for (name, content) in files(&from.join(directory)) {
            let content = of_this_boot(&content);
            let path = to.join(directory).join(name);
            match records.get(&content).filter(|_| directory == "address") {
                Some(record) => fs::hard_link(record, &path).unwrap(),
                None => fs::write(&path, &content).unwrap(),
            }
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            // The entries come behind the active records, and lead to no others.
            if directory == "active" {
                records.insert(content, path);
            }
        }
    }
}

/// As if it had been written in this boot.
fn of_this_boot(content: &[u8]) -> Vec<u8> {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap();
    let mut content = content.to_owned();
    let places: Vec<_> = content
        .windows(BOOT.len())
        .enumerate()
        .filter(|(_, it)| *it == BOOT.as_bytes())
        .map(|it| it.0)
        .collect();
    for place in places {
        content[place..place + BOOT.len()].copy_from_slice(&boot[..BOOT.len()]);
    }
    content
}

/// The files in a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let is_lock = |name: &str| Path::new(name).extension().is_some_and(|it| it == "lock" || it == "queue");
    // A draft may be gone before it is read.
    let kept = named.filter(|(name, _)| !is_lock(name) && !name.starts_with('.'));
    kept.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

/// What is listed, but for why a quarantined file was set aside: that is said by the version that lists.
fn listing(node: &Node) -> Value {
    let mut listed = node.operator(&["list", "--json"]).json();
    for record in listed["records"].as_array_mut().unwrap() {
        // A key that `list` has got since.
        record.as_object_mut().unwrap().remove("restsSince");
        if record["state"] == "quarantined" {
            record["lastError"] = Value::Null;
        }
    }
    listed
}

/// The addresses on an ENI.
fn on(node: &Node, eni: &str) -> BTreeSet<IpAddr> {
    node.cloud.addresses(eni)
}

/// The addresses of the listed records in one of `states`.
fn listed_in(states: &[&str]) -> BTreeSet<IpAddr> {
    let listed = read_json("list.json");
    let records = listed["records"].as_array().unwrap().iter();
    let chosen = records.filter(|record| states.iter().any(|state| record["state"] == *state));
    let addresses = chosen.flat_map(|record| record["addresses"].as_array().unwrap());
    addresses.map(|address| address.as_str().unwrap().parse().unwrap()).collect()
}

/// What only a quarantined file names: a person decides about it.
fn set_aside() -> BTreeSet<IpAddr> {
    let inventory = read_json("inventory.json");
    let all = inventory.as_object().unwrap().values().flat_map(|addresses| addresses.as_array().unwrap());
    let all: BTreeSet<IpAddr> = all.map(|address| address.as_str().unwrap().parse().unwrap()).collect();
    &all - &listed_in(&["active", "releasing"])
}

/// What is listed, in an order that does not depend on that of the list.
fn in_any_order(mut listed: Value) -> Value {
    listed["records"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    listed
}

#[test]
fn a_store_of_schema_1_is_listed_as_it_was() {
    let mut now = listing(&golden_node());
    // A key that was added since.
    for record in now["records"].as_array_mut().unwrap() {
        record.as_object_mut().unwrap().remove("nextTry").unwrap();
    }
    assert_eq!(in_any_order(now), in_any_order(read_json("list.json")));
}

#[test]
fn the_pods_of_a_store_of_schema_1_keep_their_addresses() {
    let node = golden_node();
    let listed = read_json("list.json");
    for record in listed["records"].as_array().unwrap().iter().filter(|it| it["state"] == "active") {
        let expected: Vec<IpAddr> = serde_json::from_value(record["addresses"].clone()).unwrap();
        let added = node.add(record["containerId"].as_str().unwrap());
        assert_eq!(added.addresses(), expected);
        let container = record["containerId"].as_str().unwrap();
        node.call("CHECK", container).config(|config| config["prevResult"] = added.result()).run().ok();
    }
    assert_eq!(node.cloud.ledger().len(), 0, "{}", node.scene());
}

#[test]
fn the_dels_of_all_pods_of_a_store_of_schema_1_release_all_that_it_names() {
    let node = golden_node().with("onReleaseFailure", "fail");
    let listed = read_json("list.json");
    let owners: BTreeSet<_> = listed["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["state"] != "quarantined")
        .map(|record| record["containerId"].as_str().unwrap())
        .collect();
    assert_eq!(owners.len(), 9);
    for owner in owners {
        node.del(owner).ok();
        assert!(node.records().iter().all(|record| record.0["containerId"] != owner), "{}", node.scene());
    }
    expect_empty_but_for(&node, &set_aside());
}

#[test]
fn a_flush_of_a_store_of_schema_1_releases_all_but_what_is_in_use() {
    let node = golden_node();
    let flushed = node.operator(&["flush"]);
    assert_eq!(flushed.status(), 0, "{}\n{}", flushed.stdout(), node.scene());
    assert_eq!(node.counts(), [0, 2, 0, 1], "{}", node.scene());
    let in_use = listed_in(&["active"]);
    assert_eq!(on(&node, Node::ENI), &in_use | &set_aside(), "{}", node.scene());
    assert!(on(&node, OTHER_ENI).is_empty(), "{}", node.scene());
    for container in ["c-v4", "c-dual"] {
        node.del(container).ok();
    }
    expect_empty_but_for(&node, &set_aside());
}

#[track_caller]
fn expect_empty_but_for(node: &Node, left: &BTreeSet<IpAddr>) {
    assert_eq!(left.len(), 1);
    assert_eq!((&on(node, Node::ENI), on(node, OTHER_ENI).len()), (left, 0), "{}", node.scene());
    assert_eq!(node.counts(), [0, 0, 0, 1], "{}", node.scene());
    // No entry of an address is left behind but that of the damaged record, which nobody can read.
    let entries = files(&node.store().join("address"));
    let of_left: Vec<_> = left.iter().map(|address| format!("{}-{address}", Node::ENI)).collect();
    assert_eq!(entries.keys().cloned().collect::<Vec<_>>(), of_left);
}

#[test]
fn a_store_is_still_written_as_schema_1_has_it() {
    let node = written();
    if std::env::var_os("GOLDEN_STORE").is_some_and(|it| it == "write") {
        keep(&node);
    }
    for directory in DIRECTORIES {
        let shapes = |store: &Path| {
            let mut files = files(&store.join(directory));
            // The cache may be deleted at any time: a file that has come to it is not missed by those who know it not, and what a
            // file of facts lacks is asked for again.
            files.retain(|name, _| !name.starts_with("link-") && !name.starts_with("facts-"));
            let mut shapes: Vec<_> =
                files.values().map(|content| shape_of_file(content, directory == "address")).collect();
            shapes.sort();
            shapes.join("\n\n")
        };
        let (now, then) = (shapes(&node.store()), shapes(&golden().join("store")));
        assert!(now == then, "{directory}/ has\n{now}\n\nand in the golden store\n{then}");
    }
}

/// The keys of a file's texts and the types of their values. An entry of an address may be a name of the record's file as it was
/// before its release failed, or after that.
fn shape_of_file(content: &[u8], is_entry: bool) -> String {
    // A text that begins with a NUL is a hint, which readers can do without.
    let texts = content.split(|&byte| byte == 0x1e).filter(|text| !text.is_empty() && text[0] != 0);
    let shapes = texts.map(|text| {
        let Ok(mut text) = serde_json::from_slice::<Value>(text) else { return "damaged".into() };
        if let Some(object) = text.as_object_mut().filter(|_| is_entry) {
            object.remove("release");
        }
        shape(&text)
    });
    shapes.collect::<Vec<_>>().join("\n")
}

/// Optional keys that schema 1 has got since the golden store was written. Readers that do not know them ignore them.
const ADDED: [&str; 6] = ["asked", "block", "clock", "digest", "lastTried", "primary"];

fn shape(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let members = object
                .iter()
                .filter(|(key, _)| !ADDED.contains(&key.as_str()))
                .map(|(key, value)| format!("{key}: {}", shape(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(shape).collect::<Vec<_>>().join(", ")),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "bool".into(),
        Value::Null => "null".into(),
    }
}

/// The only file of `directory` whose content has this text.
fn file_with(node: &Node, directory: &str, text: &str) -> PathBuf {
    let found = files(&node.store().join(directory));
    let mut names = found.into_iter().filter(|(_, content)| String::from_utf8_lossy(content).contains(text));
    let (name, _) = names.next().unwrap();
    assert!(names.next().is_none());
    node.store().join(directory).join(name)
}

/// A node whose calls have left a record in every state.
fn written() -> Node {
    let node = node_in(world()).with("timeoutSeconds", 3);
    let add = |container: &str, key: &str, value: Value| -> Answer {
        node.call("ADD", container).config(|config| config["ipam"][key] = value).run()
    };
    let pod = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=1234-5678";
    let _ = node.call("ADD", "c-v4").env("CNI_ARGS", pod).run().address();
    let _ = add("c-dual", "ipv6", json!(true)).address();
    for container in ["c-damaged", "c-tried", "c-unseen", "c-untried"] {
        let _ = node.add(container).address();
    }
    let _ = add("c-in-flight", "networkInterfaceId", json!(OTHER_ENI)).address();

    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    let _ = node.add("c-full").error(112);

    let damaged = file_with(&node, "active", "c-damaged");
    OpenOptions::new().write(true).open(&damaged).unwrap().set_len(100).unwrap();
    let result = json!({"cniVersion": "1.1.0", "ips": []});
    let check = node.call("CHECK", "c-damaged").config(|config| config["prevResult"] = result);
    let _ = check.run().error(102);

    // Killed with a request on its way, in a later boot than that of its ADD: whose the ENI is was looked for before.
    let record = file_with(&node, "active", "c-in-flight");
    let mut document: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    document["allocation"]["bootId"] = "an earlier boot".into();
    fs::write(&record, document.to_string() + "\n").unwrap();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::Stall));
    let patient = |config: &mut Value| config["ipam"]["timeoutSeconds"] = 60.into();
    let del = node.call("DEL", "c-in-flight").config(patient).start();
    let state = node.store().join("eni").join(format!("{OTHER_ENI}.json"));
    eventually("the release is under way", || {
        fs::read_to_string(&state).is_ok_and(|content| content.contains("inFlight"))
    });
    del.kill();
    node.cloud.clear_faults();

    // Refused for good, and of unknown outcome.
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("InvalidIp.IpAssigned")));
    node.del("c-tried").ok();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::DropBefore));
    node.cloud.inject(Fault::on(DESCRIBE).effect(Effect::DropBefore));
    node.del("c-unseen").ok();
    node.cloud.clear_faults();

    // ADDs that are killed with a request on its way.
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::Stall));
    for container in ["c-unanswered", "c-marked", "c-assigning"] {
        let add = node.call("ADD", container).config(patient).start();
        eventually("the ADD asks", || {
            let intents = files(&node.store().join("assigning")).into_values();
            let mut intents = intents.map(|content| String::from_utf8(content).unwrap());
            intents.any(|intent| intent.contains(container) && intent.contains("\"ask\""))
        });
        if container == "c-marked" {
            node.del(container).ok();
        }
        add.kill();
    }
    node.cloud.clear_faults();

    // Left to whoever has the ENI's lock.
    let lock = node.store().join("eni").join(format!("{}.lock", Node::ENI));
    let lock = OpenOptions::new().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    node.del("c-untried").ok();
    node.del("c-unanswered").ok();
    node.cloud.clear_faults();
    assert_eq!(node.counts(), [2, 2, 5, 1], "{}", node.scene());
    node
}

/// Makes the node's store, inventory and listing the golden ones.
fn keep(node: &Node) {
    let _ = fs::remove_dir_all(golden().join("store"));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let settle = |content: &[u8]| {
        // Always long ago, whatever the clock says.
        let text = String::from_utf8(content.to_vec()).unwrap().replace(boot.trim(), BOOT);
        (2021..2100).fold(text, |text, year| text.replace(&format!("\"{year}-"), "\"2020-"))
    };
    for directory in DIRECTORIES {
        let to = golden().join("store").join(directory);
        fs::create_dir_all(&to).unwrap();
        for (name, content) in files(&node.store().join(directory)) {
            fs::write(to.join(name), settle(&content)).unwrap();
        }
    }
    let of_eni = |eni: &str| (eni.to_owned(), json!(on(node, eni)));
    let inventory: Value = [Node::ENI, OTHER_ENI].map(of_eni).into_iter().collect();
    let settled = settle(listing(node).to_string().as_bytes());
    let listed: Value = serde_json::from_str(&settled).unwrap();
    for (name, document) in [("inventory.json", inventory), ("list.json", listed)] {
        fs::write(golden().join(name), format!("{document:#}\n")).unwrap();
    }
}
