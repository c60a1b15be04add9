//! Every way in and out of a cluster.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::another_network::PUBLISHED;
use crate::cluster::Cluster;
use crate::inventory;
use crate::place::{Family, PORT, Place};
use crate::pod::Pod;
use crate::probe::{Protocol, Way};
use crate::services::Service;
use crate::vpc::{METADATA, NAT_GATEWAY};

/// The ways of a cluster, as they are collected.
struct Ways<'c> {
    cluster: &'c Cluster,
    family: Family,
    collected: Vec<Way>,
}

/// All ways, in both families.
pub(crate) fn all(cluster: &Cluster) -> Vec<Way> {
    let of_family = |family| {
        let mut ways = Ways { cluster, family, collected: Vec::new() };
        ways.between_pods();
        ways.between_pods_and_nodes();
        ways.elsewhere();
        ways.services();
        ways.node_ports();
        ways.host_ports();
        ways.router();
        ways.internet();
        ways.another_network();
        ways.collected
    };
    Family::BOTH.into_iter().flat_map(of_family).collect()
}

impl<'c> Ways<'c> {
    /// A pod of the first node on each ENI.
    fn here(&self) -> [&'c Pod; 3] {
        let pods = &self.cluster.pods[0];
        [&pods[0], &pods[2], &pods[4]]
    }

    /// A pod of the second node on each ENI.
    fn there(&self) -> [&'c Pod; 3] {
        let pods = &self.cluster.pods[1];
        [&pods[0], &pods[1], &pods[2]]
    }

    fn nodes(&self) -> [&'c Place; 2] {
        self.cluster.nodes.each_ref().map(|node| &node.place)
    }

    fn go(&mut self, group: &'static str, from: &Place, to: SocketAddr, who: &str) -> &mut Way {
        self.collected.push(Way {
            group,
            from: (from.name.clone(), Arc::clone(&from.name_space)),
            source: None,
            to,
            protocol: Protocol::Tcp,
            answered_by: who.to_owned(),
            seen_as: None,
        });
        self.collected.last_mut().unwrap()
    }

    fn direct(&mut self, group: &'static str, from: &Place, to: &Place) -> &mut Way {
        self.go(group, from, to.socket(self.family), &to.name)
    }

    /// A way of a pod that keeps its address, unless its node masquerades what pods send.
    fn with_own_address(&mut self, group: &'static str, from: &Place, to: &Place) {
        let seen_as = (!self.cluster.nodes[0].kind.masquerades).then(|| from.address(self.family));
        self.direct(group, from, to).seen_as = seen_as;
    }

    fn between_pods(&mut self) {
        let pods = &self.cluster.pods[0];
        for [one, other] in [[0, 1], [1, 0], [2, 3], [3, 2]] {
            self.with_own_address("pod to pod of the same ENI", &pods[one].place, &pods[other].place);
        }
        let (here, there) = (self.here(), self.there());
        for one in here {
            for other in here.into_iter().filter(|it| it.eni != one.eni) {
                self.with_own_address("pod to pod of another ENI", &one.place, &other.place);
            }
            for other in there {
                self.with_own_address("pod to pod of another node", &one.place, &other.place);
                self.with_own_address("pod to pod of another node", &other.place, &one.place);
            }
        }
    }

    fn between_pods_and_nodes(&mut self) {
        let [here, there] = self.nodes();
        for pod in self.here() {
            self.direct("pod to its node", &pod.place, here);
            self.direct("node to its pod", here, &pod.place);
            self.direct("pod to another node", &pod.place, there);
            self.direct("node to pod of another node", there, &pod.place);
        }
        for pod in self.there() {
            self.direct("pod to another node", &pod.place, here);
            self.direct("node to pod of another node", here, &pod.place);
        }
        self.direct("node to node", here, there);
        self.direct("node to node", there, here);
    }

    fn elsewhere(&mut self) {
        let elsewhere = &self.cluster.elsewhere;
        for pod in self.here().into_iter().chain(self.there()) {
            self.with_own_address("pod to host elsewhere", &pod.place, elsewhere);
            self.direct("host elsewhere to pod", elsewhere, &pod.place).seen_as =
                Some(elsewhere.address(self.family));
        }
        for node in self.nodes() {
            self.direct("node to host elsewhere", node, elsewhere);
            self.direct("host elsewhere to node", elsewhere, node);
        }
        let [node, _] = &self.cluster.nodes;
        for eni in crate::node::enis().skip(1) {
            let (vswitch, own) = (node.kind.vswitches.of_eni(eni), inventory::own_number(node.number, eni));
            let address = self.pick(inventory::ipv4(vswitch, own), inventory::ipv6(vswitch, own));
            self.go("host elsewhere to secondary ENI", elsewhere, (address, PORT).into(), &node.place.name);
        }
    }

    fn pick(&self, ipv4: impl Into<IpAddr>, ipv6: impl Into<IpAddr>) -> IpAddr {
        match self.family {
            Family::V4 => ipv4.into(),
            Family::V6 => ipv6.into(),
        }
    }

    /// The services of pods on each ENI here and there, and of the nodes.
    fn backends(&self) -> impl Iterator<Item = &'c Service> + use<'c> {
        [0, 2, 4, 5, 6, 7, 8, 9].into_iter().map(|index| &self.cluster.services[index])
    }

    fn services(&mut self) {
        let [node, _] = self.nodes();
        for service in self.backends() {
            let to = SocketAddr::from((service.cluster_ip(self.family), Service::PORT));
            for pod in self.here() {
                self.go("pod to ClusterIP", &pod.place, to, &service.backend);
            }
            self.go("node to ClusterIP", node, to, &service.backend);
        }
    }

    fn node_ports(&mut self) {
        let ([node, other], elsewhere) = (self.nodes(), &self.cluster.elsewhere);
        let [first, second, _] = self.here();
        let [_, there, _] = self.there();
        for service in self.backends() {
            let local = SocketAddr::from((node.address(self.family), service.local_node_port()));
            // Only a pod of this node answers there.
            for from in [elsewhere, other, &there.place].into_iter().filter(|_| service.node == 1) {
                self.go("NodePort, policy Local", from, local, &service.backend);
            }
            for protocol in [Protocol::Tcp, Protocol::Udp].into_iter().filter(|_| service.node == 1) {
                let seen_as = Some(elsewhere.address(self.family));
                let way = self.go("NodePort, policy Local", elsewhere, local, &service.backend);
                (way.protocol, way.seen_as) = (protocol, seen_as);
            }
            let every = SocketAddr::from((node.address(self.family), service.node_port()));
            for from in [elsewhere, other, &there.place, &first.place, &second.place] {
                self.go("NodePort, policy Cluster", from, every, &service.backend);
            }
            self.go("NodePort, policy Cluster", elsewhere, every, &service.backend).protocol = Protocol::Udp;
        }
    }

    fn host_ports(&mut self) {
        let ([node, other], elsewhere) = (self.nodes(), &self.cluster.elsewhere);
        let (here, [_, there, _]) = (self.here(), self.there());
        for pod in here {
            let to = SocketAddr::from((node.address(self.family), pod.host_port));
            let pods = here.into_iter().filter(|it| it.eni != pod.eni).map(|it| &it.place);
            for from in [elsewhere, other, node, &there.place].into_iter().chain(pods) {
                self.go("hostPort", from, to, &pod.place.name);
            }
            self.go("hostPort", elsewhere, to, &pod.place.name).protocol = Protocol::Udp;
        }
    }

    /// The gateways, in both directions, and the metadata service.
    fn router(&mut self) {
        let (router, [node, _]) = (&self.cluster.router, &self.cluster.nodes);
        let clients = self.here().map(|pod| (&pod.place, pod.eni)).into_iter().chain([(&node.place, 0)]);
        for (place, eni) in clients {
            let (ipv4, ipv6) = inventory::gateways(node.kind.vswitches.of_eni(eni));
            let gateway = self.pick(ipv4, ipv6);
            self.go("to the gateway", place, (gateway, PORT).into(), &router.name);
            let way = self.direct("from the gateway", router, place);
            (way.source, way.seen_as) = (Some(gateway), Some(gateway));
            if self.family == Family::V4 {
                self.go("metadata service", place, (METADATA, PORT).into(), &router.name);
            }
        }
    }

    fn internet(&mut self) {
        let Cluster { internet, abroad, nodes, .. } = self.cluster;
        let nat_gateway = (self.family == Family::V4).then_some(NAT_GATEWAY.into());
        for pod in self.here() {
            self.direct("internet by a NAT gateway", &pod.place, internet).seen_as = nat_gateway;
        }
        self.direct("internet by a NAT gateway", &nodes[0].place, internet).seen_as = nat_gateway;
        if nodes[0].kind.masquerades && self.family == Family::V4 {
            for pod in self.here().into_iter().filter(|pod| pod.eni == 0) {
                self.direct("internet by masquerading", &pod.place, abroad);
            }
        }
    }

    /// A container of another network on the node.
    fn another_network(&mut self) {
        let Cluster { container, elsewhere, internet, .. } = self.cluster;
        let [node, other] = self.nodes();
        for pod in self.here() {
            self.direct("pod to another network", &pod.place, container);
        }
        self.direct("node to another network", node, container);
        if self.family == Family::V6 {
            return;
        }
        let [_, second, _] = self.here();
        let published = SocketAddr::from((node.ipv4, PUBLISHED));
        for from in [elsewhere, other, &second.place] {
            self.go("published port", from, published, &container.name);
        }
        for to in [elsewhere, internet, other, &second.place] {
            self.direct("out of another network", container, to);
        }
    }
}
