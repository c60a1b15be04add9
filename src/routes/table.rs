//! The routes of an ENI's table.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE, Parseable};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::routes::numbers::{LAST_METRIC, METRIC6};
use crate::routes::reach::bits;
use crate::routes::socket::{Answer, Conversation, Refusal};

/// A route of an ENI's table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) table: u32,
    pub(super) is_ipv6: bool,
    /// The one address that it leads to; `None` for all.
    pub(super) destination: Option<IpAddr>,
    pub(super) way: RouteWay,
    pub(super) metric: u32,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RouteWay {
    /// Out by the link with this index, to the gateway if there is one.
    Out { link: u32, gateway: Option<IpAddr> },
    /// Nowhere: the sender is told so.
    Unreachable,
}

/// A route as the kernel has it.
#[derive(Clone, Debug)]
pub(super) struct FoundRoute {
    pub(super) route: Route,
    /// Whether it is marked as this plugin marks its own.
    pub(super) is_kernels: bool,
}

impl Route {
    /// What an ENI's table has, in the order in which it can be put in place. The first survives a link that goes down: then the
    /// sender gets an error instead of silence.
    pub(super) fn of_table(table: u32, link: u32, gateway: IpAddr) -> [Self; 3] {
        let is_ipv6 = gateway.is_ipv6();
        let metric = if is_ipv6 { METRIC6 } else { 0 };
        let route = |destination, way, metric| Self { table, is_ipv6, destination, way, metric };
        [
            route(None, RouteWay::Unreachable, LAST_METRIC),
            route(Some(gateway), RouteWay::Out { link, gateway: None }, metric),
            route(None, RouteWay::Out { link, gateway: Some(gateway) }, metric),
        ]
    }

    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(self.is_ipv6),
            destination_prefix_length: self.destination.map_or(0, bits),
            protocol: RouteProtocol::Kernel,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        message.attributes.push(RouteAttribute::Table(self.table));
        message.attributes.extend(self.destination.map(|it| RouteAttribute::Destination(it.into())));
        match &self.way {
            RouteWay::Out { link, gateway } => {
                if gateway.is_none() && !self.is_ipv6 {
                    message.header.scope = RouteScope::Link;
                }
                message.attributes.extend(gateway.map(|it| RouteAttribute::Gateway(it.into())));
                message.attributes.push(RouteAttribute::Oif(*link));
            }
            RouteWay::Unreachable => message.header.kind = RouteType::Unreachable,
        }
        if self.metric != 0 {
            message.attributes.push(RouteAttribute::Priority(self.metric));
        }
        message
    }

    fn of(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let mut table = u32::from(header.table);
        let (mut destination, mut gateway, mut link, mut metric) = (None, None, None, 0);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(it) => table = *it,
                RouteAttribute::Destination(it) => destination = Some(plain(it)?),
                RouteAttribute::Gateway(it) => gateway = Some(plain(it)?),
                RouteAttribute::Oif(it) => link = Some(*it),
                RouteAttribute::Priority(it) => metric = *it,
                RouteAttribute::MultiPath(_) | RouteAttribute::Via(_) | RouteAttribute::NhId(_) => {
                    return None;
                }
                _ => {}
            }
        }
        let is_whole = header.destination_prefix_length == destination.map_or(0, bits);
        let way = match header.kind {
            RouteType::Unicast => RouteWay::Out { link: link?, gateway },
            RouteType::Unreachable => RouteWay::Unreachable,
            _ => return None,
        };
        let is_ipv6 = header.address_family == AddressFamily::Inet6;
        is_whole.then_some(Self { table, is_ipv6, destination, way, metric })
    }

    /// The route as `ip route` writes it.
    pub(super) fn in_words(&self, link: &str) -> String {
        let destination = self.destination.map_or_else(|| "default".to_owned(), |it| it.to_string());
        let way = match self.way {
            RouteWay::Out { gateway: Some(gateway), .. } => format!("{destination} via {gateway} dev {link}"),
            RouteWay::Out { gateway: None, .. } => format!("{destination} dev {link}"),
            RouteWay::Unreachable => format!("unreachable {destination} metric {}", self.metric),
        };
        let family = if self.is_ipv6 && self.way == RouteWay::Unreachable { " (IPv6)" } else { "" };
        format!("{way} table {}{family}", self.table)
    }

    /// Whether putting `other` in place takes the place of this one.
    pub(super) fn is_replaced_by(&self, other: &Self) -> bool {
        let place = |it: &Self| (it.table, it.is_ipv6, it.destination, it.metric);
        place(self) == place(other)
    }
}

impl FoundRoute {
    fn read((_, body): Answer<'_>) -> Option<Self> {
        let message = RouteMessage::parse(body).ok()?;
        let is_kernels = message.header.protocol == RouteProtocol::Kernel;
        Route::of(&message).map(|route| Self { route, is_kernels })
    }
}

fn family(is_ipv6: bool) -> AddressFamily {
    if is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

fn plain(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

/// The routes of a table.
pub(super) fn list(kernel: &Conversation, is_ipv6: bool, table: u32) -> Result<Vec<FoundRoute>, Refusal> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(is_ipv6);
    message.attributes.push(RouteAttribute::Table(table));
    let is_of_table = |it: &FoundRoute| it.route.table == table;
    let routes = kernel
        .list(&RouteNetlinkMessage::GetRoute(message), |answer| FoundRoute::read(answer).filter(is_of_table));
    match routes {
        // There is no such table yet.
        Err(refusal) if refusal.is(libc::ENOENT) => Ok(Vec::new()),
        routes => routes,
    }
}

/// The routes of all tables that lead nowhere: each table of an ENI has one.
pub(super) fn list_unreachable(kernel: &Conversation, is_ipv6: bool) -> Result<Vec<FoundRoute>, Refusal> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(is_ipv6);
    message.header.kind = RouteType::Unreachable;
    let is_unreachable = |it: &FoundRoute| it.route.way == RouteWay::Unreachable;
    kernel.list(&RouteNetlinkMessage::GetRoute(message), |answer| {
        FoundRoute::read(answer).filter(is_unreachable)
    })
}

/// Puts a route in place, in the place of another with the same destination and metric.
pub(super) fn put(kernel: &Conversation, route: &Route) -> Result<(), Refusal> {
    kernel.tell(&RouteNetlinkMessage::NewRoute(route.message()), NLM_F_CREATE | NLM_F_REPLACE, |_| {})
}

/// Removes a route. Returns whether it was there.
pub(super) fn remove(kernel: &Conversation, route: &Route) -> Result<bool, Refusal> {
    match kernel.tell(&RouteNetlinkMessage::DelRoute(route.message()), 0, |_| {}) {
        // Of the table, of the route, of its link.
        Err(refusal) if refusal.is_one_of(&[libc::ENOENT, libc::ESRCH, libc::ENODEV]) => Ok(false),
        done => done.map(|()| true),
    }
}
