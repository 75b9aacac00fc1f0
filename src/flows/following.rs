//! A packet in its flow: its counts, and what it brings to the streams.

use super::flow::{ClientEvidence, Flow};
use super::options::FlowOptions;
use super::table::FlowCounters;
use super::tcp::stream::{Chunk, Piece, Streams};
use super::{Interest, Observer};
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, TcpSegment, UdpDatagram};
use crate::types::{Packet, Stamp};

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
    let news = flags.0 & !counts.flags;
    if news == 0 && !flags.has(TcpFlags::SYN) {
        return;
    }
    counts.flags |= flags.0;
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
    let tcp = flow.tcp.get_or_insert_default();
    tcp.begin();
    let change = flow.sides.segment(side, segment);
    let is_last = segment.flags.has(TcpFlags::FIN);
    let brings = segment.payload_length > 0 || is_last;
    if change.position.is_none() && segment.payload_length > 0 {
        counters.unbelieved += 1;
    }
    if tcp.wants(side, brings, change.position.is_some()) {
        let piece = change.position.map(|position| Piece {
            position,
            bytes: segment.payload,
            wire: segment.payload_length.into(),
            is_last,
        });
        let is_refused = follow_streams(flow, side, piece, packet.stamp(), waiting, observer);
        counters.streams_refused += u64::from(is_refused);
    }
    if flow.is_watched() {
        for (side, bytes) in [(side, change.sent), (side.reversed(), change.acknowledged)] {
            if bytes > 0 {
                observer.delivered(flow, side, bytes, packet.timestamp);
            }
        }
    }
}

/// A segment with streams that somebody wants: whether what waited in them was too much for all flows together.
fn follow_streams<A, O: Observer<A>>(
    flow: &mut Flow<A>,
    side: Side,
    piece: Option<Piece<'_>>,
    stamp: Stamp,
    waiting: &mut Waiting,
    observer: &mut O,
) -> bool {
    let Some(mut streams) = flow.tcp.as_mut().map(|tcp| tcp.take_streams()) else {
        return false;
    };
    let acknowledged = flow.sides.of(side.reversed()).sequence.acknowledged();
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
    if let Some(tcp) = &mut flow.tcp {
        tcp.put_streams(streams);
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
        .acknowledged(acknowledged, now, &mut |chunk| {
            observer.stream(flow, other, chunk, stamp) == Interest::Continue
        });
    if let Some(piece) = piece {
        streams.side(side).push(piece, now, &mut |chunk| {
            observer.stream(flow, side, chunk, stamp) == Interest::Continue
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
        streams
            .side(side)
            .give_up(&mut |chunk| observer.stream(flow, side, chunk, stamp) == Interest::Continue);
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
    waiting: &mut Waiting,
    observer: &mut impl Observer<A>,
) {
    let Some(mut streams) = flow.tcp.as_mut().and_then(|tcp| tcp.end_streams()) else {
        return;
    };
    waiting.bytes -= streams.memory();
    let client = flow.client_side();
    for side in [client, client.reversed()] {
        let passed = flow.sides.of(side).sequence.passed();
        let mut on =
            |chunk: Chunk<'_>| observer.stream(flow, side, chunk, stamp) == Interest::Continue;
        streams.side(side).finish(passed, &mut on);
    }
}
