//! Frame to packets: link types, tags, tunnels, fragments.
//!
//! [`Decoder::decode`] pushes every IP packet and ARP message of a frame into a sink, the outer before the inner. What cannot be decoded is
//! counted by reason, never silent.
//!
//! * [`cut`]: captured bytes with their length on the wire
//! * [`plain`]: the short way of most frames
//! * [`link`]: link layers and tags
//! * [`wireless`]: IEEE 802.11
//! * [`ip`]: IPv4 and IPv6 with extension headers
//! * [`transport`]: TCP, UDP, ICMP
//! * [`tunnels`]: packets within packets
//! * [`fragments`]: IP fragments put together
#![warn(clippy::indexing_slicing)]

pub mod cut;
pub mod fragments;
mod ip;
mod link;
mod plain;
mod transport;
mod tunnels;
mod wireless;

use std::cell::Cell;

use crate::counters;
use crate::types::flow_key::Side;
use crate::types::packet::TunnelKind;
use crate::types::{FlowKey, Packet, Stamp, Timestamp, Tunnel, VlanTags};
use cut::Cut;
use fragments::Fragments;

/// Headers, tags and tunnels that are unwrapped of one frame.
pub const MAX_LAYERS: u8 = 16;

counters! {
    /// What the decoder saw and refused.
    pub struct DecodeCounters {
        /// Frames.
        frames: "decoder.frames",
        /// Bytes on the wire.
        bytes: "decoder.bytes",
        /// IP packets, inner ones included.
        packets: "decoder.packets",
        /// Frames of a link type that is not decoded.
        unknown_link_type: "decoder.unknown_link_type",
        /// Frames too short for their link header.
        short_link: "decoder.short_link",
        /// Link headers that make no sense.
        bad_link: "decoder.bad_link",
        /// ARP messages.
        arp: "decoder.arp",
        /// Frames that carry neither IP nor ARP: spanning tree and the like.
        not_ip: "decoder.not_ip",
        /// Encrypted 802.11 frames.
        encrypted_wireless: "decoder.encrypted_wireless",
        /// 802.11 frames that carry no data.
        wireless_control: "decoder.wireless_control",
        /// More than the layers that are unwrapped.
        too_many_layers: "decoder.too_many_layers",
        /// IPv4 headers that are short.
        short_ipv4: "decoder.short_ipv4",
        /// IPv4 headers that make no sense.
        bad_ipv4: "decoder.bad_ipv4",
        /// IPv6 headers that are short.
        short_ipv6: "decoder.short_ipv6",
        /// IPv6 headers that make no sense.
        bad_ipv6: "decoder.bad_ipv6",
        /// TCP headers that are short.
        short_tcp: "decoder.short_tcp",
        /// TCP headers that make no sense.
        bad_tcp: "decoder.bad_tcp",
        /// UDP headers that are short.
        short_udp: "decoder.short_udp",
        /// UDP lengths that make no sense.
        bad_udp: "decoder.bad_udp",
        /// ICMP messages that are short.
        short_icmp: "decoder.short_icmp",
        /// Tunnel headers that are short or make no sense.
        bad_tunnel: "decoder.bad_tunnel",
        /// Fragments.
        fragments: "decoder.fragments",
        /// Datagrams put together from fragments.
        reassembled: "decoder.reassembled",
        /// Fragments seen before: a mirror that shows them twice.
        fragment_duplicates: "decoder.fragment_duplicates",
        /// Datagrams refused because fragments overlapped (RFC 5722).
        fragment_overlaps: "decoder.fragment_overlaps",
        /// Datagrams whose fragments did not all come in time.
        fragment_timeouts: "decoder.fragment_timeouts",
        /// Datagrams given up because the fragment table was full.
        fragment_evictions: "decoder.fragment_evictions",
        /// Fragments that make no sense.
        bad_fragments: "decoder.bad_fragments",
    }
}

/// A frame to be decoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameInput<'a> {
    /// Which one, and when.
    pub stamp: Stamp,
    /// LINKTYPE_ number.
    pub link_type: u16,
    /// Length on the wire.
    pub wire_length: u32,
    /// Captured bytes.
    pub data: &'a [u8],
}

/// What packets are pushed into.
pub type PacketSink<'s> = dyn FnMut(&Packet<'_>) + 's;

/// Unwraps frames; keeps fragments between them.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Fragments,
    /// Of frames that are not plain.
    counters: DecodeCounters,
    plain: Plain,
}

/// Plain frames, of which nothing else is to be counted.
#[derive(Debug, Default)]
struct Plain {
    frames: u64,
    bytes: u64,
}

impl Decoder {
    /// A decoder without fragments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether frames of this link type are decoded.
    pub const fn supports(link_type: u16) -> bool {
        link::supports(link_type)
    }

    /// Pushes every IP packet of `frame` into `sink`, the outer before the inner.
    pub fn decode(&mut self, frame: FrameInput<'_>, sink: &mut impl FnMut(&Packet<'_>)) {
        let plain = &mut |packet: &Packet<'_>, _: &FlowKey, _| sink(packet);
        if self.plain(&frame, false, plain).is_none() {
            self.unwrap(frame, sink);
        }
    }

    /// As [`Self::decode`], where the frame is plain: `sink` is told the key of the packet's flow, and the side that it shows, as well. `None`,
    /// and nothing has happened, where the frame is not plain.
    #[inline]
    pub fn plain(
        &mut self,
        frame: &FrameInput<'_>,
        key_vlan: bool,
        sink: &mut impl FnMut(&Packet<'_>, &FlowKey, Side),
    ) -> Option<()> {
        plain::packet(frame, key_vlan, &|_| true, sink)?;
        self.plain.frames += 1;
        self.plain.bytes += u64::from(frame.wire_length);
        Some(())
    }

    /// The key of the flow that the packet of a frame belongs to, where the frame is plain.
    pub fn plain_key(frame: &FrameInput<'_>, key_vlan: bool) -> Option<FlowKey> {
        let found = Cell::new(None);
        let is_wanted = |key: &FlowKey| {
            found.set(Some(*key));
            false
        };
        plain::packet(frame, key_vlan, &is_wanted, &mut |_, _, _| ())?;
        found.get()
    }

    /// The key of the flow that the packet of a plain frame belongs to, and the side that it shows; it may give one for another frame.
    pub fn flow_key(frame: &FrameInput<'_>, key_vlan: bool) -> Option<(FlowKey, Side)> {
        plain::flow_key(frame, key_vlan)
    }

    /// As [`Self::decode`], of a frame that is not plain.
    pub fn unwrap(&mut self, frame: FrameInput<'_>, sink: &mut PacketSink<'_>) {
        self.counters.frames += 1;
        self.counters.bytes += u64::from(frame.wire_length);
        let layer = Layer {
            wire_bytes: u64::from(frame.wire_length),
            ..Layer::default()
        };
        let cut = Cut::new(frame.data, frame.wire_length as usize);
        self.walk(frame.stamp, sink)
            .link(frame.link_type, cut, layer);
        // Only here: a datagram that is given up may hold a fragment of its own, and so on down to the bottom of the stack.
        while let Some(datagram) = self.fragments.pop_excess() {
            self.counters.fragment_evictions += 1;
            self.walk(frame.stamp, sink).incomplete(&datagram);
        }
    }

    /// Gives up fragments that waited too long. What is known of them still counts: it is pushed into `sink`.
    pub fn expire(&mut self, now: Timestamp, sink: &mut PacketSink<'_>) {
        while let Some(datagram) = self.fragments.pop_expired(now) {
            self.counters.fragment_timeouts += 1;
            self.walk(datagram.stamp, sink).incomplete(&datagram);
        }
    }

    /// Gives up every fragment: the end of input.
    pub fn finish(&mut self, sink: &mut PacketSink<'_>) {
        self.expire(Timestamp::MAX, sink);
    }

    /// What was seen and refused so far.
    pub fn counters(&self) -> DecodeCounters {
        let mut counters = self.plain_counters();
        counters.add(&self.counters);
        counters
    }

    /// The same of plain frames alone.
    pub fn plain_counters(&self) -> DecodeCounters {
        DecodeCounters {
            frames: self.plain.frames,
            bytes: self.plain.bytes,
            packets: self.plain.frames,
            ..DecodeCounters::default()
        }
    }

    fn walk<'w, 's>(&'w mut self, stamp: Stamp, sink: &'w mut PacketSink<'s>) -> Walk<'w, 's> {
        Walk {
            fragments: &mut self.fragments,
            counters: &mut self.counters,
            stamp,
            sink,
        }
    }
}

/// The way through one frame.
struct Walk<'w, 's> {
    fragments: &'w mut Fragments,
    counters: &'w mut DecodeCounters,
    stamp: Stamp,
    sink: &'w mut PacketSink<'s>,
}

/// What the layers walked so far say of the packet to come.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    depth: u8,
    vlan: VlanTags,
    tunnel: Option<Tunnel>,
    source_mac: Option<[u8; 6]>,
    destination_mac: Option<[u8; 6]>,
    /// Bytes on the wire of the packet to come, from its own link header.
    wire_bytes: u64,
    frames: u32,
}

impl Walk<'_, '_> {
    /// One layer deeper; `None`, and counted, where that is too deep.
    fn deeper(&mut self, layer: Layer) -> Option<Layer> {
        if layer.depth >= MAX_LAYERS {
            self.counters.too_many_layers += 1;
            return None;
        }
        Some(Layer {
            depth: layer.depth + 1,
            ..layer
        })
    }

    /// The layer within a tunnel, whose inner frame or packet is `inner`.
    fn inside(
        &mut self,
        outer: &Outer,
        inner: Cut<'_>,
        kind: TunnelKind,
        id: Option<u32>,
    ) -> Option<Layer> {
        let layer = self.deeper(outer.layer)?;
        let depth = layer
            .tunnel
            .map_or(1, |tunnel| tunnel.depth.saturating_add(1));
        let tunnel = Tunnel {
            kind,
            source: outer.source.address,
            destination: outer.destination.address,
            source_port: outer.source.port,
            destination_port: outer.destination.port,
            protocol: outer.protocol,
            id,
            depth,
        };
        Some(Layer {
            depth: layer.depth,
            tunnel: Some(tunnel),
            wire_bytes: inner.wire as u64,
            frames: 1,
            vlan: VlanTags::default(),
            source_mac: None,
            destination_mac: None,
        })
    }
}

/// The packet around a tunnel.
#[derive(Clone, Copy, Debug)]
struct Outer {
    layer: Layer,
    source: crate::types::Endpoint,
    destination: crate::types::Endpoint,
    protocol: crate::types::Protocol,
}

#[cfg(test)]
mod tests;
