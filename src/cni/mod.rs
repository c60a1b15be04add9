//! The CNI protocol: what a runtime says to a plugin, and what a plugin may answer.
//!
//! A runtime starts the plugin once per call. The operation and its parameters are in `CNI_*` environment variables,
//! the network's configuration is a JSON object on stdin, the answer is one JSON document on stdout and the exit
//! status ([SPEC], sections 2 and 5). [`read_call`] turns the first two into a [`Call`] in which everything is
//! already checked; [`IpamResult`], [`Error`] and [`version_reply`] make the documents, and [`print()`] writes them.
//!
//! This module knows the protocol alone: no cloud, no store and none of the plugin's own options, which it passes on
//! unread in [`Network::ipam`]. Of an entry that is one of a chain the call is a [`Chained`].
//!
//! Where the specification leaves room, the answer is the one of the Go library that nearly every other plugin is
//! built on, its error texts included: people search for them.
//!
//! [SPEC]: https://github.com/containernetworking/cni/blob/main/SPEC.md

mod address_request;
mod arguments;
mod attachment;
mod call;
mod chained;
mod cni_args;
mod dns;
mod document;
mod environment;
mod error;
mod negotiation;
mod operation;
mod output;
mod prev_result;
mod result;
mod route;
mod valid_attachments;
mod version;

#[cfg(test)]
mod tests;

pub use address_request::AddressRequest;
pub use arguments::Arguments;
pub(crate) use attachment::check_attachment;
pub use attachment::is_plain_name;
pub use call::{Call, Refusal, read_call};
pub use chained::{Chained, ChainedAdd, ChainedDel};
pub(crate) use chained::{TYPE, is_chained, without_protocol_keys};
pub(crate) use cni_args::pod_of;
pub use dns::Dns;
pub use environment::Environment;
pub use error::{Code, Error};
pub use operation::{Add, Check, Del, Gc, Network, Status};
pub use output::{print, print_about};
pub use prev_result::{PrevResult, addresses_of};
pub use result::IpamResult;
pub use route::{Route, parse_cidr};
pub use version::{Version, version_reply};
