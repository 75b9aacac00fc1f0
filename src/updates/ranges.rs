//! Which parts of a file came, over several transactions and connections.

/// Most disjoint ranges of one file; with more, further ones do not count.
const MAX_RANGES: usize = 256;

/// Disjoint ranges of bytes, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    }
}
