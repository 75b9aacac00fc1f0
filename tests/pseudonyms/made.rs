//! Frames of fifty clients that tell who they are in every way that a mirror shows: in addresses, names, texts and tunnels.

#![allow(dead_code, reason = "each test uses its part")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE32_NOPAD, BASE32HEX_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use patchspan::protocols::dns::words;

/// A server that is updated from, and others.
pub(crate) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
pub(crate) const SERVER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9));
const RESOLVER: &str = "192.0.2.253";
const RESOLVER6: &str = "2001:db8:1::fd";
/// Servers in the networks of the clients.
const INTRANET: &str = "192.0.2.252";
const INTRANET6: &str = "2001:db8:1::fc";
const ENDPOINTS: [&str; 2] = ["192.0.2.250", "192.0.2.251"];

/// Somebody.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) mac: [u8; 6],
    /// The first label of its name.
    pub(crate) name: String,
}

impl Client {
    fn full_name(&self) -> String {
        format!("{}.clients.example.edu", self.name)
    }
}

/// Fifty of them, half of each family.
pub(crate) fn clients() -> Vec<Client> {
    let client = |number: u8| Client {
        address: if number.is_multiple_of(2) {
            [192, 0, 2, 100 + number].into()
        } else {
            Ipv6Addr::new(
                0x2001,
                0xdb8,
                1,
                0x42,
                0,
                0,
                0xbeef,
                0x1000 + u16::from(number),
            )
            .into()
        },
        mac: [2, 0, 0x5e, 0xac, 0x53, number],
        name: format!("anna{number:02}-laptop"),
    };
    (0..50).map(client).collect()
}

/// Everybody else in their networks.
pub(crate) fn others() -> Vec<IpAddr> {
    let all = [RESOLVER, RESOLVER6, INTRANET, INTRANET6];
    all.iter()
        .chain(&ENDPOINTS)
        .map(|text| text.parse().unwrap())
        .collect()
}

/// Everything by which one of `clients` could be known, in lower case.
pub(crate) fn traces(clients: &[Client]) -> Vec<String> {
    let addresses = clients.iter().map(|client| client.address);
    let hosts = addresses.clone().flat_map(host_notations);
    let addresses = addresses.chain(others()).flat_map(notations).chain(hosts);
    let macs = clients.iter().flat_map(|client| macs(client.mac));
    // The interface of a link-local address, and the end of a group, are made of a MAC address.
    let interfaces = clients.iter().flat_map(|client| {
        let [.., d, e, f] = client.mac;
        [
            format!("5eff:feac:53{f:02x}"),
            format!("ff{d:02x}:{e:02x}{f:02x}"),
        ]
    });
    let names = clients
        .iter()
        .flat_map(|client| [vec![client.name.clone()], encodings(&client.full_name())].concat());
    let all = addresses.chain(macs).chain(interfaces).chain(names);
    all.chain(["secret".to_owned()])
        .map(|trace| trace.to_lowercase())
        .collect()
}

/// Where they stand in a text.
pub(crate) fn found(text: &str, traces: &[String]) -> Vec<String> {
    let text = text.to_lowercase();
    let found = traces.iter().filter_map(|trace| {
        let at = text.find(trace)?;
        let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        Some(format!("{trace}: {}", &text[line..end]))
    });
    found.take(5).collect()
}

/// A capture file.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    pub(crate) frames: Vec<Vec<u8>>,
}

impl Capture {
    pub(crate) fn of(clients: &[Client]) -> Self {
        let mut capture = Self::default();
        for client in clients {
            capture.lookups(client);
            capture.web(client);
            capture.hellos(client);
            capture.neighbours(client);
            capture.tunnel(client);
        }
        capture
    }

    /// In the format of pcap, 10 ms from frame to frame.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, 1]
            .map(u32::to_le_bytes)
            .concat();
        bytes[4..8].copy_from_slice(&[2, 0, 4, 0]);
        for (number, frame) in (0_u32..).zip(&self.frames) {
            let (seconds, micros) = (1_800_000_000 + number / 100, number % 100 * 10_000);
            let length = frame.len() as u32;
            bytes.extend(
                [seconds, micros, length, length]
                    .map(u32::to_le_bytes)
                    .concat(),
            );
            bytes.extend(frame);
        }
        bytes
    }

    /// DNS: forward, reverse, with a subnet, with addresses in names and texts.
    fn lookups(&mut self, client: &Client) {
        let (own, reverse) = (client.full_name(), reverse(client.address));
        let behind = format!("{}.roaming.example.org", client.name);
        let dashed = format!(
            "ip-{}.dyn.example.net",
            client.address.to_string().replace(['.', ':'], "-")
        );
        let zone = reverse.split_once('.').unwrap().1.to_owned();
        let octets = octets(client.address);
        let hint = if client.address.is_ipv4() { 4 } else { 6 };
        let hints = [
            &[0, 1, 0, 0, hint, 0, octets.len() as u8],
            octets.as_slice(),
        ]
        .concat();
        let texts: Vec<Vec<u8>> = notations(client.address)
            .iter()
            .map(|notation| {
                [
                    &[notation.len() as u8 + 3],
                    b"ip=".as_slice(),
                    notation.as_bytes(),
                ]
                .concat()
            })
            .map(|text| record(&dashed, words::TXT, &text))
            .collect();
        let kind = if client.address.is_ipv4() {
            words::A
        } else {
            words::AAAA
        };
        let server = if client.address.is_ipv4() {
            SERVER
        } else {
            SERVER6
        };
        for (question, kind, answers) in [
            (
                "download.mozilla.org",
                kind,
                vec![record("download.mozilla.org", kind, &self::octets(server))],
            ),
            (
                &reverse,
                words::PTR,
                vec![record(&reverse, words::PTR, &name(&behind))],
            ),
            (&zone, words::SOA, vec![]),
            (
                &own,
                kind,
                vec![
                    record(&own, kind, &octets),
                    record(&own, words::HTTPS, &hints),
                ],
            ),
            (&dashed, kind, texts),
        ] {
            self.lookup(client, question, kind, &answers);
        }
    }

    fn lookup(&mut self, client: &Client, question: &str, kind: u16, answers: &[Vec<u8>]) {
        let resolver = if client.address.is_ipv4() {
            RESOLVER
        } else {
            RESOLVER6
        }
        .parse()
        .unwrap();
        let query = message(false, question, kind, &[], &[subnet(client.address)]);
        let response = message(true, question, kind, answers, &[subnet(client.address)]);
        self.datagram(client, resolver, (40_000, 53), &query, true);
        self.datagram(client, resolver, (40_000, 53), &response, false);
    }

    /// HTTP: an update, and requests full of addresses.
    fn web(&mut self, client: &Client) {
        let v4 = client.address.is_ipv4();
        let server = if v4 { SERVER } else { SERVER6 };
        let intranet: IpAddr = if v4 { INTRANET } else { INTRANET6 }.parse().unwrap();
        let own = client.full_name();
        let update = "GET /pub/firefox/update.mar HTTP/1.1\r\nHost: download.mozilla.org\r\n\r\n";
        self.connection(client, server, (50_001, 80), update.as_bytes(), 400_000);
        let notations = notations(client.address).join("&a=");
        let macs = macs(client.mac).join("&m=");
        let names = encodings(&own).join("&h=");
        let token = BASE64.encode(client.address.to_string().as_bytes());
        let literal = match intranet {
            IpAddr::V4(_) => intranet.to_string(),
            IpAddr::V6(_) => format!("[{intranet}]"),
        };
        let head = format!(
            "GET /x?a={notations}&m={macs}&h={own}&h={names} HTTP/1.1\r\nHost: {literal}\r\nX-Forwarded-For: {}\r\nUser-Agent: probe/1 ({}; {own}; {token})\r\n\r\n",
            client.address, client.address
        );
        self.connection(client, intranet, (50_002, 80), head.as_bytes(), 10);
        let absolute = format!(
            "GET http://{}:secret@{literal}/y HTTP/1.1\r\nHost: {own}\r\n\r\n",
            client.name
        );
        self.connection(client, intranet, (50_003, 3128), absolute.as_bytes(), 10);
        let named = format!("GET /z HTTP/1.1\r\nHost: {own}\r\n\r\n");
        self.connection(client, server, (50_004, 80), named.as_bytes(), 10);
        for (port, host) in (50_010..).zip(host_notations(client.address)) {
            let short = format!("GET /w HTTP/1.1\r\nHost: {host}\r\n\r\n");
            self.connection(client, server, (port, 80), short.as_bytes(), 10);
        }
        // A file of the catalogue whose name holds an address.
        let dated = format!(
            "GET /pub/firefox/{}.mar HTTP/1.1\r\nHost: download.mozilla.org\r\n\r\n",
            notations_in_name(client.address)
        );
        self.connection(client, server, (50_005, 80), dated.as_bytes(), 400_000);
        // A server of the house has the same as one elsewhere.
        let own_source = "GET /update/3/a HTTP/1.1\r\nHost: aus5.mozilla.org\r\n\r\n";
        self.connection(client, intranet, (50_006, 80), own_source.as_bytes(), 900);
    }

    /// TLS with an address, and with a client's name, in the place of a server's name.
    fn hellos(&mut self, client: &Client) {
        let server = if client.address.is_ipv4() {
            SERVER
        } else {
            SERVER6
        };
        let own = client.full_name();
        for (port, sni) in [(51_001, client.address.to_string()), (51_002, own)] {
            let hello = client_hello(&sni, &client.address.to_string());
            self.connection(client, server, (port, 443), &hello, 0);
        }
    }

    /// What comes on the wire beside: mDNS, LLMNR, DHCP, NDP, ARP, errors.
    fn neighbours(&mut self, client: &Client) {
        let query = message(false, &format!("{}.local", client.name), words::A, &[], &[]);
        let v4 = client.address.is_ipv4();
        let group =
            |v4_group: &str, v6_group: &str| if v4 { v4_group } else { v6_group }.parse().unwrap();
        self.datagram(
            client,
            group("224.0.0.251", "ff02::fb"),
            (5_353, 5_353),
            &query,
            true,
        );
        self.datagram(
            client,
            group("224.0.0.252", "ff02::1:3"),
            (40_001, 5_355),
            &query,
            true,
        );
        let [a, b, c, d, e, f] = client.mac;
        let local = Client {
            address: Ipv6Addr::from([
                0xfe,
                0x80,
                0,
                0,
                0,
                0,
                0,
                0,
                a ^ 2,
                b,
                c,
                0xff,
                0xfe,
                d,
                e,
                f,
            ])
            .into(),
            ..client.clone()
        };
        self.datagram(
            &local,
            "ff02::fb".parse().unwrap(),
            (5_353, 5_353),
            &query,
            true,
        );
        let solicited = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, d, e, f]);
        let mut solicitation = vec![135, 0, 0, 0, 0, 0, 0, 0];
        solicitation.extend(octets(local.address));
        solicitation.extend([1, 1, a, b, c, d, e, f]);
        self.packet(&local, solicited.into(), 58, &solicitation, true);
        self.claims(client);
        let asks = dhcp(client, 3, [0; 4]);
        let nobody = Client {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ..client.clone()
        };
        self.datagram(
            &nobody,
            IpAddr::V4(Ipv4Addr::BROADCAST),
            (68, 67),
            &asks,
            true,
        );
        if let IpAddr::V4(address) = client.address {
            let given = dhcp(client, 5, address.octets());
            self.datagram(client, RESOLVER.parse().unwrap(), (68, 67), &given, false);
        }
        // Nobody listens on the port: the server's router quotes what was sent.
        let server = if v4 { SERVER } else { SERVER6 };
        self.datagram(client, server, (52_000, 9), b"?", true);
        let quoted = ip(client.address, server, 17, &udp((52_000, 9), b"?"));
        self.refused(client, server, &quoted);
        // Nor is a connection let through to the server of updates.
        let syn = tcp((52_001, 443), (100, 0), 2, &[]);
        self.packet(client, server, 6, &syn, true);
        self.refused(client, server, &ip(client.address, server, 6, &syn));
    }

    /// The client says that it has its address.
    fn claims(&mut self, client: &Client) {
        if let IpAddr::V4(address) = client.address {
            let head = [0, 1, 8, 0, 6, 4, 0, 1];
            let own = [
                &head[..],
                &client.mac,
                &address.octets(),
                &[0; 6],
                &[192, 0, 2, 1],
            ];
            let ends = [&[0xff; 6], &client.mac[..], &[8, 6]].concat();
            self.frames.push([ends, own.concat()].concat());
            return;
        }
        let router: Ipv6Addr = "fe80::1".parse().unwrap();
        let link = [&[1, 1], &client.mac[..]].concat();
        let asks = [&[135, 0, 0, 0, 0, 0, 0, 0], &router.octets()[..], &link].concat();
        self.packet(client, "ff02::1:ff00:1".parse().unwrap(), 58, &asks, true);
    }

    fn refused(&mut self, client: &Client, server: IpAddr, quoted: &[u8]) {
        let v4 = client.address.is_ipv4();
        let kind = if v4 { [3, 3] } else { [1, 4] };
        let error = [&kind[..], &[0; 6], quoted].concat();
        self.packet(client, server, if v4 { 1 } else { 58 }, &error, false);
    }

    /// A question within VXLAN, between two machines of the house.
    fn tunnel(&mut self, client: &Client) {
        let resolver: IpAddr = if client.address.is_ipv4() {
            RESOLVER
        } else {
            RESOLVER6
        }
        .parse()
        .unwrap();
        let query = message(false, "aus5.mozilla.org", words::A, &[], &[]);
        let inner = ethernet(
            client.mac,
            client.address,
            &ip(client.address, resolver, 17, &udp((40_002, 53), &query)),
        );
        let outer = [&[8, 0, 0, 0, 0, 0, 9, 0], inner.as_slice()].concat();
        let [one, other] = ENDPOINTS.map(|text| text.parse().unwrap());
        let endpoint = Client {
            address: one,
            ..client.clone()
        };
        self.datagram(&endpoint, other, (4_789, 4_789), &outer, true);
    }

    /// A whole TCP connection: a request, and so many bytes of an answer.
    fn connection(
        &mut self,
        client: &Client,
        server: IpAddr,
        ports: (u16, u16),
        request: &[u8],
        body: usize,
    ) {
        const SEGMENT: usize = 20_000;
        let mut segment = |numbers: (u32, u32), flags: u8, payload: &[u8], up: bool| {
            let (source, destination) = if up { ports } else { (ports.1, ports.0) };
            let segment = tcp((source, destination), numbers, flags, payload);
            self.packet(client, server, 6, &segment, up);
        };
        segment((100, 0), 2, &[], true);
        segment((900, 101), 0x12, &[], false);
        segment((101, 901), 0x10, &[], true);
        segment((101, 901), 0x18, request, true);
        let (here, mut there) = (101 + request.len() as u32, 901);
        if body > 0 {
            let mut answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {body}\r\nContent-Type: x/{}\r\n\r\n",
                client.address
            )
            .into_bytes();
            answer.resize(answer.len() + body, 0);
            for piece in answer.chunks(SEGMENT) {
                segment((there, here), 0x18, piece, false);
                there += piece.len() as u32;
                segment((here, there), 0x10, &[], true);
            }
        }
        segment((here, there), 0x11, &[], true);
        segment((there, here + 1), 0x11, &[], false);
        segment((here + 1, there + 1), 0x10, &[], true);
    }

    fn datagram(
        &mut self,
        client: &Client,
        server: IpAddr,
        ports: (u16, u16),
        payload: &[u8],
        up: bool,
    ) {
        let ports = if up { ports } else { (ports.1, ports.0) };
        self.packet(client, server, 17, &udp(ports, payload), up);
    }

    fn packet(&mut self, client: &Client, server: IpAddr, protocol: u8, payload: &[u8], up: bool) {
        let (source, destination) = if up {
            (client.address, server)
        } else {
            (server, client.address)
        };
        let packet = ip(source, destination, protocol, payload);
        self.frames.push(ethernet(client.mac, source, &packet));
    }
}

/// How an address may be written.
pub(crate) fn notations(address: IpAddr) -> Vec<String> {
    let written = match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            let bits = v4.to_bits();
            let low = bits & 0xffff;
            vec![
                v4.to_string(),
                format!("{a:03}.{b:03}.{c:03}.{d:03}"),
                format!("{a}-{b}-{c}-{d}"),
                format!("{a}_{b}_{c}_{d}"),
                format!("{a}%2E{b}%2E{c}%2E{d}"),
                format!("{d}.{c}.{b}.{a}"),
                format!("{bits:08x}"),
                format!("{bits:08X}"),
                bits.to_string(),
                format!("::ffff:{v4}"),
                format!("::ffff:{:x}:{:x}", bits >> 16, bits & 0xffff),
                format!("0{a:o}.{b}.0{c:o}.0{d:o}"),
                format!("0{a:03o}.0{b:03o}.0{c:03o}.0{d:03o}"),
                format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
                format!("0x{a:x}.{b}.0{c:o}.{d}"),
                format!("0{a:o}.{b}.{low}"),
                format!("0x{a:x}.{}", u32::from(b) << 16 | low),
                format!("0{bits:o}"),
                BASE64.encode(&v4.octets()),
                BASE32_NOPAD.encode(&v4.octets()) + "=",
            ]
        }
        IpAddr::V6(v6) => {
            let groups = v6.segments().map(|group| format!("{group:04x}"));
            let hex = groups.concat();
            vec![
                v6.to_string(),
                groups.join(":"),
                groups.join("-"),
                v6.to_string().replace(':', "-"),
                v6.to_string().replace(':', "%3A"),
                hex.to_uppercase(),
                hex,
                nibbles(v6),
                BASE64URL_NOPAD.encode(&v6.octets()),
                BASE32_NOPAD.encode(&v6.octets()),
            ]
        }
    };
    [written, encodings(&address.to_string())].concat()
}

/// How an address may be written where a host is meant, and only there: elsewhere it is a version.
pub(crate) fn host_notations(address: IpAddr) -> Vec<String> {
    let IpAddr::V4(v4) = address else {
        return Vec::new();
    };
    let bits = v4.to_bits();
    let [a, b, ..] = v4.octets();
    vec![
        format!("{a}.{b}.{}", bits & 0xffff),
        format!("{a}.{}", bits & 0xff_ffff),
    ]
}

fn nibbles(address: Ipv6Addr) -> String {
    let hex = format!("{:032x}", address.to_bits());
    let nibbles: Vec<String> = hex.chars().rev().map(String::from).collect();
    nibbles.join(".")
}

/// How a text may be written within another one.
fn encodings(text: &str) -> Vec<String> {
    let escaped = |text: &str| {
        let escapes = text.bytes().map(|byte| format!("%{byte:02X}"));
        escapes.collect::<String>()
    };
    let among_others = |before: &str| format!("{before}={text};n=1");
    vec![
        BASE64.encode(text.as_bytes()),
        BASE64URL_NOPAD.encode(text.as_bytes()),
        // From each place in a group of four digits.
        BASE64URL_NOPAD.encode(among_others("x").as_bytes()),
        BASE64URL_NOPAD.encode(among_others("xy").as_bytes()),
        BASE64URL_NOPAD.encode(among_others("xyz").as_bytes()),
        BASE64.encode(BASE64.encode(text.as_bytes()).as_bytes()),
        BASE32_NOPAD.encode(text.as_bytes()),
        BASE32HEX_NOPAD.encode(text.as_bytes()),
        HEXLOWER.encode(text.as_bytes()),
        HEXUPPER.encode(text.as_bytes()),
        escaped(text),
        escaped(&escaped(text)),
    ]
}

/// How a MAC address may be written.
pub(crate) fn macs(mac: [u8; 6]) -> Vec<String> {
    let bytes = mac.map(|byte| format!("{byte:02x}"));
    let digits = bytes.concat();
    let dotted = [&digits[..4], &digits[4..8], &digits[8..]].join(".");
    let written = vec![
        bytes.join(":"),
        bytes.join("-"),
        bytes.join("%3A"),
        dotted,
        digits.to_uppercase(),
        digits,
    ];
    let encoded = encodings(&written[0]);
    [written, encoded].concat()
}

fn notations_in_name(address: IpAddr) -> String {
    address.to_string().replace(':', "-")
}

pub(crate) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => format!("{}.ip6.arpa", nibbles(v6)),
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect();
    bytes.push(0);
    bytes
}

fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16).to_be_bytes();
    [
        &name(owner)[..],
        &kind.to_be_bytes(),
        &[0, 1, 0, 0, 0, 60],
        &length,
        data,
    ]
    .concat()
}

fn subnet(address: IpAddr) -> Vec<u8> {
    let octets = octets(address);
    let bits = octets.len() as u8 * 8;
    let option = [
        &[
            0,
            8,
            0,
            octets.len() as u8 + 4,
            0,
            if bits == 32 { 1 } else { 2 },
            bits,
            0,
        ],
        octets.as_slice(),
    ]
    .concat();
    record("", words::OPT, &option)
}

fn message(
    is_response: bool,
    question: &str,
    kind: u16,
    answers: &[Vec<u8>],
    additionals: &[Vec<u8>],
) -> Vec<u8> {
    let flags = if is_response { [0x81, 0x80] } else { [1, 0] };
    let mut bytes = [
        &[0x12, 0x34],
        &flags[..],
        &[
            0,
            1,
            0,
            answers.len() as u8,
            0,
            0,
            0,
            additionals.len() as u8,
        ],
    ]
    .concat();
    bytes.extend([&name(question)[..], &kind.to_be_bytes(), &[0, 1]].concat());
    bytes.extend(answers.concat());
    bytes.extend(additionals.concat());
    bytes
}

fn client_hello(sni: &str, alpn: &str) -> Vec<u8> {
    let with_length = |bytes: Vec<u8>| [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
    let extension =
        |kind: u16, data: Vec<u8>| [&kind.to_be_bytes()[..], &with_length(data)].concat();
    let names = with_length([&[0], with_length(sni.as_bytes().to_vec()).as_slice()].concat());
    let protocols = with_length([&[alpn.len() as u8], alpn.as_bytes()].concat());
    let extensions = with_length([extension(0, names), extension(16, protocols)].concat());
    let body = [
        &[3, 3],
        &[7; 32][..],
        &[0, 0, 2, 0x13, 1, 1, 0],
        &extensions,
    ]
    .concat();
    let handshake = [&[1, 0], &with_length(body)[..]].concat();
    [&[22, 3, 1], &with_length(handshake)[..]].concat()
}

fn udp((source, destination): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let fields = [source, destination, 8 + payload.len() as u16, 0];
    [fields.map(u16::to_be_bytes).concat().as_slice(), payload].concat()
}

fn tcp(
    (source, destination): (u16, u16),
    (sequence, acknowledged): (u32, u32),
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = [source, destination].map(u16::to_be_bytes).concat();
    bytes.extend([sequence, acknowledged].map(u32::to_be_bytes).concat());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// A message of DHCP: of this type, with the address that is given.
fn dhcp(client: &Client, kind: u8, given: [u8; 4]) -> Vec<u8> {
    let mut dhcp = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    dhcp.extend(given);
    dhcp.extend([0; 8]);
    dhcp.extend(client.mac);
    dhcp.extend([0; 202]);
    dhcp.extend([99, 130, 83, 99, 53, 1, kind, 51, 4, 0, 0, 14, 16]);
    dhcp.extend([12, client.name.len() as u8]);
    dhcp.extend(client.name.as_bytes());
    dhcp.push(255);
    dhcp
}

fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16;
    let mut bytes = if source.is_ipv4() {
        let mut header = vec![0x45, 0];
        header.extend((length + 20).to_be_bytes());
        header.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
        header
    } else {
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(length.to_be_bytes());
        // Neighbour discovery is believed with all hops alone.
        header.extend([protocol, if protocol == 58 { 255 } else { 64 }]);
        header
    };
    bytes.extend(octets(source));
    bytes.extend(octets(destination));
    bytes.extend(payload);
    bytes
}

fn ethernet(mac: [u8; 6], source: IpAddr, packet: &[u8]) -> Vec<u8> {
    let kind = if source.is_ipv4() {
        [8, 0]
    } else {
        [0x86, 0xdd]
    };
    [&[2, 0, 0x5e, 0, 0x53, 0xfe], &mac[..], &kind, packet].concat()
}
