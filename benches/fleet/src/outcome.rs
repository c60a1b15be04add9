//! What came of a scenario.

use std::time::Duration;

use serde_json::{Value, json};

use crate::account::Counts;

/// How long calls of one verb took.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// What this share of them took at most; zero where there were none.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank"
    )]
    fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The median, the 99th percentile and the longest.
    fn in_seconds(&self) -> [f64; 3] {
        [0.5, 0.99, 1.0].map(|share| self.quantile(share).as_secs_f64())
    }
}

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub scenario: &'static str,
    /// How many nodes there were.
    pub nodes: usize,
    /// How many pods each had.
    pub pods: usize,
    /// How many addresses each keeps.
    pub reserve: usize,
    /// The most addresses that ECS takes in one request.
    pub most_per_request: usize,
    /// How many pods ended.
    pub ended: usize,
    /// How many pods started.
    pub started: usize,
    /// What ECS was asked.
    pub counts: Counts,
    /// From the beginning, or the end of the outage, until every pod had its address and every other address was back.
    pub recovered: Option<Duration>,
    /// How long the quota makes that take at least: for the requests that are needed, the addresses of each node in as few as ECS
    /// takes.
    pub necessary: Duration,
    /// ADDs that succeeded.
    pub adds: Times,
    /// ADDs that failed.
    pub failed_adds: usize,
    /// DELs.
    pub dels: Times,
    /// The most calls of the plugin that were under way at once.
    pub at_once: usize,
}

impl Outcome {
    /// As one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "nodes": self.nodes,
            "pods": self.pods,
            "reserve": self.reserve,
            "mostPerRequest": self.most_per_request,
            "ended": self.ended,
            "started": self.started,
            "unassign": self.counts.unassign,
            "assign": self.counts.assign,
            "describe": self.counts.describe,
            "throttled": self.counts.throttled,
            "lost": self.counts.lost,
            "overlaps": self.counts.overlaps,
            "recoveredSeconds": self.recovered.map(|it| it.as_secs_f64()),
            "necessarySeconds": self.necessary.as_secs_f64(),
            "addSeconds": self.adds.in_seconds(),
            "failedAdds": self.failed_adds,
            "delSeconds": self.dels.in_seconds(),
            "callsAtOnce": self.at_once,
        })
    }
}
