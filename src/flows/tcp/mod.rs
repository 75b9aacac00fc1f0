//! What a TCP connection needs beside its counts: sequence space, streams, states.
//!
//! * [`sequence`]: which bytes went over, each once
//! * [`stream`]: the bytes in order

pub mod sequence;
pub mod stream;

use super::flow::Handshake;
use super::sides::Sides;
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, TcpSegment};
use sequence::Sequence;
use stream::{Head, Piece, Streams};

/// A segment may come so much late, in sequence numbers, on a connection that an earlier run followed.
const MOST_LATE: u32 = 1 << 20;

/// The streams of a TCP connection, and what was heard of it from elsewhere; what its sides sent is in [`Sides`].
#[derive(Debug, Default)]
pub(super) struct Tcp {
    /// `None` as long as both are as [`Self::read`] says: most connections never have a segment out of order.
    streams: Option<Box<Streams>>,
    read: Read,
    /// An ICMP error quoted the SYN.
    icmp_refused: bool,
    begun: bool,
}

/// What was read of both sides' streams, where nothing of them waits.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    heads: [Head; 2],
    reading: [Reading; 2],
}

/// How far a side's stream was handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reading {
    /// Not at all.
    #[default]
    Fresh,
    /// As far as its sequence space has passed.
    InStep,
    /// As far as anybody wanted it.
    Stopped,
    /// To its end.
    Ended,
}

impl Reading {
    /// Whether more of it is wanted.
    const fn goes_on(self) -> bool {
        matches!(self, Self::Fresh | Self::InStep)
    }
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
    /// A segment was taken in.
    pub const fn begin(&mut self) {
        self.begun = true;
    }

    /// How far the stream of a side was handed on, of which all below `passed` went over; where nobody wants it, that far.
    pub fn handed_on(&self, side: Side, passed: u64) -> u64 {
        match &self.streams {
            Some(streams) => streams.position(side).unwrap_or(passed).min(passed),
            None if self.begun && self.reading(side) == Reading::Fresh => 0,
            None => passed,
        }
    }

    /// Whether a segment of `side` means something to the streams: it brings something, which is believed where nothing came before; or its
    /// acknowledgement may end the wait for a hole of the other side, or tell of bytes that the mirror lost.
    #[inline]
    pub fn wants(&self, side: Side, brings: bool, change: &Change) -> bool {
        match &self.streams {
            Some(streams) => {
                brings && streams.position(side).is_some() || streams.has_hole(side.reversed())
            }
            None => {
                self.begun
                    && (brings && change.position.is_some() && self.reading(side).goes_on()
                        || change.acknowledged > 0
                            && self.reading(side.reversed()) == Reading::InStep)
            }
        }
    }

    /// Whether a segment of `length` bytes at `position`, behind which `passed` went over now, is the next of its side's stream: it can be
    /// handed on as it is.
    #[inline]
    pub fn is_in_step(&self, side: Side, (position, length): (u64, u64), passed: u64) -> bool {
        let is_first = position == 0;
        let goes_on = match self.reading(side) {
            Reading::Fresh => is_first,
            Reading::InStep => !is_first,
            Reading::Stopped | Reading::Ended => false,
        };
        goes_on && position + length == passed && self.streams.is_none()
    }

    /// The piece that was in step was handed on, behind which `passed` went over.
    #[inline]
    pub fn stepped(&mut self, side: Side, piece: &Piece<'_>, passed: u64, reading: Reading) {
        let Read {
            reading: [low, high],
            heads: [low_head, high_head],
        } = &mut self.read;
        let (stands, head) = match side {
            Side::LowToHigh => (low, low_head),
            Side::HighToLow => (high, high_head),
        };
        *stands = reading;
        *head = head.with(piece.bytes, piece.lost(), passed);
    }

    /// The streams, which somebody wants; `stood`: how far the sequence spaces of both sides had passed when they were in step.
    pub fn take_streams(&mut self, stood: [u64; 2]) -> Box<Streams> {
        let streams = self.streams.take();
        streams.unwrap_or_else(|| Box::new(Streams::of(self.read, stood)))
    }

    /// Gives back what [`Self::take_streams`] gave, as far as it is still needed; `passed`: how far the sequence spaces have passed now.
    pub fn put_streams(&mut self, streams: Box<Streams>, passed: [u64; 2]) {
        match streams.read(passed) {
            Some(read) => self.read = read,
            None => self.streams = Some(streams),
        }
    }

    /// The streams at the end, of a connection without a byte as well; `None` where nobody wants them. `stood`: as in
    /// [`Self::take_streams`].
    pub fn end_streams(&mut self, stood: [u64; 2]) -> Option<Streams> {
        let are_wanted = self.begun && self.read.reading.iter().any(|reading| reading.goes_on());
        let streams = self.streams.take().map(|streams| *streams);
        streams.or_else(|| are_wanted.then(|| Streams::of(self.read, stood)))
    }

    const fn reading(&self, side: Side) -> Reading {
        let [low, high] = self.read.reading;
        match side {
            Side::LowToHigh => low,
            Side::HighToLow => high,
        }
    }

    /// An ICMP error quoted a packet of this connection.
    pub const fn refuse(&mut self) {
        self.icmp_refused = true;
    }

    /// Whether one did.
    pub const fn is_refused(&self) -> bool {
        self.icmp_refused
    }
}

/// What the sides of a TCP connection sent.
impl Sides {
    /// Takes in a segment that is no mirror duplicate.
    #[inline]
    pub fn segment(&mut self, side: Side, segment: &TcpSegment<'_>) -> Change {
        const RARE: u8 = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
        if segment.flags.0 & RARE == 0
            && let [own, other] = self.from(side).map(|sent| &mut sent.sequence)
            && let Some(position) = own.position_in_order(segment.sequence)
            && (!segment.flags.has(TcpFlags::ACK)
                || other.acknowledge_in_order(segment.acknowledgement))
        {
            let sent = u64::from(segment.payload_length);
            own.add_in_order(sent);
            return Change {
                sent,
                acknowledged: 0,
                position: Some(position),
            };
        }
        self.any_segment(side, segment)
    }

    /// As [`Self::segment`], of any.
    fn any_segment(&mut self, side: Side, segment: &TcpSegment<'_>) -> Change {
        let flags = segment.flags;
        let mut change = Change::default();
        let [own, other] = self.from(side).map(|sent| &mut sent.sequence);
        if flags.has(TcpFlags::RST) {
            if flags.has(TcpFlags::ACK) {
                other.reset_behind(segment.acknowledgement);
            }
            return change;
        }
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
    pub fn resume(&mut self, next: [Option<u32>; 2], side: Side, segment: &TcpSegment<'_>) {
        let near = |next: Option<u32>, now: u32| {
            next.filter(|next| now.wrapping_sub(*next) as i32 >= -(MOST_LATE as i32))
        };
        let sequence = |next: Option<u32>, shown: Option<u32>| {
            shown
                .map_or(next, |shown| near(next, shown))
                .map_or_else(Sequence::default, Sequence::resume)
        };
        let [low, high] = next;
        let [next_own, next_other] = match side {
            Side::LowToHigh => [low, high],
            Side::HighToLow => [high, low],
        };
        let has_ack = segment.flags.has(TcpFlags::ACK);
        let [own, other] = self.from(side);
        own.sequence = sequence(next_own, Some(segment.sequence));
        other.sequence = sequence(next_other, has_ack.then_some(segment.acknowledgement));
    }

    /// Whether a SYN with this sequence number begins another connection.
    pub fn is_other_connection(&self, side: Side, sequence: u32) -> bool {
        let base = self.of(side).sequence.base();
        base.is_some_and(|base| base != sequence.wrapping_add(1))
    }

    /// The end: what was never acknowledged because no acknowledgements were seen is inferred from what came after it. Where
    /// one side closed and nobody reset, the other's FIN was acknowledged too, seen or not.
    pub fn settle(&mut self) {
        let was_reset = self.any(TcpFlags::RST);
        for side in [Side::LowToHigh, Side::HighToLow] {
            let [own, other] = self.from(side);
            own.sequence.settle();
            if !was_reset && other.has(TcpFlags::FIN) {
                own.sequence.settle_unseen_fin();
            }
        }
    }

    /// Whether neither a SYN nor a SYN+ACK was seen.
    pub fn is_midstream(&self) -> bool {
        self.both().all(|sent| !sent.sequence.began_with_syn())
    }

    /// Whether it ended: RST, or FIN both ways. Where the mirror shows one side only, its FIN is all that there is.
    pub fn is_closed(&self) -> bool {
        let mut shown = self.both().filter(|sent| sent.packets > 0);
        self.any(TcpFlags::RST) || shown.all(|sent| sent.has(TcpFlags::FIN))
    }

    /// How the connection was made. Where the mirror shows one side only, what that side sent after its SYN tells of the other.
    pub fn handshake(&self, client: Side, is_refused: bool) -> Handshake {
        let (from_client, from_server) = (self.of(client), self.of(client.reversed()));
        let server_began = from_server.has(TcpFlags::SYN);
        if !from_client.has(TcpFlags::SYN) && !server_began {
            return Handshake::Midstream;
        }
        if from_client.has(TcpFlags::ACK)
            || (server_began && from_server.sequence.delivered().bytes > 0)
        {
            return Handshake::Complete;
        }
        if is_refused || (!server_began && from_server.has(TcpFlags::RST)) {
            return Handshake::Refused;
        }
        if server_began && from_client.packets == 0 {
            Handshake::Complete
        } else {
            Handshake::Unanswered
        }
    }

    /// EVE's word for the state.
    pub fn state(&self, client: Side, is_refused: bool) -> &'static str {
        let (from_client, from_server) = (self.of(client), self.of(client.reversed()));
        if self.any(TcpFlags::RST) {
            return "closed";
        }
        let mut sequences = self.both().map(|sent| &sent.sequence);
        match (
            from_client.has(TcpFlags::FIN),
            from_server.has(TcpFlags::FIN),
        ) {
            (true, true) if sequences.all(Sequence::fin_acknowledged) => "closed",
            (true, true) => "last_ack",
            (true, false) if from_client.sequence.fin_acknowledged() => "fin_wait2",
            (true, false) => "fin_wait1",
            (false, true) => "close_wait",
            (false, false) => match self.handshake(client, is_refused) {
                Handshake::Complete | Handshake::Midstream => "established",
                _ if from_server.has(TcpFlags::SYN) => "syn_recv",
                _ => "syn_sent",
            },
        }
    }
}
