//! The short way of plain frames: Ethernet, up to two VLAN tags, IPv4 or IPv6 without extensions, TCP or UDP.
//!
//! It gives the packet that the long way gives, or nothing: whatever is short, odd, a fragment or a tunnel goes the long way, which alone
//! counts what is wrong. A test holds both equal over frames of every kind.

use std::net::IpAddr;

use super::FrameInput;
use super::tunnels::is_tunnel_port;
use crate::source::LinkType;
use crate::types::flow_key::Side;
use crate::types::packet::{TcpFlags, TcpSegment, UdpDatagram};
use crate::types::{Endpoint, FlowKey, Packet, Protocol, Transport, VlanTags};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const PROVIDER_VLAN: u16 = 0x88a8;
const MOST_TAGS: usize = 2;
const ETHERNET_HEADER: usize = 14;
const VLAN_TAG: usize = 4;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// More fragments, and the offset (RFC 791 section 3.1).
const FRAGMENTED: u16 = 0x3fff;

/// What an IP header says.
struct Ip<'a> {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    hop_limit: u8,
    protocol: u8,
    /// Captured bytes behind the header, without padding.
    body: &'a [u8],
    /// Their length on the wire.
    length: usize,
}

/// What an Ethernet frame says up to its IP header.
struct Ethernet<'a> {
    macs: &'a [u8; 12],
    vlan: VlanTags,
    ip: Ip<'a>,
}

/// Pushes the packet of an Ethernet frame into `sink`, with the key of its flow and the side that it shows, where it is a plain one; `None`,
/// and nothing has happened, where not. No packet is made of a plain one whose flow is not wanted.
///
/// It is made where it stays until the sink has seen it: to be given back it would be copied.
#[inline]
pub(super) fn packet(
    frame: &FrameInput<'_>,
    key_vlan: bool,
    is_wanted: &impl Fn(&FlowKey) -> bool,
    sink: &mut impl FnMut(&Packet<'_>, &FlowKey, Side),
) -> Option<()> {
    let Ethernet { macs, vlan, ip } = ethernet(frame)?;
    let (transport, ports) = match ip.protocol {
        TCP => {
            let segment = segment(&ip)?;
            let ports = [segment.source_port, segment.destination_port];
            (Transport::Tcp(segment), ports)
        }
        UDP => {
            let datagram = datagram(&ip)?;
            let ports = [datagram.source_port, datagram.destination_port];
            (Transport::Udp(datagram), ports)
        }
        _ => return None,
    };
    let (key, side) = key(&ip, ports, &vlan, key_vlan);
    if !is_wanted(&key) {
        return Some(());
    }
    let [destination_mac, source_mac] =
        [macs.first_chunk(), macs.last_chunk()].map(Option::<&[u8; 6]>::copied);
    let packet = Packet {
        timestamp: frame.stamp.timestamp,
        recorded: frame.stamp.recorded,
        number: frame.stamp.number,
        origin: frame.stamp.origin,
        number_in_origin: frame.stamp.number_in_origin,
        source: ip.source,
        destination: ip.destination,
        transport,
        wire_bytes: frame.wire_length.into(),
        frames: 1,
        identification: ip.identification,
        hop_limit: ip.hop_limit,
        vlan,
        tunnel: None,
        source_mac,
        destination_mac,
    };
    sink(&packet, &key, side);
    Some(())
}

/// The key of the flow that a frame's packet belongs to, and the side that it shows, where the frame is a plain one; it may give one for a
/// frame that is not.
#[inline]
pub(super) fn flow_key(frame: &FrameInput<'_>, key_vlan: bool) -> Option<(FlowKey, Side)> {
    let Ethernet { vlan, ip, .. } = ethernet(frame)?;
    let ports = ip
        .body
        .first_chunk()
        .filter(|_| matches!(ip.protocol, TCP | UDP));
    let [a, b, c, d] = *ports?;
    let ports = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    Some(key(&ip, ports, &vlan, key_vlan))
}

#[inline]
fn key(
    ip: &Ip<'_>,
    [source, destination]: [u16; 2],
    vlan: &VlanTags,
    key_vlan: bool,
) -> (FlowKey, Side) {
    let source = Endpoint {
        address: ip.source,
        port: source,
    };
    let destination = Endpoint {
        address: ip.destination,
        port: destination,
    };
    let vlan = if key_vlan {
        vlan.ids().first().copied()
    } else {
        None
    };
    FlowKey::new(source, destination, Protocol(ip.protocol), vlan)
}

/// Ethernet with tags up to the IP header.
#[allow(
    clippy::inline_always,
    reason = "called from two places, it was left a function of its own, and a packet passes through it twice"
)]
#[inline(always)]
fn ethernet<'a>(frame: &FrameInput<'a>) -> Option<Ethernet<'a>> {
    if frame.link_type != LinkType::ETHERNET.0 {
        return None;
    }
    let wire = (frame.wire_length as usize).max(frame.data.len());
    let (macs, rest) = frame.data.split_first_chunk::<12>()?;
    let (&[high, low], mut rest) = rest.split_first_chunk()?;
    let mut ether_type = u16::from_be_bytes([high, low]);
    let mut behind = ETHERNET_HEADER;
    let mut vlan = VlanTags::default();
    for _ in 0..MOST_TAGS {
        if !matches!(ether_type, VLAN | PROVIDER_VLAN) {
            break;
        }
        let (tag, inner) = rest.split_first_chunk::<VLAN_TAG>()?;
        vlan.push(u16::from_be_bytes([tag[0], tag[1]]));
        ether_type = u16::from_be_bytes([tag[2], tag[3]]);
        (rest, behind) = (inner, behind + VLAN_TAG);
    }
    let ip = match ether_type {
        IPV4 => ipv4(rest, wire - behind)?,
        IPV6 => ipv6(rest, wire - behind)?,
        _ => return None,
    };
    Some(Ethernet { macs, vlan, ip })
}

/// IPv4 (RFC 791 section 3.1), whole and with a total length that fits.
#[inline]
fn ipv4(packet: &[u8], wire: usize) -> Option<Ip<'_>> {
    let header = packet.first_chunk::<IPV4_HEADER>()?;
    let length = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let is_plain = header[0] >> 4 == 4
        && length >= IPV4_HEADER
        && (length..=wire).contains(&total)
        && u16::from_be_bytes([header[6], header[7]]) & FRAGMENTED == 0;
    if !is_plain {
        return None;
    }
    Some(Ip {
        source: [header[12], header[13], header[14], header[15]].into(),
        destination: [header[16], header[17], header[18], header[19]].into(),
        identification: u16::from_be_bytes([header[4], header[5]]).into(),
        hop_limit: header[8],
        protocol: header[9],
        body: packet.get(length..total.min(packet.len()))?,
        length: total - length,
    })
}

/// IPv6 (RFC 8200 section 3) with a payload length that fits.
#[inline]
fn ipv6(packet: &[u8], wire: usize) -> Option<Ip<'_>> {
    let (header, body) = packet.split_first_chunk::<IPV6_HEADER>()?;
    let (_, addresses) = header.split_first_chunk::<8>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || length == 0 || IPV6_HEADER + length > wire {
        return None;
    }
    Some(Ip {
        source: (*addresses.first_chunk::<16>()?).into(),
        destination: (*addresses.last_chunk::<16>()?).into(),
        identification: 0,
        hop_limit: header[7],
        protocol: header[6],
        body: body.get(..length).unwrap_or(body),
        length,
    })
}

/// TCP (RFC 9293 section 3.1); options may be cut.
#[inline]
fn segment<'a>(ip: &Ip<'a>) -> Option<TcpSegment<'a>> {
    const HEADER: usize = 20;
    let header = ip.body.first_chunk::<HEADER>()?;
    let length = usize::from(header[12] >> 4) * 4;
    if !(HEADER..=ip.length).contains(&length) {
        return None;
    }
    Some(TcpSegment {
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: TcpFlags(header[13]),
        window: u16::from_be_bytes([header[14], header[15]]),
        options: ip.body.get(HEADER..length.min(ip.body.len()))?,
        payload: ip.body.get(length..).unwrap_or_default(),
        payload_length: (ip.length - length) as u32,
    })
}

/// UDP (RFC 768) with a length that fits, on ports of no tunnel.
#[inline]
fn datagram<'a>(ip: &Ip<'a>) -> Option<UdpDatagram<'a>> {
    const HEADER: usize = 8;
    let (header, _) = ip.body.split_first_chunk::<HEADER>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let (source_port, destination_port) = (
        u16::from_be_bytes([header[0], header[1]]),
        u16::from_be_bytes([header[2], header[3]]),
    );
    if !(HEADER..=ip.length).contains(&length) || is_tunnel_port(source_port, destination_port) {
        return None;
    }
    Some(UdpDatagram {
        source_port,
        destination_port,
        payload: ip.body.get(HEADER..length.min(ip.body.len()))?,
        payload_length: (length - HEADER) as u32,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{Decoder, Layer, cut::Cut};
    use crate::types::{Stamp, Timestamp};

    /// Everything that the long way hands on, and how many packets it counts.
    fn the_long_way(frame: FrameInput<'_>) -> (Vec<String>, String) {
        let (mut packets, mut decoder) = (Vec::new(), Decoder::new());
        decoder.counters.frames += 1;
        decoder.counters.bytes += u64::from(frame.wire_length);
        let layer = Layer {
            wire_bytes: frame.wire_length.into(),
            ..Layer::default()
        };
        let cut = Cut::new(frame.data, frame.wire_length as usize);
        decoder
            .walk(frame.stamp, &mut |packet| {
                packets.push(format!("{packet:?}"))
            })
            .link(frame.link_type, cut, layer);
        (packets, format!("{:?}", decoder.counters()))
    }

    fn either_way(frame: FrameInput<'_>) -> (Vec<String>, String) {
        let (mut packets, mut decoder) = (Vec::new(), Decoder::new());
        decoder.decode(frame, &mut |packet| packets.push(format!("{packet:?}")));
        (packets, format!("{:?}", decoder.counters()))
    }

    /// Ethernet, tags, an IP header and what it carries, each field likely right and sometimes anything.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let tag = prop_oneof![Just(None), any::<u16>().prop_map(Some)];
        let headers = (
            tag.clone(),
            tag,
            any::<bool>(),
            prop_oneof![Just(TCP), Just(UDP), any::<u8>()],
        );
        let body = (
            any::<u16>(),
            any::<u16>(),
            prop::collection::vec(any::<u8>(), 0..60),
        );
        (
            headers,
            body,
            prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        )
            .prop_map(
                |((outer, inner, is_ipv4, protocol), (source, destination, payload), changes)| {
                    let mut frame = vec![2; 12];
                    for (kind, tag) in [(PROVIDER_VLAN, outer), (VLAN, inner)] {
                        if let Some(tag) = tag {
                            frame.extend([kind.to_be_bytes(), tag.to_be_bytes()].concat());
                        }
                    }
                    let mut body = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                    match protocol {
                        TCP => {
                            body.extend([
                                1,
                                2,
                                3,
                                4,
                                5,
                                6,
                                7,
                                8,
                                0x50 | source as u8 & 0x30,
                                0x18,
                                9,
                                9,
                                0,
                                0,
                                0,
                                0,
                            ]);
                        }
                        _ => body
                            .extend([((payload.len() + 8) as u16).to_be_bytes(), [0, 0]].concat()),
                    }
                    body.extend(&payload);
                    let length = body.len() as u16;
                    if is_ipv4 {
                        let total = (length + 20).to_be_bytes();
                        frame.extend([
                            8, 0, 0x45, 0, total[0], total[1], 7, 7, 0x40, 0, 64, protocol, 0, 0,
                        ]);
                        frame.extend([192, 0, 2, 1, 198, 51, 100, 2]);
                    } else {
                        let length = length.to_be_bytes();
                        frame.extend([
                            0x86, 0xdd, 0x60, 0, 0, 0, length[0], length[1], protocol, 64,
                        ]);
                        frame.extend([0x20; 32]);
                    }
                    frame.extend(body);
                    for (place, value) in changes {
                        let place = place.index(frame.len());
                        frame[place] = value;
                    }
                    frame
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn both_ways_give_the_same(
            frame in frames(),
            cut in prop_oneof![3 => Just(0_usize), 1 => 0..80_usize],
            padding in 0..20_usize,
            wire in prop_oneof![3 => Just(None), 1 => (0..200_u32).prop_map(Some)],
        ) {
            let mut data = frame;
            let whole = data.len() as u32;
            data.resize(data.len() + padding, 0);
            data.truncate(data.len().saturating_sub(cut));
            let stamp = Stamp { timestamp: Timestamp::from_nanos(5), recorded: Timestamp::from_nanos(4), number: 3, number_in_origin: 2, origin: 1 };
            let input = FrameInput { stamp, link_type: 1, wire_length: wire.unwrap_or(whole + padding as u32), data: &data };
            prop_assert_eq!(either_way(input), the_long_way(input));
            for key_vlan in [false, true] {
                let mut keys = None;
                packet(&input, key_vlan, &|_| true, &mut |packet, key, side| {
                    keys = Some((packet.flow_key(key_vlan), (*key, side)));
                });
                if let Some((long, short)) = keys {
                    prop_assert_eq!(short, long);
                    prop_assert_eq!(flow_key(&input, key_vlan), Some(long));
                }
            }
        }
    }
}
