//! Which flows had packets since somebody last asked: a bit for each place of the table.
//!
//! A packet sets one bit; only flows with a bit are looked at, so a minute costs what was busy in it, however many flows there are.

/// Bits by slot.
#[derive(Debug, Default)]
pub(super) struct Active {
    words: Vec<u64>,
}

impl Active {
    /// A packet came for the flow at `slot`.
    pub fn note(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, slot % 64);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Tells every slot that was noted since the last call, from the lowest on.
    pub fn take(&mut self, mut each: impl FnMut(u32)) {
        for (word, base) in self.words.iter_mut().zip((0_u32..).step_by(64)) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                each(base + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_told_once() {
        let mut active = Active::default();
        for slot in [200, 3, 63, 64, 3] {
            active.note(slot);
        }
        let mut told = Vec::new();
        active.take(|slot| told.push(slot));
        assert_eq!(told, [3, 63, 64, 200]);
        active.take(|slot| panic!("{slot}"));
    }
}
