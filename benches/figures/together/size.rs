//! What is measured, and what comes of it.

use std::time::Duration;

use super::super::report::Scale;

/// How many pods, on how many ENIs, and how long ECS takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size {
    pub(super) pods: usize,
    pub(super) enis: usize,
    pub(super) latency: Duration,
}

/// Whether the pods start or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Add,
    Del,
}

/// What it took until the last pod was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// How many requests ECS got, of any kind.
    pub(super) requests: usize,
    /// How many of them it refused, because another request had the ENI.
    pub(super) conflicts: usize,
    /// How many pods were not served.
    pub(super) failed: usize,
    /// From the moment of the calls to the last answer.
    pub(super) wall: Duration,
    /// The most mutations of one ENI that ECS had at once.
    pub(super) overlap: usize,
}

/// How many pods a node has.
pub(super) fn pods(scale: Scale) -> &'static [usize] {
    scale.pick(&[10], &[10, 30, 110, 250])
}

/// How long an answer takes.
pub(super) fn latencies(scale: Scale) -> Vec<Duration> {
    let all: &[u64] = scale.pick(&[50], &[50, 200, 500]);
    all.iter().copied().map(Duration::from_millis).collect()
}

/// On how many ENIs the pods are.
pub(super) const ENIS: [usize; 2] = [1, 3];

/// Everything, row by row.
pub(super) fn sizes(scale: Scale) -> Vec<Size> {
    let mut sizes = Vec::new();
    for &pods in pods(scale) {
        for enis in ENIS {
            sizes.extend(latencies(scale).into_iter().map(|latency| Size { pods, enis, latency }));
        }
    }
    sizes
}

impl Outcome {
    /// The wall time as a multiple of what the requests would take one after the other, if nothing but ECS took time.
    pub(super) fn stretch(&self, latency: Duration) -> f64 {
        let carried_out = u32::try_from(self.requests - self.conflicts).unwrap_or(u32::MAX);
        self.wall.as_secs_f64() / (f64::from(carried_out) * latency.as_secs_f64())
    }

    /// The one with the median wall time.
    pub(super) fn median(mut runs: Vec<Self>) -> Self {
        runs.sort_by_key(|run| run.wall);
        // What may differ without being slower is the worst of all.
        let worst = |of: fn(&Self) -> usize| runs.iter().map(of).max().unwrap_or_default();
        let (failed, overlap) = (worst(|it| it.failed), worst(|it| it.overlap));
        Self { failed, overlap, ..runs[runs.len() / 2] }
    }
}
