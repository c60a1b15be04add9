//! What the main table has by the link of an ENI.

use std::net::IpAddr;

use netlink_packet_core::Parseable;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::routes::error::Doing;
use crate::routes::link;
use crate::routes::numbers::MAIN;
use crate::routes::observed::Observed;
use crate::routes::socket::Answer;
use crate::routes::{Network, Result};

/// A unicast route of the main table.
#[derive(Debug, PartialEq, Eq)]
struct MainRoute {
    link: u32,
    destination: Option<IpAddr>,
    length: u8,
    gateway: Option<IpAddr>,
}

impl Network {
    /// The routes of the main table by the link with this name, as `ip route` prints them. What every link with IPv6 has does not
    /// count.
    pub(crate) fn main_routes_by(&self, link: &str) -> Result<Vec<String>> {
        let links = link::list(self.kernel.routing()?).doing(|| "list the network interfaces".to_owned())?;
        let Some(link) = links.iter().find(|it| it.name == link).map(|it| it.index) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for is_ipv6 in Observed::begin()?.families() {
            let mut message = RouteMessage::default();
            message.header.address_family = if is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
            message.attributes.push(RouteAttribute::Table(MAIN));
            let routes = self
                .kernel
                .routing()?
                .list(&RouteNetlinkMessage::GetRoute(message), MainRoute::read)
                .doing(|| "list the routes of the main table".to_owned())?;
            let by_link = routes.into_iter().filter(|route| route.link == link && !route.is_of_every_link());
            found.extend(by_link.map(|route| route.in_words()));
        }
        Ok(found)
    }
}

impl MainRoute {
    fn read((_, body): Answer<'_>) -> Option<Self> {
        Self::of(&RouteMessage::parse(body).ok()?)
    }

    fn of(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let mut table = u32::from(header.table);
        let (mut destination, mut gateway, mut link) = (None, None, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(it) => table = *it,
                RouteAttribute::Destination(it) => destination = plain(it),
                RouteAttribute::Gateway(it) => gateway = plain(it),
                RouteAttribute::Oif(it) => link = Some(*it),
                _ => {}
            }
        }
        let is_main = table == MAIN && header.kind == RouteType::Unicast;
        let length = header.destination_prefix_length;
        link.filter(|_| is_main).map(|link| Self { link, destination, length, gateway })
    }

    /// The block of link-local addresses, which an IPv6 link has as soon as it is up.
    fn is_of_every_link(&self) -> bool {
        matches!(self.destination, Some(IpAddr::V6(it)) if it.is_unicast_link_local() || it.is_multicast())
    }

    fn in_words(&self) -> String {
        let destination = match self.destination {
            Some(address) => format!("{address}/{}", self.length),
            None => "default".to_owned(),
        };
        match self.gateway {
            Some(gateway) => format!("{destination} via {gateway}"),
            None => destination,
        }
    }
}

fn plain(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}
