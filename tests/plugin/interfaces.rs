//! A network of several ENIs (`interfaces`), as far as one link is enough: what links decide is in `tests/machine/interfaces.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use harness::simulator::Eni;
use harness::{Answer, Effect, Fault, Node, World};
use serde_json::{Value, json};

use crate::node_in;

const ASSIGN: &str = "AssignPrivateIpAddresses";
const SECOND: &str = "eni-bp1secondary000000002";
const THIRD: &str = "eni-bp1secondary000000003";
const ALL: [&str; 3] = [Node::ENI, SECOND, THIRD];

fn secondary(id: &str, number: u8) -> Eni {
    Eni::new(id, &format!("00:16:3e:00:00:{number:02x}"), Ipv4Addr::new(192, 168, 0, 10 + number))
}

/// A node whose pods get addresses of all ENIs but the primary one. No link of this machine has their MAC addresses, so they are
/// in the order of these.
fn node() -> Node {
    let world = World::single_node().with_eni(secondary(THIRD, 4)).with_eni(secondary(SECOND, 3));
    with_interfaces(world, json!("secondary"))
}

fn with_interfaces(world: World, interfaces: Value) -> Node {
    // On a slow machine, too, there is time for each ENI.
    let mut node = node_in(world).with("interfaces", interfaces).with("timeoutSeconds", 60);
    node.ipam.remove("networkInterfaceId");
    node
}

fn on(node: &Node, eni: &str) -> BTreeSet<IpAddr> {
    node.cloud.with_world(|world| world.eni_mut(eni).addresses.clone())
}

fn set_managed(node: &Node, eni: &str, is_managed: bool) {
    node.cloud.with_world(|world| world.eni_mut(eni).service_managed = is_managed);
}

fn status(node: &Node) -> Answer {
    node.call("STATUS", "").without("CNI_CONTAINERID").without("CNI_IFNAME").without("CNI_NETNS").run()
}

/// Makes what is remembered of the ENIs look older than any of it holds.
fn let_time_pass(node: &Node) {
    let path = node.store().join("cache/several.json");
    let mut known: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    known["asked"] = "2026-01-01T00:00:00.000Z".into();
    for unusable in known["unusable"].as_object_mut().unwrap().values_mut() {
        unusable["until"] = "2026-01-01T00:00:00.000Z".into();
    }
    fs::write(&path, known.to_string()).unwrap();
}

/// How often metadata and ECS were asked for anything but addresses.
fn questions(node: &Node) -> usize {
    node.cloud.metadata_requests().len() + node.cloud.count("DescribeNetworkInterfaces")
}

#[test]
fn the_first_eni_is_filled_first_and_the_primary_one_never() {
    let node = node();
    let addresses = BTreeSet::from([node.add("c1").address(), node.add("c2").address()]);
    assert_eq!(on(&node, Node::ENI), addresses, "{}", node.scene());
    for other in [World::PRIMARY_ENI, SECOND, THIRD] {
        assert!(on(&node, other).is_empty(), "{}", node.scene());
    }
}

#[test]
fn what_the_enis_are_is_asked_once() {
    let node = node();
    let _ = node.add("c1").address();
    let asked = questions(&node);
    let _ = (node.add("c2").address(), node.add("c3").address());
    status(&node).ok();
    assert_eq!(questions(&node), asked, "{}", node.scene());
}

#[test]
fn an_eni_that_is_known_to_be_full_is_passed_over() {
    let node = node();
    let full = || Fault::on(ASSIGN).eni(Node::ENI).effect(Effect::code("QuotaExceeded.PrivateIpAddress"));
    node.cloud.inject(full());
    // It may learn that it is full.
    let _ = node.add("c1");
    let address = node.add("c2").address();
    assert!(on(&node, SECOND).contains(&address), "{}", node.scene());
    let asked = node.cloud.count(ASSIGN);
    let _ = node.add("c3").address();
    assert_eq!(node.cloud.count(ASSIGN), asked + 1, "{}", node.scene());
}

#[test]
fn an_eni_that_cannot_be_used_is_passed_over_with_a_warning_and_left_alone() {
    let node = node();
    set_managed(&node, Node::ENI, true);
    let address = node.add("c1").address();
    assert_eq!(on(&node, SECOND), BTreeSet::from([address]), "{}", node.scene());
    assert!(node.log().contains("is passed over: a cloud service manages"), "{}", node.log());
    let asked = questions(&node);
    let _ = node.add("c2").address();
    assert_eq!(questions(&node), asked, "{}", node.scene());
    // Some minutes later it is tried again.
    set_managed(&node, Node::ENI, false);
    let_time_pass(&node);
    let _ = node.add("c3").address();
    assert_eq!(on(&node, Node::ENI).len(), 1, "{}", node.scene());
}

#[test]
fn if_no_eni_can_be_used_an_add_names_each_and_asks_again_at_once() {
    let node = node();
    for eni in ALL {
        set_managed(&node, eni, true);
    }
    let text = node.add("c1").error(113);
    for eni in ALL {
        assert!(text.contains(&format!("a cloud service manages {eni}")), "{text}");
    }
    assert_eq!(node.counts(), [0; 4], "{}", node.scene());
    set_managed(&node, THIRD, false);
    let address = node.add("c2").address();
    assert_eq!(on(&node, THIRD), BTreeSet::from([address]), "{}", node.scene());
}

#[test]
fn metadata_that_does_not_answer_about_one_eni_keeps_nobody_from_the_others() {
    let node = node();
    let odd = "/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:02/";
    node.cloud.inject_metadata(odd, Effect::Empty { status: 500 }, None);
    let address = node.add("c1").address();
    assert_eq!(on(&node, SECOND), BTreeSet::from([address]), "{}", node.scene());
}

#[test]
fn an_eni_of_which_ecs_does_not_answer_leaves_time_for_the_others() {
    let node = node().with("timeoutSeconds", 24);
    node.cloud.inject(Fault::on("DescribeNetworkInterfaces").times(1).effect(Effect::Stall));
    let address = node.add("c1").address();
    assert_eq!(on(&node, SECOND), BTreeSet::from([address]), "{}", node.scene());
}

#[test]
fn of_pods_that_start_together_one_asks_which_enis_there_are() {
    let node = node();
    let calls: Vec<_> = (0..12).map(|at| node.call("ADD", &format!("c{at}")).start()).collect();
    for call in calls {
        let _ = call.wait().address();
    }
    assert_eq!(node.cloud.count("DescribeNetworkInterfaces"), ALL.len(), "{}", node.log());
}

#[test]
fn an_instance_without_a_secondary_eni_says_so() {
    let mut world = World::single_node();
    world.enis.remove(Node::ENI);
    let node = with_interfaces(world, json!("secondary"));
    assert!(node.add("c1").error(113).contains("has no secondary ENI"));
    let doctor = node.operator(&["doctor"]);
    assert!(doctor.stdout().contains("has no secondary ENI"), "{doctor:?}");
}

#[test]
fn an_eni_that_was_attached_is_noticed_after_two_minutes_and_not_asked_for_before() {
    let node = node();
    let _ = node.add("c1").address();
    // The first by its MAC address.
    let early = "eni-early";
    node.cloud.with_world(|world| world.enis.insert(early.into(), secondary(early, 0)));
    let asked = questions(&node);
    let _ = node.add("c2").address();
    assert_eq!((questions(&node), on(&node, Node::ENI).len()), (asked, 2), "{}", node.scene());
    let_time_pass(&node);
    let address = node.add("c3").address();
    assert_eq!(on(&node, early), BTreeSet::from([address]), "{}", node.scene());
}

#[test]
fn an_eni_that_was_detached_is_not_used_any_more() {
    let node = node();
    let first = node.add("c1").address();
    node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = None);
    let_time_pass(&node);
    let second = node.add("c2").address();
    assert_eq!(
        (on(&node, Node::ENI), on(&node, SECOND)),
        ([first].into(), [second].into()),
        "{}",
        node.scene()
    );
}

#[test]
fn metadata_that_has_fallen_silent_costs_no_add_of_this_boot_anything() {
    let node = node();
    let _ = node.add("c1").address();
    node.cloud.inject_metadata("/latest/meta-data/", Effect::Empty { status: 500 }, None);
    let_time_pass(&node);
    let _ = node.add("c2").address();
    let asked = node.cloud.metadata_requests().len();
    let _ = node.add("c3").address();
    assert_eq!(node.cloud.metadata_requests().len(), asked, "{}", node.scene());
}

#[test]
fn a_link_that_is_missing_is_passed_over_and_if_all_are_each_is_named() {
    let world = || {
        let mut world = World::single_node();
        // Every machine has a link with this address.
        world.eni_mut(Node::ENI).mac = "00:00:00:00:00:00".into();
        world
    };
    let node = with_interfaces(world(), json!(["none0", "lo"]));
    status(&node).ok();
    let address = node.add("c1").address();
    assert!(node.on_eni().contains(&address), "{}", node.scene());
    assert!(node.log().contains("none0 is passed over"), "{}", node.log());

    let node = with_interfaces(world(), json!(["none0", "none1"]));
    let text = node.add("c1").error(7);
    assert!(text.contains("\"none0\"") && text.contains("\"none1\""), "{text}");
    assert_eq!(status(&node).error(7), text);
}

#[test]
fn a_status_fails_only_when_every_eni_is_full() {
    let node = node().with("statusFailsWhenFull", true);
    // Of none of them anything is known.
    status(&node).ok();
    for (at, eni) in ALL.into_iter().enumerate() {
        if at > 0 {
            status(&node).ok();
        }
        node.cloud.inject(Fault::on(ASSIGN).eni(eni).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
        // It learns that this one is full, too; of the others, it may have an address.
        let _ = node.add(&format!("c{at}"));
    }
    let _ = node.add("c9").error(112);
    let text = status(&node).error(50);
    for eni in ALL {
        assert!(text.contains(eni), "{text}");
    }
}

#[test]
fn what_pods_have_of_several_enis_is_released_by_any_configuration() {
    let mut node = node();
    let full = Fault::on(ASSIGN).eni(Node::ENI).effect(Effect::code("QuotaExceeded.PrivateIpAddress"));
    let first = node.add("c1").address();
    node.cloud.inject(full);
    let _ = node.add("c2");
    let second = node.add("c3").address();
    assert!(on(&node, Node::ENI).contains(&first) && on(&node, SECOND).contains(&second), "{}", node.scene());
    let listed: BTreeSet<_> =
        node.records().iter().map(|it| it.0["networkInterfaceId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, [Node::ENI, SECOND].map(str::to_owned).into());
    node.ipam.remove("interfaces");
    node.del("c1").ok();
    let gc = node.call("GC", "").config(|config| config["cni.dev/valid-attachments"] = json!([]));
    gc.config(|config| config["ipam"]["gcGraceSeconds"] = 0.into()).run().ok();
    assert!(ALL.iter().all(|eni| on(&node, eni).is_empty()) && node.records().is_empty(), "{}", node.scene());
}

#[test]
fn a_reconcile_compares_every_eni() {
    let node = node();
    for (at, eni) in ALL.into_iter().enumerate() {
        node.cloud.assign(eni, IpAddr::from([192, 168, 0, 100 + u8::try_from(at).unwrap()]));
    }
    let text = node.operator(&["reconcile"]);
    for (at, eni) in ALL.into_iter().enumerate() {
        assert!(
            text.stdout().contains(eni) && text.stdout().contains(&format!("192.168.0.{}", 100 + at)),
            "{text:?}"
        );
    }
}

#[test]
fn each_eni_has_its_own_vswitch() {
    let mut world = World::single_node();
    let block = "10.9.0.0/20".parse().unwrap();
    let vswitch = harness::simulator::VSwitch::new("vsw-2", block, Ipv4Addr::new(10, 9, 15, 253));
    world.vswitches.insert(vswitch.id.clone(), vswitch);
    world.eni_mut(Node::ENI).service_managed = true;
    let mut second = secondary(SECOND, 3);
    (second.vswitch_id, second.primary_ip) = ("vsw-2".into(), Ipv4Addr::new(10, 9, 0, 12));
    let node = with_interfaces(world.with_eni(second), json!("secondary"));
    let result = node.call("ADD", "c1").config(|config| config["type"] = "ipvlan".into()).run().json();
    assert_eq!(result["ips"][0]["gateway"], "10.9.15.253", "{result}");
    assert!(result["ips"][0]["address"].as_str().unwrap().ends_with("/20"), "{result}");
}
