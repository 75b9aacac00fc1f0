//! What packets show one at a time, or within their flow: tags, copies' lengths, who may be addressed.

use std::collections::HashMap;

use super::clock::ClockWatch;
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, TcpSegment, Transport};
use crate::types::{FlowKey, Packet, Timestamp};

/// Flows of which tags and segment sizes are kept; those that come later are not looked at.
const MAX_FLOWS: usize = 1 << 16;
/// Longer frames are on no wire, jumbo frames and tags included.
const LONGEST_FRAME: u64 = 9_234;
/// TCP option: maximum segment size (RFC 9293 section 3.2).
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;

/// What is gathered.
#[derive(Debug, Default)]
pub(super) struct PacketWatch {
    pub figures: PacketFigures,
    pub clock: ClockWatch,
    flows: HashMap<FlowKey, Ways>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketFigures {
    /// Frames.
    pub frames: u64,
    /// Frames of which less was captured than was on the wire.
    pub cut: u64,
    /// IP packets, inner ones included.
    pub packets: u64,
    /// IP packets to one receiver: what a mirror alone brings.
    pub unicast: u64,
    /// Packets with two tags or more.
    pub double_tagged: u64,
    /// TCP segments with payload.
    pub segments: u64,
    /// Those with more than the receiver accepts in one: merged by a card or a kernel.
    pub merged: u64,
    /// Flows that were seen both ways, and whose tags were looked at.
    pub both_ways: u64,
    /// Those with tags on one way only.
    pub tagged_one_way: u64,
}

/// One flow, by the side that sent.
#[derive(Clone, Copy, Debug, Default)]
struct Ways {
    with_tags: [bool; 2],
    without_tags: [bool; 2],
    /// The most that a side accepts in one segment; 0: it did not say.
    accepts: [u16; 2],
}

impl PacketWatch {
    /// A frame as it was captured.
    pub fn frame(&mut self, origin: u16, recorded: Timestamp, captured: usize, wire_length: u32) {
        self.figures.frames += 1;
        self.figures.cut += u64::from(captured < wire_length as usize);
        self.clock.stamp(origin, recorded);
    }

    /// A packet of it.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        if matches!(packet.transport, Transport::Arp(_)) {
            return;
        }
        self.figures.packets += 1;
        self.figures.unicast += u64::from(is_unicast(packet));
        self.figures.double_tagged += u64::from(packet.vlan.ids().len() > 1);
        self.clock.packet(packet);
        // Tags are looked at, so they must not part the directions.
        let (key, side) = packet.flow_key(false);
        let is_known = self.flows.len() < MAX_FLOWS || self.flows.contains_key(&key);
        let mut unknown = Ways::default();
        let ways = if is_known {
            self.flows.entry(key).or_default()
        } else {
            &mut unknown
        };
        ways.tags(side, packet);
        if let Transport::Tcp(segment) = packet.transport {
            let accepted = ways.accepted(side, &segment);
            self.figures.segments += u64::from(segment.payload_length > 0);
            let is_merged = segment.payload_length > accepted
                || (packet.frames == 1 && packet.wire_bytes > LONGEST_FRAME);
            self.figures.merged += u64::from(is_merged);
        }
    }

    /// What came of it.
    pub fn figures(&self) -> PacketFigures {
        let mut figures = self.figures;
        for ways in self.flows.values() {
            let seen = |at: usize| {
                ways.with_tags.get(at) == Some(&true) || ways.without_tags.get(at) == Some(&true)
            };
            figures.both_ways += u64::from(seen(0) && seen(1));
            figures.tagged_one_way += u64::from(seen(0) && seen(1) && ways.is_tagged_one_way());
        }
        figures
    }
}

impl Ways {
    fn tags(&mut self, side: Side, packet: &Packet<'_>) {
        let seen = if packet.vlan.ids().is_empty() {
            &mut self.without_tags
        } else {
            &mut self.with_tags
        };
        if let Some(seen) = seen.get_mut(side.index()) {
            *seen = true;
        }
    }

    /// One way only with tags, the other only without.
    fn is_tagged_one_way(&self) -> bool {
        let only =
            |tags: [bool; 2], others: [bool; 2]| tags[0] && !others[0] && others[1] && !tags[1];
        only(self.with_tags, self.without_tags) || only(self.without_tags, self.with_tags)
    }

    /// The most payload that this segment can have on a wire; what it says itself of its sender is noted.
    fn accepted(&mut self, side: Side, segment: &TcpSegment<'_>) -> u32 {
        if segment.flags.has(TcpFlags::SYN)
            && let (Some(most), Some(own)) =
                (maximum(segment.options), self.accepts.get_mut(side.index()))
        {
            *own = most;
        }
        match self.accepts.get(side.reversed().index()) {
            Some(0) | None => u32::MAX,
            Some(most) => u32::from(*most),
        }
    }
}

/// The maximum segment size among the options.
fn maximum(mut options: &[u8]) -> Option<u16> {
    loop {
        match options {
            [END_OF_OPTIONS, ..] | [] => return None,
            [NO_OPERATION, rest @ ..] => options = rest,
            [MAXIMUM_SEGMENT_SIZE, 4, high, low, ..] => {
                return Some(u16::from_be_bytes([*high, *low]));
            }
            [_, length, ..] => options = options.get(usize::from(*length).max(2)..)?,
            [_] => return None,
        }
    }
}

/// Whether it goes to one receiver: what comes to a port that nothing is mirrored to is for all.
fn is_unicast(packet: &Packet<'_>) -> bool {
    const GROUP: u8 = 1;
    let is_group = match packet.destination_mac {
        Some([first, ..]) => first & GROUP != 0,
        None => false,
    };
    let is_broadcast =
        matches!(packet.destination, std::net::IpAddr::V4(address) if address.is_broadcast());
    !is_group && !is_broadcast && !packet.destination.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_is_found_among_other_options_and_broken_ones_end() {
        assert_eq!(maximum(&[1, 3, 3, 7, 2, 4, 5, 180]), Some(1_460));
        for broken in [
            &[][..],
            &[2],
            &[2, 4, 5],
            &[0, 2, 4, 5, 180],
            &[3, 0],
            &[3, 200, 1],
        ] {
            assert_eq!(maximum(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn tags_on_one_way_only_are_told_from_none_all_and_doubled() {
        let ways = |with_tags, without_tags| Ways {
            with_tags,
            without_tags,
            ..Ways::default()
        };
        assert!(ways([true, false], [false, true]).is_tagged_one_way());
        assert!(ways([false, true], [true, false]).is_tagged_one_way());
        for (with_tags, without_tags) in [
            ([true, true], [false, false]),
            ([false, false], [true, true]),
            ([true, true], [true, true]),
            ([true, false], [true, true]),
        ] {
            assert!(!ways(with_tags, without_tags).is_tagged_one_way());
        }
    }
}
