//! What each operation is told.

use serde_json::{Map, Value};

use super::{Arguments, PrevResult, Version};
use crate::base::attachment::Attachment;

/// Gives an attachment an address.
#[derive(Debug, PartialEq)]
pub struct Add {
    /// Who gets the address.
    pub attachment: Attachment,
    /// The network.
    pub network: Network,
    /// The pod, and the addresses that are asked for.
    pub arguments: Arguments,
}

/// Releases what an attachment has. It may come any number of times, without an ADD before it, without a network
/// namespace, and with another configuration than the ADD.
#[derive(Debug, PartialEq)]
pub struct Del {
    /// Whose addresses are released.
    pub attachment: Attachment,
    /// The network, of which `ipam` is empty where the configuration has none.
    pub network: Network,
}

/// Asks whether what ADD gave is still in place.
#[derive(Debug, PartialEq)]
pub struct Check {
    /// Whose addresses are checked.
    pub attachment: Attachment,
    /// The network.
    pub network: Network,
    /// What ADD gave, as the calling plugin passed it on.
    pub prev_result: PrevResult,
}

/// Asks whether an ADD could succeed now.
#[derive(Debug, PartialEq)]
pub struct Status {
    /// The network.
    pub network: Network,
}

/// Releases what belongs to no attachment of the network.
#[derive(Debug, PartialEq)]
pub struct Gc {
    /// The network, of which `ipam` is empty where the configuration has none.
    pub network: Network,
    /// The attachments that are still in use. `None` means that the runtime did not say, and then nothing may be
    /// released: only a list that is there and empty says that no attachment is left.
    pub valid_attachments: Option<Vec<Attachment>>,
}

/// The network of a call, and how to talk about it.
#[derive(Debug, PartialEq)]
pub struct Network {
    /// The name, which stays the same between calls unless an administrator renames the network.
    pub name: String,
    /// The version of the protocol that the call is made in.
    pub version: Version,
    /// The plugin's own options, as they stand in the configuration: its object `ipam` or, of an entry of a chain, the rest of the
    /// entry.
    pub ipam: Map<String, Value>,
    /// The type of the plugin that calls: an IPAM plugin gets the configuration of the main one.
    pub main_plugin: Option<String>,
}
