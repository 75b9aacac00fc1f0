//! What a TCP connection needs beside its counts: sequence space, streams, states.
//!
//! * [`sequence`]: which bytes went over, each once
//! * [`stream`]: the bytes in order

pub mod sequence;
pub mod stream;

use super::flow::{Delivered, Handshake, SideCounts};
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, TcpSegment};
use sequence::Sequence;
use stream::Streams;

/// A segment may come so much late, in sequence numbers, on a connection that an earlier run followed.
const MOST_LATE: u32 = 1 << 20;

/// A TCP connection.
#[derive(Debug, Default)]
pub(super) struct Tcp {
    sequences: [Sequence; 2],
    /// `None` until they have something to hold: most connections of a flood never carry a byte.
    streams: Option<Box<Streams>>,
    /// Nobody wants the streams any more.
    are_streams_unwanted: bool,
    /// An ICMP error quoted the SYN.
    icmp_refused: bool,
    begun: bool,
}

/// What a segment changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    /// New payload bytes of the segment's own side.
    pub sent: u64,
    /// Payload bytes of the other side that this segment's acknowledgement alone tells of.
    pub acknowledged: u64,
    /// Where the segment's payload begins in its side's stream; `None` where it is not believed.
    pub position: Option<u64>,
}

impl Tcp {
    /// Takes in a segment that is no mirror duplicate.
    pub fn segment(&mut self, side: Side, segment: &TcpSegment<'_>) -> Change {
        self.begun = true;
        let flags = segment.flags;
        let mut change = Change::default();
        if flags.has(TcpFlags::RST) {
            return change;
        }
        let [low, high] = &mut self.sequences;
        let (own, other) = if side == Side::LowToHigh {
            (low, high)
        } else {
            (high, low)
        };
        let data = if flags.has(TcpFlags::SYN) {
            own.begin(segment.sequence.wrapping_add(1));
            segment.sequence.wrapping_add(1)
        } else {
            segment.sequence
        };
        change.position = own.place(data, segment.payload_length);
        if let Some(position) = change.position {
            change.sent = own.add(position, u64::from(segment.payload_length));
            if flags.has(TcpFlags::FIN) {
                own.finish(position + u64::from(segment.payload_length));
            }
        }
        if flags.has(TcpFlags::ACK) {
            change.acknowledged = other.acknowledge(segment.acknowledgement);
        }
        change
    }

    /// A connection that an earlier run of the sensor followed up to the sequence numbers `next`, and `segment` goes on with. Where it
    /// stands nowhere near them, too much went over unseen: what it shows is the beginning.
    pub fn resume(next: [Option<u32>; 2], side: Side, segment: &TcpSegment<'_>) -> Self {
        let near = |next: Option<u32>, now: u32| {
            next.filter(|next| now.wrapping_sub(*next) as i32 >= -(MOST_LATE as i32))
        };
        let has_ack = segment.flags.has(TcpFlags::ACK);
        let shown = [
            Some(segment.sequence),
            has_ack.then_some(segment.acknowledgement),
        ];
        let [own, other] = shown;
        let shown = if side == Side::LowToHigh {
            [own, other]
        } else {
            [other, own]
        };
        let [low, high] = next;
        let sequence = |next: Option<u32>, shown: Option<u32>| {
            shown
                .map_or(next, |shown| near(next, shown))
                .map_or_else(Sequence::default, Sequence::resume)
        };
        let [shown_low, shown_high] = shown;
        Self {
            sequences: [sequence(low, shown_low), sequence(high, shown_high)],
            ..Self::default()
        }
    }

    /// The next number of a side that has not been handed on, as far as it is known.
    pub fn next_number(&mut self, side: Side) -> Option<u32> {
        let position = self.handed_on(side);
        self.sequence(side)
            .base()
            .map(|base| base.wrapping_add(position as u32))
    }

    /// How far the stream of a side was handed on; where nobody wants it, how far it is known to have come.
    pub fn handed_on(&mut self, side: Side) -> u64 {
        let passed = self.passed(side);
        match &mut self.streams {
            Some(streams) => streams.side(side).position().unwrap_or(passed).min(passed),
            None if self.begun && !self.are_streams_unwanted => 0,
            None => passed,
        }
    }

    /// The streams, where somebody wants them and they hold something, or will: `begins` says that a segment brings it.
    pub fn take_streams(&mut self, begins: bool) -> Option<Box<Streams>> {
        let is_first = begins && self.begun && !self.are_streams_unwanted;
        self.streams.take().or_else(|| is_first.then(Box::default))
    }

    /// Gives back what [`Self::take_streams`] gave, as far as somebody still wants it.
    pub fn put_streams(&mut self, streams: Box<Streams>) {
        self.are_streams_unwanted = streams.is_stopped();
        if !self.are_streams_unwanted {
            self.streams = Some(streams);
        }
    }

    /// The streams at the end, of a connection without a byte as well; `None` where nobody wants them.
    pub fn end_streams(&mut self) -> Option<Streams> {
        let are_wanted = self.begun && !self.are_streams_unwanted;
        let streams = self.streams.take().map(|streams| *streams);
        streams.or_else(|| are_wanted.then(Streams::default))
    }

    /// Whether a SYN with this sequence number begins another connection.
    pub fn is_other_connection(&self, side: Side, sequence: u32) -> bool {
        self.sequence(side)
            .base()
            .is_some_and(|base| base != sequence.wrapping_add(1))
    }

    /// How far the other side acknowledged what `side` sent.
    pub fn acknowledged(&self, side: Side) -> u64 {
        self.sequence(side).acknowledged()
    }

    /// Below this position everything that `side` sent went over.
    pub fn passed(&self, side: Side) -> u64 {
        self.sequence(side).passed()
    }

    /// An ICMP error quoted a packet of this connection.
    pub const fn refuse(&mut self) {
        self.icmp_refused = true;
    }

    /// The end: what was never acknowledged because no acknowledgements were seen is inferred from what came after it. Where
    /// one side closed and nobody reset, the other's FIN was acknowledged too, seen or not.
    pub fn settle(&mut self, sides: &[SideCounts; 2]) {
        let has = |side: &SideCounts, flag| TcpFlags(side.flags).has(flag);
        let was_reset = sides.iter().any(|side| has(side, TcpFlags::RST));
        for (sequence, other) in self.sequences.iter_mut().zip(sides.iter().rev()) {
            sequence.settle();
            if !was_reset && has(other, TcpFlags::FIN) {
                sequence.settle_unseen_fin();
            }
        }
    }

    /// Payload of a side.
    pub fn delivered(&self, side: Side) -> Delivered {
        self.sequence(side).delivered()
    }

    /// Whether neither a SYN nor a SYN+ACK was seen.
    pub fn is_midstream(&self) -> bool {
        self.sequences
            .iter()
            .all(|sequence| !sequence.began_with_syn())
    }

    /// Whether it ended: RST, or FIN both ways. Where the mirror shows one side only, its FIN is all that there is.
    pub fn is_closed(&self, sides: &[SideCounts; 2]) -> bool {
        let any = |flag| sides.iter().any(|side| TcpFlags(side.flags).has(flag));
        let mut shown = sides.iter().filter(|side| side.packets > 0);
        any(TcpFlags::RST) || shown.all(|side| TcpFlags(side.flags).has(TcpFlags::FIN))
    }

    /// How the connection was made. Where the mirror shows one side only, what that side sent after its SYN tells of the other.
    pub fn handshake(&self, client: Side, sides: &[SideCounts; 2]) -> Handshake {
        let [low, high] = sides;
        let (from_client, from_server) = if client == Side::LowToHigh {
            (low, high)
        } else {
            (high, low)
        };
        let (client_flags, server_flags) =
            (TcpFlags(from_client.flags), TcpFlags(from_server.flags));
        let client_began = client_flags.has(TcpFlags::SYN);
        let server_began = server_flags.has(TcpFlags::SYN);
        if !client_began && !server_began {
            return Handshake::Midstream;
        }
        if client_flags.has(TcpFlags::ACK)
            || (server_began && self.sequence(client.reversed()).delivered().bytes > 0)
        {
            return Handshake::Complete;
        }
        if self.icmp_refused || (!server_began && server_flags.has(TcpFlags::RST)) {
            return Handshake::Refused;
        }
        if server_began && from_client.packets == 0 {
            Handshake::Complete
        } else {
            Handshake::Unanswered
        }
    }

    /// EVE's word for the state.
    pub fn state(&self, client: Side, sides: &[SideCounts; 2]) -> &'static str {
        let [low, high] = sides;
        let (from_client, from_server) = if client == Side::LowToHigh {
            (low, high)
        } else {
            (high, low)
        };
        let (client_flags, server_flags) =
            (TcpFlags(from_client.flags), TcpFlags(from_server.flags));
        let has_fin = |flags: TcpFlags| flags.has(TcpFlags::FIN);
        if client_flags.has(TcpFlags::RST) || server_flags.has(TcpFlags::RST) {
            return "closed";
        }
        match (has_fin(client_flags), has_fin(server_flags)) {
            (true, true) if self.all_acknowledged() => "closed",
            (true, true) => "last_ack",
            (true, false) if self.sequence(client).fin_acknowledged() => "fin_wait2",
            (true, false) => "fin_wait1",
            (false, true) => "close_wait",
            (false, false) => match self.handshake(client, sides) {
                Handshake::Complete | Handshake::Midstream => "established",
                _ if server_flags.has(TcpFlags::SYN) => "syn_recv",
                _ => "syn_sent",
            },
        }
    }

    fn all_acknowledged(&self) -> bool {
        self.sequences.iter().all(Sequence::fin_acknowledged)
    }

    const fn sequence(&self, side: Side) -> &Sequence {
        let [low, high] = &self.sequences;
        match side {
            Side::LowToHigh => low,
            Side::HighToLow => high,
        }
    }
}
