//! What is remembered of an ENI from one process to the next.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::{Timestamp, boot_id};
use crate::base::region::Family;
use crate::store::schema::SCHEMA;

/// How long a request whose outcome nobody saw may still take effect, from when its call gave it up or was found dead. Added
/// up from the longest that it lives in each place, and rounded up:
///
/// - In this node's kernel no time, because a connection is reset when its request is given up and when its process ends,
///   however it ends (`cloud::http`). Counted are the 23 s that are left if that fails: `TCP_USER_TIMEOUT` ends every attempt
///   to deliver 10 s after the first. Kernels before 4.19 look at it only when they retransmit. The pauses between that double,
///   from 3 s at most, so they look before 20 s and the first pause have passed.
/// - In the network 5 s, for what was sent before the reset. (RFC 9293 says two minutes, but no queue of today is that long.)
/// - In ECS 20 s. Alibaba Cloud states no bound; its own SDKs give up on an answer after 10 to 20 seconds.
///
/// A proxy is in none of these places: what it has read, its kernel may deliver for a quarter of an hour.
pub(crate) const IN_DOUBT_FOR: Duration = Duration::from_mins(1);

/// No moment to wait for lies further ahead: the longest call (ten minutes), and the time after it in which its requests
/// can still take effect.
pub(crate) const MAX_WAIT: Duration = Duration::from_mins(15);

/// How long ECS's word that no address is left is taken to hold.
const FULL_FOR: Duration = Duration::from_mins(5);

/// The file `eni/<id>.json`: written under the ENI's lock, read by anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EniState {
    schema: u32,
    /// What the holder of the lock has asked ECS to unassign. If the next holder still finds it, the outcome of that request
    /// is in doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) in_flight: Vec<IpAddr>,
    /// Addresses that such a request may still take away, even from another pod.
    #[serde(rename = "suspects", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) in_doubt: Vec<InDoubt>,
    /// Addresses that ECS has assigned again to the record that has them: a description may not show them yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) assigned_again: Vec<AssignedAgain>,
    /// Why nobody should ask ECS to release anything of this ENI at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Why nobody should look into the ENI's requests in doubt at the moment. Releases do not wait for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolving: Option<Backoff>,
    /// When ECS last said that it has no address left for this ENI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) full: Option<Timestamp>,
    /// When ECS last said that it has fewer than so many addresses left for this ENI: of more than one, the refusal of which
    /// does not make the ENI full.
    #[serde(default, skip_serializing_if = "PerFamily::is_empty")]
    pub(super) fewer_than: PerFamily<FewerThan>,
    /// The most addresses that ECS has been seen to take in one request about this ENI, where it refused more.
    #[serde(default, skip_serializing_if = "PerFamily::is_empty")]
    pub(super) most_per_request: PerFamily<MostPerRequest>,
    /// Why nobody should ask ECS to assign anything to this ENI at the moment: the account has made too many calls.
    #[serde(default, skip_serializing_if = "PerFamily::is_empty")]
    pub(super) assigning: PerFamily<Backoff>,
    /// The boot in which it was seen, for a release, that the ENI is attached to this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ours_in: Option<String>,
    /// When the names of the ENI's entries in the reserve had last changed, as of which all is durable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reserve_durable: Option<u64>,
}

/// An address that ECS was asked to release, with an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InDoubt {
    pub(super) address: IpAddr,
    pub(super) until: Timestamp,
}

/// An address that was off the ENI, and that a description shows again from this moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AssignedAgain {
    pub(super) address: IpAddr,
    pub(super) until: Timestamp,
}

/// What is remembered of each family: ECS has an action of its own for each, and so limits of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PerFamily<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv4: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Option<T>,
}

impl<T> Default for PerFamily<T> {
    fn default() -> Self {
        Self { ipv4: None, ipv6: None }
    }
}

impl<T> PerFamily<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.ipv4.is_none() && self.ipv6.is_none()
    }

    fn get(&self, family: Family) -> Option<&T> {
        match family {
            Family::V4 => self.ipv4.as_ref(),
            Family::V6 => self.ipv6.as_ref(),
        }
    }

    pub(super) fn get_mut(&mut self, family: Family) -> &mut Option<T> {
        match family {
            Family::V4 => &mut self.ipv4,
            Family::V6 => &mut self.ipv6,
        }
    }
}

/// ECS refused to assign so many addresses at once, because fewer were left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FewerThan {
    count: usize,
    at: Timestamp,
}

impl FewerThan {
    fn holds(&self, now: Timestamp) -> bool {
        holds(self.at, now)
    }
}

/// ECS refused a request for more addresses than these, as a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MostPerRequest {
    count: usize,
    /// The boot in which it did. The limit may change with the instance type, and that needs a boot.
    boot_id: String,
}

/// The last attempt of a kind on an ENI failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// How many attempts in a row have failed.
    pub attempts: u32,
    /// The next one should not come before this moment.
    pub not_before: Timestamp,
    /// When the first of them failed.
    pub since: Timestamp,
    /// Why the last one failed.
    pub error: String,
    /// Whether trying again cannot succeed before a person has changed something.
    #[serde(default)]
    pub permanent: bool,
    /// Whether the last caller gave up. Then nobody waits for `not_before`, and the next call after it tries once.
    #[serde(default)]
    pub gave_up: bool,
    /// Whether ECS limits the account's requests: whoever has the time waits until it takes some again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub throttled: bool,
}

impl Default for EniState {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            in_flight: Vec::new(),
            in_doubt: Vec::new(),
            assigned_again: Vec::new(),
            backoff: None,
            resolving: None,
            full: None,
            fewer_than: PerFamily::default(),
            most_per_request: PerFamily::default(),
            assigning: PerFamily::default(),
            ours_in: None,
            reserve_durable: None,
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
    /// may have made room, and while nobody asks nobody would ever know. One from the future was written before the clock was
    /// set back.
    #[must_use]
    pub fn full_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.full.filter(|full| holds(*full, now))
    }

    /// The number of addresses that ECS refused to assign to this ENI in one request, not long before `now`, because it has
    /// fewer left: no request should ask for so many. That none at all is left, [`EniState::full_at`] says.
    #[must_use]
    pub fn fewer_than(&self, family: Family, now: Timestamp) -> Option<usize> {
        self.fewer_than.get(family).filter(|it| it.holds(now)).map(|it| it.count)
    }

    /// The most addresses to name, or to ask for, in one request about this ENI: the `configured` number, unless ECS has
    /// refused as many in this boot.
    #[must_use]
    pub fn max_per_request(&self, family: Family, configured: usize) -> usize {
        self.max_per_request_in(&boot_id(), family, configured)
    }

    fn max_per_request_in(&self, boot_id: &str, family: Family, configured: usize) -> usize {
        let learned = self.learned_most_in(boot_id, family);
        learned.map_or(configured, |count| count.clamp(1, configured.max(1)))
    }

    /// The most addresses that ECS takes in one request about this ENI, where it has refused more in this boot.
    #[must_use]
    pub fn learned_most(&self, family: Family) -> Option<usize> {
        self.learned_most_in(&boot_id(), family)
    }

    fn learned_most_in(&self, boot_id: &str, family: Family) -> Option<usize> {
        self.most_per_request.get(family).filter(|it| it.boot_id == boot_id).map(|it| it.count)
    }

    /// Remembers that ECS takes no more than `count` addresses in one request.
    pub(super) fn learn_most_per_request(&mut self, family: Family, count: usize, boot_id: &str) {
        *self.most_per_request.get_mut(family) = Some(MostPerRequest { count, boot_id: boot_id.to_owned() });
    }

    /// Remembers that ECS has fewer than `count` addresses left; of several such answers, the one that says the least is kept.
    pub(super) fn learn_fewer_than(&mut self, family: Family, count: usize, now: Timestamp) {
        let known = self.fewer_than(family, now).unwrap_or(count);
        *self.fewer_than.get_mut(family) = Some(FewerThan { count: known.min(count), at: now });
    }

    /// Counts what ECS has assigned off what was left. If it has assigned more than that, nothing is known any more; if nothing can be
    /// left, the ENI is full. Returns whether anything was remembered.
    pub(super) fn count_off(&mut self, family: Family, assigned: usize) -> bool {
        let remembered = self.fewer_than.get_mut(family);
        let Some(FewerThan { count, at }) = remembered.take() else { return false };
        match count.saturating_sub(assigned) {
            0 => {}
            1 => self.full = Some(at),
            fewer => *remembered = Some(FewerThan { count: fewer, at }),
        }
        true
    }

    /// The last refusal of addresses of `family` because the account had made too many calls.
    #[must_use]
    pub fn assigning(&self, family: Family) -> Option<&Backoff> {
        self.assigning.get(family)
    }

    /// Whether an earlier release of `address` may still take effect.
    #[must_use]
    pub fn is_in_doubt(&self, address: IpAddr, now: Timestamp) -> bool {
        self.in_doubt.iter().any(|it| it.address == address && it.until > now)
    }

    /// Whether ECS has assigned `address` again so short a while ago that a description need not show it. A moment that lies
    /// too far ahead was written before the clock was set back.
    #[must_use]
    pub fn is_assigned_again(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut entries = self.assigned_again.iter();
        entries.any(|it| it.address == address && !it.until.wait(now, MAX_WAIT).is_zero())
    }

    /// Remembers that a description may not show `address` before `until`.
    pub(super) fn mark_assigned_again(&mut self, address: IpAddr, until: Timestamp, now: Timestamp) {
        self.assigned_again.retain(|it| it.until > now && it.address != address);
        self.assigned_again.push(AssignedAgain { address, until });
    }

    /// Ends every doubt [`IN_DOUBT_FOR`] from `now` at the latest. One that lasts longer was written before the clock was set
    /// back. Returns whether that changed anything.
    pub(super) fn bound_doubts(&mut self, now: Timestamp) -> bool {
        let most = now.plus(IN_DOUBT_FOR);
        let before = self.in_doubt.clone();
        self.in_doubt.iter_mut().for_each(|it| it.until = it.until.min(most));
        self.in_doubt != before
    }

    /// Remembers that the outcome of releasing `addresses` is unknown.
    pub(super) fn mark_in_doubt(&mut self, addresses: &[IpAddr], now: Timestamp) {
        self.in_doubt.retain(|it| it.until > now && !addresses.contains(&it.address));
        let until = now.plus(IN_DOUBT_FOR);
        self.in_doubt.extend(addresses.iter().map(|&address| InDoubt { address, until }));
    }
}

/// Whether what ECS said of the room on an ENI `at` some moment is still taken to hold. What lies in the future was written
/// before the clock was set back.
fn holds(at: Timestamp, now: Timestamp) -> bool {
    at <= now && at.age(now) < FULL_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ecs_takes_in_one_request_is_remembered_for_a_family_and_a_boot() {
        let mut state = EniState::default();
        state.learn_most_per_request(Family::V6, 10, "boot 1");
        for (boot, family, configured, expected) in [
            ("boot 1", Family::V6, 32, 10),
            ("boot 1", Family::V6, 4, 4),
            ("boot 1", Family::V4, 32, 32),
            ("boot 2", Family::V6, 32, 32),
        ] {
            assert_eq!(state.max_per_request_in(boot, family, configured), expected, "{boot} {family:?}");
        }
        // A number that nobody wrote asks for one address, and not for none.
        state.learn_most_per_request(Family::V4, 0, "boot 1");
        assert_eq!(state.max_per_request_in("boot 1", Family::V4, 32), 1);
    }

    #[test]
    fn that_fewer_addresses_are_left_is_remembered_for_five_minutes_and_counts_down() {
        let (start, family) = (Timestamp::now(), Family::V4);
        let mut state = EniState::default();
        state.learn_fewer_than(family, 8, start);
        state.learn_fewer_than(family, 16, start);
        assert_eq!(state.fewer_than(family, start), Some(8));
        assert_eq!(state.fewer_than(Family::V6, start), None);
        assert_eq!(state.fewer_than(family, start.plus(FULL_FOR)), None);
        // Written before the clock was set back.
        state.learn_fewer_than(Family::V6, 8, start.plus(FULL_FOR));
        assert_eq!(state.fewer_than(Family::V6, start), None);
        for (assigned, fewer, is_full) in [(3, Some(5), false), (4, None, true), (1, None, true)] {
            state.count_off(family, assigned);
            assert_eq!(state.fewer_than(family, start), fewer, "{assigned} more");
            assert_eq!(state.full_at(start).is_some(), is_full, "{assigned} more");
        }
        // It has assigned more than it said was left.
        state.full = None;
        state.learn_fewer_than(family, 8, start);
        assert!(state.count_off(family, 8) && !state.count_off(family, 1));
        assert_eq!((state.fewer_than(family, start), state.full_at(start)), (None, None));
        // What is too old to hold does not count beside what is new.
        state.learn_fewer_than(family, 2, start);
        state.learn_fewer_than(family, 16, start.plus(FULL_FOR));
        assert_eq!(state.fewer_than(family, start.plus(FULL_FOR)), Some(16));
    }

    #[test]
    fn a_state_from_before_several_addresses_in_a_request_is_read_and_one_that_knows_nothing_is_written_as_before()
     {
        let written = serde_json::to_string(&EniState::default()).unwrap();
        assert_eq!(written, format!(r#"{{"schema":{SCHEMA}}}"#));
        assert_eq!(serde_json::from_str::<EniState>(&written).unwrap(), EniState::default());
        let mut state = EniState::default();
        state.learn_fewer_than(Family::V6, 8, Timestamp::now());
        state.learn_most_per_request(Family::V4, 10, "boot 1");
        let written = serde_json::to_string(&state).unwrap();
        assert_eq!(
            serde_json::from_str::<EniState>(&written).unwrap().max_per_request_in("boot 1", Family::V4, 32),
            10
        );
    }

    #[test]
    fn an_address_is_in_doubt_for_a_minute_and_again_after_another_unknown_outcome() {
        let (first, second) = (IpAddr::from([192, 168, 0, 1]), IpAddr::from([192, 168, 0, 2]));
        let start = Timestamp::now();
        let mut state = EniState::default();
        state.mark_in_doubt(&[first, second], start);
        let later = start.plus(Duration::from_secs(40));
        state.mark_in_doubt(&[second], later);
        let end = start.plus(IN_DOUBT_FOR);
        assert!(state.is_in_doubt(first, later) && !state.is_in_doubt(first, end));
        assert!(state.is_in_doubt(second, end) && !state.is_in_doubt(second, later.plus(IN_DOUBT_FOR)));
    }

    #[test]
    fn an_address_that_was_assigned_again_may_be_missing_for_a_while() {
        let (address, other) = (IpAddr::from([192, 168, 0, 1]), IpAddr::from([192, 168, 0, 2]));
        let now = Timestamp::now();
        let mut state = EniState::default();
        let until = now.plus(Duration::from_mins(1));
        state.mark_assigned_again(address, until, now);
        state.mark_assigned_again(other, now.plus(Duration::from_hours(8)), now);
        assert!(state.is_assigned_again(address, now) && !state.is_assigned_again(address, until));
        // Written before the clock was set back.
        assert!(!state.is_assigned_again(other, now));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_an_address_in_doubt_for_ever() {
        let address = IpAddr::from([192, 168, 0, 1]);
        let now = Timestamp::now();
        let mut state = EniState::default();
        state.mark_in_doubt(&[address], now.plus(Duration::from_hours(8)));
        assert!(state.bound_doubts(now));
        assert!(state.is_in_doubt(address, now.plus(IN_DOUBT_FOR / 2)));
        assert!(!state.is_in_doubt(address, now.plus(IN_DOUBT_FOR)));
        assert!(!state.bound_doubts(now.plus(Duration::from_secs(1))));
    }
}
