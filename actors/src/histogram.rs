//! Histograms that any thread may add to without waiting: fixed bounds, atomic counts. What metrics read.
//!
//! Knows no name, no unit and no format.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Bounds for times in microseconds, from 100 µs to 5 s: commits, deliveries.
pub const MICROSECONDS: &[u64] = &[
    100, 250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];
/// Bounds for lateness in microseconds, from on time to 1 s: fine where the contract's bound of 5 ms is.
pub const LATENESS: &[u64] = &[
    0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000, 15_000, 20_000, 50_000, 100_000, 250_000,
    1_000_000,
];
/// Bounds for counts, from 1 to 16,384: what piled up in a queue, what went into a batch.
pub const COUNTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096, 16_384];

/// A histogram. Each value is counted once, in the first bound that it does not exceed.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds: the last is for whatever exceeds them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Upper bounds, inclusive, each with the number of values up to it (those of smaller bounds included).
    pub buckets: Vec<(u64, u64)>,
    /// All values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl Histogram {
    /// Makes an empty one with these bounds, which have to grow.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Adds a value.
    pub fn add(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// Adds a time, in microseconds.
    pub fn add_time(&self, time: Duration) {
        self.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What there is now. Values that are added meanwhile may be counted and not yet summed, or the reverse.
    pub fn snapshot(&self) -> Snapshot {
        let mut count = 0;
        let mut up_to = |own: &AtomicU64| {
            count += own.load(Relaxed);
            count
        };
        let buckets = self.bounds.iter().zip(&self.counts).map(|(bound, own)| (*bound, up_to(own))).collect();
        if let Some(beyond) = self.counts.last() {
            up_to(beyond);
        }
        Snapshot { buckets, count, sum: self.sum.load(Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 1_000] {
            histogram.add(value);
        }
        let Snapshot { buckets, count, sum } = histogram.snapshot();
        assert_eq!(buckets, [(1, 2), (10, 4), (100, 5)]);
        assert_eq!((count, sum), (6, 1_024));
    }

    #[test]
    fn times_are_in_microseconds() {
        let histogram = Histogram::new(MICROSECONDS);
        histogram.add_time(Duration::from_millis(3));
        assert_eq!(histogram.snapshot().sum, 3_000);
    }
}
