//! What waits for one thing stops nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use harness::simulator::AddressPolicy;
use harness::{Effect, Fault, Node, World, eventually};
use serde_json::Value;

use crate::{node, node_in};

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const DESCRIBE: &str = "DescribeNetworkInterfaces";

/// As long as a request stays in doubt, and a description lags behind it.
const LAPSES: Duration = Duration::from_mins(3);

/// Kills an ADD whose request ECS never carries out.
fn kill_before_it_acts(node: &Node, container: &str) {
    kill_add(node, container, Effect::Stall);
}

/// Kills an ADD whose request has been carried out.
fn kill_after_it_acted(node: &Node, container: &str) -> IpAddr {
    let before = node.on_eni();
    kill_add(node, container, Effect::StallAfter);
    let mut assigned = &node.on_eni() - &before;
    assert_eq!(assigned.len(), 1, "{}", node.scene());
    assigned.pop_first().unwrap()
}

fn kill_add(node: &Node, container: &str, effect: Effect) {
    node.cloud.inject(Fault::on(ASSIGN).times(1).effect(effect));
    let asked = node.cloud.count(ASSIGN);
    let add = node.call("ADD", container).start();
    eventually("ECS is asked", || node.cloud.count(ASSIGN) > asked);
    add.kill();
    node.cloud.clear_faults();
}

/// How many requests are in doubt, by the records.
fn in_doubt(node: &Node) -> usize {
    let files = fs::read_dir(node.store().join("releasing")).unwrap();
    let records = files.map(|file| fs::read(file.unwrap().path()).unwrap());
    let documents = records.map(|content| serde_json::from_slice::<Value>(&content).unwrap());
    documents.map(|it| it["release"]["unanswered"].as_array().map_or(0, Vec::len)).sum()
}

fn with_pods(node: Node, count: usize) -> Node {
    for number in 0..count {
        let _ = node.add(&format!("pod-{number}")).address();
    }
    node
}

#[test]
fn a_request_in_doubt_that_cannot_be_repeated_keeps_no_address_from_being_released() {
    for code in ["Throttling", "ServiceUnavailable", "Forbidden.RAM"] {
        let node = with_pods(node(), 3);
        let assigned = kill_after_it_acted(&node, "killed");
        node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code(code)));
        // Its own DEL tries, and cannot find out.
        node.del("killed").ok();
        for pod in ["pod-0", "pod-1", "pod-2"] {
            node.del(pod).ok();
        }
        assert_eq!(node.on_eni(), [assigned].into(), "{code}\n{}", node.scene());
        // Neither is a flush held up.
        let _ = node.operator(&["flush"]);
        node.cloud.clear_faults();
        assert_eq!(node.operator(&["flush"]).status(), 0, "{code}\n{}", node.scene());
        assert!(node.on_eni().is_empty() && node.records().is_empty(), "{code}\n{}", node.scene());
    }
}

#[test]
fn addresses_and_requests_in_doubt_take_turns_by_age() {
    let node = with_pods(node(), 2).with("onReleaseFailure", "defer").with("maxAddressesPerCall", 1);
    // In this order: a DEL, an interrupted ADD, a DEL.
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    let short = |config: &mut Value| config["ipam"]["timeoutSeconds"] = 1.into();
    node.call("DEL", "pod-0").config(short).run().ok();
    next_second();
    let _ = kill_after_it_acted(&node, "killed");
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.call("DEL", "killed").config(short).run().ok();
    next_second();
    node.call("DEL", "pod-1").config(short).run().ok();
    node.cloud.clear_faults();
    node.cloud.clear_ledger();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    let asked: Vec<_> = node.cloud.ledger().into_iter().map(|it| it.action).collect();
    assert_eq!(
        asked.iter().map(|action| action.chars().next().unwrap()).filter(|it| *it != 'D').collect::<String>(),
        // The first pod's address, the request and what it brought, the second pod's address.
        "UAUU",
        "{}",
        node.scene()
    );
}

/// A release's name says to the second when it began.
fn next_second() {
    let start = std::time::SystemTime::now();
    let second = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    eventually("the next second", || second(std::time::SystemTime::now()) > second(start));
}

#[test]
fn a_batch_takes_first_what_dels_came_for_first() {
    let node = with_pods(node(), 2).with("maxAddressesPerCall", 1);
    let of = |container: &str| {
        let records = node.records();
        let record = records.iter().find(|it| it.0["containerId"] == container).unwrap();
        record.addresses().next().unwrap()
    };
    let (older, younger) = (of("pod-0"), of("pod-1"));
    // The DEL of the younger pod comes first.
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    let short = |config: &mut Value| config["ipam"]["timeoutSeconds"] = 1.into();
    node.call("DEL", "pod-1").config(short).run().ok();
    next_second();
    node.call("DEL", "pod-0").config(short).run().ok();
    node.cloud.clear_faults();
    node.cloud.clear_ledger();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    let released: Vec<IpAddr> = node
        .cloud
        .ledger()
        .iter()
        .filter(|it| it.action == UNASSIGN)
        .flat_map(|it| it.addresses.clone())
        .collect();
    assert_eq!(released, [younger, older], "{}", node.scene());
}

#[test]
fn an_add_lets_go_of_the_eni_within_seconds_of_an_unknown_outcome() {
    let node = with_pods(node(), 1).with("timeoutSeconds", 30);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
    let add = node.call("ADD", "stuck").start();
    eventually("ECS is asked", || node.cloud.count(ASSIGN) > 1);
    // It waits for the lock, and has the time to.
    node.del("pod-0").ok();
    assert!(node.on_eni().is_empty(), "{}", node.scene());
    let _ = add.wait().error(11);
    assert_eq!(in_doubt(&node), 1, "{}", node.scene());
}

#[test]
fn requests_of_one_attachment_do_not_pile_up_while_ecs_is_down() {
    let node = node().with("timeoutSeconds", 1);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("ServiceUnavailable")));
    for _ in 0..5 {
        let _ = node.add("pod").error(11);
    }
    assert_eq!(in_doubt(&node), 1, "{}", node.scene());
    // The next one continues it: what it brings is released, and the pod gets an address of its own.
    node.cloud.clear_faults();
    let address = retried(&node, "pod");
    assert_eq!((in_doubt(&node), node.counts()[1]), (0, 1), "{}", node.scene());
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!(node.on_eni(), [address].into(), "{}", node.scene());
}

/// The address of a pod whose runtime calls ADD until it succeeds.
fn retried(node: &Node, container: &str) -> IpAddr {
    let mut address = None;
    eventually("an ADD succeeds", || {
        let answer = node.add(container);
        address = (answer.status() == 0).then(|| answer.address());
        address.is_some()
    });
    address.unwrap()
}

#[test]
fn a_repetition_of_an_earlier_adds_request_is_never_given_to_the_pod() {
    let node = node_in(World::single_node().with_policy(AddressPolicy::LowestFree));
    let earlier = kill_after_it_acted(&node, "pod");
    // Meanwhile the address was released and given to another pod, of which this store knows nothing.
    node.cloud.unassign(Node::ENI, earlier);
    let address = node.add("pod").address();
    assert!(node.on_eni().contains(&address), "{}", node.scene());
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!(node.on_eni(), [address].into(), "{}", node.scene());
}

#[test]
fn one_description_ends_all_requests_that_left_nothing() {
    let node = with_pods(node(), 2);
    for number in 0..6 {
        let container = format!("killed-{number}");
        kill_before_it_acts(&node, &container);
    }
    // Nobody's own: their runtime never comes back.
    assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
    assert_eq!(in_doubt(&node), 6, "{}", node.scene());
    node.let_time_pass(LAPSES);
    node.cloud.clear_ledger();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((in_doubt(&node), node.counts()), (0, [0, 2, 0, 0]), "{}", node.scene());
    let count = |action| node.cloud.count(action);
    assert_eq!((count(DESCRIBE), count(ASSIGN), count(UNASSIGN)), (1, 0, 0), "{}", node.scene());
}

#[test]
fn requests_in_doubt_do_not_fill_the_eni_when_ecs_is_well_again() {
    let node = with_pods(node(), 2);
    for number in 0..5 {
        kill_before_it_acts(&node, &format!("lost-{number}"));
    }
    let _ = kill_after_it_acted(&node, "killed");
    node.let_time_pass(LAPSES);
    let before = node.on_eni().len();
    node.cloud.clear_ledger();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.counts()), (before - 1, [0, 2, 0, 0]), "{}", node.scene());
    // Each address that a repetition brought was released before the next request was repeated.
    let mut more = 0_i32;
    for entry in node.cloud.ledger() {
        match entry.action.as_str() {
            ASSIGN => more += 1,
            UNASSIGN => more -= i32::try_from(entry.addresses.len()).unwrap(),
            _ => {}
        }
        assert!(more <= 1, "{}", node.scene());
    }
}

#[test]
fn a_refused_repetition_does_not_prove_that_nothing_was_assigned() {
    let node = with_pods(node(), 1);
    let assigned = kill_after_it_acted(&node, "killed");
    // ECS looks at the quota before it looks at the ClientToken.
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    node.del("killed").ok();
    node.let_time_pass(LAPSES);
    let _ = node.operator(&["flush"]);
    assert!(node.on_eni().contains(&assigned) && in_doubt(&node) == 1, "{}", node.scene());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn on_a_full_eni_one_request_in_doubt_is_repeated_and_the_others_wait_for_room() {
    let node = with_pods(node(), 1);
    for number in 0..5 {
        kill_before_it_acts(&node, &format!("lost-{number}"));
    }
    let _ = kill_after_it_acted(&node, "killed");
    node.let_time_pass(LAPSES);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    node.cloud.clear_ledger();
    let _ = node.operator(&["flush"]);
    assert_eq!(node.cloud.count(ASSIGN), 1, "{}", node.scene());
    assert_eq!(in_doubt(&node), 6, "{}", node.scene());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.counts()), (1, [0, 1, 0, 0]), "{}", node.scene());
}

#[test]
fn other_softwares_address_does_not_keep_requests_in_doubt_for_ever() {
    let node = with_pods(node(), 1);
    let foreign: IpAddr = "192.168.0.200".parse().unwrap();
    node.cloud.assign(Node::ENI, foreign);
    kill_before_it_acts(&node, "first");
    node.let_time_pass(LAPSES);
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.on_eni().len(), node.counts()), (2, [0, 1, 0, 0]), "{}", node.scene());
    // A refusal says nothing of whose it is: the request waits for room, and nothing else waits for it.
    kill_before_it_acts(&node, "second");
    node.let_time_pass(LAPSES);
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    assert_eq!(node.operator(&["flush"]).status(), 1, "{}", node.scene());
    node.del("pod-0").ok();
    assert_eq!((node.on_eni(), in_doubt(&node)), ([foreign].into(), 1), "{}", node.scene());
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!((node.on_eni(), node.records().len()), ([foreign].into(), 0), "{}", node.scene());
}

#[test]
fn a_call_with_little_time_left_makes_no_request_and_does_not_blame_ecs() {
    let node = with_pods(node(), 3).with("timeoutSeconds", 4);
    node.cloud.set_latency(Duration::from_millis(2500));
    let first = node.call("DEL", "pod-0").start();
    eventually("the first release is under way", || node.cloud.count(UNASSIGN) == 1);
    // It gets the lock when too little is left of its time.
    node.del("pod-1").ok();
    first.wait().ok();
    let state = fs::read_to_string(node.store().join("eni").join(format!("{}.json", Node::ENI))).unwrap();
    assert!(!state.contains("suspects") && !state.contains("backoff"), "{state}");
    let _ = node.operator(&["flush"]);
    node.cloud.set_latency(Duration::ZERO);
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    assert_eq!(node.on_eni().len(), 1, "{}", node.scene());
}

#[test]
fn whoever_comes_after_an_outage_releases_what_is_left_one_requests_worth() {
    let node = with_pods(node(), 13).with("timeoutSeconds", 2).with("maxAddressesPerCall", 10);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    for number in 0..12 {
        node.del(&format!("pod-{number}")).ok();
    }
    node.cloud.clear_faults();
    node.let_time_pass(LAPSES);
    node.cloud.clear_ledger();
    // A DEL releases its own address with nine others, and then the rest.
    node.del("pod-12").ok();
    assert_eq!((node.on_eni().len(), node.cloud.count(UNASSIGN)), (0, 2), "{}", node.scene());
}

#[test]
fn an_add_releases_what_nobody_has_tried_to_release_and_cleans_up_after_an_interrupted_add() {
    let node = with_pods(node(), 1);
    // Left by a DEL that was killed as soon as it had moved the record.
    let name = |directory: &str| {
        let mut names = fs::read_dir(node.store().join(directory)).unwrap();
        names.next().unwrap().unwrap().path()
    };
    let active = name("active");
    let to = node
        .store()
        .join("releasing")
        .join(active.file_name().unwrap().to_str().unwrap().to_owned() + ".0123456789abcdef");
    fs::rename(&active, to).unwrap();
    let _ = kill_after_it_acted(&node, "killed");
    let first = node.add("first").address();
    // The next call finds the request, and the one after it what the request brought.
    let second = node.add("second").address();
    let third = node.add("third").address();
    assert_eq!(node.on_eni(), BTreeSet::from([first, second, third]), "{}", node.scene());
    assert_eq!(node.counts(), [0, 3, 0, 0], "{}", node.scene());
}

#[test]
fn an_intent_that_nobody_can_read_keeps_no_call_from_releasing_what_is_left() {
    let node = with_pods(node(), 2).with("timeoutSeconds", 2);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.del("pod-0").ok();
    node.cloud.clear_faults();
    node.let_time_pass(LAPSES);
    // A later version's ADD was killed.
    fs::write(node.store().join("assigning").join("later"), "\u{1e}{\"schema\":2,\"intention\":{}}\n")
        .unwrap();
    let _ = node.add("new").address();
    assert_eq!((node.on_eni().len(), node.counts()), (2, [0, 2, 0, 1]), "{}", node.scene());
}

#[test]
fn a_call_reads_no_more_of_what_is_left_than_it_can_release() {
    let node = with_pods(node(), 2);
    let template = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let record = fs::read_to_string(&template).unwrap();
    let document: Value = serde_json::from_str(&record).unwrap();
    let address = document["allocation"]["addresses"][0]["address"].as_str().unwrap();
    // Left by an outage; ECS has none of them any more.
    for number in 0..1000_u32 {
        let ip = format!("10.0.{}.{}", number / 250, number % 250);
        let name = format!("left-{number}.2026-11-01T00:00:00Z.{number:016x}.{}.{ip}", Node::ENI);
        let content = record.replace(address, &format!("{ip}/24")).replace("pod-", "left-");
        fs::write(node.store().join("releasing").join(name), content).unwrap();
    }
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("pod-0").ok();
    let trace = node.directory().join("trace");
    let arguments = ["-f", "-qq", "-e", "trace=openat", "-o", trace.to_str().unwrap()].map(str::to_owned);
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        return;
    }
    let answer = node.call("ADD", "new").under("strace", &arguments).run();
    let _ = answer.address();
    let opened =
        fs::read_to_string(&trace).unwrap().lines().filter(|line| line.contains("releasing/left")).count();
    assert_eq!(opened, 0, "{}", node.scene());
}
