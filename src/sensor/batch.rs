//! Packets on their way from one worker of a live run to another: copied once.

use std::ops::Range;

use crate::types::packet::{IcmpMessage, TcpSegment, Transport, UdpDatagram};
use crate::types::{FlowKey, Packet};

/// What a worker is told, in the order of the packets.
#[derive(Debug)]
pub(super) enum Item {
    /// A packet of a flow of this worker, by its place.
    Packet(usize),
    /// An ICMP error quotes a flow of this worker.
    Quoted(FlowKey),
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
    /// An ICMP error quotes the flow of `key`.
    pub fn push_quoted(&mut self, key: FlowKey) {
        self.items.push(Item::Quoted(key));
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

    /// The packet of a place, with its bytes.
    pub fn packet(&self, place: usize) -> Option<Packet<'_>> {
        let stored = self.packets.get(place)?;
        let (options, payload) = (self.at(&stored.options), self.at(&stored.payload));
        Some(with_slices(&stored.packet, options, payload))
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
