//! What a failed exchange means, and what a person checks then.

use std::io;

use ureq::Timeout;

use super::failure::{Failure, Patience};
use super::tls;
use crate::base::text::clean;

/// The server, and who is dialled in its place where there is a proxy.
pub(super) struct Route {
    pub(super) host: String,
    pub(super) dialled: String,
    /// Empty without a proxy.
    pub(super) via: String,
    /// What says where the server is; empty where the caller says what to check.
    pub(super) set_by: &'static str,
}

/// When it failed.
pub(super) struct Circumstances {
    pub(super) patience: Patience,
    pub(super) out_of_time: bool,
    pub(super) sent: bool,
}

pub(super) fn explain(error: &ureq::Error, route: &Route, when: &Circumstances) -> Failure {
    let detail = detail(error);
    if !when.sent
        && let Some(message) = tls::explain(&route.host, &detail, route.set_by)
    {
        return Failure::before_sending(message);
    }
    let (what, check) = what_and_check(error, &detail, route, when);
    let check = check.filter(|_| !route.set_by.is_empty());
    let message = format!("{what}{}", check.map(|check| format!("; {check}")).unwrap_or_default());
    Failure { sent: when.sent, timed_out: matches!(error, ureq::Error::Timeout(_)), transient: true, message }
}

/// What the library or the system said.
fn detail(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => clean(&error.to_string(), 200),
        error => clean(&error.to_string(), 200),
    }
}

/// What happened, and what to check.
fn what_and_check(
    error: &ureq::Error,
    detail: &str,
    route: &Route,
    when: &Circumstances,
) -> (String, Option<String>) {
    let Route { host, dialled, via, set_by } = route;
    let lasting = "if this persists, check the network and any proxy between this node and the server";
    let name = || Some(format!("check the node's DNS (/etc/resolv.conf) and {}", route.where_set()));
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => {
            (format!("the name {dialled} could not be resolved in time"), name())
        }
        // Also of a connection that the deadline has cut short.
        ureq::Error::Timeout(Timeout::Connect) if !when.out_of_time => (
            format!("no connection to {host}{via} within {} s", when.patience.connect.as_secs_f32()),
            Some(route.check_the_way()),
        ),
        ureq::Error::Timeout(Timeout::RecvResponse) => (
            format!("no answer from {host} within {} s", when.patience.answer.as_secs_f32()),
            Some(lasting.to_owned()),
        ),
        ureq::Error::Timeout(_) if when.sent => {
            (format!("the time of this call ran out before {host} answered"), Some(lasting.to_owned()))
        }
        ureq::Error::Timeout(_) => (
            format!("the time of this call ran out before {host}{via} was connected"),
            Some(route.check_the_way()),
        ),
        ureq::Error::ConnectProxyFailed(_) => (
            format!("the proxy refused to connect to {host} ({detail})"),
            Some("check what the proxy allows, and `ipam.proxy`".to_owned()),
        ),
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
            (format!("the answer of {host} is too long"), Some(format!("check {set_by}")))
        }
        ureq::Error::Protocol(_) => {
            (format!("{host} did not answer in HTTP ({detail})"), Some(format!("check {set_by}")))
        }
        ureq::Error::HostNotFound => (format!("the name {dialled} has no address"), name()),
        _ if detail.contains("failed to lookup") => {
            (format!("the name {dialled} cannot be resolved ({detail})"), name())
        }
        _ if when.sent => (format!("the connection to {host} was lost ({detail})"), None),
        _ => (format!("cannot connect to {host}{via} ({detail})"), Some(route.check_the_connection(error))),
    }
}

impl Route {
    /// What says who is dialled.
    fn where_set(&self) -> String {
        match self.set_by {
            _ if !self.via.is_empty() => "`ipam.proxy`".to_owned(),
            // Where nobody names the server, its name follows from the region.
            key if self.host.starts_with("ecs") && self.host.ends_with(".aliyuncs.com") => {
                format!("`ipam.regionId` and {key}")
            }
            key => key.to_owned(),
        }
    }

    /// Nothing came back.
    fn check_the_way(&self) -> String {
        let place = match self.host.as_str() {
            _ if !self.via.is_empty() => "",
            host if host.contains("-vpc.") => ", which only the VPCs of its region can reach",
            host if host.starts_with("sts.") => {
                "; the server of STS that is reached without access to the internet is called \"vpc\" there"
            }
            _ => "",
        };
        format!("check the node's routes, its security group and firewall, and {}{place}", self.where_set())
    }

    /// The system said why.
    fn check_the_connection(&self, error: &ureq::Error) -> String {
        let ureq::Error::Io(error) = error else { return format!("check {}", self.where_set()) };
        match error.kind() {
            io::ErrorKind::ConnectionRefused => format!("nothing listens there: check {}", self.where_set()),
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                format!("check the node's routes and {}", self.where_set())
            }
            io::ErrorKind::PermissionDenied => "check the node's firewall".to_owned(),
            // Of a TLS handshake with something that speaks another protocol.
            io::ErrorKind::InvalidData => {
                format!("check that {} names a server that speaks TLS", self.where_set())
            }
            _ => self.check_the_way(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ureq::Error;

    use super::*;

    const PATIENCE: Patience = Patience { connect: Duration::from_secs(5), answer: Duration::from_secs(10) };

    fn route(host: &str, via: &str, set_by: &'static str) -> Route {
        Route { host: host.to_owned(), dialled: host.to_owned(), via: via.to_owned(), set_by }
    }

    #[test]
    fn each_way_in_which_nothing_is_sent_says_what_to_check() {
        let os = |number| Error::Io(io::Error::from_raw_os_error(number));
        let named = || route("ecs.example.com", "", "`ipam.endpoint`");
        let derived = || route("ecs-vpc.cn-hangzhou.aliyuncs.com", "", "`ipam.endpoint`");
        let proxied = || route("ecs.example.com", " through the proxy p:1", "`ipam.endpoint`");
        for (error, route, words) in [
            (os(111), named(), "nothing listens there: check `ipam.endpoint`"),
            (os(111), proxied(), "nothing listens there: check `ipam.proxy`"),
            (os(101), named(), "check the node's routes and `ipam.endpoint`"),
            (os(113), derived(), "check the node's routes and `ipam.regionId` and `ipam.endpoint`"),
            (os(13), named(), "check the node's firewall"),
            (Error::Timeout(Timeout::Connect), named(), "security group and firewall, and `ipam.endpoint`"),
            (Error::Timeout(Timeout::Connect), derived(), "which only the VPCs of its region can reach"),
            (Error::Timeout(Timeout::Global), proxied(), "security group and firewall, and `ipam.proxy`"),
            (
                Error::Timeout(Timeout::Resolve),
                derived(),
                "check the node's DNS (/etc/resolv.conf) and `ipam.regionId`",
            ),
            (Error::HostNotFound, named(), "check the node's DNS (/etc/resolv.conf) and `ipam.endpoint`"),
            (Error::HostNotFound, proxied(), "check the node's DNS (/etc/resolv.conf) and `ipam.proxy`"),
        ] {
            let when = Circumstances { patience: PATIENCE, out_of_time: false, sent: false };
            let failure = explain(&error, &route, &when);
            assert!(failure.message.contains(words), "{}", failure.message);
            assert!(!failure.sent && failure.transient, "{}", failure.message);
        }
    }

    #[test]
    fn a_server_that_no_key_names_gets_no_advice_here() {
        let when = Circumstances { patience: PATIENCE, out_of_time: false, sent: false };
        let refused = Error::Io(io::Error::from_raw_os_error(111));
        let failure = explain(&refused, &route("100.100.100.200", "", ""), &when);
        assert_eq!(failure.message, "cannot connect to 100.100.100.200 (Connection refused (os error 111))");
    }
}
