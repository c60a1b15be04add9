//! A network of several ENIs (`interfaces`) on a node with their links.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use harness::simulator::Eni;
use harness::{Answer, Effect, Fault, NameSpace, Need, Node, Within, World};
use serde_json::{Value, json};

use crate::node;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        the_links_are_filled_in_the_order_of_the_list,
        all_secondary_enis_are_filled_in_the_order_of_their_links_numbers,
        an_eni_that_is_detached_and_attached_again_is_passed_over_meanwhile,
        a_secondary_eni_whose_link_a_pod_has_is_passed_over;
    needs [Need::Root]:
        an_eni_that_another_store_has_claimed_is_passed_over;
}

const ASSIGN: &str = "AssignPrivateIpAddresses";
const SECOND: &str = "eni-bp1secondary000000002";
const THIRD: &str = "eni-bp1secondary000000003";

fn secondary(id: &str, last: u8) -> Eni {
    Eni::new(id, &format!("00:16:3e:00:00:{last:02x}"), Ipv4Addr::new(192, 168, 0, 10 + last))
}

/// A node whose ENIs are links of a network namespace; its cloud listens there too.
struct Machine {
    node: Within<Node>,
    name_space: Arc<NameSpace>,
}

impl Machine {
    /// With `eth0` of the primary ENI, and `eth1`, `eth10` and `eth2` of the others.
    fn new(interfaces: Value) -> Self {
        let name_space = Arc::new(NameSpace::new());
        let world = World::single_node().with_eni(secondary(SECOND, 3)).with_eni(secondary(THIRD, 4));
        let plugin = harness::plugin!();
        let mut node = name_space.within(|| Node::in_world(plugin, world));
        node.ipam.remove("networkInterfaceId");
        node.set("interfaces", interfaces);
        // On a slow machine, too, there is time for each ENI.
        node.set("timeoutSeconds", 60);
        let machine = Self { node, name_space };
        for (link, last) in [("eth0", 1), ("eth1", 2), ("eth10", 3), ("eth2", 4)] {
            machine.attach(link, last);
        }
        machine
    }

    /// Makes a link that looks like that of an ENI.
    fn attach(&self, link: &str, last: u8) {
        let make = format!("tuntap add {link} mode tap\nlink set {link} address 00:16:3e:00:00:{last:02x}");
        self.name_space.ip(&make);
    }

    fn add(&self, pod: &str) -> Answer {
        self.node.call("ADD", pod).under("nsenter", &self.name_space.enter()).run()
    }

    #[track_caller]
    fn expect_next_on(&self, eni: &str, pod: &str) {
        let address = self.add(pod).address();
        assert!(on(&self.node, eni).contains(&address), "{}", self.node.scene());
    }

    /// Has ECS say that the ENI is full.
    fn fill(&self, eni: &str) {
        let full = Effect::code("QuotaExceeded.PrivateIpAddress");
        self.node.cloud.inject(Fault::on(ASSIGN).eni(eni).effect(full));
        // It may be the one that learns that.
        let _ = self.add(&format!("filling-{eni}"));
    }

    fn set_attached(&self, eni: &str, is_attached: bool) {
        let instance = is_attached.then(|| World::INSTANCE_ID.to_owned());
        self.node.cloud.with_world(|world| world.eni_mut(eni).instance_id = instance);
    }

    /// What was asked of the secondary ENIs is asked again.
    fn let_two_minutes_pass(&self) {
        let path = self.node.store().join("cache/several.json");
        let Ok(text) = fs::read(&path) else { return };
        let mut known: Value = serde_json::from_slice(&text).unwrap();
        known["asked"] = "2026-01-01T00:00:00.000Z".into();
        fs::write(&path, known.to_string()).unwrap();
    }
}

fn on(node: &Node, eni: &str) -> BTreeSet<IpAddr> {
    node.cloud.with_world(|world| world.eni_mut(eni).addresses.clone())
}

fn the_links_are_filled_in_the_order_of_the_list() {
    let machine = Machine::new(json!(["eth2", "eth1", "eth10"]));
    machine.expect_next_on(THIRD, "c1");
    machine.fill(THIRD);
    machine.expect_next_on(Node::ENI, "c2");
    machine.fill(Node::ENI);
    machine.expect_next_on(SECOND, "c3");
    assert!(on(&machine.node, World::PRIMARY_ENI).is_empty(), "{}", machine.node.scene());
}

fn all_secondary_enis_are_filled_in_the_order_of_their_links_numbers() {
    let machine = Machine::new(json!("secondary"));
    machine.expect_next_on(Node::ENI, "c1");
    machine.fill(Node::ENI);
    machine.expect_next_on(THIRD, "c2");
    machine.fill(THIRD);
    machine.expect_next_on(SECOND, "c3");
}

fn an_eni_that_is_detached_and_attached_again_is_passed_over_meanwhile() {
    for interfaces in [json!(["eth1", "eth2"]), json!("secondary")] {
        let machine = Machine::new(interfaces);
        machine.expect_next_on(Node::ENI, "c1");
        machine.name_space.ip("link del eth1");
        machine.set_attached(Node::ENI, false);
        machine.expect_next_on(THIRD, "c2");
        let asked = machine.node.cloud.metadata_requests().len();
        machine.expect_next_on(THIRD, "c3");
        assert_eq!(machine.node.cloud.metadata_requests().len(), asked, "{}", machine.node.scene());
        machine.attach("eth1", 2);
        machine.set_attached(Node::ENI, true);
        machine.let_two_minutes_pass();
        machine.expect_next_on(Node::ENI, "c4");
    }
}

fn a_secondary_eni_whose_link_a_pod_has_is_passed_over() {
    let machine = Machine::new(json!("secondary"));
    machine.expect_next_on(Node::ENI, "c1");
    let pod = NameSpace::new();
    machine.name_space.ip(&format!("link set eth1 netns {}", pod.pid()));
    machine.expect_next_on(THIRD, "c2");
    let log = machine.node.log();
    assert!(log.contains("passed over: no network interface of this node has its MAC address"), "{log}");
    // It is asked for once.
    let asked = machine.node.cloud.metadata_requests().len();
    machine.expect_next_on(THIRD, "c3");
    assert_eq!(machine.node.cloud.metadata_requests().len(), asked, "{}", machine.node.scene());
}

fn an_eni_that_another_store_has_claimed_is_passed_over() {
    let mut node = node();
    node.cloud.with_world(|world| world.enis.insert(SECOND.into(), secondary(SECOND, 3)));
    let _ = node.add("c1").address();
    node.ipam.remove("networkInterfaceId");
    node.set("interfaces", "secondary");
    let other = node.directory().join("second").display().to_string();
    node.set("dataDir", other);
    let address = node.add("c2").address();
    assert_eq!(on(&node, SECOND), BTreeSet::from([address]), "{}", node.scene());
    assert!(node.log().contains("is passed over"), "{}", node.log());
}
