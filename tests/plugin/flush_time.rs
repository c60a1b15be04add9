//! How long `flush` goes on, what it shows meanwhile, and how it says what is left.

use std::net::IpAddr;
use std::num::NonZero;
use std::time::Duration;

use harness::simulator::Eni;
use harness::{Effect, Fault, Node, World, eventually};
use serde_json::Value;
use vt100::Parser;

use crate::{node, node_in};

const UNASSIGN: &str = "UnassignPrivateIpAddresses";
const OTHER: &str = "eni-bp1other0000000000001";

/// What a terminal of 24 rows shows after these bytes.
pub(crate) fn screen(bytes: &[u8], columns: u16) -> Vec<String> {
    let mut terminal = Parser::new(NonZero::new(24).unwrap(), NonZero::new(columns).unwrap(), 0);
    terminal.process(bytes);
    let rows: Vec<_> = terminal.screen().rows(0, columns).map(|it| it.trim_end().to_owned()).collect();
    let end = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    rows[..end].to_vec()
}

/// Deletes pods while ECS refuses, so that their releases are left.
fn left_behind(node: &Node, pods: usize) -> Vec<IpAddr> {
    let addresses = (0..pods).map(|number| node.add(&format!("c{number}")).address()).collect();
    let later = Effect::code_with_retry_after("ServiceUnavailable", Duration::from_mins(1));
    node.cloud.inject(Fault::on(UNASSIGN).effect(later));
    for number in 0..pods {
        node.del(&format!("c{number}")).ok();
    }
    node.cloud.clear_faults();
    node.cloud.clear_ledger();
    assert_eq!(node.pending_releases(), pods);
    addresses
}

/// A node with two ENIs, each of which has something to be released.
fn with_two_enis() -> Node {
    let other = Eni::new(OTHER, "00:16:3e:00:00:77", "192.168.0.250".parse().unwrap());
    let mut node = node_in(World::single_node().with_eni(other));
    let _ = node.add("on-one").address();
    node.set("networkInterfaceId", OTHER);
    let _ = node.add("on-the-other").address();
    let later = Effect::code_with_retry_after("ServiceUnavailable", Duration::from_mins(1));
    node.cloud.inject(Fault::on(UNASSIGN).effect(later));
    for container in ["on-one", "on-the-other"] {
        node.del(container).ok();
    }
    node.cloud.clear_faults();
    assert_eq!(node.pending_releases(), 2);
    node
}

#[test]
fn a_flush_goes_on_for_longer_than_one_call_as_long_as_something_is_released() {
    let mut node = node();
    left_behind(&node, 5);
    // Each answer comes in time, and all of them together do not.
    node.set("timeoutSeconds", 3);
    node.set("maxAddressesPerCall", 1);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::DelayAnswer(Duration::from_millis(900))));
    let flushed = node.operator(&["flush", "--json"]);
    assert_eq!(
        (flushed.status(), flushed.json()["released"].as_array().unwrap().len()),
        (0, 5),
        "{flushed:?}"
    );
    assert_eq!(node.cloud.count(UNASSIGN), 5);
    // A person can give it less.
    node.cloud.clear_faults();
    left_behind(&node, 5);
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::DelayAnswer(Duration::from_millis(900))));
    let flushed = node.operator(&["flush", "--timeout", "2", "--json"]);
    let said = flushed.json();
    assert_eq!(flushed.status(), 1);
    assert_eq!(said["causes"].as_array().unwrap().len(), 1, "{said}");
    assert!(said["causes"][0]["why"].as_str().unwrap().contains("`--timeout`"), "{said}");
    assert_eq!(said["causes"][0]["count"], said["left"]);
}

#[test]
fn one_eni_that_is_stuck_does_not_keep_another_ones_addresses() {
    for stuck in [Node::ENI, OTHER] {
        let node = with_two_enis();
        node.cloud.inject(Fault::on(UNASSIGN).eni(stuck).effect(Effect::Hold));
        node.cloud.hold_late();
        let flush = node.command(&["flush"]).start();
        // While the request about one ENI is not answered, the other's addresses are released.
        eventually("the other ENI is done", || node.pending_releases() == 1);
        let left = node.operator(&["list", "--json", "--state", "releasing"]).json();
        assert_eq!(left["records"][0]["networkInterfaceId"], stuck);
        assert_eq!(left["records"][0]["attempts"], 1, "its request had been given up before: {left}");
        node.cloud.let_go();
        node.cloud.clear_faults();
        assert_eq!(flush.wait().status(), 0);
        assert_eq!(node.pending_releases(), 0);
    }
}

#[test]
fn two_flushes_at_once_end_and_send_no_address_twice() {
    let mut node = node();
    left_behind(&node, 6);
    node.set("maxAddressesPerCall", 1);
    let flushes = [node.command(&["flush", "--json"]).start(), node.command(&["flush", "--json"]).start()];
    for flush in flushes {
        let answer = flush.wait();
        assert_eq!(answer.status(), 0, "{answer:?}");
    }
    assert_eq!((node.cloud.count(UNASSIGN), node.pending_releases()), (6, 0));
}

#[test]
fn the_causes_count_what_happened_now_and_no_earlier_failure() {
    let mut node = node();
    let addresses = left_behind(&node, 4);
    // Each of them fails once in this way.
    let later = Effect::code_with_retry_after("ServiceUnavailable", Duration::from_mins(1));
    node.cloud.inject(Fault::on(UNASSIGN).effect(later));
    assert_eq!(node.operator(&["flush"]).status(), 1);
    node.cloud.clear_faults();
    // And then one is refused for good, before the others' turn.
    node.set("maxAddressesPerCall", 1);
    node.cloud.inject(Fault::on(UNASSIGN).address(addresses[1]).effect(Effect::code("Forbidden.RAM")));
    let said = node.operator(&["flush", "--json"]).json();
    let causes = said["causes"].as_array().unwrap().clone();
    let counted: u64 = causes.iter().map(|it| it["count"].as_u64().unwrap()).sum();
    assert_eq!(Value::from(counted), said["left"], "{said}");
    assert_eq!(causes.len(), 1, "{said}");
    // Not the ServiceUnavailable of the DELs.
    assert!(causes[0]["why"].as_str().unwrap().contains("Forbidden.RAM"), "{said}");
    assert!(causes[0]["lastTried"].is_string(), "{said}");
    let text = node.operator(&["flush"]).stdout();
    assert!(text.contains(" attempts)") && text.contains(" is still releasing\n"), "{text}");
}

#[test]
fn a_terminal_shows_how_far_a_flush_is_and_nothing_of_that_is_left_at_its_end() {
    let mut node = node();
    left_behind(&node, 3);
    node.set("maxAddressesPerCall", 1);
    node.cloud.inject(Fault::on(UNASSIGN).skip(1).effect(Effect::Hold));
    node.cloud.hold_late();
    let flush = node.command(&["flush"]).start_on_terminal(80);
    let shown = "1 of 3 released, 2 left; waiting for ECS";
    eventually("the line is shown", || screen(&flush.written(), 80).iter().any(|row| row.contains(shown)));
    // A line that is rewritten stays one line.
    assert_eq!(screen(&flush.written(), 80).len(), 1);
    node.cloud.let_go();
    let (answer, written) = flush.wait();
    assert_eq!(answer.status(), 0);
    let last = format!("released 3 addresses on {}; nothing is left", Node::ENI);
    assert_eq!(screen(&written, 80), [last]);
    assert!(!written.contains(&0x1b), "no escape codes are needed");
}

#[test]
fn no_line_of_a_narrow_terminal_is_broken() {
    let node = node();
    left_behind(&node, 1);
    node.cloud.hold(UNASSIGN);
    let flush = node.command(&["flush"]).start_on_terminal(30);
    eventually("the line is shown", || {
        screen(&flush.written(), 30).iter().any(|row| row.starts_with("eni-"))
    });
    assert_eq!(screen(&flush.written(), 30).len(), 1);
    node.cloud.let_go();
    assert_eq!(flush.wait().0.status(), 0);
}

#[test]
fn a_journal_and_a_program_get_no_progress() {
    let node = node();
    left_behind(&node, 1);
    node.cloud.hold(UNASSIGN);
    let flush = node.command(&["flush"]).start();
    eventually("ECS is asked", || node.cloud.count(UNASSIGN) == 1);
    std::thread::sleep(Duration::from_millis(500));
    node.cloud.let_go();
    assert_eq!(flush.wait().stderr(), "");
    left_behind(&node, 1);
    node.cloud.hold(UNASSIGN);
    let flush = node.command(&["flush", "--json"]).start_on_terminal(80);
    eventually("ECS is asked", || node.cloud.count(UNASSIGN) == 1);
    node.cloud.let_go();
    let (_, written) = flush.wait();
    assert!(written.starts_with(b"{"), "{}", String::from_utf8_lossy(&written));
}

#[test]
fn reconcile_says_which_eni_it_compares() {
    let node = node();
    let _ = node.add("c0").address();
    node.cloud.hold("DescribeNetworkInterfaces");
    let reconcile = node.command(&["reconcile"]).start_on_terminal(80);
    let shown = format!("comparing {}, 1 of 1", Node::ENI);
    eventually("the line is shown", || {
        screen(&reconcile.written(), 80).iter().any(|row| row.contains(&shown))
    });
    node.cloud.let_go();
    let (answer, written) = reconcile.wait();
    assert_eq!(answer.status(), 0);
    assert_eq!(screen(&written, 80), [format!("the records match ECS for {}", Node::ENI)]);
}

#[test]
fn a_terminal_that_goes_away_does_not_end_the_work() {
    let node = node();
    left_behind(&node, 2);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let flush = node.command(&["flush"]).start_into(writer.try_clone().unwrap(), writer);
    assert_eq!(flush.wait().status(), 0);
    assert_eq!(node.pending_releases(), 0);
}
