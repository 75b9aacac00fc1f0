//! A direction's bytes in order, from segments in any order.
//!
//! A segment in order is handed through without a copy; what comes early waits, bounded. Where bytes are lost on the mirror the
//! stream goes on behind a gap: when the receiver acknowledged what is missing and it still has not come, when too much waits,
//! or when the flow ends. The first copy of a byte counts. One exception: where the very first bytes of a stream were few and come
//! again with other content (junk in a handshake's ACK that the receiver dropped), the stream starts over.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Read, Reading};
use crate::types::flow_key::Side;
use crate::types::{Place, Stamp, Timestamp};

/// Most bytes that wait for earlier ones, a direction.
pub const MAX_WAITING: usize = 2 << 20;
/// Most segments that wait, a direction.
const MAX_SEGMENTS: usize = 2_048;
/// A hole that was acknowledged is a gap after so many segments,
const PATIENCE_SEGMENTS: u32 = 16;
/// or so much time.
const PATIENCE: Duration = Duration::from_millis(100);
/// As long as no more than this was handed on, the stream may start over.
const RESTARTABLE: usize = 64;

/// The next piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes in order.
    Bytes(&'a [u8]),
    /// So many bytes were lost.
    Gap(u64),
    /// What came so far was no part of the stream: it begins anew.
    Restart,
    /// The sender said that this was all, or reset the connection.
    End,
}

/// Both directions of a connection.
#[derive(Debug, Default)]
pub struct Streams {
    sides: [Stream; 2],
    /// The last packet that came for them.
    pub(in crate::flows) last: Option<Stamp>,
}

/// One direction. Small, as a table may hold a million: what came early lies apart.
#[derive(Debug, Default)]
pub struct Stream {
    /// Position of the next byte to hand on.
    next: u64,
    end: Option<Place>,
    early: Option<Box<Early>>,
    /// What was handed on, as long as the stream may start over.
    head: Head,
    ended: bool,
    stopped: bool,
}

/// What came early: at least one segment.
#[derive(Debug, Default)]
struct Early {
    segments: VecDeque<Waiting>,
    /// Theirs.
    bytes: usize,
    /// When the first hole was met, and how many segments came since.
    hole: Option<(Timestamp, u32)>,
}

/// A segment that came early.
#[derive(Debug)]
struct Waiting {
    position: u64,
    bytes: Vec<u8>,
    /// Its length on the wire, where a snap length cut it.
    wire: u64,
    /// See [`Place::acknowledged`].
    acknowledged: Option<u64>,
}

/// A segment's payload in its stream.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Where it begins.
    pub position: u64,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub wire: u64,
    /// Whether a FIN follows it.
    pub is_last: bool,
    /// See [`Place::acknowledged`].
    pub acknowledged: Option<u64>,
}

/// The first bytes of a stream, as long as they are few: a hash of them all, which can be taken in parts. Of two that differ it does not
/// tell one in 65,536 from the other. The lower half of the 32 bits of FNV-1a (by G. Fowler, L. C. Noll and K.-P. Vo).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head(u16);

impl Head {
    const BASIS: u16 = 0x9dc5;
    const PRIME: u16 = 0x0193;
    /// A snap length cut some of them.
    const UNKNOWN: Self = Self(u16::MAX);

    /// With the bytes of a segment behind them, up to `end`; `lost`: bytes that were not captured.
    #[inline]
    pub fn with(self, bytes: &[u8], lost: u64, end: u64) -> Self {
        if end > RESTARTABLE as u64 {
            return Self::default();
        }
        if lost > 0 || self == Self::UNKNOWN {
            return Self::UNKNOWN;
        }
        bytes.iter().fold(self, |head, byte| head.and(*byte))
    }

    #[inline]
    const fn and(self, byte: u8) -> Self {
        let hash = (self.0 ^ Self::BASIS ^ byte as u16).wrapping_mul(Self::PRIME) ^ Self::BASIS;
        // The one value that stands for something else.
        Self(if hash == Self::UNKNOWN.0 { 0 } else { hash })
    }

    /// Whether `bytes` may be those.
    fn may_be(self, bytes: &[u8]) -> bool {
        self == Self::UNKNOWN || self == Self::default().with(bytes, 0, 0)
    }
}

impl Piece<'_> {
    /// Bytes that a snap length cut.
    pub(in crate::flows) const fn lost(&self) -> u64 {
        self.wire.saturating_sub(self.bytes.len() as u64)
    }
}

impl Streams {
    /// Of sides that were read so far, where their sequence spaces have passed `stood`.
    pub(super) fn of(read: Read, stood: [u64; 2]) -> Self {
        let ([low, high], [low_head, high_head]) = (read.reading, read.heads);
        let [stood_low, stood_high] = stood;
        let low = Stream::of(low, low_head, stood_low);
        let high = Stream::of(high, high_head, stood_high);
        Self {
            sides: [low, high],
            last: None,
        }
    }

    /// How far the sides were read, where that is all that is to be kept of them.
    pub(super) fn read(&self, passed: [u64; 2]) -> Option<Read> {
        let ([low, high], [passed_low, passed_high]) = (&self.sides, passed);
        Some(Read {
            reading: [low.reading(passed_low)?, high.reading(passed_high)?],
            heads: [low.head, high.head],
        })
    }

    /// One direction.
    pub const fn side(&mut self, side: Side) -> &mut Stream {
        let [low, high] = &mut self.sides;
        match side {
            Side::LowToHigh => low,
            Side::HighToLow => high,
        }
    }

    /// Position of the next byte of a direction to hand on; `None` where nobody wants it.
    pub const fn position(&self, side: Side) -> Option<u64> {
        let [low, high] = &self.sides;
        match side {
            Side::LowToHigh => low.position(),
            Side::HighToLow => high.position(),
        }
    }

    /// Whether a direction waits for bytes that are missing.
    #[inline]
    pub const fn has_hole(&self, side: Side) -> bool {
        let [low, high] = &self.sides;
        match side {
            Side::LowToHigh => low.early.is_some(),
            Side::HighToLow => high.early.is_some(),
        }
    }

    /// Memory that early segments take.
    pub fn memory(&self) -> usize {
        self.sides.iter().map(Stream::memory).sum()
    }

    /// Whether nobody wants either direction.
    pub fn is_stopped(&self) -> bool {
        self.sides
            .iter()
            .all(|stream| stream.stopped || stream.ended)
    }
}

impl Stream {
    fn of(reading: Reading, head: Head, stood: u64) -> Self {
        Self {
            next: if reading == Reading::Fresh { 0 } else { stood },
            head,
            stopped: reading == Reading::Stopped,
            ended: reading == Reading::Ended,
            ..Self::default()
        }
    }

    fn reading(&self, passed: u64) -> Option<Reading> {
        let waits = self.early.is_some() || self.end.is_some();
        match self.next {
            _ if self.stopped => Some(Reading::Stopped),
            _ if self.ended => Some(Reading::Ended),
            _ if waits => None,
            0 => Some(Reading::Fresh),
            next => (next == passed).then_some(Reading::InStep),
        }
    }

    /// Takes in a segment; hands on what is in order now. `on` says whether to go on.
    pub fn push(
        &mut self,
        piece: Piece<'_>,
        now: Timestamp,
        on: &mut impl FnMut(Chunk<'_>, Place) -> bool,
    ) {
        if self.stopped || self.ended {
            return;
        }
        if piece.is_last {
            self.end.get_or_insert(Place {
                end: piece.position + piece.wire,
                acknowledged: piece.acknowledged,
            });
        }
        if piece.wire > 0 {
            self.restart_where_rewritten(&piece, on);
            if piece.position <= self.next {
                self.hand_on(piece, on);
                self.hand_on_waiting(on);
            } else {
                self.wait(&piece, now);
            }
        }
        let is_much =
            |early: &Early| early.bytes > MAX_WAITING || early.segments.len() > MAX_SEGMENTS;
        if self.early.as_deref().is_some_and(is_much) {
            self.give_up_hole(on);
        }
        self.end_if_reached(on);
    }

    const fn position(&self) -> Option<u64> {
        if self.stopped || self.ended {
            None
        } else {
            Some(self.next)
        }
    }

    /// Memory that early segments take.
    fn memory(&self) -> usize {
        /// What an allocator takes for a few bytes.
        const LEAST: usize = 32;
        let memory =
            |early: &Early| early.bytes + early.segments.len() * (size_of::<Waiting>() + LEAST);
        self.early.as_deref().map_or(0, memory)
    }

    /// Too much waits elsewhere: what waits here is handed on, behind its gaps.
    pub fn give_up(&mut self, on: &mut impl FnMut(Chunk<'_>, Place) -> bool) {
        while !self.stopped && self.early.is_some() {
            self.give_up_hole(on);
        }
        self.end_if_reached(on);
    }

    /// The other side acknowledged up to `acknowledged`: a hole below it will not be filled for long.
    pub fn acknowledged(
        &mut self,
        acknowledged: u64,
        now: Timestamp,
        on: &mut impl FnMut(Chunk<'_>, Place) -> bool,
    ) {
        let Some(early) = &self.early else {
            return;
        };
        let Some((since, segments)) = early.hole else {
            return;
        };
        let first = early.segments.front();
        let is_passed = first.is_some_and(|first| acknowledged >= first.position);
        if is_passed && (segments >= PATIENCE_SEGMENTS || now.since(since) >= PATIENCE) {
            self.give_up_hole(on);
            self.end_if_reached(on);
        }
    }

    /// The flow ends: everything that waits is handed on, behind its gaps. All below `passed` went over, seen or not.
    pub fn finish(&mut self, passed: u64, on: &mut impl FnMut(Chunk<'_>, Place) -> bool) {
        while !self.stopped && self.early.is_some() {
            self.give_up_hole(on);
        }
        if !self.ended && passed > self.next {
            let lost = passed - self.next;
            self.next = passed;
            self.tell(Chunk::Gap(lost), self.place(), on);
        }
        if !self.stopped && !self.ended {
            self.ended = true;
            on(Chunk::End, self.place());
        }
    }

    fn end_if_reached(&mut self, on: &mut impl FnMut(Chunk<'_>, Place) -> bool) {
        if let Some(place) = self.end.filter(|place| self.next >= place.end)
            && !self.ended
            && !self.stopped
        {
            self.ended = true;
            // What came for behind the end was never part of the stream.
            self.early = None;
            let end = self.next;
            on(Chunk::End, Place { end, ..place });
        }
    }

    /// Hands on what of a segment is new; it begins at or before the next byte.
    fn hand_on(&mut self, piece: Piece<'_>, on: &mut impl FnMut(Chunk<'_>, Place) -> bool) {
        let end = piece.position + piece.wire;
        if end <= self.next || self.stopped {
            return;
        }
        let known = usize::try_from(self.next - piece.position).unwrap_or(usize::MAX);
        let new = piece.bytes.get(known..).unwrap_or_default();
        let lost = end - self.next - new.len() as u64;
        self.head = self.head.with(new, lost, end);
        self.next = end;
        let acknowledged = piece.acknowledged;
        if !new.is_empty() {
            let end = end - lost;
            self.tell(Chunk::Bytes(new), Place { end, acknowledged }, on);
        }
        if lost > 0 {
            self.tell(Chunk::Gap(lost), Place { end, acknowledged }, on);
        }
    }

    fn hand_on_waiting(&mut self, on: &mut impl FnMut(Chunk<'_>, Place) -> bool) {
        while !self.stopped
            && let Some(early) = &mut self.early
        {
            let next = self.next;
            let is_next = |first: &Waiting| first.position <= next;
            if !early.segments.front().is_some_and(is_next) {
                return;
            }
            let Some(first) = early.segments.pop_front() else {
                return;
            };
            early.bytes -= first.bytes.len();
            if early.segments.is_empty() {
                self.early = None;
            }
            let first = Piece {
                position: first.position,
                bytes: &first.bytes,
                wire: first.wire,
                is_last: false,
                acknowledged: first.acknowledged,
            };
            self.hand_on(first, on);
        }
    }

    fn wait(&mut self, piece: &Piece<'_>, now: Timestamp) {
        let early = self.early.get_or_insert_default();
        let (since, segments) = early.hole.unwrap_or((now, 0));
        early.hole = Some((since, segments + 1));
        let at = early
            .segments
            .partition_point(|other| other.position <= piece.position);
        let is_known = at
            .checked_sub(1)
            .and_then(|at| early.segments.get(at))
            .is_some_and(|other| other.position + other.wire >= piece.position + piece.wire);
        if !is_known {
            early.bytes += piece.bytes.len();
            early.segments.insert(
                at,
                Waiting {
                    position: piece.position,
                    bytes: piece.bytes.to_vec(),
                    wire: piece.wire,
                    acknowledged: piece.acknowledged,
                },
            );
        }
    }

    fn give_up_hole(&mut self, on: &mut impl FnMut(Chunk<'_>, Place) -> bool) {
        let Some(early) = &mut self.early else {
            return;
        };
        early.hole = None;
        let first = early.segments.front();
        let first = first.map_or(self.next, |first| first.position);
        let lost = first.saturating_sub(self.next);
        self.next = self.next.max(first);
        if lost > 0 {
            self.tell(Chunk::Gap(lost), self.place(), on);
        }
        self.hand_on_waiting(on);
    }

    fn restart_where_rewritten(
        &mut self,
        piece: &Piece<'_>,
        on: &mut impl FnMut(Chunk<'_>, Place) -> bool,
    ) {
        let is_restartable =
            piece.position == 0 && self.next > 0 && self.next <= RESTARTABLE as u64;
        if !is_restartable || piece.wire <= self.next {
            return;
        }
        let again = usize::try_from(self.next).ok();
        let again = again.and_then(|length| piece.bytes.get(..length));
        let is_same = again.is_none_or(|again| self.head.may_be(again));
        if !is_same {
            self.next = 0;
            self.head = Head::default();
            self.tell(Chunk::Restart, self.place(), on);
        }
    }

    /// Where it stands, of what no segment brought.
    const fn place(&self) -> Place {
        Place {
            end: self.next,
            acknowledged: None,
        }
    }

    fn tell(
        &mut self,
        chunk: Chunk<'_>,
        place: Place,
        on: &mut impl FnMut(Chunk<'_>, Place) -> bool,
    ) {
        if !self.stopped && !on(chunk, place) {
            self.stopped = true;
            self.early = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Reader {
        stream: Stream,
        seen: Vec<String>,
    }

    impl Reader {
        fn push(&mut self, position: u64, bytes: &[u8], is_last: bool) {
            let piece = Piece {
                position,
                bytes,
                wire: bytes.len() as u64,
                is_last,
                acknowledged: None,
            };
            let seen = &mut self.seen;
            self.stream
                .push(piece, Timestamp::EPOCH, &mut |chunk, _| tell(seen, chunk));
        }

        fn acknowledged(&mut self, position: u64, seconds: i64) {
            let seen = &mut self.seen;
            self.stream.acknowledged(
                position,
                Timestamp::from_seconds(seconds, 0),
                &mut |chunk, _| tell(seen, chunk),
            );
        }

        fn finish(&mut self) -> String {
            let seen = &mut self.seen;
            self.stream.finish(0, &mut |chunk, _| tell(seen, chunk));
            self.seen.join(" ")
        }
    }

    fn tell(seen: &mut Vec<String>, chunk: Chunk<'_>) -> bool {
        seen.push(match chunk {
            Chunk::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Chunk::Gap(lost) => format!("[{lost}]"),
            Chunk::Restart => "<restart>".to_owned(),
            Chunk::End => "<end>".to_owned(),
        });
        true
    }

    #[test]
    fn segments_in_any_order_come_out_in_order() {
        let mut reader = Reader::default();
        reader.push(6, b"gh", true);
        reader.push(2, b"cd", false);
        reader.push(0, b"abc", false);
        reader.push(4, b"ef", false);
        assert_eq!(reader.finish(), "abc d ef gh <end>");
    }

    #[test]
    fn a_hole_that_was_acknowledged_becomes_a_gap_in_time() {
        let mut reader = Reader::default();
        reader.push(0, b"ab", false);
        reader.push(5, b"fg", false);
        reader.acknowledged(7, 0);
        assert_eq!(reader.seen, ["ab"]);
        reader.acknowledged(7, 1);
        assert_eq!(reader.seen, ["ab", "[3]", "fg"]);
    }

    #[test]
    fn at_the_end_everything_that_waited_is_told() {
        let mut reader = Reader::default();
        reader.push(2, b"c", false);
        reader.push(9, b"z", false);
        assert_eq!(reader.finish(), "[2] c [6] z <end>");
    }

    #[test]
    fn at_the_end_what_was_acknowledged_and_never_seen_is_a_gap() {
        let mut reader = Reader::default();
        reader.push(0, b"ab", false);
        let seen = &mut reader.seen;
        reader.stream.finish(7, &mut |chunk, _| tell(seen, chunk));
        assert_eq!(reader.seen, ["ab", "[5]", "<end>"]);
    }

    #[test]
    fn junk_before_the_hello_is_taken_back() {
        let mut reader = Reader::default();
        reader.push(0, b"\0\0", false);
        reader.push(0, b"hello", false);
        reader.push(0, b"hello", false);
        assert_eq!(reader.finish(), "\0\0 <restart> hello <end>");
    }

    #[test]
    fn what_a_snap_length_cut_is_a_gap() {
        let mut reader = Reader::default();
        let piece = Piece {
            position: 0,
            bytes: b"ab",
            wire: 10,
            is_last: false,
            acknowledged: None,
        };
        let seen = &mut reader.seen;
        reader
            .stream
            .push(piece, Timestamp::EPOCH, &mut |chunk, _| tell(seen, chunk));
        assert_eq!(reader.finish(), "ab [8] <end>");
    }

    #[test]
    fn nothing_is_told_behind_the_end() {
        let mut reader = Reader::default();
        reader.push(5, b"behind", false);
        reader.push(0, b"ab", true);
        reader.acknowledged(9, 1);
        assert_eq!(reader.finish(), "ab <end>");
    }

    #[test]
    fn first_bytes_are_known_again_in_whatever_parts_they_come() {
        let head = |parts: &[&[u8]]| {
            let add = |(head, end): (Head, usize), part: &&[u8]| {
                let end = end + part.len();
                (head.with(part, 0, end as u64), end)
            };
            parts.iter().fold((Head::default(), 0), add).0
        };
        // The hash of the second would stand for bytes that are not known.
        for bytes in [b"\x16\x03\x01\x02\x00".as_slice(), b"RVG", b"RVGabc"] {
            for at in 0..=bytes.len() {
                let (first, second) = bytes.split_at(at);
                assert!(head(&[first, second]).may_be(bytes), "{bytes:?} {at}");
                assert!(at == 0 || !head(&[first]).may_be(bytes) || at == bytes.len());
            }
        }
        assert!(!head(&[b"abcd"]).may_be(b"abce"));
        let cut = head(&[b"ab"]).with(b"c", 2, 5);
        assert!(cut.with(b"de", 0, 7).may_be(b"nothing"));
        assert_eq!(cut.with(b"de", 0, 65), Head::default(), "too many");
    }

    #[test]
    fn a_flood_of_early_segments_is_bounded() {
        let mut stream = Stream::default();
        for position in 0..10_000_u64 {
            let piece = Piece {
                position: 1 + position * 2_000,
                bytes: &[0; 1_000],
                wire: 1_000,
                is_last: false,
                acknowledged: None,
            };
            stream.push(piece, Timestamp::EPOCH, &mut |_, _| true);
            let waiting = stream.early.as_ref().map_or(0, |early| early.bytes);
            assert!(waiting <= MAX_WAITING + 1_000);
        }
    }

    proptest::proptest! {
        #[test]
        fn shuffled_and_repeated_segments_give_the_stream(order in proptest::collection::vec(0_usize..20, 20..60)) {
            let whole: Vec<u8> = (0..100).collect();
            let mut stream = Stream::default();
            let mut got = Vec::new();
            for index in order.into_iter().chain(0..20) {
                let (start, end) = (index * 5, (index * 5 + 7).min(100));
                let bytes = &whole[start..end];
                let piece = Piece { position: start as u64, bytes, wire: bytes.len() as u64, is_last: false, acknowledged: None };
                stream.push(piece, Timestamp::EPOCH, &mut |chunk, _| {
                    if let Chunk::Bytes(bytes) = chunk { got.extend_from_slice(bytes); }
                    true
                });
            }
            proptest::prop_assert_eq!(got, whole);
        }
    }
}
