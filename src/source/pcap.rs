//! The pcap format and its relatives.
//!
//! ```text
//! file:   magic(4) major(2) minor(2) zone(4) sigfigs(4) snaplen(4) link type(4) [lcap: bytes of all records(4)]
//! record: seconds(4) fraction(4) captured(4) wire(4) [patched libpcaps: 4, 8 or 12 bytes more] data
//! ```
//!
//! The magic number tells byte order and resolution, but not always the length of a record's header: two patched libpcaps share
//! the plain magic, two more the "modified" one. Those are told by which length makes sense of the first records.
//!
//! Source: draft-ietf-opsawg-pcap section 4; the relatives as libpcap and Wireshark describe them.

use std::io::Read;

use super::buffer::{Buffer, Fill};
use super::{Head, LinkType, MAX_FRAME, SourceCounters, SourceError};
use crate::types::Timestamp;

const FILE_HEADER: usize = 24;
/// Ixia's "lcap" files tell the size of all records behind the header.
const LCAP_EXTRA: usize = 4;
const RECORD_HEADER: usize = 16;
/// Headers of the plain magic: standard, the patch of April 1999, Nokia's.
const PLAIN_HEADERS: [usize; 3] = [RECORD_HEADER, 24, 20];
/// Headers of the "modified" magic: the patches of October and of September 1999.
const MODIFIED_HEADERS: [usize; 2] = [24, 28];
/// Records that are looked at to tell the length of their headers.
const PROBED_RECORDS: usize = 3;
/// The times of these records are no further apart.
const PROBED_SECONDS: u32 = 7 * 86_400;
/// No longer frame makes sense while the header's length is in question.
const PROBED_LENGTH: u32 = 262_144;
/// `ifType` numbers that AIX writes for a link type (RFC 1573), and what they are.
const AIX_LINK_TYPES: [(u32, LinkType); 4] = [
    (6, LinkType::ETHERNET),
    (9, LinkType::TOKEN_RING),
    (15, LinkType::FDDI),
    (24, LinkType::NULL),
];

/// What the magic number tells.
#[derive(Clone, Copy, Debug)]
struct Magic {
    big_endian: bool,
    nanoseconds: bool,
    extra: usize,
    /// Lengths that a record's header may have, the likeliest first.
    headers: &'static [usize],
}

/// Form of the file, from its magic number and header.
#[derive(Clone, Copy, Debug)]
struct Form {
    big_endian: bool,
    nanos_per_unit: i64,
    record_header: usize,
    link_type: LinkType,
    snap_length: u32,
    /// Until version 2.3 the two lengths stood the other way round; in 2.3 itself either way.
    may_be_swapped: bool,
}

/// A pcap file behind its header.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    form: Form,
    frames: u64,
    counters: SourceCounters,
}

/// Whether `magic` begins a pcap file.
pub fn is_magic(magic: [u8; 4]) -> bool {
    Magic::read(magic).is_some()
}

impl<R: Read> Reader<R> {
    /// Reads the file header.
    pub fn new(mut buffer: Buffer<R>) -> Result<Self, SourceError> {
        let magic = match buffer.fill(FILE_HEADER).map_err(SourceError::Read)? {
            Fill::Whole => buffer.window().first_chunk().copied().and_then(Magic::read),
            _ => return Err(SourceError::Cut { frames: 0 }),
        };
        let broken = SourceError::Broken {
            offset: 0,
            what: "no pcap header",
        };
        let magic = magic.ok_or(broken)?;
        let mut form = Form::read(buffer.take(FILE_HEADER), magic)?;
        if buffer.fill(magic.extra).map_err(SourceError::Read)? != Fill::Whole {
            return Err(SourceError::Cut { frames: 0 });
        }
        buffer.take(magic.extra);
        // What is there already is enough to look at; more is not asked of a pipe.
        buffer.fill(RECORD_HEADER).map_err(SourceError::Read)?;
        form.record_header = form.likeliest_header(magic.headers, buffer.window());
        Ok(Self {
            buffer,
            form,
            frames: 0,
            counters: SourceCounters::default(),
        })
    }

    /// Goes to the next frame; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        match self
            .buffer
            .fill(self.form.record_header)
            .map_err(SourceError::Read)?
        {
            Fill::Empty => return Ok(None),
            Fill::Short => return Err(self.cut()),
            Fill::Whole => {}
        }
        let record = self.form.record(self.buffer.window());
        let record = record.filter(|record| record.captured as usize <= MAX_FRAME);
        let record = record.ok_or(SourceError::Broken {
            offset: self.buffer.offset(),
            what: "a record's length makes no sense",
        })?;
        let size = self.form.record_header + record.captured as usize;
        if self.buffer.fill(size).map_err(SourceError::Read)? != Fill::Whole {
            return Err(self.cut());
        }
        self.frames += 1;
        self.count_oddities(&record);
        self.buffer.take(size);
        Ok(Some(Head {
            timestamp: self.form.time(&record),
            link_type: self.form.link_type,
            wire_length: record.wire.max(record.captured),
        }))
    }

    /// Goes on by at most `most` records without any oddity that lie in the window as a whole, as nearly every one does, and that `take`
    /// says yes to: what the file says of the frame, and its bytes.
    #[inline]
    pub(super) fn pass<'a>(
        &'a mut self,
        most: usize,
        take: &mut impl FnMut(Head, &'a [u8]) -> bool,
    ) {
        let form = self.form;
        self.frames += self.buffer.pass(most, |records| form.plain(records), take);
    }

    /// The bytes of the frame that `advance` found.
    pub fn data(&self) -> &[u8] {
        self.buffer
            .taken()
            .get(self.form.record_header..)
            .unwrap_or_default()
    }

    /// What was odd so far.
    pub const fn counters(&self) -> &SourceCounters {
        &self.counters
    }

    fn count_oddities(&mut self, record: &Record) {
        let Record { captured, wire, .. } = *record;
        let snap_length = self.form.snap_length;
        self.counters.empty_frame += u64::from(captured == 0);
        self.counters.longer_than_wire += u64::from(captured > wire);
        self.counters.longer_than_snap += u64::from(snap_length > 0 && captured > snap_length);
        self.counters.odd_fraction += u64::from(!self.form.is_fraction(record.fraction));
    }

    const fn cut(&self) -> SourceError {
        SourceError::Cut {
            frames: self.frames,
        }
    }
}

struct Record {
    seconds: u32,
    fraction: u32,
    captured: u32,
    wire: u32,
}

impl Magic {
    fn read(bytes: [u8; 4]) -> Option<Self> {
        let order = |big_endian| Self::named(number32(bytes, big_endian), big_endian);
        order(true).or_else(|| order(false))
    }

    fn named(number: u32, big_endian: bool) -> Option<Self> {
        let (nanoseconds, extra, headers) = match number {
            0xa1b2_c3d4 => (false, 0, PLAIN_HEADERS.as_slice()),
            0xa1b2_3c4d => (true, 0, [RECORD_HEADER].as_slice()),
            0xa1b2_cd34 => (false, 0, MODIFIED_HEADERS.as_slice()),
            0x1c00_01ac => (true, LCAP_EXTRA, [RECORD_HEADER].as_slice()),
            0x1c00_01ab => (false, LCAP_EXTRA, [RECORD_HEADER].as_slice()),
            _ => return None,
        };
        Some(Self {
            big_endian,
            nanoseconds,
            extra,
            headers,
        })
    }
}

impl Form {
    fn read(header: &[u8], magic: Magic) -> Result<Self, SourceError> {
        let field16 = |at| integer16(header, at, magic.big_endian).unwrap_or_default();
        let field32 = |at| integer32(header, at, magic.big_endian).unwrap_or_default();
        let version @ (major, minor) = (field16(4), field16(6));
        if major < 2 {
            return Err(SourceError::Version {
                format: "pcap",
                major,
                minor,
            });
        }
        // The upper half tells of a frame check sequence; IP's own lengths leave it out anyway.
        let mut link_type = LinkType(field32(20) as u16);
        let aix = AIX_LINK_TYPES.iter().find(|(kind, _)| *kind == field32(20));
        let aix = aix.filter(|_| version == (2, 2) && magic.headers == PLAIN_HEADERS);
        if let Some((_, meant)) = aix {
            link_type = *meant;
        }
        let nanoseconds = magic.nanoseconds || aix.is_some();
        Ok(Self {
            big_endian: magic.big_endian,
            nanos_per_unit: if nanoseconds { 1 } else { 1_000 },
            record_header: RECORD_HEADER,
            link_type,
            snap_length: field32(16),
            // 543.0 is what DG/UX writes.
            may_be_swapped: version <= (2, 3) || version == (543, 0),
        })
    }

    /// Which of `lengths` makes sense of the most records at the start of `records`; the first of equals.
    fn likeliest_header(&self, lengths: &[usize], records: &[u8]) -> usize {
        let mut likeliest = (0, lengths.first().copied().unwrap_or(RECORD_HEADER));
        for &length in lengths {
            let sensible = self.sensible_records(length, records);
            if sensible > likeliest.0 {
                likeliest = (sensible, length);
            }
        }
        likeliest.1
    }

    /// How many of the first records are there and make sense with headers of `length` bytes.
    fn sensible_records(&self, length: usize, mut records: &[u8]) -> usize {
        let Some(first) = self.record(records) else {
            return 0;
        };
        for sensible in 0..PROBED_RECORDS {
            let record = self.record(records);
            let Some(record) = record.filter(|record| self.is_sensible(record, &first)) else {
                return sensible;
            };
            let size = length.saturating_add(record.captured as usize);
            records = records.get(size..).unwrap_or_default();
        }
        PROBED_RECORDS
    }

    fn is_sensible(&self, record: &Record, first: &Record) -> bool {
        (1..=PROBED_LENGTH).contains(&record.captured)
            && (record.captured..=PROBED_LENGTH).contains(&record.wire)
            && self.is_fraction(record.fraction)
            && record.seconds.abs_diff(first.seconds) <= PROBED_SECONDS
    }

    /// The record at the front, where it is there as a whole and nothing is odd about it: its head, its bytes, and what is behind it.
    #[inline]
    fn plain<'a>(&self, records: &'a [u8]) -> Option<(Head, &'a [u8], &'a [u8])> {
        let record = self.record(records)?;
        if !self.is_plain(&record) {
            return None;
        }
        let (_, behind) = records.split_at_checked(self.record_header)?;
        let (data, behind) = behind.split_at_checked(record.captured as usize)?;
        let head = Head {
            timestamp: self.time(&record),
            link_type: self.link_type,
            wire_length: record.wire,
        };
        Some((head, data, behind))
    }

    /// Whether nothing is odd about a record.
    const fn is_plain(&self, record: &Record) -> bool {
        record.captured > 0
            && record.captured <= record.wire
            && record.captured as usize <= MAX_FRAME
            && (self.snap_length == 0 || record.captured <= self.snap_length)
            && self.is_fraction(record.fraction)
    }

    const fn is_fraction(&self, fraction: u32) -> bool {
        fraction as i64 * self.nanos_per_unit < 1_000_000_000
    }

    fn record(&self, bytes: &[u8]) -> Option<Record> {
        let (fields, _) = bytes.first_chunk::<RECORD_HEADER>()?.as_chunks();
        let [seconds, fraction, mut captured, mut wire] = *fields.first_chunk()?;
        if self.may_be_swapped && self.field(captured) > self.field(wire) {
            (captured, wire) = (wire, captured);
        }
        Some(Record {
            seconds: self.field(seconds),
            fraction: self.field(fraction),
            captured: self.field(captured),
            wire: self.field(wire),
        })
    }

    const fn field(&self, bytes: [u8; 4]) -> u32 {
        number32(bytes, self.big_endian)
    }

    /// A fraction above a second is taken as it stands.
    fn time(&self, record: &Record) -> Timestamp {
        let nanos = i64::from(record.fraction) * self.nanos_per_unit;
        Timestamp::from_nanos(i64::from(record.seconds) * 1_000_000_000 + nanos)
    }
}

pub(super) const fn number32(bytes: [u8; 4], big_endian: bool) -> u32 {
    if big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

/// A 32-bit field at `offset`.
pub(super) fn integer32(bytes: &[u8], offset: usize, big_endian: bool) -> Option<u32> {
    Some(number32(*bytes.get(offset..)?.first_chunk()?, big_endian))
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

#[cfg(test)]
mod tests {
    use super::super::samples::{Big, Little, frames, pcap, read, two_frames};
    use super::*;

    const HALF: u32 = 500_000;

    #[test]
    fn both_byte_orders_and_resolutions_are_read() {
        for order in [Little, Big] {
            let micro = [order.pcap_header(0xa1b2_c3d4), order.two_records(HALF, 0)];
            let nano = [
                order.pcap_header(0xa1b2_3c4d),
                order.two_records(HALF * 1_000, 0),
            ];
            assert_eq!(frames(&micro.concat()), two_frames());
            assert_eq!(frames(&nano.concat()), two_frames());
        }
    }

    #[test]
    fn lcap_files_have_one_field_more() {
        for order in [Little, Big] {
            for (magic, half) in [(0x1c00_01ac, HALF * 1_000), (0x1c00_01ab, HALF)] {
                let file = [
                    order.pcap_header(magic),
                    order.words(&[37]),
                    order.two_records(half, 0),
                ];
                assert_eq!(frames(&file.concat()), two_frames());
            }
        }
    }

    #[test]
    fn the_length_of_a_records_header_is_told_by_what_makes_sense() {
        for order in [Little, Big] {
            for (magic, extra) in [
                (0xa1b2_cd34, 8),
                (0xa1b2_cd34, 12),
                (0xa1b2_c3d4, 8),
                (0xa1b2_c3d4, 4),
            ] {
                let file = [order.pcap_header(magic), order.two_records(HALF, extra)];
                assert_eq!(frames(&file.concat()), two_frames(), "{extra} {order:?}");
            }
        }
    }

    #[test]
    fn old_files_tell_the_two_lengths_the_other_way_round() {
        for version in [[2, 2], [2, 3], [543, 0]] {
            let file = [
                Little.pcap_header_of(0xa1b2_c3d4, version, 1),
                Little.words(&[1, HALF, 60, 4]),
                b"abcd".to_vec(),
            ];
            assert_eq!(frames(&file.concat()), two_frames()[..1]);
        }
    }

    #[test]
    fn files_of_aix_have_its_own_link_types_and_nanoseconds() {
        let file = [
            Big.pcap_header_of(0xa1b2_c3d4, [2, 2], 6),
            Big.two_records(HALF * 1_000, 0),
        ];
        assert_eq!(frames(&file.concat()), two_frames());
    }

    #[test]
    fn the_upper_half_of_the_link_type_tells_of_a_check_sequence() {
        let file = [
            Little.pcap_header_of(0xa1b2_c3d4, [2, 4], 0x4400_0001),
            Little.two_records(HALF, 0),
        ];
        assert_eq!(frames(&file.concat()), two_frames());
    }

    #[test]
    fn odd_records_are_read_and_counted() {
        let file = [
            Little.pcap_header(0xa1b2_c3d4),
            Little.record([1, 0], 60, b"ok", 0),
            Little.record([1, 1_500_000], 60, b"", 0),
            Little.record([3, 0], 1, &[7; 70_000], 0),
        ];
        let outcome = read(&file.concat());
        assert_eq!(outcome.frames.len(), 3);
        assert_eq!(outcome.frames[1], (2_500_000_000, 1, 60, vec![]));
        assert_eq!(outcome.frames[2].2, 70_000);
        let expected = SourceCounters {
            empty_frame: 1,
            odd_fraction: 1,
            longer_than_wire: 1,
            longer_than_snap: 1,
            ..SourceCounters::default()
        };
        assert_eq!(outcome.counters, expected);
    }

    #[test]
    fn a_length_of_four_gigabytes_is_broken_not_allocated() {
        let mut file = pcap();
        file[52..56].copy_from_slice(&u32::MAX.to_le_bytes());
        let outcome = read(&file);
        assert_eq!(outcome.frames, two_frames()[..1]);
        let message = outcome.error.unwrap().to_string();
        assert!(message.starts_with("is broken at byte 44: "), "{message}");
    }

    #[test]
    fn a_frame_longer_than_the_buffer_is_whole() {
        let long: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
        let file = [
            Little.pcap_header(0xa1b2_c3d4),
            Little.record([1, 0], 4, b"abcd", 0),
            Little.record([2, 0], 1_000_000, &long, 0),
            Little.record([3, 0], 4, b"efgh", 0),
        ];
        let frames = frames(&file.concat());
        assert_eq!(frames[1].3, long);
        assert_eq!(frames[2].3, b"efgh");
    }

    #[test]
    fn a_version_before_2_is_not_read() {
        let file = Little.pcap_header_of(0xa1b2_c3d4, [1, 4], 1);
        let message = read(&file).error.unwrap().to_string();
        assert_eq!(message, "is pcap of version 1.4, which is not read");
    }
}
