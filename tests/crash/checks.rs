//! What must hold of every moment, whatever was interrupted:
//! 1. a live pod keeps its address: an active record's addresses are on the ENI, no release names them, and no other pod has them;
//! 2. no address is lost: what is on the ENI is named by a record or an entry of the reserve, or can be found out by repeating a
//!    request that an intent or a record names by its `ClientToken`. What a person has put there, or taken off, is not the plugin's to
//!    lose;
//! 3. what the reserve has to offer is on the ENI: the next pod may get it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use harness::{Answer, EARLIER_BOOT, Node};
use serde_json::Value;

use crate::moment::{Entry, Moment, Tree};
use crate::scenario::{GHOST, ORPHAN, STALE};

/// Stands before each document of an intent (RFC 7464).
const BEGIN: u8 = 0x1e;

/// What the files of a store say, read without the plugin.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The addresses that pods have in use, by the container's ID.
    pub(crate) active: BTreeMap<String, BTreeSet<IpAddr>>,
    /// The containers whose records are of an earlier boot: none of them lives.
    earlier: BTreeSet<String>,
    /// The containers whose records are not in use: an address does not lead to its record. What was taken out of the reserve has its
    /// record before the names of its addresses are durable, and a power cut ends the ADD.
    pub(crate) unfinished: BTreeSet<String>,
    /// The addresses that any record or entry names.
    named: BTreeSet<IpAddr>,
    /// The addresses that releases name.
    releasing: BTreeSet<IpAddr>,
    /// Every entry of the reserve, whether it counts or not: its ENI and address, and the network that put it there.
    entries: BTreeMap<(String, IpAddr), String>,
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
            let eni = state.strip_prefix("reserved/");
            let is_record = ["assigning", "active", "releasing", "quarantine"].contains(&state);
            if name.starts_with('.') || !(is_record || eni.is_some()) {
                continue;
            }
            let documents = documents(content).map_err(|why| format!("{}: {why}", path.display()))?;
            if let Some(eni) = eni {
                let address = name.parse().map_err(|_| format!("{name} is no address"))?;
                let network = documents[0]["entry"]["network"].as_str().unwrap_or_default();
                recorded.entries.insert((eni.to_owned(), address), network.to_owned());
                recorded.named.insert(address);
                continue;
            }
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
            if state == "releasing" {
                recorded.releasing.extend(&found.named);
            }
            if state == "active" {
                let owner = &documents[0]["allocation"]["owner"]["containerId"];
                let eni = &documents[0]["allocation"]["networkInterfaceId"];
                let name = |ip: &IpAddr| format!("address/{}-{ip}", eni.as_str().unwrap_or_default());
                if !found.named.iter().all(|ip| tree.contains_key(Path::new(&name(ip)))) {
                    let owner = owner.as_str().unwrap_or_default();
                    recorded.active.remove(owner);
                    recorded.unfinished.insert(owner.to_owned());
                }
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

    /// The addresses that entries name, whether they count or not.
    pub(crate) fn entries(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.keys().map(|(_, address)| *address)
    }

    /// The entries that count, with their ENI and network: no record names their address.
    pub(crate) fn on_offer(&self) -> impl Iterator<Item = (&str, IpAddr, &str)> {
        let in_use: BTreeSet<_> = self.active.values().flatten().collect();
        let entries = self.entries.iter().map(|((eni, address), network)| (&**eni, *address, &**network));
        entries.filter(move |(_, it, _)| !in_use.contains(it) && !self.releasing.contains(it))
    }

    /// Which promise is broken, if any, in view of a cloud.
    pub(crate) fn violation(&self, moment: &Moment) -> Option<String> {
        let enis = &moment.cloud.world.enis;
        let on_eni: BTreeSet<_> = enis.values().flat_map(|eni| &eni.addresses).copied().collect();
        let found_out =
            |address: &IpAddr| self.tokens.iter().any(|it| moment.cloud.assigned_under(it).contains(address));
        let is_lost =
            |address: &&IpAddr| **address != ORPHAN && !self.named.contains(address) && !found_out(address);
        let is_taken = |address: &IpAddr| *address != GHOST && !on_eni.contains(address);
        let lost: Vec<_> = on_eni.iter().filter(is_lost).collect();
        let taken: Vec<_> =
            self.active.iter().filter(|(_, addresses)| addresses.iter().any(is_taken)).collect();
        let is_there = |eni: &str, it: IpAddr| enis.get(eni).is_some_and(|eni| eni.addresses.contains(&it));
        let hollow: Vec<_> =
            self.on_offer().filter(|(eni, it, _)| *it != GHOST && !is_there(eni, *it)).collect();
        if !lost.is_empty() {
            Some(format!("{lost:?} on the ENI is lost: no record leads to it"))
        } else if !taken.is_empty() {
            Some(format!("{taken:?} is in use but not on the ENI"))
        } else if !hollow.is_empty() {
            Some(format!("{hollow:?} is in the reserve but not on the ENI"))
        } else {
            self.shared().map(|address| format!("{address} is in use by two pods"))
        }
    }

    /// An address that two pods have.
    fn shared(&self) -> Option<IpAddr> {
        let lives = |pod: &String| pod != STALE && !self.earlier.contains(pod);
        let mut seen = BTreeSet::new();
        let in_use = self.active.iter().filter(|(pod, _)| lives(pod)).flat_map(|(_, addresses)| addresses);
        in_use.copied().find(|address| !seen.insert(*address))
    }
}

/// The secondary addresses of all ENIs.
pub(crate) fn on_enis(node: &Node) -> BTreeSet<IpAddr> {
    node.cloud.with_world(|world| world.enis.values().flat_map(|eni| eni.addresses.clone()).collect())
}

fn split(path: &Path) -> Option<(&str, &str)> {
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
