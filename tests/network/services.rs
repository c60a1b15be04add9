//! Services, translated on each node as kube-proxy does it with nftables, in both families.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cluster::Cluster;
use crate::node::Machine;
use crate::place::{Family, PORT, Place};

/// A service with one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    number: u8,
    /// The name of who answers.
    pub(crate) backend: String,
    endpoint: (Ipv4Addr, Ipv6Addr),
    /// The number of the node that the endpoint is on.
    pub(crate) node: u8,
}

impl Service {
    /// The port of the service's own address.
    pub(crate) const PORT: u16 = 80;

    pub(crate) fn new(number: u8, backend: &Place, node: u8) -> Self {
        Self { number, backend: backend.name.clone(), endpoint: (backend.ipv4, backend.ipv6), node }
    }

    /// Its own address.
    pub(crate) fn cluster_ip(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(10, 96, 0, self.number).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, self.number.into()).into(),
        }
    }

    /// The port of every node with `externalTrafficPolicy: Cluster`.
    pub(crate) fn node_port(&self) -> u16 {
        30_000 + u16::from(self.number)
    }

    /// The port of the endpoint's node with `externalTrafficPolicy: Local`.
    pub(crate) fn local_node_port(&self) -> u16 {
        31_000 + u16::from(self.number)
    }

    fn endpoint(&self, family: Family) -> String {
        match family {
            Family::V4 => format!("{}:{PORT}", self.endpoint.0),
            Family::V6 => format!("[{}]:{PORT}", self.endpoint.1),
        }
    }

    fn endpoint_address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.endpoint.0.into(),
            Family::V6 => self.endpoint.1.into(),
        }
    }
}

/// Translates all services of the cluster on its nodes.
pub(crate) fn translate(cluster: &Cluster) {
    for node in &cluster.nodes {
        let tables = Family::BOTH.map(|family| table(node, family, &cluster.services));
        node.name_space().nft(&tables.concat());
    }
}

/// A table like kube-proxy's: what has to be masqueraded gets the mark 0x4000, which is taken away again where that is done.
fn table(node: &Machine, family: Family, services: &[Service]) -> String {
    let ip = if family == Family::V4 { "ip" } else { "ip6" };
    let (mut dispatch, mut chains) = (String::new(), String::new());
    for service in services {
        let (number, cluster_ip) = (service.number, service.cluster_ip(family));
        let (endpoint, address) = (service.endpoint(family), service.endpoint_address(family));
        let [port, local_port] = [service.node_port(), service.local_node_port()];
        for protocol in ["tcp", "udp"] {
            let own = format!("{ip} daddr {cluster_ip} {protocol} dport {}", Service::PORT);
            write!(
                dispatch,
                "{own} jump not-a-pod\n{own} goto service{number}\n\
                 fib daddr type local {protocol} dport {port} goto external{number}\n\
                 fib daddr type local {protocol} dport {local_port} goto local{number}\n"
            )
            .unwrap();
        }
        let here = if service.node == node.number { format!("goto service{number}") } else { "drop".into() };
        write!(
            chains,
            "chain service{number} {{\n{ip} saddr {address} jump masquerade-later\n\
             meta l4proto tcp dnat to {endpoint}\nmeta l4proto udp dnat to {endpoint}\n}}\n\
             chain external{number} {{\njump masquerade-later\ngoto service{number}\n}}\n\
             chain local{number} {{\niifname \"veth*\" goto service{number}\n\
             fib saddr type local jump masquerade-later\nfib saddr type local goto service{number}\n{here}\n}}\n"
        )
        .unwrap();
    }
    format!(
        "table {ip} kube-proxy {{\n\
         chain masquerade-later {{\nmeta mark set meta mark | 0x4000\n}}\n\
         chain not-a-pod {{\niifname \"veth*\" return\ngoto masquerade-later\n}}\n\
         {chains}chain services {{\n{dispatch}}}\n\
         chain prerouting {{\ntype nat hook prerouting priority dstnat;\njump services\n}}\n\
         chain output {{\ntype nat hook output priority -100;\njump services\n}}\n\
         chain postrouting {{\ntype nat hook postrouting priority srcnat;\n\
         meta mark & 0x4000 == 0 return\nmeta mark set meta mark ^ 0x4000\nmasquerade fully-random\n}}\n}}\n"
    )
}
