//! How many durations were not longer than so much.

use std::time::Duration;

/// The upper bounds, as Prometheus has them and in microseconds. An ADD or a DEL takes some milliseconds by itself, ECS answers after
/// some hundred, and no call may take longer than `timeoutSeconds`, 25 by default.
pub(super) const BOUNDS: [(&str, u64); 14] = [
    ("0.005", 5_000),
    ("0.01", 10_000),
    ("0.025", 25_000),
    ("0.05", 50_000),
    ("0.1", 100_000),
    ("0.25", 250_000),
    ("0.5", 500_000),
    ("1", 1_000_000),
    ("2.5", 2_500_000),
    ("5", 5_000_000),
    ("10", 10_000_000),
    ("30", 30_000_000),
    ("60", 60_000_000),
    ("+Inf", u64::MAX),
];

/// Durations, counted by the first bound that they do not exceed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    counts: [u64; BOUNDS.len()],
    /// All of them added up, in microseconds.
    sum: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|(_, bound)| micros <= *bound).unwrap_or(BOUNDS.len() - 1);
        self.counts[place] = self.counts[place].saturating_add(1);
        self.sum = self.sum.saturating_add(micros);
    }

    /// Adds what another has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (own, count) in self.counts.iter_mut().zip(other.counts) {
            *own = own.saturating_add(count);
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// For each bound, how many do not exceed it.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut sum = 0_u64;
        BOUNDS.iter().zip(self.counts).map(move |((bound, _), count)| {
            sum = sum.saturating_add(count);
            (*bound, sum)
        })
    }

    /// The sum in seconds.
    pub(super) fn seconds(&self) -> String {
        format!("{}.{:06}", self.sum / 1_000_000, self.sum % 1_000_000)
    }

    /// Its numbers, the sum first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        [self.sum].into_iter().chain(self.counts)
    }

    /// The one with these numbers; `None` where they are not as many as it has.
    pub(super) fn of_numbers(numbers: &[u64]) -> Option<Self> {
        let (sum, counts) = numbers.split_first()?;
        Some(Self { counts: counts.try_into().ok()?, sum: *sum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_each_bucket_that_it_does_not_exceed() {
        let mut histogram = Histogram::default();
        for micros in [0, 5_000, 5_001, 60_000_000, 60_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        let cumulated: Vec<_> = histogram.cumulated().collect();
        assert_eq!(cumulated[..2], [("0.005", 2), ("0.01", 3)]);
        assert_eq!(cumulated[12..], [("60", 4), ("+Inf", 5)]);
        assert_eq!((histogram.count(), histogram.seconds().as_str()), (5, "120.010002"));
        let numbers: Vec<_> = histogram.numbers().collect();
        assert_eq!(Histogram::of_numbers(&numbers), Some(histogram));
        assert_eq!(Histogram::of_numbers(&numbers[1..]), None);
    }

    #[test]
    fn bounds_rise_and_are_the_same_in_both_forms() {
        assert!(BOUNDS.windows(2).all(|pair| pair[0].1 < pair[1].1));
        for (text, micros) in &BOUNDS[..BOUNDS.len() - 1] {
            assert_eq!(Duration::from_secs_f64(text.parse().unwrap()), Duration::from_micros(*micros));
        }
    }
}
