//! `list`: which records it shows, in which order, and how wide.

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use harness::{Calling, Effect, Fault, Node};
use serde_json::{Value, json};

use crate::node;
use crate::terminal::open_terminal;

const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// Runs a command on a terminal of this many columns: its exit status, and the lines that it printed there.
fn on_terminal(call: Calling<'_>, columns: u16) -> (i32, Vec<String>) {
    let (mut controller, terminal) = open_terminal(columns);
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // It ends with an error when nobody has the terminal open any more.
        let _ = controller.read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    });
    let answer = call.run_into(terminal);
    assert_eq!(answer.stderr(), "");
    let text = reader.join().unwrap();
    (answer.status(), text.lines().map(str::to_owned).collect())
}

/// The same of `list` with these options.
fn shown(node: &Node, options: &[&str], columns: u16) -> Vec<String> {
    let (status, lines) = on_terminal(node.command(&[&["list"], options].concat()), columns);
    assert_eq!(status, 0, "{lines:?}");
    for line in &lines {
        assert!(line.chars().count() <= usize::from(columns), "{columns}: {line}");
    }
    lines
}

/// ADD of a pod with this `CNI_ARGS`.
fn add_named(node: &Node, container: &str, args: &str) -> IpAddr {
    node.call("ADD", container).env("CNI_ARGS", format!("IgnoreUnknown=1;{args}")).run().address()
}

/// A node with a pod of Kubernetes and one of Podman, and one without a name.
fn with_pods() -> Node {
    let node = node();
    let _ = add_named(&node, "c0", "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0");
    let _ = add_named(&node, "c1", "K8S_POD_NAME=alone");
    let _ = node.add("c2").address();
    node
}

/// One key of every record of `list --json` with these options.
fn listed(node: &Node, options: &[&str], key: &str) -> Vec<Value> {
    let listed = node.operator(&[&["list", "--json"], options].concat()).result();
    listed["records"].as_array().unwrap().iter().map(|record| record[key].clone()).collect()
}

#[test]
fn a_pod_without_a_namespace_is_shown_by_its_name_alone() {
    let node = with_pods();
    assert_eq!(listed(&node, &[], "pod"), [json!("alone"), json!("default/web-0"), Value::Null]);
    let table = node.operator(&["list"]).stdout();
    let cell = |line: &str| line.split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(table.lines().map(cell).collect::<Vec<_>>(), ["POD", "alone", "default/web-0", "-"]);
}

#[test]
fn a_release_shows_how_long_it_has_been_waiting_why_and_when_it_is_tried_again() {
    let node = node();
    let _ = node.add("c0").address();
    // The pod lived for a long time: that does not count.
    let record = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let mut aged: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    aged["allocation"]["since"] = "2026-01-01T00:00:00.000Z".into();
    fs::write(record, aged.to_string()).unwrap();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();

    let record = node.records().remove(0).0;
    let moment = |key: &str| humantime::parse_rfc3339(record[key].as_str().unwrap()).unwrap();
    let wait = moment("nextTry").duration_since(SystemTime::now()).unwrap();
    assert!(wait <= Duration::from_mins(1), "{record}");
    assert!(moment("releasingSince") > moment("since"), "{record}");
    let table = node.operator(&["list"]).stdout();
    let cells: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(cells[6].ends_with('s') && cells[9].ends_with('s'), "AGE and NEXT-TRY: {table}");
    assert!(table.contains("Forbidden.RAM"), "{table}");

    node.let_time_pass(Duration::from_mins(30));
    assert_eq!(listed(&node, &[], "nextTry"), [Value::Null], "the next call tries it");
    let table = node.operator(&["list"]).stdout();
    let cells: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[9], "-", "{table}");
    assert!(table.contains("Forbidden.RAM"), "{table}");
}

#[test]
fn records_are_chosen_by_state_and_by_pod() {
    let node = with_pods();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c2").ok();
    let containers = |options: &[&str]| listed(&node, options, "containerId");
    for (options, expected) in [
        (&["--state", "releasing"][..], &["c2"][..]),
        (&["--state", "active"], &["c1", "c0"]),
        (&["--state", "releasing,active"], &["c1", "c0", "c2"]),
        (&["--state", "reserved,quarantined"], &[]),
        (&["--pod", "default/web-0"], &["c0"]),
        (&["--pod", "web-0"], &["c0"]),
        (&["--pod", "alone"], &["c1"]),
        (&["--pod", "web"], &[]),
        (&["--pod", "default"], &[]),
        (&["--pod", "/alone"], &[]),
        (&["--pod", ""], &[]),
        (&["--pod", "alone", "--state", "releasing"], &[]),
    ] {
        assert_eq!(containers(options), expected, "{options:?}");
    }
    let refused = node.operator(&["list", "--state", "active,relasing"]);
    assert_eq!((refused.status(), refused.stdout()), (2, String::new()));
    assert!(refused.stderr().contains("did you mean `releasing`?"), "{}", refused.stderr());
}

#[test]
fn records_are_sorted_by_what_a_person_names() {
    let node = node();
    let minutes = |minutes| Duration::from_mins(minutes);
    for (address, age) in
        [("192.168.0.100", 30), ("192.168.0.9", 20), ("2001:db8::1", 40), ("192.168.0.20", 10)]
    {
        node.reserve(address.parse().unwrap(), minutes(age));
    }
    node.reserve_changed("192.168.0.30".parse().unwrap(), minutes(1), |entry| {
        entry["network"] = "another".into();
    });
    let last = |options: &[&str]| {
        let addresses = listed(&node, options, "addresses");
        let last = |it: &Value| it[0].as_str().unwrap().rsplit(['.', ':']).next().unwrap().to_owned();
        addresses.iter().map(last).collect::<Vec<_>>()
    };
    let by_number = ["9", "20", "30", "100", "1"];
    assert_eq!(last(&[]), by_number);
    assert_eq!(last(&["--sort", "address"]), by_number);
    assert_eq!(last(&["--sort", "age"]), ["1", "100", "9", "20", "30"]);
    assert_eq!(last(&["--sort", "network"]), ["30", "9", "20", "100", "1"]);
    assert_eq!(last(&["--sort", "eni"]), by_number);

    let node = with_pods();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let containers = |options: &[&str]| listed(&node, options, "containerId");
    assert_eq!(containers(&[]), ["c1", "c2", "c0"]);
    assert_eq!(containers(&["--sort", "state"]), ["c1", "c2", "c0"]);
    assert_eq!(containers(&["--sort", "pod"]), ["c1", "c0", "c2"]);
    assert_eq!(containers(&["--sort", "attempts"]), ["c0", "c1", "c2"]);
}

/// A directory with a configuration for each of these networks and stores.
fn configured(node: &Node, networks: &[(&str, &str)]) -> PathBuf {
    let directory = node.directory().join("net.d");
    fs::create_dir(&directory).unwrap();
    for (name, store) in networks {
        let mut conflist = node.conflist();
        conflist["name"] = (*name).into();
        conflist["plugins"][0]["ipam"]["dataDir"] = node.directory().join(store).to_str().unwrap().into();
        fs::write(directory.join(format!("{name}.conflist")), conflist.to_string()).unwrap();
    }
    directory
}

#[test]
fn the_records_of_all_networks_are_shown_or_those_of_the_one_that_is_named() {
    let mut node = node();
    for (network, store, container) in
        [("a", "one", "c0"), ("b", "one", "c1"), ("removed", "one", "c2"), ("c", "two", "c3")]
    {
        node.network = network.into();
        node.set("dataDir", node.directory().join(store).to_str().unwrap());
        // Each store has an ENI of its own.
        let eni = if store == "one" { Node::ENI } else { harness::World::PRIMARY_ENI };
        node.set("networkInterfaceId", eni);
        let _ = node.add(container).address();
    }
    let directory = configured(&node, &[("a", "one"), ("b", "one"), ("c", "two")]);
    let list = |options: &[&str]| {
        let answer =
            node.operator_with(&directory, &[&["list", "--json", "--sort", "network"], options].concat());
        let records = answer.result()["records"].as_array().unwrap().clone();
        records.iter().map(|it| it["network"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), ["a", "b", "c", "removed"], "each store once");
    assert_eq!(list(&["--network", "b"]), ["b"]);
    assert_eq!(list(&["--network", "c"]), ["c"]);
    assert_eq!(node.operator_with(&directory, &["list", "--network", "removed"]).status(), 2);
}

#[test]
fn a_store_that_cannot_be_read_hides_no_other() {
    let node = node();
    let address = node.add("c0").address().to_string();
    let directory = configured(&node, &[("a", "file"), ("pods", "store")]);
    fs::write(node.directory().join("file"), "no directory").unwrap();
    for options in [&["list"][..], &["list", "--json"]] {
        let answer = node.operator_with(&directory, options);
        assert_eq!(answer.status(), 1, "{answer:?}");
        assert!(answer.stdout().contains(&address), "{answer:?}");
        assert!(answer.stderr().contains("it is not a directory"), "{answer:?}");
    }
}

#[test]
fn on_a_terminal_the_columns_that_say_the_usual_are_left_out_and_no_line_is_too_long() {
    let node = with_pods();
    let heads = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(heads(&shown(&node, &[], 80)[0]), ["STATE", "ADDRESSES", "POD", "CONTAINER", "AGE"]);

    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    node.del("c2").ok();
    let wide = shown(&node, &[], 200);
    let all = ["STATE", "ADDRESSES", "POD", "CONTAINER", "AGE", "ATTEMPTS", "NEXT-TRY", "LAST-ERROR"];
    assert_eq!(heads(&wide[0]), all);
    assert!(wide.concat().contains("Forbidden.RAM"), "{wide:#?}");
    // The reason stands below its row where there is no room for it, and once where it is the same.
    let usual = shown(&node, &[], 80);
    assert_eq!(heads(&usual[0]), all[..7]);
    assert_eq!(usual.concat().matches("Forbidden.RAM").count(), 1, "{usual:#?}");
    assert!(usual.iter().any(|line| line.starts_with("    UnassignPrivateIpAddresses")), "{usual:#?}");
    for columns in 1..=120 {
        let _ = shown(&node, &[], columns);
    }
    // Programs get every column, in whatever width.
    let piped = node.operator(&["list"]).stdout();
    assert_eq!(piped.lines().next().unwrap().split_whitespace().count(), 11, "{piped}");
    assert!(piped.lines().any(|line| line.len() > 150), "{piped}");
    assert_eq!(piped.matches("Forbidden.RAM").count(), 2, "{piped}");
}

#[test]
fn networks_are_named_on_a_terminal_where_there_are_several_or_another_than_the_configured_one() {
    let mut node = node();
    let _ = node.add("c0").address();
    assert!(!shown(&node, &[], 80)[0].contains("NETWORK"));
    node.network = "renamed".into();
    let renamed = shown(&node, &[], 80);
    assert!(renamed[0].contains("NETWORK") && renamed[1].contains(" pods "), "{renamed:#?}");
}

#[test]
fn an_empty_list_says_so_to_a_person_and_is_a_head_for_programs() {
    let node = node();
    assert_eq!(shown(&node, &[], 80), ["nothing is recorded"]);
    let _ = node.add("c0").address();
    assert_eq!(shown(&node, &["--state", "releasing"], 80), ["no record matches (1 in all)"]);
    let piped = node.operator(&["list", "--state", "releasing"]);
    assert_eq!((piped.status(), piped.stderr()), (0, String::new()));
    assert!(
        piped.stdout().starts_with("STATE  ADDRESSES") && piped.stdout().lines().count() == 1,
        "{piped:?}"
    );
}
