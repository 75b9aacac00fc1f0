//! Hash to slot, in one look into memory.
//!
//! An open table with linear probing (Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithms L and R). An entry is the
//! upper half of a hash and a slot: the eight entries of a line tell whether a flow may be there, so that no other flow is touched, and
//! the table grows without a look at any.

use crate::types::hints::{large_pages, prefetch};

/// Entries of a table without flows, as a power of two.
const FEWEST: u32 = 4;
/// At most so many of eight entries are in use: with more, what is not there takes long to be found missing.
const FULL_EIGHTHS: usize = 5;
/// Nothing.
const EMPTY: u64 = 0;

/// Slots by the hashes of their flows' keys.
#[derive(Debug)]
pub(super) struct Index {
    /// The upper half of a hash, and the slot plus one; [`EMPTY`].
    entries: Vec<u64>,
    /// Their number as a power of two: so many upper bits of a hash tell where its entry is at home.
    bits: u32,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            entries: vec![EMPTY; 1 << FEWEST],
            bits: FEWEST,
            len: 0,
        }
    }
}

impl Index {
    /// How many slots there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first slot with this hash that `is_it` says yes to.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let entry = *self.entries.get(at)?;
            if entry == EMPTY {
                return None;
            }
            if is_of(entry, hash) && is_it(slot(entry)) {
                return Some(slot(entry));
            }
            at = self.behind(at);
        }
    }

    /// The core fetches what [`Self::find`] looks at first.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if let Some(entry) = self.entries.get(self.home(hash)) {
            prefetch(entry, 1);
        }
    }

    /// Puts in a slot that is not there, below `u32::MAX`.
    pub fn insert(&mut self, hash: u64, slot: u32) {
        if (self.len + 1) * 8 > self.entries.len() * FULL_EIGHTHS {
            self.grow();
        }
        self.len += 1;
        self.put(entry(hash, slot));
    }

    /// Takes out a slot.
    pub fn remove(&mut self, hash: u64, slot: u32) {
        let wanted = entry(hash, slot);
        let mut at = self.home(hash);
        loop {
            match self.entries.get(at) {
                Some(entry) if *entry == wanted => return self.take_out(at),
                Some(entry) if *entry != EMPTY => at = self.behind(at),
                _ => return,
            }
        }
    }

    /// Empties a place; entries behind it that may stand nearer to their homes move up.
    fn take_out(&mut self, mut hole: usize) {
        self.len -= 1;
        let mut at = self.behind(hole);
        while let Some(&entry) = self.entries.get(at).filter(|entry| **entry != EMPTY) {
            let distance = |from: usize| at.wrapping_sub(from) & (self.entries.len() - 1);
            if distance(self.home(entry)) >= distance(hole) {
                self.write(hole, entry);
                hole = at;
            }
            at = self.behind(at);
        }
        self.write(hole, EMPTY);
    }

    fn grow(&mut self) {
        self.bits += 1;
        let larger = vec![EMPTY; 1 << self.bits];
        large_pages(&larger);
        for entry in std::mem::replace(&mut self.entries, larger) {
            if entry != EMPTY {
                self.put(entry);
            }
        }
    }

    /// Writes an entry into the first place from its home on that is empty.
    fn put(&mut self, entry: u64) {
        let mut at = self.home(entry);
        while self.entries.get(at).is_some_and(|entry| *entry != EMPTY) {
            at = self.behind(at);
        }
        self.write(at, entry);
    }

    fn write(&mut self, at: usize, entry: u64) {
        if let Some(place) = self.entries.get_mut(at) {
            *place = entry;
        }
    }

    /// Where the entry of a hash is looked for first; an entry tells it as well as its hash.
    const fn home(&self, hash: u64) -> usize {
        (hash >> (u64::BITS - self.bits)) as usize
    }

    const fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }
}

const fn entry(hash: u64, slot: u32) -> u64 {
    hash >> 32 << 32 | (slot as u64 + 1)
}

const fn slot(entry: u64) -> u32 {
    (entry as u32).wrapping_sub(1)
}

const fn is_of(entry: u64, hash: u64) -> bool {
    (entry ^ hash) >> 32 == 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Hashes of few homes, the last ones as well: entries stand in one another's way, and over the end.
        #[test]
        fn slots_are_found_as_in_a_map(
            steps in prop::collection::vec((any::<bool>(), 0..60_u32, 0..4_u64, 0..3_u64), 0..400)
        ) {
            let (mut index, mut map) = (Index::default(), BTreeMap::<u32, u64>::new());
            for (is_put, slot, home, tag) in steps {
                match map.remove(&slot) {
                    Some(hash) => index.remove(hash, slot),
                    None if is_put => {
                        let hash = (home << 62).wrapping_sub(tag << 32);
                        index.insert(hash, slot);
                        map.insert(slot, hash);
                    }
                    None => {}
                }
                prop_assert_eq!(index.len(), map.len());
                for slot in 0..60 {
                    let hash = map.get(&slot).copied();
                    let found = index.find(hash.unwrap_or_default(), |other| other == slot);
                    prop_assert_eq!(found, hash.map(|_| slot));
                }
            }
        }
    }

    #[test]
    fn it_stays_quick_to_miss() {
        let mut index = Index::default();
        for slot in 0..1_000 {
            index.insert(u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15), slot);
            assert!(index.len() * 8 <= index.entries.len() * FULL_EIGHTHS);
        }
    }
}
