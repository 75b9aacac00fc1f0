//! The pcap format.
//!
//! ```text
//! file:   magic(4) major(2) minor(2) zone(4) sigfigs(4) snaplen(4) link type(4)
//! record: seconds(4) fraction(4) captured(4) wire(4) [modified: ifindex(4) protocol(2) kind(1) pad(1)] data
//! ```
//!
//! Source: draft-ietf-opsawg-pcap section 4; the "modified" records are those of A. Kuznetsov's patched libpcap.

use std::io::Read;

use super::buffer::{Buffer, Fill};
use super::{Head, LinkType, MAX_FRAME, SourceError};
use crate::types::Timestamp;

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const MODIFIED_RECORD_HEADER: usize = 24;

/// Form of the file, from its magic number and header.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    big_endian: bool,
    nanoseconds: bool,
    header: usize,
    link_type: LinkType,
    /// Old files of minor version below 3 (and some of 3) swapped the two lengths.
    swapped_lengths: bool,
}

/// A pcap file behind its header.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    form: Form,
    frames: u64,
}

/// Whether `magic` begins a pcap file.
pub fn is_magic(magic: [u8; 4]) -> bool {
    variant(magic).is_some()
}

/// Byte order, nanoseconds, length of a record's header.
fn variant(magic: [u8; 4]) -> Option<(bool, bool, usize)> {
    Some(match magic {
        [0xa1, 0xb2, 0xc3, 0xd4] => (true, false, RECORD_HEADER),
        [0xd4, 0xc3, 0xb2, 0xa1] => (false, false, RECORD_HEADER),
        [0xa1, 0xb2, 0x3c, 0x4d] => (true, true, RECORD_HEADER),
        [0x4d, 0x3c, 0xb2, 0xa1] => (false, true, RECORD_HEADER),
        [0xa1, 0xb2, 0xcd, 0x34] => (true, false, MODIFIED_RECORD_HEADER),
        [0x34, 0xcd, 0xb2, 0xa1] => (false, false, MODIFIED_RECORD_HEADER),
        _ => return None,
    })
}

impl<R: Read> Reader<R> {
    /// Reads the file header.
    pub fn new(mut buffer: Buffer<R>) -> Result<Self, SourceError> {
        if buffer.fill(FILE_HEADER).map_err(SourceError::Read)? != Fill::Whole {
            return Err(SourceError::Cut { frames: 0 });
        }
        let form = Form::read(buffer.take(FILE_HEADER)).ok_or(SourceError::Broken {
            offset: 0,
            what: "no pcap header",
        })?;
        Ok(Self {
            buffer,
            form,
            frames: 0,
        })
    }

    /// Goes to the next frame; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        match self
            .buffer
            .fill(self.form.header)
            .map_err(SourceError::Read)?
        {
            Fill::Empty => return Ok(None),
            Fill::Short => {
                return Err(SourceError::Cut {
                    frames: self.frames,
                });
            }
            Fill::Whole => {}
        }
        let offset = self.buffer.offset();
        let record = self
            .form
            .record(self.buffer.window())
            .filter(|record| record.captured as usize <= MAX_FRAME);
        let record = record.ok_or(SourceError::Broken {
            offset,
            what: "a record's length makes no sense",
        })?;
        let size = self.form.header + record.captured as usize;
        if self.buffer.fill(size).map_err(SourceError::Read)? != Fill::Whole {
            return Err(SourceError::Cut {
                frames: self.frames,
            });
        }
        self.frames += 1;
        self.buffer.take(size);
        Ok(Some(Head {
            timestamp: record.timestamp,
            link_type: self.form.link_type,
            wire_length: record.wire.max(record.captured),
        }))
    }

    /// The bytes of the frame that `advance` found.
    pub fn data(&self) -> &[u8] {
        self.buffer
            .taken()
            .get(self.form.header..)
            .unwrap_or_default()
    }
}

struct Record {
    timestamp: Timestamp,
    captured: u32,
    wire: u32,
}

impl Form {
    fn read(header: &[u8]) -> Option<Self> {
        let (big_endian, nanoseconds, record_header) = variant(*header.first_chunk()?)?;
        let minor = integer16(header, 6, big_endian)?;
        // The upper bits tell of a frame check sequence; IP's own lengths leave it out anyway.
        let link_type = LinkType(integer32(header, 20, big_endian)? as u16);
        Some(Self {
            big_endian,
            nanoseconds,
            header: record_header,
            link_type,
            swapped_lengths: minor < 3,
        })
    }

    fn record(&self, bytes: &[u8]) -> Option<Record> {
        let field = |at| integer32(bytes, at, self.big_endian);
        let (seconds, fraction, mut captured, mut wire) =
            (field(0)?, field(4)?, field(8)?, field(12)?);
        if self.swapped_lengths && captured > wire {
            (captured, wire) = (wire, captured);
        }
        let nanos = i64::from(fraction) * if self.nanoseconds { 1 } else { 1_000 };
        let timestamp = Timestamp::from_nanos(i64::from(seconds) * 1_000_000_000 + nanos);
        Some(Record {
            timestamp,
            captured,
            wire,
        })
    }
}

/// A 32-bit field at `offset`.
pub(super) fn integer32(bytes: &[u8], offset: usize, big_endian: bool) -> Option<u32> {
    let field = *bytes.get(offset..)?.first_chunk()?;
    Some(if big_endian {
        u32::from_be_bytes(field)
    } else {
        u32::from_le_bytes(field)
    })
}

/// A 16-bit field at `offset`.
pub(super) fn integer16(bytes: &[u8], offset: usize, big_endian: bool) -> Option<u16> {
    let field = *bytes.get(offset..)?.first_chunk()?;
    Some(if big_endian {
        u16::from_be_bytes(field)
    } else {
        u16::from_le_bytes(field)
    })
}
