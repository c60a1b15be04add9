//! The VPC: a namespace that is the router of all vSwitches. Each ENI has a port of its own, so nothing gets from one to another
//! but by the router, and it is the router that answers ARP and neighbour solicitations, as on ECS.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use harness::NameSpace;

use crate::inventory;
use crate::vpc_filter::{self, Dropped, Source};

/// Where the instance metadata service is.
pub(crate) const METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// The address behind which the NAT gateway hides what has private addresses.
pub(crate) const NAT_GATEWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 253);

/// The address behind which it hides nodes.
pub(crate) const PUBLIC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 253);

/// The VPC.
#[derive(Debug)]
pub(crate) struct Vpc {
    pub(crate) name_space: Arc<NameSpace>,
    known: Mutex<BTreeSet<Source>>,
    ports: Mutex<BTreeSet<String>>,
}

impl Vpc {
    pub(crate) fn new() -> Self {
        let name_space = Arc::new(NameSpace::new());
        for (name, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv4/conf/default/send_redirects", "0"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv6/conf/all/forwarding", "1"),
            ("ipv6/conf/default/dad_transmits", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
        ] {
            name_space.set_parameter(&format!("net/{name}"), value);
        }
        name_space.ip(&format!("addr add {METADATA}/32 dev lo"));
        Self { name_space, known: Mutex::default(), ports: Mutex::default() }
    }

    /// Attaches a link of this name and hardware address to a namespace.
    pub(crate) fn attach(&self, to: &NameSpace, port: &str, link: &str, mac: &str, vswitch: u8) {
        let pid = to.pid();
        let (gateway, gateway6) = inventory::gateways(vswitch);
        self.name_space.ip(&format!("link add {port} type veth peer name {link} address {mac} netns {pid}"));
        // The router answers for everybody: also for those behind the port that asks, and at once.
        for (name, value) in [
            (format!("ipv4/conf/{port}/proxy_arp_pvlan"), "1"),
            (format!("ipv4/conf/{port}/proxy_arp"), "1"),
            (format!("ipv4/neigh/{port}/proxy_delay"), "0"),
            (format!("ipv6/conf/{port}/proxy_ndp"), "1"),
            (format!("ipv6/neigh/{port}/proxy_delay"), "0"),
        ] {
            self.name_space.set_parameter(&format!("net/{name}"), value);
        }
        self.name_space.ip(&format!(
            "link set {port} up\naddr add {gateway}/32 dev {port}\naddr add {gateway6}/128 dev {port} nodad"
        ));
        self.ports.lock().unwrap().insert(port.to_owned());
    }

    /// Puts the VPC's rule in front of the ports of the ENIs, and carries nothing yet. After an ENI has been attached again, too.
    pub(crate) fn filter(&self) {
        self.known.lock().unwrap().clear();
        vpc_filter::put(&self.name_space, &self.ports.lock().unwrap());
    }

    /// Carries packets from and to these addresses from here on, and from and to no others.
    pub(crate) fn carry(&self, sources: BTreeSet<Source>) {
        let mut known = self.known.lock().unwrap();
        let [new, old] = [&sources - &*known, &*known - &sources];
        if new.is_empty() && old.is_empty() {
            return;
        }
        let (mut routes, mut solicited) = (String::new(), String::new());
        for (port, _, address) in &old {
            writeln!(routes, "route del {address} dev {port}\nneigh del {address} dev {port}").unwrap();
        }
        for (port, mac, address) in &new {
            writeln!(routes, "route replace {address} dev {port}").unwrap();
            writeln!(routes, "neigh replace {address} lladdr {mac} dev {port} nud permanent").unwrap();
        }
        let every = self.ports.lock().unwrap();
        for (verb, sources) in [("del", &old), ("replace", &new)] {
            for (_, _, address) in sources.iter().filter(|it| it.2.is_ipv6()) {
                for port in every.iter() {
                    writeln!(solicited, "neigh {verb} proxy {address} dev {port}").unwrap();
                }
            }
        }
        self.name_space.ip(&(routes + &solicited));
        vpc_filter::change(&self.name_space, &new, &old);
        *known = sources;
    }

    /// How many frames the VPC's rule has dropped.
    pub(crate) fn dropped(&self, dropped: Dropped) -> u64 {
        vpc_filter::count(&self.name_space, dropped)
    }

    /// Attaches a host that is no ENI, with this address and a default route.
    pub(crate) fn attach_host(&self, to: &NameSpace, vswitch: u8, own: (Ipv4Addr, Ipv6Addr)) {
        let port = format!("host{vswitch}");
        let (gateway, gateway6) = inventory::gateways(vswitch);
        self.name_space.ip(&format!("link add {port} type veth peer name eth0 netns {}", to.pid()));
        self.name_space.ip(&format!(
            "link set {port} up\naddr add {gateway}/24 dev {port}\naddr add {gateway6}/64 dev {port} nodad"
        ));
        quick_ipv6(to);
        to.ip(&format!(
            "link set eth0 up\naddr add {}/24 dev eth0\naddr add {}/64 dev eth0 nodad\n\
             route add default via {gateway}\nroute add default via {gateway6}",
            own.0, own.1
        ));
    }

    /// Attaches a host of the internet. It knows no way to private addresses; `hide` says which of them are hidden behind the
    /// router's address there.
    pub(crate) fn attach_internet(
        &self,
        to: &NameSpace,
        name: &str,
        (host, router): (Ipv4Addr, Ipv4Addr),
        (host6, router6): (Ipv6Addr, Ipv6Addr),
        hide: &[String],
    ) {
        self.name_space.ip(&format!("link add {name} type veth peer name eth0 netns {}", to.pid()));
        self.name_space.ip(&format!(
            "link set {name} up\naddr add {router}/24 dev {name}\naddr add {router6}/64 dev {name} nodad"
        ));
        quick_ipv6(to);
        to.ip(&format!(
            "link set eth0 up\naddr add {host}/24 dev eth0\naddr add {host6}/64 dev eth0 nodad\n\
             route add default via {router6}"
        ));
        self.name_space.nft(&format!(
            "table ip {name} {{\n chain postrouting {{\n type nat hook postrouting priority srcnat;\n \
             oifname {name} ip saddr {{ {} }} masquerade\n }}\n}}\n",
            hide.join(", ")
        ));
    }
}

/// New IPv6 addresses can be used at once.
pub(crate) fn quick_ipv6(name_space: &NameSpace) {
    for scope in ["all", "default"] {
        for (name, value) in [("dad_transmits", "0"), ("accept_dad", "0"), ("accept_ra", "0")] {
            name_space.set_parameter(&format!("net/ipv6/conf/{scope}/{name}"), value);
        }
    }
}
