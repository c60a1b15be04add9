//! The default route of this host, by which the primary ENI is known where instance metadata does not tell.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// Where the kernel shows the IPv4 routes of the main table.
const ROUTES: &str = "/proc/net/route";

/// The route is up, and leads to a gateway.
const UP_TO_GATEWAY: u32 = 0x1 | 0x2;

/// The default route of the main table with the least metric.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DefaultRoute {
    /// The link that it uses.
    pub(super) link: String,
    pub(super) gateway: Ipv4Addr,
}

impl DefaultRoute {
    /// Looks for it.
    pub(super) fn look() -> Option<Self> {
        Self::among(&fs::read_to_string(ROUTES).ok()?)
    }

    fn among(text: &str) -> Option<Self> {
        let routes = text.lines().filter_map(parse);
        routes.min_by_key(|(metric, _)| *metric).map(|(_, route)| route)
    }

    /// The address with which this host talks to the gateway. Nothing is sent.
    pub(super) fn source(&self) -> Option<Ipv4Addr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((self.gateway, 9)).ok()?;
        match socket.local_addr().ok()? {
            SocketAddr::V4(own) => Some(*own.ip()),
            SocketAddr::V6(_) => None,
        }
    }
}

/// A line: link, destination, gateway, flags, two counters, metric, mask. Addresses are numbers in the order of the machine's own
/// bytes.
fn parse(text: &str) -> Option<(u32, DefaultRoute)> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [link, destination, gateway, flags, _, _, metric, mask, ..] = *fields.as_slice() else { return None };
    let number = |text| u32::from_str_radix(text, 16).ok();
    let is_default = (number(destination)?, number(mask)?) == (0, 0);
    let is_usable = number(flags)? & UP_TO_GATEWAY == UP_TO_GATEWAY;
    let gateway = Ipv4Addr::from(number(gateway)?.to_ne_bytes());
    (is_default && is_usable)
        .then(|| Some((metric.parse().ok()?, DefaultRoute { link: link.to_owned(), gateway })))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_default_route_with_the_least_metric_counts() {
        let header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let lines = [
            "eth1\t00000000\tFD01A8C0\t0003\t0\t0\t101\t00000000\t0\t0\t0\n",
            "eth0\t00000000\tFD00A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
            "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
            "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
        ];
        let found = DefaultRoute::among(&(header.to_owned() + &lines.concat()));
        let expected = DefaultRoute { link: "eth0".into(), gateway: Ipv4Addr::new(192, 168, 0, 253) };
        assert_eq!(found, Some(expected));
        assert_eq!(DefaultRoute::among(header), None);
    }
}
