//! Names with compression (RFC 1035 section 4.1.4).
//!
//! A pointer chain is followed for a bounded number of hops and octets, so that a message of loops costs no more than any other.

use crate::types::Fqdn;
use crate::types::text;

/// Longest name in octets, length bytes and root included (RFC 1035 section 2.3.4).
pub const MAX_OCTETS: usize = 255;
/// Most pointers that are followed: a name of 127 labels could use one for each.
pub const MAX_HOPS: usize = 128;

const POINTER: u8 = 0xc0;

/// A name within a message.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    message: &'a [u8],
    offset: usize,
}

impl<'a> Name<'a> {
    /// The name at `offset` of `message`.
    pub const fn new(message: &'a [u8], offset: usize) -> Self {
        Self { message, offset }
    }

    /// The labels from left to right; `None` as an item where the name is broken, too long or a loop.
    pub fn labels(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        let (message, mut offset) = (self.message, Some(self.offset));
        let (mut octets, mut hops) = (1, 0);
        std::iter::from_fn(move || {
            let label = next_label(message, offset?, &mut octets, &mut hops);
            offset = label.map(|(_, next)| next);
            match label {
                Some(([], _)) => {
                    offset = None;
                    None
                }
                Some((label, _)) => Some(Some(label)),
                None => Some(None),
            }
        })
    }

    /// Appends the name in presentation form, in the case of the wire, without a trailing dot; the root is empty.
    ///
    /// `None` where the name is broken; what was read of it stays in `text`.
    pub fn push_to(&self, text: &mut String) -> Option<()> {
        let start = text.len();
        for label in self.labels() {
            if text.len() > start {
                text.push('.');
            }
            text::push_label(text, label?);
        }
        Some(())
    }

    /// Appends what is compared and matched, the presentation form in lower case; `None` for the root and broken ones, and then `text`
    /// stays as it was.
    pub fn push_lowered(&self, text: &mut String, space: &mut Space) -> Option<()> {
        let plain = self.presented(space, u8::make_ascii_lowercase);
        if let Some(plain) = plain.and_then(|plain| str::from_utf8(plain).ok()) {
            text.push_str(plain);
            return Some(());
        }
        let start = text.len();
        let read = self.push_to(text);
        if read.is_none() || text.len() == start {
            text.truncate(start);
            return None;
        }
        if let Some(name) = text.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        Some(())
    }

    /// The presentation form, in the case of the wire, of a name without anything to escape, as nearly all are; `None` for others, for broken
    /// ones, and for the root.
    pub fn plain<'s>(&self, space: &'s mut Space) -> Option<&'s [u8]> {
        self.presented(space, |_| ())
    }

    /// As [`Self::plain`], of bytes that `change` makes of those on the wire.
    ///
    /// Labels are copied as they lie, up to the next pointer, and dots put where their lengths stand.
    #[inline]
    fn presented<'s>(&self, space: &'s mut Space, change: impl Fn(&mut u8)) -> Option<&'s [u8]> {
        let (mut end, mut at) = (Space::BEFORE, self.offset);
        for _ in 0..MAX_HOPS {
            let (run, next) = run(self.message, at)?;
            let place = space.0.get_mut(end..Space::END)?;
            place.get_mut(..run.len())?.copy_from_slice(run);
            end += run.len();
            match next {
                Some(next) => at = next,
                None => return space.presented(end, change),
            }
        }
        None
    }

    /// Where its first label stands in the message. Two names that begin there are one; a broken pointer leads to itself.
    pub fn place(&self) -> usize {
        let mut offset = self.offset;
        for _ in 0..MAX_HOPS {
            match self.message.get(offset..).and_then(<[u8]>::first_chunk) {
                Some([high, low]) if high & POINTER == POINTER => {
                    offset = usize::from(high & !POINTER) << 8 | usize::from(*low);
                }
                _ => break,
            }
        }
        offset
    }

    /// As a name to compare and match; `None` for the root and broken ones.
    pub fn to_fqdn(&self) -> Option<Fqdn> {
        let mut text = String::with_capacity(64);
        self.push_lowered(&mut text, &mut Space::default())?;
        Fqdn::from_presentation(&text)
    }
}

/// The label at `offset`, pointers followed, and where the next one is. An empty label is the root.
fn next_label<'a>(
    message: &'a [u8],
    mut offset: usize,
    octets: &mut usize,
    hops: &mut usize,
) -> Option<(&'a [u8], usize)> {
    loop {
        let length = *message.get(offset)?;
        if length & POINTER == 0 {
            let end = offset + 1 + usize::from(length);
            *octets += usize::from(length) + 1;
            if *octets > MAX_OCTETS + 1 {
                return None;
            }
            return Some((message.get(offset + 1..end)?, end));
        }
        if length & POINTER != POINTER {
            return None;
        }
        *hops += 1;
        if *hops > MAX_HOPS {
            return None;
        }
        let low = *message.get(offset + 1)?;
        offset = usize::from(length & !POINTER) << 8 | usize::from(low);
    }
}

/// The labels at `offset` as they lie, up to the root or a pointer, and where that leads.
fn run(message: &[u8], offset: usize) -> Option<(&[u8], Option<usize>)> {
    let mut end = offset;
    loop {
        let length = *message.get(end)?;
        match length & POINTER {
            0 if length == 0 => return Some((message.get(offset..end)?, None)),
            0 => end += 1 + usize::from(length),
            POINTER => {
                let low = *message.get(end + 1)?;
                let next = usize::from(length & !POINTER) << 8 | usize::from(low);
                return Some((message.get(offset..end)?, Some(next)));
            }
            _ => return None,
        }
    }
}

/// Room for a name's labels behind their lengths, of which the first stands before the first block; whatever was read before.
#[derive(Debug)]
#[repr(align(16))]
pub struct Space([u8; Space::ALL]);

impl Default for Space {
    fn default() -> Self {
        Self([0; Self::ALL])
    }
}

impl Space {
    /// Bytes that are looked at together.
    const BLOCK: usize = 16;
    const BEFORE: usize = Self::BLOCK - 1;
    /// The root's octet has its place too.
    const END: usize = Self::BEFORE + MAX_OCTETS - 1;
    /// A block of filling has room behind the longest name.
    const ALL: usize = (Self::END + Self::BLOCK).next_multiple_of(Self::BLOCK);

    /// The labels up to `end`, changed, with dots between them; `None` where something has to be escaped, or there are none.
    #[inline]
    fn presented(&mut self, end: usize, change: impl Fn(&mut u8)) -> Option<&[u8]> {
        let (mut at, mut count) = (Self::BEFORE, 0);
        while let Some(length) = self.0.get_mut(at).filter(|_| at < end) {
            at += 1 + usize::from(*length);
            *length = b'.';
            count += 1;
        }
        // What lies in the last block behind the name is plain too.
        *self.0.get_mut(end..)?.first_chunk_mut()? = [b' '; Self::BLOCK];
        let length = end.checked_sub(Self::BLOCK)?;
        let blocks = length.div_ceil(Self::BLOCK);
        let (mut odd, mut dots) = ([0; Self::BLOCK], [0; Self::BLOCK]);
        for block in self.blocks().iter_mut().take(blocks) {
            for ((byte, odd), dots) in block.iter_mut().zip(&mut odd).zip(&mut dots) {
                *odd |= u8::from(!text::is_plain(*byte));
                *dots += u8::from(*byte == b'.');
                change(byte);
            }
        }
        if odd != [0; Self::BLOCK] || sum(dots) + 1 != count {
            return None;
        }
        self.blocks().get(..blocks)?.as_flattened().get(..length)
    }

    fn blocks(&mut self) -> &mut [[u8; Self::BLOCK]] {
        let (_, blocks) = self.0.split_at_mut(Self::BLOCK);
        blocks.as_chunks_mut().0
    }
}

/// Of bytes that sum up to less than 256.
const fn sum(bytes: [u8; Space::BLOCK]) -> u64 {
    let both = u128::from_ne_bytes(bytes);
    let pairs = (both >> 64) as u64 + both as u64;
    pairs.wrapping_mul(0x0101_0101_0101_0101) >> 56
}

/// Where the name at `offset` ends in the message; pointers are not followed.
pub(super) fn end_of_name(message: &[u8], mut offset: usize) -> Option<usize> {
    for _ in 0..MAX_OCTETS {
        let length = *message.get(offset)?;
        match length & POINTER {
            0 if length == 0 => return Some(offset + 1),
            0 => offset += 1 + usize::from(length),
            POINTER => return Some(offset + 2).filter(|end| *end <= message.len()),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is compared, by the long way alone.
    fn lowered(name: Name<'_>) -> Option<String> {
        let mut text = String::new();
        name.push_to(&mut text)?;
        (!text.is_empty()).then(|| text.to_ascii_lowercase())
    }

    /// Labels, lengths and pointers, each likely right and sometimes anything.
    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let plain = prop::collection::vec(prop::sample::select(b"abcXYZ019-_".to_vec()), 1..12);
        let odd = prop::collection::vec(any::<u8>(), 1..64);
        let label = prop_oneof![6 => plain, 1 => odd].prop_map(|mut label| {
            label.insert(0, label.len() as u8);
            label
        });
        let end = prop_oneof![
            Just(vec![0]),
            (0..200_u8).prop_map(|at| vec![POINTER, at]),
            Just(vec![])
        ];
        let piece = (prop::collection::vec(label, 0..24), end);
        prop::collection::vec(piece, 1..4).prop_map(|pieces| {
            let piece = |(labels, end): (Vec<Vec<u8>>, Vec<u8>)| [labels.concat(), end].concat();
            pieces.into_iter().flat_map(piece).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn the_short_way_reads_what_the_long_one_reads(message in messages(), offset in 0..80_usize) {
            let name = Name::new(&message, offset);
            let mut text = "before ".to_owned();
            let read = name.push_lowered(&mut text, &mut Space::default());
            prop_assert_eq!(read.map(|()| text.split_off(7)), lowered(name));
            prop_assert_eq!(text, "before ");
            // Where it begins, the same name begins.
            let begun = lowered(Name::new(&message, name.place()));
            prop_assert!(lowered(name).is_none() || lowered(name) == begun);
        }
    }
}
