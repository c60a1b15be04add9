//! Another network on a node, as Docker makes one: a bridge, a container and a published port. It has nothing to do with ENIs.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use harness::NameSpace;

use crate::node::Machine;
use crate::place::{PORT, Place};

/// The port of the node that is passed on to the container.
pub(crate) const PUBLISHED: u16 = 8088;

const CONTAINER: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 2);
const CONTAINER6: Ipv6Addr = Ipv6Addr::new(0xfd18, 0, 0, 0, 0, 0, 0, 2);

/// Makes it; the container.
pub(crate) fn make(node: &Machine) -> Place {
    let container = Arc::new(NameSpace::new());
    crate::vpc::quick_ipv6(&container);
    node.name_space().ip(&format!(
        "link add docker0 type bridge\naddr add 172.18.0.1/16 dev docker0\naddr add fd18::1/64 dev docker0 nodad\n\
         link set docker0 up\nlink add port0 type veth peer name eth0 netns {}\n\
         link set port0 master docker0 up",
        container.pid()
    ));
    container.ip(&format!(
        "addr add {CONTAINER}/16 dev eth0\naddr add {CONTAINER6}/64 dev eth0 nodad\nlink set eth0 up\n\
         route add default via 172.18.0.1\nroute add default via fd18::1"
    ));
    node.name_space().nft(&format!(
        "table ip docker {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    fib daddr type local tcp dport {PUBLISHED} dnat to {CONTAINER}:{PORT}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr 172.18.0.0/16 oifname != docker0 masquerade
  }}
}}
"
    ));
    Place::new("container", container, CONTAINER, CONTAINER6)
}
