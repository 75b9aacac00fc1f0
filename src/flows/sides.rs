//! What both sides of a flow sent.

use super::tcp::sequence::Sequence;
use crate::types::flow_key::Side;
use crate::types::packet::TcpFlags;

/// What one side sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Packets; each fragment is one.
    pub packets: u64,
    pub wire_bytes: u64,
    /// Its payload: of TCP by numbers, of UDP one datagram behind the other.
    pub sequence: Sequence,
}

/// Both sides.
#[derive(Debug, Default)]
pub(super) struct Sides([Sent; 2]);

impl Sent {
    /// Whether a packet had a flag.
    pub const fn has(&self, flag: u8) -> bool {
        TcpFlags(self.sequence.flags).has(flag)
    }
}

impl Sides {
    /// One of them.
    pub const fn of(&self, side: Side) -> &Sent {
        let [low, high] = &self.0;
        match side {
            Side::LowToHigh => low,
            Side::HighToLow => high,
        }
    }

    /// One of them, and the other.
    pub const fn from(&mut self, side: Side) -> [&mut Sent; 2] {
        let [low, high] = &mut self.0;
        match side {
            Side::LowToHigh => [low, high],
            Side::HighToLow => [high, low],
        }
    }

    /// The lower and the upper one.
    pub fn both(&self) -> impl Iterator<Item = &Sent> {
        self.0.iter()
    }

    /// Below these positions everything went over.
    pub fn passed(&self) -> [u64; 2] {
        self.0.each_ref().map(|sent| sent.sequence.passed())
    }

    /// Whether both sent something.
    pub fn are_both_shown(&self) -> bool {
        self.both().all(|sent| sent.packets > 0)
    }

    /// Whether a packet of either had a flag.
    pub fn any(&self, flag: u8) -> bool {
        self.both().any(|sent| sent.has(flag))
    }
}
