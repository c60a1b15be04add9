//! What is remembered of an ENI from one process to the next.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::store::schema::SCHEMA;

/// How long a request whose outcome nobody saw may still take effect. Alibaba Cloud states no bound; its own SDKs give up
/// on an answer after 10 to 20 seconds.
pub const IN_DOUBT_FOR: Duration = Duration::from_mins(1);

/// How long ECS's word that no address is left is taken to hold.
const FULL_FOR: Duration = Duration::from_mins(5);

/// The file `eni/<id>.json`: written under the ENI's lock, read by anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EniState {
    schema: u32,
    /// What the holder of the lock has asked ECS to unassign. Still there when the next one takes the lock, the request may
    /// be on its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) in_flight: Vec<IpAddr>,
    /// Addresses that such a request may still take away, whoever has them by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) suspects: Vec<InDoubt>,
    /// Why nobody should ask ECS to release anything of this ENI at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// When ECS last said that it has no address left for this ENI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) full: Option<Timestamp>,
    /// The boot in which it was seen, for a release, that the ENI is attached to this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ours_in: Option<String>,
}

/// An address whose release was asked for with an outcome that nobody saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InDoubt {
    pub(super) address: IpAddr,
    pub(super) until: Timestamp,
}

/// The last attempt to release from an ENI failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// How many attempts in a row have.
    pub attempts: u32,
    /// The next one should not come before this moment.
    pub not_before: Timestamp,
    /// When the first of them did.
    pub since: Timestamp,
    /// Why the last one did.
    pub error: String,
    /// Whether trying again is of no use before a person has changed something.
    #[serde(default)]
    pub permanent: bool,
    /// Whether whoever tried last gave up: then nobody waits for `not_before` to come, and who comes after it tries once.
    #[serde(default)]
    pub gave_up: bool,
}

impl Default for EniState {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            in_flight: Vec::new(),
            suspects: Vec::new(),
            backoff: None,
            full: None,
            ours_in: None,
        }
    }
}

impl EniState {
    /// Whether the ENI was seen to be this instance's in this boot.
    #[must_use]
    pub fn is_ours_in(&self, boot_id: &str) -> bool {
        self.ours_in.as_deref() == Some(boot_id)
    }

    /// When ECS said, not long before `now`, that it has no address left for this ENI. An older answer says nothing: others
    /// may have made room, and while nobody asks nobody would ever know.
    #[must_use]
    pub fn full_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.full.filter(|full| full.age(now) < FULL_FOR)
    }

    /// Whether a release of `address` that nobody saw the end of may still take effect.
    #[must_use]
    pub fn is_in_doubt(&self, address: IpAddr, now: Timestamp) -> bool {
        self.suspects.iter().any(|suspect| suspect.address == address && suspect.until > now)
    }

    /// Ends every suspicion a whole one from `now` at the latest: one that lasts longer was written before the clock was set
    /// back. Whether that changes anything.
    pub(super) fn bound_doubts(&mut self, now: Timestamp) -> bool {
        let most = now.plus(IN_DOUBT_FOR);
        let before = self.suspects.clone();
        self.suspects.iter_mut().for_each(|suspect| suspect.until = suspect.until.min(most));
        self.suspects != before
    }

    /// Remembers that the outcome of releasing `addresses` is unknown.
    pub(super) fn suspect(&mut self, addresses: &[IpAddr], now: Timestamp) {
        self.suspects.retain(|suspect| suspect.until > now && !addresses.contains(&suspect.address));
        let until = now.plus(IN_DOUBT_FOR);
        self.suspects.extend(addresses.iter().map(|&address| InDoubt { address, until }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspicion_ends_after_a_minute_and_is_renewed_by_another_unknown_outcome() {
        let (first, second) = (IpAddr::from([192, 168, 0, 1]), IpAddr::from([192, 168, 0, 2]));
        let start = Timestamp::now();
        let mut state = EniState::default();
        state.suspect(&[first, second], start);
        let later = start.plus(Duration::from_secs(40));
        state.suspect(&[second], later);
        let end = start.plus(IN_DOUBT_FOR);
        assert!(state.is_in_doubt(first, later) && !state.is_in_doubt(first, end));
        assert!(state.is_in_doubt(second, end) && !state.is_in_doubt(second, later.plus(IN_DOUBT_FOR)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_a_suspicion_endless() {
        let address = IpAddr::from([192, 168, 0, 1]);
        let now = Timestamp::now();
        let mut state = EniState::default();
        state.suspect(&[address], now.plus(Duration::from_hours(8)));
        assert!(state.bound_doubts(now));
        assert!(state.is_in_doubt(address, now.plus(IN_DOUBT_FOR / 2)));
        assert!(!state.is_in_doubt(address, now.plus(IN_DOUBT_FOR)));
        assert!(!state.bound_doubts(now.plus(Duration::from_secs(1))));
    }
}
