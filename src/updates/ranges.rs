//! Which parts of a file came, over several transactions and connections.

use serde::{Deserialize, Serialize};

/// Most disjoint ranges of one file; with more, further ones do not count.
const MAX_RANGES: usize = 4_096;

/// Disjoint ranges of bytes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds the bytes from `start` up to `end`.
    pub fn add(&mut self, start: u64, end: u64) {
        let first = self.0.partition_point(|range| range.1 < start);
        let last = self.0.partition_point(|range| range.0 <= end);
        if start >= end || (first == last && self.0.len() >= MAX_RANGES) {
            return;
        }
        let touched = self.0.get(first..last).unwrap_or_default();
        let merged = touched.iter().fold((start, end), |(start, end), range| {
            (start.min(range.0), end.max(range.1))
        });
        self.0.splice(first..last, [merged]);
    }

    /// The same, out of a file: in order and disjoint whatever stood there; `None` where it speaks of no file's bytes.
    pub fn checked(&self) -> Option<Self> {
        /// As in records: no integer above 2^53-1.
        const MAX_END: u64 = 1 << 53;
        let mut checked = Self::default();
        for (start, end) in &self.0 {
            if start >= end || *end >= MAX_END {
                return None;
            }
            checked.add(*start, *end);
        }
        Some(checked)
    }

    /// Takes the bytes from `start` up to `end` out.
    pub fn remove(&mut self, start: u64, end: u64) {
        let others = std::mem::take(&mut self.0);
        for (first, last) in others {
            self.add(first, last.min(start));
            self.add(first.max(end), last);
        }
    }

    /// Adds all bytes of others.
    pub fn add_all(&mut self, others: &Self) {
        for (start, end) in &others.0 {
            self.add(*start, *end);
        }
    }

    /// Whether they are all of `size` bytes but the first ones.
    pub fn are_rest_of(&self, size: u64) -> bool {
        matches!(*self.0, [(start, end)] if start > 0 && end >= size)
    }

    /// Bytes of memory that they take.
    pub const fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(u64, u64)>()
    }

    /// How many bytes came.
    pub fn covered(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_ranges_count_once() {
        let mut ranges = Ranges::default();
        for (start, end) in [(0, 10), (20, 30), (5, 22), (30, 30), (40, 50)] {
            ranges.add(start, end);
        }
        assert_eq!(ranges, Ranges(vec![(0, 30), (40, 50)]));
        assert_eq!(ranges.covered(), 40);
        ranges.remove(25, 45);
        assert_eq!(ranges, Ranges(vec![(0, 25), (45, 50)]));
        let mut others = Ranges(vec![(20, 45), (60, 61)]);
        others.add_all(&ranges);
        assert_eq!(others, Ranges(vec![(0, 50), (60, 61)]));
    }

    #[test]
    fn the_rest_of_a_file_is_all_but_its_beginning() {
        let are_rest = |ranges: &[(u64, u64)]| Ranges(ranges.to_vec()).are_rest_of(100);
        assert!(are_rest(&[(1, 100)]));
        for others in [&[(0, 100)][..], &[(1, 99)], &[(1, 50), (60, 100)], &[]] {
            assert!(!are_rest(others), "{others:?}");
        }
    }
}
