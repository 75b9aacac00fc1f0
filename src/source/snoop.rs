//! The snoop format of Solaris.
//!
//! ```text
//! file:   "snoop" 0 0 0 (8) version(4) link type(4)
//! record: wire(4) captured(4) record length(4) drops(4) seconds(4) microseconds(4) data padding
//! ```
//!
//! Everything is big-endian. Source: RFC 1761.

use std::io::Read;

use super::buffer::{Buffer, Fill};
use super::pcap::integer32;
use super::{Head, LinkType, MAX_FRAME, SourceCounters, SourceError};
use crate::types::Timestamp;

const MAGIC: &[u8] = b"snoop\0\0\0";
const FILE_HEADER: usize = 16;
const RECORD_HEADER: usize = 24;
/// Longest padding behind a frame that is still taken for padding.
const MAX_PADDING: usize = 4_096;
/// Link types of snoop (RFC 1761 and the numbers that Solaris added).
const LINK_TYPES: [(u32, LinkType); 6] = [
    (0, LinkType::ETHERNET),
    (2, LinkType::TOKEN_RING),
    (4, LinkType::ETHERNET),
    (8, LinkType::FDDI),
    (26, LinkType::RAW),
    (27, LinkType::RAW),
];

/// A snoop file behind its header.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    link_type: LinkType,
    captured: usize,
    frames: u64,
    counters: SourceCounters,
}

/// Whether `start` begins a snoop file.
pub fn is_magic(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

impl<R: Read> Reader<R> {
    /// Reads the file header.
    pub fn new(mut buffer: Buffer<R>) -> Result<Self, SourceError> {
        if buffer.fill(FILE_HEADER).map_err(SourceError::Read)? != Fill::Whole {
            return Err(SourceError::Cut { frames: 0 });
        }
        let field = |at| integer32(buffer.window(), at, true).unwrap_or_default();
        let (version, kind) = (field(8), field(12));
        if version != 2 {
            return Err(SourceError::Version {
                format: "snoop",
                major: u16::try_from(version).unwrap_or(u16::MAX),
                minor: 0,
            });
        }
        let link_type = LINK_TYPES.iter().find(|(number, _)| *number == kind);
        let (_, link_type) = *link_type.ok_or_else(|| SourceError::NotACapture {
            what: format!("it is a snoop file of link type {kind}, which has no counterpart here"),
        })?;
        buffer.take(FILE_HEADER);
        Ok(Self {
            buffer,
            link_type,
            captured: 0,
            frames: 0,
            counters: SourceCounters::default(),
        })
    }

    /// Goes to the next frame; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        match self.buffer.fill(RECORD_HEADER).map_err(SourceError::Read)? {
            Fill::Empty => return Ok(None),
            Fill::Short => return Err(self.cut()),
            Fill::Whole => {}
        }
        let [wire, captured, length, _, seconds, micros] = self.header();
        let size = length as usize;
        let least = RECORD_HEADER.saturating_add(captured as usize);
        if captured as usize > MAX_FRAME || size < least || size > least + MAX_PADDING {
            return Err(SourceError::Broken {
                offset: self.buffer.offset(),
                what: "a record's length makes no sense",
            });
        }
        if self.buffer.fill(size).map_err(SourceError::Read)? != Fill::Whole {
            return Err(self.cut());
        }
        self.buffer.take(size);
        self.frames += 1;
        self.captured = captured as usize;
        self.counters.empty_frame += u64::from(captured == 0);
        self.counters.longer_than_wire += u64::from(captured > wire);
        self.counters.odd_fraction += u64::from(micros >= 1_000_000);
        let nanos = i64::from(seconds) * 1_000_000_000 + i64::from(micros) * 1_000;
        Ok(Some(Head {
            timestamp: Timestamp::from_nanos(nanos),
            link_type: self.link_type,
            wire_length: wire.max(captured),
        }))
    }

    /// The bytes of the frame that `advance` found.
    pub fn data(&self) -> &[u8] {
        let end = RECORD_HEADER.saturating_add(self.captured);
        self.buffer
            .taken()
            .get(RECORD_HEADER..end)
            .unwrap_or_default()
    }

    /// What was odd so far.
    pub const fn counters(&self) -> &SourceCounters {
        &self.counters
    }

    fn header(&self) -> [u32; RECORD_HEADER / 4] {
        let field = |index| integer32(self.buffer.window(), 4 * index, true);
        std::array::from_fn(|index| field(index).unwrap_or_default())
    }

    const fn cut(&self) -> SourceError {
        SourceError::Cut {
            frames: self.frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{read, snoop, two_frames};

    #[test]
    fn a_snoop_file_is_read() {
        let outcome = read(&snoop());
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(outcome.frames, two_frames());
    }

    #[test]
    fn a_record_shorter_than_its_frame_is_broken() {
        let mut file = snoop();
        file[27] = 27;
        let message = read(&file).error.unwrap().to_string();
        assert!(message.starts_with("is broken at byte 16"), "{message}");
    }

    #[test]
    fn a_link_type_without_counterpart_is_told() {
        let mut file = snoop();
        file[15] = 3;
        let message = read(&file).error.unwrap().to_string();
        assert!(message.contains("link type 3"), "{message}");
    }
}
