//! Connections: who is the client, how many bytes, the streams in order, when a flow ends.
//!
//! A [`FlowTable`] belongs to one worker and shares nothing. It is fed unwrapped packets and pushes what happens into an
//! [`Observer`]; it knows nothing of protocols, names or catalogues. Time is packet time. Nothing happens in hash order:
//! what is due runs by its tick and the number of the flow's first packet.
//!
//! * [`table`]: key to flow, the road of a packet
//! * `following`: a packet in its flow
//! * [`flow`]: one flow's figures
//! * `sides`: what both sides sent
//! * `index`: hash to slot
//! * `slab`: flows where they lie
//! * [`tcp`]: sequence space, streams, states
//! * [`timers`]: what is due when
//! * [`victims`]: whom a full table gives up
//! * `activity`: which flows had packets lately
//! * [`duplicates`]: packets that a mirror shows twice
//! * [`kept`]: a flow as it stands, for the next run of the sensor
//! * [`options`]: timeouts and ceilings

mod activity;
pub mod duplicates;
pub mod flow;
mod following;
mod index;
pub mod kept;
pub mod options;
mod sides;
mod slab;
pub mod table;
pub mod tcp;
pub mod timers;
mod victims;

pub use flow::{ClientEvidence, Delivered, Flow, Handshake};
pub use options::FlowOptions;
pub use table::{FlowCounters, FlowTable, Remaining};
pub use tcp::stream::Chunk;

use crate::types::flow_key::Side;
use crate::types::packet::UdpDatagram;
use crate::types::{Packet, Place, Stamp, Timestamp};

/// Packets that are looked ahead for at once.
pub const AT_ONCE: usize = 32;

/// Whether an observer wants more of a stream or of a flow's datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Go on.
    Continue,
    /// No more of this side; what was kept for it is freed.
    Stop,
}

/// Why a flow ended; the words are EVE's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Nothing came for as long as its state allows.
    Timeout,
    /// Its 5-tuple was taken into use again.
    Reuse,
    /// The table was full.
    Forced,
    /// The program ends.
    Shutdown,
}

impl EndReason {
    /// EVE's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Reuse => "tcp_reuse",
            Self::Forced => "forced",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What a flow table pushes its events into. `A` is what the observer keeps with each flow.
pub trait Observer<A> {
    /// What is remembered of an ended flow, for one that continues on the same 5-tuple.
    type Memory;

    /// A flow began with `packet`; `earlier` is what was remembered of a flow that this one continues.
    fn opened(&mut self, flow: &mut Flow<A>, packet: &Packet<'_>, earlier: Option<Self::Memory>);

    /// The next piece of a TCP stream, in order, and where it stands.
    fn stream(
        &mut self,
        flow: &mut Flow<A>,
        side: Side,
        chunk: (Chunk<'_>, Place),
        stamp: Stamp,
    ) -> Interest;

    /// A UDP datagram that is no mirror duplicate.
    fn datagram(
        &mut self,
        flow: &mut Flow<A>,
        side: Side,
        datagram: &UdpDatagram<'_>,
        stamp: Stamp,
    ) -> Interest;

    /// `bytes` of payload, each for the first time, went in the direction of `side` on a watched flow.
    fn delivered(&mut self, flow: &mut Flow<A>, side: Side, bytes: u64, at: Timestamp);

    /// The time that the observer set with [`Flow::set_alarm`] has come; `now` is its tick boundary.
    fn alarm(&mut self, flow: &mut Flow<A>, now: Timestamp);

    /// Whether a flow whose 5-tuple is in use again may end now; else it ends at its alarm.
    fn may_end(&self, _flow: &Flow<A>) -> bool {
        true
    }

    /// A flow is about to end: what its streams still hold is told after this, and before [`Observer::ended`].
    fn ending(&mut self, _flow: &mut Flow<A>, _reason: EndReason, _at: Timestamp) {}

    /// Bytes of what is remembered, beyond its own size.
    fn weight(&self, _memory: &Self::Memory) -> usize {
        0
    }

    /// A flow ended; `at` is when that was decided.
    fn ended(
        &mut self,
        flow: &mut Flow<A>,
        reason: EndReason,
        at: Timestamp,
    ) -> Option<Self::Memory>;
}

#[cfg(test)]
mod tests;
