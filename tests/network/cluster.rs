//! Everything together: the VPC, two nodes with pods and services, hosts elsewhere.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::thread;

use harness::NameSpace;

use crate::another_network;
use crate::inventory;
use crate::node::{Kind, Machine};
use crate::place::Place;
use crate::pod::Pod;
use crate::services::{self, Service};
use crate::setup::Setup;
use crate::vpc::{METADATA, NAT_GATEWAY, PUBLIC, Vpc};

/// The pods of each node: which ENI has their addresses.
const PODS: [&[usize]; 2] = [&[0, 0, 1, 1, 2], &[0, 1, 2]];

/// The cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) vpc: Vpc,
    pub(crate) nodes: [Machine; 2],
    /// The pods of each node.
    pub(crate) pods: [Vec<Pod>; 2],
    pub(crate) services: Vec<Service>,
    /// A host of the VPC in another vSwitch.
    pub(crate) elsewhere: Place,
    /// A host of the internet, to which a NAT gateway leads.
    pub(crate) internet: Place,
    /// Another one, to which only the nodes' own addresses lead, because they have public ones.
    pub(crate) abroad: Place,
    /// The router, with the metadata service.
    pub(crate) router: Place,
    /// A container of another network on the first node.
    pub(crate) container: Place,
}

impl Cluster {
    pub(crate) fn new(kind: Kind, setup: Setup) -> Self {
        let vpc = Vpc::new();
        let nodes = [1, 2].map(|number| Machine::new(&vpc, number, kind));
        vpc.filter();
        let elsewhere = {
            let (name_space, own) =
                (Arc::new(NameSpace::new()), (inventory::ipv4(9, 10), inventory::ipv6(9, 10)));
            vpc.attach_host(&name_space, 9, own);
            Place::new("elsewhere", name_space, own.0, own.1)
        };
        let primary = nodes.each_ref().map(|node| node.place.ipv4.to_string());
        let internet = internet(&vpc, "internet", NAT_GATEWAY, &["192.168.0.0/16".to_owned()]);
        let abroad = internet_host(&vpc, &primary);
        let unspecified = Ipv6Addr::UNSPECIFIED;
        let router = Place::new("router", Arc::clone(&vpc.name_space), METADATA, unspecified);
        let container = another_network::make(&nodes[0]);
        let mut cluster = Self {
            vpc,
            nodes,
            pods: [Vec::new(), Vec::new()],
            services: Vec::new(),
            elsewhere,
            internet,
            abroad,
            router,
            container,
        };
        cluster.carry();
        cluster.start_pods();
        cluster.carry();
        for (node, pods) in cluster.nodes.iter().zip(&cluster.pods) {
            setup.complete(node, pods);
        }
        cluster.make_services();
        cluster
    }

    /// Lets the VPC carry what the cloud says by now.
    pub(crate) fn carry(&self) {
        self.vpc.carry(self.nodes.iter().flat_map(Machine::sources).collect());
    }

    /// On both nodes at the same time.
    fn start_pods(&mut self) {
        let nodes = &self.nodes;
        self.pods = thread::scope(|scope| {
            let starting = [0, 1].map(|index| scope.spawn(move || pods(&nodes[index], PODS[index])));
            starting.map(|pods| pods.join().unwrap())
        });
    }

    /// One for each pod and node.
    fn make_services(&mut self) {
        let pods = self.pods.iter().flatten().map(|pod| (&pod.place, pod.node));
        let nodes = self.nodes.iter().map(|node| (&node.place, node.number));
        let backends = pods.chain(nodes).zip(1..);
        self.services = backends.map(|((place, node), number)| Service::new(number, place, node)).collect();
        services::translate(self);
    }
}

/// Starts the pods of a node: the first one alone, because `portmap` fails where two of it make their common chains, the others
/// together.
fn pods(node: &Machine, enis: &[usize]) -> Vec<Pod> {
    let add = |(number, &eni): (usize, &usize)| {
        let name = format!("pod{}{}", node.number, char::from(b'a' + u8::try_from(number).unwrap()));
        Pod::add(node, eni, &name, 8100 + u16::try_from(number).unwrap()).unwrap()
    };
    let mut each = enis.iter().enumerate();
    let first = each.next().map(add);
    let others = thread::scope(|scope| {
        let adds: Vec<_> = each.map(|pod| scope.spawn(move || add(pod))).collect();
        adds.into_iter().map(|add| add.join().unwrap()).collect::<Vec<_>>()
    });
    first.into_iter().chain(others).collect()
}

fn internet(vpc: &Vpc, name: &str, router: Ipv4Addr, hide: &[String]) -> Place {
    let [a, b, c, _] = router.octets();
    let (host, net) = (Ipv4Addr::new(a, b, c, 10), u16::from(a));
    let [host6, router6] = [10, 1].map(|it| Ipv6Addr::new(0x2001, 0xdb8, 0xffff, net, 0, 0, 0, it));
    let name_space = Arc::new(NameSpace::new());
    vpc.attach_internet(&name_space, name, (host, router), (host6, router6), hide);
    Place::new(name, name_space, host, host6)
}

fn internet_host(vpc: &Vpc, primary: &[String]) -> Place {
    internet(vpc, "abroad", PUBLIC, primary)
}
