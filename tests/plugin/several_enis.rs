//! A network with all secondary ENIs of its node: they are filled in order, full ones cost nothing, and a stuck one holds up nobody.
//!
//! The names of links in `interfaces` need links: `tests/machine/several_enis.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use harness::simulator::{Eni, Quota};
use harness::{Answer, Effect, Fault, Node, Timed, World, at_once_while};

use crate::start_together::{ASSIGN, PODS, UNASSIGN, add_together, limit_requests, names};
use crate::{eventually, node_in};

/// The secondary ENIs in the order in which they are filled.
pub(crate) const ENIS: [&str; 3] = [Node::ENI, "eni-bp1secondary000000002", "eni-bp1secondary000000003"];

/// A node that has this many places on each of its secondary ENIs, all of which are one network's.
fn node_with_places(places: [usize; 3]) -> Node {
    let mut world = World::single_node();
    for (number, id) in (3_u8..).zip(&ENIS[1..]) {
        let mac = format!("00:16:3e:00:00:{number:02x}");
        world = world.with_eni(Eni::new(id, &mac, Ipv4Addr::new(192, 168, 0, 9 + number)));
    }
    for (id, places) in ENIS.into_iter().zip(places) {
        set_places(&mut world, id, places);
    }
    let mut node = node_in(world).with("interfaces", "secondary").with("timeoutSeconds", 60);
    node.ipam.remove("networkInterfaceId");
    node
}

/// So many pods have room on this ENI.
fn set_places(world: &mut World, eni: &str, places: usize) {
    // The primary address counts.
    world.eni_mut(eni).quota = Some(Quota { ipv4: places + 1, ipv6: places });
}

/// The ENI that has an address, by its place in the order.
fn eni_of(node: &Node, address: IpAddr) -> Option<usize> {
    ENIS.iter().position(|eni| node.cloud.addresses(eni).contains(&address))
}

/// Where the secondary addresses are: how many each ENI has.
fn filled(node: &Node) -> [usize; 3] {
    ENIS.map(|eni| node.cloud.addresses(eni).len())
}

/// Expects that all that the ENIs have is in use, and nothing else is recorded.
#[track_caller]
fn expect_all_in_use(node: &Node) {
    let there: BTreeSet<IpAddr> = ENIS.iter().flat_map(|eni| node.cloud.addresses(eni)).collect();
    assert_eq!(node.recorded(), there, "{}", node.scene());
    let [assigning, _, releasing, quarantined] = node.counts();
    assert_eq!([assigning, releasing, quarantined, node.reserved()], [0; 4], "{}", node.scene());
    assert_eq!(node.cloud.overlaps(), 0, "{}", node.scene());
}

/// Expects code 112, and that the text names each ENI.
#[track_caller]
fn expect_all_full(answer: &Answer) {
    let text = answer.error(112);
    assert!(ENIS.iter().all(|eni| text.contains(eni)), "{text}");
}

#[test]
fn enis_are_filled_in_order_and_when_all_are_full_an_add_says_so_without_a_request() {
    let node = node_with_places([10, 10, 6]);
    let pods = names("c", 26);
    let order: Vec<_> = pods.iter().map(|pod| eni_of(&node, node.add(pod).address()).unwrap()).collect();
    let expected: Vec<_> =
        [(0, 10), (1, 10), (2, 6)].into_iter().flat_map(|(eni, places)| vec![eni; places]).collect();
    assert_eq!(order, expected, "{}", node.scene());

    // It takes one request to learn of the last ENI that it is full, and none to learn it of the others again.
    node.cloud.clear_ledger();
    expect_all_full(&node.add("late"));
    assert!(node.cloud.count(ASSIGN[0]) <= 1, "{}", node.scene());
    node.cloud.clear_ledger();
    for _ in 0..3 {
        node.let_time_pass(Duration::from_secs(80));
        expect_all_full(&node.add("late"));
    }
    assert_eq!(node.cloud.ledger(), [], "within five minutes");
    // Somebody may have made room behind the plugin's back, so that it is tried one day.
    node.let_time_pass(Duration::from_secs(80));
    expect_all_full(&node.add("late"));
    assert!((1..=3).contains(&node.cloud.count(ASSIGN[0])), "{}", node.scene());

    // One DEL makes room for one ADD, on the same ENI.
    node.del("c13").ok();
    node.cloud.clear_ledger();
    assert_eq!(eni_of(&node, node.add("late").address()), Some(1), "{}", node.scene());
    assert_eq!(node.cloud.count(ASSIGN[0]), 1, "{}", node.scene());
    expect_all_full(&node.add("later"));
    expect_all_in_use(&node);
}

#[test]
fn an_eni_that_does_not_answer_holds_up_nobody_who_could_have_another() {
    let node = node_with_places([10, 10, 10]);
    node.cloud.hold_late();
    node.cloud.inject(Fault::on(ASSIGN[0]).eni(ENIS[0]).effect(Effect::Hold));
    let stuck = node.call("ADD", "stuck").start();
    eventually("the first ENI is asked", || node.cloud.count(ASSIGN[0]) == 1);
    for pod in names("c", 3) {
        let address = node.add(&pod).address();
        assert_eq!(eni_of(&node, address), Some(1), "{}", node.scene());
    }
    let unanswered: Vec<_> =
        node.cloud.ledger().into_iter().filter(|entry| entry.eni.as_deref() == Some(ENIS[0])).collect();
    assert!(
        unanswered.iter().all(|entry| !entry.executed),
        "the first ENI is stuck all the time: {unanswered:?}"
    );
    node.cloud.clear_faults();
    node.cloud.let_go();
    assert_eq!(eni_of(&node, stuck.wait().address()), Some(0), "{}", node.scene());
    // Nobody who took the second ENI has a request on the first.
    eventually("late copies have been carried out", || node.cloud.wait_until_idle().is_ok());
    expect_all_in_use(&node);
}

#[test]
fn pods_that_start_together_fill_several_enis_with_few_requests_and_leave_nothing_over() {
    let node = node_with_places([200, 200, 200]).with("maxAddressesPerCall", 10).with("timeoutSeconds", 300);
    limit_requests(&node, 10);
    node.cloud.set_latency(Duration::from_millis(500));
    node.cloud.hold(ASSIGN[0]);
    let pods = names("c", PODS);
    let answers = at_once_while(pods.iter().map(|pod| node.call("ADD", pod)), || {
        eventually("all of them wait, and one has asked", || {
            node.cloud.count(ASSIGN[0]) >= 1 && node.waiting_adds() == pods.len()
        });
        node.cloud.let_go();
    });
    let addresses: BTreeSet<_> = answers.iter().map(|timed: &Timed| timed.answer.address()).collect();
    assert_eq!(addresses.len(), PODS, "{}", node.scene());
    assert!(node.cloud.count(ASSIGN[0]) <= 16, "{}", node.scene());
    // What was more than needed has gone back, or is about to.
    assert_eq!((node.counts()[1], node.reserved()), (PODS, 0), "{}", node.scene());
    assert_eq!(node.operator(&["flush"]).status(), 0, "{}", node.scene());
    expect_all_in_use(&node);
    assert_eq!(filled(&node).iter().sum::<usize>(), PODS, "{}", node.scene());
}

/// What is learned of an ENI's room while pods wait in line counts for those who come after: none asks again for what is gone.
#[test]
fn pods_that_start_together_and_just_fill_all_enis_learn_from_each_other_which_are_full() {
    let node = node_with_places([4, 3, 3]);
    let pods = names("c", 10);
    let answers = add_together(&node, &pods);
    let addresses: BTreeSet<_> = answers.iter().map(|timed| timed.answer.address()).collect();
    assert_eq!((addresses.len(), filled(&node)), (10, [4, 3, 3]), "{}", node.scene());
    assert!(node.cloud.count(ASSIGN[0]) <= 16, "{}", node.scene());
    expect_all_in_use(&node);
}

#[test]
fn enis_work_side_by_side() {
    let node = node_with_places([2, 10, 10]);
    for pod in names("c", 4) {
        let _ = node.add(&pod).address();
    }
    assert_eq!(filled(&node), [2, 2, 0], "{}", node.scene());
    // A release that takes long on one ENI is nothing to another.
    node.cloud.hold_late();
    node.cloud.inject(Fault::on(UNASSIGN[0]).eni(ENIS[0]).effect(Effect::Hold));
    let stuck = node.call("DEL", "c0").start();
    eventually("the first ENI is asked", || node.cloud.count(UNASSIGN[0]) == 1);
    node.del("c2").ok();
    let address = node.add("new").address();
    assert_eq!(eni_of(&node, address), Some(1), "{}", node.scene());
    let by_eni: BTreeMap<_, _> = node
        .cloud
        .ledger()
        .into_iter()
        .filter(|entry| entry.action == UNASSIGN[0])
        .map(|entry| (entry.eni.unwrap_or_default(), entry.executed))
        .collect();
    assert_eq!(by_eni, BTreeMap::from([(ENIS[0].to_owned(), false), (ENIS[1].to_owned(), true)]));
    node.cloud.clear_faults();
    node.cloud.let_go();
    stuck.wait().ok();
    expect_all_in_use(&node);
}
