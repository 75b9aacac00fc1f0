//! Packets that a mirror shows twice: a port mirrored both ways, or two ports on the packet's road.
//!
//! A duplicate has the flow, IP identification, length, transport header and first 32 payload bytes of a packet seen within
//! 5 ms; MAC addresses, tags and TTL may differ. A true retransmission carries another identification, or comes later.
//!
//! Blind spot: IPv6 has no identification; a client that sends the very same datagram twice within 5 ms is taken for a mirror's copy.

use std::hash::{BuildHasher, Hash, Hasher};
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::types::flow_key::Side;
use crate::types::packet::Transport;
use crate::types::{Packet, Timestamp};

/// How late a copy may come.
const WINDOW: Duration = Duration::from_millis(5);
/// Enough for 3 million packets a second, and few enough to lie in a core's own cache.
const SETS: usize = 1 << 11;
const WAYS: usize = 8;
/// Payload bytes that are compared.
const COMPARED: usize = 32;

/// The packets of the last milliseconds, by fingerprint.
#[derive(Debug)]
pub(super) struct Duplicates {
    seen: Vec<[(u64, Timestamp); WAYS]>,
    hasher: FixedState,
}

impl Duplicates {
    pub fn new(seed: u64) -> Self {
        let nothing = (0, Timestamp::from_nanos(i64::MIN));
        Self {
            seen: vec![[nothing; WAYS]; SETS],
            hasher: FixedState::with_seed(seed),
        }
    }

    /// Whether this packet was seen already; remembers it. `flow`: the hash of its flow's key, and the side that it shows.
    pub fn is_duplicate(&mut self, flow: (u64, Side), packet: &Packet<'_>) -> bool {
        let fingerprint = self.fingerprint(flow, packet);
        let Some(set) = self.seen.get_mut(fingerprint as usize % SETS) else {
            return false;
        };
        let now = packet.timestamp;
        let is_seen = |(other, at): &&mut (u64, Timestamp)| {
            *other == fingerprint && now.since(*at) <= WINDOW && at.since(now) <= WINDOW
        };
        if let Some(found) = set.iter_mut().find(is_seen) {
            // Each copy matches one packet: a third one is a copy again, a pair of true repetitions with another copy each is not lost.
            found.1 = now;
            return true;
        }
        if let Some(oldest) = set.iter_mut().min_by_key(|(_, at)| *at) {
            *oldest = (fingerprint, now);
        }
        false
    }

    fn fingerprint(&self, (flow, side): (u64, Side), packet: &Packet<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(flow);
        (side.index() as u32, packet.identification).hash(&mut hasher);
        match packet.transport {
            Transport::Tcp(segment) => {
                (
                    segment.source_port,
                    segment.sequence,
                    segment.acknowledgement,
                    segment.flags.0,
                )
                    .hash(&mut hasher);
                (segment.window, segment.payload_length).hash(&mut hasher);
                segment.options.hash(&mut hasher);
                compared(segment.payload).hash(&mut hasher);
            }
            Transport::Udp(datagram) => {
                (datagram.source_port, datagram.payload_length).hash(&mut hasher);
                compared(datagram.payload).hash(&mut hasher);
            }
            Transport::Icmp(message) => {
                (message.kind, message.code, message.message_length).hash(&mut hasher);
                compared(message.payload).hash(&mut hasher);
            }
            Transport::Other { payload_length, .. } => {
                (payload_length, packet.number).hash(&mut hasher)
            }
            Transport::Arp(message) => (message, packet.number).hash(&mut hasher),
        }
        hasher.finish()
    }
}

fn compared(payload: &[u8]) -> &[u8] {
    payload.get(..COMPARED).unwrap_or(payload)
}
