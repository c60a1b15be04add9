//! Why a call failed, and the one place where that becomes a CNI error.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnetwork::IpNetwork;
use log::Level;

use crate::base::eni::EniId;
use crate::base::logging::{self, Event};
use crate::base::text::plain_words;
use crate::cloud::rpc::{Disposition, ErrorKind, Subject};
use crate::cloud::{metadata, rpc};
use crate::cni;
use crate::cni::Code;
use crate::config;
use crate::routes;
use crate::store;

/// What the verbs return.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A value of the configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// ECS, or the way to it.
    #[error(transparent)]
    Ecs(Box<rpc::Error>),
    /// Instance metadata does not tell what the configuration leaves out.
    #[error("{error}; to do without metadata, set {}", .missing.join(", "))]
    Metadata {
        /// What happened.
        error: metadata::Error,
        /// All keys that are to be configured then.
        missing: Vec<&'static str>,
    },
    /// Nobody tells whether the ENI is attached to this instance.
    #[error(
        "cannot prove that {eni} is attached to this instance: {why}; check \
         ipam.networkInterfaceId and ipam.metadataEndpoint, and that the plugin runs in the network namespace with the ENI"
    )]
    Unproved {
        /// Which.
        eni: EniId,
        /// Who was asked.
        why: String,
    },
    /// The file of `resolvConf`.
    #[error("cannot read {}, which ipam.resolvConf names: {error}", .path.display())]
    ResolvConf {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The interface of `interface`, or one of `interfaces`.
    #[error("cannot read the MAC address of the network interface {name:?}, which ipam.{key} names: {error}")]
    Interface {
        /// Which key names it.
        key: &'static str,
        /// Which.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// Neither the configuration nor metadata tells a key's value.
    #[error("ipam.{key} is not configured and instance metadata has no value for it: set ipam.{key}")]
    Unfound {
        /// The key.
        key: &'static str,
    },
    /// Metadata does not tell something of one of several ENIs.
    #[error("instance metadata has no {what} for it")]
    Untold {
        /// What, by the name of the key that says it of a single ENI.
        what: &'static str,
    },
    /// An ENI without a link on a node whose other ENIs have theirs.
    #[error("no network interface of this node has its MAC address")]
    NoLink,
    /// An ENI that was found unusable a short while ago.
    #[error("{why} (asked again after {until})")]
    LeftAlone {
        /// Why it could not be used.
        why: String,
        /// Until when nobody is asked.
        until: String,
    },
    /// `interfaces` is `"secondary"`, and there is none.
    #[error("this instance has no secondary ENI: attach one, or leave out ipam.interfaces")]
    NoSecondaryEni,
    /// None of the ENIs of `interfaces` can be used.
    #[error("none of the ENIs that ipam.interfaces names can be used: {}", in_words(.each))]
    NoUsableEni {
        /// Each with the reason.
        each: Vec<UnusableEni>,
    },
    /// None of the ENIs of `interfaces` has room.
    #[error(
        "no ENI of this network has a free address: {}; delete pods (`aliyun-eni-ipam list` shows which have one), attach another \
         ENI, or use a larger vSwitch or instance type",
        .each.join("; ")
    )]
    AllFull {
        /// Each with what is known of it, for people.
        each: Vec<String>,
    },
    /// The ENI is not attached to this instance.
    #[error(
        "{eni} is not attached to this instance, or the credentials are not allowed to see it: check \
         ipam.networkInterfaceId, ipam.regionId and the permission ecs:DescribeNetworkInterfaces"
    )]
    NotOurs {
        /// Which.
        eni: EniId,
    },
    /// The ENI belongs to a cloud service.
    #[error(
        "a cloud service manages {eni}, so this plugin cannot use it: set ipam.networkInterfaceId to another ENI"
    )]
    ServiceManaged {
        /// Which.
        eni: EniId,
    },
    /// An address was asked for that the vSwitch cannot have.
    #[error(
        "{address} was requested, but a pod gets one address from {blocks}: request an address from there, with the same \
         prefix length or none"
    )]
    RequestedAddress {
        /// Which.
        address: IpAddr,
        /// What there is.
        blocks: String,
    },
    /// An address was asked for that ECS does not give.
    #[error("{}", withheld(*.address, .error))]
    Withheld {
        /// Which.
        address: IpAddr,
        /// What ECS said.
        error: Box<rpc::Error>,
    },
    /// ECS assigned only addresses with an earlier release in doubt.
    #[error(
        "cannot use an address of {eni} yet, because an earlier release of it is in doubt: try again in a minute"
    )]
    NoUsableAddress {
        /// On which ENI.
        eni: EniId,
    },
    /// An address was asked for that is other software's.
    #[error(
        "{address} was requested, but ipam.foreignAddresses leaves it to other software: request another address, or remove \
         it from ipam.foreignAddresses"
    )]
    RequestedForeign {
        /// Which.
        address: IpAddr,
    },
    /// `foreignAddresses` leaves nothing for pods.
    #[error(
        "ipam.foreignAddresses names all of {subnet}, which pods get their addresses from: name only what other software has"
    )]
    AllForeign {
        /// The block.
        subnet: IpNetwork,
    },
    /// ECS assigned only addresses that are other software's.
    #[error(
        "ECS assigned only addresses on {eni} that ipam.foreignAddresses names; they stay there for other software: name \
         fewer addresses, or reserve them in the vSwitch so that ECS does not assign them"
    )]
    OnlyForeign {
        /// On which ENI.
        eni: EniId,
    },
    /// Another ADD for the same attachment is under way.
    #[error("another ADD for this container and interface is still running: try again later")]
    StillAssigning,
    /// The request of an earlier ADD for the same attachment is in doubt, and could not be repeated.
    #[error(
        "an earlier ADD for this container and interface left a request for {eni} in doubt: {why}; try again later"
    )]
    EarlierInDoubt {
        /// For which ENI.
        eni: EniId,
        /// Why it is still in doubt.
        why: String,
    },
    /// A DEL for the same attachment came before the ADD was done.
    #[error(
        "a DEL came while this ADD was running, so the pod gets no address; what the ADD was given is released, now or \
         by a later call"
    )]
    Deleted,
    /// ECS did not confirm a release in time, and the configuration wants that to fail.
    #[error("the release from {eni} stays recorded and is retried: {why}")]
    NotReleased {
        /// From which ENI.
        eni: EniId,
        /// Why.
        why: String,
    },
    /// Nobody reads the result.
    #[error(
        "the runtime does not read it any more ({0}); what this ADD was given is released, now or by a later call"
    )]
    Output(io::Error),
    /// No randomness.
    #[error("cannot read /dev/urandom: {0}")]
    Random(io::Error),
    /// CHECK: what is there is not what should be.
    #[error("{0}")]
    Check(String),
    /// STATUS: an ADD cannot succeed.
    #[error("{0}")]
    NotAvailable(String),
    /// GC: what could not be released.
    #[error("{}", .0.join("; "))]
    Leftover(Vec<String>),
    /// The node's routes.
    #[error(transparent)]
    Routes(#[from] routes::Error),
    /// A chained ADD of an attachment without a record.
    #[error(
        "no addresses are recorded for this attachment in {}: set dataDir of the chained plugin to ipam.dataDir of the same network",
        .directory.display()
    )]
    NotRecorded {
        /// Where none is.
        directory: PathBuf,
    },
    /// Nobody tells the addresses and the gateway of an ENI.
    #[error("cannot find out the address and the gateway of {eni}: {why}")]
    EniUnknown {
        /// Which.
        eni: EniId,
        /// Who was asked, and what to do.
        why: String,
    },
    /// Nobody reads what a chained ADD answers.
    #[error("the runtime does not read it any more ({0}); the pod's routes stay until its DEL")]
    Unread(io::Error),
    /// STATUS of the chained plugin: an ADD cannot make an address reachable.
    #[error("{0}")]
    LinkDown(String),
    /// A defect of the plugin itself.
    #[error("{0}")]
    Panic(String),
}

/// One of several ENIs that cannot be used.
#[derive(Debug)]
pub struct UnusableEni {
    /// Which, for people.
    pub eni: String,
    /// Why.
    pub why: Failure,
}

fn in_words(each: &[UnusableEni]) -> String {
    each.iter().map(|UnusableEni { eni, why }| format!("{eni}: {why}")).collect::<Vec<_>>().join("; ")
}

/// This plugin's codes. The CNI specification leaves 100 and above to plugins.
mod code {
    use crate::cni::Code;

    pub(super) const STORE: Code = Code(100);
    pub(super) const STORE_UNTRUSTED: Code = Code(101);
    pub(super) const RECORD: Code = Code(102);
    pub(super) const CHECK: Code = Code(103);
    pub(super) const ROUTES: Code = Code(104);
    pub(super) const CREDENTIALS: Code = Code(110);
    pub(super) const REFUSED: Code = Code(111);
    pub(super) const FULL: Code = Code(112);
    pub(super) const ENI: Code = Code(113);
    pub(super) const REQUESTED_ADDRESS: Code = Code(114);
    pub(super) const OUTPUT: Code = Code(115);
}

impl Failure {
    /// The code and the short text; `Display` has the details.
    #[must_use]
    pub fn kind(&self) -> (Code, &'static str) {
        match self {
            Self::Config(config::Error::OfChain { .. }) => {
                (Code::INVALID_CONFIG, "invalid configuration of the chained plugin")
            }
            Self::Config(_) | Self::ResolvConf { .. } | Self::Interface { .. } => {
                (Code::INVALID_CONFIG, "invalid ipam configuration")
            }
            Self::AllForeign { .. } => (Code::INVALID_CONFIG, "invalid ipam configuration"),
            Self::Unfound { .. } => (Code::INVALID_CONFIG, "incomplete ipam configuration"),
            Self::Untold { .. } | Self::NoLink | Self::LeftAlone { .. } | Self::NoSecondaryEni => {
                (code::ENI, "the ENI cannot be used")
            }
            Self::NoUsableEni { each } => kind_of_several(each),
            Self::AllFull { .. } => (code::FULL, "no free address is left"),
            Self::Store(store::Error::Busy { .. }) => {
                (Code::TRY_AGAIN_LATER, "the store is locked by other calls")
            }
            Self::Store(store::Error::EniBusy { .. }) => {
                (Code::TRY_AGAIN_LATER, "other calls are using the ENI")
            }
            Self::Store(store::Error::Io { .. }) => (code::STORE, "cannot access the store"),
            Self::Store(store::Error::Untrusted { .. }) => {
                (code::STORE_UNTRUSTED, "the store is not safe to use")
            }
            Self::Store(store::Error::Quarantined { .. }) => {
                (code::RECORD, "a record of the store is damaged")
            }
            Self::Store(store::Error::NewerSchema { .. }) => {
                (code::RECORD, "a record of the store is of a newer version")
            }
            Self::Withheld { error, .. } if error.subject() == Subject::AddressTaken => {
                (code::REQUESTED_ADDRESS, "the requested address is in use")
            }
            Self::Withheld { error, .. } if error.subject() == Subject::Address => {
                (code::REQUESTED_ADDRESS, "the requested address is not available")
            }
            Self::Ecs(error) | Self::Withheld { error, .. } => kind_of_refusal(error),
            Self::Metadata { .. } | Self::EniUnknown { .. } => {
                (Code::TRY_AGAIN_LATER, "cannot read instance metadata")
            }
            Self::Unproved { .. } => (Code::TRY_AGAIN_LATER, "cannot prove that the ENI is attached here"),
            Self::NotOurs { .. }
            | Self::ServiceManaged { .. }
            | Self::Store(store::Error::Claimed { .. }) => (code::ENI, "the ENI cannot be used"),
            Self::RequestedAddress { .. } | Self::RequestedForeign { .. } => {
                (code::REQUESTED_ADDRESS, "the requested address is not available")
            }
            Self::NoUsableAddress { .. }
            | Self::OnlyForeign { .. }
            | Self::StillAssigning
            | Self::EarlierInDoubt { .. }
            | Self::Deleted => (Code::TRY_AGAIN_LATER, "no address was assigned"),
            Self::NotReleased { .. } => (Code::TRY_AGAIN_LATER, "the address is not released yet"),
            Self::Output(_) | Self::Unread(_) => (code::OUTPUT, "cannot print the result"),
            Self::Random(_) => (Code::IO, "cannot read random numbers"),
            Self::Check(_) => (code::CHECK, "CHECK failed"),
            Self::NotAvailable(_) => (Code::NOT_AVAILABLE, "pods cannot get addresses"),
            Self::Leftover(_) => (Code::TRY_AGAIN_LATER, "some addresses could not be released"),
            Self::Routes(_) | Self::NotRecorded { .. } => (code::ROUTES, "cannot set up the pod's routes"),
            Self::LinkDown(_) => (Code::NOT_AVAILABLE, "pods cannot be reached"),
            Self::Panic(_) => (Code::INTERNAL, "internal error: a bug in the plugin"),
        }
    }

    /// Whether it may pass by itself.
    pub(crate) fn may_pass(&self) -> bool {
        self.kind().0 == Code::TRY_AGAIN_LATER
    }

    /// Writes the line of the log about a call that fails with this: what the runtime is told, and by which ids to look further.
    pub fn log(&self) {
        let told = self.to_cni();
        let asked = match self {
            Self::Ecs(error) | Self::Withheld { error, .. } => Some(error),
            _ => None,
        };
        Event::new("failed")
            .request(asked.and_then(|error| error.request_id.as_deref()))
            .took(logging::elapsed())
            .code(told.code.0)
            .ecs_code(asked.and_then(|error| error.code.as_deref()))
            .say(Level::Error, format_args!("{}", plain_words(&told.to_string())));
    }

    /// What the runtime is told.
    #[must_use]
    pub fn to_cni(&self) -> cni::Error {
        let (code, msg) = self.kind();
        cni::Error::new(code, msg).with_details(self.to_string())
    }
}

/// One that may be usable soon is worth another try. Otherwise they may all have the same reason.
fn kind_of_several(each: &[UnusableEni]) -> (Code, &'static str) {
    let mut kinds = each.iter().map(|it| it.why.kind());
    if let Some(passing) = each.iter().find(|it| it.why.may_pass()) {
        return passing.why.kind();
    }
    let several = (code::ENI, "the ENI cannot be used");
    kinds.next().filter(|first| kinds.all(|it| it == *first)).unwrap_or(several)
}

fn kind_of_refusal(error: &rpc::Error) -> (Code, &'static str) {
    match (error.kind, error.subject()) {
        (_, subject) if subject.is_full() => (code::FULL, "no free address is left"),
        (ErrorKind::Refused(Disposition::Permanent), subject) if subject.is_the_caller() => {
            (code::CREDENTIALS, "ECS denies this node access")
        }
        (ErrorKind::Refused(Disposition::Permanent | Disposition::Released), _) => {
            (code::REFUSED, "ECS refused the request")
        }
        (ErrorKind::Refused(Disposition::Throttled), _) => {
            (Code::TRY_AGAIN_LATER, "ECS is limiting requests")
        }
        (ErrorKind::Refused(Disposition::Retry), _) => {
            (Code::TRY_AGAIN_LATER, "ECS cannot do this at the moment")
        }
        (ErrorKind::NotSent, _) if !error.transient => (code::CREDENTIALS, "cannot call ECS"),
        (ErrorKind::NotSent, _) => (Code::TRY_AGAIN_LATER, "cannot call ECS at the moment"),
        _ => (Code::TRY_AGAIN_LATER, "the request to ECS did not succeed"),
    }
}

fn withheld(address: IpAddr, error: &rpc::Error) -> String {
    match error.subject() {
        Subject::AddressTaken => {
            format!("{address} was requested but is already in use: choose another address ({error})")
        }
        Subject::Address => {
            format!("{address} was requested but ECS does not accept it: choose another address ({error})")
        }
        _ => format!("cannot assign the requested address {address}: {error}"),
    }
}

impl From<rpc::Error> for Failure {
    fn from(error: rpc::Error) -> Self {
        Self::Ecs(Box::new(error))
    }
}
