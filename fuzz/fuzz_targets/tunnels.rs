//! A datagram within any encapsulations: as long as nothing is changed, it is found, with every packet around it.
//!
//! Input: how many layers, one byte each, the datagram behind its length, then changes (place, value).
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::decode::MAX_LAYERS;
use patchspan::source::LinkType;
use patchspan_fuzz::{Pieces, decode};

/// Longest frame that is built.
const LONGEST: usize = 60_000;
const ETHERTYPE: [u16; 2] = [0x0800, 0x86dd];
/// 4 in an IP header's first four bits, else 6.
const IPV4: u8 = 0x40;

/// A frame under construction, from the inside out.
struct Frame {
    bytes: Vec<u8>,
    /// Whether it begins with an Ethernet header, else with an IP header.
    is_ethernet: bool,
    ip_headers: usize,
    tunnels: u8,
    layers: u8,
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let count = usize::from(input.byte() % 16);
    let wraps = input.take(count);
    let payload = input.piece();
    let mut frame = Frame::new(payload);
    for wrap in wraps {
        if frame.bytes.len() < LONGEST {
            frame.wrap(*wrap);
        }
    }
    let changes = input.rest();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let length = frame.bytes.len();
        frame.bytes[at % length] = change[2];
    }
    let link_type = if frame.is_ethernet {
        LinkType::ETHERNET
    } else {
        LinkType::RAW
    };
    let seen = decode(link_type.0, &frame.bytes, frame.bytes.len() as u32);
    if changes.len() < 3 && frame.layers <= MAX_LAYERS {
        assert_eq!(
            seen.len(),
            frame.ip_headers,
            "{wraps:02x?}: {:02x?}",
            frame.bytes
        );
        let inner = seen.last().expect("at least one");
        assert_eq!(
            (inner.payload.as_slice(), inner.depth),
            (payload, frame.tunnels)
        );
    }
});

impl Frame {
    fn new(payload: &[u8]) -> Self {
        let payload = &payload[..payload.len().min(2_000)];
        let mut frame = Self {
            bytes: payload.to_vec(),
            is_ethernet: false,
            ip_headers: 0,
            tunnels: 0,
            // The link layer.
            layers: 1,
        };
        frame.udp(2_000);
        frame.ipv4(17);
        frame
    }

    fn wrap(&mut self, wrap: u8) {
        let is_second = wrap & 0x80 != 0;
        if self.is_ethernet {
            self.wrap_ethernet(wrap & 0x7f, is_second);
        } else {
            self.wrap_ip(wrap & 0x7f, is_second);
        }
    }

    /// What an Ethernet frame can be put into.
    fn wrap_ethernet(&mut self, wrap: u8, over_ipv6: bool) {
        match wrap % 12 {
            0 => self.over_udp(4_789, &[8, 0, 0, 0, 0, 1, 2, 0], over_ipv6),
            1 => self.over_udp(4_790, &[0x0c, 0, 0, 3, 0, 1, 2, 0], over_ipv6),
            2 => self.over_udp(
                6_081,
                &[1, 0, 0x65, 0x58, 0, 1, 2, 0, 0, 1, 0x80, 0],
                over_ipv6,
            ),
            3 => self.over_udp(37_008, &[1, 0, 0, 1, 0, 10, 1, 5, 1], over_ipv6),
            4 => self.over_gre(&[0, 0, 0x65, 0x58], over_ipv6),
            5 => self.over_gre(
                &[0xb0, 0, 0x65, 0x58, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8],
                over_ipv6,
            ),
            6 => self.over_gre(&[0, 0, 0x88, 0xbe], over_ipv6),
            7 => self.over_gre(
                &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 9, 0, 0, 0, 0],
                over_ipv6,
            ),
            8 => {
                let head = [
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1,
                ];
                self.prepend(&[0; 8]);
                self.over_gre(&head, over_ipv6);
            }
            9 => self.tag([0x81, 0x00]),
            10 => self.tag([0x88, 0xa8]),
            _ => self.tag([0x91, 0x00]),
        }
    }

    /// What an IP packet can be put into.
    fn wrap_ip(&mut self, wrap: u8, over_ipv6: bool) {
        let is_ipv6 = self.bytes[0] & 0xf0 != IPV4;
        let ethertype = ETHERTYPE[usize::from(is_ipv6)].to_be_bytes();
        match wrap % 8 {
            0 => self.over_ip(if is_ipv6 { 41 } else { 4 }, over_ipv6),
            1 => self.over_gre(&[0, 0, ethertype[0], ethertype[1]], over_ipv6),
            2 => {
                let length = (self.bytes.len() as u16).to_be_bytes();
                self.over_udp(
                    2_152,
                    &[0x30, 255, length[0], length[1], 0, 0, 0, 9],
                    over_ipv6,
                );
            }
            3 if is_ipv6 => self.over_udp(3_544, &[0, 0, 1, 2, 3, 4, 5, 6], over_ipv6),
            4 => self.labelled(over_ipv6),
            5 => self.over_pppoe(is_ipv6),
            6 => self.over_udp(
                6_081,
                &[0, 0, ethertype[0], ethertype[1], 0, 0, 1, 0],
                over_ipv6,
            ),
            _ => self.ethernet(ethertype),
        }
    }

    fn over_udp(&mut self, port: u16, head: &[u8], over_ipv6: bool) {
        self.prepend(head);
        self.udp(port);
        self.over_ip(17, over_ipv6);
    }

    fn over_gre(&mut self, head: &[u8], over_ipv6: bool) {
        self.prepend(head);
        self.over_ip(47, over_ipv6);
    }

    fn over_ip(&mut self, protocol: u8, over_ipv6: bool) {
        self.tunnels += 1;
        self.layers += 1;
        if over_ipv6 {
            self.ipv6(protocol);
        } else {
            self.ipv4(protocol);
        }
    }

    /// MPLS on Ethernet, or (`over_ip`) on IP.
    fn labelled(&mut self, over_ip: bool) {
        self.layers += 2;
        self.prepend(&[0, 1, 0, 64, 0, 2, 1, 64]);
        if over_ip {
            self.over_ip(137, false);
        } else {
            self.ethernet([0x88, 0x47]);
        }
    }

    fn over_pppoe(&mut self, is_ipv6: bool) {
        self.layers += 1;
        self.prepend(&[0, if is_ipv6 { 0x57 } else { 0x21 }]);
        let length = (self.bytes.len() as u16).to_be_bytes();
        self.prepend(&[0x11, 0, 0, 1, length[0], length[1]]);
        self.ethernet([0x88, 0x64]);
    }

    /// A VLAN tag behind the addresses.
    fn tag(&mut self, ethertype: [u8; 2]) {
        self.layers += 1;
        self.bytes
            .splice(12..12, [ethertype[0], ethertype[1], 0, 5]);
    }

    fn ethernet(&mut self, ethertype: [u8; 2]) {
        self.prepend(&[
            2,
            0,
            0,
            0,
            0,
            2,
            2,
            0,
            0,
            0,
            0,
            1,
            ethertype[0],
            ethertype[1],
        ]);
        self.is_ethernet = true;
    }

    fn udp(&mut self, port: u16) {
        let length = (self.bytes.len() as u16 + 8).to_be_bytes();
        let port = port.to_be_bytes();
        self.prepend(&[0x30, 0x39, port[0], port[1], length[0], length[1], 0, 0]);
    }

    fn ipv4(&mut self, protocol: u8) {
        let length = (self.bytes.len() as u16 + 20).to_be_bytes();
        let head = [
            0x45, 0, length[0], length[1], 0, 7, 0, 0, 64, protocol, 0, 0,
        ];
        self.prepend(&[192, 0, 2, 1, 192, 0, 2, 2]);
        self.prepend(&head);
        self.is_packet();
    }

    fn ipv6(&mut self, protocol: u8) {
        let length = (self.bytes.len() as u16).to_be_bytes();
        let mut head = [0; 40];
        head[..8].copy_from_slice(&[0x60, 0, 0, 0, length[0], length[1], protocol, 64]);
        (head[8], head[24]) = (0x20, 0x20);
        self.prepend(&head);
        self.is_packet();
    }

    fn is_packet(&mut self) {
        self.is_ethernet = false;
        self.ip_headers += 1;
        self.layers += 1;
    }

    fn prepend(&mut self, head: &[u8]) {
        self.bytes.splice(0..0, head.iter().copied());
    }
}
