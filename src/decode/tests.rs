//! The decoder on frames that one can read, and on hostile ones.

use std::collections::BTreeSet;

use super::*;
use crate::source::LinkType;
use crate::types::{Protocol, Transport};

/// UDP 1000 -> 2000 with payload `hi`.
const UDP: [u8; 10] = [0x03, 0xe8, 0x07, 0xd0, 0, 10, 0, 0, b'h', b'i'];

fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
    let length = (20 + body.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 7, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    packet.extend(body);
    packet
}

fn ipv4_fragment(offset: u16, more: bool, body: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(17, body);
    let field = (offset / 8) | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&field.to_be_bytes());
    packet
}

fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for last in [1, 2] {
        packet.extend([
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last,
        ]);
    }
    packet.extend(body);
    packet
}

fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(kind.to_be_bytes());
    frame.extend(body);
    frame
}

fn udp(destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x30, 0x39];
    datagram.extend(destination.to_be_bytes());
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn with(start: &[u8], rest: &[u8]) -> Vec<u8> {
    [start, rest].concat()
}

/// Protocol, destination port, payload, bytes on the wire, tunnel.
type Seen = (u8, u16, Vec<u8>, u64, Option<TunnelKind>);

fn decode(link_type: LinkType, frame: &[u8]) -> Vec<Seen> {
    decode_all(&mut Decoder::new(), link_type, &[frame])
}

fn decode_all(decoder: &mut Decoder, link_type: LinkType, frames: &[&[u8]]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut sink = |packet: &Packet<'_>| {
        let payload = match packet.transport {
            Transport::Tcp(segment) => segment.payload.to_vec(),
            Transport::Udp(datagram) => datagram.payload.to_vec(),
            _ => Vec::new(),
        };
        let (_, destination) = packet.endpoints();
        seen.push((
            packet.protocol().0,
            destination.port,
            payload,
            packet.wire_bytes,
            packet.tunnel.map(|t| t.kind),
        ));
    };
    for (number, frame) in frames.iter().enumerate() {
        let stamp = Stamp {
            number: number as u64 + 1,
            ..Stamp::default()
        };
        let wire_length = frame.len() as u32;
        decoder.decode(
            FrameInput {
                stamp,
                link_type: link_type.0,
                wire_length,
                data: frame,
            },
            &mut sink,
        );
    }
    seen
}

fn plain(wire_bytes: u64) -> (u8, u16, Vec<u8>, u64, Option<TunnelKind>) {
    (17, 2_000, b"hi".to_vec(), wire_bytes, None)
}

/// One frame for each link type and tag, all around the same datagram.
fn link_samples() -> Vec<(LinkType, Vec<u8>)> {
    let packet = ipv4(17, &UDP);
    let snap = with(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet);
    let wireless = with(&[0x08, 0x01], &with(&[0; 22], &snap));
    let qos = with(&[0x88, 0x01], &with(&[0; 24], &snap));
    let radiotap = with(&[0, 0, 9, 0, 2, 0, 0, 0, 0x10], &wireless);
    let mut pktap = vec![0_u8; 108];
    pktap[0] = 108;
    pktap[8] = 1;
    let nflog = with(
        &[2, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0],
        &with(&[(4 + packet.len()) as u8, 0, 9, 0], &packet),
    );
    vec![
        (LinkType::ETHERNET, ethernet(0x0800, &packet)),
        (
            LinkType::ETHERNET,
            ethernet(0x0800, &with(&packet, b"padding and trailer")),
        ),
        (
            LinkType::ETHERNET,
            ethernet(0x8100, &with(&[0, 5, 8, 0], &packet)),
        ),
        (
            LinkType::ETHERNET,
            ethernet(0x88a8, &with(&[0, 5, 0x81, 0, 0, 6, 8, 0], &packet)),
        ),
        (LinkType::ETHERNET, ethernet(snap.len() as u16, &snap)),
        (
            LinkType::ETHERNET,
            ethernet(0x8847, &with(&[0, 1, 0, 64, 0, 2, 1, 64], &packet)),
        ),
        (
            LinkType::ETHERNET,
            ethernet(0x8864, &with(&[0x11, 0, 0, 1, 0, 32, 0, 0x21], &packet)),
        ),
        (LinkType::RAW, packet.clone()),
        (LinkType::IPV4, packet.clone()),
        (LinkType::NULL, with(&[2, 0, 0, 0], &packet)),
        (LinkType::LOOP, with(&[0, 0, 0, 2], &packet)),
        (LinkType::PPP, with(&[0xff, 3, 0, 0x21], &packet)),
        (LinkType::PPP, with(&[0x21], &packet)),
        (LinkType::PPP_PPPD, with(&[1, 0xff, 3, 0, 0x21], &packet)),
        (LinkType::C_HDLC, with(&[0x0f, 0, 8, 0], &packet)),
        (LinkType::FRELAY, with(&[0x18, 0x41, 3, 0xcc], &packet)),
        (
            LinkType::LINUX_SLL,
            with(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], &packet),
        ),
        (
            LinkType::LINUX_SLL2,
            with(
                &[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0],
                &packet,
            ),
        ),
        (LinkType::IEEE802_11, wireless),
        (LinkType::IEEE802_11, qos),
        (LinkType::RADIOTAP, radiotap),
        (LinkType::NFLOG, nflog),
        (LinkType::PKTAP, with(&pktap, &ethernet(0x0800, &packet))),
        (LinkType::PPP, with(&[0x0f, 0, 8, 0], &packet)),
        (LinkType::SLIP, with(&[0; 16], &packet)),
        (LinkType::ENC, with(&[0; 12], &packet)),
        (LinkType::IPNET, with(&[0; 24], &packet)),
        (
            LinkType::IPOIB,
            with(&[0; 40], &with(&[8, 0, 0, 0], &packet)),
        ),
        (LinkType::DLT_ATM_RFC1483, snap.clone()),
        (LinkType::ATM_CLIP, snap.clone()),
        (
            LinkType::BROADCOM_TAG_PREPENDED,
            with(&[0; 4], &ethernet(0x0800, &packet)),
        ),
        (
            LinkType::BROADCOM_TAG,
            ethernet(0x2000, &with(&[0, 1, 8, 0], &packet)),
        ),
        (
            LinkType::MARVELL_DSA,
            ethernet(0x4000, &with(&[0, 1, 8, 0], &packet)),
        ),
        (
            LinkType::MARVELL_EDSA,
            ethernet(0xdada, &with(&[0, 0, 0x40, 0, 0, 1, 8, 0], &packet)),
        ),
        (
            LinkType::ETHERNET,
            ethernet(0x8903, &with(&[0, 0x60], &ethernet(0x0800, &packet))),
        ),
        (
            LinkType::ETHERNET,
            ethernet(0x8909, &with(&[1, 1, 0, 1, 0, 9, 8, 0], &packet)),
        ),
        (
            LinkType::ETHERNET,
            ethernet(
                0x88e5,
                &with(
                    &[0x20, 30, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 1, 8, 0],
                    &packet,
                ),
            ),
        ),
        (
            LinkType::ETHERNET,
            ethernet(0x894f, &with(&[0, 2, 2, 1, 0, 0, 1, 0xff], &packet)),
        ),
    ]
}

/// One frame for each tunnel, all around the same datagram, with the inner packet's wire bytes.
fn tunnel_samples() -> Vec<(TunnelKind, Vec<u8>, u64)> {
    let packet = ipv4(17, &UDP);
    let frame = ethernet(0x0800, &packet);
    let (short, long) = (packet.len() as u64, frame.len() as u64);
    let gre = |head: &[u8], rest: &[u8]| ipv4(47, &with(head, rest));
    let over_udp = |port: u16, head: &[u8], rest: &[u8]| ipv4(17, &udp(port, &with(head, rest)));
    let six = ipv6(17, &UDP);
    vec![
        (TunnelKind::Ipv4, ipv4(4, &packet), short),
        (TunnelKind::Ipv4, ipv4(41, &six), six.len() as u64),
        (TunnelKind::Ipv6, ipv6(4, &packet), short),
        (TunnelKind::Gre, gre(&[0, 0, 8, 0], &packet), short),
        (
            TunnelKind::Gre,
            gre(&[0x30, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 2], &packet),
            short,
        ),
        (TunnelKind::Gre, gre(&[0, 0, 0x65, 0x58], &frame), long),
        (TunnelKind::Erspan, gre(&[0, 0, 0x88, 0xbe], &frame), long),
        (
            TunnelKind::Erspan,
            gre(
                &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 9, 0, 0, 0, 0],
                &frame,
            ),
            long,
        ),
        (
            TunnelKind::Erspan,
            gre(
                &[
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0,
                ],
                &frame,
            ),
            long,
        ),
        (
            TunnelKind::Vxlan,
            over_udp(4_789, &[8, 0, 0, 0, 0, 0, 5, 0], &frame),
            long,
        ),
        (
            TunnelKind::Vxlan,
            over_udp(
                4_790,
                &[12, 0, 0, 4, 0, 0, 5, 0, 0, 2, 2, 1, 0, 0, 1, 0xff],
                &packet,
            ),
            short,
        ),
        (
            TunnelKind::Geneve,
            over_udp(6_081, &[1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0], &frame),
            long,
        ),
        (
            TunnelKind::Gtpu,
            over_udp(2_152, &[0x30, 255, 0, short as u8, 0, 0, 0, 1], &packet),
            short,
        ),
        (
            TunnelKind::Gtpu,
            over_udp(
                2_152,
                &[
                    0x34,
                    255,
                    0,
                    short as u8 + 8,
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0x85,
                    1,
                    0,
                    9,
                    0,
                ],
                &packet,
            ),
            short,
        ),
        (
            TunnelKind::Teredo,
            over_udp(3_544, &[], &six),
            six.len() as u64,
        ),
        (
            TunnelKind::Teredo,
            over_udp(3_544, &[0, 0, 1, 2, 3, 4, 5, 6], &six),
            six.len() as u64,
        ),
        (
            TunnelKind::Tzsp,
            over_udp(37_008, &[1, 0, 0, 1, 10, 1, 5, 0, 1], &frame),
            long,
        ),
        (
            TunnelKind::Gre,
            gre(&[0, 0, 0x88, 0x0b, 0xff, 3, 0, 0x21], &packet),
            short,
        ),
        (
            TunnelKind::L2tp,
            over_udp(1_701, &[0, 2, 0, 7, 0, 9, 0xff, 3, 0, 0x21], &packet),
            short,
        ),
        (
            TunnelKind::L2tp,
            over_udp(
                1_701,
                &[
                    0x4a,
                    2,
                    0,
                    16 + short as u8,
                    0,
                    7,
                    0,
                    9,
                    0,
                    1,
                    0,
                    1,
                    0,
                    1,
                    0,
                    0x21,
                ],
                &packet,
            ),
            short,
        ),
        (
            TunnelKind::Ethernet,
            ipv4(97, &with(&[0x30, 0], &frame)),
            long,
        ),
        (TunnelKind::Ethernet, ipv6(143, &frame), long),
        (
            TunnelKind::Lisp,
            over_udp(4_341, &[0xc0, 1, 2, 3, 0, 0, 0, 1], &packet),
            short,
        ),
        (
            TunnelKind::Ipv4,
            over_udp(6_635, &[0, 0, 0x11, 64], &packet),
            short,
        ),
        (
            TunnelKind::Capwap,
            over_udp(5_247, &[0, 0x10, 0, 0, 0, 0, 0, 0], &frame),
            long,
        ),
    ]
}

#[test]
fn every_link_type_leads_to_the_same_datagram() {
    for (link_type, frame) in link_samples() {
        assert_eq!(
            decode(link_type, &frame),
            [plain(frame.len() as u64)],
            "link type {link_type}, {frame:02x?}"
        );
    }
}

#[test]
fn every_tunnel_gives_outer_and_inner() {
    for (kind, packet, inner_bytes) in tunnel_samples() {
        let seen = decode(LinkType::RAW, &packet);
        assert_eq!(seen.len(), 2, "{kind:?}");
        assert_eq!(seen[0].4, None, "{kind:?}");
        assert_eq!(seen[0].3, packet.len() as u64, "{kind:?}");
        let (protocol, port, payload, wire_bytes, tunnel) = seen[1].clone();
        assert_eq!(
            (protocol, port, payload.as_slice()),
            (17, 2_000, b"hi".as_slice()),
            "{kind:?}"
        );
        assert_eq!((wire_bytes, tunnel), (inner_bytes, Some(kind)));
    }
}

#[test]
fn a_controller_may_swap_the_bytes_of_frame_control() {
    let snap = with(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &ipv4(17, &UDP));
    for control in [[0x08, 0x01], [0x01, 0x08], [0x0a, 0x08]] {
        let wireless = with(&control, &with(&[0; 22], &snap));
        let capwap = with(&[0, 0x10, 0x03, 0, 0, 0, 0, 0], &wireless);
        let seen = decode(LinkType::RAW, &ipv4(17, &udp(5_247, &capwap)));
        let inner = seen.get(1).map(|packet| (packet.1, packet.4));
        assert_eq!(
            inner,
            Some((2_000, Some(TunnelKind::Capwap))),
            "{control:02x?}"
        );
    }
}

#[test]
fn what_a_tunnel_carries_besides_packets_is_left_alone() {
    let fragment = [0, 0x10, 0, 0x80, 0, 0, 0, 0];
    let encrypted = [1, 0, 0, 0, 0x17, 0xfe, 0xfd];
    for (port, payload) in [
        (1_701, [0xc8, 2, 0, 8, 0, 0, 0, 0].as_slice()),
        (5_247, &fragment),
        (5_247, &encrypted),
    ] {
        let seen = decode(LinkType::RAW, &ipv4(17, &udp(port, payload)));
        assert_eq!(seen.len(), 1, "{payload:02x?}");
    }
}

#[test]
fn extension_headers_are_passed_over() {
    let destination_options = with(&[17, 0, 1, 4, 0, 0, 0, 0], &UDP);
    let hop_by_hop = with(&[60, 0, 1, 4, 0, 0, 0, 0], &destination_options);
    let packet = ipv6(0, &hop_by_hop);
    assert_eq!(decode(LinkType::RAW, &packet), [plain(packet.len() as u64)]);
}

/// A datagram to port 2000 in two.
fn two_fragments() -> [Vec<u8>; 2] {
    let datagram = udp(2_000, b"0123456789abcdef");
    let (first, last) = datagram.split_at(16);
    [
        ipv4_fragment(0, true, first),
        ipv4_fragment(16, false, last),
    ]
}

#[test]
fn fragments_come_together_in_any_order_and_count_all_their_frames() {
    let [first, last] = two_fragments();
    for order in [[&first, &last], [&last, &first]] {
        let frames: Vec<&[u8]> = order.iter().map(|frame| frame.as_slice()).collect();
        let seen = decode_all(&mut Decoder::new(), LinkType::RAW, &frames);
        let wire_bytes = (first.len() + last.len()) as u64;
        assert_eq!(
            seen,
            [(17, 2_000, b"0123456789abcdef".to_vec(), wire_bytes, None)]
        );
    }
}

#[test]
fn a_doubled_fragment_is_a_duplicate_and_an_overlap_is_refused() {
    let datagram = udp(2_000, b"0123456789abcdef");
    let (first, last) = (
        ipv4_fragment(0, true, &datagram[..16]),
        ipv4_fragment(16, false, &datagram[16..]),
    );
    let mut decoder = Decoder::new();
    assert_eq!(
        decode_all(&mut decoder, LinkType::RAW, &[&first, &first, &last]).len(),
        1
    );
    assert_eq!(decoder.counters().fragment_duplicates, 1);
    let overlapping = ipv4_fragment(8, false, &datagram[8..]);
    assert!(decode_all(&mut decoder, LinkType::RAW, &[&first, &overlapping, &last]).is_empty());
    assert_eq!(decoder.counters().fragment_overlaps, 2);
}

/// A mirror that shows every packet twice shows the last fragment when its datagram is whole.
#[test]
fn the_copy_of_a_last_fragment_counts_for_the_flow_of_its_datagram() {
    let [first, last] = two_fragments();
    for [one, other] in [[&first, &last], [&last, &first]] {
        let mut decoder = Decoder::new();
        let (mut ports, mut seen) = (BTreeSet::new(), [0; 2]);
        let mut sink = |packet: &Packet<'_>| {
            ports.insert(packet.endpoints().1.port);
            seen[0] += u64::from(packet.frames);
            seen[1] += packet.wire_bytes;
        };
        for data in [one, one, other, other] {
            let frame = FrameInput {
                link_type: LinkType::RAW.0,
                wire_length: data.len() as u32,
                data,
                ..FrameInput::default()
            };
            decoder.decode(frame, &mut sink);
        }
        decoder.finish(&mut sink);
        let counters = decoder.counters();
        assert_eq!((counters.reassembled, counters.fragment_duplicates), (1, 2));
        assert_eq!(seen, [4, counters.bytes]);
        assert_eq!(ports, BTreeSet::from([2_000]));
    }
}

#[test]
fn what_never_came_together_still_counts_for_its_flow() {
    let datagram = udp(2_000, b"0123456789abcdef");
    let mut decoder = Decoder::new();
    let first = ipv4_fragment(0, true, &datagram[..16]);
    decode_all(&mut decoder, LinkType::RAW, &[&first]);
    let mut seen = Vec::new();
    decoder.finish(&mut |packet| seen.push((packet.endpoints().1.port, packet.wire_bytes)));
    assert_eq!(seen, [(2_000, first.len() as u64)]);
}

#[test]
fn a_fragment_of_odd_length_is_read_by_itself() {
    let mut decoder = Decoder::new();
    let first = ipv4_fragment(0, true, &udp(2_000, b"012"));
    let later = ipv4_fragment(16, true, b"345");
    let seen = decode_all(&mut decoder, LinkType::RAW, &[&first, &later]);
    assert_eq!(
        seen,
        [
            (17, 2_000, b"012".to_vec(), first.len() as u64, None),
            (17, 0, Vec::new(), later.len() as u64, None),
        ]
    );
    assert_eq!(decoder.counters().bad_fragments, 2);
}

#[test]
fn a_flood_of_fragments_is_bounded() {
    let mut decoder = Decoder::new();
    for number in 0..(fragments::MAX_DATAGRAMS as u32 * 3) {
        let mut frame = ipv4_fragment(8, true, &[0; 1_000]);
        frame[12..16].copy_from_slice(&number.to_be_bytes());
        decode_all(&mut decoder, LinkType::RAW, &[&frame]);
    }
    assert_eq!(
        decoder.counters().fragment_evictions,
        fragments::MAX_DATAGRAMS as u64 * 2
    );
}

#[test]
fn a_snap_length_cuts_bytes_but_not_lengths() {
    let packet = ipv4(
        6,
        &with(
            &[
                0, 80, 0x30, 0x39, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 0, 0, 0, 0, 0, 0,
            ],
            &[b'x'; 100],
        ),
    );
    let mut seen = Vec::new();
    let input = FrameInput {
        stamp: Stamp::default(),
        link_type: LinkType::RAW.0,
        wire_length: packet.len() as u32,
        data: &packet[..60],
    };
    Decoder::new().decode(input, &mut |packet| {
        if let Transport::Tcp(segment) = packet.transport {
            seen.push((
                segment.payload.len(),
                segment.payload_length,
                packet.wire_bytes,
            ));
        }
    });
    assert_eq!(seen, [(20, 100, 140)]);
}

#[test]
fn ports_tell_the_flow_of_a_header_that_is_cut() {
    let tcp = [
        0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0,
    ];
    for (protocol, whole) in [(6, tcp.as_slice()), (17, &UDP)] {
        let packet = ipv4(protocol, whole);
        let ports = |length: usize| {
            let mut ports = Vec::new();
            let frame = FrameInput {
                stamp: Stamp::default(),
                link_type: LinkType::RAW.0,
                wire_length: packet.len() as u32,
                data: &packet[..length],
            };
            Decoder::new().decode(frame, &mut |packet| {
                let (source, destination) = packet.endpoints();
                ports.push((source.port, destination.port, packet.wire_bytes));
            });
            ports
        };
        let wire_bytes = packet.len() as u64;
        let [a, b] = [0, 2].map(|at| u16::from_be_bytes([whole[at], whole[at + 1]]));
        assert_eq!(ports(26), [(a, b, wire_bytes)], "protocol {protocol}");
        assert_eq!(ports(23), [(0, 0, wire_bytes)], "protocol {protocol}");
    }
}

#[test]
fn seventeen_layers_are_too_many() {
    let mut frame = ipv4(17, &UDP);
    for _ in 0..20 {
        frame = with(&[0, 5, 0x81, 0], &frame);
    }
    let mut decoder = Decoder::new();
    assert!(
        decode_all(
            &mut decoder,
            LinkType::ETHERNET,
            &[&ethernet(0x8100, &frame)]
        )
        .is_empty()
    );
    assert_eq!(decoder.counters().too_many_layers, 1);
}

#[test]
fn fragment_headers_within_each_other_are_layers() {
    let atomic = [44, 0, 0, 0, 0, 0, 0, 1].repeat(200_000);
    let mut decoder = Decoder::new();
    let frame = with(&ipv6(44, &[]), &atomic);
    assert!(decode_all(&mut decoder, LinkType::RAW, &[&frame]).is_empty());
    assert_eq!(decoder.counters().too_many_layers, 1);
}

#[test]
fn datagrams_that_are_given_up_one_within_the_other_do_not_fill_the_stack() {
    let flood = || {
        let mut decoder = Decoder::new();
        for number in 0..(fragments::MAX_DATAGRAMS as u32 * 3) {
            let mut inner = ipv4_fragment(0, true, &[0; 8]);
            inner[12..16].copy_from_slice(&number.to_be_bytes());
            inner.resize(32, 0);
            let mut frame = ipv4_fragment(0, true, &inner);
            frame[9] = 4;
            frame[12..16].copy_from_slice(&number.to_be_bytes());
            decode_all(&mut decoder, LinkType::RAW, &[&frame]);
        }
        decoder.counters().fragment_evictions
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let evictions = thread.spawn(flood).unwrap().join().unwrap();
    assert!(evictions > fragments::MAX_DATAGRAMS as u64 * 2);
}

#[test]
fn buffers_used_again_count_for_the_bytes_that_wait() {
    let mut decoder = Decoder::new();
    let big = [0; 60_000];
    for number in 0..300_u32 {
        let mut whole = [
            ipv4_fragment(0, true, &big),
            ipv4_fragment(60_000, false, &[0; 8]),
        ];
        whole
            .iter_mut()
            .for_each(|frame| frame[16..20].copy_from_slice(&number.to_be_bytes()));
        let mut waiting = ipv4_fragment(0, true, &big);
        waiting[12..16].copy_from_slice(&number.to_be_bytes());
        let frames = [whole[0].as_slice(), whole[1].as_slice(), &waiting];
        decode_all(&mut decoder, LinkType::RAW, &frames);
    }
    let most = fragments::MAX_BYTES / big.len();
    assert!(decoder.counters().fragment_evictions >= 300 - most as u64);
}

#[test]
fn a_wireless_aggregate_counts_no_more_than_it_holds() {
    let snap = with(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &ipv4(17, &UDP));
    let head = with(&[0x88, 0x01], &with(&[0; 22], &[0x80, 0]));
    let frame = |length: u16| {
        let part = with(&with(&[0; 12], &length.to_be_bytes()), &snap);
        with(&head, &part)
    };
    let wire_bytes = 14 + snap.len() as u64;
    for length in [snap.len() as u16, u16::MAX] {
        assert_eq!(
            decode(LinkType::IEEE802_11, &frame(length)),
            [plain(wire_bytes)]
        );
    }
    let mut decoder = Decoder::new();
    assert!(decode_all(&mut decoder, LinkType::IEEE802_11, &[&head]).is_empty());
    assert_eq!(decoder.counters().short_link, 1);
}

#[test]
fn an_icmp_error_tells_whose_packet_it_quotes() {
    let quoted = ipv4(6, &[0x30, 0x39, 0, 80, 0, 0, 0, 1]);
    let packet = ipv4(1, &with(&[3, 3, 0, 0, 0, 0, 0, 0], &quoted));
    let mut seen = None;
    let input = FrameInput {
        stamp: Stamp::default(),
        link_type: LinkType::RAW.0,
        wire_length: packet.len() as u32,
        data: &packet,
    };
    Decoder::new().decode(input, &mut |packet| {
        if let Transport::Icmp(message) = packet.transport {
            seen = message.quoted;
        }
    });
    let quoted = seen.unwrap();
    assert_eq!(
        (quoted.source.port, quoted.destination.port, quoted.protocol),
        (12_345, 80, Protocol::TCP)
    );
}

/// Packets that no other sample has: extension headers, fragments, errors that quote, tunnels of less use.
fn odd_samples() -> Vec<Vec<u8>> {
    let packet = ipv4(17, &UDP);
    let frame = ethernet(0x0800, &packet);
    let tcp = [
        0, 80, 0x30, 0x39, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x18, 0, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4,
    ];
    let quoted = ipv4(6, &tcp);
    let options = with(&[44, 0, 1, 4, 0, 0, 0, 0], &[17, 0, 0, 1, 0, 0, 0, 9]);
    let jumbo = with(&[60, 0, 0xc2, 4, 0, 0, 0, 26], &[17, 0, 1, 4, 0, 0, 0, 0]);
    let mut jumbogram = ipv6(0, &with(&jumbo, &UDP));
    jumbogram[4..6].copy_from_slice(&[0, 0]);
    vec![
        with(&ipv4(6, &tcp), b"data"),
        ipv4(1, &with(&[3, 3, 0, 0, 0, 0, 0, 0], &quoted)),
        ipv6(58, &with(&[1, 4, 0, 0, 0, 0, 0, 0], &ipv6(17, &UDP))),
        ipv6(60, &with(&options, &UDP)),
        jumbogram,
        ipv4(51, &with(&[17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], &UDP)),
        ipv4_fragment(0, true, &[0; 16]),
        ipv4_fragment(16, false, &[0; 5]),
        ipv4(137, &with(&[0, 1, 0, 64, 0, 2, 1, 64], &packet)),
        ipv4(
            47,
            &with(
                &[0x30, 1, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 2, 0x21],
                &packet,
            ),
        ),
        ipv4(47, &with(&[0, 0, 0x88, 0x3e, 1, 0, 0, 0], &packet)),
        ipv4(17, &udp(4_790, &with(&[0x0c, 0, 0, 3, 0, 0, 5, 0], &frame))),
        ipv4(
            17,
            &udp(4_790, &with(&[0x0c, 0, 0, 1, 0, 0, 5, 0], &packet)),
        ),
        ipv4(
            17,
            &udp(
                3_544,
                &with(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &ipv6(17, &UDP)),
            ),
        ),
    ]
}

/// Every prefix, and every byte changed to a few values.
fn disturbed(frame: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let prefixes = (0..frame.len()).map(|length| frame[..length].to_vec());
    let changes = (0..frame.len()).flat_map(|at| {
        let byte = frame[at];
        let values = [0, 1, 0x7f, 0x80, 0xff, byte ^ 1, byte ^ 0x40, byte ^ 0x80];
        values.map(|value| {
            let mut changed = frame.to_vec();
            changed[at] = value;
            changed
        })
    });
    prefixes.chain(changes)
}

#[test]
fn every_prefix_and_every_changed_byte_is_harmless() {
    let packets = tunnel_samples().into_iter().map(|(_, packet, _)| packet);
    let packets = packets
        .chain(odd_samples())
        .map(|packet| (LinkType::RAW, packet));
    for (link_type, frame) in link_samples().into_iter().chain(packets) {
        for frame in disturbed(&frame) {
            decode(link_type, &frame);
        }
    }
}

#[test]
fn frames_of_one_link_type_are_harmless_as_any_other() {
    for (_, frame) in link_samples() {
        for link_type in (0..300).filter(|number| Decoder::supports(*number)) {
            for length in 0..=frame.len() {
                decode(LinkType(link_type), &frame[..length]);
            }
        }
    }
}

#[test]
fn a_disturbed_fragment_harms_no_other_datagram() {
    let datagram = udp(2_000, b"0123456789abcdef");
    let first = ipv4_fragment(0, true, &datagram[..16]);
    let last = ipv4_fragment(16, false, &datagram[16..]);
    let mut other = [first.clone(), last.clone()];
    other
        .iter_mut()
        .for_each(|frame| frame[12..16].copy_from_slice(&[198, 51, 100, 1]));
    for disturbed in disturbed(&first) {
        let frames = [&disturbed, &other[0], &last, &other[1]];
        let frames = frames.map(|frame| frame.as_slice());
        let seen = decode_all(&mut Decoder::new(), LinkType::RAW, &frames);
        let whole = seen.iter().filter(|packet| packet.2 == b"0123456789abcdef");
        assert!(whole.count() >= 1);
    }
}
