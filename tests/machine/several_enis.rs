//! A network with several ENIs that are named by their links. Each test has a network namespace with these links, in which the
//! cloud listens too.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use harness::simulator::Eni;
use harness::{Answer, NameSpace, Need, Node, Within, World, at_once};
use serde_json::json;

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces]:
        enis_are_filled_in_the_order_of_their_names,
        an_eni_whose_link_has_gone_is_passed_over_without_a_request,
        a_network_that_names_an_eni_by_its_link_shares_it_with_one_that_names_it_by_its_id;
}

const ASSIGN: &str = "AssignPrivateIpAddresses";

/// The secondary ENIs, each with its link and its hardware address.
const ENIS: [(&str, &str, &str); 3] = [
    (Node::ENI, "eth1", "00:16:3e:00:00:02"),
    ("eni-bp1secondary000000002", "eth2", "00:16:3e:00:00:03"),
    ("eni-bp1secondary000000003", "eth3", "00:16:3e:00:00:04"),
];

/// A node whose secondary ENIs are links of a network namespace.
struct Machine {
    node: Within<Node>,
    name_space: Arc<NameSpace>,
}

impl Machine {
    /// A network of these links, each of whose ENIs has this many places.
    fn new(links: &[&str], places: usize) -> Self {
        let name_space = Arc::new(NameSpace::new());
        // The primary address counts.
        let mut world = World::single_node().with_quota(places + 1, 10);
        for (number, (id, link, mac)) in (1_u8..).zip(ENIS) {
            world = world.with_eni(Eni::new(id, mac, Ipv4Addr::new(192, 168, 0, 10 + number)));
            let line = format!("link add {link} address {mac} type veth peer name vpc-{link}");
            name_space.ip(&line);
        }
        let mut node = name_space.within(|| Node::in_world(harness::plugin!(), world));
        node.set("interfaces", json!(links));
        node.set("timeoutSeconds", 60);
        node.ipam.remove("networkInterfaceId");
        Self { node, name_space }
    }

    fn call(&self, verb: &str, pod: &str) -> harness::Calling<'_> {
        self.node.call(verb, pod).under("nsenter", &self.name_space.enter())
    }

    fn add(&self, pod: &str) -> Answer {
        self.call("ADD", pod).run()
    }

    /// The link of the ENI that has an address.
    fn link_of(&self, address: IpAddr) -> Option<&'static str> {
        let has = |id: &str| self.node.cloud.addresses(id).contains(&address);
        ENIS.iter().find(|(id, ..)| has(id)).map(|(_, link, _)| *link)
    }

    /// Which ENIs were asked for addresses, by their links.
    fn asked(&self) -> Vec<&'static str> {
        let ledger = self.node.cloud.ledger().into_iter().filter(|entry| entry.action == ASSIGN);
        let link = |eni: String| ENIS.iter().find(|(id, ..)| *id == eni).map(|(_, link, _)| *link);
        ledger.filter_map(|entry| link(entry.eni?)).collect()
    }

    /// Expects that the ENIs have what is in use, and nothing else.
    #[track_caller]
    fn expect_all_in_use(&self) {
        let there: BTreeSet<IpAddr> =
            ENIS.iter().flat_map(|(id, ..)| self.node.cloud.addresses(id)).collect();
        assert_eq!(self.node.recorded(), there, "{}", self.node.scene());
        assert_eq!(self.node.counts(), [0, there.len(), 0, 0], "{}", self.node.scene());
        assert_eq!(self.node.cloud.overlaps(), 0, "{}", self.node.scene());
    }
}

fn enis_are_filled_in_the_order_of_their_names() {
    let machine = Machine::new(&["eth3", "eth1", "eth2"], 2);
    let pods = ["a", "b", "c", "d", "e", "f"];
    let order: Vec<_> = pods.iter().map(|pod| machine.link_of(machine.add(pod).address()).unwrap()).collect();
    assert_eq!(order, ["eth3", "eth3", "eth1", "eth1", "eth2", "eth2"]);
    let text = machine.add("g").error(112);
    assert!(ENIS.iter().all(|(id, ..)| text.contains(id)), "{text}");
    machine.expect_all_in_use();
}

fn an_eni_whose_link_has_gone_is_passed_over_without_a_request() {
    let machine = Machine::new(&["eth1", "eth2"], 5);
    assert_eq!(machine.link_of(machine.add("a").address()), Some("eth1"));
    machine.node.cloud.with_world(|world| world.eni_mut(Node::ENI).instance_id = Some("i-another".into()));
    machine.name_space.ip("link del eth1");
    machine.node.cloud.clear_ledger();
    for pod in ["b", "c"] {
        assert_eq!(machine.link_of(machine.add(pod).address()), Some("eth2"), "{}", machine.node.scene());
    }
    assert_eq!(machine.asked(), ["eth2", "eth2"], "{}", machine.node.scene());
    // It comes back.
    machine
        .node
        .cloud
        .with_world(|world| world.eni_mut(Node::ENI).instance_id = Some(World::INSTANCE_ID.into()));
    machine.name_space.ip("link add eth1 address 00:16:3e:00:00:02 type veth peer name vpc-eth1");
    assert_eq!(machine.link_of(machine.add("d").address()), Some("eth1"), "{}", machine.node.scene());
    machine.expect_all_in_use();
}

fn a_network_that_names_an_eni_by_its_link_shares_it_with_one_that_names_it_by_its_id() {
    let machine = Machine::new(&["eth1", "eth2"], 50);
    let by_id = |config: &mut serde_json::Value| {
        config["name"] = "other".into();
        config["ipam"].as_object_mut().unwrap().remove("interfaces");
        config["ipam"]["networkInterfaceId"] = Node::ENI.into();
    };
    let pods: Vec<_> = (0..20).map(|number| format!("c{number}")).collect();
    let call = |(number, pod): (usize, &'_ String)| {
        let call = machine.node.call("ADD", pod);
        let call = if number % 2 == 0 { call } else { call.config(by_id) };
        call.under("nsenter", &machine.name_space.enter())
    };
    let answers = at_once(pods.iter().enumerate().map(call));
    let addresses: BTreeSet<_> = answers.iter().map(|timed| timed.answer.address()).collect();
    assert_eq!(addresses.len(), pods.len(), "{}", machine.node.scene());
    for timed in answers.iter().skip(1).step_by(2) {
        assert_eq!(machine.link_of(timed.answer.address()), Some("eth1"), "{}", machine.node.scene());
    }
    // What one network had too much may still be on its way back while the other works on the ENI.
    let flush = machine.node.command(&["flush"]).under("nsenter", &machine.name_space.enter()).run();
    assert_eq!(flush.status(), 0, "{flush:?}");
    machine.expect_all_in_use();
}
