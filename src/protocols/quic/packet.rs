//! Long headers and the Initial packets of a datagram (RFC 8999 section 5.1, RFC 9000 section 17.2).
//!
//! ```text
//! 1 1 type(2) ....  version(4)  dcid length(1) dcid  scid length(1) scid
//! Initial:          token length(v) token  length(v)  packet number and payload
//! ```

use super::version;

/// Longest connection id of the versions that are read.
const MAX_CONNECTION_ID: usize = 20;
/// Most packets of one datagram that are looked at.
const MAX_COALESCED: usize = 8;

/// A connection id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    bytes: [u8; MAX_CONNECTION_ID],
    length: u8,
}

/// The version-independent part of a long header.
#[derive(Clone, Copy, Debug)]
pub struct LongHeader {
    /// Version field.
    pub version: u32,
    /// Destination connection id.
    pub destination: ConnectionId,
    first: u8,
    /// Where the version's own part begins.
    end: usize,
}

/// An Initial packet, protected.
#[derive(Clone, Copy, Debug)]
pub struct Initial<'a> {
    /// Version field.
    pub version: u32,
    /// Destination connection id.
    pub destination: ConnectionId,
    /// From the first byte to the end of the payload.
    pub bytes: &'a [u8],
    /// Where the protected packet number begins.
    pub number_offset: usize,
}

impl ConnectionId {
    fn new(bytes: &[u8]) -> Option<Self> {
        let mut id = Self {
            bytes: [0; MAX_CONNECTION_ID],
            length: u8::try_from(bytes.len()).ok()?,
        };
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(id)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

/// Reads the version-independent header. `None`: it is no long header, or its ids are too long.
pub fn long_header(bytes: &[u8]) -> Option<LongHeader> {
    const LONG: u8 = 0x80;
    let first = *bytes.first()?;
    if first & LONG == 0 {
        return None;
    }
    let version = u32::from_be_bytes(*bytes.get(1..)?.first_chunk()?);
    let (destination, rest) = short_vector(bytes, 5)?;
    let (_, end) = short_vector(bytes, rest)?;
    Some(LongHeader {
        version,
        destination: ConnectionId::new(destination)?,
        first,
        end,
    })
}

/// The Initial packets of a datagram.
pub fn initials(datagram: &[u8]) -> impl Iterator<Item = Initial<'_>> {
    let mut rest = datagram;
    let packets = std::iter::from_fn(move || {
        let (packet, after) = first_packet(rest)?;
        rest = after;
        Some(packet)
    });
    packets.take(MAX_COALESCED).flatten()
}

/// The first packet, where it is an Initial, and what follows it.
fn first_packet(bytes: &[u8]) -> Option<(Option<Initial<'_>>, &[u8])> {
    let header = long_header(bytes)?;
    if header.version == 0 {
        return None;
    }
    let is_initial = version::is_initial(header.version, header.first >> 4 & 3);
    let mut offset = header.end;
    if is_initial {
        let (length, after) = variable_integer(bytes, offset)?;
        offset = after.checked_add(usize::try_from(length).ok()?)?;
    }
    let (length, number_offset) = variable_integer(bytes, offset)?;
    let end = number_offset.checked_add(usize::try_from(length).ok()?)?;
    let (packet, rest) = bytes.split_at_checked(end)?;
    let initial = Initial {
        version: header.version,
        destination: header.destination,
        bytes: packet,
        number_offset,
    };
    Some((is_initial.then_some(initial), rest))
}

/// Bytes behind a one-byte length, and where they end.
fn short_vector(bytes: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let length = usize::from(*bytes.get(offset)?);
    let end = offset + 1 + length;
    if length > MAX_CONNECTION_ID {
        return None;
    }
    Some((bytes.get(offset + 1..end)?, end))
}

/// A variable-length integer (RFC 9000 section 16), and where it ends.
pub(super) fn variable_integer(bytes: &[u8], offset: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(offset)?;
    let end = offset + (1 << (first >> 6));
    let rest = bytes.get(offset + 1..end)?;
    let value = rest.iter().fold(u64::from(first & 0x3f), |value, byte| {
        value << 8 | u64::from(*byte)
    });
    Some((value, end))
}
