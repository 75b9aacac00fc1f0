//! Words in lines of the cache: what lies in one line costs one access to memory, however many of its words are read.

use std::sync::atomic::AtomicU64;

use crate::types::hints::large_pages;

/// Words of a line.
pub const LINE: usize = 8;

/// So many lines, a power of two.
#[derive(Debug)]
pub struct Lines {
    words: Box<[AtomicU64]>,
    /// Words before the first line.
    skew: usize,
    count: usize,
}

impl Lines {
    /// As [`Self::new`], to be filled from one end.
    pub fn ring(count: usize) -> Self {
        let lines = Self::new(count);
        large_pages(&lines.words);
        lines
    }

    /// At least `count` lines of zeros.
    pub fn new(count: usize) -> Self {
        let count = count.max(1).next_power_of_two();
        let words: Box<[AtomicU64]> = zeroed((count + 1) * LINE);
        Self {
            // At most a line, as the words themselves are aligned.
            skew: words
                .as_ptr()
                .align_offset(LINE * size_of::<AtomicU64>())
                .min(LINE),
            words,
            count,
        }
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The line at `place`, which begins anew behind the last.
    #[allow(clippy::indexing_slicing)] // There are `count` lines behind the skew, a power of two, and the mask keeps the place below it.
    pub fn line(&self, place: usize) -> &[AtomicU64; LINE] {
        &self.words[self.skew..].as_chunks().0[place & (self.count - 1)]
    }
}

/// Atomics that the kernel gives zeroed, a page at its first use: a table that is hardly used takes hardly any memory.
pub(super) fn zeroed<T: bytemuck::Zeroable>(length: usize) -> Box<[T]> {
    bytemuck::zeroed_slice_box(length)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn lines_begin_where_those_of_the_cache_do_and_share_no_word() {
        let lines = Lines::new(5);
        assert_eq!(lines.count(), 8);
        for place in 0..8 {
            let line = lines.line(place);
            assert_eq!(line.as_ptr().addr() % 64, 0);
            for word in line {
                assert_eq!(word.swap(1, Ordering::Relaxed), 0);
            }
        }
        assert_eq!(lines.line(8).as_ptr(), lines.line(0).as_ptr());
    }
}
