//! A packet in its flow: its counts, and what it brings to the streams.

use super::flow::{ClientEvidence, Flow};
use super::options::FlowOptions;
use super::table::FlowCounters;
use super::tcp::stream::{Chunk, Piece, Streams};
use super::tcp::{Reading, Tcp};
use super::{Interest, Observer};
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, TcpSegment, UdpDatagram};
use crate::types::{Packet, Place, Stamp};

/// Bytes of early segments, of all flows together.
#[derive(Debug)]
pub(super) struct Waiting {
    pub bytes: usize,
    pub max: usize,
}

/// What every packet is counted for, a mirror's copy too.
#[inline]
pub(super) fn count<A>(flow: &mut Flow<A>, side: Side, packet: &Packet<'_>) {
    flow.last = flow.last.max(packet.timestamp);
    flow.last_recorded = flow.last_recorded.max(packet.recorded);
    let [counts, _] = flow.sides.from(side);
    flow.is_stirred |= counts.packets == 0;
    counts.packets += u64::from(packet.frames.max(1));
    counts.wire_bytes += packet.wire_bytes;
}

/// Notes a segment's flags; those that were not seen yet may tell who is the client.
#[inline]
fn note_flags<A>(flow: &mut Flow<A>, side: Side, flags: TcpFlags, options: &FlowOptions) {
    let [counts, _] = flow.sides.from(side);
    let news = flags.0 & !counts.sequence.flags;
    if news == 0 && !flags.has(TcpFlags::SYN) {
        return;
    }
    counts.sequence.flags |= flags.0;
    // An acknowledgement that confirms a connection only puts its end off, unless somebody wants it otherwise.
    flow.is_stirred |= TcpFlags(news).begins_or_ends() || options.ends_sooner_confirmed();
    match (flags.has(TcpFlags::SYN), flags.has(TcpFlags::ACK)) {
        (true, false) => flow.set_client(side, ClientEvidence::Syn),
        (true, true) => flow.set_client(side.reversed(), ClientEvidence::SynAck),
        _ => {}
    }
}

#[inline]
pub(super) fn follow_segment<A, O: Observer<A>>(
    flow: &mut Flow<A>,
    side: Side,
    segment: &TcpSegment<'_>,
    packet: &Packet<'_>,
    (counters, waiting, options): (&mut FlowCounters, &mut Waiting, &FlowOptions),
    observer: &mut O,
) {
    note_flags(flow, side, segment.flags, options);
    // The flow's first packet may have shown no more than its ports.
    flow.tcp.get_or_insert_default().begin();
    let stood = flow.sides.passed();
    let change = flow.sides.segment(side, segment);
    let is_last = segment.flags.has(TcpFlags::FIN);
    let brings = segment.payload_length > 0 || is_last;
    if change.position.is_none() && segment.payload_length > 0 {
        counters.unbelieved += 1;
    }
    if flow
        .tcp
        .as_ref()
        .is_some_and(|tcp| tcp.wants(side, brings, &change))
    {
        let piece = change.position.map(|position| Piece {
            position,
            bytes: segment.payload,
            wire: segment.payload_length.into(),
            is_last,
            acknowledged: flow
                .sides
                .of(side.reversed())
                .sequence
                .acknowledged_by(segment),
        });
        let piece = piece.filter(|_| brings);
        // What came again is not handed on; what an acknowledgement tells of the other side takes that out of step.
        let is_new = |piece: &Piece<'_>| change.sent == piece.wire && change.acknowledged == 0;
        let piece_in_step = piece.filter(is_new);
        let is_handed_on =
            piece_in_step.is_some_and(|piece| hand_on(flow, side, piece, packet.stamp(), observer));
        if !is_handed_on {
            let stamp = packet.stamp();
            let is_refused = follow_streams(flow, side, (piece, stood), stamp, waiting, observer);
            counters.streams_refused += u64::from(is_refused);
        }
    }
    if flow.is_watched() {
        for (side, bytes) in [(side, change.sent), (side.reversed(), change.acknowledged)] {
            if bytes > 0 {
                observer.delivered(flow, side, bytes, packet.timestamp);
            }
        }
    }
}

/// A segment that is the next of its side's stream, as nearly all are, is handed on; false where it is not, and nothing was.
#[inline]
fn hand_on<A>(
    flow: &mut Flow<A>,
    side: Side,
    piece: Piece<'_>,
    stamp: Stamp,
    observer: &mut impl Observer<A>,
) -> bool {
    let passed = flow.sides.of(side).sequence.passed();
    let is_next = |tcp: &Tcp| tcp.is_in_step(side, (piece.position, piece.wire), passed);
    if !flow.tcp.as_ref().is_some_and(is_next) {
        return false;
    }
    let lost = piece.lost();
    let chunks = [
        (!piece.bytes.is_empty()).then_some(Chunk::Bytes(piece.bytes)),
        (lost > 0).then_some(Chunk::Gap(lost)),
        piece.is_last.then_some(Chunk::End),
    ];
    let mut reading = if passed > 0 {
        Reading::InStep
    } else {
        Reading::Fresh
    };
    for chunk in chunks.into_iter().flatten() {
        let end = match chunk {
            Chunk::Bytes(bytes) => piece.position + bytes.len() as u64,
            _ => piece.position + piece.wire,
        };
        let place = Place {
            end,
            acknowledged: piece.acknowledged,
        };
        let interest = observer.stream(flow, side, (chunk, place), stamp);
        reading = match (chunk, interest) {
            (Chunk::End, _) => Reading::Ended,
            (_, Interest::Stop) => Reading::Stopped,
            (_, Interest::Continue) => reading,
        };
        if reading == Reading::Stopped {
            break;
        }
    }
    if let Some(tcp) = &mut flow.tcp {
        tcp.stepped(side, &piece, passed, reading);
    }
    true
}

/// A segment with streams that somebody wants: whether what waited in them was too much for all flows together.
fn follow_streams<A, O: Observer<A>>(
    flow: &mut Flow<A>,
    side: Side,
    (piece, stood): (Option<Piece<'_>>, [u64; 2]),
    stamp: Stamp,
    waiting: &mut Waiting,
    observer: &mut O,
) -> bool {
    let Some(mut streams) = flow.tcp.as_mut().map(|tcp| tcp.take_streams(stood)) else {
        return false;
    };
    let acknowledged = flow.sides.of(side.reversed()).sequence.acknowledged();
    streams.last = Some(stamp);
    let before = streams.memory();
    push_on(
        flow,
        side,
        (piece, acknowledged),
        &mut streams,
        stamp,
        observer,
    );
    waiting.bytes = waiting.bytes + streams.memory() - before;
    let is_too_much = waiting.bytes > waiting.max;
    if is_too_much {
        waiting.bytes -= streams.memory();
        give_up_streams(flow, &mut streams, stamp, observer);
    }
    if streams.is_stopped() {
        waiting.bytes -= streams.memory();
    }
    let passed = flow.sides.passed();
    if let Some(tcp) = &mut flow.tcp {
        tcp.put_streams(streams, passed);
    }
    is_too_much
}

/// What a segment brings to the stream of its own side, and what it acknowledges of the other.
fn push_on<A>(
    flow: &mut Flow<A>,
    side: Side,
    (piece, acknowledged): (Option<Piece<'_>>, u64),
    streams: &mut Streams,
    stamp: Stamp,
    observer: &mut impl Observer<A>,
) {
    let other = side.reversed();
    let now = stamp.timestamp;
    streams
        .side(other)
        .acknowledged(acknowledged, now, &mut |chunk, place| {
            observer.stream(flow, other, (chunk, place), stamp) == Interest::Continue
        });
    if let Some(piece) = piece {
        streams.side(side).push(piece, now, &mut |chunk, place| {
            observer.stream(flow, side, (chunk, place), stamp) == Interest::Continue
        });
    }
}

/// Too much waits in all flows together: this one waits no longer.
fn give_up_streams<A>(
    flow: &mut Flow<A>,
    streams: &mut Streams,
    stamp: Stamp,
    observer: &mut impl Observer<A>,
) {
    for side in [Side::LowToHigh, Side::HighToLow] {
        streams.side(side).give_up(&mut |chunk, place| {
            observer.stream(flow, side, (chunk, place), stamp) == Interest::Continue
        });
    }
}

#[inline]
pub(super) fn follow_datagram<A>(
    flow: &mut Flow<A>,
    side: Side,
    datagram: &UdpDatagram<'_>,
    packet: &Packet<'_>,
    observer: &mut impl Observer<A>,
) {
    let [sent, _] = flow.sides.from(side);
    sent.sequence.add_datagram(datagram.payload_length.into());
    if flow.wants(datagram.payload)
        && observer.datagram(flow, side, datagram, packet.stamp()) == Interest::Stop
    {
        flow.datagram_interest = false;
    }
    if flow.is_watched() && datagram.payload_length > 0 {
        observer.delivered(flow, side, datagram.payload_length.into(), packet.timestamp);
    }
}

pub(super) fn finish_streams<A>(
    flow: &mut Flow<A>,
    stamp: Stamp,
    stood: [u64; 2],
    waiting: &mut Waiting,
    observer: &mut impl Observer<A>,
) {
    let Some(mut streams) = flow.tcp.as_mut().and_then(|tcp| tcp.end_streams(stood)) else {
        return;
    };
    let stamp = streams.last.unwrap_or(stamp);
    waiting.bytes -= streams.memory();
    let client = flow.client_side();
    for side in [client, client.reversed()] {
        let passed = flow.sides.of(side).sequence.passed();
        let mut on = |chunk: Chunk<'_>, place| {
            observer.stream(flow, side, (chunk, place), stamp) == Interest::Continue
        };
        streams.side(side).finish(passed, &mut on);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flows::sides::Sides;
    use crate::flows::{EndReason, FlowTable};
    use crate::types::packet::{Transport, VlanTags};
    use crate::types::{Endpoint, FlowKey, Protocol, Timestamp};

    const ADDRESSES: [[u8; 4]; 2] = [[192, 0, 2, 1], [192, 0, 2, 2]];
    const PORTS: [u16; 2] = [50_000, 443];
    const FIRST: [u32; 2] = [u32::MAX - 50, 7];

    /// What is handed on, to a reader who wants so many pieces of each side.
    #[derive(Default)]
    struct Log {
        chunks: Vec<(Side, String)>,
        wanted: [usize; 2],
    }

    impl Log {
        fn take(&mut self, side: Side, chunk: Chunk<'_>, place: Place) -> bool {
            let wanted = &mut self.wanted[side.index()];
            *wanted = wanted.saturating_sub(1);
            let acknowledged = place.acknowledged;
            let acknowledged = acknowledged.filter(|_| matches!(chunk, Chunk::Bytes(_)));
            let shown = format!("{chunk:?} {} {acknowledged:?}", place.end);
            self.chunks.push((side, shown));
            *wanted > 0
        }
    }

    impl Observer<()> for Log {
        type Memory = ();

        fn opened(&mut self, _: &mut Flow<()>, _: &Packet<'_>, _: Option<()>) {}

        fn stream(
            &mut self,
            _: &mut Flow<()>,
            side: Side,
            (chunk, place): (Chunk<'_>, Place),
            _: Stamp,
        ) -> Interest {
            match self.take(side, chunk, place) {
                true => Interest::Continue,
                false => Interest::Stop,
            }
        }

        fn datagram(
            &mut self,
            _: &mut Flow<()>,
            _: Side,
            _: &UdpDatagram<'_>,
            _: Stamp,
        ) -> Interest {
            Interest::Stop
        }

        fn delivered(&mut self, _: &mut Flow<()>, _: Side, _: u64, _: Timestamp) {}

        fn alarm(&mut self, _: &mut Flow<()>, _: Timestamp) {}

        fn ended(&mut self, _: &mut Flow<()>, _: EndReason, _: Timestamp) -> Option<()> {
            None
        }
    }

    /// A segment from the side: where it begins, how long it is, how much of it was captured, how far it acknowledges, and what is special.
    type Shown = (Side, u32, usize, usize, u32, u8);

    fn shown() -> impl Strategy<Value = Shown> {
        let side = prop_oneof![Just(Side::LowToHigh), Just(Side::HighToLow)];
        let position = prop_oneof![0..200_u32, (0..5_u32).prop_map(|part| part * 40)];
        let length = prop_oneof![Just(0_usize), Just(40), 1..100_usize];
        (side, position, length, 0..200_usize, 0..220_u32, 0..30_u8)
    }

    fn segment(shown: Shown, content: &[u8]) -> TcpSegment<'_> {
        let (side, position, length, captured, acknowledged, special) = shown;
        let own = FIRST[side.index()].wrapping_add(position);
        let other = FIRST[side.reversed().index()].wrapping_add(acknowledged);
        let flags = match special {
            0 => TcpFlags::ACK | TcpFlags::FIN,
            1 => TcpFlags::RST,
            _ => TcpFlags::ACK,
        };
        let ports = [side.index(), side.reversed().index()].map(|index| PORTS[index]);
        // Now and then a few bytes differ, or are cut off.
        let from = position as usize + usize::from(special == 2);
        let length = length.min(content.len() - from);
        let captured = if special == 3 {
            captured.min(length)
        } else {
            length
        };
        TcpSegment {
            source_port: ports[0],
            destination_port: ports[1],
            sequence: own,
            acknowledgement: other,
            flags: TcpFlags(flags),
            window: 0,
            options: &[],
            payload: &content[from..from + captured],
            payload_length: length as u32,
        }
    }

    /// All by way of [`Streams`].
    fn long_way(segments: &[Shown], content: &[u8], wanted: [usize; 2]) -> Log {
        let mut log = Log {
            wanted,
            ..Log::default()
        };
        let (mut sides, mut streams) = (Sides::default(), Streams::default());
        for (number, shown) in segments.iter().enumerate() {
            let (side, other) = (shown.0, shown.0.reversed());
            let segment = segment(*shown, content);
            let [sent, _] = sides.from(side);
            sent.sequence.flags |= segment.flags.0;
            sent.packets += 1;
            let change = sides.segment(side, &segment);
            let now = Timestamp::from_seconds(number as i64, 0);
            let acknowledged = sides.of(other).sequence.acknowledged();
            let mut on = |chunk: Chunk<'_>, place| log.take(other, chunk, place);
            streams.side(other).acknowledged(acknowledged, now, &mut on);
            let piece = change.position.map(|position| Piece {
                position,
                bytes: segment.payload,
                wire: segment.payload_length.into(),
                is_last: segment.flags.has(TcpFlags::FIN),
                acknowledged: sides.of(other).sequence.acknowledged_by(&segment),
            });
            if let Some(piece) = piece {
                let mut on = |chunk: Chunk<'_>, place| log.take(side, chunk, place);
                streams.side(side).push(piece, now, &mut on);
            }
        }
        sides.settle();
        for side in [Side::LowToHigh, Side::HighToLow] {
            let passed = sides.of(side).sequence.passed();
            streams
                .side(side)
                .finish(passed, &mut |chunk, place| log.take(side, chunk, place));
        }
        log
    }

    fn as_a_flow(segments: &[Shown], content: &[u8], wanted: [usize; 2]) -> Log {
        let mut log = Log {
            wanted,
            ..Log::default()
        };
        let mut table: FlowTable<(), ()> = FlowTable::new(FlowOptions::default());
        for (number, shown) in segments.iter().enumerate() {
            let at = Timestamp::from_seconds(number as i64, 0);
            let [source, destination] =
                [shown.0, shown.0.reversed()].map(|side| ADDRESSES[side.index()].into());
            let packet = Packet {
                timestamp: at,
                recorded: at,
                number: number as u64 + 1,
                origin: 0,
                number_in_origin: number as u64 + 1,
                source,
                destination,
                transport: Transport::Tcp(segment(*shown, content)),
                wire_bytes: 60,
                frames: 1,
                identification: number as u32,
                hop_limit: 64,
                vlan: VlanTags::default(),
                tunnel: None,
                source_mac: None,
                destination_mac: None,
            };
            table.packet(&packet, &mut log);
            if number == 0 {
                // The order of sides at the end is that of the client.
                let [low, high] = [0, 1].map(|index| Endpoint {
                    address: ADDRESSES[index].into(),
                    port: PORTS[index],
                });
                let (key, _) = FlowKey::new(low, high, Protocol::TCP, None);
                table
                    .flow(&key)
                    .unwrap()
                    .set_client(Side::LowToHigh, ClientEvidence::Syn);
            }
        }
        table.finish(Timestamp::from_seconds(1_000, 0), &mut log);
        log
    }

    proptest! {
        /// Lost, repeated, overlapping, cut and altered segments in any order, some of which end a side.
        #[test]
        fn the_short_way_hands_on_what_the_long_one_does(
            segments in prop::collection::vec(shown(), 1..24),
            wanted in [1..8_usize, 1..8_usize],
        ) {
            let content: Vec<u8> = (0..=255).chain(0..=255).collect();
            let (short, long) = (as_a_flow(&segments, &content, wanted), long_way(&segments, &content, wanted));
            prop_assert_eq!(short.chunks, long.chunks);
        }

        /// As a sender sends them: each behind the one before, seldom again.
        #[test]
        fn in_order_too(
            lengths in prop::collection::vec((any::<bool>(), 1..80_usize, 0..12_u8), 1..16),
            wanted in [1..8_usize, 1..8_usize],
        ) {
            let content: Vec<u8> = (0..=255).cycle().take(4_096).collect();
            let mut stands = [0_u32; 2];
            let segments: Vec<Shown> = lengths.iter().flat_map(|(is_low, length, special)| {
                let side = if *is_low { Side::LowToHigh } else { Side::HighToLow };
                let acknowledged = stands[side.reversed().index()];
                let stand = &mut stands[side.index()];
                let shown = (side, *stand, *length, 30, acknowledged, (*special).max(u8::from(*stand < 700)));
                *stand += *length as u32;
                let copies = if *special == 5 { 2 } else { usize::from(*special != 4) };
                std::iter::repeat_n(shown, copies)
            }).collect();
            prop_assume!(!segments.is_empty());
            let (short, long) = (as_a_flow(&segments, &content, wanted), long_way(&segments, &content, wanted));
            prop_assert_eq!(short.chunks, long.chunks);
        }
    }
}
