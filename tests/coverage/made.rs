//! Traffic that nobody captured: IPv4 without a link layer, in a classic capture file.

/// In nanoseconds, as times are here: since the epoch.
pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const CLIENT: u32 = 0xc000_0207;
pub(crate) const SERVER: u32 = 0xcb00_7109;
const REQUEST: &[u8] = b"GET /index HTTP/1.1\r\nHost: www.example.org\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const LINK_TYPE_RAW: u32 = 101;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Between two packets of a connection.
const STEP: i64 = SECOND / 1_000;

/// Packets with their times.
#[derive(Default)]
pub(crate) struct Made(Vec<(i64, Vec<u8>)>);

/// Address and port.
type End = (u32, u16);

impl Made {
    /// A connection to [`SERVER`] with a request and its response.
    pub(crate) fn exchange(&mut self, at: i64, client: u32, port: u16) {
        let (client, server) = ((client, port), (SERVER, 80));
        self.tcp(at, client, server, (100, 0), SYN, &[]);
        self.tcp(at + STEP, server, client, (300, 101), SYN | ACK, &[]);
        self.tcp(at + 2 * STEP, client, server, (101, 301), ACK, &[]);
        self.request(at + 3 * STEP, client, (101, 301));
    }

    /// Another request over a connection that [`Self::exchange`] made.
    pub(crate) fn again(&mut self, at: i64, client: u32, port: u16) {
        let (sent, received) = (REQUEST.len() as u32, RESPONSE.len() as u32);
        self.request(at, (client, port), (101 + sent, 301 + received));
    }

    fn request(&mut self, at: i64, client: End, (sequence, acknowledged): (u32, u32)) {
        let server = (SERVER, 80);
        let (sent, received) = (
            sequence + REQUEST.len() as u32,
            acknowledged + RESPONSE.len() as u32,
        );
        self.tcp(at, client, server, (sequence, acknowledged), ACK, REQUEST);
        self.tcp(
            at + STEP,
            server,
            client,
            (acknowledged, sent),
            ACK,
            RESPONSE,
        );
        self.tcp(at + 2 * STEP, client, server, (sent, received), ACK, &[]);
    }

    /// A SYN that nobody answers (0), that is answered (1) or refused (2), and nothing after it; or a segment amid nothing, and the reset (3).
    pub(crate) fn syn(&mut self, at: i64, sender: u32, answer: u32) {
        let (client, server) = ((sender, 50_000), (SERVER, 80));
        let flags = if answer == 3 { ACK } else { SYN };
        self.tcp(at, client, server, (1, 0), flags, &[]);
        match answer {
            0 => {}
            1 => self.tcp(at + STEP, server, client, (7, 2), SYN | ACK, &[]),
            _ => self.tcp(at + STEP, server, client, (0, 2), RST | ACK, &[]),
        }
    }

    pub(crate) fn udp(&mut self, at: i64, from: End, to: End, payload: &[u8]) {
        let length = (8 + payload.len()) as u16;
        let mut datagram = [from.1, to.1, length, 0].map(u16::to_be_bytes).concat();
        datagram.extend(payload);
        self.ip(at, from.0, to.0, UDP, &datagram);
    }

    fn tcp(
        &mut self,
        at: i64,
        from: End,
        to: End,
        (sequence, acknowledged): (u32, u32),
        flags: u8,
        payload: &[u8],
    ) {
        let mut segment = [from.1, to.1].map(u16::to_be_bytes).concat();
        segment.extend([sequence, acknowledged].map(u32::to_be_bytes).concat());
        segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        self.ip(at, from.0, to.0, TCP, &segment);
    }

    fn ip(&mut self, at: i64, from: u32, to: u32, protocol: u8, payload: &[u8]) {
        let length = (20 + payload.len()) as u16;
        let number = self.0.len() as u16;
        let mut packet = vec![0x45, 0];
        packet.extend([length, number, 0].map(u16::to_be_bytes).concat());
        packet.extend([64, protocol, 0, 0]);
        packet.extend([from, to].map(u32::to_be_bytes).concat());
        packet.extend(payload);
        self.0.push((at, packet));
    }

    /// The capture file, in the order of time.
    pub(crate) fn pcap(mut self) -> Vec<u8> {
        self.0.sort_by_key(|(at, _)| *at);
        let mut file = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
        file.extend([2_u16, 4].map(u16::to_le_bytes).concat());
        file.extend([0, 0, 65_535, LINK_TYPE_RAW].map(u32::to_le_bytes).concat());
        for (at, packet) in self.0 {
            let (seconds, nanos) = ((at / SECOND) as u32, (at % SECOND) as u32);
            let length = packet.len() as u32;
            file.extend(
                [seconds, nanos, length, length]
                    .map(u32::to_le_bytes)
                    .concat(),
            );
            file.extend(packet);
        }
        file
    }
}
