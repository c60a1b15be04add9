//! A node: an instance with its ENIs, its cloud on its loopback interface, and its networks.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use harness::simulator::Eni;
use harness::{NameSpace, Node, Within};
use serde_json::{Value, json};

use crate::inventory::{self, ENIS, VSwitches};
use crate::place::Place;
use crate::runtime;
use crate::vpc::{Vpc, quick_ipv6};
use crate::vpc_filter::Source;

/// How the image configures secondary ENIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Links {
    /// Not at all.
    Bare,
    /// By DHCP: their primary address with a route to the vSwitch, and a second default route.
    Dhcp,
}

/// What pods take for their gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// The ENI itself.
    Own,
    /// The vSwitch's, which is a mistake below `ptp`.
    VSwitch,
}

/// What a node is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) vswitches: VSwitches,
    pub(crate) links: Links,
    pub(crate) gateway: Gateway,
    /// `ipMasq` of `ptp`.
    pub(crate) masquerades: bool,
    /// Whether this plugin is the last in the list of plugins, too.
    pub(crate) is_chained: bool,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) number: u8,
    pub(crate) kind: Kind,
    pub(crate) cloud: Within<Node>,
    /// What runs in the node's own network.
    pub(crate) place: Place,
}

impl Machine {
    pub(crate) fn new(vpc: &Vpc, number: u8, kind: Kind) -> Self {
        let name_space = Arc::new(NameSpace::new());
        let world = inventory::world(number, kind.vswitches);
        let cloud = name_space.within(|| Node::in_world(runtime::own(), world));
        quick_ipv6(&name_space);
        for (name, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            // As Kubernetes' network providers ask for it.
            ("ipv4/conf/all/arp_ignore", "1"),
            ("ipv4/conf/all/arp_announce", "2"),
            ("ipv4/conf/default/rp_filter", "0"),
        ] {
            name_space.set_parameter(&format!("net/{name}"), value);
        }
        for index in enis() {
            attach(vpc, &name_space, number, index, kind);
        }
        let own = inventory::own_number(number, 0);
        let place = Place::new(
            &format!("node{number}"),
            Arc::clone(&name_space),
            inventory::ipv4(kind.vswitches.of_eni(0), own),
            inventory::ipv6(kind.vswitches.of_eni(0), own),
        );
        let machine = Self { number, kind, cloud, place };
        machine.filter_reverse_path(0);
        machine
    }

    /// Attaches an ENI again, after its link has gone.
    pub(crate) fn attach(&self, vpc: &Vpc, index: usize) {
        attach(vpc, self.name_space(), self.number, index, self.kind);
        vpc.filter();
    }

    /// The image configures an ENI's link again, after it was down.
    pub(crate) fn configure(&self, index: usize) {
        configure(self.name_space(), self.number, index, self.kind);
    }

    pub(crate) fn name_space(&self) -> &Arc<NameSpace> {
        &self.place.name_space
    }

    /// `rp_filter`, of every link and of those to come.
    pub(crate) fn filter_reverse_path(&self, value: u8) {
        self.name_space().set_parameter("net/ipv4/conf/all/rp_filter", &value.to_string());
    }

    /// Which packets the VPC carries from this node, according to the cloud.
    pub(crate) fn sources(&self) -> BTreeSet<Source> {
        self.cloud.cloud.with_world(|world| {
            let own = world.enis.values().filter(|eni| eni.instance_id.as_ref() == Some(&world.instance.id));
            let each = own.flat_map(|eni| {
                let index = usize::from(eni.mac.as_bytes().last().unwrap() - b'0');
                let addresses = eni
                    .addresses
                    .iter()
                    .copied()
                    .chain([eni.primary_ip.into()])
                    .chain(eni.primary_ipv6.map(IpAddr::from));
                addresses.map(move |address| (port(self.number, index), eni.mac.clone(), address))
            });
            each.collect()
        })
    }

    /// The id of an ENI.
    pub(crate) fn eni(&self, index: usize) -> String {
        let last = format!("0{index}");
        self.cloud.cloud.with_world(|world| {
            let own = |eni: &&Eni| eni.instance_id.is_some() && eni.mac.ends_with(&last);
            world.enis.values().find(own).unwrap().id.clone()
        })
    }

    /// The network with the addresses of one ENI, as it lies on the node's disk.
    pub(crate) fn conflist(&self, eni: usize) -> Value {
        let mut ipam = self.cloud.ipam.clone();
        ipam.remove("networkInterfaceId");
        if self.kind.gateway == Gateway::VSwitch {
            let (gateway, _) = inventory::gateways(self.kind.vswitches.of_eni(eni));
            ipam.insert("gateway".into(), json!(gateway));
        }
        for (key, value) in [
            ("interface", json!(link(eni))),
            ("ipv6", json!(true)),
            ("routes", json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])),
            ("timeoutSeconds", json!(25)),
        ] {
            ipam.insert(key.into(), value);
        }
        let mut plugins = vec![
            json!({"type": "ptp", "ipMasq": self.kind.masquerades, "ipam": ipam}),
            json!({"type": "portmap", "capabilities": {"portMappings": true}}),
        ];
        if self.kind.is_chained {
            let mut chained = json!({"type": "aliyun-eni-ipam"});
            for key in ["dataDir", "metadataEndpoint", "logFile", "logLevel"] {
                chained[key] = ipam[key].clone();
            }
            plugins.push(chained);
        }
        json!({"cniVersion": "1.0.0", "name": format!("pods{eni}"), "plugins": plugins})
    }
}

/// The name of an ENI's link on its node.
pub(crate) fn link(index: usize) -> String {
    format!("eth{index}")
}

/// The name of an ENI's port in the VPC.
pub(crate) fn port(node: u8, index: usize) -> String {
    format!("node{node}eni{index}")
}

/// Attaches an ENI's link, which the image then configures.
fn attach(vpc: &Vpc, node: &NameSpace, number: u8, index: usize, kind: Kind) {
    let mac = inventory::mac(number, index);
    vpc.attach(node, &port(number, index), &link(index), &mac, kind.vswitches.of_eni(index));
    configure(node, number, index, kind);
}

/// What the image does to a link.
fn configure(node: &NameSpace, number: u8, index: usize, Kind { vswitches, links, .. }: Kind) {
    let (vswitch, own) = (vswitches.of_eni(index), inventory::own_number(number, index));
    let (gateway, gateway6) = inventory::gateways(vswitch);
    let (ipv4, ipv6) = (inventory::ipv4(vswitch, own), inventory::ipv6(vswitch, own));
    let name = link(index);
    if index > 0 && links == Links::Bare {
        return;
    }
    let metric = 100 + 1000 * index;
    node.ip(&format!(
        "link set {name} up\naddr replace {ipv4}/24 dev {name}\naddr replace {ipv6}/64 dev {name} nodad\n\
         route replace default via {gateway} dev {name} metric {metric}\n\
         route replace default via {gateway6} dev {name} metric {metric}"
    ));
}

/// The indices of a node's ENIs.
pub(crate) fn enis() -> std::ops::Range<usize> {
    0..ENIS
}
