//! What the log and the commands of a person say.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use harness::simulator::World;
use harness::{Answer, Effect, Fault, Node};

use super::Section;
use super::errors::gc;
use crate::plain::plain;
use crate::{node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn refuse(node: &Node) {
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
}

/// A pod whose DEL has been deferred.
fn deferred(node: &Node) {
    let _ = node.add("c1").address();
    refuse(node);
    node.del("c1").ok();
}

/// An ADD that was killed when ECS had assigned the address.
fn interrupted(node: &Node) {
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c1").start();
    crate::eventually("the address is assigned", || !node.on_eni().is_empty());
    add.kill();
}

/// A pod whose address a person has unassigned.
fn ghost(node: &Node) -> IpAddr {
    let address = node.add("c1").address();
    node.let_time_pass(std::time::Duration::from_mins(3));
    node.cloud.unassign(Node::ENI, address);
    address
}

/// An address that has been in the reserve for half an hour.
fn reserved(node: &Node) {
    let _ = node.add("c1").address();
    node.cloud.assign(Node::ENI, orphan());
    node.reserve(orphan(), Duration::from_mins(30));
}

/// A record without its digest, as a person leaves it who changes it: it is believed.
fn unsealed(record: &str) -> String {
    let mut record: serde_json::Value = serde_json::from_str(record).unwrap();
    record.as_object_mut().unwrap().remove("digest");
    record.to_string()
}

/// The files with a first record of the state.
fn first(node: &Node, state: &str) -> std::path::PathBuf {
    fs::read_dir(node.store().join(state)).unwrap().next().unwrap().unwrap().path()
}

type Happening = (&'static str, fn(&mut Node));

const HAPPENINGS: &[Happening] = &[
    ("main plugins that do not work on ECS", |node| {
        for main_plugin in ["macvlan", "bridge"] {
            let add = node.call("ADD", main_plugin).config(|config| config["type"] = main_plugin.into());
            let _ = add.run().address();
        }
    }),
    ("ptp on a secondary ENI without the chained plugin", |node| {
        let _ = node.add("c1").address();
        node.let_time_pass(Duration::from_mins(2));
        let _ = node.add("c2").address();
    }),
    ("addresses that metadata does not show in time", |node| {
        node.cloud.set_metadata_lag(Node::ENI, Duration::from_hours(1));
        node.set("waitForAddress", 1);
        let _ = node.add("c1").address();
        node.cloud.set_description_lag(Node::ENI, Duration::from_hours(1));
        node.cloud.set_metadata_lag(Node::ENI, Duration::from_hours(1));
        let _ = node.add("c2").address();
    }),
    ("ADD, DEL", |node| {
        let _ = node.add("c1").address();
        node.del("c1").ok();
    }),
    ("ADD with an unknown key", |node| {
        node.set("colour", "blue");
        let _ = node.add("c1").address();
    }),
    ("ADD with keys that are nearly known", |node| {
        for key in ["networkInterfaceID", "vswitch", "dataDirectory"] {
            node.set(key, "x");
        }
        let _ = node.add("c1").address();
    }),
    ("ADD that is refused for a while", |node| {
        node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::code("Operation.Conflict")));
        let _ = node.add("c1").address();
    }),
    ("ADD without permission", |node| {
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("Forbidden.RAM")));
        let _ = node.add("c1").any_error();
    }),
    ("ADD that nobody reads", |node| drop(node.call("ADD", "c1").run_unread())),
    ("ADD whose metricsFile cannot be written", |node| {
        node.set("metricsFile", "/dev/null/metrics.prom");
        let _ = node.add("c1").address();
    }),
    ("ADD on a node with a wrong clock", |node| {
        node.cloud.set_clock_offset(3600);
        let _ = node.add("c1").address();
    }),
    ("DEL of an address that is off the ENI already", |node| {
        let address = node.add("c1").address();
        node.cloud.unassign(Node::ENI, address);
        node.del("c1").ok();
    }),
    ("DEL of an ENI that does not exist any more", |node| {
        let _ = node.add("c1").address();
        node.cloud.with_world(|world| world.enis.remove(Node::ENI));
        node.del("c1").ok();
    }),
    ("DEL without permission, then another one", |node| {
        let _ = node.add("c2").address();
        deferred(node);
        node.del("c2").ok();
    }),
    ("DEL whose request is not answered", |node| {
        let _ = node.add("c1").address();
        node.set("timeoutSeconds", 3);
        node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::Stall));
        node.del("c1").ok();
    }),
    ("DEL of an address that is still another pod's", |node| {
        let _ = node.add("c1").address();
        let active = first(node, "active");
        let name = format!("{}.0123456789abcdef", active.file_name().unwrap().to_str().unwrap());
        fs::create_dir_all(node.store().join("releasing")).unwrap();
        fs::copy(&active, node.store().join("releasing").join(name)).unwrap();
        let _ = node.operator(&["flush"]);
    }),
    ("flush after an interrupted ADD", |node| {
        interrupted(node);
        let _ = node.operator(&["flush"]);
    }),
    ("flush of a node that was cloned from another one", |node| {
        deferred(node);
        let record = first(node, "releasing");
        let content = fs::read_to_string(&record).unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        fs::write(&record, unsealed(&content.replace(boot.trim(), "another boot"))).unwrap();
        node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-another".into()));
        node.cloud.clear_faults();
        let _ = node.operator(&["flush"]);
    }),
    ("GC", |node| {
        node.set("gcGraceSeconds", 0);
        let _ = node.add("c1").address();
        gc(node).ok();
    }),
    ("reconcile --release-orphans", |node| {
        node.cloud.assign(Node::ENI, orphan());
        let _ = node.operator(&["reconcile", "--release-orphans", "--yes"]);
    }),
    ("first ADD after the store was lost", |node| {
        let _ = node.add_pod("c1").address();
        fs::remove_dir_all(node.store()).unwrap();
        let _ = node.add("c2").address();
    }),
    ("reconcile --adopt", |node| {
        conflict(node);
        let _ = node.operator(&["reconcile", "--adopt"]);
    }),
    ("state of an ENI that cannot be read", |node| {
        let _ = node.add("c1").address();
        fs::write(node.store().join(format!("eni/{}.json", Node::ENI)), "{").unwrap();
        node.del("c1").ok();
    }),
    ("file of credentials that others can read", |node| {
        let path = node.directory().join("keys");
        let (id, secret) = (World::ACCESS_KEY_ID, World::ACCESS_KEY_SECRET);
        let text =
            format!("[default]\ntype = access_key\naccess_key_id = {id}\naccess_key_secret = {secret}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        node.set("credentials", serde_json::json!({"source": "file", "path": path}));
        let _ = node.add("c1").address();
    }),
];

fn orphan() -> IpAddr {
    "192.168.0.77".parse().unwrap()
}

/// The lines of the log that are there with the default `logLevel`; each once, because how often something is tried again
/// depends on the moment.
pub(super) fn log_lines() -> Section {
    let mut messages = Vec::new();
    for (happening, make) in HAPPENINGS {
        let mut node = node();
        make(&mut node);
        assert!(!node.log().contains(World::ACCESS_KEY_SECRET), "a secret in the log of {happening}");
        let mut lines: Vec<String> = Vec::new();
        for line in node.log().lines().filter(|line| !line.contains(" DEBUG ")) {
            // The time, the level, the process's id, and what there is to say.
            let mut words = line.split_whitespace();
            let (level, pid) = (words.nth(1).unwrap_or_default(), words.next().unwrap_or_default());
            let text = line.split_once(&format!(" {pid} ")).map_or("", |(_, text)| text);
            let line = format!("{level:<5} {}", plain(&node, text));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        messages.push(((*happening).to_owned(), lines.join("\n")));
    }
    Section { heading: "Lines of the log", messages }
}

type Look = (&'static str, fn(&mut Node) -> Answer);

const LOOKS: &[Look] = &[
    ("a node as it should be", |node| node.operator(&["doctor"])),
    ("a node with pods, an unknown key and a deferred release", |node| {
        node.set("colour", "blue");
        let _ = node.add("c2").address();
        deferred(node);
        fs::set_permissions(node.store(), Permissions::from_mode(0o755)).unwrap();
        node.operator(&["doctor"])
    }),
    ("a record that cannot be read, and a held lock", |node| {
        let _ = node.add("c1").address();
        fs::write(first(node, "active"), "{").unwrap();
        let lock = fs::File::open(node.store().join("lock")).unwrap();
        lock.lock().unwrap();
        node.operator(&["doctor"])
    }),
    ("a record of an earlier boot", |node| {
        let _ = node.add("c1").address();
        let record = first(node, "active");
        let content = fs::read_to_string(&record).unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        fs::write(&record, unsealed(&content.replace(boot.trim(), "another boot"))).unwrap();
        node.operator(&["doctor"])
    }),
    ("an address in the reserve, and others that nobody needs", |node| {
        node.set("reserve", 1);
        reserved(node);
        let [surplus, foreign, damaged] = [78, 79, 80].map(|last| IpAddr::from([192, 168, 0, last]));
        node.reserve(surplus, Duration::from_mins(30));
        node.reserve_changed(foreign, Duration::from_mins(30), |entry| entry["network"] = "old".into());
        node.reserve(damaged, Duration::from_mins(30));
        fs::write(node.entry(damaged), "{").unwrap();
        node.operator(&["doctor"])
    }),
    ("off ECS", |node| {
        node.ipam.remove("networkInterfaceId");
        node.set("metadataEndpoint", "http://127.0.0.1:1");
        node.operator(&["doctor"])
    }),
    ("without credentials", |node| node.command(&["doctor"]).without("ALIBABA_CLOUD_ACCESS_KEY_ID").run()),
    ("nobody listens at the endpoint", |node| {
        node.set("endpoint", "http://127.0.0.1:1");
        node.operator(&["doctor"])
    }),
    ("a wrong clock, a full ENI and no permission to assign", |node| {
        let mut world = World::single_node().with_quota(1, 1);
        let permitted = ["DescribeNetworkInterfaces", "DescribeInstanceTypes", UNASSIGN];
        world.access_keys.get_mut(World::ACCESS_KEY_ID).unwrap().permission =
            harness::simulator::Permission::only(permitted);
        *node = node_in(world);
        node.cloud.set_clock_offset(-3600);
        node.operator(&["doctor"])
    }),
    ("an ENI that is not attached", |node| {
        node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = None);
        node.operator(&["doctor"])
    }),
    ("two networks with a store each for one ENI, and an unknown key", |node| {
        let directory = node.directory().join("net.d");
        fs::create_dir(&directory).unwrap();
        let mut second = node.conflist();
        second["name"] = "second".into();
        second["plugins"][0]["ipam"]["dataDir"] = node.directory().join("second").to_str().unwrap().into();
        second["plugins"][0]["ipam"]["colour"] = "blue".into();
        fs::write(directory.join("10-pods.conflist"), node.conflist().to_string()).unwrap();
        fs::write(directory.join("20-second.conflist"), second.to_string()).unwrap();
        node.operator_with(&directory, &["doctor"])
    }),
    ("broken files before the network's, and one of another plugin", |node| {
        let directory = node.directory().join("net.d");
        fs::create_dir(&directory).unwrap();
        let other = r#"{"name":"a","type":"bridge","ipam":{"type":"host-local"}}"#;
        let mut ipam = node.conflist();
        ipam["plugins"][0]["ipam"] = "aliyun-eni-ipam".into();
        fs::write(directory.join("10-other.conf"), "{").unwrap();
        fs::write(directory.join("15-pods.conflist"), ipam.to_string()).unwrap();
        fs::write(directory.join("17-other.conf"), other).unwrap();
        fs::write(directory.join("20-pods.conflist"), node.conflist().to_string()).unwrap();
        node.operator_with(&directory, &["doctor"])
    }),
    ("no plugin in the directory of plugins, and no directory for log and metrics", |node| {
        let nowhere = node.directory().join("none");
        node.set("metricsFile", nowhere.join("node.prom").to_str().unwrap());
        node.set("logFile", nowhere.join("log").to_str().unwrap());
        node.command(&["doctor"]).env("CNI_PATH", &nowhere).run()
    }),
    ("a plugin of another version, and metrics that nobody reads", |node| {
        let directory = node.directory().join("bin");
        fs::create_dir(&directory).unwrap();
        let file = directory.join("aliyun-eni-ipam");
        fs::write(&file, "#!/bin/sh\necho aliyun-eni-ipam 0.0.1\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        node.set("metricsFile", node.directory().join("node.txt").to_str().unwrap());
        node.command(&["doctor"]).env("CNI_PATH", &directory).run()
    }),
    ("a pod without an address on the ENI, and an ADD that was killed", |node| {
        let address = node.add_pod("c2").address();
        node.let_time_pass(std::time::Duration::from_mins(2));
        node.cloud.unassign(Node::ENI, address);
        interrupted(node);
        node.cloud.clear_faults();
        node.operator(&["doctor"])
    }),
    ("a new store on a node with pods, and one whose DEL has not ended", |node| {
        let _ = node.add_pod("c1").address();
        let _ = node.add_pod("c2").address();
        node.del("c2").ok();
        fs::remove_dir_all(node.store()).unwrap();
        node.operator(&["doctor"])
    }),
    ("an old copy of the store", |node| {
        let address = node.add_pod("c1").address();
        node.forget_pod("c1");
        node.let_time_pass(std::time::Duration::from_mins(2));
        node.cache("c2", &[address]);
        node.operator(&["doctor"])
    }),
    ("a wrong region, a wrong subnet, and an unknown refusal", |node| {
        node.set("regionId", "cn-beijing");
        node.set("subnet", "10.0.0.0/24");
        let refusal = Effect::Error {
            code: "Brand.New".into(),
            message: "What ECS says.".into(),
            status: 403,
            retry_after_ms: None,
        };
        node.cloud.inject(Fault::on(ASSIGN).effect(refusal));
        node.operator(&["doctor"])
    }),
    ("after a flush", |node| {
        let _ = node.add_pod("c1").address();
        let _ = node.operator(&["flush"]);
        node.operator(&["doctor"])
    }),
    ("a key with a wrong value, and a store that others can write to", |node| {
        node.set("subnet", "192.168.0.1");
        fs::create_dir(node.store()).unwrap();
        fs::set_permissions(node.store(), Permissions::from_mode(0o777)).unwrap();
        node.operator(&["doctor"])
    }),
];

pub(super) fn doctor() -> Section {
    Section { heading: "Lines of doctor", messages: shown(LOOKS) }
}

const OUTPUTS: &[Look] = &[
    ("list", |node| {
        let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0";
        let _ = node.call("ADD", "4f1c9e2d7a6b5c4d3e2f").env("CNI_ARGS", args).run().address();
        deferred(node);
        node.operator(&["list"])
    }),
    ("flush with nothing to do", |node| node.operator(&["flush"])),
    ("flush of two addresses", |node| {
        let _ = node.add("c2").address();
        deferred(node);
        node.del("c2").ok();
        node.cloud.clear_faults();
        node.operator(&["flush"])
    }),
    ("flush without permission", |node| {
        deferred(node);
        node.operator(&["flush"])
    }),
    ("flush --json without permission", |node| {
        deferred(node);
        node.operator(&["flush", "--json"])
    }),
    ("flush after an interrupted ADD", |node| {
        interrupted(node);
        node.operator(&["flush"])
    }),
    ("release of an address that is not recorded", |node| node.operator(&["release", "192.168.0.7"])),
    ("release of an address that is being released", |node| {
        deferred(node);
        node.operator(&["release", "192.168.0.1"])
    }),
    ("release of both addresses of a pod, with no as the answer", |node| {
        node.set("ipv6", true);
        let addresses = node.add("c1").addresses();
        node.operator(&["release", &addresses[0].to_string()])
    }),
    ("release with yes as the answer", |node| {
        let _ = node.add("c1").address();
        node.operator(&["release", "192.168.0.1", "--yes"])
    }),
    ("release without permission", |node| {
        let _ = node.add("c1").address();
        refuse(node);
        node.operator(&["release", "192.168.0.1", "--yes"])
    }),
    ("release of an address of the reserve, with no as the answer", |node| {
        reserved(node);
        node.operator(&["release", "192.168.0.77"])
    }),
    ("reconcile of an address of the reserve that is not on the ENI", |node| {
        reserved(node);
        node.cloud.unassign(Node::ENI, orphan());
        node.operator(&["reconcile"])
    }),
    ("reconcile --release-orphans of it, with no as the answer", |node| {
        reserved(node);
        node.cloud.unassign(Node::ENI, orphan());
        node.operator(&["reconcile", "--release-orphans"])
    }),
    ("reconcile of an address of the reserve that a pod has", |node| {
        reserved(node);
        node.cache("c2", &[orphan()]);
        node.operator(&["reconcile"])
    }),
    ("release of an address of the reserve that a pod has", |node| {
        reserved(node);
        node.cache("c2", &[orphan()]);
        node.operator(&["release", "192.168.0.77"])
    }),
    ("reconcile beside a damaged entry of the reserve", |node| {
        reserved(node);
        fs::write(node.entry(orphan()), "{").unwrap();
        node.operator(&["reconcile"])
    }),
    ("reconcile of a node as it should be", |node| {
        let _ = node.add("c1").address();
        node.operator(&["reconcile"])
    }),
    ("reconcile of an orphan", |node| {
        node.cloud.assign(Node::ENI, orphan());
        node.operator(&["reconcile"])
    }),
    ("reconcile --release-orphans with no as the answer", |node| {
        node.cloud.assign(Node::ENI, orphan());
        node.operator(&["reconcile", "--release-orphans"])
    }),
    ("reconcile --release-orphans where libcni's cache is elsewhere", |node| {
        node.cloud.assign(Node::ENI, orphan());
        fs::remove_dir_all(node.cni_cache()).unwrap();
        node.operator(&["reconcile", "--release-orphans"])
    }),
    ("reconcile of what pods have without a record", |node| {
        for (pod, address) in [("c1", "192.168.0.71"), ("c2", "192.168.0.72"), ("c3", "192.168.0.72")] {
            let address = address.parse().unwrap();
            node.cloud.assign(Node::ENI, address);
            node.cache(pod, &[address]);
        }
        node.operator(&["reconcile"])
    }),
    ("reconcile of a conflict", |node| {
        conflict(node);
        node.operator(&["reconcile"])
    }),
    ("reconcile --adopt of a conflict", |node| {
        conflict(node);
        node.operator(&["reconcile", "--adopt"])
    }),
    ("release of what another pod has", |node| {
        conflict(node);
        node.operator(&["release", "192.168.0.1"])
    }),
    ("release of what its own pod is seen to use", |node| {
        let _ = node.add_pod("c1").address();
        node.operator(&["release", "192.168.0.1"])
    }),
    ("reconcile beside a damaged record", |node| {
        node.cloud.assign(Node::ENI, orphan());
        let _ = node.add("c1").address();
        fs::write(first(node, "active"), "{").unwrap();
        node.operator(&["reconcile"])
    }),
    ("reconcile of a ghost, on an ENI that ECS does not show", |node| {
        let _ = node.add("c1").address();
        let record = first(node, "active");
        let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        document["allocation"]["since"] = "2026-01-01T00:00:00Z".into();
        fs::write(&record, document.to_string()).unwrap();
        node.cloud.with_world(|world| world.enis.remove(Node::ENI));
        node.operator(&["reconcile"])
    }),
    ("reconcile of a ghost", |node| {
        let _ = ghost(node);
        node.operator(&["reconcile"])
    }),
    ("reconcile --restore", |node| {
        let _ = ghost(node);
        node.operator(&["reconcile", "--restore"])
    }),
    ("reconcile --restore of an address that somebody else has", |node| {
        let address = ghost(node);
        node.cloud.assign(World::PRIMARY_ENI, address);
        node.operator(&["reconcile", "--restore"])
    }),
    ("reconcile --restore on an ENI without room", |node| {
        let _ = ghost(node);
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
        node.operator(&["reconcile", "--restore"])
    }),
    ("reconcile --restore while ECS is down, twice", |node| {
        let _ = ghost(node);
        node.set("timeoutSeconds", 2);
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
        let _ = node.operator(&["reconcile", "--restore"]);
        node.operator(&["reconcile", "--restore"])
    }),
    ("reconcile of a pod that has an address of other software", |node| {
        let address = node.add("c1").address();
        node.set("foreignAddresses", serde_json::json!([address]));
        node.operator(&["reconcile"])
    }),
    ("help", |node| node.program(&["help"]).run()),
    ("help list", |node| node.program(&["help", "list"]).run()),
    ("help release", |node| node.program(&["help", "release"]).run()),
    ("help flush", |node| node.program(&["help", "flush"]).run()),
    ("help reconcile", |node| node.program(&["help", "reconcile"]).run()),
    ("help doctor", |node| node.program(&["help", "doctor"]).run()),
];

pub(super) fn outputs() -> Section {
    Section { heading: "Outputs of the other commands", messages: shown(OUTPUTS) }
}

/// What stands on the terminal afterwards, with the exit status.
fn shown(looks: &[Look]) -> Vec<(String, String)> {
    let show = |(situation, look): &Look| {
        let mut node = node();
        let answer = look(&mut node);
        let text = format!("{}{}", answer.stdout(), answer.stderr());
        assert!(!text.contains(World::ACCESS_KEY_SECRET), "a secret in {situation}");
        (format!("exit {}: {situation}", answer.status()), plain(&node, &text))
    };
    looks.iter().map(show).collect()
}

pub(super) fn wrong_usage() -> Section {
    let node = node();
    let told = |words: &str, files: &[(&str, &str)]| {
        let directory = node.directory().join("net.d");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (name, content) in files {
            fs::write(directory.join(name), content).unwrap();
        }
        let words: Vec<_> = words.split_whitespace().collect();
        let answer = node.operator_with(&directory, &words);
        assert_eq!((answer.status(), answer.stdout()), (2, String::new()), "{words:?}");
        plain(&node, &answer.stderr())
    };
    let mut messages: Vec<_> = [
        "lst",
        "ADD",
        "frobnicate",
        "list flush",
        "help lst",
        "doctor now",
        "doctor --yes",
        "reconcile --yes",
        "list --release-orphans",
        "release",
        "release web-0",
        "list --jsn",
        "list --verbose",
        "list -x",
        "list --state activ",
        "list --sort adress",
        "--json",
    ]
    .into_iter()
    .map(|words| (words.to_owned(), told(words, &[])))
    .collect();
    let pods = |name: &str| {
        let mut conflist = node.conflist();
        conflist["name"] = name.into();
        conflist.to_string()
    };
    let (first, second) = (pods("first"), pods("second"));
    let other = r#"{"name":"a","type":"bridge","ipam":{"type":"host-local"}}"#;
    for (situation, words, files) in [
        ("list, no file", "list", vec![]),
        (
            "list, other plugins and a broken file",
            "list",
            vec![("10-other.conf", other), ("20-broken.conf", "{")],
        ),
        ("reconcile, two networks", "reconcile", vec![("10.conflist", &*first), ("20.conflist", &*second)]),
        ("list, none of this name", "list --network third", vec![("10.conflist", &*first)]),
    ] {
        messages.push((situation.to_owned(), told(words, &files)));
    }
    Section { heading: "Wrong usage (exit 2)", messages }
}

/// A record that is out of date: another pod has got its address since.
fn conflict(node: &mut Node) {
    let address = node.add("c1").address();
    node.let_time_pass(Duration::from_mins(10));
    node.cache("c2", &[address]);
}
