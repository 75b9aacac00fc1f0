//! What the targets share: inputs cut into pieces, and what must hold of packets, texts and lines whatever the input.

pub mod files;

use std::net::IpAddr;

use patchspan::decode::{Decoder, FrameInput, MAX_LAYERS};
use patchspan::records::MAX_LINE;
use patchspan::records::line::{Line, Scratch, write_line};
use patchspan::types::packet::{MAX_VLAN_TAGS, Transport};
use patchspan::types::{Packet, Stamp, Timestamp};

/// An input that is taken piece by piece; behind its end everything is zero or empty.
#[derive(Clone, Copy, Debug)]
pub struct Pieces<'a>(pub &'a [u8]);

impl<'a> Pieces<'a> {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to `length` bytes.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Two bytes, little-endian.
    pub fn integer16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Four bytes, little-endian.
    pub fn integer32(&mut self) -> u32 {
        u32::from(self.integer16()) | u32::from(self.integer16()) << 16
    }

    /// A piece behind its length (2 bytes, little-endian).
    pub fn piece(&mut self) -> &'a [u8] {
        let length = self.integer16();
        self.take(length.into())
    }

    /// What is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }
}

/// What of a packet is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Sender and receiver.
    pub addresses: (IpAddr, IpAddr),
    /// Protocol number.
    pub protocol: u8,
    /// Payload of TCP and UDP.
    pub payload: Vec<u8>,
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// Frames that carried it.
    pub frames: u32,
    /// Tunnels around it.
    pub depth: u8,
}

impl Seen {
    /// Of a packet.
    pub fn new(packet: &Packet<'_>) -> Self {
        Self {
            addresses: (packet.source, packet.destination),
            protocol: packet.protocol().0,
            payload: payload(packet).0.to_vec(),
            wire_bytes: packet.wire_bytes,
            frames: packet.frames,
            depth: packet.tunnel.map_or(0, |tunnel| tunnel.depth),
        }
    }
}

/// Captured payload, and its length on the wire.
fn payload<'p>(packet: &Packet<'p>) -> (&'p [u8], u32) {
    match packet.transport {
        Transport::Tcp(segment) => (segment.payload, segment.payload_length),
        Transport::Udp(datagram) => (datagram.payload, datagram.payload_length),
        Transport::Icmp(message) => (message.payload, message.message_length),
        Transport::Other { payload_length, .. } => (&[], payload_length),
        Transport::Arp(message) => (message, message.len() as u32),
    }
}

/// Decodes one frame, and checks what must hold of its packets: no more bytes than the frame has, none from elsewhere,
/// the outer before the inner, and every packet counted.
pub fn decode(link_type: u16, data: &[u8], wire_length: u32) -> Vec<Seen> {
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    let mut deepest = 0;
    let frame = data.as_ptr_range();
    let input = FrameInput {
        stamp: stamp(1, Timestamp::EPOCH),
        link_type,
        wire_length,
        data,
    };
    decoder.decode(input, &mut |packet| {
        check_packet(packet);
        let wire_length = u64::from(wire_length).max(data.len() as u64);
        assert!(packet.wire_bytes <= wire_length, "{packet:?}");
        let (payload, _) = payload(packet);
        let place = payload.as_ptr_range();
        let is_within = frame.start <= place.start && place.end <= frame.end;
        assert!(payload.is_empty() || packet.frames > 1 || deepest > 0 || is_within);
        let depth = packet.tunnel.map_or(0, |tunnel| tunnel.depth);
        assert!(depth <= deepest + 1);
        deepest = deepest.max(depth);
        seen.push(Seen::new(packet));
    });
    let counters = decoder.counters();
    assert_eq!(counters.packets + counters.arp, seen.len() as u64);
    decoder.finish(&mut check_packet);
    let said_nothing = decoder
        .counters()
        .iter()
        .all(|(name, count)| count == 0 || matches!(name, "decoder.frames" | "decoder.bytes"));
    assert!(!said_nothing, "a frame that left no trace");
    seen
}

/// What holds of every packet.
pub fn check_packet(packet: &Packet<'_>) {
    let (payload, length) = payload(packet);
    assert!(payload.len() <= length as usize, "{packet:?}");
    assert!(u64::from(length) <= packet.wire_bytes, "{packet:?}");
    assert!(packet.frames > 0);
    assert!(packet.vlan.ids().len() <= MAX_VLAN_TAGS);
    assert!(packet.vlan.ids().iter().all(|id| *id < 4_096));
    assert!(
        packet
            .tunnel
            .is_none_or(|tunnel| (1..=MAX_LAYERS).contains(&tunnel.depth))
    );
    assert_eq!(packet.source.is_ipv4(), packet.destination.is_ipv4());
}

/// A packet's number and time.
pub fn stamp(number: u64, timestamp: Timestamp) -> Stamp {
    Stamp {
        timestamp,
        recorded: timestamp,
        number,
        number_in_origin: number,
        origin: 0,
    }
}

/// Writes a line and checks it: one line of ASCII, not too long, an object without `null` for serde_json.
pub fn line(fields: impl FnMut(&mut Line<'_>)) -> serde_json::Value {
    let mut buffer = b"before".to_vec();
    write_line(&mut buffer, &mut Scratch::default(), fields);
    let line = buffer
        .strip_prefix(b"before")
        .expect("what stood there stays");
    assert!(line.len() <= MAX_LINE, "{} bytes", line.len());
    let text = line.strip_suffix(b"\n").expect("a newline at the end");
    assert!(text.iter().all(|byte| (0x20..0x7f).contains(byte)));
    let value: serde_json::Value = serde_json::from_slice(text).expect("JSON");
    assert!(value.is_object());
    assert!(has_no_null(&value));
    value
}

fn has_no_null(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => false,
        serde_json::Value::Array(values) => values.iter().all(has_no_null),
        serde_json::Value::Object(fields) => fields.values().all(has_no_null),
        _ => true,
    }
}

/// Checks a message to a person: nothing that a terminal would obey.
pub fn is_harmless(message: &str) {
    assert!(
        !message.chars().any(|c| c.is_control() && c != '\n'),
        "{message:?}"
    );
}

/// Checks a text in presentation form: printable ASCII.
pub fn is_presentation(text: &str) {
    assert!(
        text.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
        "{text:?}"
    );
}
