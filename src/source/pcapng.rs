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
use super::pcap::{integer16, integer32, number32};
use super::{Head, LinkType, MAX_FRAME, SourceCounters, SourceError};
use crate::types::Timestamp;

/// Block types.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Type, length, length again.
const ENVELOPE: usize = 12;
/// What stands in front of a frame.
const PACKET_HEADER: usize = 28;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Options of an interface.
const OPTION_END: u16 = 0;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;
const NANOS: u64 = 1_000_000_000;
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
    /// Where the frame lies within the block taken last.
    data: Range<usize>,
    /// The latest stamp, for frames that have none.
    last: Timestamp,
    counters: SourceCounters,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: LinkType,
    /// 0: no limit.
    snap_length: u32,
    clock: Clock,
    /// Its options made no sense.
    is_odd: bool,
}

/// How an interface counts time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Time units a second.
    units: u64,
    /// Nanoseconds a unit, where that is a whole number.
    nanos_per_unit: Option<u64>,
    offset_seconds: i64,
}

/// The first words of a block.
#[derive(Clone, Copy, Debug)]
struct Envelope {
    kind: u32,
    /// Total length as told.
    told: u32,
    /// Total length with padding. Some writers do not count it; the next block is aligned all the same.
    length: usize,
}

/// A packet block's header.
struct Packet {
    interface: Interface,
    time: Option<u64>,
    captured: u32,
    wire: u32,
    /// Where the frame begins.
    start: usize,
}

/// Whether `magic` begins a pcapng file.
pub fn is_magic(magic: [u8; 4]) -> bool {
    u32::from_be_bytes(magic) == SECTION
}

impl<R: Read> Reader<R> {
    /// At the start of a file.
    pub fn new(buffer: Buffer<R>) -> Self {
        Self {
            buffer,
            big_endian: false,
            interfaces: Vec::new(),
            frames: 0,
            data: 0..0,
            last: Timestamp::EPOCH,
            counters: SourceCounters::default(),
        }
    }

    /// Goes to the next frame; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<Head>, SourceError> {
        while let Some(envelope) = self.envelope()? {
            let head = if is_read(envelope.kind) {
                self.read(envelope)?
            } else {
                self.skip(envelope)?;
                None
            };
            if head.is_some() {
                return Ok(head);
            }
        }
        Ok(None)
    }

    /// Goes on by at most `most` enhanced packet blocks without any oddity that lie in the window as a whole, as nearly every one does, and
    /// that `take` says yes to: what the file says of the frame, and its bytes.
    #[inline]
    pub(super) fn pass<'a>(
        &'a mut self,
        most: usize,
        take: &mut impl FnMut(Head, &'a [u8]) -> bool,
    ) {
        let (interfaces, big_endian) = (&self.interfaces, self.big_endian);
        let last = &mut self.last;
        self.frames += self.buffer.pass(
            most,
            |blocks| plain(blocks, interfaces, big_endian),
            |head, data| {
                let is_taken = take(head, data);
                if is_taken {
                    *last = head.timestamp;
                }
                is_taken
            },
        );
    }

    /// The bytes of the frame that `advance` found.
    pub fn data(&self) -> &[u8] {
        self.buffer
            .taken()
            .get(self.data.clone())
            .unwrap_or_default()
    }

    /// What was odd so far.
    pub const fn counters(&self) -> &SourceCounters {
        &self.counters
    }

    /// The first words of the next block; nothing is taken yet.
    fn envelope(&mut self) -> Result<Option<Envelope>, SourceError> {
        match self.buffer.fill(ENVELOPE).map_err(SourceError::Read)? {
            Fill::Empty => return Ok(None),
            Fill::Short => return Err(self.cut()),
            Fill::Whole => {}
        }
        if self.field(0) == SECTION {
            self.big_endian = match integer32(self.buffer.window(), 8, true) {
                Some(BYTE_ORDER_MAGIC) => true,
                Some(magic) if magic.swap_bytes() == BYTE_ORDER_MAGIC => false,
                _ => return Err(self.broken("a section without a byte order")),
            };
        }
        let (kind, told) = (self.field(0), self.field(4));
        let length = (told as usize).next_multiple_of(4);
        if length < ENVELOPE || (is_read(kind) && length > MAX_FRAME) {
            return Err(self.broken("a block's length makes no sense"));
        }
        self.counters.odd_block_length += u64::from(told % 4 != 0);
        Ok(Some(Envelope { kind, told, length }))
    }

    /// Takes in a whole block; a packet's head where it is one.
    fn read(&mut self, envelope: Envelope) -> Result<Option<Head>, SourceError> {
        self.need(envelope.length)?;
        self.check_trailer(envelope, envelope.length)?;
        let head = match envelope.kind {
            SECTION => self.begin_section().map(|()| None),
            INTERFACE => self.add_interface(envelope.length).map(|()| None),
            kind => self.frame(kind, envelope.length).map(Some),
        }?;
        self.buffer.take(envelope.length);
        Ok(head)
    }

    /// Passes over a block, which may be longer than any frame, in pieces.
    fn skip(&mut self, envelope: Envelope) -> Result<(), SourceError> {
        self.counters.skipped_block += 1;
        let mut rest = envelope.length;
        while rest > SKIP {
            self.need(SKIP)?;
            self.buffer.take(SKIP);
            rest -= SKIP;
        }
        self.need(rest)?;
        self.check_trailer(envelope, rest)?;
        self.buffer.take(rest);
        Ok(())
    }

    fn need(&mut self, length: usize) -> Result<(), SourceError> {
        match self.buffer.fill(length).map_err(SourceError::Read)? {
            Fill::Whole => Ok(()),
            _ => Err(self.cut()),
        }
    }

    /// The length stands at both ends of a block (section 3.1); the end lies `length` bytes ahead.
    fn check_trailer(&self, envelope: Envelope, length: usize) -> Result<(), SourceError> {
        let trailer = length.checked_sub(4).map(|at| self.field(at));
        if trailer == Some(envelope.told) {
            return Ok(());
        }
        Err(self.broken("a block's two lengths differ"))
    }

    fn begin_section(&mut self) -> Result<(), SourceError> {
        let version = |at| integer16(self.buffer.window(), at, self.big_endian).unwrap_or_default();
        // 1.2 is 1.0 by another name (section 4.1).
        if let (major, minor) = (version(12), version(14))
            && !matches!((major, minor), (1, 0 | 2))
        {
            return Err(SourceError::Version {
                format: "pcapng",
                major,
                minor,
            });
        }
        self.interfaces.clear();
        Ok(())
    }

    fn add_interface(&mut self, length: usize) -> Result<(), SourceError> {
        let block = self.buffer.window().get(..length).unwrap_or_default();
        let interface = Interface::read(block, self.big_endian);
        let interface = interface.filter(|_| self.interfaces.len() < MAX_INTERFACES);
        let interface = interface.ok_or_else(|| self.broken("an interface makes no sense"))?;
        self.counters.odd_option += u64::from(interface.is_odd);
        self.interfaces.push(interface);
        Ok(())
    }

    fn frame(&mut self, kind: u32, length: usize) -> Result<Head, SourceError> {
        let packet = match kind {
            SIMPLE_PACKET => self.simple_packet(length),
            _ => self.packet(kind),
        };
        let end = |packet: &Packet| packet.start.saturating_add(packet.captured as usize);
        let packet = packet.filter(|packet| end(packet).saturating_add(4) <= length);
        let packet = packet.ok_or_else(|| self.broken("a packet makes no sense"))?;
        self.frames += 1;
        self.count_oddities(&packet);
        self.data = packet.start..end(&packet);
        self.last = packet
            .time
            .map_or(self.last, |time| packet.interface.clock.time(time));
        Ok(Head {
            timestamp: self.last,
            link_type: packet.interface.link_type,
            wire_length: packet.wire.max(packet.captured),
        })
    }

    /// ```text
    /// type(4) length(4) wire(4) data ...
    /// ```
    /// It belongs to the first interface, has no time, and is cut at the snap length (section 4.4).
    fn simple_packet(&self, length: usize) -> Option<Packet> {
        let interface = *self.interfaces.first()?;
        let wire = self.field(8);
        let room = u32::try_from(length.checked_sub(ENVELOPE + 4)?).ok()?;
        let captured = match interface.snap_length {
            0 => wire.min(room),
            snap_length => wire.min(room).min(snap_length),
        };
        Some(Packet {
            interface,
            time: None,
            captured,
            wire,
            start: 12,
        })
    }

    /// ```text
    /// enhanced: type(4) length(4) interface(4)          time high(4) low(4) captured(4) wire(4) data ...
    /// obsolete: type(4) length(4) interface(2) drops(2) time high(4) low(4) captured(4) wire(4) data ...
    /// ```
    fn packet(&self, kind: u32) -> Option<Packet> {
        let window = self.buffer.window();
        let index = if kind == OBSOLETE_PACKET {
            usize::from(integer16(window, 8, self.big_endian)?)
        } else {
            self.field(8) as usize
        };
        Some(Packet {
            interface: *self.interfaces.get(index)?,
            time: Some(u64::from(self.field(12)) << 32 | u64::from(self.field(16))),
            captured: self.field(20),
            wire: self.field(24),
            start: PACKET_HEADER,
        })
    }

    fn count_oddities(&mut self, packet: &Packet) {
        let Packet { captured, wire, .. } = *packet;
        let snap_length = packet.interface.snap_length;
        self.counters.empty_frame += u64::from(captured == 0);
        self.counters.longer_than_wire += u64::from(captured > wire);
        self.counters.longer_than_snap += u64::from(snap_length > 0 && captured > snap_length);
        self.counters.no_timestamp += u64::from(packet.time.is_none());
    }

    /// A 32-bit field of the block that comes next; 0 where that ends before it, as its caller has ruled out.
    fn field(&self, at: usize) -> u32 {
        integer32(self.buffer.window(), at, self.big_endian).unwrap_or_default()
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

/// The enhanced packet block at the front, where it is there as a whole and nothing is odd about it: its head, its frame, and what is behind.
#[inline]
fn plain<'a>(
    blocks: &'a [u8],
    interfaces: &[Interface],
    big_endian: bool,
) -> Option<(Head, &'a [u8], &'a [u8])> {
    let (fields, _) = blocks.first_chunk::<PACKET_HEADER>()?.as_chunks();
    let fields: &[[u8; 4]; PACKET_HEADER / 4] = fields.first_chunk()?;
    let [kind, length, interface, high, low, captured, wire] =
        fields.map(|field| number32(field, big_endian));
    let interface = interfaces.get(interface as usize)?;
    let is_plain = kind == ENHANCED_PACKET
        && length % 4 == 0
        && length as usize <= MAX_FRAME
        && captured > 0
        && captured <= wire
        && (interface.snap_length == 0 || captured <= interface.snap_length);
    let (block, behind) = blocks
        .split_at_checked(length as usize)
        .filter(|_| is_plain)?;
    let (block, trailer) = block.split_last_chunk()?;
    if number32(*trailer, big_endian) != length {
        return None;
    }
    let (data, _) = block
        .get(PACKET_HEADER..)?
        .split_at_checked(captured as usize)?;
    let head = Head {
        timestamp: interface.clock.time(u64::from(high) << 32 | u64::from(low)),
        link_type: interface.link_type,
        wire_length: wire,
    };
    Some((head, data, behind))
}

const fn is_read(kind: u32) -> bool {
    matches!(
        kind,
        SECTION | INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET
    )
}

impl Interface {
    /// ```text
    /// type(4) length(4) link type(2) reserved(2) snap length(4) options ... length(4)
    /// ```
    fn read(block: &[u8], big_endian: bool) -> Option<Self> {
        let mut interface = Self {
            link_type: LinkType(integer16(block, 8, big_endian)?),
            snap_length: integer32(block, 12, big_endian)?,
            clock: Clock::new(1_000_000),
            is_odd: false,
        };
        let options = block.get(16..block.len().checked_sub(4)?)?;
        // What makes no sense leaves the defaults: the frames are there all the same.
        interface.is_odd = interface.read_options(options, big_endian).is_none();
        Some(interface)
    }

    fn read_options(&mut self, mut options: &[u8], big_endian: bool) -> Option<()> {
        while !options.is_empty() {
            let code = integer16(options, 0, big_endian)?;
            let length = usize::from(integer16(options, 2, big_endian)?);
            let value = options.get(4..4 + length)?;
            match code {
                OPTION_END => return Some(()),
                OPTION_RESOLUTION => self.clock.set_resolution(*value.first()?),
                OPTION_OFFSET => self.clock.offset_seconds = integer64(value, big_endian)?,
                _ => {}
            }
            let next = 4 + length.next_multiple_of(4);
            options = options.get(next..).unwrap_or_default();
        }
        Some(())
    }
}

impl Clock {
    const fn new(units: u64) -> Self {
        Self {
            units,
            nanos_per_unit: if NANOS.is_multiple_of(units) {
                Some(NANOS / units)
            } else {
                None
            },
            offset_seconds: 0,
        }
    }

    /// `if_tsresol`: a negative power of ten, or of two where the highest bit is set (section 4.2).
    fn set_resolution(&mut self, resolution: u8) {
        let base = if resolution & 0x80 == 0 { 10_u64 } else { 2 };
        // A finer resolution than fits cannot be told from the finest.
        let units = base.checked_pow(u32::from(resolution & 0x7f));
        *self = Self {
            offset_seconds: self.offset_seconds,
            ..Self::new(units.unwrap_or(u64::MAX))
        };
    }

    fn time(&self, count: u64) -> Timestamp {
        // As nearly all clocks count, there is nothing to divide.
        let nanos = self.nanos_per_unit.filter(|_| self.offset_seconds == 0);
        let nanos = nanos.and_then(|nanos| i64::try_from(count.checked_mul(nanos)?).ok());
        if let Some(nanos) = nanos {
            return Timestamp::from_nanos(nanos);
        }
        let seconds = i64::try_from(count / self.units).unwrap_or(i64::MAX);
        let rest = count % self.units;
        let nanos = match self.nanos_per_unit {
            Some(nanos_per_unit) => rest * nanos_per_unit,
            None => (u128::from(rest) * u128::from(NANOS) / u128::from(self.units)) as u64,
        };
        Timestamp::from_seconds(seconds.saturating_add(self.offset_seconds), nanos as u32)
    }
}

fn integer64(bytes: &[u8], big_endian: bool) -> Option<i64> {
    let field = *bytes.first_chunk()?;
    Some(if big_endian {
        i64::from_be_bytes(field)
    } else {
        i64::from_le_bytes(field)
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Big, Little, frames, pcapng, read};
    use super::*;

    #[test]
    fn sections_and_interfaces_have_their_own_order_link_type_and_resolution() {
        let section = [
            (1_500_000_000, 1, 9, b"xyz".to_vec()),
            (1_500_000_000, 101, 9, b"xyz".to_vec()),
            // A simple packet has no time: that of the packet before it.
            (1_500_000_000, 1, 2, b"pq".to_vec()),
            (2_000_000_000, 101, 1, b"r".to_vec()),
        ];
        let outcome = read(&pcapng());
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(outcome.frames, [section.clone(), section].concat());
        assert_eq!(outcome.counters.no_timestamp, 2);
        assert_eq!(outcome.counters.skipped_block, 4);
    }

    fn time_of(resolution: u8, count: u64) -> i64 {
        let file = [
            Big.section(),
            Big.interface_counting(resolution),
            Big.enhanced(0, count, 1, b"x"),
        ];
        frames(&file.concat())[0].0
    }

    #[test]
    fn every_resolution_counts_time() {
        for power in 0..=9_u32 {
            assert_eq!(time_of(power as u8, 7 * 10_u64.pow(power)), 7_000_000_000);
        }
        assert_eq!(time_of(12, 1_500_000_000_000), 1_500_000_000);
        for power in 0..=62 {
            assert_eq!(time_of(0x80 | power, 1 << power), 1_000_000_000);
        }
        assert_eq!(time_of(0x81, 3), 1_500_000_000);
        for power in 0..=u8::MAX {
            time_of(power, u64::MAX);
        }
    }

    #[test]
    fn an_interface_may_shift_its_time() {
        let file = [
            Little.section(),
            Little.interface(1, 0, (14, &(-10_i64).to_le_bytes())),
            Little.enhanced(0, 12_000_000, 1, b"x"),
        ];
        assert_eq!(frames(&file.concat())[0].0, 2_000_000_000);
    }

    #[test]
    fn options_that_make_no_sense_leave_the_defaults() {
        let mut interface = Little.interface(1, 0, (2, b"eth0"));
        interface[18] = 200;
        let file = [
            Little.section(),
            interface,
            Little.enhanced(0, 1_000_000, 1, b"x"),
        ];
        let outcome = read(&file.concat());
        assert_eq!(outcome.frames[0].0, 1_000_000_000);
        assert_eq!(outcome.counters.odd_option, 1);
    }

    #[test]
    fn a_simple_packet_is_cut_at_the_snap_length() {
        let file = [
            Little.section(),
            Little.interface(1, 3, (0, b"")),
            Little.block(3, &[Little.words(&[60]), b"abc".to_vec()].concat()),
        ];
        assert_eq!(frames(&file.concat()), [(0, 1, 60, b"abc".to_vec())]);
    }

    #[test]
    fn a_block_longer_than_any_frame_is_passed_over() {
        let file = [
            Little.section(),
            Little.interface_counting(6),
            Little.block(10, &vec![1; MAX_FRAME + 4]),
            Little.enhanced(0, 1_000_000, 1, b"x"),
        ];
        assert_eq!(frames(&file.concat()).len(), 1);
    }

    #[test]
    fn a_length_without_its_padding_is_understood() {
        let mut block = Little.enhanced(0, 1_000_000, 1, b"x");
        let (length, end) = (block.len() as u32 - 3, block.len() - 4);
        block[4..8].copy_from_slice(&length.to_le_bytes());
        block[end..].copy_from_slice(&length.to_le_bytes());
        let file = [
            Little.section(),
            Little.interface_counting(6),
            block.clone(),
            block,
        ];
        let outcome = read(&file.concat());
        assert_eq!(outcome.frames.len(), 2);
        assert_eq!(outcome.counters.odd_block_length, 2);
    }

    fn breakage(blocks: &[Vec<u8>]) -> String {
        let outcome = read(&blocks.concat());
        assert_eq!(outcome.frames.len(), 0);
        outcome.error.unwrap().to_string()
    }

    #[test]
    fn what_is_broken_says_where() {
        let (section, interface) = (Little.section(), Little.interface_counting(6));
        let mut differs = Little.enhanced(0, 0, 1, b"x");
        let end = differs.len() - 1;
        differs[end] = 1;
        let mut captured = Little.enhanced(0, 0, 1, b"x");
        captured[20] = 9;
        let mut huge = Little.enhanced(0, 0, 1, b"x");
        huge[7] = 0xff;
        for (block, what) in [
            (differs, "a block's two lengths differ"),
            (captured, "a packet makes no sense"),
            (huge, "a block's length makes no sense"),
            (Little.enhanced(1, 0, 1, b"x"), "a packet makes no sense"),
            (Little.words(&[77, 8, 8]), "a block's length makes no sense"),
        ] {
            let message = breakage(&[section.clone(), interface.clone(), block]);
            assert_eq!(message, format!("is broken at byte 60: {what}"));
        }
        let message = breakage(&[Little.words(&[SECTION, 28, 5])]);
        assert_eq!(
            message,
            "is broken at byte 0: a section without a byte order"
        );
    }

    #[test]
    fn an_unknown_version_is_not_read() {
        assert_eq!(frames(&Big.section_of([1, 2])), []);
        let message = breakage(&[Big.section_of([2, 0])]);
        assert_eq!(message, "is pcapng of version 2.0, which is not read");
    }
}
