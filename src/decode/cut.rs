//! Captured bytes with their length on the wire: a snap length may have cut them, and every length that counts is the wire's.

/// The rest of a frame, from some header on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut<'a> {
    /// What was captured: never more than `wire`.
    pub bytes: &'a [u8],
    /// Length on the wire.
    pub wire: usize,
}

impl<'a> Cut<'a> {
    /// `bytes` of something that was `wire` bytes long.
    pub fn new(bytes: &'a [u8], wire: usize) -> Self {
        Self {
            bytes,
            wire: wire.max(bytes.len()),
        }
    }

    /// What follows `length` bytes; `None` where the wire had fewer.
    pub fn skip(self, length: usize) -> Option<Self> {
        let wire = self.wire.checked_sub(length)?;
        Some(Self {
            bytes: self.bytes.get(length..).unwrap_or_default(),
            wire,
        })
    }

    /// At most `length` bytes: what lies behind is padding, a check sequence or a trailer.
    #[must_use]
    pub fn limit(self, length: usize) -> Self {
        Self {
            bytes: self.bytes.get(..length).unwrap_or(self.bytes),
            wire: self.wire.min(length),
        }
    }

    /// The byte at `offset`.
    pub fn byte(self, offset: usize) -> Option<u8> {
        self.bytes.get(offset).copied()
    }

    /// The big-endian 16-bit field at `offset`.
    pub fn integer16(self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// The big-endian 32-bit field at `offset`.
    pub fn integer32(self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// `N` bytes at `offset`.
    pub fn array<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }
}
