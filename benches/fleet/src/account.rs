//! The account: its quota, what it has been asked, and when it does not answer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Served,
    Throttled,
    /// It is taken, and neither carried out nor answered.
    Lost,
}

/// One account in one region. ECS counts the calls of each action by the minute of the clock; what comes after the last one is refused
/// until the minute ends. (Documentation of API throttling, alibabacloud.com/help doc-detail 437902.)
#[derive(Debug)]
pub(crate) struct Account {
    /// Calls of one action a minute; `None`: as many as anybody likes.
    pub(crate) quota: Option<u32>,
    outage: Range<Duration>,
    minute: u128,
    used: BTreeMap<String, u32>,
    pub(crate) counts: Counts,
}

/// How many calls there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// To release addresses.
    pub unassign: u64,
    /// To get addresses.
    pub assign: u64,
    /// To look.
    pub describe: u64,
    /// Of all these, those that were refused for the quota.
    pub throttled: u64,
    /// Those that nobody answered.
    pub lost: u64,
    /// Mutations of an ENI that was being changed already.
    pub overlaps: u64,
}

impl Counts {
    /// Of every kind.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.unassign + self.assign + self.describe
    }
}

impl Account {
    pub(crate) fn new() -> Self {
        Self {
            quota: None,
            outage: Range::default(),
            minute: 0,
            used: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// For that time ECS does not answer.
    pub(crate) fn fail(&mut self, time: Range<Duration>) {
        self.outage = time;
    }

    /// Counts a call of `action` that comes at `now`.
    pub(crate) fn admit(&mut self, action: &str, now: Duration) -> Fate {
        let count = match action {
            _ if action.starts_with("Unassign") => &mut self.counts.unassign,
            _ if action.starts_with("Assign") => &mut self.counts.assign,
            _ => &mut self.counts.describe,
        };
        *count += 1;
        if self.outage.contains(&now) {
            self.counts.lost += 1;
            return Fate::Lost;
        }
        let minute = now.as_nanos() / MINUTE.as_nanos();
        if minute != self.minute {
            self.minute = minute;
            self.used.clear();
        }
        let used = self.used.entry(action.to_owned()).or_default();
        if self.quota.is_some_and(|quota| *used >= quota) {
            self.counts.throttled += 1;
            return Fate::Throttled;
        }
        *used += 1;
        Fate::Served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_quota_of_an_action_is_refused_until_the_minute_ends() {
        let mut account = Account { quota: Some(2), ..Account::new() };
        let fates = |account: &mut Account, seconds: &[u64]| -> Vec<Fate> {
            let at =
                |seconds: &u64| account.admit("UnassignPrivateIpAddresses", Duration::from_secs(*seconds));
            seconds.iter().map(at).collect()
        };
        let (served, throttled) = (Fate::Served, Fate::Throttled);
        assert_eq!(
            fates(&mut account, &[50, 55, 59, 60, 61, 62]),
            [served, served, throttled, served, served, throttled]
        );
        assert_eq!(account.admit("AssignPrivateIpAddresses", Duration::from_secs(62)), served);
        assert_eq!((account.counts.unassign, account.counts.throttled), (6, 2));
    }

    #[test]
    fn an_outage_uses_no_quota() {
        let mut account = Account { quota: Some(1), ..Account::new() };
        account.fail(Duration::from_secs(1)..Duration::from_secs(3));
        let fates = [0, 1, 2, 60].map(|at| account.admit("Unassign", Duration::from_secs(at)));
        assert_eq!(fates, [Fate::Served, Fate::Lost, Fate::Lost, Fate::Served]);
    }
}
