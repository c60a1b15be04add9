//! Small fleets: what the figures of the large ones rest on. Time is simulated, so it can be asserted.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use fleet::scenario::Size;
use fleet::{Fleet, Outcome, SCENARIOS};

fn live_through(name: &str, size: Size) -> Outcome {
    let scenario = SCENARIOS.iter().find(|it| it.name == name).unwrap();
    Fleet::new(size, &std::env::temp_dir()).unwrap().live_through(*scenario)
}

const SIZE: Size = Size { nodes: 4, pods: 20, reserve: 0, most_per_request: 32, seed: 1 };

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn unassign_calls_a_pod(outcome: &Outcome) -> f64 {
    outcome.counts.unassign as f64 / outcome.ended as f64
}

#[test]
fn a_drain_shares_requests_whatever_ecs_takes_in_one() {
    for (most_per_request, bound) in [(32, 0.06), (10, 0.15)] {
        let drained = live_through("drain", Size { nodes: 2, pods: 110, most_per_request, ..SIZE });
        assert!(unassign_calls_a_pod(&drained) <= bound, "{}", drained.to_json());
        assert_eq!((drained.counts.overlaps, drained.counts.throttled), (0, 0));
        assert!(drained.recovered.unwrap() < Duration::from_secs(30), "{}", drained.to_json());
    }
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let [one, other] = [(); 2].map(|()| live_through("rolling update", SIZE).counts.all());
    assert_eq!(one, other);
}
