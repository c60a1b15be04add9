//! A call of the plugin as one of a chain: an entry of `plugins` behind the plugin that made the pod's interface (SPEC section 2,
//! "Add"). The runtime passes on what that plugin has answered as `prevResult`, and the entry itself holds the plugin's options.

use serde_json::{Map, Value};

use super::document::{Document, object, present};
use super::environment::{Request, unknown_command};
use super::operation::{Check, Gc, Network, Status};
use super::valid_attachments::valid_attachments;
use super::{Error, PrevResult, Version};
use crate::base::attachment::Attachment;

/// The type of this plugin in a configuration. With it and without an `ipam` an entry is one of a chain.
pub(crate) const TYPE: &str = "aliyun-eni-ipam";

/// The keys of an entry that are the protocol's. All that begin with `cni.dev/` are as well.
const KEYS_OF_THE_PROTOCOL: &[&str] = &[
    "args",
    "capabilities",
    "cniVersion",
    "cniVersions",
    "disableCheck",
    "disableGC",
    "ipam",
    "loadOnlyInlinedPlugins",
    "name",
    "prevResult",
    "runtimeConfig",
    "type",
];

/// What a person does whose chained ADD has no `prevResult`.
const BEHIND_THE_MAIN_PLUGIN: &str = "with its own \"type\" and without an object \"ipam\" this plugin routes what \
     another plugin has set up: put it into \"plugins\" behind the main plugin; to give addresses, it has to be the type of that plugin's \"ipam\"";

/// A call of the plugin as one of a chain.
#[derive(Debug, PartialEq)]
pub enum Chained {
    /// Make the attachment's addresses reachable.
    Add(ChainedAdd),
    /// Undo that.
    Del(ChainedDel),
    /// Is what ADD did still in place?
    Check(Check),
    /// Could an ADD succeed now?
    Status(Status),
    /// Undo what belongs to no attachment.
    Gc(Gc),
}

/// Makes an attachment's addresses reachable.
#[derive(Debug, PartialEq)]
pub struct ChainedAdd {
    /// Which attachment.
    pub attachment: Attachment,
    /// The network.
    pub network: Network,
    /// What the plugins before this one have given.
    pub prev_result: PrevResult,
    /// The same as it came, in the version of the call: what this plugin answers.
    pub answer: Value,
}

/// Undoes an ADD. It may come any number of times, without an ADD before it, and with or without a previous result.
#[derive(Debug, PartialEq)]
pub struct ChainedDel {
    /// Which attachment.
    pub attachment: Attachment,
    /// The network.
    pub network: Network,
    /// What the plugins before this one had given; empty where the configuration does not say, or what it says cannot be read.
    pub prev_result: PrevResult,
}

/// Whether the keys of a plugin's configuration are those of an entry of a chain.
pub(crate) fn is_chained(keys: &Map<String, Value>) -> bool {
    present(keys, "type").and_then(Value::as_str) == Some(TYPE) && present(keys, "ipam").is_none()
}

/// Assembles a call whose name and version are checked.
pub(super) fn assemble(
    request: Request,
    name: String,
    version: Version,
    document: Document,
) -> Result<Chained, Error> {
    Ok(match request {
        Request::Add { attachment } => {
            let prev_result = PrevResult::of(&document, BEHIND_THE_MAIN_PLUGIN)?;
            let answer = answer(version, &document)?;
            let network = network(name, version, document);
            Chained::Add(ChainedAdd { attachment, network, prev_result, answer })
        }
        Request::Del { attachment } => {
            let prev_result = PrevResult::of(&document, "").unwrap_or_default();
            Chained::Del(ChainedDel { attachment, network: network(name, version, document), prev_result })
        }
        Request::Check { attachment } => {
            let prev_result = PrevResult::of(&document, BEHIND_THE_MAIN_PLUGIN)?;
            Chained::Check(Check { attachment, network: network(name, version, document), prev_result })
        }
        Request::Status => Chained::Status(Status { network: network(name, version, document) }),
        Request::Gc => {
            let valid_attachments = valid_attachments(&document)?;
            Chained::Gc(Gc { network: network(name, version, document), valid_attachments })
        }
        Request::Unknown { command } => return Err(unknown_command(&command)),
    })
}

/// The previous result as it came. Its version is the call's, as with plugins on the Go library.
fn answer(version: Version, document: &Document) -> Result<Value, Error> {
    let mut result = match document.value("prevResult") {
        Some(value) => object("prevResult", value)?.clone(),
        None => Map::new(),
    };
    result.insert("cniVersion".into(), version.as_str().into());
    Ok(Value::Object(result))
}

fn network(name: String, version: Version, document: Document) -> Network {
    let options = without_protocol_keys(document.into_keys());
    Network { name, version, ipam: options, main_plugin: None }
}

/// The keys of an entry that are this plugin's.
pub(crate) fn without_protocol_keys(mut keys: Map<String, Value>) -> Map<String, Value> {
    keys.retain(|key, _| !KEYS_OF_THE_PROTOCOL.contains(&key.as_str()) && !key.starts_with("cni.dev/"));
    keys
}

impl Chained {
    /// The operation, as `CNI_COMMAND` has it.
    #[must_use]
    pub fn command(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Del(_) => "DEL",
            Self::Check(_) => "CHECK",
            Self::Status(_) => "STATUS",
            Self::Gc(_) => "GC",
        }
    }

    /// The network; its options are those of the entry.
    #[must_use]
    pub fn network(&self) -> &Network {
        match self {
            Self::Add(add) => &add.network,
            Self::Del(del) => &del.network,
            Self::Check(check) => &check.network,
            Self::Status(status) => &status.network,
            Self::Gc(gc) => &gc.network,
        }
    }

    /// The attachment, where the operation is about a single one.
    #[must_use]
    pub fn attachment(&self) -> Option<&Attachment> {
        match self {
            Self::Add(add) => Some(&add.attachment),
            Self::Del(del) => Some(&del.attachment),
            Self::Check(check) => Some(&check.attachment),
            Self::Status(_) | Self::Gc(_) => None,
        }
    }
}
