//! Names, each stored once, in a ring of fixed size.
//!
//! A text lives at a *position* that only grows; its words lie at the position modulo the ring's length. The ring's head says how
//! far writers have reserved, so a text is whole as long as the head has not passed it by more than the ring's length: a reader
//! copies first and asks that afterwards. A text that is asked for again in the older half of the ring is copied forward, so
//! what is in use stays.
//!
//! Memory order: a writer reserves (`head`), fences (release), writes words; a reader reads words, fences (acquire), reads
//! `head`. A reader that saw one overwritten word therefore sees the reservation that overwrote it.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use foldhash::fast::FixedState;

use super::lines::{LINE, Lines, zeroed};
use super::used::Used;

/// Longest text: sixteen names of which every octet is escaped.
const MAX_TEXT: usize = 16 << 10;
/// Low bits of a slot hold the position, high bits a tag of the hash.
const POSITION_BITS: u32 = 48;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;

/// Where a text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextId(u64);

impl TextId {
    /// As bytes, to be stored in a text itself; never all zeros.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// From [`TextId::to_bytes`]; `None` where they are all zeros.
    pub const fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        match u64::from_le_bytes(bytes) {
            0 => None,
            position => Some(Self(position)),
        }
    }

    /// As a number of 48 bits, to be stored in the table.
    pub(super) const fn to_bits(self) -> u64 {
        self.0 & POSITION_MASK
    }

    /// From [`TextId::to_bits`].
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A ring of texts and an index by hash.
#[derive(Debug)]
pub struct Texts {
    /// Text words. A text takes one word for its length, then its bytes, eight a word.
    words: Box<[AtomicU64]>,
    /// Next free position. Written by every `append`, read by every reader after its copy.
    head: AtomicU64,
    /// Tag and position of each text, in the line of its hash; 0 is free. A lost update only stores a text twice.
    index: Lines,
    /// Lines of the index that were ever written.
    used: Used,
    hasher: FixedState,
}

impl Texts {
    /// An empty store of `bytes` bytes, rounded up to a power of two.
    pub fn new(bytes: usize, seed: u64) -> Self {
        let words = (bytes / 8).max(MAX_TEXT).next_power_of_two();
        let index = Lines::new(words / 4 / LINE);
        Self {
            words: zeroed(words),
            head: AtomicU64::new(1),
            used: Used::new(index.count()),
            index,
            hasher: FixedState::with_seed(seed),
        }
    }

    /// By what a text may be looked for.
    pub fn hash(&self, text: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text);
        hasher.finish()
    }

    /// The id of `text`, which is looked for by `hash`, stored now where it was not. `None` where it is empty or too long.
    pub fn intern(&self, text: &[u8], hash: u64) -> Option<TextId> {
        if text.is_empty() || text.len() > MAX_TEXT {
            return None;
        }
        let bucket = self.index.line(hash as usize);
        if !self.used.note(hash) {
            // Nothing stands there, which is not looked at.
            return Some(self.enter(text, hash, &bucket[0]));
        }
        let found = bucket.iter().find(|slot| self.slot_holds(slot, hash, text));
        if let Some(slot) = found {
            let position = slot.load(Ordering::Acquire) & POSITION_MASK;
            if !self.in_older_half(position) {
                return Some(TextId(position));
            }
        }
        let slot = found.or_else(|| self.victim(bucket))?;
        Some(self.enter(text, hash, slot))
    }

    fn enter(&self, text: &[u8], hash: u64, slot: &AtomicU64) -> TextId {
        let id = self.append(text);
        slot.store(tag(hash) | id.0 & POSITION_MASK, Ordering::Release);
        id
    }

    /// Brings the index of texts with this hash into the core's cache: see [`super::table::Table::touch_head`].
    pub fn touch_index(&self, hash: u64) -> u64 {
        let [first, ..] = self.index.line(hash as usize);
        match self.used.has_near(hash) {
            true => first.load(Ordering::Relaxed),
            false => 0,
        }
    }

    /// Brings the texts with this hash into the core's cache, where their index is there: the beginning, which is nearly always all.
    pub fn touch_texts(&self, hash: u64) -> u64 {
        if !self.used.has(hash) {
            return 0;
        }
        let slots = self.index.line(hash as usize).iter();
        let slots = slots.map(|slot| slot.load(Ordering::Relaxed));
        let texts = slots.filter(|slot| *slot != 0 && slot & !POSITION_MASK == tag(hash));
        let lines = texts.flat_map(|slot| [slot, slot + LINE as u64]);
        lines.fold(0, |sum, position| {
            sum ^ self.word(position & POSITION_MASK).load(Ordering::Relaxed)
        })
    }

    /// The bytes of a text, unless they were overwritten since.
    pub fn bytes(&self, id: TextId) -> Option<Vec<u8>> {
        let length = usize::try_from(self.word(id.0).load(Ordering::Relaxed)).ok()?;
        if length == 0 || length > MAX_TEXT {
            return None;
        }
        let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
        for offset in 1..=length.div_ceil(8) as u64 {
            let word = self.word(id.0 + offset).load(Ordering::Relaxed);
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.truncate(length);
        self.still_there(id.0).then_some(bytes)
    }

    /// The text, unless it was overwritten since.
    pub fn text(&self, id: TextId) -> Option<String> {
        String::from_utf8(self.bytes(id)?).ok()
    }

    /// Whether `id` still holds exactly `text`.
    pub fn is(&self, id: TextId, text: &[u8]) -> bool {
        if self.word(id.0).load(Ordering::Relaxed) != text.len() as u64 {
            return false;
        }
        let first = (id.0 + 1) as usize & (self.words.len() - 1);
        let is_same = |(word, stored): (u64, &AtomicU64)| stored.load(Ordering::Relaxed) == word;
        let are_same = match self.words.get(first..first + text.len().div_ceil(8)) {
            Some(stored) => words_of(text).zip(stored).all(is_same),
            // It goes on where the ring begins.
            None => {
                let stored = (id.0 + 1..).map(|position| self.word(position));
                words_of(text).zip(stored).all(is_same)
            }
        };
        are_same && self.still_there(id.0)
    }

    fn slot_holds(&self, slot: &AtomicU64, hash: u64, text: &[u8]) -> bool {
        let value = slot.load(Ordering::Acquire);
        value != 0
            && value & !POSITION_MASK == tag(hash)
            && self.is(TextId(value & POSITION_MASK), text)
    }

    /// A free slot, else the one whose text is oldest.
    fn victim<'a>(&self, bucket: &'a [AtomicU64]) -> Option<&'a AtomicU64> {
        bucket
            .iter()
            .min_by_key(|slot| slot.load(Ordering::Relaxed) & POSITION_MASK)
    }

    fn append(&self, text: &[u8]) -> TextId {
        let size = 1 + text.len().div_ceil(8) as u64;
        let position = self.head.fetch_add(size, Ordering::Relaxed);
        fence(Ordering::Release);
        self.word(position)
            .store(text.len() as u64, Ordering::Relaxed);
        for (word, offset) in words_of(text).zip(1..) {
            self.word(position + offset).store(word, Ordering::Relaxed);
        }
        TextId(position)
    }

    fn still_there(&self, position: u64) -> bool {
        fence(Ordering::Acquire);
        self.age(position) <= self.words.len() as u64
    }

    fn in_older_half(&self, position: u64) -> bool {
        self.age(position) > self.words.len() as u64 / 2
    }

    fn age(&self, position: u64) -> u64 {
        self.head.load(Ordering::Relaxed).saturating_sub(position)
    }

    #[allow(clippy::indexing_slicing)] // The length is a power of two, and the mask keeps the index below it.
    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[position as usize & (self.words.len() - 1)]
    }
}

const fn tag(hash: u64) -> u64 {
    hash & !POSITION_MASK
}

/// The bytes of a text, eight a word, the last one filled up with zeros.
fn words_of(text: &[u8]) -> impl Iterator<Item = u64> {
    let (words, rest) = text.as_chunks();
    let mut last = [0; 8];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    let last = (!rest.is_empty()).then_some(last);
    words.iter().copied().chain(last).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(texts: &Texts, text: &[u8]) -> Option<TextId> {
        texts.intern(text, texts.hash(text))
    }

    #[test]
    fn a_text_is_stored_once() {
        let texts = Texts::new(1 << 16, 0);
        let id = intern(&texts, b"dl.example.net").unwrap();
        assert_eq!(intern(&texts, b"dl.example.net"), Some(id));
        assert_eq!(texts.text(id).unwrap(), "dl.example.net");
        assert!(texts.is(id, b"dl.example.net") && !texts.is(id, b"dl.example.com"));
    }

    #[test]
    fn an_overwritten_text_is_gone_never_wrong() {
        let texts = Texts::new(1 << 14, 0);
        let ids: Vec<_> = (0..5_000)
            .map(|n| {
                (
                    n,
                    intern(&texts, format!("name-{n}.example").as_bytes()).unwrap(),
                )
            })
            .collect();
        for (n, id) in ids {
            assert!(
                texts
                    .text(id)
                    .is_none_or(|text| text == format!("name-{n}.example"))
            );
        }
    }

    #[test]
    fn a_text_in_use_survives_the_ring() {
        let texts = Texts::new(1 << 14, 0);
        for n in 0..50_000 {
            intern(&texts, format!("name-{n}.example").as_bytes());
            let id = intern(&texts, b"kept.example").unwrap();
            assert_eq!(texts.text(id).unwrap(), "kept.example");
        }
    }

    #[test]
    fn two_threads_never_read_a_torn_text() {
        let texts = Texts::new(1 << 14, 0);
        std::thread::scope(|scope| {
            for thread in 0..2_u32 {
                let texts = &texts;
                scope.spawn(move || {
                    for n in 0..20_000_u32 {
                        let text =
                            format!("{}.example", "ab".repeat((n % 40 + thread) as usize + 1));
                        let id = intern(texts, text.as_bytes()).unwrap();
                        assert!(texts.text(id).is_none_or(|found| found == text));
                    }
                });
            }
        });
    }
}
