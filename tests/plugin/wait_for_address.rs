//! `waitForAddress`: an ADD answers only when instance metadata shows the addresses on the ENI, or when the time is over.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use harness::{Effect, Node};
use serde_json::json;

use crate::{eventually, node};

const DESCRIBE: &str = "DescribeNetworkInterfaces";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

/// What metadata is asked for.
const LOOK: &str = "/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:02/private-ipv4s";

/// Longer than any test.
const VERY_LONG: Duration = Duration::from_hours(1);

/// A node that waits so long, and whose metadata lags.
fn waiting(seconds: u64) -> Node {
    let node = node().with("waitForAddress", seconds).with("timeoutSeconds", 600);
    node.cloud.set_metadata_lag(Node::ENI, VERY_LONG);
    node
}

/// How often metadata was asked which addresses there are: of IPv4, of IPv6.
fn looks(node: &Node) -> [usize; 2] {
    let requests = node.cloud.metadata_requests();
    ["/private-ipv4s", "/ipv6s"].map(|end| requests.iter().filter(|(_, path, _)| path.ends_with(end)).count())
}

fn add_without_waiting(node: &Node, container: &str) -> IpAddr {
    node.call("ADD", container).config(|config| config["ipam"]["waitForAddress"] = json!(0)).run().address()
}

fn expect_logged(node: &Node, words: &[&str]) {
    let log = node.log();
    let line = log.lines().find(|line| line.contains("waitForAddress")).unwrap_or_default();
    assert!(line.contains("WARN") && words.iter().all(|word| line.contains(word)), "{words:?}: {log}");
}

#[test]
fn by_default_nobody_looks() {
    let node = waiting(0);
    let _ = node.add("c0").address();
    assert_eq!(looks(&node), [0, 0]);
}

#[test]
fn an_add_answers_once_metadata_shows_the_addresses_of_both_families() {
    let node = waiting(60).with("ipv6", true);
    let mut add = node.call("ADD", "c0").start();
    eventually("metadata was looked at again and again", || looks(&node).iter().all(|count| *count > 2));
    assert_eq!(node.counts(), [0, 1, 0, 0], "it is recorded before it is waited for");
    assert!(add.is_running(), "{}", node.scene());
    node.cloud.set_metadata_lag(Node::ENI, Duration::ZERO);
    let addresses = add.wait().addresses();
    assert_eq!(addresses.into_iter().collect::<BTreeSet<_>>(), node.on_eni());
    assert!(!node.log().contains("WARN"), "{}", node.log());
    assert_eq!(node.cloud.count(DESCRIBE), 1);
    // A DEL does not wait.
    let before = looks(&node);
    node.del("c0").ok();
    assert_eq!(looks(&node), before);
}

#[test]
fn an_add_that_finds_its_record_answers_at_once() {
    let mut node = waiting(0);
    let address = node.add("c0").address();
    node.set("waitForAddress", 60);
    assert_eq!((node.add("c0").address(), looks(&node)), (address, [0, 0]));
}

#[test]
fn nobody_else_waits_meanwhile() {
    let node = waiting(60);
    let mut add = node.call("ADD", "c0").start();
    eventually("it waits", || looks(&node)[0] > 0);
    let other = add_without_waiting(&node, "c1");
    node.del("c1").ok();
    assert!(!node.on_eni().contains(&other) && add.is_running(), "{}", node.scene());
    node.cloud.set_metadata_lag(Node::ENI, Duration::ZERO);
    let _ = add.wait().address();
}

#[test]
fn what_metadata_does_not_show_in_time_is_a_warning_that_says_what_ecs_says() {
    let node = waiting(1);
    let address = node.add("c0").address().to_string();
    expect_logged(&node, &["metadata does not show", &address, "ECS shows what is missing"]);
    assert_eq!(node.cloud.count(DESCRIBE), 2, "{}", node.scene());
    node.cloud.set_description_lag(Node::ENI, VERY_LONG);
    node.cloud.set_metadata_lag(Node::ENI, VERY_LONG);
    let address = node.add("c1").address();
    let log = node.log();
    assert!(log.contains(&format!("ECS does not show {address} either")), "{log}");
    node.cloud.inject(harness::Fault::on(DESCRIBE).effect(Effect::code("Forbidden.RAM")));
    let _ = node.add("c2").address();
    assert!(node.log().contains("ECS does not tell either"), "{}", node.log());
    assert_eq!(node.counts(), [0, 3, 0, 0], "{}", node.scene());
}

#[test]
fn metadata_that_answers_wrongly_is_looked_at_again() {
    for effect in [Effect::Empty { status: 403 }, Effect::Html { status: 200 }] {
        let node = waiting(60);
        node.cloud.set_metadata_lag(Node::ENI, Duration::ZERO);
        node.cloud.inject_metadata(LOOK, effect, Some(3));
        let _ = node.add("c0").address();
        assert!(looks(&node)[0] > 1 && !node.log().contains("WARN"), "{}", node.scene());
    }
    let node = waiting(1);
    node.cloud.inject_metadata(LOOK, Effect::Html { status: 200 }, None);
    let _ = node.add("c0").address();
    expect_logged(&node, &["metadata does not tell", "ECS shows what is missing"]);
}

#[test]
fn metadata_that_cannot_be_reached_is_not_waited_for() {
    let node = waiting(15);
    node.cloud.inject_metadata(LOOK, Effect::Stall, None);
    let _ = node.add("c0").address();
    expect_logged(&node, &["metadata does not tell", "ECS shows what is missing"]);
    // The way to metadata asks again after ten seconds.
    assert_eq!(looks(&node), [1, 0], "{}", node.scene());
}

#[test]
fn the_wait_leaves_the_time_for_a_description_and_the_answer() {
    let node = waiting(60).with("timeoutSeconds", 4);
    let _ = node.add("c0").address();
    expect_logged(&node, &["metadata does not show", "ECS shows what is missing"]);
}

#[test]
fn an_add_whose_del_came_meanwhile_fails_and_releases_nothing_twice() {
    let node = waiting(60);
    let add = node.call("ADD", "c0").start();
    eventually("it waits", || looks(&node)[0] > 0);
    node.del("c0").ok();
    assert!(node.on_eni().is_empty(), "the DEL has not waited");
    assert!(add.wait().error(11).contains("a DEL came while this ADD was running"));
    assert_eq!((node.counts(), node.cloud.count(UNASSIGN)), ([0, 0, 0, 0], 1), "{}", node.scene());
}

#[test]
fn an_add_whose_del_and_next_add_came_meanwhile_leaves_that_ones_address_alone() {
    let node = waiting(60);
    let add = node.call("ADD", "c0").start();
    eventually("it waits", || looks(&node)[0] > 0);
    node.del("c0").ok();
    let address = add_without_waiting(&node, "c0");
    let _ = add.wait().error(11);
    assert_eq!((node.on_eni(), node.recorded()), (BTreeSet::from([address]), BTreeSet::from([address])));
}
