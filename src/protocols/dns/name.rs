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

    /// As a name to compare and match; `None` for the root and broken ones.
    pub fn to_fqdn(&self) -> Option<Fqdn> {
        let mut text = String::with_capacity(64);
        self.push_to(&mut text)?;
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
