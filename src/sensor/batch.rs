//! Packets on their way from the reader to a worker: copied once into a reused buffer.

use std::ops::Range;

use crate::decode::FrameInput;
use crate::types::packet::{IcmpMessage, TcpSegment, Transport, UdpDatagram};
use crate::types::{FlowKey, Packet, Stamp, Tick};

/// What a worker is told, in the order of the packets.
#[derive(Debug)]
pub(super) enum Item {
    /// A tick begins.
    Tick(Tick),
    /// A frame that is plain: its only packet is of a flow of this worker.
    Plain(StoredFrame),
    /// A packet of a flow of this worker, by its place.
    Packet(usize),
    /// An ICMP error quotes a flow of this worker.
    Quoted(FlowKey),
}

/// A frame without its bytes.
#[derive(Debug)]
pub(super) struct StoredFrame {
    stamp: Stamp,
    link_type: u16,
    wire_length: u32,
    data: Range<usize>,
}

/// A packet without its bytes.
#[derive(Debug)]
struct Stored {
    packet: Packet<'static>,
    options: Range<usize>,
    payload: Range<usize>,
}

/// Items and the bytes of their packets.
#[derive(Debug, Default)]
pub(super) struct Batch {
    items: Vec<Item>,
    packets: Vec<Stored>,
    bytes: Vec<u8>,
}

impl Batch {
    /// A tick begins.
    pub fn push_tick(&mut self, tick: Tick) {
        self.items.push(Item::Tick(tick));
    }

    /// An ICMP error quotes the flow of `key`.
    pub fn push_quoted(&mut self, key: FlowKey) {
        self.items.push(Item::Quoted(key));
    }

    /// Copies a plain frame.
    pub fn push_plain(&mut self, frame: &FrameInput<'_>) {
        let data = self.copy(frame.data);
        self.items.push(Item::Plain(StoredFrame {
            stamp: frame.stamp,
            link_type: frame.link_type,
            wire_length: frame.wire_length,
            data,
        }));
    }

    /// Copies a packet.
    pub fn push(&mut self, packet: &Packet<'_>) {
        let (options, payload) = slices(&packet.transport);
        let (options, payload) = (self.copy(options), self.copy(payload));
        self.items.push(Item::Packet(self.packets.len()));
        self.packets.push(Stored {
            packet: with_slices(packet, &[], &[]),
            options,
            payload,
        });
    }

    /// The items, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// A frame with its bytes.
    pub fn frame(&self, stored: &StoredFrame) -> FrameInput<'_> {
        FrameInput {
            stamp: stored.stamp,
            link_type: stored.link_type,
            wire_length: stored.wire_length,
            data: self.at(&stored.data),
        }
    }

    /// The packet of a place, with its bytes.
    pub fn packet(&self, place: usize) -> Option<Packet<'_>> {
        let stored = self.packets.get(place)?;
        let (options, payload) = (self.at(&stored.options), self.at(&stored.payload));
        Some(with_slices(&stored.packet, options, payload))
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.packets.clear();
        self.bytes.clear();
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

const fn slices<'a>(transport: &Transport<'a>) -> (&'a [u8], &'a [u8]) {
    match transport {
        Transport::Tcp(segment) => (segment.options, segment.payload),
        Transport::Udp(datagram) => (&[], datagram.payload),
        Transport::Icmp(message) => (&[], message.payload),
        Transport::Other { .. } => (&[], &[]),
        Transport::Arp(message) => (&[], message),
    }
}

/// The same packet with other bytes.
const fn with_slices<'a>(packet: &Packet<'_>, options: &'a [u8], payload: &'a [u8]) -> Packet<'a> {
    let transport = match packet.transport {
        Transport::Tcp(segment) => Transport::Tcp(TcpSegment {
            source_port: segment.source_port,
            destination_port: segment.destination_port,
            sequence: segment.sequence,
            acknowledgement: segment.acknowledgement,
            flags: segment.flags,
            window: segment.window,
            options,
            payload,
            payload_length: segment.payload_length,
        }),
        Transport::Udp(datagram) => Transport::Udp(UdpDatagram {
            source_port: datagram.source_port,
            destination_port: datagram.destination_port,
            payload,
            payload_length: datagram.payload_length,
        }),
        Transport::Icmp(message) => Transport::Icmp(IcmpMessage {
            kind: message.kind,
            code: message.code,
            quoted: message.quoted,
            payload,
            message_length: message.message_length,
        }),
        Transport::Other {
            protocol,
            ports,
            payload_length,
        } => Transport::Other {
            protocol,
            ports,
            payload_length,
        },
        Transport::Arp(_) => Transport::Arp(payload),
    };
    Packet {
        timestamp: packet.timestamp,
        recorded: packet.recorded,
        number: packet.number,
        origin: packet.origin,
        number_in_origin: packet.number_in_origin,
        source: packet.source,
        destination: packet.destination,
        transport,
        wire_bytes: packet.wire_bytes,
        frames: packet.frames,
        identification: packet.identification,
        hop_limit: packet.hop_limit,
        vlan: packet.vlan,
        tunnel: packet.tunnel,
        source_mac: packet.source_mac,
        destination_mac: packet.destination_mac,
    }
}
