//! The routes of this host that lead to single addresses: `ptp` and others set one for each address of a pod that lives.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::text::reason;

/// Where the kernel shows the routes of this network namespace, and how each file is read.
const FILES: [(&str, Parse); 2] = [("/proc/net/route", parse_ipv4), ("/proc/net/ipv6_route", parse_ipv6)];

type Parse = fn(&str) -> Option<(IpAddr, &str)>;

/// As much of a file as is read: some hundred thousand routes.
const MAX_BYTES: u64 = 32 << 20;

/// The route is up.
const UP: u32 = 0x1;
/// What it leads to is unreachable, so it is nobody's way.
const REJECT: u32 = 0x200;
/// The address is this host's own, or one of its memories of the way to another host.
const LOCAL_ANYCAST_OR_CACHED: u32 = 0x8000_0000 | 0x0010_0000 | 0x0100_0000;

/// The addresses that this host has a route of their own for, each with the link that it leads to.
#[derive(Debug, Default)]
pub(super) struct HostRoutes(BTreeMap<IpAddr, String>);

impl HostRoutes {
    /// Reads them; what could not be read goes to `unseen`.
    pub(super) fn look(unseen: &mut Vec<String>) -> Self {
        let mut found = BTreeMap::new();
        for (path, parse) in FILES {
            let text = match read(path) {
                Ok(text) => text,
                // A kernel without IPv6 has no routes of that family.
                Err(error) if error.kind() == io::ErrorKind::NotFound && path != FILES[0].0 => continue,
                Err(error) => {
                    unseen.push(format!("the routes in {path}: {}", reason(&error)));
                    continue;
                }
            };
            if text.len() as u64 > MAX_BYTES {
                unseen.push(format!("the routes in {path} behind the first {MAX_BYTES} bytes"));
            }
            found.extend(text.lines().filter_map(parse).map(|(address, link)| (address, link.to_owned())));
        }
        Self(found)
    }

    /// The link by which the host reaches this one address.
    pub(super) fn link_to(&self, address: IpAddr) -> Option<&str> {
        self.0.get(&address).map(String::as_str)
    }
}

fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A line of `/proc/net/route`: link, destination, gateway, flags, three counters, mask. Addresses are numbers in the order of the
/// machine's own bytes.
fn parse_ipv4(text: &str) -> Option<(IpAddr, &str)> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [link, destination, _, flags, _, _, _, mask, ..] = *fields.as_slice() else { return None };
    let number = |text| u32::from_str_radix(text, 16).ok();
    let leads_there = number(flags)? & (UP | REJECT) == UP && link != "lo";
    let address = Ipv4Addr::from(number(destination)?.to_ne_bytes());
    (leads_there && number(mask)? == u32::MAX).then_some((address.into(), link))
}

/// A line of `/proc/net/ipv6_route`: destination and its prefix length, source and its, next hop, metric, two counters, flags,
/// link. It shows every table.
fn parse_ipv6(text: &str) -> Option<(IpAddr, &str)> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [destination, prefix, _, _, _, _, _, _, flags, link] = *fields.as_slice() else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let leads_there = flags & (UP | REJECT | LOCAL_ANYCAST_OR_CACHED) == UP && link != "lo";
    let address = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
    (leads_there && prefix == "80" && !address.is_multicast()).then_some((address.into(), link))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(parse: Parse, text: &str) -> Vec<String> {
        text.lines().filter_map(parse).map(|(address, link)| format!("{address} {link}")).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn an_ipv4_route_to_one_address_is_seen_and_no_other() {
        let text = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\tFD00A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
veth1234\t7000A8C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
lo\t7100A8C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
*\t7200A8C0\t00000000\t0205\t0\t0\t0\tFFFFFFFF\t0\t0\t0
veth5\t7300A8C0\t00000000\t0004\t0\t0\t0\tFFFFFFFF\t0\t0\t0
veth6\tx\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
veth7\t7400A8C0
";
        assert_eq!(parsed(parse_ipv4, text), ["192.168.0.112 veth1234"]);
    }

    #[test]
    fn an_ipv6_route_to_one_address_is_seen_unless_the_address_is_the_hosts_own() {
        let zero = "00000000000000000000000000000000 00 00000000000000000000000000000000";
        let line = |address: &str, prefix: &str, flags: &str, link: &str| {
            format!("{address} {prefix} {zero} 00000400 00000001 00000000 {flags} {link}\n")
        };
        let pod = "20010db812341a000000000000000005";
        let text = [
            line(pod, "80", "00000001", "veth1234"),
            line("20010db812341a000000000000000006", "80", "80200001", "eth0"),
            line("20010db812341a000000000000000007", "80", "80200001", "lo"),
            line("20010db812341a000000000000000000", "80", "00100001", "eth0"),
            line("20010db812341a000000000000000008", "80", "01000001", "eth0"),
            line("20010db812341a000000000000000009", "80", "00200200", "lo"),
            line("20010db812341a000000000000000000", "40", "00000001", "eth0"),
            line("ff020000000000000000000000000001", "80", "00000001", "eth0"),
        ];
        assert_eq!(parsed(parse_ipv6, &text.concat()), ["2001:db8:1234:1a00::5 veth1234"]);
    }

    #[test]
    fn this_machines_routes_can_be_read() {
        let mut unseen = Vec::new();
        let routes = HostRoutes::look(&mut unseen);
        assert_eq!(unseen, [""; 0]);
        assert!(routes.link_to(Ipv4Addr::LOCALHOST.into()).is_none());
    }
}
