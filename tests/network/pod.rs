//! A pod: a namespace that the runtime has attached to a node's network.

use std::net::IpAddr;
use std::sync::Arc;

use harness::NameSpace;
use serde_json::{Value, json};

use crate::node::Machine;
use crate::place::{PORT, Place};
use crate::runtime::Attachment;
use crate::vpc::quick_ipv6;

/// A pod.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) place: Place,
    /// Which of its node's ENIs has its addresses.
    pub(crate) eni: usize,
    /// The port of the node that is passed on to it.
    pub(crate) host_port: u16,
    /// The number of its node.
    pub(crate) node: u8,
    attachment: Attachment,
    result: Value,
}

impl Pod {
    /// ADD.
    pub(crate) fn add(node: &Machine, eni: usize, name: &str, host_port: u16) -> Result<Self, String> {
        let name_space = Arc::new(NameSpace::new());
        quick_ipv6(&name_space);
        let mapping = |protocol| json!({"hostPort": host_port, "containerPort": PORT, "protocol": protocol});
        let attachment = Attachment {
            conflist: node.conflist(eni),
            container: name.to_owned(),
            netns: name_space.path(),
            ports: json!([mapping("tcp"), mapping("udp")]),
        };
        let result = attachment.add(node.name_space())?;
        let addresses = addresses(&result);
        let [IpAddr::V4(ipv4), IpAddr::V6(ipv6)] = addresses[..] else { panic!("{name} has {addresses:?}") };
        let place = Place::new(name, name_space, ipv4, ipv6);
        Ok(Self { place, eni, host_port, node: node.number, attachment, result })
    }

    /// CHECK.
    pub(crate) fn check(&self, node: &Machine) -> Result<(), String> {
        self.attachment.check(node.name_space(), &self.result)
    }

    /// DEL.
    pub(crate) fn del(&self, node: &Machine) -> Result<(), String> {
        self.attachment.del(node.name_space(), Some(&self.result))
    }
}

fn addresses(result: &Value) -> Vec<IpAddr> {
    let ips = result["ips"].as_array().into_iter().flatten();
    ips.map(|ip| ip["address"].as_str().unwrap().split('/').next().unwrap().parse().unwrap()).collect()
}
