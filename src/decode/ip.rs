//! IPv4 and IPv6 with extension headers.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::cut::Cut;
use super::fragments::{Datagram, Fragment, FragmentKey, Outcome};
use super::transport::length32;
use super::{Layer, Walk};
use crate::types::{Packet, Protocol, Transport};

const IPV6_HEADER: usize = 40;
/// Extension headers (RFC 8200 section 4.1, IANA list).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;
const FRAGMENT_HEADER: usize = 8;
/// The option that carries a length above 65,535 (RFC 2675 section 2).
const JUMBO_OPTION: u8 = 0xc2;

/// What an IP header says, as far as the packet's receiver cares.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpHeader {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// IPv4 identification, or that of the fragment header.
    pub identification: u32,
    /// Time to live, or hop limit; 0 where the header is gone.
    pub hop_limit: u8,
}

/// In the place of a header, where there is none.
pub(super) const NOT_IP: IpHeader = IpHeader {
    source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    identification: 0,
    hop_limit: 0,
};

impl Walk<'_, '_> {
    /// An IP packet of either version.
    pub(super) fn ip(&mut self, packet: Cut<'_>, layer: Layer) {
        let Some(mut layer) = self.deeper(layer) else {
            return;
        };
        layer.frames = 1;
        if layer.tunnel.is_some() && layer.source_mac.is_none() {
            // Within a tunnel without Ethernet the packet counts from its own header: no label, PPP or tag before it.
            layer.wire_bytes = packet.wire as u64;
        }
        match packet.byte(0).map(|byte| byte >> 4) {
            Some(4) => self.ipv4(packet, layer),
            Some(6) => self.ipv6(packet, layer),
            Some(_) => self.counters.not_ip += 1,
            None => self.counters.short_link += 1,
        }
    }

    /// IPv4 (RFC 791 section 3.1). Its total length tells payload from padding.
    fn ipv4(&mut self, packet: Cut<'_>, layer: Layer) {
        let Ok(header) = Ipv4HeaderSlice::from_slice(packet.bytes) else {
            let short = packet.bytes.len() < 20;
            *(if short {
                &mut self.counters.short_ipv4
            } else {
                &mut self.counters.bad_ipv4
            }) += 1;
            return;
        };
        let header_length = usize::from(header.ihl()) * 4;
        // Segmentation offload leaves the total length at zero.
        let total = match usize::from(header.total_len()) {
            0 => packet.wire,
            total => total,
        };
        let Some(body) = packet.limit(total).skip(header_length) else {
            self.counters.bad_ipv4 += 1;
            return;
        };
        let ip = IpHeader {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            identification: header.identification().into(),
            hop_limit: header.ttl(),
        };
        let protocol = header.protocol().0;
        if header.is_fragmenting_payload() {
            let offset = u32::from(header.fragments_offset().value()) * 8;
            self.fragment(
                ip,
                protocol,
                Fragment {
                    offset,
                    more: header.more_fragments(),
                },
                body,
                layer,
            );
        } else {
            self.ip_payload(ip, protocol, body, layer);
        }
    }

    /// IPv6 (RFC 8200 section 3).
    fn ipv6(&mut self, packet: Cut<'_>, layer: Layer) {
        let Ok(header) = Ipv6HeaderSlice::from_slice(packet.bytes) else {
            let short = packet.bytes.len() < IPV6_HEADER;
            *(if short {
                &mut self.counters.short_ipv6
            } else {
                &mut self.counters.bad_ipv6
            }) += 1;
            return;
        };
        let ip = IpHeader {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            identification: 0,
            hop_limit: header.hop_limit(),
        };
        let Some(body) = packet.skip(IPV6_HEADER) else {
            return;
        };
        let length = match usize::from(header.payload_length()) {
            0 => jumbo_length(header.next_header().0, body).unwrap_or(body.wire),
            length => length,
        };
        self.ip_payload(ip, header.next_header().0, body.limit(length), layer);
    }

    /// What an IP header announces: extension headers, a fragment, a tunnel or a transport header.
    pub(super) fn ip_payload(&mut self, ip: IpHeader, protocol: u8, body: Cut<'_>, layer: Layer) {
        match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | HIP | SHIM6
                if ip.source.is_ipv6() =>
            {
                self.extension(ip, body, layer, |length| (length + 1) * 8);
            }
            AUTHENTICATION => self.extension(ip, body, layer, |length| (length + 2) * 4),
            FRAGMENT if ip.source.is_ipv6() => self.fragment_header(ip, body, layer),
            _ => self.transport(ip, protocol, body, layer),
        }
    }

    fn extension(
        &mut self,
        ip: IpHeader,
        body: Cut<'_>,
        layer: Layer,
        size: impl Fn(usize) -> usize,
    ) {
        let Some(layer) = self.deeper(layer) else {
            return;
        };
        let header: Option<[u8; 2]> = body.array(0);
        let rest = header.and_then(|[_, length]| body.skip(size(usize::from(length))));
        match (header, rest) {
            (Some([next, _]), Some(rest)) => self.ip_payload(ip, next, rest, layer),
            _ => self.counters.bad_ipv6 += 1,
        }
    }

    /// A fragment header (RFC 8200 section 4.5): next header, reserved, offset and flag, identification.
    fn fragment_header(&mut self, ip: IpHeader, body: Cut<'_>, layer: Layer) {
        let Some(layer) = self.deeper(layer) else {
            return;
        };
        let fields = (
            body.byte(0),
            body.integer16(2),
            body.integer32(4),
            body.skip(FRAGMENT_HEADER),
        );
        let (Some(next), Some(offset), Some(identification), Some(rest)) = fields else {
            self.counters.bad_fragments += 1;
            return;
        };
        let ip = IpHeader {
            identification,
            ..ip
        };
        let fragment = Fragment {
            offset: u32::from(offset & 0xfff8),
            more: offset & 1 == 1,
        };
        if fragment
            == (Fragment {
                offset: 0,
                more: false,
            })
        {
            // An atomic fragment is whole (RFC 6946).
            return self.ip_payload(ip, next, rest, layer);
        }
        self.fragment(ip, next, fragment, rest, layer);
    }

    fn fragment(
        &mut self,
        ip: IpHeader,
        protocol: u8,
        fragment: Fragment,
        body: Cut<'_>,
        layer: Layer,
    ) {
        self.counters.fragments += 1;
        let key = FragmentKey {
            source: ip.source,
            destination: ip.destination,
            protocol,
            identification: ip.identification,
        };
        match self
            .fragments
            .insert(key, fragment, body, layer, self.stamp)
        {
            Outcome::Waiting => {}
            Outcome::Duplicate => self.counters.fragment_duplicates += 1,
            Outcome::Copy(ports) => {
                self.counters.fragment_duplicates += 1;
                self.with_ports(ip, protocol, ports, body.wire, layer);
            }
            Outcome::Overlap => self.counters.fragment_overlaps += 1,
            Outcome::Broken => {
                self.counters.bad_fragments += 1;
                self.lone_fragment(ip, protocol, fragment, body, layer);
            }
            Outcome::Complete(datagram) => {
                self.counters.reassembled += 1;
                let layer = Layer {
                    wire_bytes: datagram.wire_bytes,
                    frames: datagram.frames,
                    ..layer
                };
                self.ip_payload(ip, protocol, datagram.whole(), layer);
                self.fragments.give_back(datagram);
            }
        }
    }

    /// A fragment that fits no datagram, as a first one whose length is no multiple of eight: it counts, and a first one is read.
    fn lone_fragment(
        &mut self,
        ip: IpHeader,
        protocol: u8,
        fragment: Fragment,
        body: Cut<'_>,
        layer: Layer,
    ) {
        if fragment.offset == 0 {
            self.ip_payload(ip, protocol, body, layer);
        } else {
            self.other(ip, protocol, body.wire, layer);
        }
    }

    /// A datagram whose fragments did not all come: its frames count, and what is there from its start is used.
    pub(super) fn incomplete(&mut self, datagram: &Datagram) {
        let key = datagram.key;
        let ip = IpHeader {
            source: key.source,
            destination: key.destination,
            identification: key.identification,
            hop_limit: 0,
        };
        let layer = Layer {
            wire_bytes: datagram.wire_bytes,
            frames: datagram.frames,
            ..datagram.layer
        };
        match datagram.start() {
            Some(start) => self.ip_payload(ip, key.protocol, start, layer),
            None => self.other(ip, key.protocol, datagram.bytes_present(), layer),
        }
    }

    /// A packet that is known by its protocol number alone.
    pub(super) fn other(
        &mut self,
        ip: IpHeader,
        protocol: u8,
        payload_length: usize,
        layer: Layer,
    ) {
        self.with_ports(ip, protocol, [0; 2], payload_length, layer);
    }

    /// A packet that is known by its protocol number and ports alone.
    pub(super) fn with_ports(
        &mut self,
        ip: IpHeader,
        protocol: u8,
        ports: [u16; 2],
        payload_length: usize,
        layer: Layer,
    ) {
        let transport = Transport::Other {
            protocol: Protocol(protocol),
            ports,
            payload_length: length32(payload_length),
        };
        self.emit(ip, transport, layer);
    }

    /// Hands an IP packet on.
    pub(super) fn emit(&mut self, ip: IpHeader, transport: Transport<'_>, layer: Layer) {
        self.counters.packets += 1;
        self.hand_on(ip, transport, layer);
    }

    /// Hands on what was unwrapped.
    pub(super) fn hand_on(&mut self, ip: IpHeader, transport: Transport<'_>, layer: Layer) {
        (self.sink)(&Packet {
            timestamp: self.stamp.timestamp,
            recorded: self.stamp.recorded,
            number: self.stamp.number,
            origin: self.stamp.origin,
            number_in_origin: self.stamp.number_in_origin,
            source: ip.source,
            destination: ip.destination,
            transport,
            wire_bytes: layer.wire_bytes,
            frames: layer.frames,
            identification: ip.identification,
            hop_limit: ip.hop_limit,
            vlan: layer.vlan,
            tunnel: layer.tunnel,
            source_mac: layer.source_mac,
            destination_mac: layer.destination_mac,
        });
    }
}

/// The length in a jumbo payload option, which only a hop-by-hop header carries.
fn jumbo_length(next_header: u8, body: Cut<'_>) -> Option<usize> {
    if next_header != HOP_BY_HOP {
        return None;
    }
    let size = (usize::from(body.byte(1)?) + 1) * 8;
    let mut options = body.limit(size).skip(2)?;
    loop {
        let (kind, length) = (options.byte(0)?, options.byte(1));
        match (kind, length) {
            (0, _) => options = options.skip(1)?,
            (JUMBO_OPTION, Some(4)) => return options.integer32(2).map(|length| length as usize),
            (_, Some(length)) => options = options.skip(2 + usize::from(length))?,
            _ => return None,
        }
    }
}
