//! The store as an onlooker reads it, and what it says about the addresses of the ENI.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::IpAddr;
use std::path::PathBuf;

use harness::Node;
use serde_json::Value;

/// Stands before each text of an ADD's intent.
const BEGIN: char = '\u{1e}';

/// Takes the ENI's lock, as a call of the plugin does: until it is dropped, nobody is between a request to ECS and its
/// record. `None` as long as nobody has ever locked the ENI.
pub(crate) fn lock_eni(node: &Node) -> Option<File> {
    let file = File::open(node.store().join("eni").join(format!("{}.lock", Node::ENI))).ok()?;
    file.lock().ok()?;
    Some(file)
}

/// A file of the store.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// What is in the store.
pub(crate) struct Books {
    pub(crate) assigning: Vec<Entry>,
    pub(crate) active: Vec<Entry>,
    pub(crate) releasing: Vec<Entry>,
    /// The entries of the reserve, by their addresses.
    pub(crate) reserved: Vec<Entry>,
}

impl Books {
    /// Reads the store, in the order in which a record moves: one that moves meanwhile is still found, unless it moves into the
    /// reserve or out of it.
    pub(crate) fn read(node: &Node) -> Self {
        let [assigning, active, releasing] = ["assigning", "active", "releasing"].map(|it| entries(node, it));
        Self { assigning, active, releasing, reserved: entries(node, &format!("reserved/{}", Node::ENI)) }
    }

    /// Reads the store while nothing moves: whoever moves something holds the store's lock.
    pub(crate) fn read_at_once(node: &Node) -> Self {
        let lock = File::open(node.store().join("lock"));
        let _held = lock.as_ref().is_ok_and(|lock| lock.lock().is_ok());
        Self::read(node)
    }

    /// Whether a record or an entry names the address.
    pub(crate) fn name(&self, address: IpAddr) -> bool {
        self.has_record_of(address) || self.reserved.iter().any(|entry| entry.is_for(address))
    }

    /// The addresses whose entries count: no record names them.
    pub(crate) fn on_offer(&self) -> BTreeSet<IpAddr> {
        let addresses = self.reserved.iter().filter_map(|entry| entry.name.parse().ok());
        addresses.filter(|it| !self.has_record_of(*it)).collect()
    }

    fn has_record_of(&self, address: IpAddr) -> bool {
        self.active.iter().chain(&self.releasing).any(|entry| entry.names(address))
    }

    /// Whether a request in doubt has assigned the address: one that a release names, or the intent of an ADD.
    pub(crate) fn explain(&self, node: &Node, address: IpAddr) -> bool {
        self.assigning.iter().chain(&self.releasing).any(|entry| entry.asked_for(node, address))
    }

    /// The ADD that names in its intent the request that has assigned the address.
    pub(crate) fn add_that_got(&self, node: &Node, address: IpAddr) -> Option<&Entry> {
        self.assigning.iter().find(|entry| entry.asked_for(node, address))
    }
}

impl Entry {
    /// Whether it is the address's entry of the reserve.
    fn is_for(&self, address: IpAddr) -> bool {
        self.name == address.to_string()
    }

    /// Whether it is a record of the address.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        self.text.contains(&format!("\"{address}/"))
    }

    /// Whether it belongs to the container.
    pub(crate) fn is_of(&self, container: &str) -> bool {
        // A name is made of the container's ID and a digest.
        self.name.strip_prefix(container).is_some_and(|rest| rest.starts_with('-'))
    }

    /// The `ClientToken`s of the requests in doubt.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let mut tokens = Vec::new();
        for text in self.text.split(BEGIN) {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            collect_tokens(&value, &mut tokens);
            if let Some(settled) = value["settled"].as_str() {
                tokens.retain(|token| token != settled);
            }
        }
        tokens
    }

    fn asked_for(&self, node: &Node, address: IpAddr) -> bool {
        self.tokens().iter().any(|token| node.cloud.assigned_under(token).contains(&address))
    }
}

fn entries(node: &Node, directory: &str) -> Vec<Entry> {
    let files = fs::read_dir(node.store().join(directory)).into_iter().flatten().flatten();
    let named = files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
    // Names that begin with a dot are drafts.
    let finished = named.filter(|(name, _)| !name.starts_with('.'));
    finished
        .filter_map(|(name, path)| fs::read_to_string(&path).ok().map(|text| Entry { name, path, text }))
        .collect()
}

fn collect_tokens(value: &Value, tokens: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            tokens.extend(members.get("clientToken").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect_tokens(value, tokens));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_tokens(value, tokens)),
        _ => {}
    }
}
