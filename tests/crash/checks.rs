//! What must hold of every moment, whatever was interrupted:
//! 1. a live pod keeps its address: an active record's addresses are on the ENI, and no release names them;
//! 2. no address is lost: what is on the ENI is named by a record, or can be found out by repeating a request that an
//!    intent or a record names by its `ClientToken`. What a person has put there, or taken off, is not the plugin's to lose.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use harness::{Answer, EARLIER_BOOT, Node};
use serde_json::Value;

use crate::moment::{Entry, Moment, Tree};
use crate::scenario::{GHOST, ORPHAN};

/// Stands before each document of an intent (RFC 7464).
const BEGIN: u8 = 0x1e;

/// What the files of a store say, read without the plugin.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The addresses that pods have in use, by the container's ID.
    pub(crate) active: BTreeMap<String, BTreeSet<IpAddr>>,
    /// The containers whose records are of an earlier boot: none of them lives.
    earlier: BTreeSet<String>,
    /// The addresses that any record names.
    named: BTreeSet<IpAddr>,
    /// The `ClientToken`s of requests whose answers nobody has recorded.
    tokens: BTreeSet<String>,
    /// The names of the files that are neither active records nor what is remembered of ENIs.
    pub(crate) open: Vec<String>,
}

impl Recorded {
    /// Reads a store; the error names the file that is damaged.
    pub(crate) fn read(tree: &Tree) -> Result<Self, String> {
        let mut recorded = Self::default();
        for (path, entry) in tree {
            let (Entry::File(content), Some((state, name))) = (entry, split(path)) else { continue };
            if name.starts_with('.') || !["assigning", "active", "releasing", "quarantine"].contains(&state) {
                continue;
            }
            let documents = documents(content).map_err(|why| format!("{}: {why}", path.display()))?;
            let mut found = Self::default();
            for document in &documents {
                found.collect(document);
            }
            if state == "active" {
                let allocation = &documents[0]["allocation"];
                let owner = allocation["owner"]["containerId"].as_str();
                if allocation["bootId"] == EARLIER_BOOT {
                    recorded.earlier.extend(owner.map(str::to_owned));
                }
                recorded.active.insert(owner.expect("an owner").to_owned(), found.named.clone());
            } else {
                recorded.open.push(format!("{state}/{name}"));
            }
            recorded.named.append(&mut found.named);
            recorded.tokens.append(&mut found.tokens);
        }
        Ok(recorded)
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Array(members) => {
                for member in members {
                    self.collect(member);
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    match (key.as_str(), member.as_str()) {
                        ("address", Some(text)) => {
                            let address = text.split('/').next().and_then(|it| it.parse().ok());
                            self.named.insert(address.expect("an address"));
                        }
                        ("clientToken", Some(token)) => drop(self.tokens.insert(token.to_owned())),
                        ("settled", Some(token)) => drop(self.tokens.remove(token)),
                        _ => self.collect(member),
                    }
                }
            }
            _ => {}
        }
    }

    /// Which promise is broken, if any, in view of a cloud.
    pub(crate) fn violation(&self, moment: &Moment) -> Option<String> {
        let on_eni = &moment.cloud.world.enis[Node::ENI].addresses;
        let found_out =
            |address: &IpAddr| self.tokens.iter().any(|it| moment.cloud.assigned_under(it).contains(address));
        let is_lost =
            |address: &&IpAddr| **address != ORPHAN && !self.named.contains(address) && !found_out(address);
        let is_taken = |address: &IpAddr| *address != GHOST && !on_eni.contains(address);
        let lost: Vec<_> = on_eni.iter().filter(is_lost).collect();
        let taken: Vec<_> =
            self.active.iter().filter(|(_, addresses)| addresses.iter().any(is_taken)).collect();
        match (lost.is_empty(), taken.is_empty()) {
            (false, _) => Some(format!("{lost:?} on the ENI is lost: no record leads to it")),
            (_, false) => Some(format!("{taken:?} is in use but not on the ENI")),
            _ => None,
        }
    }
}

fn split(path: &std::path::Path) -> Option<(&str, &str)> {
    Some((path.parent()?.to_str()?, path.file_name()?.to_str()?))
}

/// The documents of a file. A later one that is not whole does not count: the power was cut while it was written.
fn documents(content: &[u8]) -> Result<Vec<Value>, String> {
    let texts = content.split(|&byte| byte == BEGIN).filter(|text| !text.is_empty());
    let texts = texts.filter_map(|text| text.split_inclusive(|&byte| byte == b'\n').next()).enumerate();
    let whole = texts.filter(|(index, text)| *index == 0 || (text.ends_with(b"\n") && !text.contains(&0)));
    let documents: Result<Vec<_>, _> = whole.map(|(_, text)| serde_json::from_slice(text)).collect();
    match documents {
        Ok(documents) if documents.is_empty() => Err("it is empty".to_owned()),
        documents => documents.map_err(|error| error.to_string()),
    }
}

/// Makes a call, or several, and checks that the promises hold afterwards, and that no request on the way named an address
/// of a pod in use, except the pods that are `given_up`.
#[track_caller]
pub(crate) fn guarded(node: &Node, given_up: &[&str], call: impl FnOnce() -> Answer) -> Answer {
    let before = Recorded::read(&Moment::of(node).tree).unwrap_or_else(|why| panic!("{why}"));
    let in_use: BTreeSet<_> = before
        .active
        .iter()
        .filter(|(pod, _)| !given_up.contains(&pod.as_str()) && !before.earlier.contains(*pod))
        .flat_map(|(_, addresses)| addresses.clone())
        .collect();
    let earlier = node.cloud.ledger().len();
    let answer = call();
    let moment = Moment::of(node);
    for entry in &node.cloud.ledger()[earlier..] {
        let released = entry.action.starts_with("Unassign");
        if released && entry.addresses.iter().any(|address| in_use.contains(address)) {
            answer.fail(&format!("no release of an address in use, as of {:?}", entry.addresses));
        }
    }
    let violation = match Recorded::read(&moment.tree) {
        Ok(recorded) => recorded.violation(&moment),
        Err(why) => Some(why),
    };
    if let Some(why) = violation {
        answer.fail(&format!("the promises to be kept, but {why}\n{}", node.scene()));
    }
    answer
}
