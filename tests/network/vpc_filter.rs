//! The VPC's own rule: a frame from an ENI is carried only if its hardware address and its source address are the ENI's.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use harness::NameSpace;

/// What is dropped, by counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Another hardware address.
    Mac,
    /// ARP from an address that is not the ENI's.
    Arp,
    /// IPv4 from an address that is not the ENI's.
    Ipv4,
    /// IPv6 from an address that is not the ENI's.
    Ipv6,
}

impl Dropped {
    fn counter(self) -> &'static str {
        match self {
            Self::Mac => "wrong-mac",
            Self::Arp => "wrong-arp",
            Self::Ipv4 => "wrong-ipv4",
            Self::Ipv6 => "wrong-ipv6",
        }
    }
}

/// A source that an ENI's port lets in: its port, its hardware address and one of its addresses.
pub(crate) type Source = (String, String, IpAddr);

/// Puts the filter in front of these ports, which let nothing in yet.
pub(crate) fn put(vpc: &NameSpace, ports: &BTreeSet<String>) {
    vpc.nft(&format!(
        r#"table netdev vpc
delete table netdev vpc
table netdev vpc {{
  set macs {{ type ifname . ether_addr; }}
  set own4 {{ type ifname . ether_addr . ipv4_addr; }}
  set own6 {{ type ifname . ether_addr . ipv6_addr; }}
  counter wrong-mac {{ }}
  counter wrong-arp {{ }}
  counter wrong-ipv4 {{ }}
  counter wrong-ipv6 {{ }}
  chain ingress {{
    type filter hook ingress devices = {{ {ports} }} priority 0; policy accept;
    iifname . ether saddr != @macs counter name "wrong-mac" drop
    ether type arp iifname . arp saddr ether . arp saddr ip != @own4 counter name "wrong-arp" drop
    ether type ip iifname . ether saddr . ip saddr != @own4 counter name "wrong-ipv4" drop
    # What neighbours of one link tell each other has addresses of the link.
    ip6 saddr {{ ::, fe80::/10 }} icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    ip6 saddr {{ ::, fe80::/10 }} icmpv6 type {{ nd-router-solicit, mld2-listener-report }} drop
    ether type ip6 iifname . ether saddr . ip6 saddr != @own6 counter name "wrong-ipv6" drop
  }}
}}
"#,
        ports = ports.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    ));
}

/// Lets these sources in from here on, and those no more.
pub(crate) fn change(vpc: &NameSpace, add: &BTreeSet<Source>, remove: &BTreeSet<Source>) {
    let mut script = String::new();
    for (verb, sources) in [("add", add), ("delete", remove)] {
        for (port, mac, address) in sources {
            let family = if address.is_ipv4() { 4 } else { 6 };
            writeln!(script, "{verb} element netdev vpc own{family} {{ \"{port}\" . {mac} . {address} }}")
                .unwrap();
        }
    }
    for (port, mac, _) in add {
        writeln!(script, "add element netdev vpc macs {{ \"{port}\" . {mac} }}").unwrap();
    }
    vpc.nft(&script);
}

/// How many frames have been dropped for this reason.
pub(crate) fn count(vpc: &NameSpace, dropped: Dropped) -> u64 {
    let text = vpc.output("nft", &["list", "counter", "netdev", "vpc", dropped.counter()], "");
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).unwrap().parse().unwrap()
}
