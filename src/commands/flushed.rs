//! What a flush has done, for people and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::base::clock::Timestamp;
use crate::base::eni::EniId;
use crate::commands::causes;
use crate::commands::earlier_boot::EarlierBoot;
use crate::commands::output::counted;
use crate::commands::tried::Tried;
use crate::commands::unreleased::Unreleased;
use crate::routes::Change;
use crate::store::{Allocation, Listed, State, join};

/// What was released and what is left, in all stores so far.
#[derive(Default)]
pub(super) struct Flushed {
    released: BTreeMap<EniId, BTreeSet<IpAddr>>,
    /// The number of interrupted ADDs whose records named no address and are gone.
    cleaned_up: usize,
    pub(super) left: Vec<Unreleased>,
    pub(super) earlier: EarlierBoot,
    /// What was in the reserve, and no configuration keeps.
    pub(super) surplus: BTreeSet<IpAddr>,
    /// What of the node's routes was put in place or removed.
    pub(super) routes: Vec<Change>,
}

impl Flushed {
    /// Adds what one store's records, before and after, say of the flush.
    pub(super) fn add(&mut self, tried: &Tried, before: &[Listed], after: &[Listed]) {
        // An address that a pod got in the meantime does not count as released.
        let recorded: BTreeSet<(EniId, IpAddr)> =
            after.iter().filter_map(|it| it.allocation.as_ref()).flat_map(addresses_with_eni).collect();
        let paths: BTreeSet<_> = after.iter().map(|it| it.path.clone()).collect();
        for listed in before.iter().filter(|it| it.state == State::Releasing) {
            let Some(allocation) = &listed.allocation else { continue };
            for (eni, address) in addresses_with_eni(allocation).filter(|it| !recorded.contains(it)) {
                self.released.entry(eni).or_default().insert(address);
            }
            if allocation.addresses.is_empty() && !paths.contains(&listed.path) {
                self.cleaned_up += 1;
            }
        }
        for listed in after.iter().filter(|it| is_left(it)) {
            let why = tried.why_left(listed);
            self.left.push(match &listed.allocation {
                Some(allocation) => Unreleased::new(allocation, &listed.progress, why),
                None => Unreleased::unreadable(&listed.path, why),
            });
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "released": self.released.values().flatten().collect::<Vec<_>>(),
            "cleanedUp": self.cleaned_up,
            "left": self.left.len(),
            "causes": causes::to_json(&self.left),
            "releasing": self.left.iter().map(Unreleased::to_json).collect::<Vec<_>>(),
            "earlierBoot": self.earlier.to_json(),
            "surplus": self.surplus,
            "routes": self.routes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    /// A line that says what was done, and those that say what is left and why.
    pub(super) fn in_words(&self, failed: bool) -> Vec<String> {
        let mut lines = self.releases_in_words(failed);
        if !self.surplus.is_empty() {
            lines.push(format!("in the reserve, and kept by no configuration: {}", join(&self.surplus)));
        }
        lines.extend(self.earlier.in_words());
        lines.extend(self.routes.iter().map(|change| format!("the node's routes: {change}")));
        lines
    }

    fn releases_in_words(&self, failed: bool) -> Vec<String> {
        let mut done: Vec<String> = self
            .released
            .iter()
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
            return vec![match (done.as_str(), failed, self.earlier.is_some_left()) {
                ("", false, false) => "nothing to release".to_owned(),
                ("", ..) => "nothing was released".to_owned(),
                (done, false, false) => format!("{done}; nothing is left"),
                (done, false, true) => done.to_owned(),
                (done, true, _) => format!("{done}; more may be left where the flush failed"),
            }];
        }
        let done = if done.is_empty() { "nothing was released" } else { &done };
        causes::in_words(done, &self.left, Timestamp::now())
    }
}

fn addresses_with_eni(allocation: &Allocation) -> impl Iterator<Item = (EniId, IpAddr)> {
    allocation.ips().map(|address| (allocation.eni.clone(), address))
}

/// Whether the record is still to be released. A later version of the plugin may have begun the release, and has to end it:
/// this version cannot read such a record, but it does not move it to `quarantine/`, as it does with a damaged one.
fn is_left(listed: &Listed) -> bool {
    let is_of_later_version = || {
        listed.state == State::Quarantined
            && listed.path.parent().is_some_and(|directory| directory.ends_with("releasing"))
    };
    listed.state == State::Releasing || is_of_later_version()
}
