//! What the decoder hands on: one IP packet, unwrapped from its frame, its tags and its tunnels.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Endpoint, FlowKey, Protocol, Timestamp};

/// At most this many VLAN tags are told of a packet; deeper ones are decoded, but not told.
pub const MAX_VLAN_TAGS: usize = 8;

/// VLAN ids, outer to inner (12 bits each).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VlanTags {
    ids: [u16; MAX_VLAN_TAGS],
    count: u8,
}

impl VlanTags {
    /// No tag.
    pub const NONE: Self = Self {
        ids: [0; MAX_VLAN_TAGS],
        count: 0,
    };

    /// Adds an inner tag; beyond [`MAX_VLAN_TAGS`] it is dropped.
    pub fn push(&mut self, id: u16) {
        if let Some(slot) = self.ids.get_mut(usize::from(self.count)) {
            *slot = id & 0x0fff;
            self.count += 1;
        }
    }

    /// The ids, outer to inner.
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..usize::from(self.count)).unwrap_or_default()
    }
}

/// How an inner packet was carried; the words of EVE's `pkt_src` follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// Generic routing encapsulation (RFC 2784, RFC 2890), also with PPP or Ethernet inside.
    Gre,
    /// Encapsulated remote SPAN, types I, II, III.
    Erspan,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GTP-U (3GPP TS 29.281).
    Gtpu,
    /// IPv4 or IPv6 inside IPv4 (protocols 4 and 41; RFC 2003, RFC 4213).
    Ipv4,
    /// IPv4 or IPv6 inside IPv6 (RFC 2473).
    Ipv6,
    /// Teredo (RFC 4380).
    Teredo,
    /// TaZmen sniffer protocol.
    Tzsp,
    /// L2TP, version 2 (RFC 2661).
    L2tp,
    /// CAPWAP between a wireless access point and its controller (RFC 5415).
    Capwap,
    /// Ethernet inside IP (protocols 97 and 143; RFC 3378, RFC 8986).
    Ethernet,
    /// LISP (RFC 9300).
    Lisp,
}

/// The innermost tunnel that a packet was unwrapped from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its kind.
    pub kind: TunnelKind,
    /// Sender of the outer IP packet.
    pub source: IpAddr,
    /// Receiver of the outer IP packet.
    pub destination: IpAddr,
    /// Outer transport ports (0 where there are none).
    pub source_port: u16,
    /// See `source_port`.
    pub destination_port: u16,
    /// Outer protocol number.
    pub protocol: Protocol,
    /// VNI, TEID, GRE key or ERSPAN session, where there is one.
    pub id: Option<u32>,
    /// Number of tunnels around the packet, from 1.
    pub depth: u8,
}

/// Which packet it was, and when: what a record needs to know of the packet that completed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Packet time, by the clock that never runs back: what states and order go by.
    pub timestamp: Timestamp,
    /// The time that the capture gives: what records print. It differs where frames are out of order, or a stamp is broken.
    pub recorded: Timestamp,
    /// Packet number, from 1, over all files of a replay.
    pub number: u64,
    /// Packet number within its file, from 1.
    pub number_in_origin: u64,
    /// File or interface, as an index into the names that the source keeps.
    pub origin: u16,
}

/// One IP packet, or an ARP message, which has no addresses of its own ([`Transport::Arp`]). Several come from one frame where there are tunnels: the outer first.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Packet time of its (last) frame, by the clock that never runs back.
    pub timestamp: Timestamp,
    /// The time that the capture gives for that frame.
    pub recorded: Timestamp,
    /// Number of its (last) frame, from 1, over all files of a replay.
    pub number: u64,
    /// File (replay) or interface (live) of that frame, as an index into the names that the source keeps.
    pub origin: u16,
    /// Number of that frame within its file, from 1.
    pub number_in_origin: u64,
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Transport header and payload.
    pub transport: Transport<'a>,
    /// Bytes on the wire, from the packet's original length: from the frame's start, for an inner packet from its own
    /// Ethernet (else IP) header. For a packet put together from fragments: the sum of its frames.
    pub wire_bytes: u64,
    /// Frames that carried it: 1, or the number of fragments.
    pub frames: u32,
    /// IPv4 identification, or of the IPv6 fragment header; 0 without.
    pub identification: u32,
    /// Time to live, or hop limit, as it was seen; 0 without an IP header.
    pub hop_limit: u8,
    /// VLAN ids of the layer that carried it.
    pub vlan: VlanTags,
    /// The innermost tunnel, where there is one.
    pub tunnel: Option<Tunnel>,
    /// Source MAC of the Ethernet header next to this packet, where there is one.
    pub source_mac: Option<[u8; 6]>,
    /// Destination MAC, likewise.
    pub destination_mac: Option<[u8; 6]>,
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp(TcpSegment<'a>),
    /// A UDP datagram.
    Udp(UdpDatagram<'a>),
    /// An ICMP or ICMPv6 message.
    Icmp(IcmpMessage<'a>),
    /// Anything else, known by its protocol number, and by its ports where a TCP or UDP header is cut or broken behind them.
    Other {
        /// IP protocol number.
        protocol: Protocol,
        /// Source and destination port; zeros where there are none.
        ports: [u16; 2],
        /// Length of the IP payload on the wire.
        payload_length: u32,
    },
    /// No IP packet: an ARP message (RFC 826), from its hardware type on. Its packet is between unspecified addresses, so all of them are
    /// one worker's, in their order.
    Arp(&'a [u8]),
}

/// A TCP segment (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug)]
pub struct TcpSegment<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number; meaningless without the ACK flag.
    pub acknowledgement: u32,
    /// Flags, the low 8 bits: CWR ECE URG ACK PSH RST SYN FIN.
    pub flags: TcpFlags,
    /// Receive window, unscaled.
    pub window: u16,
    /// The header's option bytes, as far as captured.
    pub options: &'a [u8],
    /// Captured payload: never padding, FCS or a trailer; may be shorter than `payload_length`.
    pub payload: &'a [u8],
    /// Length of the payload on the wire, from the IP header.
    pub payload_length: u32,
}

/// TCP flag bits (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// PSH.
    pub const PSH: u8 = 0x08;
    /// ACK.
    pub const ACK: u8 = 0x10;

    /// Whether one of them is of those that make or end a connection.
    pub const fn begins_or_ends(self) -> bool {
        self.0 & (Self::SYN | Self::FIN | Self::RST) != 0
    }

    /// Whether all `bits` are set.
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Copy, Debug)]
pub struct UdpDatagram<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Captured payload; may be shorter than `payload_length`.
    pub payload: &'a [u8],
    /// Length of the payload on the wire.
    pub payload_length: u32,
}

/// An ICMP or ICMPv6 message (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug)]
pub struct IcmpMessage<'a> {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// For a destination-unreachable error that quotes a TCP or UDP packet: who had sent the quoted packet to whom.
    pub quoted: Option<Quoted>,
    /// Captured bytes after the first four (type, code, checksum).
    pub payload: &'a [u8],
    /// Length of the whole message on the wire.
    pub message_length: u32,
}

/// The packet that an ICMP error quotes: the address family may differ from the error's own in nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Sender of the quoted packet.
    pub source: Endpoint,
    /// Receiver of the quoted packet.
    pub destination: Endpoint,
    /// Its protocol (TCP or UDP).
    pub protocol: Protocol,
}

impl Packet<'_> {
    /// Transport protocol number.
    pub const fn protocol(&self) -> Protocol {
        match &self.transport {
            Transport::Tcp(_) => Protocol::TCP,
            Transport::Udp(_) => Protocol::UDP,
            Transport::Icmp(_) if self.source.is_ipv4() => Protocol::ICMP,
            Transport::Icmp(_) => Protocol::ICMPV6,
            Transport::Other { protocol, .. } => *protocol,
            Transport::Arp(_) => Protocol::RESERVED,
        }
    }

    /// The same packet, counted at another time: one that waited for its fragments, or for its worker.
    #[must_use]
    pub const fn at(&self, now: Timestamp) -> Self {
        Self {
            timestamp: now,
            ..*self
        }
    }

    /// Source and destination with their ports (0 where there are none).
    pub const fn endpoints(&self) -> (Endpoint, Endpoint) {
        let (source, destination) = match &self.transport {
            Transport::Tcp(segment) => (segment.source_port, segment.destination_port),
            Transport::Udp(datagram) => (datagram.source_port, datagram.destination_port),
            Transport::Other {
                ports: [source, destination],
                ..
            } => (*source, *destination),
            Transport::Icmp(_) | Transport::Arp(_) => (0, 0),
        };
        (
            Endpoint {
                address: self.source,
                port: source,
            },
            Endpoint {
                address: self.destination,
                port: destination,
            },
        )
    }

    /// Number and time.
    pub const fn stamp(&self) -> Stamp {
        Stamp {
            timestamp: self.timestamp,
            recorded: self.recorded,
            number: self.number,
            number_in_origin: self.number_in_origin,
            origin: self.origin,
        }
    }

    /// The key of the flow that this packet quotes, where it is an ICMP error that quotes one.
    pub fn quoted_key(&self, key_vlan: bool) -> Option<FlowKey> {
        let Transport::Icmp(IcmpMessage {
            quoted: Some(quoted),
            ..
        }) = self.transport
        else {
            return None;
        };
        let vlan = self.key_vlan(key_vlan);
        Some(FlowKey::new(quoted.source, quoted.destination, quoted.protocol, vlan).0)
    }

    fn key_vlan(&self, key_vlan: bool) -> Option<u16> {
        self.vlan.ids().first().copied().filter(|_| key_vlan)
    }

    /// The flow that this packet belongs to, and the side it shows. `key_vlan`: the outermost tag belongs to the key.
    pub fn flow_key(&self, key_vlan: bool) -> (FlowKey, super::flow_key::Side) {
        let (source, destination) = self.endpoints();
        FlowKey::new(
            source,
            destination,
            self.protocol(),
            self.key_vlan(key_vlan),
        )
    }
}
