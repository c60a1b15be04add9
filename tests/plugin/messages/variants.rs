//! The errors that a runtime is told, one for each variant.

use std::io;
use std::time::Duration;

use aliyun_eni_ipam::cni::Code;
use aliyun_eni_ipam::inside::base::EniId;
use aliyun_eni_ipam::inside::cloud as rpc;
use aliyun_eni_ipam::inside::{config, routes, store};
use aliyun_eni_ipam::{Failure, UnusableEni};
use harness::Node;

use super::Section;
use crate::plain::line;

fn eni() -> EniId {
    EniId::try_from(Node::ENI.to_owned()).unwrap()
}

fn system_error() -> io::Error {
    io::Error::from_raw_os_error(13)
}

/// One of several ENIs that cannot be used.
fn unusable(name: &str, why: Failure) -> UnusableEni {
    UnusableEni { eni: name.into(), why }
}

fn no_link() -> UnusableEni {
    unusable("eth1", Failure::NoLink)
}

fn missing() -> UnusableEni {
    unusable("eth2", Failure::Interface { key: "interfaces", name: "eth2".into(), error: system_error() })
}

/// A refusal with this code, about one address.
fn refusal(code: &str) -> rpc::Error {
    let row = rpc::codes::judge(code, "", 403);
    rpc::Error {
        kind: rpc::ErrorKind::Refused(row.disposition),
        action: "AssignPrivateIpAddresses",
        eni: Some(eni()),
        code: Some(code.into()),
        row: Some(row),
        message: "What ECS says.".into(),
        request_id: Some("ID".into()),
        status: Some(403),
        retry_after: None,
        transient: false,
    }
}

/// The name of a failure's variant. Whoever adds one is led here, and adds it to [`failures`] as well.
fn name_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Config(_) => "Config",
        Failure::Store(_) => "Store",
        Failure::Ecs(_) => "Ecs",
        Failure::Metadata { .. } => "Metadata",
        Failure::Unproved { .. } => "Unproved",
        Failure::ResolvConf { .. } => "ResolvConf",
        Failure::Interface { .. } => "Interface",
        Failure::Unfound { .. } => "Unfound",
        Failure::Untold { .. } => "Untold",
        Failure::NoLink => "NoLink",
        Failure::LeftAlone { .. } => "LeftAlone",
        Failure::NoSecondaryEni => "NoSecondaryEni",
        Failure::NoUsableEni { .. } => "NoUsableEni",
        Failure::AllFull { .. } => "AllFull",
        Failure::NotOurs { .. } => "NotOurs",
        Failure::ServiceManaged { .. } => "ServiceManaged",
        Failure::RequestedAddress { .. } => "RequestedAddress",
        Failure::Withheld { .. } => "Withheld",
        Failure::NoUsableAddress { .. } => "NoUsableAddress",
        Failure::RequestedForeign { .. } => "RequestedForeign",
        Failure::AllForeign { .. } => "AllForeign",
        Failure::OnlyForeign { .. } => "OnlyForeign",
        Failure::StillAssigning => "StillAssigning",
        Failure::EarlierInDoubt { .. } => "EarlierInDoubt",
        Failure::Deleted => "Deleted",
        Failure::NotReleased { .. } => "NotReleased",
        Failure::Output(_) => "Output",
        Failure::Random(_) => "Random",
        Failure::Check(_) => "Check",
        Failure::NotAvailable(_) => "NotAvailable",
        Failure::Leftover(_) => "Leftover",
        Failure::Routes(_) => "Routes",
        Failure::NotRecorded { .. } => "NotRecorded",
        Failure::EniUnknown { .. } => "EniUnknown",
        Failure::Unread(_) => "Unread",
        Failure::LinkDown(_) => "LinkDown",
        Failure::Panic(_) => "Panic",
    }
}

/// One failure of each variant; several where the text differs. `Metadata` is among the calls, because nobody but the
/// client makes one.
fn failures() -> Vec<Failure> {
    let address = "192.168.0.7".parse().unwrap();
    vec![
        Failure::Config(config::Error::Invalid {
            key: "timeoutSeconds".into(),
            value: "\"1m\"".into(),
            expected: "a whole number from 1 to 600".into(),
        }),
        Failure::Config(config::Error::InvalidSecret {
            key: "proxy".into(),
            expected: "\"env\" or a URL".into(),
        }),
        Failure::Store(store::Error::Busy { path: "/store/lock".into(), waited: Duration::from_secs(5) }),
        Failure::Store(store::Error::EniBusy { eni: eni(), waited: Duration::from_secs(5), behind: None }),
        Failure::from(refusal("Forbidden.RAM")),
        Failure::from(refusal("QuotaExceeded.PrivateIpAddress")),
        Failure::from(refusal("Throttling.User")),
        Failure::from(refusal("Operation.Conflict")),
        Failure::from(rpc::Error {
            kind: rpc::ErrorKind::NotSent,
            code: None,
            row: None,
            message: "cannot connect to ecs.example.com".into(),
            request_id: None,
            transient: true,
            ..refusal("")
        }),
        Failure::Ecs(Box::new(rpc::Error {
            kind: rpc::ErrorKind::Unknown,
            code: None,
            row: None,
            message: "no answer from ecs.example.com within 10 s".into(),
            request_id: None,
            transient: true,
            ..refusal("")
        })),
        Failure::ResolvConf { path: "/etc/resolv.conf.pods".into(), error: system_error() },
        Failure::Interface { key: "interface", name: "eth1".into(), error: system_error() },
        Failure::Unfound { key: "subnet6" },
        Failure::Untold { what: "subnet6" },
        Failure::NoLink,
        Failure::LeftAlone { why: "Why.".into(), until: "2026-11-22T09:12:44Z".into() },
        Failure::NoSecondaryEni,
        Failure::NoUsableEni { each: vec![no_link(), missing()] },
        Failure::NoUsableEni { each: vec![missing()] },
        Failure::NoUsableEni {
            each: vec![no_link(), unusable("eth2", Failure::Unproved { eni: eni(), why: "Why.".into() })],
        },
        Failure::AllFull { each: vec!["eni-1 is full".into(), "eni-2 has fewer than 2".into()] },
        Failure::NotOurs { eni: eni() },
        Failure::Unproved { eni: eni(), why: "metadata does not answer".into() },
        Failure::ServiceManaged { eni: eni() },
        Failure::RequestedAddress { address, blocks: "10.0.0.0/24 and one from 2001:db8::/64".into() },
        Failure::Withheld { address, error: Box::new(refusal("InvalidIp.IpAssigned")) },
        Failure::Withheld { address, error: Box::new(refusal("Forbidden.RAM")) },
        Failure::NoUsableAddress { eni: eni() },
        Failure::RequestedForeign { address },
        Failure::AllForeign { subnet: "192.168.0.0/24".parse().unwrap() },
        Failure::OnlyForeign { eni: eni() },
        Failure::StillAssigning,
        Failure::EarlierInDoubt { eni: eni(), why: "Why.".into() },
        Failure::Deleted,
        Failure::NotReleased { eni: eni(), why: refusal("Forbidden.RAM").to_string() },
        Failure::Output(io::Error::from_raw_os_error(32)),
        Failure::Random(system_error()),
        Failure::Check("no addresses are recorded for this attachment".into()),
        Failure::NotAvailable("no credentials found".into()),
        Failure::Leftover(vec!["the first reason".into(), "the second one".into()]),
        Failure::Config(config::Error::OfChain {
            key: "dataDir".into(),
            value: "\"store\"".into(),
            expected: "an absolute path".into(),
        }),
        Failure::Routes(routes::Error::Kernel { what: "add the rule".into(), why: "Why.".into() }),
        Failure::NotRecorded { directory: "/store".into() },
        Failure::EniUnknown { eni: eni(), why: "metadata does not answer".into() },
        Failure::Unread(io::Error::from_raw_os_error(32)),
        Failure::LinkDown("eth1 has no carrier".into()),
        Failure::Panic("index out of bounds".into()),
    ]
}

pub(super) fn of_failures() -> Section {
    let mut messages: Vec<_> = failures()
        .iter()
        .map(|failure| {
            let Code(code) = failure.kind().0;
            (code, (format!("{code} {}", name_of(failure)), line(&failure.to_cni().to_string())))
        })
        .collect();
    messages.sort_by_key(|(code, _)| *code);
    let messages = messages.into_iter().map(|(_, message)| message).collect();
    Section { heading: "Errors by CNI code, one of each kind", messages }
}

#[test]
fn every_kind_of_failure_is_in_the_table() {
    let source = include_str!("variants.rs");
    let body = source.split_once("fn name_of").unwrap().1.split_once("\n}\n").unwrap().0;
    let named: Vec<_> =
        body.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")).collect();
    assert!(named.len() > 20, "{named:?}");
    let made = failures();
    for name in named.into_iter().filter(|name| *name != "Metadata") {
        assert!(made.iter().any(|failure| name_of(failure) == name), "{name}");
    }
}

pub(super) fn of_the_store() -> Section {
    let path = || "/var/lib/cni/aliyun-eni-ipam/active/4f1c-HEX".into();
    let errors = [
        store::Error::Io { doing: "create", path: path(), source: io::Error::from_raw_os_error(28) },
        store::Error::Io { doing: "sync the directory", path: path(), source: system_error() },
        store::Error::Untrusted { path: path(), why: "it is a symbolic link; remove it".into() },
        store::Error::Quarantined {
            path: path(),
            why: "EOF while parsing a value at line 1 column 0".into(),
        },
        store::Error::NewerSchema { path: path(), schema: 2 },
        store::Error::Busy { path: path(), waited: Duration::from_secs(5) },
        store::Error::EniBusy { eni: eni(), waited: Duration::from_secs(5), behind: None },
        store::Error::EniBusy { eni: eni(), waited: Duration::from_secs(5), behind: Some(1) },
        store::Error::EniBusy { eni: eni(), waited: Duration::from_secs(5), behind: Some(12) },
        store::Error::Claimed { eni: eni(), by: "/store".into(), this: "/other".into() },
    ];
    let name = |error: &store::Error| match error {
        store::Error::Io { .. } => "Io",
        store::Error::Untrusted { .. } => "Untrusted",
        store::Error::Quarantined { .. } => "Quarantined",
        store::Error::NewerSchema { .. } => "NewerSchema",
        store::Error::Busy { .. } => "Busy",
        store::Error::EniBusy { .. } => "EniBusy",
        store::Error::Claimed { .. } => "Claimed",
    };
    let messages = errors
        .into_iter()
        .map(|error| (name(&error).to_owned(), line(&Failure::from(error).to_cni().to_string())));
    Section { heading: "Errors of the store", messages: messages.collect() }
}

pub(super) fn of_the_routes() -> Section {
    let address = "192.168.0.7".parse().unwrap();
    let errors = [
        routes::Error::Kernel {
            what: "put the rule in place".into(),
            why: "Operation not permitted (os error 1)".into(),
        },
        routes::Error::NoModule { what: "mark connections".into(), why: "Why.".into(), modules: "nf_tables" },
        routes::Error::NoEni { eni: Node::ENI.into() },
        routes::Error::NoLink { eni: Node::ENI.into(), mac: "00:16:3e:00:00:02".into() },
        routes::Error::Local { address, link: "eth1".into() },
    ];
    let name = |error: &routes::Error| match error {
        routes::Error::Kernel { .. } => "Kernel",
        routes::Error::NoModule { .. } => "NoModule",
        routes::Error::NoEni { .. } => "NoEni",
        routes::Error::NoLink { .. } => "NoLink",
        routes::Error::Local { .. } => "Local",
    };
    let messages = errors
        .into_iter()
        .map(|error| (name(&error).to_owned(), line(&Failure::from(error).to_cni().to_string())));
    Section { heading: "Errors of the routes", messages: messages.collect() }
}
