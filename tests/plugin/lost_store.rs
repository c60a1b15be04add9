//! A store that was lost, or brought back from an old backup, while pods live: what they have is seen, kept and recorded again.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use harness::simulator::AddressPolicy;
use harness::{Answer, Effect, Fault, Node, Record, World};
use serde_json::{Value, json};

use crate::{eventually, node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const DESCRIBE: &str = "DescribeNetworkInterfaces";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Older than any ADD takes.
const A_WHILE: Duration = Duration::from_mins(10);

fn reconcile(node: &Node) -> Answer {
    node.operator(&["reconcile", "--json"])
}

fn adopt(node: &Node) -> Answer {
    node.operator(&["reconcile", "--adopt", "--json"])
}

fn release_orphans(node: &Node) -> Answer {
    node.operator(&["reconcile", "--release-orphans", "--yes", "--json"])
}

fn lose(node: &Node) {
    fs::remove_dir_all(node.store()).unwrap();
}

fn addresses_at<'a>(entries: &'a Value, key: &'a str) -> BTreeSet<IpAddr> {
    let address = |entry: &Value| match entry {
        Value::String(text) => text.parse().unwrap(),
        entry => entry["address"].as_str().unwrap().parse().unwrap(),
    };
    entries[key].as_array().unwrap().iter().map(address).collect()
}

fn eni(answer: &Answer) -> Value {
    answer.json()["enis"][0].clone()
}

/// Why this address cannot be recorded, as the entry of the ENI has it.
fn why(answer: &Answer, key: &str, address: IpAddr) -> Value {
    let entries = eni(answer)[key].as_array().cloned().unwrap();
    let entry = entries.into_iter().find(|it| it["address"] == json!(address));
    entry.unwrap_or_else(|| answer.fail("the address"))["why"].clone()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &to);
        } else {
            // As `tar` and `rsync` do it: another name of the same file keeps its content.
            let _ = fs::remove_file(&to);
            fs::copy(&path, &to).unwrap();
        }
    }
}

fn back_up(node: &Node) {
    copy(&node.store(), &node.directory().join("backup"));
}

fn restore(node: &Node) {
    lose(node);
    copy(&node.directory().join("backup"), &node.store());
}

/// A node whose cloud hands out the address again that was released last.
fn frugal_node() -> Node {
    node_in(World::single_node().with_policy(AddressPolicy::LowestFree))
}

#[test]
fn after_a_lost_store_every_pod_keeps_its_addresses_until_its_del_and_nothing_is_left() {
    let node = counting(node()).with("ipv6", true);
    let pods = ["c0", "c1", "c2"].map(|pod| (pod, node.add_pod(pod).addresses()));
    let before = node.on_eni();
    let list = || node.records().into_iter().map(|it| without_time(&it)).collect::<Vec<_>>();
    let recorded = list();
    lose(&node);

    let seen = reconcile(&node);
    assert_eq!((seen.status(), addresses_at(&eni(&seen), "inUse")), (1, before.clone()));
    let by = eni(&seen)["inUse"][0]["by"].as_str().unwrap().to_owned();
    assert!(by.starts_with("pod default/c"), "{by}");
    let adopted = adopt(&node);
    assert_eq!(adopted.status(), 0, "{adopted:?}");
    assert_eq!(addresses_at(&adopted.json(), "adopted"), before);
    assert_eq!((node.on_eni(), list()), (before.clone(), recorded));
    node.expect_in_use(before);
    assert_eq!(reconcile(&node).status(), 0);

    // As if nothing had happened: an ADD finds the record, a CHECK is content, and a DEL releases what its pod had.
    assert_eq!(node.add("c0").addresses(), pods[0].1);
    for (at, (pod, addresses)) in pods.iter().enumerate() {
        node.del_pod(pod).ok();
        assert!(addresses.iter().all(|it| !node.on_eni().contains(it)));
        node.expect_in_use(pods[at + 1..].iter().flat_map(|it| it.1.clone()));
    }
    assert_eq!(counted(&node), 0);
}

/// What must be the same after a record was made again: all but the moments.
fn without_time(record: &Record) -> Value {
    let mut record = record.0.clone();
    record.as_object_mut().unwrap().remove("since");
    record
}

/// A node that has somebody who counts its records.
fn counting(node: Node) -> Node {
    let path = node.directory().join("metrics.prom").display().to_string();
    node.with("metricsFile", path)
}

/// How many active records the store counts, without a look at them.
fn counted(node: &Node) -> u64 {
    fs::metadata(node.store().join("lock")).unwrap().len() - 1
}

#[test]
fn what_a_pod_is_seen_to_use_is_never_released_as_an_orphan() {
    let node = node();
    let live = node.add_pod("c0").address();
    lose(&node);
    let orphan: IpAddr = "192.168.0.77".parse().unwrap();
    node.cloud.assign(Node::ENI, orphan);
    let answer = release_orphans(&node);
    assert_eq!((answer.status(), &answer.json()["released"]), (1, &json!([orphan])));
    assert_eq!(addresses_at(&eni(&answer), "inUse"), BTreeSet::from([live]));
    assert_eq!(node.on_eni(), BTreeSet::from([live]));
    let question = node.command(&["reconcile", "--release-orphans"]).run();
    assert!(!question.stderr().contains(&live.to_string()), "{question:?}");
}

#[test]
fn an_orphan_that_a_pod_is_seen_to_use_while_the_person_thinks_is_not_released() {
    let node = node();
    let address: IpAddr = "192.168.0.77".parse().unwrap();
    node.cloud.assign(Node::ENI, address);
    let conversation = node.command(&["reconcile", "--release-orphans"]).ask();
    assert!(conversation.question().contains("192.168.0.77"));
    node.cache("c0", &[address]);
    let answer = conversation.answer("yes");
    assert!(answer.status() == 1 && answer.stdout().contains("in-use"), "{answer:?}");
    assert_eq!((node.on_eni(), node.cloud.count(UNASSIGN)), (BTreeSet::from([address]), 0));
}

#[test]
fn what_could_not_be_looked_at_is_said_before_anybody_agrees() {
    let node = node();
    let address: IpAddr = "192.168.0.77".parse().unwrap();
    node.cloud.assign(Node::ENI, address);
    fs::remove_dir_all(node.cni_cache()).unwrap();
    let unseen = node.cni_cache().join("results").display().to_string();
    assert!(reconcile(&node).json()["unseen"][0].as_str().unwrap().starts_with(&unseen));
    assert!(node.operator(&["reconcile"]).stdout().contains(&unseen));
    let conversation = node.command(&["reconcile", "--release-orphans"]).ask();
    let question = conversation.question();
    assert!(question.contains(&unseen) && question.contains("ipvlan"), "{question}");
    let _ = conversation.answer("n");
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
}

#[test]
fn half_a_cache_with_foreign_and_damaged_files_gives_back_what_it_has() {
    let node = node();
    let pods = ["c0", "c1", "c2", "c3"].map(|pod| node.add_pod(pod).address());
    lose(&node);
    node.forget_pod("c1");
    // Of one file a half is left that still has its address.
    let whole: Value = serde_json::from_slice(&fs::read(node.cached("c2")).unwrap()).unwrap();
    let text = json!({"result": whole["result"], "kind": "cniCacheV1"}).to_string();
    fs::write(node.cached("c2"), &text[..text.len() - 1]).unwrap();
    let results = node.cni_cache().join("results");
    fs::write(results.join("cni-loopback-c0-lo"), r#"{"kind":"cniCacheV1","containerId":"c0","ifName":"lo","networkName":"cni-loopback","config":"e30=","result":{"ips":[{"address":"127.0.0.1/8"}]}}"#).unwrap();
    fs::write(results.join("empty"), "").unwrap();
    fs::write(results.join("other"), r#"{"kind":"cniCacheV9"}"#).unwrap();

    let answer = adopt(&node);
    assert_eq!(answer.status(), 1, "{answer:?}");
    assert_eq!(addresses_at(&answer.json(), "adopted"), BTreeSet::from([pods[0], pods[3]]));
    assert_eq!(addresses_at(&eni(&answer), "inUse"), BTreeSet::from([pods[2]]));
    assert_eq!(addresses_at(&eni(&answer), "orphans"), BTreeSet::from([pods[1]]));
    let unseen = answer.json()["unseen"].to_string();
    for name in ["empty", "other", "pods-c2-eth0"] {
        assert!(unseen.contains(name), "{unseen}");
    }
    assert!(why(&answer, "inUse", pods[2]).as_str().unwrap().contains("does not say"));
    assert_eq!(node.on_eni(), BTreeSet::from(pods));

    // The pods that are recorded end as ever; of the others their files are gone then, and a person decides.
    for pod in ["c0", "c3", "c2", "c1"] {
        node.del_pod(pod).ok();
    }
    assert_eq!(release_orphans(&node).json()["released"], json!(BTreeSet::from([pods[1], pods[2]])));
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn only_what_is_surely_one_attachments_of_this_store_is_recorded() {
    type Case = (&'static str, fn(&Node, IpAddr));
    let cases: [Case; 4] = [
        ("another dataDir", |node, address| {
            let other = Node::new(node.plugin());
            node.cache_changed("c0", &[address], |it| {
                it["config"] = other.cache_document("c0", &json!({}))["config"].clone();
            });
        }),
        ("an unreadable configuration", |node, address| {
            node.cache_changed("c0", &[address], |it| it["config"] = "%".into());
        }),
        ("more than one", |node, address| {
            node.cache("c0", &[address]);
            node.cache("c1", &[address]);
        }),
        ("another record", |node, address| {
            let own = node.add("c0").address();
            node.cache("c0", &[own, address]);
        }),
    ];
    for (reason, prepare) in cases {
        let node = node();
        let address: IpAddr = "192.168.0.77".parse().unwrap();
        node.cloud.assign(Node::ENI, address);
        prepare(&node, address);
        let before = node.on_eni();
        let answer = adopt(&node);
        assert_eq!((answer.status(), &answer.json()["adopted"]), (1, &json!([])), "{reason}");
        let said = why(&answer, "inUse", address);
        assert!(said.as_str().unwrap().contains(reason), "{said}");
        assert_eq!((node.on_eni(), node.cloud.count(UNASSIGN)), (before, 0));
    }
}

#[test]
fn an_address_that_is_primary_or_not_on_the_eni_is_not_recorded() {
    let node = node();
    let live = node.add_pod("c0").address();
    let primary = node.cloud.with_world(|world| world.eni_mut(Node::ENI).primary_ip);
    lose(&node);
    node.cache("c0", &[live, "192.168.0.78".parse().unwrap(), primary.into()]);
    assert_eq!(addresses_at(&adopt(&node).json(), "adopted"), BTreeSet::from([live]));
    node.expect_in_use([live]);
}

#[test]
fn an_attachment_is_recorded_whole_or_not_at_all() {
    let node = node();
    let recorded = node.add("c1").address();
    let address: IpAddr = "192.168.0.77".parse().unwrap();
    node.cloud.assign(Node::ENI, address);
    node.cache("c0", &[address, recorded]);
    let file = fs::OpenOptions::new().write(true).open(node.cached("c0")).unwrap();
    file.set_modified(SystemTime::now() - A_WHILE).unwrap();
    let answer = adopt(&node);
    assert_eq!((answer.status(), &answer.json()["adopted"]), (1, &json!([])), "{answer:?}");
    assert!(why(&answer, "inUse", address).as_str().unwrap().contains(&recorded.to_string()));
    node.del("c1").ok();
    assert_eq!(addresses_at(&adopt(&node).json(), "adopted"), BTreeSet::from([address]));
}

#[test]
fn an_address_of_other_software_is_not_recorded() {
    let node = node().with("foreignAddresses", json!(["192.168.0.77"]));
    let live = node.add_pod("c0").address();
    let foreign = "192.168.0.77".parse().unwrap();
    node.cloud.assign(Node::ENI, foreign);
    lose(&node);
    node.cache("c0", &[live, foreign]);
    assert_eq!(addresses_at(&adopt(&node).json(), "adopted"), BTreeSet::from([live]));
    node.del_pod("c0").ok();
    assert_eq!(node.on_eni(), BTreeSet::from([foreign]));
}

#[test]
fn what_an_interrupted_add_may_have_got_stays_undecided() {
    let node = node().with("timeoutSeconds", 2);
    let live = node.add_pod("c0").address();
    lose(&node);
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "c1").start();
    eventually("the address is assigned", || node.on_eni().len() == 2);
    add.kill();
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
    let before = node.on_eni();
    let answer = adopt(&node);
    assert_eq!((answer.status(), &answer.json()["adopted"]), (1, &json!([])));
    assert_eq!(addresses_at(&eni(&answer), "undecided"), before);
    assert_eq!(node.on_eni(), before);

    node.cloud.clear_faults();
    let _ = node.operator(&["flush"]);
    let answer = adopt(&node);
    assert_eq!((answer.status(), &answer.json()["adopted"]), (0, &json!([live])), "{answer:?}");
    node.expect_in_use([live]);
}

#[test]
fn a_record_whose_pod_has_ended_meanwhile_is_released() {
    let node = node();
    let addresses = ["c0", "c1"].map(|pod| node.add_pod(pod).address());
    lose(&node);
    // The last look at the ENI, when all is recorded.
    node.cloud
        .inject(Fault::on(DESCRIBE).skip(2).times(1).effect(Effect::DelayAnswer(Duration::from_secs(2))));
    let adopting = node.command(&["reconcile", "--adopt", "--json"]).start();
    eventually("both are recorded", || node.counts() == [0, 2, 0, 0]);
    // Its DEL had found nothing.
    node.forget_pod("c0");
    let answer = adopting.wait();
    assert_eq!(answer.status(), 0, "{answer:?}");
    assert_eq!(answer.json()["released"], json!([addresses[0]]));
    assert_eq!(answer.json()["adopted"], json!([addresses[1]]));
    node.expect_in_use([addresses[1]]);
}

#[test]
fn an_attachment_on_two_enis_is_recorded_for_the_one_and_shown_for_the_other() {
    let mut node = node();
    let on_secondary = node.add("c0").address();
    node.set("networkInterfaceId", World::PRIMARY_ENI);
    let on_primary = node.add("c1").address();
    node.set("networkInterfaceId", Node::ENI);
    lose(&node);
    // So that both ENIs are looked at.
    fs::create_dir_all(node.store().join("eni")).unwrap();
    fs::set_permissions(node.store(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(node.store().join(format!("eni/{}.json", World::PRIMARY_ENI)), r#"{"schema":1}"#).unwrap();
    node.cache("c0", &[on_secondary, on_primary]);
    let answer = adopt(&node);
    assert_eq!(answer.status(), 1);
    let all = BTreeSet::from([on_secondary, on_primary]);
    let adopted = addresses_at(&answer.json(), "adopted");
    assert_eq!(adopted.len(), 1, "{answer:?}");
    let enis = answer.json()["enis"].as_array().cloned().unwrap();
    let left: BTreeSet<_> = enis.iter().flat_map(|it| addresses_at(it, "inUse")).collect();
    assert_eq!(&adopted | &left, all, "{answer:?}");
}

#[test]
fn a_restored_backup_takes_nothing_from_the_pod_that_has_the_address_since() {
    let node = counting(frugal_node());
    let address = node.add_pod("old").address();
    let kept = node.add_pod("kept").address();
    back_up(&node);
    node.del_pod("old").ok();
    assert_eq!(node.add_pod("new").address(), address);
    let before = node.on_eni();
    restore(&node);
    node.let_time_pass(A_WHILE);

    let seen = reconcile(&node);
    let expected = json!([{
        "address": address, "containerId": "old", "ifname": "eth0", "state": "active",
        "usedBy": "pod default/new (container new, eth0)", "why": null,
    }]);
    assert_eq!((seen.status(), &eni(&seen)["conflicts"]), (1, &expected));
    let text = node.operator(&["reconcile"]).stdout();
    assert!(text.contains("--adopt"), "{text}");
    let refused = node.operator(&["release", &address.to_string(), "--yes"]);
    assert!(refused.status() == 1 && refused.stderr().contains("--adopt"), "{refused:?}");
    assert_eq!((node.on_eni(), node.counts()), (before.clone(), [0, 2, 0, 0]));

    let adopted = adopt(&node);
    assert_eq!((adopted.status(), &adopted.json()["adopted"]), (0, &json!([address])), "{adopted:?}");
    let owners: BTreeSet<_> =
        node.records().iter().map(|it| it.0["containerId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(owners, BTreeSet::from(["kept".to_owned(), "new".to_owned()]));
    assert_eq!(counted(&node), 2);
    // Neither the old pod's DEL nor a GC that does not know it takes anything.
    node.del("old").ok();
    assert_eq!((node.on_eni(), node.cloud.count(UNASSIGN)), (before, 1));
    node.expect_in_use([address, kept]);
    node.del_pod("new").ok();
    node.del_pod("kept").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty());
}

#[test]
fn a_record_that_comes_back_beside_that_of_the_pod_which_has_its_address_goes() {
    let node = frugal_node();
    let address = node.add_pod("old").address();
    back_up(&node);
    node.del_pod("old").ok();
    assert_eq!(node.add_pod("new").address(), address);
    // Into the store as it is, the entry of the address included.
    copy(&node.directory().join("backup"), &node.store());
    node.let_time_pass(A_WHILE);
    assert_eq!(node.counts(), [0, 2, 0, 0]);
    let answer = adopt(&node);
    assert_eq!((answer.status(), &answer.json()["adopted"]), (0, &json!([address])), "{answer:?}");
    node.expect_in_use([address]);
    // The entry leads to the pod that has it: it is not given to another one, whatever happens on the ENI.
    node.cloud.unassign(Node::ENI, address);
    assert_ne!(node.add("next").address(), address);
}

/// A node into whose store a backup was written with `cp`, which writes into the files that are there. The entry of an address is
/// another name of the record that has it, so the record of the pod `new` says now what that of `old` said.
fn node_with_a_record_written_over() -> (Node, IpAddr) {
    let node = frugal_node();
    let address = node.add_pod("old").address();
    back_up(&node);
    node.del_pod("old").ok();
    assert_eq!(node.add_pod("new").address(), address);
    for directory in ["active", "address"] {
        for entry in fs::read_dir(node.directory().join("backup").join(directory)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), node.store().join(directory).join(entry.file_name())).unwrap();
        }
    }
    node.let_time_pass(A_WHILE);
    (node, address)
}

#[test]
fn a_pod_whose_record_was_written_over_by_a_backup_can_be_deleted() {
    let (node, address) = node_with_a_record_written_over();
    assert_eq!(node.records().iter().filter(|it| it.state() == "active").count(), 1, "{}", node.scene());
    for _ in 0..2 {
        node.del("new").ok();
    }
    // It goes with the record that the backup has brought.
    assert_eq!(node.counts(), [0, 1, 0, 0], "{}", node.scene());
    node.del("old").ok();
    assert!(!node.on_eni().contains(&address) && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_pod_whose_record_was_written_over_by_a_backup_is_recorded_again() {
    let (node, address) = node_with_a_record_written_over();
    let answer = adopt(&node);
    assert_eq!((answer.status(), &answer.json()["adopted"]), (0, &json!([address])), "{answer:?}");
    let owners = || {
        let active: Vec<_> = node.records().into_iter().filter(|it| it.state() == "active").collect();
        active.iter().map(|it| it.0["containerId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(owners(), ["new"], "{}", node.scene());
    node.del("old").ok();
    assert_eq!((owners(), node.on_eni()), (vec![json!("new")], BTreeSet::from([address])));
    for _ in 0..2 {
        node.del("new").ok();
    }
    assert!(node.on_eni().is_empty() && node.recorded().is_empty(), "{}", node.scene());
}

#[test]
fn an_attachment_of_which_libcni_has_two_files_is_recorded_with_what_it_has() {
    let node = node();
    let live = node.add_pod("c0").address();
    lose(&node);
    // Of a network that had another name, and an address that has gone since.
    node.cache("c9", &["192.168.0.78".parse().unwrap()]);
    let mut document: Value = serde_json::from_slice(&fs::read(node.cached("c9")).unwrap()).unwrap();
    node.forget_pod("c9");
    document["containerId"] = json!("c0");
    document["networkName"] = json!("before");
    fs::write(node.cni_cache().join("results/before-c0-eth0"), document.to_string()).unwrap();
    let answer = adopt(&node);
    assert_eq!((answer.status(), &answer.json()["adopted"]), (0, &json!([live])), "{answer:?}");
    node.expect_in_use([live]);
    node.del_pod("c0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_gc_takes_nothing_from_a_pod_of_another_network_of_which_its_list_does_not_tell() {
    let node = node().with("gcGraceSeconds", 0);
    let [taken, stale] = ["old", "stale"].map(|pod| node.add(pod).address());
    node.cache_changed("new", &[taken], |it| it["networkName"] = json!("another"));
    let gc = node.call("GC", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS");
    let answer = gc.config(|it| it["cni.dev/valid-attachments"] = json!([])).run();
    assert!(answer.any_error().contains("--adopt"), "{answer:?}");
    assert!(node.on_eni().contains(&taken) && !node.on_eni().contains(&stale));
}

#[test]
fn a_gc_takes_nothing_from_a_valid_pod_by_the_record_of_another() {
    let node = node().with("gcGraceSeconds", 0);
    let [taken, stale] = ["old", "stale"].map(|pod| node.add(pod).address());
    node.cache("new", &[taken]);
    let valid = json!([{"containerID": "new", "ifname": "eth0"}]);
    let gc = node.call("GC", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS");
    let answer = gc.config(|it| it["cni.dev/valid-attachments"] = valid).run();
    assert!(answer.any_error().contains("--adopt"), "{answer:?}");
    assert!(node.on_eni().contains(&taken) && !node.on_eni().contains(&stale));
}

#[test]
fn of_a_restored_record_only_what_another_pod_has_is_taken() {
    let node = frugal_node().with("ipv6", true);
    let [v4, v6] = node.add_pod("old").addresses().try_into().unwrap();
    back_up(&node);
    node.del_pod("old").ok();
    let plain = node.call("ADD", "new").config(|it| it["ipam"]["ipv6"] = json!(false)).run();
    assert_eq!(plain.addresses(), [v4]);
    node.cache("new", &[v4]);
    restore(&node);
    node.let_time_pass(A_WHILE);
    let answer = adopt(&node);
    assert_eq!(answer.json()["adopted"], json!([v4]), "{answer:?}");
    assert_eq!(eni(&answer)["ghosts"][0]["address"], json!(v6));
    node.del("old").ok();
    assert_eq!(node.on_eni(), BTreeSet::from([v4]));
    node.expect_in_use([v4]);
}

#[test]
fn a_restored_release_takes_nothing_from_the_pod_that_has_the_address_since() {
    let node = frugal_node();
    let address = node.add_pod("old").address();
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Forbidden.RAM")));
    node.del_pod("old").ok();
    assert_eq!(node.counts(), [0, 0, 1, 0]);
    back_up(&node);
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(node.add_pod("new").address(), address);
    restore(&node);
    node.let_time_pass(A_WHILE);
    let answer = adopt(&node);
    assert_eq!((answer.status(), &answer.json()["adopted"]), (0, &json!([address])), "{answer:?}");
    assert_eq!(node.operator(&["flush"]).status(), 0);
    node.expect_in_use([address]);
}

#[test]
fn to_find_out_about_an_interrupted_add_releases_nothing_of_a_restored_store() {
    let node = frugal_node();
    let address = node.add_pod("old").address();
    node.cloud.inject(Fault::on(UNASSIGN).times(1).effect(Effect::code("Forbidden.RAM")));
    node.del_pod("old").ok();
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(Effect::StallAfter));
    let add = node.call("ADD", "killed").start();
    eventually("the address is assigned", || node.on_eni().len() == 2);
    add.kill();
    back_up(&node);
    let _ = node.operator(&["flush"]);
    assert_eq!(node.add_pod("new").address(), address);
    restore(&node);
    node.let_time_pass(A_WHILE);
    for words in [&["reconcile"][..], &["reconcile", "--adopt"]] {
        let _ = node.operator(words);
        assert!(node.on_eni().contains(&address), "{}", node.scene());
    }
    let _ = node.operator(&["flush"]);
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
    node.expect_in_use([address]);
}

#[test]
fn a_conflict_that_does_not_tell_who_has_the_address_changes_nothing() {
    type Case = (&'static str, fn(&Node, IpAddr));
    let cases: [Case; 3] = [
        ("as well", |node, address| node.cache("old", &[address])),
        ("younger than two minutes", |_, _| {}),
        ("more than one", |node, address| node.cache("third", &[address])),
    ];
    for (reason, prepare) in cases {
        let node = node();
        let address = node.add("old").address();
        if !reason.contains("minutes") {
            node.let_time_pass(A_WHILE);
        }
        node.cache("new", &[address]);
        prepare(&node, address);
        for pod in ["new", "old", "third"] {
            make_newer(&node, pod);
        }
        let answer = adopt(&node);
        assert_eq!((answer.status(), &answer.json()["adopted"]), (1, &json!([])), "{reason}");
        let said = why(&answer, "conflicts", address);
        assert!(said.as_str().unwrap().contains(reason), "{said}");
        assert_eq!(node.records()[0].0["containerId"], "old");
        node.expect_in_use([address]);
    }
}

/// Makes the file of libcni's cache newer than any record, whose moments are finer than those of a file.
fn make_newer(node: &Node, pod: &str) {
    if let Ok(file) = fs::OpenOptions::new().write(true).open(node.cached(pod)) {
        file.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
    }
}

#[test]
fn what_libcni_remembers_of_a_pod_before_is_no_conflict() {
    let node = frugal_node();
    let address = node.add_pod("before").address();
    // Its DEL has released the address, and has failed in another plugin.
    node.del("before").ok();
    assert_eq!(node.add("now").address(), address);
    node.let_time_pass(Duration::from_millis(1));
    let answer = adopt(&node);
    assert_eq!((answer.status(), &eni(&answer)["conflicts"]), (0, &json!([])), "{answer:?}");
    assert_eq!(node.records()[0].0["containerId"], "now");
}

#[test]
fn a_person_who_releases_a_record_is_told_that_its_pod_is_seen_to_live() {
    let node = node();
    let address = node.add_pod("c0").address();
    let conversation = node.command(&["release", &address.to_string()]).ask();
    let question = conversation.question();
    assert!(question.contains("libcni remembers"), "{question}");
    let _ = conversation.answer("n");
    assert_eq!(node.operator(&["release", &address.to_string(), "--yes"]).status(), 0);
    assert!(node.on_eni().is_empty());
}

#[test]
fn the_add_that_makes_a_store_says_what_should_be_in_it_and_no_other_add_does() {
    const WORDS: &str = "should have records in it (2)";
    let node = node();
    for pod in ["c0", "c1"] {
        let _ = node.add_pod(pod).address();
    }
    assert!(!node.log().contains("is a new store"), "{}", node.log());
    lose(&node);
    let _ = node.add_pod("c2").address();
    let said = |node: &Node| node.log().matches(WORDS).count();
    assert!(said(&node) == 1 && node.log().contains("reconcile --adopt"), "{}", node.log());
    let _ = node.add_pod("c3").address();
    assert_eq!(said(&node), 1);
}

/// Runtimes make two DELs for each pod, and libcni forgets it after the first.
#[test]
fn while_pods_end_and_others_begin_nothing_is_taken_early_and_nothing_is_left() {
    let world =
        World::single_node().with_latency(Duration::from_millis(5)).with_policy(AddressPolicy::LowestFree);
    let node = node_in(world).with("timeoutSeconds", 60).with("logLevel", "info");
    let old: Vec<_> = (0..8).map(|number| format!("old-{number}")).collect();
    for pod in &old {
        let _ = node.add_pod(pod).address();
    }
    lose(&node);
    thread::scope(|scope| {
        let work = |pods: &[String]| {
            let (node, pods) = (&node, pods.to_vec());
            move || {
                for pod in pods {
                    node.del_pod(&pod).ok();
                    let new = format!("new-{pod}");
                    let address = node.add_pod(&new).address();
                    node.del(&pod).ok();
                    assert!(node.on_eni().contains(&address), "{}", node.scene());
                }
            }
        };
        let workers: Vec<_> = old.chunks(4).map(|pods| scope.spawn(work(pods))).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            let answer = adopt(&node);
            assert!(answer.json()["enis"][0]["problem"].is_null(), "{answer:?}");
        }
    });
    let living = node.records();
    assert_eq!(living.len(), old.len(), "{}", node.scene());
    let all_new = living.iter().all(|it| it.0["containerId"].as_str().unwrap().starts_with("new-"));
    assert!(all_new && living.iter().all(|it| it.state() == "active"), "{}", node.scene());
    // What was not recorded before its DEL came is nobody's any more.
    let _ = release_orphans(&node);
    assert_eq!(node.on_eni(), node.recorded());
}
