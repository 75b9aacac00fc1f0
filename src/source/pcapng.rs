//! The pcapng format.
//!
//! ```text
//! block: type(4) total length(4) body ... total length(4)
//! ```
//!
//! Sections each with their byte order, interfaces each with link type, resolution, offset and snap length; enhanced, simple and
//! the obsolete packet block. Blocks of other types are passed over. Source: draft-ietf-opsawg-pcapng section 4.

use std::io::Read;
use std::ops::Range;

use super::buffer::{Buffer, Fill};
use super::pcap::{integer16, integer32};
use super::{Head, LinkType, MAX_FRAME, SourceError};
use crate::types::Timestamp;

/// Block types.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Type, length, length again.
const ENVELOPE: usize = 12;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Options of an interface.
const OPTION_END: u16 = 0;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;
/// Most interfaces of a section: more are broken.
const MAX_INTERFACES: usize = 65_536;
/// A block that is passed over may be longer than a frame; it is skipped in pieces.
const SKIP: usize = 64 * 1024;

/// A pcapng file.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    big_endian: bool,
    interfaces: Vec<Interface>,
    frames: u64,
    /// The frame within the block taken last.
    data: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: LinkType,
    snap_length: u32,
    /// Time units a second.
    units: u64,
    offset_seconds: i64,
}

/// Where a frame lies in a block's body, and what its header says.
struct Found {
    head: Head,
    data: Range<usize>,
}

/// Whether `magic` begins a pcapng file.
pub fn is_magic(magic: [u8; 4]) -> bool {
    u32::from_be_bytes(magic) == SECTION
}

impl<R: Read> Reader<R> {
    /// At the start of a file.
    pub const fn new(buffer: Buffer<R>) -> Self {
        Self {
            buffer,
            big_endian: false,
            interfaces: Vec::new(),
            frames: 0,
            data: 0..0,
        }
    }

    /// Goes to the next frame; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        let (found, length) = loop {
            let Some((kind, length)) = self.block()? else {
                return Ok(None);
            };
            if !is_read(kind) {
                self.skip(length)?;
                continue;
            }
            self.need(length)?;
            if let Some(found) = self.understand(kind, length)? {
                break (found, length);
            }
            self.buffer.take(length);
        };
        self.frames += 1;
        self.buffer.take(length);
        self.data = found.data;
        Ok(Some(found.head))
    }

    /// The bytes of the frame that `advance` found.
    pub fn data(&self) -> &[u8] {
        self.buffer
            .taken()
            .get(self.data.clone())
            .unwrap_or_default()
    }

    /// Type and total length of the next block, whose first 12 bytes are in the window.
    fn block(&mut self) -> Result<Option<(u32, usize)>, SourceError> {
        match self.buffer.fill(ENVELOPE).map_err(SourceError::Read)? {
            Fill::Empty => return Ok(None),
            Fill::Short => return Err(self.cut()),
            Fill::Whole => {}
        }
        let window = self.buffer.window();
        let kind = integer32(window, 0, self.big_endian).unwrap_or_default();
        if kind == SECTION {
            self.big_endian = match integer32(window, 8, true) {
                Some(BYTE_ORDER_MAGIC) => true,
                Some(magic) if magic.swap_bytes() == BYTE_ORDER_MAGIC => false,
                _ => return Err(self.broken("a section without a byte order")),
            };
        }
        let length =
            integer32(self.buffer.window(), 4, self.big_endian).unwrap_or_default() as usize;
        if length < ENVELOPE || (is_read(kind) && length > MAX_FRAME) {
            return Err(self.broken("a block's length makes no sense"));
        }
        // Some writers do not pad the length to four bytes; the next block is aligned all the same.
        Ok(Some((kind, length.next_multiple_of(4))))
    }

    fn need(&mut self, length: usize) -> Result<(), SourceError> {
        match self.buffer.fill(length).map_err(SourceError::Read)? {
            Fill::Whole => Ok(()),
            _ => Err(self.cut()),
        }
    }

    fn skip(&mut self, length: usize) -> Result<(), SourceError> {
        let mut rest = length;
        while rest > 0 {
            let piece = rest.min(SKIP);
            self.need(piece)?;
            self.buffer.take(piece);
            rest -= piece;
        }
        Ok(())
    }

    /// Takes in a section or interface; finds a packet's frame.
    fn understand(&mut self, kind: u32, length: usize) -> Result<Option<Found>, SourceError> {
        let block = self.buffer.window().get(..length).unwrap_or_default();
        match kind {
            SECTION => self.interfaces.clear(),
            INTERFACE => {
                let interface = Interface::read(block, self.big_endian);
                let interface = interface.filter(|_| self.interfaces.len() < MAX_INTERFACES);
                self.interfaces
                    .push(interface.ok_or_else(|| self.broken("an interface makes no sense"))?);
            }
            _ => {
                return self
                    .packet(kind, block)
                    .map(Some)
                    .ok_or_else(|| self.broken("a packet makes no sense"));
            }
        }
        Ok(None)
    }

    fn packet(&self, kind: u32, block: &[u8]) -> Option<Found> {
        let field = |at| integer32(block, at, self.big_endian);
        let (interface, time, captured, wire_length, start) = match kind {
            SIMPLE_PACKET => {
                let interface = *self.interfaces.first()?;
                let wire_length = field(8)?;
                let room = block.len().checked_sub(16)? as u32;
                let snap_length = if interface.snap_length == 0 {
                    u32::MAX
                } else {
                    interface.snap_length
                };
                (
                    interface,
                    None,
                    wire_length.min(snap_length).min(room),
                    wire_length,
                    12,
                )
            }
            ENHANCED_PACKET => {
                let interface = *self.interfaces.get(field(8)? as usize)?;
                (
                    interface,
                    Some((field(12)?, field(16)?)),
                    field(20)?,
                    field(24)?,
                    28,
                )
            }
            _ => {
                let index = integer16(block, 8, self.big_endian)?;
                let interface = *self.interfaces.get(usize::from(index))?;
                (
                    interface,
                    Some((field(12)?, field(16)?)),
                    field(20)?,
                    field(24)?,
                    28,
                )
            }
        };
        let end = start + captured as usize;
        let head = Head {
            timestamp: time.map_or(Timestamp::EPOCH, |(high, low)| interface.time(high, low)),
            link_type: interface.link_type,
            wire_length: wire_length.max(captured),
        };
        (end + 4 <= block.len()).then_some(Found {
            head,
            data: start..end,
        })
    }

    const fn cut(&self) -> SourceError {
        SourceError::Cut {
            frames: self.frames,
        }
    }

    const fn broken(&self, what: &'static str) -> SourceError {
        SourceError::Broken {
            offset: self.buffer.offset(),
            what,
        }
    }
}

const fn is_read(kind: u32) -> bool {
    matches!(
        kind,
        SECTION | INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET
    )
}

impl Interface {
    fn read(block: &[u8], big_endian: bool) -> Option<Self> {
        let mut interface = Self {
            link_type: LinkType(integer16(block, 8, big_endian)?),
            snap_length: integer32(block, 12, big_endian)?,
            units: 1_000_000,
            offset_seconds: 0,
        };
        let mut options = block.get(16..block.len().checked_sub(4)?)?;
        while let (Some(code), Some(length)) = (
            integer16(options, 0, big_endian),
            integer16(options, 2, big_endian),
        ) {
            let length = usize::from(length);
            let value = options.get(4..4 + length)?;
            match code {
                OPTION_END => break,
                OPTION_RESOLUTION => interface.units = units(*value.first()?)?,
                OPTION_OFFSET => {
                    let bytes = *value.first_chunk()?;
                    let offset = if big_endian {
                        i64::from_be_bytes(bytes)
                    } else {
                        i64::from_le_bytes(bytes)
                    };
                    interface.offset_seconds = offset;
                }
                _ => {}
            }
            options = options
                .get(4 + length.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        Some(interface)
    }

    fn time(&self, high: u32, low: u32) -> Timestamp {
        let count = u64::from(high) << 32 | u64::from(low);
        let seconds = (count / self.units).min(i64::MAX as u64) as i64;
        let nanos = u128::from(count % self.units) * 1_000_000_000 / u128::from(self.units);
        Timestamp::from_seconds(seconds.saturating_add(self.offset_seconds), nanos as u32)
    }
}

/// `if_tsresol`: a negative power of ten, or of two where the highest bit is set.
fn units(resolution: u8) -> Option<u64> {
    let power = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 {
        10_u64.checked_pow(power)
    } else {
        1_u64.checked_shl(power)
    }
}
