//! A packet as a frame: Ethernet, IP and transport headers, then tags or a tunnel around them.

use std::io::{self, Write};
use std::net::IpAddr;

use etherparse::{IpNumber, PacketBuilder, PacketBuilderStep, ip_number};

use super::Tally;
use super::talks::{Protocol, Step, Talk, Told};

const ETHERNET: usize = 14;
const LEAST_FRAME: usize = 60;
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// What a conversation's packets stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carriage {
    Plain,
    Vlan,
    QinQ,
    Mpls,
    Pppoe,
    Gre,
    GreEthernet,
    Ip,
    Ipv6,
    EtherIp,
    Vxlan,
    VxlanGpe,
    Geneve,
    Gtpu,
    Teredo,
    Tzsp,
    L2tp,
    Capwap,
    Lisp,
    MplsUdp,
    Erspan1,
    Erspan2,
    Erspan3,
}

impl Carriage {
    /// Every one but no carriage.
    pub(super) const ALL: &'static [Self] = &[
        Self::Vlan,
        Self::QinQ,
        Self::Mpls,
        Self::Pppoe,
        Self::Gre,
        Self::GreEthernet,
        Self::Ip,
        Self::Ipv6,
        Self::EtherIp,
        Self::Vxlan,
        Self::VxlanGpe,
        Self::Geneve,
        Self::Gtpu,
        Self::Teredo,
        Self::Tzsp,
        Self::L2tp,
        Self::Capwap,
        Self::Lisp,
        Self::MplsUdp,
        Self::Erspan1,
        Self::Erspan2,
        Self::Erspan3,
    ];

    /// What comes between the outer Ethernet header and the inner frame, which loses its own Ethernet header where the
    /// second value says so. `is_ipv4`: the inner packet.
    fn header(self, is_ipv4: bool, length: usize) -> (u16, Vec<u8>, Inner) {
        let ether_type: u16 = if is_ipv4 { 0x0800 } else { 0x86dd };
        let [high, low] = ether_type.to_be_bytes();
        let ppp: [u8; 2] = if is_ipv4 { [0, 0x21] } else { [0, 0x57] };
        let packet = length - ETHERNET;
        let udp = |port: u16, header: &[u8], inner: Inner| {
            (0x0800, outer_udp(port, header, inner.length(length)), inner)
        };
        let gre = |header: &[u8], inner: Inner| {
            (
                0x0800,
                outer_ipv4(ip_number::GRE, header, inner.length(length)),
                inner,
            )
        };
        match self {
            Self::Plain => (ether_type, Vec::new(), Inner::Packet),
            Self::Vlan => (0x8100, vec![0, 100, high, low], Inner::Packet),
            Self::QinQ => (
                0x88a8,
                vec![0, 200, 0x81, 0, 0, 100, high, low],
                Inner::Packet,
            ),
            Self::Mpls => (0x8847, vec![0, 1, 0xf1, 64], Inner::Packet),
            Self::Pppoe => {
                let [long, short] = (packet as u16 + 2).to_be_bytes();
                (
                    0x8864,
                    vec![0x11, 0, 0, 7, long, short, ppp[0], ppp[1]],
                    Inner::Packet,
                )
            }
            Self::Gre => gre(&[0, 0, high, low], Inner::Packet),
            Self::GreEthernet => gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 9], Inner::Frame),
            Self::Ip => {
                let number = if is_ipv4 {
                    ip_number::IPV4
                } else {
                    ip_number::IPV6
                };
                (0x0800, outer_ipv4(number, &[], packet), Inner::Packet)
            }
            Self::Ipv6 => {
                let number = if is_ipv4 {
                    ip_number::IPV4
                } else {
                    ip_number::IPV6
                };
                (0x86dd, outer_ipv6(number, packet), Inner::Packet)
            }
            Self::EtherIp => (
                0x0800,
                outer_ipv4(IpNumber(97), &[0x30, 0], length),
                Inner::Frame,
            ),
            Self::Vxlan => udp(4_789, &[8, 0, 0, 0, 0, 0, 42, 0], Inner::Frame),
            Self::VxlanGpe => udp(4_790, &[0x0c, 0, 0, 3, 0, 0, 42, 0], Inner::Frame),
            Self::Geneve => udp(6_081, &[0, 0, 0x65, 0x58, 0, 0, 42, 0], Inner::Frame),
            Self::Gtpu => {
                let [long, short] = (packet as u16).to_be_bytes();
                udp(2_152, &[0x30, 255, long, short, 0, 0, 0, 7], Inner::Packet)
            }
            Self::Teredo => udp(3_544, &[], Inner::Packet),
            Self::Tzsp => udp(37_008, &[1, 0, 0, 1, 1], Inner::Frame),
            Self::L2tp => udp(
                1_701,
                &[0, 2, 0, 1, 0, 2, 0xff, 3, ppp[0], ppp[1]],
                Inner::Packet,
            ),
            Self::Capwap => udp(5_247, &[0, 0x10, 0, 0, 0, 0, 0, 0], Inner::Frame),
            Self::Lisp => udp(4_341, &[0x80, 0, 0, 1, 0, 0, 0, 0], Inner::Packet),
            Self::MplsUdp => udp(6_635, &[0, 1, 0xf1, 64], Inner::Packet),
            Self::Erspan1 => gre(&[0, 0, 0x88, 0xbe], Inner::Frame),
            Self::Erspan2 => gre(
                &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 5, 0, 0, 0, 0],
                Inner::Frame,
            ),
            Self::Erspan3 => gre(
                &[
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0,
                ],
                Inner::Frame,
            ),
        }
    }
}

/// What of the inner frame is carried.
#[derive(Clone, Copy)]
enum Inner {
    /// From its IP header on.
    Packet,
    /// All.
    Frame,
}

impl Inner {
    const fn length(self, frame: usize) -> usize {
        match self {
            Self::Packet => frame - ETHERNET,
            Self::Frame => frame,
        }
    }
}

/// An IPv4 header between two routers, and what follows it.
fn outer_ipv4(number: IpNumber, header: &[u8], inner: usize) -> Vec<u8> {
    let length = (header.len() + inner) as u16;
    let addresses = ([172, 16, 0, 1], [172, 16, 0, 2]);
    let ip = etherparse::Ipv4Header::new(length, 64, number, addresses.0, addresses.1).unwrap();
    let mut bytes = Vec::with_capacity(64);
    ip.write(&mut bytes).unwrap();
    bytes.extend_from_slice(header);
    bytes
}

fn outer_ipv6(number: IpNumber, inner: usize) -> Vec<u8> {
    let end = |last| {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        address[15] = last;
        address
    };
    let ip = etherparse::Ipv6Header {
        payload_length: inner as u16,
        next_header: number,
        hop_limit: 64,
        source: end(1),
        destination: end(2),
        ..Default::default()
    };
    ip.to_bytes().to_vec()
}

/// The same with a UDP header of checksum 0, as tunnels send it.
fn outer_udp(port: u16, header: &[u8], inner: usize) -> Vec<u8> {
    let length = (8 + header.len() + inner) as u16;
    let mut udp = Vec::with_capacity(8 + header.len());
    for field in [50_000, port, length, 0] {
        udp.extend_from_slice(&field.to_be_bytes());
    }
    udp.extend_from_slice(header);
    outer_ipv4(ip_number::UDP, &udp, inner)
}

/// Writes a capture, and counts what it wrote.
pub(super) struct Writer<'w, W> {
    out: &'w mut W,
    tally: &'w mut Tally,
    /// What stands for anything that nobody reads.
    filling: Vec<u8>,
    payload: Vec<u8>,
    inner: Vec<u8>,
    frame: Vec<u8>,
}

impl<'w, W: Write> Writer<'w, W> {
    pub(super) fn new(out: &'w mut W, tally: &'w mut Tally) -> Self {
        let mut rng = fastrand::Rng::with_seed(1);
        Self {
            out,
            tally,
            filling: (0..4_096).map(|_| rng.u8(..)).collect(),
            payload: Vec::new(),
            inner: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Writes a conversation's next packet; gives how long it pauses then, `None` at its end.
    pub(super) fn next(&mut self, talk: &mut Talk, time: u64) -> io::Result<Option<u64>> {
        let Some(step) = talk.steps.next() else {
            return Ok(None);
        };
        self.payload.clear();
        self.payload.extend_from_slice(&step.begins);
        let filling = usize::from(step.filling);
        self.payload.extend_from_slice(&self.filling[..filling]);
        self.inner.clear();
        write_packet(talk, &step, &self.payload, &mut self.inner);
        self.carry(talk);
        self.count(talk, &step);
        let header = [
            (time / super::SECOND) as u32,
            (time % super::SECOND) as u32,
            self.frame.len() as u32,
            self.frame.len() as u32,
        ];
        for word in header {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&self.frame)?;
        talk.is_new = false;
        Ok((talk.steps.len() > 0).then_some(step.pause))
    }

    /// The inner frame into `frame`, with what it stands in.
    fn carry(&mut self, talk: &Talk) {
        let (ether_type, header, inner) = talk
            .carriage
            .header(talk.client.0.is_ipv4(), self.inner.len());
        self.frame.clear();
        self.frame.extend_from_slice(&self.inner[..12]);
        self.frame.extend_from_slice(&ether_type.to_be_bytes());
        self.frame.extend_from_slice(&header);
        let begin = self.inner.len() - inner.length(self.inner.len());
        self.frame.extend_from_slice(&self.inner[begin..]);
        // No frame on a wire is shorter (IEEE 802.3 section 4A.4.2, less the check sequence).
        self.frame.resize(self.frame.len().max(LEAST_FRAME), 0);
    }

    fn count(&mut self, talk: &Talk, step: &Step) {
        let tally = &mut *self.tally;
        tally.packets += 1;
        tally.bytes += self.frame.len() as u64;
        tally.flows += u64::from(talk.is_new);
        tally.carried += u64::from(talk.carriage != Carriage::Plain);
        match step.told {
            Some(Told::Dns) => tally.dns_messages += 1,
            Some(Told::Request) => tally.http_requests += 1,
            Some(Told::TlsHello) => tally.tls_hellos += 1,
            Some(Told::QuicHello) => tally.quic_hellos += 1,
            None => {}
        }
    }
}

fn write_packet(talk: &mut Talk, step: &Step, payload: &[u8], into: &mut Vec<u8>) {
    let (from, to, macs) = if step.is_to_server {
        (talk.client, talk.server, (CLIENT_MAC, SERVER_MAC))
    } else {
        (talk.server, talk.client, (SERVER_MAC, CLIENT_MAC))
    };
    let ethernet = PacketBuilder::ethernet2(macs.0, macs.1);
    let ip: PacketBuilderStep<etherparse::IpHeaders> = match (from.0, to.0) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header =
                etherparse::Ipv4Header::new(0, 64, ip_number::TCP, from.octets(), to.octets())
                    .unwrap();
            // Told apart, as stacks do: a doubled frame has the same.
            header.identification = talk.next_identification(step.is_to_server);
            ethernet.ip(etherparse::IpHeaders::Ipv4(
                header,
                etherparse::Ipv4Extensions::default(),
            ))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => ethernet.ipv6(from.octets(), to.octets(), 64),
        _ => unreachable!("both ends of a conversation speak one family"),
    };
    match talk.protocol {
        Protocol::Udp => ip.udp(from.1, to.1).write(into, payload),
        Protocol::Icmp if step.is_to_server => ip
            .icmpv4_echo_request(talk.client.1, 1)
            .write(into, payload),
        Protocol::Icmp => ip.icmpv4_echo_reply(talk.client.1, 1).write(into, payload),
        Protocol::Tcp => {
            let way = usize::from(step.is_to_server);
            let mut tcp = ip.tcp(from.1, to.1, talk.sequence[way], 64_240);
            if step.flags.has_acknowledgement() {
                tcp = tcp.ack(talk.sequence[1 - way]);
            }
            if step.flags.is_syn() {
                tcp = tcp.syn();
            }
            if step.flags.is_fin() {
                tcp = tcp.fin();
            }
            if step.flags.is_reset() {
                tcp = tcp.rst();
            }
            if step.flags.is_syn() {
                let options = [
                    etherparse::TcpOptionElement::MaximumSegmentSize(1_460),
                    etherparse::TcpOptionElement::SelectiveAcknowledgementPermitted,
                    etherparse::TcpOptionElement::WindowScale(7),
                ];
                tcp = tcp.options(&options).unwrap();
            }
            let moved = payload.len() as u32 + u32::from(step.flags.takes_a_number());
            talk.sequence[way] = talk.sequence[way].wrapping_add(moved);
            tcp.write(into, payload)
        }
    }
    .unwrap();
}
