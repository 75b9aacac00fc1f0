//! What an attacker, or a very busy network, sends.

use crate::traffic::Traffic;

/// By the name that is typed.
pub(crate) fn by_name(name: &str) -> Option<Box<dyn Traffic>> {
    let flood: Box<dyn Traffic> = match name {
        "syn" => Box::new(Flood::new(syn)),
        "flows" => Box::new(Flood::new(handshake)),
        "names" => Box::new(Flood::new(lookup)),
        "answers" => Box::new(Flood::new(forged_answer)),
        "quic" => Box::new(Initials::new()),
        _ => return None,
    };
    Some(flood)
}

/// Frames made from their number.
struct Flood {
    number: u64,
    make: fn(u64, &mut Vec<u8>),
}

impl Flood {
    fn new(make: fn(u64, &mut Vec<u8>)) -> Self {
        Self { number: 0, make }
    }
}

impl Traffic for Flood {
    fn next(&mut self, frame: &mut Vec<u8>) {
        (self.make)(self.number, frame);
        self.number += 1;
    }
}

/// A number without pattern, equal in every run (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[derive(Clone, Copy)]
struct End {
    address: [u8; 4],
    port: u16,
}

/// A host of a flood, far from the addresses of [`crate::traffic::Visits`].
fn host(number: u64) -> End {
    let [a, b, c, ..] = mixed(number).to_le_bytes();
    let [.., high, low] = mixed(number ^ 1 << 40).to_be_bytes();
    End {
        address: [100, 64 | a & 63, b, c],
        port: u16::from_be_bytes([high, low]) | 1024,
    }
}

const SERVER: End = End {
    address: [203, 0, 113, 200],
    port: 443,
};
const RESOLVER: End = End {
    address: [192, 0, 2, 53],
    port: 53,
};

fn ip(frame: &mut Vec<u8>, protocol: u8, source: End, target: End, length: usize) {
    frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0]);
    frame.extend(u16::try_from(20 + length).unwrap().to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend(source.address);
    frame.extend(target.address);
    let words = frame[14..34].chunks(2);
    let sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    frame[24..26].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    frame.extend(source.port.to_be_bytes());
    frame.extend(target.port.to_be_bytes());
}

fn tcp(frame: &mut Vec<u8>, source: End, target: End, flags: u8, sequence: u32, ack: u32) {
    ip(frame, 6, source, target, 20);
    frame.extend(sequence.to_be_bytes());
    frame.extend(ack.to_be_bytes());
    frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
}

fn udp(frame: &mut Vec<u8>, source: End, target: End, payload: &[u8]) {
    ip(frame, 17, source, target, 8 + payload.len());
    let length = u16::try_from(8 + payload.len()).unwrap();
    frame.extend(length.to_be_bytes());
    // No checksum (RFC 768).
    frame.extend([0, 0]);
    frame.extend_from_slice(payload);
}

fn syn(number: u64, frame: &mut Vec<u8>) {
    tcp(frame, host(number), SERVER, 2, number as u32, 0);
}

/// A whole handshake of a connection on which nothing follows, in three frames.
fn handshake(number: u64, frame: &mut Vec<u8>) {
    let client = host(number / 3);
    match number % 3 {
        0 => tcp(frame, client, SERVER, 0x02, 1, 0),
        1 => tcp(frame, SERVER, client, 0x12, 9, 2),
        _ => tcp(frame, client, SERVER, 0x10, 2, 10),
    }
}

/// A question and its answer: a name that nobody asked before, in two frames.
fn lookup(number: u64, frame: &mut Vec<u8>) {
    let pair = number / 2;
    // A campus of 4,096 clients.
    let client = host(pair % 4_096);
    let message = dns(pair, number % 2 == 1);
    if number.is_multiple_of(2) {
        udp(frame, client, RESOLVER, &message);
    } else {
        udp(frame, RESOLVER, client, &message);
    }
}

/// An answer that nobody asked for, to clients of the visits.
fn forged_answer(number: u64, frame: &mut Vec<u8>) {
    let victim = End {
        address: crate::traffic::client_address(mixed(number) as u32 % 4_096),
        port: host(number).port,
    };
    udp(frame, RESOLVER, victim, &dns(number, true));
}

/// A message about a name of 30 bytes.
fn dns(number: u64, is_answer: bool) -> Vec<u8> {
    let label = format!("{:016x}", mixed(number));
    let mut message = (number as u16).to_be_bytes().to_vec();
    let flags: [u8; 2] = if is_answer {
        [0x81, 0x80]
    } else {
        [0x01, 0x00]
    };
    message.extend(flags);
    message.extend([0, 1, 0, u8::from(is_answer), 0, 0, 0, 0, 16]);
    message.extend(label.as_bytes());
    message.extend(b"\x06update\x04test\0\0\x01\0\x01");
    if is_answer {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(mixed(number).to_be_bytes()[..4].iter());
    }
    message
}

/// The Initial of a real client, each time on a connection of its own: it costs whoever reads it keys and decryption.
struct Initials {
    payload: Vec<u8>,
    number: u64,
}

impl Initials {
    fn new() -> Self {
        Self {
            payload: crate::samples::payload("chromium-quic.pcap", |bytes| {
                bytes.len() >= 1_200 && bytes[0] & 0xf0 == 0xc0
            }),
            number: 0,
        }
    }
}

impl Traffic for Initials {
    fn next(&mut self, frame: &mut Vec<u8>) {
        udp(frame, host(self.number), SERVER, &self.payload);
        self.number += 1;
    }
}
