//! One flow's figures.

use std::hash::{BuildHasher, Hash, Hasher};
use std::time::Duration;

use foldhash::quality::FixedState;

use super::EndReason;
use super::kept::Standing;
use super::options::FlowOptions;
use super::sides::Sides;
use super::tcp::Tcp;
use super::victims::Worth;
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, Transport};
use crate::types::{
    Direction, Endpoint, FlowKey, Packet, Protocol, Stamp, Tick, Timestamp, Tunnel, VlanTags,
};

/// What tells who is the client; a stronger evidence overrules a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientEvidence {
    /// It sent the first packet seen.
    FirstPacket,
    /// Only the other side's port is a server's.
    Port,
    /// The protocol: a ClientHello, an HTTP request, a client's Initial, a query.
    Protocol,
    /// It received a SYN+ACK.
    SynAck,
    /// It sent a SYN.
    Syn,
}

/// How a TCP connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// SYN, SYN+ACK, ACK, as far as the mirror shows them.
    Complete,
    /// The SYN met an RST, or an ICMP error.
    Refused,
    /// Nothing came back.
    Unanswered,
    /// The flow was there before the capture.
    Midstream,
}

impl Handshake {
    /// The word in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Midstream => "midstream",
        }
    }
}

/// Payload bytes of one direction, each counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// All of them.
    pub bytes: u64,
    /// The part known from acknowledgements alone.
    pub inferred: u64,
    /// Holes.
    pub gaps: u64,
}

/// What was around the first packet.
#[derive(Debug)]
struct Around {
    vlan: VlanTags,
    tunnel: Option<Tunnel>,
}

impl Around {
    fn of(packet: &Packet<'_>) -> Option<Box<Self>> {
        let is_bare = packet.tunnel.is_none() && packet.vlan.ids().is_empty();
        let around = || Self {
            vlan: packet.vlan,
            tunnel: packet.tunnel,
        };
        (!is_bare).then(|| Box::new(around()))
    }
}

/// Lines of the core's cache at the front of a flow that most packets look at.
pub(super) const BUSY_LINES: usize = 3;

/// A flow. What every packet touches stands in front, in [`BUSY_LINES`].
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Flow<A> {
    key: FlowKey,
    pub(super) last: Timestamp,
    pub(super) last_recorded: Timestamp,
    client: Side,
    evidence: ClientEvidence,
    pub(super) datagram_interest: bool,
    /// See [`Flow::set_needed_bits`].
    needed_bits: u8,
    watched: bool,
    /// Something came for it since a full table last looked at it.
    pub(super) touched: bool,
    /// Something happened by which the flow may be due earlier, or be worth another thing: most packets only put its end off.
    pub(super) is_stirred: bool,
    is_answered: bool,
    pub(super) sides: Sides,
    pub(super) tcp: Option<Tcp>,
    /// What the observer keeps with the flow.
    pub annotation: A,
    /// [`Timestamp::MAX`]: none.
    pub(super) alarm: Timestamp,
    /// The earliest timer that was set for the flow.
    pub(super) armed: Timestamp,
    pub(super) duplicates: u64,
    id: u64,
    first: Stamp,
    around: Option<Box<Around>>,
    icmp: Option<(u8, u8)>,
    /// The observer has said whether it watches the flow.
    is_decided: bool,
    /// The queue that it waits in for the day when the table is full.
    pub(super) worth: Worth,
    /// It ends for this reason as soon as its alarm has come.
    pub(super) leaving: Option<EndReason>,
}

const _: () = assert!(std::mem::offset_of!(Flow<u64>, annotation) == BUSY_LINES * 64);

impl<A: Default> Flow<A> {
    pub(super) fn new(
        key: FlowKey,
        side: Side,
        packet: &Packet<'_>,
        options: &FlowOptions,
    ) -> Self {
        let (client, evidence) = first_guess(&key, side, packet, options);
        Self {
            key,
            id: flow_id(&key, packet.stamp()),
            first: packet.stamp(),
            last: packet.timestamp,
            last_recorded: packet.recorded,
            client,
            evidence,
            sides: Sides::default(),
            duplicates: 0,
            around: Around::of(packet),
            tcp: matches!(packet.transport, Transport::Tcp(_)).then(Tcp::default),
            icmp: match packet.transport {
                Transport::Icmp(message) => Some((message.kind, message.code)),
                _ => None,
            },
            datagram_interest: true,
            needed_bits: 0,
            watched: true,
            is_decided: false,
            worth: Worth::default(),
            touched: false,
            alarm: Timestamp::MAX,
            leaving: None,
            armed: Timestamp::MAX,
            is_stirred: true,
            is_answered: false,
            annotation: A::default(),
        }
    }
}

impl<A> Flow<A> {
    /// It goes on with a flow that an earlier run of the sensor followed: `packet`, of `side`, is the first that this one sees.
    pub(super) fn resume(&mut self, standing: &Standing, side: Side, packet: &Packet<'_>) {
        self.id = standing.id;
        self.set_client(standing.client, ClientEvidence::Protocol);
        if let Transport::Tcp(segment) = packet.transport {
            self.sides.resume(standing.next, side, &segment);
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let next = |side: Side| {
            let sequence = &self.sides.of(side).sequence;
            let position = self.tcp.as_ref()?.handed_on(side, sequence.passed());
            let base = sequence.base()?;
            Some(base.wrapping_add(position as u32))
        };
        Standing {
            key: self.key,
            id: self.id,
            last: self.last,
            client: self.client,
            next: [Side::LowToHigh, Side::HighToLow].map(next),
        }
    }

    /// Payload of a direction that was counted, and lies behind where [`Flow::standing`] says that the flow stands.
    pub fn ahead(&self, direction: Direction) -> u64 {
        let side = self.side(direction);
        let sequence = &self.sides.of(side).sequence;
        let bytes = sequence.delivered().bytes;
        let stands = |tcp: &Tcp| tcp.handed_on(side, sequence.passed());
        let stands = self.tcp.as_ref().map_or(bytes, stands);
        bytes.saturating_sub(stands)
    }

    /// Whether more may come: nobody closed or reset it.
    pub fn goes_on(&self) -> bool {
        self.tcp.is_none() || !self.sides.is_closed()
    }

    /// Takes `side` for the client, where `evidence` is stronger than what told so far.
    pub fn set_client(&mut self, side: Side, evidence: ClientEvidence) {
        if evidence > self.evidence {
            self.client = side;
            self.evidence = evidence;
        }
    }

    /// Asks for [`super::Observer::alarm`] at the first tick boundary at or after `at`; an earlier alarm that waits is replaced.
    pub fn set_alarm(&mut self, at: Option<Timestamp>) {
        self.alarm = at.unwrap_or(Timestamp::MAX);
        self.is_stirred = true;
    }

    /// Whether [`super::Observer::delivered`] is wanted.
    pub const fn set_watched(&mut self, watched: bool) {
        self.watched = watched;
        self.is_decided = true;
        self.is_stirred = true;
    }

    /// See [`Flow::set_watched`].
    pub const fn is_watched(&self) -> bool {
        self.watched
    }

    /// Whether everything that was asked over it was answered, so that little more may come.
    pub const fn set_answered(&mut self, is_answered: bool) {
        self.is_stirred |= self.is_answered != is_answered;
        self.is_answered = is_answered;
    }

    /// From now on no datagram comes to the observer whose first byte has none of `bits`: what most of them are can be told by one.
    pub const fn set_needed_bits(&mut self, bits: u8) {
        self.needed_bits = bits;
    }

    /// Whether the observer wants a datagram with this payload.
    #[inline]
    pub(super) fn wants(&self, payload: &[u8]) -> bool {
        let needed = self.needed_bits;
        let has_one = |first: &u8| needed == 0 || first & needed != 0;
        self.datagram_interest && payload.first().is_none_or(has_one)
    }

    /// Its key.
    pub const fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Its id: below 2^51, equal in every replay.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Its first packet.
    pub const fn first(&self) -> Stamp {
        self.first
    }

    /// Time of its last packet, by the clock that never runs back.
    pub const fn last(&self) -> Timestamp {
        self.last
    }

    /// The latest time that the capture gives for one of its packets.
    pub const fn last_recorded(&self) -> Timestamp {
        self.last_recorded
    }

    /// The side that the client sends.
    pub const fn client_side(&self) -> Side {
        self.client
    }

    /// The client.
    pub const fn client(&self) -> Endpoint {
        self.key.sender(self.client)
    }

    /// The server.
    pub const fn server(&self) -> Endpoint {
        self.key.receiver(self.client)
    }

    /// Which way `side` goes.
    pub fn direction(&self, side: Side) -> Direction {
        if side == self.client {
            Direction::ToServer
        } else {
            Direction::ToClient
        }
    }

    /// The side that goes `direction`.
    pub const fn side(&self, direction: Direction) -> Side {
        match direction {
            Direction::ToServer => self.client,
            Direction::ToClient => self.client.reversed(),
        }
    }

    /// Frames of a direction.
    pub fn packets(&self, direction: Direction) -> u64 {
        self.sides.of(self.side(direction)).packets
    }

    /// Bytes on the wire of a direction.
    pub fn wire_bytes(&self, direction: Direction) -> u64 {
        self.sides.of(self.side(direction)).wire_bytes
    }

    /// Payload bytes of a direction, each counted once.
    pub fn delivered(&self, direction: Direction) -> Delivered {
        self.sides.of(self.side(direction)).sequence.delivered()
    }

    /// The position up to which the payload of a direction was acknowledged; `None` where no acknowledgement was seen.
    pub fn acknowledged(&self, direction: Direction) -> Option<u64> {
        let sent = self.sides.of(self.side(direction));
        sent.sequence.acknowledged_at_last()
    }

    /// Packets that the mirror showed twice.
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// TCP flags of a direction, all together.
    pub fn tcp_flags(&self, direction: Direction) -> u8 {
        self.sides.of(self.side(direction)).sequence.flags
    }

    /// Tags of the first frame.
    pub fn vlan(&self) -> &VlanTags {
        self.around
            .as_ref()
            .map_or(&VlanTags::NONE, |around| &around.vlan)
    }

    /// The tunnel around the first packet.
    pub fn tunnel(&self) -> Option<&Tunnel> {
        self.around.as_ref()?.tunnel.as_ref()
    }

    /// ICMP type and code of the first packet.
    pub const fn icmp(&self) -> Option<(u8, u8)> {
        self.icmp
    }

    /// How the connection was made; `None` for other protocols than TCP.
    pub fn handshake(&self) -> Option<Handshake> {
        let tcp = self.tcp.as_ref()?;
        Some(self.sides.handshake(self.client, tcp.is_refused()))
    }

    /// EVE's TCP state; `None` for other protocols.
    pub fn tcp_state(&self) -> Option<&'static str> {
        let tcp = self.tcp.as_ref()?;
        Some(self.sides.state(self.client, tcp.is_refused()))
    }

    /// Whether the client or the server reset the connection.
    pub fn was_reset(&self) -> bool {
        self.sides.any(TcpFlags::RST)
    }

    /// EVE's flow state.
    pub fn state(&self) -> &'static str {
        let both_ways = self.sides.are_both_shown();
        match self.handshake() {
            Some(_) if self.sides.is_closed() => "closed",
            Some(Handshake::Complete) => "established",
            Some(_) if self.sides.is_midstream() && both_ways => "established",
            None if both_ways => "established",
            _ => "new",
        }
    }

    /// What would be lost if a full table gave it up now.
    pub(super) fn worth_now(&self) -> Worth {
        let is_one_way = !self.sides.are_both_shown();
        match (self.is_decided, self.goes_on()) {
            (true, true) if self.watched => Worth::Watched,
            _ if is_one_way => Worth::OneWay,
            (false, true) => Worth::Undecided,
            _ => Worth::Spent,
        }
    }

    /// When the flow ends if nothing more comes.
    pub(super) fn deadline(&self, options: &FlowOptions) -> Timestamp {
        if self.leaving.is_some() {
            return match self.alarm {
                Timestamp::MAX => self.last,
                alarm => alarm,
            };
        }
        self.last.plus(self.timeout(options))
    }

    /// Whether a timer is set for before anything can be due, where no timeout is shorter than `shortest`.
    pub(super) fn is_armed_within(&self, shortest: Duration) -> bool {
        let soonest = self.last.plus(shortest).min(self.alarm);
        // A timer comes up at the next boundary.
        self.armed.minus(Tick::LENGTH) < soonest && self.leaving.is_none()
    }

    /// The next tick boundary at which something is due, where that is before a boundary that is `armed` for.
    pub(super) fn due_before(&self, armed: Timestamp, options: &FlowOptions) -> Option<Timestamp> {
        let due = self.deadline(options).min(self.alarm);
        let boundary = || Tick::boundary_at_or_after(due).start();
        (due < armed).then(boundary).filter(|due| *due < armed)
    }

    fn timeout(&self, options: &FlowOptions) -> Duration {
        let both_ways = self.sides.are_both_shown();
        match (self.key.protocol(), self.handshake()) {
            (_, Some(_)) if self.sides.is_closed() => options.tcp_closed,
            (_, Some(Handshake::Complete | Handshake::Midstream)) => options.tcp_established,
            (_, Some(Handshake::Refused | Handshake::Unanswered)) => options.tcp_incomplete,
            (Protocol::UDP, None) if both_ways && self.is_answered => {
                options.udp_answered.min(options.udp_both_ways)
            }
            (Protocol::UDP, None) if both_ways => options.udp_both_ways,
            (Protocol::UDP, None) => options.udp_one_way,
            (Protocol::ICMP | Protocol::ICMPV6, None) => options.icmp,
            _ => options.other,
        }
    }
}

/// Who is the client, by the first packet alone.
fn first_guess(
    key: &FlowKey,
    side: Side,
    packet: &Packet<'_>,
    options: &FlowOptions,
) -> (Side, ClientEvidence) {
    if let Transport::Tcp(segment) = packet.transport
        && segment.flags.has(TcpFlags::SYN)
    {
        return if segment.flags.has(TcpFlags::ACK) {
            (side.reversed(), ClientEvidence::SynAck)
        } else {
            (side, ClientEvidence::Syn)
        };
    }
    let (from, to) = (
        options.is_service(key.sender(side).port),
        options.is_service(key.receiver(side).port),
    );
    match (from, to) {
        (false, true) => (side, ClientEvidence::Port),
        (true, false) => (side.reversed(), ClientEvidence::Port),
        _ => (side, ClientEvidence::FirstPacket),
    }
}

/// A hash of the key and the first packet, with a fixed seed of its own: equal in every replay, whatever seeds the tables.
fn flow_id(key: &FlowKey, first: Stamp) -> u64 {
    const SEED: u64 = 0x7061_7463_6873_7061;
    const BITS: u32 = 51;
    let mut hasher = FixedState::with_seed(SEED).build_hasher();
    key.hash(&mut hasher);
    first.timestamp.hash(&mut hasher);
    first.number.hash(&mut hasher);
    hasher.finish() >> (u64::BITS - BITS)
}
