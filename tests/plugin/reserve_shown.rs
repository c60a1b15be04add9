//! Addresses in the reserve, as people and monitoring see them, and what a person does about them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use harness::{Answer, Effect, Fault, Node};
use serde_json::{Value, json};

use crate::node;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Longer than ECS takes to show what an ENI has.
const LONG_AGO: Duration = Duration::from_mins(30);

/// A node with a store, which has had a pod.
fn used_node() -> Node {
    let node = node();
    let _ = node.add("before").address();
    node.del("before").ok();
    node
}

/// Puts an address on the ENI and into the reserve.
fn resting(node: &Node, text: &str) -> IpAddr {
    let address = on_eni(node, text);
    node.reserve(address, LONG_AGO);
    address
}

fn on_eni(node: &Node, text: &str) -> IpAddr {
    let address = text.parse().unwrap();
    node.cloud.assign(Node::ENI, address);
    address
}

fn reconcile(node: &Node, remedy: &[&str]) -> Answer {
    node.operator(&[&["reconcile", "--json"], remedy].concat())
}

/// What `reconcile` says of the node's ENI.
#[track_caller]
fn of_eni(answer: &Answer) -> Value {
    let enis = answer.json()["enis"].as_array().cloned().unwrap_or_default();
    let found = enis.into_iter().find(|it| it["networkInterfaceId"] == Node::ENI);
    found.unwrap_or_else(|| answer.fail("the ENI among others"))
}

#[test]
fn list_shows_of_which_network_a_reserved_address_is_and_since_when_it_rests() {
    let node = used_node();
    let rested = resting(&node, "192.168.0.77");
    let fresh: IpAddr = "192.168.0.78".parse().unwrap();
    node.reserve_changed(fresh, LONG_AGO, |entry| drop(entry.as_object_mut().unwrap().remove("restsSince")));
    let mut records = node.records();
    let [first, second] = [&mut records.remove(0).0, &mut records.remove(0).0];
    assert!(records.is_empty());
    let (since, rests) = (first["since"].take(), first["restsSince"].take());
    assert!(since.as_str().unwrap().ends_with('Z') && since == rests, "{since} {rests}");
    let expected = json!({
        "state": "reserved", "network": "pods", "containerId": "", "ifname": "", "addresses": [rested],
        "networkInterfaceId": Node::ENI, "regionId": "cn-hangzhou", "pod": null, "since": null, "releasingSince": null,
        "restsSince": null, "nextTry": null, "attempts": 0, "lastError": null,
    });
    assert_eq!(*first, expected);
    assert_eq!((&second["addresses"], &second["restsSince"]), (&json!([fresh]), &Value::Null));
    let table = node.operator(&["list"]).stdout();
    let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["reserved", "192.168.0.77", "-", "pods", "-", Node::ENI, "30m", "this", "0", "-", "-"]);
}

#[test]
fn an_entry_beside_a_record_of_its_address_is_not_listed() {
    let node = node();
    let address = node.add("c0").address();
    let other: IpAddr = "192.168.0.77".parse().unwrap();
    node.reserve(address, LONG_AGO);
    node.reserve(other, LONG_AGO);
    let states = || node.records().iter().map(|it| it.state().to_owned()).collect::<Vec<_>>();
    assert_eq!(states(), ["reserved", "active"]);
    assert_eq!(node.recorded(), BTreeSet::from([address, other]));
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    assert_eq!(states(), ["reserved", "releasing"], "{}", node.scene());
}

#[test]
fn metrics_count_the_entries_of_each_eni() {
    let mut node = used_node();
    let file = node.directory().join("aliyun_eni_ipam.prom");
    node.set("metricsFile", file.to_str().unwrap());
    let _ = node.add("c0").address();
    let samples = || {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains("reserved"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(), ["aliyun_eni_ipam_records{state=\"reserved\"} 0"]);
    for last in 1..=3 {
        node.reserve(format!("192.168.0.{}", 76 + last).parse().unwrap(), Duration::ZERO);
    }
    assert_eq!(node.operator(&["doctor"]).status(), 0);
    assert_eq!(node.operator(&["reconcile"]).status(), 0, "what is young is no ghost yet");
    let of_eni = format!("aliyun_eni_ipam_reserved_addresses{{eni=\"{}\"}} 3", Node::ENI);
    let by_state =
        format!("aliyun_eni_ipam_addresses{{eni=\"{}\",family=\"ipv4\",state=\"reserved\"}} 3", Node::ENI);
    assert_eq!(samples(), ["aliyun_eni_ipam_records{state=\"reserved\"} 3", &of_eni, &by_state]);
}

#[test]
fn an_address_in_the_reserve_is_no_orphan() {
    let node = used_node();
    let address = resting(&node, "192.168.0.77");
    let answer = reconcile(&node, &["--release-orphans", "--yes"]);
    assert_eq!((answer.status(), &answer.json()["released"]), (0, &json!([])), "{answer:?}");
    assert_eq!(node.on_eni(), BTreeSet::from([address]));
    assert!(node.is_reserved(address));
}

#[test]
fn an_address_in_the_reserve_that_is_not_on_the_eni_is_a_ghost_that_release_orphans_gives_up() {
    let node = used_node();
    let [ghost, young, there]: [IpAddr; 3] =
        [77, 78, 79].map(|last| format!("192.168.0.{last}").parse().unwrap());
    node.reserve(ghost, LONG_AGO);
    node.reserve(young, Duration::ZERO);
    let _ = resting(&node, "192.168.0.79");
    let shown = reconcile(&node, &[]);
    assert_eq!(shown.status(), 1);
    let expected = json!([{"address": ghost, "containerId": "", "ifname": "", "state": "reserved", "pod": null, "why": null}]);
    assert_eq!(of_eni(&shown)["ghosts"], expected);
    let words = node.operator(&["reconcile"]).stdout();
    assert!(words.contains("in the reserve") && words.contains("--release-orphans"), "{words}");
    assert!(!words.contains("--restore"), "no pod has it: {words}");
    assert!(node.is_reserved(ghost), "it was only looked at");

    let conversation = node.command(&["reconcile", "--release-orphans"]).ask();
    let question = conversation.question();
    assert!(question.contains("192.168.0.77") && !question.contains("192.168.0.78"), "{question}");
    let answer = conversation.answer("yes");
    assert_eq!(answer.status(), 0, "{answer:?}\n{}", node.scene());
    assert!(answer.stdout().contains("released 192.168.0.77"), "{answer:?}");
    assert_eq!([ghost, young, there].map(|it| node.is_reserved(it)), [false, true, true]);
    assert_eq!(node.on_eni(), BTreeSet::from([there]));
}

#[test]
fn what_a_pod_has_though_it_is_in_the_reserve_is_a_conflict_that_adopt_settles() {
    let node = used_node();
    let address = resting(&node, "192.168.0.77");
    node.cache("web-0", &[address]);
    let shown = reconcile(&node, &[]);
    let conflict = &of_eni(&shown)["conflicts"][0];
    assert_eq!(
        (&conflict["address"], &conflict["state"]),
        (&json!(address), &json!("reserved")),
        "{shown:?}"
    );
    let words = node.operator(&["reconcile"]).stdout();
    assert!(words.contains("in the reserve; used by pod default/web-0"), "{words}");
    let refused = node.operator(&["release", "192.168.0.77", "--yes"]);
    assert!(refused.status() == 1 && refused.stderr().contains("--adopt"), "{refused:?}");

    let adopted = reconcile(&node, &["--adopt"]);
    assert_eq!((adopted.status(), &adopted.json()["adopted"]), (0, &json!([address])), "{adopted:?}");
    assert!(!node.is_reserved(address), "{}", node.scene());
    assert_eq!((node.counts(), node.recorded()), ([0, 1, 0, 0], BTreeSet::from([address])));
    node.del_pod("web-0").ok();
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn what_libcni_remembers_of_the_pod_before_is_no_conflict() {
    let node = used_node();
    let address = on_eni(&node, "192.168.0.77");
    node.cache("web-0", &[address]);
    let file = File::options().write(true).open(node.cached("web-0")).unwrap();
    file.set_modified(SystemTime::now() - LONG_AGO).unwrap();
    node.reserve(address, Duration::from_mins(5));
    assert_eq!(reconcile(&node, &[]).status(), 0);
    assert_eq!(node.operator(&["release", "192.168.0.77", "--yes"]).status(), 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_person_gives_up_an_address_of_the_reserve() {
    let node = used_node();
    let [address, other] = ["192.168.0.77", "192.168.0.78"].map(|text| resting(&node, text));
    let conversation = node.command(&["release", "192.168.0.77"]).ask();
    let question = conversation.question();
    for words in ["in the reserve", "192.168.0.77", "network pods"] {
        assert!(question.contains(words), "{words}: {question}");
    }
    assert!(!question.contains("loses its network"), "{question}");
    assert_eq!(conversation.answer("no").status(), 1);
    assert!(node.is_reserved(address));
    let answer = node.operator(&["release", "192.168.0.77", "--yes", "--json"]);
    assert_eq!(answer.result(), json!({"released": [address], "left": [], "causes": []}));
    assert_eq!(node.on_eni(), BTreeSet::from([other]));
    assert_eq!(node.recorded(), BTreeSet::from([other]));
    assert_eq!([address, other].map(|it| node.is_reserved(it)), [false, true]);
}

#[test]
fn an_address_of_the_reserve_that_ecs_does_not_take_back_is_releasing() {
    let node = used_node();
    let address = resting(&node, "192.168.0.77");
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    let answer = node.operator(&["release", "192.168.0.77", "--yes", "--json"]);
    let printed = answer.json();
    assert_eq!((answer.status(), &printed["released"], &printed["left"]), (1, &json!([]), &json!([address])));
    assert_eq!(printed["causes"][0]["count"], 1, "{printed}");
    assert_eq!(node.counts(), [0, 0, 1, 0], "{}", node.scene());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(node.on_eni().is_empty() && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_damaged_entry_hides_no_other_address() {
    let node = used_node();
    let damaged = resting(&node, "192.168.0.77");
    let orphan = on_eni(&node, "192.168.0.78");
    fs::write(node.entry(damaged), "{").unwrap();
    let listed = &node.records()[0].0;
    assert_eq!(listed["state"], "quarantined");
    assert!(listed["lastError"].as_str().unwrap().contains("reserved"), "{listed}");
    let shown = of_eni(&reconcile(&node, &[]));
    assert_eq!(shown["orphans"], json!([orphan]), "{shown}");
}

#[test]
fn a_flush_sweeps_up_the_drafts_of_entries() {
    let node = used_node();
    let address = resting(&node, "192.168.0.77");
    let draft = node.entry(address).with_file_name(".0123456789abcdef0123456789abcdef");
    fs::write(&draft, "").unwrap();
    let long_ago = SystemTime::now() - Duration::from_hours(2);
    File::options().write(true).open(&draft).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert!(!draft.exists());
}

/// What `doctor` says of the reserve.
fn doctors_line(node: &Node) -> Option<Value> {
    let report = node.operator(&["doctor", "--json"]).json();
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    checks.into_iter().find(|check| check["name"] == "reserve")
}

#[track_caller]
fn expect_doctor(node: &Node, status: &str, words: &[&str]) {
    let line = doctors_line(node).unwrap_or_default();
    let detail = line["detail"].as_str().unwrap_or_default();
    assert!(line["status"] == status && words.iter().all(|word| detail.contains(word)), "{line}");
}

#[test]
fn doctor_tells_of_the_reserve_where_there_is_one() {
    let node = used_node().with("reserve", 2);
    assert_eq!(doctors_line(&node), None);
    let _ = resting(&node, "192.168.0.77");
    let _ = resting(&node, "192.168.0.78");
    expect_doctor(&node, "ok", &["2 of network pods", Node::ENI]);
}

#[test]
fn doctor_warns_of_what_stays_in_the_reserve_beyond_what_is_configured() {
    let node = used_node().with("reserve", 2);
    for last in 77..=79 {
        node.reserve(IpAddr::from([192, 168, 0, last]), Duration::from_mins(14));
    }
    expect_doctor(&node, "ok", &["3 of network pods"]);
    node.reserve("2001:db8::77".parse().unwrap(), LONG_AGO);
    for last in 77..=79 {
        node.reserve(IpAddr::from([192, 168, 0, last]), LONG_AGO);
    }
    expect_doctor(&node, "warn", &["4 of network pods", "1 more", "aliyun-eni-ipam flush"]);
}

#[test]
fn doctor_warns_of_the_reserve_of_a_network_and_an_eni_that_nobody_configures() {
    let node = used_node().with("reserve", 10);
    node.reserve_changed("192.168.0.77".parse().unwrap(), LONG_AGO, |entry| entry["network"] = "old".into());
    expect_doctor(&node, "warn", &["network old is not configured"]);
    fs::rename(node.store().join("reserved").join(Node::ENI), node.store().join("reserved/eni-other"))
        .unwrap();
    expect_doctor(&node, "warn", &["no network uses eni-other", "aliyun-eni-ipam release", "192.168.0.77"]);
}

#[test]
fn doctor_says_what_to_do_about_a_damaged_entry() {
    let node = used_node().with("reserve", 10);
    let address = resting(&node, "192.168.0.77");
    fs::write(node.entry(address), "{").unwrap();
    expect_doctor(&node, "warn", &["192.168.0.77 cannot be read", "aliyun-eni-ipam flush"]);
}

#[test]
fn a_full_eni_with_an_address_in_the_reserve_fails_no_status() {
    let node = used_node().with("statusFailsWhenFull", true);
    let full = Effect::code("QuotaExceeded.PrivateIpAddress");
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").times(1).effect(full));
    let _ = node.add("c0").error(112);
    let status = || {
        let without = ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"];
        without.into_iter().fold(node.call("STATUS", ""), harness::Calling::without).run()
    };
    let _ = status().error(50);
    node.reserve("2001:db8::77".parse().unwrap(), LONG_AGO);
    let _ = status().error(50);
    let _ = resting(&node, "192.168.0.77");
    status().ok();
}

#[test]
fn doctor_warns_of_an_address_of_the_reserve_that_is_not_on_the_eni() {
    let node = used_node().with("reserve", 10);
    let warns = || {
        let report = node.operator(&["doctor", "--json"]).json();
        let mut checks = report["checks"].as_array().cloned().unwrap_or_default().into_iter();
        checks.any(|it| {
            it["name"] == "addresses" && it["status"] == "warn" && it.to_string().contains("192.168.0.77")
        })
    };
    let address = resting(&node, "192.168.0.77");
    assert!(!warns());
    node.cloud.unassign(Node::ENI, address);
    assert!(warns());
}

/// A node with a reserve of the plugin's own making, and the one of its two addresses there that a pod had.
fn node_with_reserve() -> (Node, IpAddr) {
    let node = node().with("reserve", 2).with("reuseDelaySeconds", 600);
    // Fills the reserve, which the next one takes an address of and gives it back.
    let _ = node.add_pod("c0").address();
    let address = node.add_pod("c1").address();
    node.del_pod("c1").ok();
    assert!(node.is_reserved(address), "{}", node.scene());
    (node, address)
}

#[test]
fn what_a_del_leaves_for_the_next_pod_is_in_order_for_every_command() {
    let (node, address) = node_with_reserve();
    let records = node.records();
    let states: Vec<_> = records.iter().map(harness::Record::state).collect();
    assert_eq!(states, ["reserved", "reserved", "active"]);
    let rests = |record: &harness::Record| record.0["restsSince"].is_string();
    let rest: Vec<_> = records.iter().filter(|it| rests(it)).flat_map(harness::Record::addresses).collect();
    assert_eq!(rest, [address], "the other one is no pod's yet");
    assert_eq!(reconcile(&node, &[]).status(), 0);
    expect_doctor(&node, "ok", &["2 of network pods"]);
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!((node.on_eni().len(), node.recorded()), (3, node.on_eni()));
    let released = node.operator(&["release", &address.to_string(), "--yes", "--json"]);
    assert_eq!(released.result(), json!({"released": [address], "left": [], "causes": []}));
    assert_eq!((node.on_eni().len(), node.recorded()), (2, node.on_eni()));
}

#[test]
fn what_flush_gives_back_is_what_doctor_warns_of() {
    let (mut node, address) = node_with_reserve();
    node.let_time_pass(LONG_AGO);
    expect_doctor(&node, "ok", &["2 of network pods"]);
    node.set("reserve", 0);
    expect_doctor(&node, "warn", &["2 more", "flush"]);
    assert_eq!(node.operator(&["flush"]).status(), 0);
    assert_eq!(doctors_line(&node), None);
    assert!(node.on_eni().len() == 1 && !node.on_eni().contains(&address));
}

#[test]
fn a_damaged_entry_is_released_by_the_flush_that_doctor_names() {
    let (node, address) = node_with_reserve();
    fs::write(node.entry(address), "{").unwrap();
    expect_doctor(&node, "warn", &["cannot be read", "flush"]);
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert!(!node.on_eni().contains(&address), "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.recorded()), (2, node.on_eni()));
}

#[test]
fn an_entry_on_disk_says_what_a_later_version_needs() {
    let (node, address) = node_with_reserve();
    let mut entry: Value = serde_json::from_slice(&fs::read(node.entry(address)).unwrap()).unwrap();
    for moment in ["since", "restsSince"] {
        assert!(entry["entry"][moment].take().as_str().unwrap().ends_with('Z'), "{entry}");
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let (clock, digest) = (entry["clock"].take(), entry["digest"].take());
    assert!(clock.is_object() && digest.is_string(), "{clock} {digest}");
    let expected = json!({
        "schema": 1, "clock": null, "digest": null,
        "entry": {"network": "pods", "regionId": "cn-hangzhou", "bootId": boot.trim(), "since": null, "restsSince": null},
    });
    assert_eq!(entry, expected);
}

#[test]
fn while_a_pod_takes_an_address_out_of_the_reserve_it_is_never_an_orphan() {
    let node = node().with("reserve", 4).with("reuseDelaySeconds", 0);
    for pod in ["c0", "c1", "c2"] {
        let _ = node.add_pod(pod).address();
    }
    for pod in ["c0", "c1", "c2"] {
        node.del_pod(pod).ok();
    }
    std::thread::scope(|scope| {
        for pod in ["c0", "c1", "c2"] {
            let node = &node;
            scope.spawn(move || {
                for _ in 0..6 {
                    let _ = node.add_pod(pod).address();
                    node.del_pod(pod).ok();
                }
            });
        }
        for _ in 0..6 {
            let answer = reconcile(&node, &[]);
            let eni = of_eni(&answer);
            for kind in ["orphans", "inUse", "conflicts"] {
                assert_eq!(eni[kind], json!([]), "{answer:?}");
            }
        }
    });
}

#[test]
fn reconcile_compares_while_nothing_goes_into_the_reserve_or_out_of_it() {
    let node = used_node().with("timeoutSeconds", 1);
    let lock = File::open(node.store().join("lock")).unwrap();
    lock.lock().unwrap();
    let answer = reconcile(&node, &[]);
    let problem = of_eni(&answer)["problem"].as_str().unwrap_or_default().to_owned();
    assert!(answer.status() == 1 && problem.contains("lock"), "{answer:?}");
    drop(lock);
    assert_eq!(reconcile(&node, &[]).status(), 0);
}
