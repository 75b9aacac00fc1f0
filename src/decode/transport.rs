//! TCP, UDP and ICMP headers; anything else is known by its protocol number.

use std::net::IpAddr;

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use super::cut::Cut;
use super::ip::IpHeader;
use super::{Layer, Outer, Walk};
use crate::types::packet::{IcmpMessage, Quoted, TcpFlags, TcpSegment, UdpDatagram};
use crate::types::{Endpoint, Protocol, Transport};

/// Protocol numbers (IANA Assigned Internet Protocol Numbers).
const ICMP: u8 = 1;
const IPV4_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;
const ETHER_IP: u8 = 97;
const MPLS_IN_IP: u8 = 137;
const ETHERNET_IN_IP: u8 = 143;
const UDP_HEADER: usize = 8;
/// Where the flags stand in a TCP header.
const TCP_FLAGS: usize = 13;
const TCP_FIXED_HEADER: usize = 20;

impl Walk<'_, '_> {
    /// The payload of an IP packet, all extension headers behind it.
    pub(super) fn transport(&mut self, ip: IpHeader, protocol: u8, body: Cut<'_>, layer: Layer) {
        match protocol {
            TCP => self.tcp(ip, body, layer),
            UDP => self.udp(ip, body, layer),
            ICMP if ip.source.is_ipv4() => self.icmp(ip, body, layer),
            ICMPV6 if ip.source.is_ipv6() => self.icmp(ip, body, layer),
            _ => self.other(ip, protocol, body.wire, layer),
        }
        if matches!(
            protocol,
            IPV4_IN_IP | IPV6_IN_IP | GRE | ETHER_IP | MPLS_IN_IP | ETHERNET_IN_IP
        ) {
            self.ip_tunnel(&outer(ip, protocol, layer, 0, 0), body);
        }
    }

    /// A TCP segment (RFC 9293 section 3.1).
    fn tcp(&mut self, ip: IpHeader, body: Cut<'_>, layer: Layer) {
        if body.bytes.len() < TCP_FIXED_HEADER {
            self.counters.short_tcp += 1;
            return self.ports_alone(ip, TCP, body, layer);
        }
        // Options may be cut by the snap length; the fixed header is enough then.
        let header_length = usize::from(body.byte(12).unwrap_or_default() >> 4) * 4;
        let payload = body
            .skip(header_length)
            .filter(|_| header_length >= TCP_FIXED_HEADER);
        let Some(payload) = payload else {
            self.counters.bad_tcp += 1;
            return self.ports_alone(ip, TCP, body, layer);
        };
        let fixed = body
            .bytes
            .first_chunk::<TCP_FIXED_HEADER>()
            .copied()
            .unwrap_or_default();
        let without_options = with_data_offset(fixed);
        let Ok(header) = TcpHeaderSlice::from_slice(&without_options) else {
            self.counters.bad_tcp += 1;
            return self.ports_alone(ip, TCP, body, layer);
        };
        let segment = TcpSegment {
            source_port: header.source_port(),
            destination_port: header.destination_port(),
            sequence: header.sequence_number(),
            acknowledgement: header.acknowledgment_number(),
            flags: TcpFlags(body.byte(TCP_FLAGS).unwrap_or_default()),
            window: header.window_size(),
            options: body
                .limit(header_length)
                .skip(TCP_FIXED_HEADER)
                .map_or(&[], |options| options.bytes),
            payload: payload.bytes,
            payload_length: length32(payload.wire),
        };
        self.emit(ip, Transport::Tcp(segment), layer);
    }

    /// A TCP or UDP header that is cut or broken: its ports still tell the flow that the frame counts for.
    fn ports_alone(&mut self, ip: IpHeader, protocol: u8, body: Cut<'_>, layer: Layer) {
        let ports = body.integer16(0).zip(body.integer16(2));
        let ports = ports.unwrap_or_default().into();
        self.with_ports(ip, protocol, ports, body.wire, layer);
    }

    /// A UDP datagram (RFC 768). A length of zero (a jumbogram or an offload), or one that exceeds the packet, is not believed.
    fn udp(&mut self, ip: IpHeader, body: Cut<'_>, layer: Layer) {
        let Ok(header) = UdpHeaderSlice::from_slice(body.bytes) else {
            self.counters.short_udp += 1;
            return self.ports_alone(ip, UDP, body, layer);
        };
        let length = usize::from(header.length());
        let believed = (UDP_HEADER..=body.wire).contains(&length);
        if !believed && length != 0 {
            self.counters.bad_udp += 1;
        }
        let Some(payload) = body
            .limit(if believed { length } else { body.wire })
            .skip(UDP_HEADER)
        else {
            return self.other(ip, UDP, body.wire, layer);
        };
        let (source_port, destination_port) = (header.source_port(), header.destination_port());
        let datagram = UdpDatagram {
            source_port,
            destination_port,
            payload: payload.bytes,
            payload_length: length32(payload.wire),
        };
        self.emit(ip, Transport::Udp(datagram), layer);
        self.udp_tunnel(
            &outer(ip, UDP, layer, source_port, destination_port),
            payload,
        );
    }

    /// An ICMP or ICMPv6 message (RFC 792, RFC 4443 section 2.1).
    fn icmp(&mut self, ip: IpHeader, body: Cut<'_>, layer: Layer) {
        let (Some(kind), Some(code)) = (body.byte(0), body.byte(1)) else {
            self.counters.short_icmp += 1;
            let protocol = if ip.source.is_ipv4() { ICMP } else { ICMPV6 };
            return self.other(ip, protocol, body.wire, layer);
        };
        let is_error = if ip.source.is_ipv4() {
            matches!(kind, 3 | 4 | 11 | 12)
        } else {
            (1..=4).contains(&kind)
        };
        let quoted = body.skip(8).filter(|_| is_error).and_then(quoted);
        let message = IcmpMessage {
            kind,
            code,
            quoted,
            payload: body.skip(4).map_or(&[], |payload| payload.bytes),
            message_length: length32(body.wire),
        };
        self.emit(ip, Transport::Icmp(message), layer);
    }
}

fn outer(
    ip: IpHeader,
    protocol: u8,
    layer: Layer,
    source_port: u16,
    destination_port: u16,
) -> Outer {
    Outer {
        layer,
        source: Endpoint {
            address: ip.source,
            port: source_port,
        },
        destination: Endpoint {
            address: ip.destination,
            port: destination_port,
        },
        protocol: Protocol(protocol),
    }
}

/// The packet that an ICMP error quotes: its IP header, and the ports behind it.
fn quoted(packet: Cut<'_>) -> Option<Quoted> {
    let (source, destination, protocol, rest): (IpAddr, IpAddr, u8, Cut<'_>) = match packet
        .byte(0)?
        >> 4
    {
        4 => {
            let header_length = usize::from(packet.byte(0)? & 0x0f) * 4;
            let (source, destination): ([u8; 4], [u8; 4]) = (packet.array(12)?, packet.array(16)?);
            (
                source.into(),
                destination.into(),
                packet.byte(9)?,
                packet.skip(header_length)?,
            )
        }
        6 => {
            let (source, destination): ([u8; 16], [u8; 16]) = (packet.array(8)?, packet.array(24)?);
            (
                source.into(),
                destination.into(),
                packet.byte(6)?,
                packet.skip(40)?,
            )
        }
        _ => return None,
    };
    matches!(protocol, TCP | UDP).then_some(())?;
    Some(Quoted {
        source: Endpoint {
            address: source,
            port: rest.integer16(0)?,
        },
        destination: Endpoint {
            address: destination,
            port: rest.integer16(2)?,
        },
        protocol: Protocol(protocol),
    })
}

/// The fixed header with a data offset that says so.
const fn with_data_offset(mut header: [u8; TCP_FIXED_HEADER]) -> [u8; TCP_FIXED_HEADER] {
    header[12] = header[12] & 0x0f | 0x50;
    header
}

pub(super) fn length32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
