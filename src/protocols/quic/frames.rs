//! CRYPTO frames put together (RFC 9000 section 19.6), in any order, from any number of packets.

use super::packet::variable_integer;

/// Longest handshake that is put together.
pub const MAX_CRYPTO: usize = 64 * 1024;
/// Most pieces with holes between them.
const MAX_PIECES: usize = 64;
/// Most frames of a packet that are looked at; runs of PADDING count as one.
const MAX_FRAMES: usize = 512;
const CRYPTO: u8 = 6;
/// CRYPTO in Google's versions T050 and T051; a STREAM frame elsewhere, which no Initial may carry.
const GOOGLE_CRYPTO: u8 = 8;
/// Handshake type of a ClientHello.
const CLIENT_HELLO: u8 = 1;

/// A handshake under construction.
#[derive(Debug, Default)]
pub struct Crypto {
    bytes: Vec<u8>,
    /// What is there: disjoint, in order.
    pieces: Vec<(usize, usize)>,
}

impl Crypto {
    /// Bytes that wait.
    pub const fn memory(&self) -> usize {
        self.bytes.capacity() + self.pieces.capacity() * size_of::<(usize, usize)>()
    }

    /// Takes in the frames of an opened packet, up to the first that is not of a client's Initial.
    pub fn take_in(&mut self, payload: &[u8]) {
        let mut offset = 0;
        for _ in 0..MAX_FRAMES {
            let Some(next) = self.frame(payload, offset) else {
                return;
            };
            offset = next;
        }
    }

    /// The body of the ClientHello, once it is whole.
    pub fn client_hello(&self) -> Option<&[u8]> {
        let (start, end) = *self.pieces.first()?;
        let [kind, a, b, c] = *self.bytes.first_chunk()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let is_whole = start == 0 && end >= 4 + length && kind == CLIENT_HELLO;
        if is_whole {
            self.bytes.get(4..4 + length)
        } else {
            None
        }
    }

    /// The handshake bytes from the start, as far as they are there.
    pub fn contiguous(&self) -> &[u8] {
        let end = self
            .pieces
            .first()
            .filter(|(start, _)| *start == 0)
            .map_or(0, |(_, end)| *end);
        self.bytes.get(..end).unwrap_or_default()
    }

    /// The frame at `offset`; gives where the next begins.
    fn frame(&mut self, payload: &[u8], offset: usize) -> Option<usize> {
        match *payload.get(offset)? {
            0 => {
                let rest = payload.get(offset..)?;
                Some(offset + rest.iter().position(|byte| *byte != 0)?)
            }
            1 => Some(offset + 1),
            kind @ (2 | 3) => acknowledgement(payload, offset + 1, kind == 3),
            CRYPTO | GOOGLE_CRYPTO => {
                let (start, at) = variable_integer(payload, offset + 1)?;
                let (length, at) = variable_integer(payload, at)?;
                let end = at.checked_add(usize::try_from(length).ok()?)?;
                self.insert(usize::try_from(start).ok()?, payload.get(at..end)?);
                Some(end)
            }
            _ => None,
        }
    }

    fn insert(&mut self, start: usize, data: &[u8]) {
        let Some(end) = start
            .checked_add(data.len())
            .filter(|end| *end <= MAX_CRYPTO)
        else {
            return;
        };
        if data.is_empty() || self.pieces.len() >= MAX_PIECES {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(space) = self.bytes.get_mut(start..end) {
            space.copy_from_slice(data);
        }
        self.pieces.push((start, end));
        self.pieces.sort_unstable();
        self.pieces.dedup_by(|next, last| {
            let touches = next.0 <= last.1;
            if touches {
                last.1 = last.1.max(next.1);
            }
            touches
        });
    }
}

/// Where an ACK frame ends (RFC 9000 section 19.3).
fn acknowledgement(payload: &[u8], offset: usize, with_ecn: bool) -> Option<usize> {
    let (_, offset) = variable_integer(payload, offset)?;
    let (_, offset) = variable_integer(payload, offset)?;
    let (ranges, offset) = variable_integer(payload, offset)?;
    let values = 1 + ranges.min(MAX_FRAMES as u64) * 2 + if with_ecn { 3 } else { 0 };
    (0..values).try_fold(offset, |offset, _| {
        variable_integer(payload, offset).map(|(_, next)| next)
    })
}
