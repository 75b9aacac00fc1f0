//! Delays, counted in fixed buckets: no allocation, and nobody waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in milliseconds; a last bucket takes what is above.
pub const BOUNDS_MS: [u64; 12] = [
    10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
];
const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// Counts of one thread, or a copy of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    buckets: [u64; BUCKETS],
    sum_ms: u64,
}

/// Counts that one thread writes and any thread reads, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct SharedDelays {
    buckets: [AtomicU64; BUCKETS],
    sum_ms: AtomicU64,
}

impl Delays {
    /// `times` delays of this length.
    pub fn add(&mut self, delay: Duration, times: u64) {
        let millis = millis(delay);
        if let Some(bucket) = self.buckets.get_mut(bucket(millis)) {
            *bucket += times;
        }
        self.sum_ms = self.sum_ms.saturating_add(millis.saturating_mul(times));
    }

    /// Adds the counts of another thread.
    pub fn merge(&mut self, other: &Self) {
        for (sum, part) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += part;
        }
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }

    /// How many.
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All together, in milliseconds.
    pub const fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    /// How many were at most as long as each of the bounds.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut sum = 0;
        BOUNDS_MS
            .iter()
            .zip(&self.buckets)
            .map(move |(bound, count)| {
                sum += count;
                (*bound, sum)
            })
    }

    /// How many were at most as long as `bound_ms`, which is one of the bounds.
    pub fn within(&self, bound_ms: u64) -> u64 {
        let mut counts = self.cumulative();
        counts
            .find(|(bound, _)| *bound == bound_ms)
            .map_or(0, |(_, count)| count)
    }
}

impl SharedDelays {
    /// `times` delays of this length; by its one writer.
    pub fn add(&self, delay: Duration, times: u64) {
        let millis = millis(delay);
        let more = |sum: &AtomicU64, more: u64| {
            let sum_now = sum.load(Ordering::Relaxed).saturating_add(more);
            sum.store(sum_now, Ordering::Relaxed);
        };
        if let Some(bucket) = self.buckets.get(bucket(millis)) {
            more(bucket, times);
        }
        more(&self.sum_ms, millis.saturating_mul(times));
    }

    /// The counts of this moment; one that is being added may be half in.
    pub fn read(&self) -> Delays {
        let mut delays = Delays {
            sum_ms: self.sum_ms.load(Ordering::Relaxed),
            ..Delays::default()
        };
        for (copy, bucket) in delays.buckets.iter_mut().zip(&self.buckets) {
            *copy = bucket.load(Ordering::Relaxed);
        }
        delays
    }
}

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

fn bucket(millis: u64) -> usize {
    BOUNDS_MS.partition_point(|bound| *bound < millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_counts_in_every_bound_that_it_keeps() {
        let (mut plain, shared) = (Delays::default(), SharedDelays::default());
        for (millis, times) in [(10, 1), (11, 2), (1_000, 3), (5_001, 4), (900_000, 5)] {
            plain.add(Duration::from_millis(millis), times);
            shared.add(Duration::from_millis(millis), times);
        }
        assert_eq!(plain, shared.read());
        let within = [10, 50, 1_000, 5_000, 10_000, 300_000].map(|bound| plain.within(bound));
        assert_eq!(within, [1, 3, 6, 6, 10, 10]);
        assert_eq!(
            (plain.total(), plain.sum_ms()),
            (15, 10 + 22 + 3_000 + 20_004 + 4_500_000)
        );
        let mut twice = plain.clone();
        twice.merge(&plain);
        assert_eq!((twice.total(), twice.within(50)), (30, 6));
    }
}
