//! Which places of a table were ever written, a bit for each.
//!
//! The bits lie in a core's own cache, where the table does not: most look-ups find nothing, and in a flood of addresses that nobody asked
//! for nearly all. And a page of the table that was never written is not read, for then the kernel would have to make it twice, and
//! every core forget where the first one was.

use std::sync::atomic::{AtomicU64, Ordering};

use super::lines::zeroed;

const BITS: usize = u64::BITS as usize;

/// Places that were used. A bit is set before what it tells of is published: who comes after that, by whatever orders threads, sees the
/// bit too; who does not may miss both.
#[derive(Debug)]
pub(super) struct Used {
    words: Box<[AtomicU64]>,
    places: usize,
}

impl Used {
    /// None of so many places, a power of two.
    pub fn new(places: usize) -> Self {
        Self {
            words: zeroed(places.div_ceil(BITS)),
            places,
        }
    }

    /// Whether the place of a hash was used.
    pub fn has(&self, hash: u64) -> bool {
        let (word, bit) = self.bit(hash);
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// Whether one of the places around that of a hash was used: nearly always they are in one page.
    pub fn has_near(&self, hash: u64) -> bool {
        let (word, _) = self.bit(hash);
        word.load(Ordering::Relaxed) != 0
    }

    /// The place of a hash is used from now on; whether it was before.
    pub fn note(&self, hash: u64) -> bool {
        let was_used = self.has(hash);
        if !was_used {
            let (word, bit) = self.bit(hash);
            word.fetch_or(bit, Ordering::Relaxed);
        }
        was_used
    }

    #[allow(clippy::indexing_slicing)] // There are as many bits as places, and the mask keeps the place below their number.
    fn bit(&self, hash: u64) -> (&AtomicU64, u64) {
        let place = hash as usize & (self.places - 1);
        (&self.words[place / BITS], 1 << (place % BITS))
    }
}
