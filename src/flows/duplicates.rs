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
    sets: Vec<Set>,
    hasher: FixedState,
}

/// Packets whose fingerprints end alike, the latest first: a line of the core's cache. Halves of a kind stand together, so that those of all
/// packets are compared at once.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Set {
    upper: [u32; WAYS],
    lower: [u32; WAYS],
}

/// A packet that was seen: the high bits of its fingerprint, and the low bits of the microsecond in which it was.
///
/// With the bits that choose the set, 51 bits tell packets apart. An old packet looks new again after 16 s, if nothing drove it out.
#[derive(Clone, Copy, Debug)]
struct Seen {
    upper: u32,
    /// Eight bits more of the fingerprint, and the time.
    lower: u32,
}

const TIME_BITS: u32 = 24;
const TIME: u32 = (1 << TIME_BITS) - 1;

impl Seen {
    const fn new(fingerprint: u64, now: Timestamp) -> Self {
        let microsecond = now.as_nanos().div_euclid(1_000) as u32 & TIME;
        Self {
            upper: (fingerprint >> 32) as u32,
            lower: fingerprint as u32 & !TIME | microsecond,
        }
    }

    /// Whether it is the same packet, and came within [`WINDOW`] before or after.
    const fn is_copy(self, other: Self) -> bool {
        const MOST: u32 = WINDOW.as_micros() as u32;
        if self.upper != other.upper || (self.lower ^ other.lower) & !TIME != 0 {
            return false;
        }
        // The difference of the times, moved so that the window begins at zero, in their bits alone.
        let moved = self.lower.wrapping_sub(other.lower).wrapping_add(MOST);
        moved & TIME <= 2 * MOST
    }
}

impl Set {
    const EMPTY: Self = Self {
        upper: [0; WAYS],
        lower: [0; WAYS],
    };

    #[inline]
    fn is_known(&mut self, packet: Seen) -> bool {
        let is_like = |likely: bool, upper: &u32| likely | (*upper == packet.upper);
        if self.upper.iter().fold(false, is_like) && self.renew(packet) {
            return true;
        }
        self.upper.copy_within(..WAYS - 1, 1);
        self.lower.copy_within(..WAYS - 1, 1);
        let [upper, ..] = &mut self.upper;
        let [lower, ..] = &mut self.lower;
        (*upper, *lower) = (packet.upper, packet.lower);
        false
    }

    /// Where `packet` is the copy of another one, that one was seen now.
    #[cold]
    fn renew(&mut self, packet: Seen) -> bool {
        let mut seen = self.upper.iter().zip(&mut self.lower);
        let copied = seen.find(|(upper, lower)| {
            let (upper, lower) = (**upper, **lower);
            Seen { upper, lower }.is_copy(packet)
        });
        // Each copy matches one packet: a third one is a copy again, a pair of true repetitions with another copy each is not lost.
        copied.map(|(_, lower)| *lower = packet.lower).is_some()
    }
}

impl Duplicates {
    pub fn new(seed: u64) -> Self {
        Self {
            sets: vec![Set::EMPTY; SETS],
            hasher: FixedState::with_seed(seed),
        }
    }

    /// Whether this packet was seen already; remembers it. `flow`: the hash of its flow's key, and the side that it shows.
    #[inline]
    pub fn is_duplicate(&mut self, flow: (u64, Side), packet: &Packet<'_>) -> bool {
        let fingerprint = self.fingerprint(flow, packet);
        let set = self.sets.get_mut(fingerprint as usize % SETS);
        let packet = Seen::new(fingerprint, packet.timestamp);
        set.is_some_and(|set| set.is_known(packet))
    }

    #[inline]
    fn fingerprint(&self, (flow, side): (u64, Side), packet: &Packet<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let side = side.index() as u64;
        let own = side << 32 | u64::from(packet.identification);
        hasher.write_u128(pair(flow, own));
        match packet.transport {
            Transport::Tcp(segment) => {
                let [sequence, acknowledgement, length] = [
                    segment.sequence,
                    segment.acknowledgement,
                    segment.payload_length,
                ]
                .map(u64::from);
                let options = segment.options.len() as u64;
                let shape =
                    options << 24 | u64::from(segment.window) << 8 | u64::from(segment.flags.0);
                let numbers = sequence << 32 | acknowledgement;
                hasher.write_u128(pair(numbers, shape << 32 | length));
                write_words(&mut hasher, segment.options);
                write_words(&mut hasher, compared(segment.payload));
            }
            Transport::Udp(datagram) => {
                hasher.write_u64(datagram.payload_length.into());
                write_words(&mut hasher, compared(datagram.payload));
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

/// Feeds a hasher with a few bytes, in words: that is quicker than as many bytes as may come, for which a hasher is prepared.
fn write_words(hasher: &mut impl Hasher, bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks();
    for word in words {
        hasher.write_u128(u128::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        hasher.write_u128(word_of(rest));
    }
}

/// Fewer than 16 bytes as one word. They are read from both ends, so that the middle may be there twice.
fn word_of(bytes: &[u8]) -> u128 {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => pair(word(first), word(last)),
        _ => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => pair(half(first), half(last)),
            _ => bytes
                .iter()
                .fold(1, |word, byte| word << 8 | u128::from(*byte)),
        },
    }
}

const fn pair(upper: u64, lower: u64) -> u128 {
    (upper as u128) << 64 | lower as u128
}

fn compared(payload: &[u8]) -> &[u8] {
    payload.get(..COMPARED).unwrap_or(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_comes_within_the_window_before_or_after() {
        const FINGERPRINT: u64 = 0x0123_4567_89ab_cdef;
        let at = |micros: i64| Seen::new(FINGERPRINT, Timestamp::from_nanos(micros * 1_000));
        // Around moments at which the bits of the time begin anew, and before 1970.
        for base in [0, 1 << TIME_BITS, 1_700_000_000_000_000, -7] {
            for (late, is_copy) in [(0, true), (5_000, true), (5_001, false), (900_000, false)] {
                assert_eq!(at(base).is_copy(at(base + late)), is_copy, "{base} {late}");
                assert_eq!(at(base + late).is_copy(at(base)), is_copy, "{base} {late}");
            }
        }
        let other = Seen::new(FINGERPRINT ^ 1 << 40, Timestamp::from_nanos(0));
        assert!(!at(0).is_copy(other));
    }

    #[test]
    fn the_packet_that_was_seen_first_is_forgotten_first() {
        let mut set = Set::EMPTY;
        let packet = |number: u64| Seen::new(number << 40, Timestamp::EPOCH);
        for number in 1..=WAYS as u64 + 1 {
            assert!(!set.is_known(packet(number)));
        }
        assert!(set.is_known(packet(2)));
        assert!(!set.is_known(packet(1)));
    }
}
