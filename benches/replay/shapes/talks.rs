//! Conversations, packet by packet.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec;

use fastrand::Rng;

use super::frames::Carriage;
use super::hello;
use super::names::{Name, Names};

const MILLISECOND: u64 = 1_000_000;
/// TCP payload of a frame of 1,514 bytes.
const FULL: u16 = 1_460;
/// One conversation in so many is tagged or tunnelled, where the shape has such.
const CARRIED_ONE_IN: u32 = 12;
/// One in so many speaks IPv6, where the shape has tunnels.
const IPV6_ONE_IN: u32 = 8;
const CLIENTS: u32 = 4_000;
/// Lookups that wait for a client to go where they lead.
const MOST_ANSWERED: usize = 64;
const PORTS: u64 = 28_000;
const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// TCP flags that occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flags {
    Syn,
    SynAck,
    #[default]
    Ack,
    FinAck,
    Reset,
}

impl Flags {
    pub(super) fn has_acknowledgement(self) -> bool {
        self != Self::Syn
    }

    pub(super) fn is_syn(self) -> bool {
        matches!(self, Self::Syn | Self::SynAck)
    }

    pub(super) fn is_fin(self) -> bool {
        self == Self::FinAck
    }

    pub(super) fn is_reset(self) -> bool {
        self == Self::Reset
    }

    /// SYN and FIN take a sequence number (RFC 9293 section 3.4).
    pub(super) fn takes_a_number(self) -> bool {
        self.is_syn() || self.is_fin()
    }
}

/// What clients do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Lookup,
    NewAddress,
    TinyLookup,
    Tls,
    Quic,
    Http,
    Unanswered,
    Refused,
    Time,
    Ping,
    Opaque,
    Tiny,
    Open,
}

/// What a packet carries that a record is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Dns,
    Request,
    TlsHello,
    QuicHello,
}

/// One packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) is_to_server: bool,
    pub(super) flags: Flags,
    /// What its payload begins with.
    pub(super) begins: Box<[u8]>,
    /// And so many bytes that mean nothing.
    pub(super) filling: u16,
    /// Nanoseconds until the next packet.
    pub(super) pause: u64,
    pub(super) told: Option<Told>,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) protocol: Protocol,
    pub(super) client: (IpAddr, u16),
    pub(super) server: (IpAddr, u16),
    pub(super) carriage: Carriage,
    pub(super) steps: vec::IntoIter<Step>,
    /// Next sequence numbers: the server's, the client's.
    pub(super) sequence: [u32; 2],
    pub(super) is_new: bool,
    identifications: [u16; 2],
}

impl Talk {
    /// The next IPv4 identification of a side.
    pub(super) fn next_identification(&mut self, is_to_server: bool) -> u16 {
        let next = &mut self.identifications[usize::from(is_to_server)];
        *next = next.wrapping_add(1);
        *next
    }
}

/// A client, the name that it asked for, and which of its addresses it got.
#[derive(Clone, Copy, Debug)]
struct Answered {
    client: Ipv4Addr,
    name: Name,
    nth: u64,
}

/// Makes conversations.
pub(super) struct Maker<'n> {
    rng: Rng,
    names: &'n Names,
    carriages: &'static [Carriage],
    made: u64,
    /// Who was answered what, and did not go there yet.
    answered: VecDeque<Answered>,
    /// Pauses of long conversations: so that their capture is no longer than it should be.
    packets: u64,
}

/// Steps of a conversation while they are put together.
struct Script<'r> {
    rng: &'r mut Rng,
    steps: Vec<Step>,
    /// Most nanoseconds between two packets.
    pace: u64,
}

impl Script<'_> {
    fn push(&mut self, is_to_server: bool, flags: Flags, begins: &[u8], filling: u16) -> &mut Step {
        let pause = self.rng.u64(self.pace / 8..self.pace);
        self.steps.push(Step {
            is_to_server,
            flags,
            begins: begins.into(),
            filling,
            pause,
            told: None,
        });
        self.steps.last_mut().unwrap()
    }

    fn client(&mut self, begins: &[u8], filling: u16) -> &mut Step {
        self.push(true, Flags::Ack, begins, filling)
    }

    fn server(&mut self, begins: &[u8], filling: u16) -> &mut Step {
        self.push(false, Flags::Ack, begins, filling)
    }

    fn open(&mut self) {
        self.push(true, Flags::Syn, &[], 0);
        self.push(false, Flags::SynAck, &[], 0);
        self.client(&[], 0);
    }

    fn close(&mut self) {
        self.push(true, Flags::FinAck, &[], 0);
        self.push(false, Flags::FinAck, &[], 0);
        self.client(&[], 0);
    }

    /// About `packets` packets that carry something to the client, with what confirms them.
    fn transfer(&mut self, packets: u32) {
        for number in 0..packets {
            match number % 3 {
                0 => self.client(&[], 0),
                _ => {
                    let filling = self.a_size();
                    self.server(&[], filling)
                }
            };
        }
    }

    /// Full, or some part of it.
    fn a_size(&mut self) -> u16 {
        if self.rng.u32(..100) < 15 {
            FULL
        } else {
            self.rng.u16(20..320)
        }
    }
}

impl<'n> Maker<'n> {
    pub(super) fn new(names: &'n Names, carriages: &'static [Carriage], packets: u64) -> Self {
        Self {
            rng: Rng::with_seed(2),
            names,
            carriages,
            made: 0,
            answered: VecDeque::new(),
            packets,
        }
    }

    pub(super) fn make(&mut self, kind: Kind) -> Talk {
        match kind {
            Kind::Lookup => self.lookup(),
            Kind::NewAddress => self.new_address(),
            Kind::TinyLookup => self.tiny_lookup(),
            Kind::Tls => self.tls(),
            Kind::Quic => self.quic(),
            Kind::Http => self.http(),
            Kind::Unanswered => self.unanswered(),
            Kind::Refused => self.refused(),
            Kind::Time => self.time(),
            Kind::Ping => self.ping(),
            Kind::Opaque => self.opaque(),
            Kind::Tiny => self.tiny(),
            Kind::Open => self.open(),
        }
    }

    /// A client asks for a name and is answered, by a chain where the name has one.
    fn lookup(&mut self) -> Talk {
        let (name, nth) = (self.names.choose(&mut self.rng), self.rng.u64(..4));
        let talk = self.query(name, nth);
        if let IpAddr::V4(client) = talk.client.0
            && self.answered.len() < MOST_ANSWERED
        {
            self.answered.push_back(Answered { client, name, nth });
        }
        talk
    }

    /// Each time a name, a client and an address that were not together before.
    fn new_address(&mut self) -> Talk {
        let name = self.names.nth(self.made / 4);
        self.query(name, self.made)
    }

    fn query(&mut self, name: Name, nth: u64) -> Talk {
        let number = self.made as u16;
        let mut script = self.script(30 * MILLISECOND);
        script
            .client(&header(number, 0x0100, &name.text(), 0), 0)
            .told = Some(Told::Dns);
        script.server(&answer(name, number, nth), 0).told = Some(Told::Dns);
        let steps = script.steps;
        self.talk(Protocol::Udp, RESOLVER, 53, Carriage::Plain, steps)
    }

    /// The same within 100 bytes.
    fn tiny_lookup(&mut self) -> Talk {
        let (number, address) = (self.made as u16, self.rng.u32(..).to_be_bytes());
        let text = format!("h{}.example", self.rng.u32(..10_000));
        let mut script = self.script(30 * MILLISECOND);
        script.client(&header(number, 0x0100, &text, 0), 0).told = Some(Told::Dns);
        let mut answered = header(number, 0x8180, &text, 1);
        record(&mut answered, 12, 1, &address);
        script.server(&answered, 0).told = Some(Told::Dns);
        let steps = script.steps;
        self.talk(Protocol::Udp, RESOLVER, 53, Carriage::Plain, steps)
    }

    fn tls(&mut self) -> Talk {
        let answered = self.next_answered();
        let name = answered.name;
        let mut script = self.script(400 * MILLISECOND);
        script.open();
        let is_long = script.rng.bool();
        let hello = hello::tls_record(1, &hello::client_hello(&name.text(), is_long, None));
        let (first, rest) = hello.split_at(hello.len().min(usize::from(FULL)));
        script.client(first, 0).told = Some(Told::TlsHello);
        if !rest.is_empty() {
            script.client(rest, 0);
        }
        script.server(&hello::tls_record(2, &hello::server_hello()), 1_000);
        script.client(&[0x17, 3, 3, 0, 60], 60);
        let packets = script.rng.u32(40..332);
        script.transfer(packets);
        script.close();
        let steps = script.steps;
        self.to(answered, Protocol::Tcp, 443, steps)
    }

    fn quic(&mut self) -> Talk {
        let answered = self.next_answered();
        let name = answered.name;
        let mut script = self.script(400 * MILLISECOND);
        let is_long = script.rng.bool();
        let initials = hello::initials(script.rng, &name.text(), is_long);
        let last = initials.len() - 1;
        for (number, datagram) in initials.iter().enumerate() {
            let step = script.client(datagram, 0);
            step.told = (number == last).then_some(Told::QuicHello);
        }
        // Handshake packets of the server, then short headers (RFC 9000 section 17).
        script.server(&[0xe1, 0, 0, 0, 1, 0], 1_180);
        let packets = script.rng.u32(30..292);
        for number in 0..packets {
            let filling = script.a_size().min(1_252);
            match number % 3 {
                0 => script.client(&[0x41], 34),
                _ => script.server(&[0x42], filling),
            };
        }
        let steps = script.steps;
        self.to(answered, Protocol::Udp, 443, steps)
    }

    /// Two requests on one connection.
    fn http(&mut self) -> Talk {
        let answered = self.next_answered();
        let name = answered.name;
        let mut script = self.script(300 * MILLISECOND);
        script.open();
        for number in 0..2 {
            let request = format!(
                "GET /files/{number}/item{}.bin HTTP/1.1\r\nHost: {}\r\nUser-Agent: client/1.0\r\n\r\n",
                script.rng.u32(..10_000),
                name.text()
            );
            script.client(request.as_bytes(), 0).told = Some(Told::Request);
            let full = script.rng.u32(1..18);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
                300 + full * u32::from(FULL)
            );
            script.server(head.as_bytes(), 300);
            for number in 0..full {
                script.server(&[], FULL);
                if number % 2 == 1 {
                    script.client(&[], 0);
                }
            }
        }
        script.close();
        let steps = script.steps;
        self.to(answered, Protocol::Tcp, 80, steps)
    }

    /// A connection that nobody answers, tried twice.
    fn unanswered(&mut self) -> Talk {
        let mut script = self.script(2_000 * MILLISECOND);
        let first = script.push(true, Flags::Syn, &[], 0);
        first.pause = 1_000 * MILLISECOND;
        let steps = script.steps;
        self.anywhere(Protocol::Tcp, 445, steps)
    }

    fn refused(&mut self) -> Talk {
        let mut script = self.script(20 * MILLISECOND);
        script.push(true, Flags::Syn, &[], 0);
        script.push(false, Flags::Reset, &[], 0);
        let steps = script.steps;
        self.anywhere(Protocol::Tcp, 8_080, steps)
    }

    /// A question of 48 bytes and its answer, as clocks ask.
    fn time(&mut self) -> Talk {
        let mut script = self.script(40 * MILLISECOND);
        script.client(&[0x23], 47);
        script.server(&[0x24], 47);
        let steps = script.steps;
        self.anywhere(Protocol::Udp, 123, steps)
    }

    fn ping(&mut self) -> Talk {
        let mut script = self.script(20 * MILLISECOND);
        script.client(&[], 56);
        script.server(&[], 56);
        let steps = script.steps;
        self.anywhere(Protocol::Icmp, 0, steps)
    }

    /// A connection of a protocol that nobody names.
    fn opaque(&mut self) -> Talk {
        let mut script = self.script(5_000 * MILLISECOND);
        script.open();
        for _ in 0..script.rng.u32(2..5) {
            let (up, down) = (script.rng.u16(20..200), script.rng.u16(20..500));
            script.client(&[0], up);
            script.server(&[0], down);
        }
        script.close();
        let steps = script.steps;
        self.anywhere(Protocol::Tcp, 5_222, steps)
    }

    /// Twelve packets of 60 to 100 bytes.
    fn tiny(&mut self) -> Talk {
        let mut script = self.script(500 * MILLISECOND);
        script.open();
        for _ in 0..3 {
            let sizes = [script.rng.u16(6..46), script.rng.u16(6..46)];
            script.client(&[1], sizes[0]);
            script.server(&[1], sizes[1]);
        }
        script.close();
        let steps = script.steps;
        self.anywhere(Protocol::Tcp, 6_000, steps)
    }

    /// A connection that stays.
    fn open(&mut self) -> Talk {
        let mut script = self.script(500 * MILLISECOND);
        script.open();
        script.client(&[1], 100);
        script.server(&[1], 200);
        let steps = script.steps;
        self.anywhere(Protocol::Tcp, 6_000, steps)
    }

    /// A large file in full frames, over the whole capture.
    pub(super) fn download(&mut self, packets: u64) -> Talk {
        let mut script = self.script(100 * 1_000 * MILLISECOND / packets.max(1));
        script.open();
        for number in 0..packets.saturating_sub(6) {
            match number % 48 {
                47 => script.client(&[], 0),
                _ => script.server(&[], FULL),
            };
        }
        script.close();
        let steps = script.steps;
        self.anywhere(Protocol::Tcp, 9_000, steps)
    }

    fn script(&mut self, pace: u64) -> Script<'_> {
        // A short capture has short conversations.
        let pace = if self.packets < 100_000 {
            pace / 16
        } else {
            pace
        };
        Script {
            rng: &mut self.rng,
            steps: Vec::new(),
            pace: pace.max(16),
        }
    }

    /// Whose turn it is to go where it was told to; where nobody asked, anybody goes anywhere.
    fn next_answered(&mut self) -> Answered {
        self.answered.pop_front().unwrap_or_else(|| Answered {
            client: client(self.made),
            name: self.names.choose(&mut self.rng),
            nth: 0,
        })
    }

    /// A conversation with the server of a name.
    fn to(&mut self, answered: Answered, protocol: Protocol, port: u16, steps: Vec<Step>) -> Talk {
        let carriage = self.carriage();
        let server = answered.name.address(answered.nth).into();
        self.talk_of(answered.client, protocol, server, port, carriage, steps)
    }

    /// A conversation with any server.
    fn anywhere(&mut self, protocol: Protocol, port: u16, steps: Vec<Step>) -> Talk {
        let carriage = match protocol {
            Protocol::Icmp => Carriage::Plain,
            _ => self.carriage(),
        };
        let [_, b, c, d] = self.rng.u32(..).to_be_bytes();
        let server = Ipv4Addr::new(198, 18 | (b & 1), c, d);
        self.talk(protocol, server, port, carriage, steps)
    }

    fn carriage(&mut self) -> Carriage {
        if self.carriages.is_empty() || self.rng.u32(..CARRIED_ONE_IN) > 0 {
            return Carriage::Plain;
        }
        self.rng
            .choice(self.carriages)
            .copied()
            .unwrap_or(Carriage::Plain)
    }

    fn talk(
        &mut self,
        protocol: Protocol,
        server: Ipv4Addr,
        port: u16,
        carriage: Carriage,
        steps: Vec<Step>,
    ) -> Talk {
        let client = client(self.made);
        self.talk_of(client, protocol, server, port, carriage, steps)
    }

    fn talk_of(
        &mut self,
        client: Ipv4Addr,
        protocol: Protocol,
        server: Ipv4Addr,
        port: u16,
        carriage: Carriage,
        steps: Vec<Step>,
    ) -> Talk {
        // Each conversation has a port of its own for as long as ports last.
        let source_port = 32_000 + (self.made / u64::from(CLIENTS) % PORTS) as u16;
        self.made += 1;
        let is_ipv6 = carriage == Carriage::Teredo
            || (!self.carriages.is_empty()
                && protocol != Protocol::Icmp
                && port != 53
                && self.rng.u32(..IPV6_ONE_IN) == 0);
        let family = |address: Ipv4Addr| -> IpAddr {
            if is_ipv6 {
                let [a, b] = [address.octets(), [0; 4]].map(u32::from_be_bytes);
                let place = u128::from(a) | u128::from(b) << 32;
                Ipv6Addr::from(0x2001_0db8_u128 << 96 | place).into()
            } else {
                address.into()
            }
        };
        Talk {
            protocol,
            client: (family(client), source_port),
            server: (family(server), port),
            carriage,
            steps: steps.into_iter(),
            sequence: [self.rng.u32(..), self.rng.u32(..)],
            is_new: true,
            identifications: [self.rng.u16(..), self.rng.u16(..)],
        }
    }
}

/// The chain, then an address (RFC 1035 section 4.1.3).
fn answer(name: Name, number: u16, nth: u64) -> Vec<u8> {
    let chain = name.chain();
    let text = name.text();
    let mut bytes = header(number, 0x8180, &text, chain.len() + 1);
    // Each record's owner points to where its name stands already (section 4.1.4): first behind the header.
    let mut owner = 12;
    for target in &chain {
        owner = record(&mut bytes, owner, 5, &labels(target));
    }
    record(&mut bytes, owner, 1, &name.address(nth));
    bytes
}

/// Gives where its data stands.
fn record(bytes: &mut Vec<u8>, owner: usize, kind: u16, data: &[u8]) -> usize {
    bytes.extend_from_slice(&(0xc000 | owner as u16).to_be_bytes());
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    let place = bytes.len();
    bytes.extend_from_slice(data);
    place
}

/// The client of a conversation by its number: other ones once all their ports were used.
fn client(made: u64) -> Ipv4Addr {
    let (number, round) = (made % u64::from(CLIENTS), made / u64::from(CLIENTS));
    let place = number + round / PORTS * u64::from(CLIENTS);
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + place as u32)
}

/// A header and its question.
fn header(number: u16, flags: u16, name: &str, records: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    for field in [number, flags, 1, records as u16, 0, 0] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes.extend_from_slice(&labels(name));
    bytes.extend_from_slice(&[0, 1, 0, 1]);
    bytes
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
