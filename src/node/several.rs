//! What is remembered of the ENIs of a network that has several: which secondary ENIs there are, and which ENIs are left alone for
//! a while because they cannot be used.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::{Timestamp, boot_id};
use crate::base::deadline::Deadline;
use crate::cloud::metadata;
use crate::cloud::metadata::Metadata;
use crate::failure::Failure;
use crate::store;
use crate::store::Store;

use super::eni_choice::EniChoice;
use super::eni_link::{find_all, has_mac};

/// The name under which it is kept.
const CACHE: &str = "several";

/// How long metadata's list of ENIs is used: by then an ENI that was attached is noticed. One that goes is noticed by its link.
const LIST_FOR: Duration = Duration::from_mins(2);

/// How long an ENI is left alone that this instance does not have, or must not use.
const ALONE_FOR: Duration = Duration::from_mins(5);

/// The same for one of which nobody told whether it can be used.
const ALONE_WITHOUT_ANSWER_FOR: Duration = Duration::from_mins(1);

/// What is known in this boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Several {
    boot_id: String,
    /// In the order in which they are filled.
    secondary: Vec<SecondaryEni>,
    /// When metadata was asked for them.
    asked: Option<Timestamp>,
    /// By the name of the choice.
    unusable: BTreeMap<String, Unusable>,
}

/// One of the secondary ENIs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecondaryEni {
    mac: String,
    link: Option<String>,
    /// Whether other ENIs of this node have a link and this one does not.
    has_lost_link: bool,
}

/// An ENI that is left alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unusable {
    /// The hardware address that it had, where its link was named.
    mac: Option<String>,
    until: Timestamp,
    why: String,
}

/// An ENI that a network may use.
pub(super) struct Candidate {
    pub(super) which: EniChoice,
    /// Why it may not.
    pub(super) problem: Option<Failure>,
}

impl Several {
    /// What is known in this boot. The system's memory of it is as good as new where it cannot be read.
    pub(super) fn of(store: &Store) -> Self {
        let boot_id = boot_id();
        let known = store.remembered::<Self>(CACHE).filter(|known| known.boot_id == boot_id);
        known.unwrap_or_else(|| Self { boot_id, ..Self::default() })
    }

    /// Whether nobody has asked for the secondary ENIs in this boot.
    pub(super) fn is_new(&self) -> bool {
        self.asked.is_none()
    }

    pub(super) fn remember(&self, store: &Store) -> store::Result<()> {
        store.remember(CACHE, self)
    }

    /// Asks metadata for the secondary ENIs, unless it was asked a short while ago and every link is where it was. Where it does
    /// not answer, what it told earlier in this boot holds on.
    pub(super) fn refresh(
        &mut self,
        metadata: &Metadata,
        now: Timestamp,
        deadline: Deadline,
    ) -> Result<(), metadata::Error> {
        let is_recent = self.asked.is_some_and(|asked| asked <= now && asked.age(now) < LIST_FOR);
        if is_recent && self.secondary.iter().all(SecondaryEni::is_where_it_was) {
            return Ok(());
        }
        match list(metadata, deadline) {
            Ok(secondary) => self.secondary = secondary,
            Err(error) if self.asked.is_some() => {
                log::warn!("the secondary ENIs may have changed: {error}");
                // They are not looked for again before metadata is asked again.
                for eni in self.secondary.iter_mut().filter(|it| !it.is_where_it_was()) {
                    (eni.link, eni.has_lost_link) = (None, true);
                }
            }
            Err(error) => return Err(error),
        }
        self.asked = Some(now);
        Ok(())
    }

    /// The secondary ENIs, as they were known at last.
    pub(super) fn secondary(&self) -> Vec<Candidate> {
        let candidate = |it: &SecondaryEni| Candidate {
            which: EniChoice::Mac { mac: it.mac.clone(), link: it.link.clone() },
            problem: (it.has_lost_link || !it.is_where_it_was()).then_some(Failure::NoLink),
        };
        self.secondary.iter().map(candidate).collect()
    }

    /// Why the ENI is left alone at the moment, if it is.
    pub(super) fn left_alone(&self, which: &EniChoice, now: Timestamp) -> Option<Failure> {
        let Unusable { mac, until, why } = self.unusable.get(&which.file_name())?;
        let is_same = || which.mac().is_ok_and(|of_choice| of_choice == *mac);
        let is_early = !until.wait(now, ALONE_FOR).is_zero();
        (is_early && is_same()).then(|| Failure::LeftAlone { why: why.clone(), until: until.to_seconds() })
    }

    /// Leaves the ENI alone for a while, for this reason. A link that is missing is seen without asking anybody.
    pub(super) fn leave_alone(&mut self, which: &EniChoice, failure: &Failure, now: Timestamp) {
        if matches!(failure, Failure::Interface { .. }) {
            return;
        }
        let time = if failure.may_pass() { ALONE_WITHOUT_ANSWER_FOR } else { ALONE_FOR };
        let mac = which.mac().ok().flatten();
        let unusable = Unusable { mac, until: now.plus(time), why: failure.to_string() };
        self.unusable.insert(which.file_name(), unusable);
    }

    /// The ENI can be used.
    pub(super) fn use_again(&mut self, which: &EniChoice) {
        self.unusable.remove(&which.file_name());
    }
}

impl SecondaryEni {
    fn is_where_it_was(&self) -> bool {
        self.link.as_ref().is_none_or(|link| has_mac(link, &self.mac))
    }
}

/// The secondary ENIs by the names of their links, or by their hardware addresses where no ENI has a link, because the plugin runs
/// in another network namespace.
fn list(metadata: &Metadata, deadline: Deadline) -> Result<Vec<SecondaryEni>, metadata::Error> {
    let primary = metadata.primary_mac(deadline)?;
    let mut macs = metadata.macs(deadline)?;
    macs.sort_unstable();
    macs.dedup();
    let links = find_all(&macs);
    let links_are_seen = links.iter().any(Option::is_some);
    let all = macs.into_iter().zip(links).filter(|(mac, _)| *mac != primary);
    let mut secondary: Vec<_> = all
        .map(|(mac, link)| SecondaryEni { mac, has_lost_link: links_are_seen && link.is_none(), link })
        .collect();
    secondary.sort_by_cached_key(|it| it.link.as_deref().map(by_number));
    Ok(secondary)
}

/// So that `eth2` comes before `eth10`.
fn by_number(link: &str) -> (String, u32, String) {
    let name = link.trim_end_matches(|it: char| it.is_ascii_digit());
    let number = link[name.len()..].parse().unwrap_or_default();
    (name.to_owned(), number, link.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_in_the_order_of_their_numbers() {
        let mut links = ["eth10", "ens6", "eth2", "wan", "eth1"];
        links.sort_by_cached_key(|link| by_number(link));
        assert_eq!(links, ["ens6", "eth1", "eth2", "eth10", "wan"]);
    }

    #[test]
    fn an_eni_is_left_alone_for_minutes_and_no_longer() {
        let which = EniChoice::Mac { mac: "00:16:3e:00:00:02".into(), link: None };
        let other = EniChoice::Mac { mac: "00:16:3e:00:00:03".into(), link: None };
        let (now, mut known) = (Timestamp::now(), Several::default());
        known.leave_alone(&which, &Failure::NoLink, now);
        let after = |seconds| now.plus(Duration::from_secs(seconds));
        assert!(known.left_alone(&which, after(299)).is_some());
        assert!(known.left_alone(&which, after(300)).is_none() && known.left_alone(&other, now).is_none());
        known.use_again(&which);
        assert!(known.left_alone(&which, now).is_none());
    }
}
