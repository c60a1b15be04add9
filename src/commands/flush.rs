//! `flush`: what is releasing is released, and what interrupted ADDs left is undone; for a timer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::networks::Network;
use super::{CommandError, print, print_error, print_json};
use crate::base::eni::EniId;
use crate::context::CallContext;
use crate::failure::{self, Failure};
use crate::store::{Allocation, Listed, State, Store};

/// What a flush has done.
#[derive(Default)]
struct Flushed {
    released: BTreeMap<EniId, BTreeSet<IpAddr>>,
    /// How many interrupted ADDs were cleaned up: their records named no address at first, and are gone.
    cleaned_up: usize,
    left: Vec<Unreleased>,
}

/// A release that is still to be done.
struct Unreleased {
    /// `None` where only a later version of the plugin can read the record.
    allocation: Option<Allocation>,
    path: PathBuf,
    why: String,
}

/// Tries every release of every store at once, whatever failed before. Addresses that must not be released yet are left
/// alone.
pub(super) fn flush<'n>(
    networks: impl Iterator<Item = &'n Network>,
    as_json: bool,
) -> Result<(), CommandError> {
    let (mut flushed, mut failed, mut served) = (Flushed::default(), false, BTreeSet::new());
    for network in networks {
        let directory = network.ipam().data_directory();
        if directory.as_ref().is_ok_and(|directory| !served.insert(directory.clone())) {
            continue;
        }
        // CommandError with one store must not keep the others' addresses.
        let done = CallContext::open(network.ipam())
            .and_then(|context| context.run_then_write_metrics(|context| flush_store(context, &mut flushed)));
        if let Err(failure) = done {
            failed = true;
            print_error(&format!("network {:?}: {failure}", network.name()));
        }
    }
    if as_json {
        print_json(&flushed.to_json())?;
    } else {
        flushed.in_words(failed).iter().try_for_each(print)?;
    }
    if flushed.left.is_empty() && !failed { Ok(()) } else { Err(CommandError::LeftOver) }
}

fn flush_store(context: &CallContext<'_>, flushed: &mut Flushed) -> failure::Result<()> {
    context.sweep()?;
    let buried = context.store.release_dead_intents(context.deadline, |_| true);
    let before = context.store.list()?;
    let drained = context.drain(true);
    flushed.add(&context.store, before, context.store.list()?)?;
    drained?;
    buried.map_err(Failure::from)?;
    Ok(())
}

impl Flushed {
    /// Compares the records before and after.
    fn add(&mut self, store: &Store, before: Vec<Listed>, after: Vec<Listed>) -> failure::Result<()> {
        // An address that has become a pod's meanwhile is none that was released.
        let recorded: BTreeSet<(EniId, IpAddr)> =
            after.iter().filter_map(|it| it.allocation.as_ref()).flat_map(places).collect();
        let paths: BTreeSet<_> = after.iter().map(|it| it.path.clone()).collect();
        for listed in before.into_iter().filter(|it| it.state == State::Releasing) {
            let Some(allocation) = &listed.allocation else { continue };
            for (eni, address) in places(allocation).filter(|place| !recorded.contains(place)) {
                self.released.entry(eni).or_default().insert(address);
            }
            if allocation.addresses.is_empty() && !paths.contains(&listed.path) {
                self.cleaned_up += 1;
            }
        }
        let is_left = |it: &Listed| it.state == State::Releasing || is_of_later_version(it);
        for listed in after.into_iter().filter(is_left) {
            let waits = || match listed.progress.not_before {
                Some(moment) => format!("a request for it is in doubt until {}", moment.to_seconds()),
                None => "this call had no time left to ask ECS".to_owned(),
            };
            let why = store.last_error_of(&listed)?.unwrap_or_else(waits);
            self.left.push(Unreleased { allocation: listed.allocation, path: listed.path, why });
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let left = |Unreleased { allocation, why, .. }: &Unreleased| {
            json!({
                "addresses": allocation.iter().flat_map(Allocation::ips).collect::<Vec<_>>(),
                "networkInterfaceId": allocation.as_ref().map(|it| &it.eni),
                "lastError": why,
            })
        };
        json!({
            "released": self.released.values().flatten().collect::<Vec<_>>(),
            "cleanedUp": self.cleaned_up,
            "left": self.left.len(),
            "releasing": self.left.iter().map(left).collect::<Vec<_>>(),
        })
    }

    /// One line with what was done, and one for each release that is left.
    fn in_words(&self, failed: bool) -> Vec<String> {
        let released = self.released.iter();
        let mut done: Vec<String> = released
            .map(|(eni, addresses)| {
                format!("released {} on {eni}", counted(addresses.len(), "address", "addresses"))
            })
            .collect();
        if self.cleaned_up > 0 {
            done.push(format!(
                "cleaned up after {}",
                counted(self.cleaned_up, "interrupted ADD", "interrupted ADDs")
            ));
        }
        let done = done.join(", ");
        if self.left.is_empty() {
            return vec![match (done.as_str(), failed) {
                ("", false) => "nothing to release".to_owned(),
                ("", true) => "nothing was released".to_owned(),
                (done, false) => format!("{done}; nothing is left"),
                (done, true) => format!("{done}; more may be left where the flush failed"),
            }];
        }
        let done = if done.is_empty() { "nothing was released" } else { &done };
        let mut lines =
            vec![format!("{done}; {} left:", counted(self.left.len(), "release is", "releases are"))];
        lines.extend(self.left.iter().map(|Unreleased { allocation, path, why }| match allocation {
            Some(allocation) => format!("{allocation} is still releasing: {why}"),
            None => format!("{} is still releasing: {why}", path.display()),
        }));
        lines
    }
}

/// The addresses of a record, each with its ENI.
fn places(allocation: &Allocation) -> impl Iterator<Item = (EniId, IpAddr)> {
    allocation.ips().map(|address| (allocation.eni.clone(), address))
}

fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Whether this is a release that another version has begun and has to end: a damaged one is in `quarantine/` by now.
fn is_of_later_version(listed: &Listed) -> bool {
    listed.state == State::Quarantined
        && listed.path.parent().is_some_and(|directory| directory.ends_with("releasing"))
}
