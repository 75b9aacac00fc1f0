//! Which bytes of a direction went over, each counted once (RFC 9293 section 3.4).
//!
//! Positions are 64-bit offsets from the first data byte. Below the *edge* everything went over: it was seen in order, or the
//! other side acknowledged it. Above it lie the pieces that were seen out of order. A part below the edge that was never
//! seen is a *hole*: inferred, until a late copy fills it.
//!
//! A FIN's own number is no byte. Where the mirror shows the acknowledging side alone, a last step of one is taken for it; a FIN
//! that was acknowledged together with data is known only at the end, and until then one byte too much is told.

use crate::flows::flow::Delivered;
use crate::types::packet::{TcpFlags, TcpSegment};

/// Most pieces above the edge; with more, the lowest hole is taken as passed.
const MAX_PIECES: usize = 32;
/// Most holes below the edge that a late copy can still fill.
const MAX_HOLES: usize = 32;
/// A step forward of more than this is believed only when a second segment agrees.
const BELIEVED_STEP: u64 = 64 << 20;
/// Most bytes of a first segment that come on the mirror after their own acknowledgement.
const MOST_LATE: u32 = 64 << 10;

/// What tells the number of the first data byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begin {
    /// Nothing so far.
    #[default]
    Unknown,
    /// A segment in the midst of the connection.
    Shown,
    /// A SYN.
    Syn,
}

/// What is known of the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fin {
    #[default]
    Unseen,
    Seen,
    Acknowledged,
}

/// What was heard of a direction, in bits: there is room for a byte.
#[derive(Clone, Copy, Debug, Default)]
struct Heard(u8);

impl Heard {
    const BYTES: u8 = 1;
    const ACKNOWLEDGEMENTS: u8 = 2;

    const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }

    const fn note(&mut self, what: u8) {
        self.0 |= what;
    }
}

/// The sequence space of one direction. Small, as every segment looks at both: what few connections need lies apart.
#[derive(Clone, Debug, Default)]
pub(in crate::flows) struct Sequence {
    edge: u64,
    acknowledged: u64,
    /// Behind the last data byte, once a FIN was seen.
    end: u64,
    apart: Option<Box<Apart>>,
    /// Number of the first data byte, once it is known.
    base: u32,
    begin: Begin,
    fin: Fin,
    heard: Heard,
    /// TCP flags of its segments, all together.
    pub flags: u8,
}

/// What is out of order, or lost on the mirror.
#[derive(Clone, Debug, Default)]
struct Apart {
    pieces: Vec<(u64, u64)>,
    holes: Vec<(u64, u64)>,
    /// Holes that can no longer be filled.
    settled_gaps: u64,
    inferred: u64,
    /// A far position that waits for a second segment to agree.
    suspect: Option<u64>,
    /// What a reset by the other side acknowledged.
    reset: u64,
}

impl Sequence {
    /// A SYN said where the data begins.
    pub fn begin(&mut self, base: u32) {
        self.begin_at(base);
        self.begin = Begin::Syn;
    }

    /// The connection was followed up to here by an earlier run: what the mirror shows from now on stands behind it.
    pub fn resume(next: u32) -> Self {
        Self {
            base: next,
            begin: Begin::Shown,
            heard: Heard(Heard::BYTES),
            ..Self::default()
        }
    }

    /// The number of the first data byte: `shown`, where it was not known.
    const fn begin_at(&mut self, shown: u32) -> u32 {
        if matches!(self.begin, Begin::Unknown) {
            self.base = shown;
            self.begin = Begin::Shown;
        }
        self.base
    }

    /// The position of the next segment, where nearly all are: behind what was seen, of which nothing is out of order. `None` where
    /// [`Self::place`] has to tell.
    #[inline]
    pub fn position_in_order(&self, sequence: u32) -> Option<u64> {
        let is_next = sequence == self.base.wrapping_add(self.edge as u32);
        let is_begun = self.heard.has(Heard::BYTES) || self.begin == Begin::Syn;
        (is_next && is_begun && self.apart.is_none()).then_some(self.edge)
    }

    /// Bytes of a segment that is the next in order.
    #[inline]
    pub const fn add_in_order(&mut self, length: u64) {
        self.edge += length;
        if length > 0 {
            self.heard.note(Heard::BYTES);
        }
    }

    /// As [`Self::acknowledge`], where it lies where nearly all do: in what was seen, of which nothing is out of order and no end is known.
    /// False, and nothing changes, where it lies elsewhere.
    #[inline]
    pub fn acknowledge_in_order(&mut self, number: u32) -> bool {
        let behind = u64::from(
            self.base
                .wrapping_add(self.edge as u32)
                .wrapping_sub(number),
        );
        let is_begun = self.begin != Begin::Unknown;
        let is_plain = is_begun && self.apart.is_none() && self.fin == Fin::Unseen;
        // More than half of the numbers behind is ahead.
        if !is_plain || behind > self.edge || behind > u64::from(u32::MAX / 2) {
            return false;
        }
        self.acknowledged = self.acknowledged.max(self.edge - behind);
        self.heard.note(Heard::ACKNOWLEDGEMENTS);
        true
    }

    /// The position of a sequence number; `None` where it lies before the first byte or implausibly far.
    pub fn position(&mut self, sequence: u32) -> Option<u64> {
        let base = self.begin_at(sequence);
        let position = self.position_behind(base, sequence)?;
        self.is_believed(position, self.highest())
            .then_some(position)
    }

    /// As [`Self::position`], believed or not.
    fn position_behind(&self, base: u32, sequence: u32) -> Option<u64> {
        let reference = self.highest();
        let distance = i64::from(sequence.wrapping_sub(base.wrapping_add(reference as u32)) as i32);
        reference.checked_add_signed(distance)
    }

    /// The position of a segment's first byte. Where an acknowledgement alone said where the direction stands, the first segment
    /// seen may lie below it: the mirror shows it after its own acknowledgement, and the data begins with it. A single byte
    /// below is a keep-alive (RFC 9293 section 3.8.4).
    pub fn place(&mut self, sequence: u32, length: u32) -> Option<u64> {
        if self.stands_by_acknowledgement() && length > 1 {
            let below = self.base.wrapping_sub(sequence);
            if (1..=MOST_LATE).contains(&below) {
                self.base = sequence;
                self.acknowledged = below.into();
            }
        }
        self.position(sequence)
    }

    /// Whether an acknowledgement alone said where the direction stands.
    fn stands_by_acknowledgement(&self) -> bool {
        self.begin == Begin::Shown && !self.heard.has(Heard::BYTES) && self.edge == 0
    }

    /// The position that a segment of the other side acknowledges, once it is sure where the direction begins.
    #[inline]
    pub fn acknowledged_by(&self, segment: &TcpSegment<'_>) -> Option<u64> {
        if !segment.flags.has(TcpFlags::ACK) || self.stands_by_acknowledgement() {
            return None;
        }
        self.position_behind(self.base()?, segment.acknowledgement)
    }

    /// Bytes were seen; gives how many are new.
    pub fn add(&mut self, start: u64, length: u64) -> u64 {
        let end = start + length;
        if length > 0 {
            self.heard.note(Heard::BYTES);
        }
        let Some(apart) = &mut self.apart else {
            if start <= self.edge {
                let new = end.saturating_sub(self.edge);
                self.edge += new;
                return new;
            }
            return self.add_apart(start, end);
        };
        if start < self.edge {
            apart.fill(start, end.min(self.edge));
        }
        self.add_apart(start.max(self.edge), end)
    }

    fn add_apart(&mut self, start: u64, end: u64) -> u64 {
        if start >= end {
            return 0;
        }
        let new = self.insert(start, end);
        self.advance();
        while self.pieces().len() > MAX_PIECES {
            let next = self.pieces().first().map_or(self.edge, |(start, _)| *start);
            self.pass(next);
        }
        new
    }

    /// A datagram came: where nothing is in order, all bytes are new.
    pub const fn add_datagram(&mut self, length: u64) {
        self.edge += length;
    }

    /// The other side acknowledged up to `number`; gives how many bytes it alone tells of.
    pub fn acknowledge(&mut self, number: u32) -> u64 {
        let Some(mut position) = self.position(number) else {
            return 0;
        };
        self.heard.note(Heard::ACKNOWLEDGEMENTS);
        if self.fin != Fin::Unseen && position > self.end {
            self.fin = Fin::Acknowledged;
            position = self.end;
        }
        self.acknowledged = self.acknowledged.max(position);
        // One number alone, of a side that is not shown: a FIN, unless more follows.
        let is_fin_likely = !self.heard.has(Heard::BYTES) && position == self.edge + 1;
        if position > self.edge && !is_fin_likely {
            self.pass(position)
        } else {
            0
        }
    }

    /// The last data byte lies before `position`.
    pub fn finish(&mut self, position: u64) {
        if self.fin == Fin::Unseen {
            self.end = position;
            self.fin = Fin::Seen;
        }
        // An acknowledgement that came before its FIN counted the FIN's own number.
        if let Some(apart) = &mut self.apart
            && self.edge == position + 1
            && apart.holes.last() == Some(&(position, position + 1))
        {
            apart.holes.pop();
            apart.inferred -= 1;
            self.edge = position;
            self.fin = Fin::Acknowledged;
        }
    }

    /// The end: without any acknowledgement seen, what lies before a later piece, or before the FIN, was passed.
    pub fn settle(&mut self) {
        if !self.heard.has(Heard::ACKNOWLEDGEMENTS) {
            let end = self.highest().max(self.end);
            self.pass(end);
        }
    }

    /// The end of a connection that was closed in order, though the FIN of this direction was not seen: the last number that
    /// was acknowledged is the FIN's, where it was not seen as a byte.
    pub fn settle_unseen_fin(&mut self) {
        let is_counted = self.acknowledged <= self.edge;
        let ends_unseen = self.fin == Fin::Unseen && self.pieces().is_empty() && is_counted;
        let edge = self.edge;
        let Some(apart) = self.apart.as_mut().filter(|_| ends_unseen) else {
            return;
        };
        if let Some((_, end)) = apart.holes.last_mut().filter(|(_, end)| *end == edge) {
            *end -= 1;
            self.edge -= 1;
            apart.inferred -= 1;
            apart.holes.retain(|(start, end)| start < end);
        }
    }

    /// What went over.
    pub fn delivered(&self) -> Delivered {
        let Some(apart) = &self.apart else {
            return Delivered {
                bytes: self.edge,
                ..Delivered::default()
            };
        };
        let above: u64 = apart.pieces.iter().map(|(start, end)| end - start).sum();
        let unpassed = apart.pieces.len() as u64;
        Delivered {
            bytes: self.edge + above,
            inferred: apart.inferred,
            gaps: apart.settled_gaps + apart.holes.len() as u64 + unpassed,
        }
    }

    /// Number of the first data byte.
    pub fn base(&self) -> Option<u32> {
        (self.begin != Begin::Unknown).then_some(self.base)
    }

    /// Whether a SYN was seen.
    pub fn began_with_syn(&self) -> bool {
        self.begin == Begin::Syn
    }

    /// Below this position everything went over.
    pub const fn passed(&self) -> u64 {
        self.edge
    }

    /// How far the other side acknowledged.
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How far what was seen was acknowledged, by a reset at last; `None` where no acknowledgement was seen.
    pub fn acknowledged_at_last(&self) -> Option<u64> {
        let was_heard = self.heard.has(Heard::ACKNOWLEDGEMENTS);
        let reset = self.apart.as_ref().map_or(0, |apart| apart.reset);
        was_heard.then(|| self.acknowledged.max(reset).min(self.highest()))
    }

    /// The other side reset the connection, and acknowledged up to `number`: of what is not seen that tells nothing.
    pub fn reset_behind(&mut self, number: u32) {
        let position = self
            .base()
            .and_then(|base| self.position_behind(base, number));
        let near = |position: &u64| *position <= self.highest() + BELIEVED_STEP;
        if let Some(position) = position
            .filter(near)
            .filter(|position| *position > self.acknowledged)
        {
            self.apart.get_or_insert_default().reset = position;
        }
    }

    /// Whether the FIN was acknowledged.
    pub fn fin_acknowledged(&self) -> bool {
        self.fin == Fin::Acknowledged
    }

    fn pieces(&self) -> &[(u64, u64)] {
        self.apart.as_ref().map_or(&[], |apart| &apart.pieces)
    }

    /// The highest position known.
    fn highest(&self) -> u64 {
        self.pieces().last().map_or(self.edge, |(_, end)| *end)
    }

    fn is_believed(&mut self, position: u64, reference: u64) -> bool {
        if position <= reference + BELIEVED_STEP {
            return true;
        }
        let suspect = &mut self.apart.get_or_insert_default().suspect;
        let agrees = suspect.is_some_and(|suspect| position.abs_diff(suspect) <= BELIEVED_STEP);
        *suspect = Some(position);
        agrees
    }

    /// Everything below `position` went over; gives how much of it was never seen.
    fn pass(&mut self, position: u64) -> u64 {
        if self.apart.is_none() && position <= self.edge {
            return 0;
        }
        let apart = self.apart.get_or_insert_default();
        let missing = apart.pass(self.edge, position);
        self.edge = position.max(self.edge);
        self.advance();
        missing
    }

    /// Inserts a piece above the edge; gives how many of its bytes are new.
    fn insert(&mut self, start: u64, end: u64) -> u64 {
        if self.pieces().is_empty() && start == self.edge {
            self.edge = end;
            return end - start;
        }
        self.apart.get_or_insert_default().insert(start, end)
    }

    /// Moves the edge over pieces that touch it.
    fn advance(&mut self) {
        let Some(apart) = &mut self.apart else {
            return;
        };
        let edge = self.edge;
        let touching = apart.pieces.iter().take_while(|(start, _)| *start <= edge);
        let reached = touching.count();
        for (_, end) in apart.pieces.drain(..reached) {
            self.edge = self.edge.max(end);
        }
    }
}

impl Apart {
    /// Everything between `edge` and `position` went over; gives how much of it was never seen.
    fn pass(&mut self, edge: u64, position: u64) -> u64 {
        let mut missing = 0;
        let mut at = edge;
        for (start, end) in self.pieces.iter().copied().chain([(position, position)]) {
            let until = start.min(position);
            if until > at {
                missing += until - at;
                self.holes.push((at, until));
            }
            at = at.max(end);
            if at >= position {
                break;
            }
        }
        self.inferred += missing;
        let excess = self.holes.len().saturating_sub(MAX_HOLES);
        self.holes.drain(..excess);
        self.settled_gaps += excess as u64;
        missing
    }

    /// A late copy of bytes below the edge.
    fn fill(&mut self, start: u64, end: u64) {
        if self.holes.is_empty() {
            return;
        }
        let mut left = Vec::with_capacity(self.holes.len() + 1);
        for (hole_start, hole_end) in self.holes.drain(..) {
            let (from, to) = (
                start.clamp(hole_start, hole_end),
                end.clamp(hole_start, hole_end),
            );
            self.inferred -= to - from;
            left.extend(
                [(hole_start, from), (to, hole_end)]
                    .into_iter()
                    .filter(|(start, end)| start < end),
            );
        }
        self.holes = left;
    }

    /// Inserts a piece above the edge; gives how many of its bytes are new.
    fn insert(&mut self, start: u64, end: u64) -> u64 {
        let first = self
            .pieces
            .partition_point(|(_, piece_end)| *piece_end < start);
        let last = self
            .pieces
            .partition_point(|(piece_start, _)| *piece_start <= end);
        let touched = self.pieces.get(first..last).unwrap_or_default();
        let seen: u64 = touched
            .iter()
            .map(|(s, e)| (*e).min(end).saturating_sub((*s).max(start)))
            .sum();
        let merged = touched.iter().fold((start, end), |(s, e), piece| {
            (s.min(piece.0), e.max(piece.1))
        });
        self.pieces.splice(first..last, [merged]);
        end - start - seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_acknowledges_only_what_is_shown() {
        for (number, acknowledged) in [
            (1_020, 50),
            (1_080, 80),
            (1_101, 100),
            (9_000, 100),
            (0x8000_0000, 50),
        ] {
            let mut sequence = Sequence::default();
            sequence.begin(1_000);
            sequence.add(0, 100);
            assert_eq!(sequence.acknowledged_at_last(), None);
            sequence.acknowledge(1_050);
            sequence.reset_behind(number);
            assert_eq!(
                sequence.acknowledged_at_last(),
                Some(acknowledged),
                "{number}"
            );
            let delivered = sequence.delivered();
            assert_eq!((delivered.bytes, delivered.inferred), (100, 0));
        }
        // Shown behind the reset.
        let mut sequence = Sequence::default();
        sequence.begin(1_000);
        sequence.add(0, 100);
        sequence.acknowledge(1_050);
        sequence.reset_behind(1_300);
        sequence.add(100, 150);
        assert_eq!(sequence.acknowledged_at_last(), Some(250));
    }

    fn delivered(sequence: &Sequence) -> (u64, u64, u64) {
        let delivered = sequence.delivered();
        (delivered.bytes, delivered.inferred, delivered.gaps)
    }

    fn begun(base: u32) -> Sequence {
        let mut sequence = Sequence::default();
        sequence.begin(base);
        sequence
    }

    fn send(sequence: &mut Sequence, number: u32, length: u64) -> u64 {
        let position = sequence.position(number);
        position.map_or(0, |position| sequence.add(position, length))
    }

    #[test]
    fn retransmissions_and_overlaps_count_once() {
        let mut sequence = begun(1);
        assert_eq!(send(&mut sequence, 1, 100), 100);
        assert_eq!(send(&mut sequence, 1, 100), 0);
        assert_eq!(send(&mut sequence, 51, 100), 50);
        assert_eq!(
            send(&mut sequence, 0, 1),
            0,
            "a keep-alive lies before the first byte"
        );
        assert_eq!(delivered(&sequence), (150, 0, 0));
    }

    #[test]
    fn what_was_lost_on_the_mirror_is_inferred_from_acknowledgements_until_it_comes() {
        let mut sequence = begun(1);
        send(&mut sequence, 1, 100);
        send(&mut sequence, 201, 100);
        assert_eq!(delivered(&sequence), (200, 0, 1));
        assert_eq!(sequence.acknowledge(301), 100);
        assert_eq!(delivered(&sequence), (300, 100, 1));
        assert_eq!(send(&mut sequence, 101, 60), 0);
        assert_eq!(delivered(&sequence), (300, 40, 1));
        send(&mut sequence, 161, 40);
        assert_eq!(delivered(&sequence), (300, 0, 0));
    }

    #[test]
    fn acknowledgements_alone_tell_the_size() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.acknowledge(1_001), 0);
        assert_eq!(sequence.acknowledge(2_001), 1_000);
        assert_eq!(delivered(&sequence), (1_000, 1_000, 1));
    }

    #[test]
    fn a_first_segment_that_comes_after_its_acknowledgement_counts() {
        let mut sequence = Sequence::default();
        sequence.acknowledge(1_501);
        assert_eq!(
            sequence.place(1_500, 1),
            None,
            "a keep-alive lies before the first byte"
        );
        assert_eq!(sequence.place(1_001, 500), Some(0));
        assert_eq!(sequence.add(0, 500), 500);
        assert_eq!(
            sequence.place(501, 500),
            None,
            "the data began with the first segment seen"
        );
        assert_eq!(sequence.acknowledge(1_501), 0);
        assert_eq!(delivered(&sequence), (500, 0, 0));
    }

    #[test]
    fn the_fin_is_no_byte() {
        let mut sequence = begun(1);
        send(&mut sequence, 1, 10);
        sequence.finish(10);
        assert_eq!(sequence.acknowledge(12), 0);
        assert!(sequence.fin_acknowledged());
        let mut reordered = begun(1);
        send(&mut reordered, 1, 10);
        reordered.acknowledge(12);
        reordered.finish(10);
        assert_eq!(delivered(&reordered), (10, 0, 0));
    }

    #[test]
    fn without_acknowledgements_the_fin_tells_of_a_lost_end() {
        let mut sequence = begun(1);
        send(&mut sequence, 1, 10);
        sequence.finish(30);
        sequence.settle();
        assert_eq!(delivered(&sequence), (30, 20, 1));
    }

    #[test]
    fn a_fin_that_was_not_seen_is_no_byte_in_the_end() {
        let mut sequence = Sequence::default();
        sequence.acknowledge(1_001);
        sequence.acknowledge(2_002);
        assert_eq!(delivered(&sequence), (1_001, 1_001, 1));
        sequence.settle_unseen_fin();
        assert_eq!(delivered(&sequence), (1_000, 1_000, 1));
        let mut alone = Sequence::default();
        for number in [1, 1_001, 1_002] {
            alone.acknowledge(number);
        }
        assert_eq!(delivered(&alone), (1_000, 1_000, 1), "at once");
        alone.settle_unseen_fin();
        assert_eq!(delivered(&alone), (1_000, 1_000, 1));
        alone.acknowledge(1_003);
        assert_eq!(delivered(&alone).0, 1_002, "it was a byte");
        let mut seen = begun(1);
        send(&mut seen, 1, 10);
        seen.acknowledge(11);
        seen.settle_unseen_fin();
        assert_eq!(delivered(&seen), (10, 0, 0), "nothing unseen");
        seen.acknowledge(12);
        seen.settle_unseen_fin();
        assert_eq!(delivered(&seen), (10, 0, 0), "its copy was lost");
    }

    #[test]
    fn more_than_four_gigabytes_are_exact() {
        let mut sequence = begun(u32::MAX - 5);
        let (mut number, step, count) = (u32::MAX - 5, 60_000_u32, 100_000_u64);
        for _ in 0..count {
            send(&mut sequence, number, step.into());
            number = number.wrapping_add(step);
        }
        assert_eq!(delivered(&sequence), (6_000_000_000, 0, 0));
    }

    #[test]
    fn one_forged_number_is_not_believed_two_are() {
        let mut sequence = begun(1);
        send(&mut sequence, 1, 100);
        assert_eq!(sequence.acknowledge(1_000_000_000), 0);
        assert_eq!(delivered(&sequence), (100, 0, 0));
        assert!(sequence.acknowledge(1_000_000_100) > 0);
    }

    #[test]
    fn a_thousand_holes_stay_bounded_and_exact() {
        let mut sequence = begun(0);
        for piece in 0..1_000_u32 {
            send(&mut sequence, piece * 200, 100);
        }
        sequence.acknowledge(200_000);
        assert_eq!(delivered(&sequence), (200_000, 100_000, 1_000));
        let apart = sequence.apart.unwrap();
        assert!(apart.pieces.len() <= MAX_PIECES && apart.holes.len() <= MAX_HOLES);
    }

    proptest::proptest! {
        #[test]
        fn any_order_of_pieces_counts_what_a_plain_set_counts(pieces in proptest::collection::vec((0_u32..300, 1_u64..40), 1..25)) {
            let mut sequence = begun(0);
            let mut model = std::collections::BTreeSet::new();
            for (start, length) in pieces {
                let before = model.len() as u64;
                model.extend(u64::from(start)..u64::from(start) + length);
                let new = send(&mut sequence, start, length);
                proptest::prop_assert_eq!(new, model.len() as u64 - before);
            }
            proptest::prop_assert_eq!(sequence.delivered().bytes, model.len() as u64);
        }
    }
}
