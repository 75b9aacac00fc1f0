//! Any bytes as the datagrams of a QUIC connection; and any frames, sealed as a client would, which must be opened again.
//!
//! Input: mode, then datagrams, each behind its length (2 bytes, little-endian). Mode 0: as they are. Else they are the frames
//! of an Initial: bits 1 to 3 of the mode choose the version.
#![no_main]

use libfuzzer_sys::fuzz_target;
use patchspan::protocols::quic::frames::{Crypto, MAX_CRYPTO};
use patchspan::protocols::quic::keys::Material;
use patchspan::protocols::quic::version::candidates;
use patchspan::protocols::quic::{Connection, Progress, destination_id, packet, probe};
use patchspan::protocols::tls::ClientHello;
use patchspan::protocols::tls::ja4::Transport;
use patchspan::records::quic::Quic;
use patchspan_fuzz::{Pieces, line};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic as header_protection};

const VERSIONS: [u32; 8] = [
    1,
    0x6b33_43cf,
    0xff00_001d,
    0xff00_001b,
    0xff00_0016,
    0x1a2a_3a4a,
    0xface_b002,
    0x5430_3531,
];
const DESTINATION: &[u8] = b"8 octets";
/// Most datagrams of an input.
const MOST: usize = 64;
const TAG: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Pieces(bytes);
    let mode = input.byte();
    let mut datagrams = Vec::new();
    while !input.is_empty() && datagrams.len() < MOST {
        datagrams.push(input.piece());
    }
    if mode & 1 == 0 {
        any_datagrams(&datagrams);
    } else {
        sealed_frames(VERSIONS[usize::from(mode >> 1 & 7)], &datagrams);
    }
});

fn any_datagrams(datagrams: &[&[u8]]) {
    let mut connection = Connection::new();
    let mut is_done = false;
    for datagram in datagrams {
        let initials: Vec<_> = packet::initials(datagram).collect();
        let total: usize = initials.iter().map(|initial| initial.bytes.len()).sum();
        assert!(total <= datagram.len());
        assert!(
            initials
                .iter()
                .all(|initial| initial.number_offset <= initial.bytes.len())
        );
        let _ = (probe(datagram), destination_id(datagram));
        let progress = connection.datagram(datagram);
        check(&connection, progress);
        // Only Google's own hello, which needs no keys, is still read then.
        assert!(!is_done || progress != Progress::Nothing);
        is_done |= progress == Progress::Done;
    }
}

/// What a client sealed is opened, and gives what its frames say.
fn sealed_frames(version: u32, packets: &[&[u8]]) {
    let mut connection = Connection::new();
    let mut crypto = Crypto::default();
    let mut expected = None;
    for (number, frames) in packets.iter().enumerate() {
        let mut payload = frames[..frames.len().min(1_400)].to_vec();
        payload.resize(payload.len().max(32), 0);
        if expected.is_none() {
            crypto.take_in(&payload);
            assert!(crypto.contiguous().len() <= MAX_CRYPTO);
            let body = crypto.client_hello();
            expected =
                body.map(|body| ClientHello::parse(body, Transport::Quic).unwrap_or_default());
            let progress = connection.datagram(&seal(version, number as u8, payload));
            assert_eq!(progress == Progress::Hello, expected.is_some());
            check(&connection, progress);
        }
    }
    let hello = connection.hello();
    assert_eq!(hello.map(|hello| hello.client_hello.clone()), expected);
    assert!(hello.is_none_or(|hello| hello.version == version));
}

fn check(connection: &Connection, progress: Progress) {
    assert!(progress != Progress::Hello || connection.hello().is_some());
    let Some(hello) = connection.hello() else {
        return;
    };
    let ja4 = hello.client_hello.ja4.as_str();
    assert_eq!(ja4.len(), 36);
    let record = Quic {
        version: hello.version,
        sni: hello.client_hello.sni.as_deref(),
        ja4: Some(ja4),
    };
    line(|line| record.write(line));
}

/// An Initial as RFC 9001 section 5 has it, with a packet number of one byte.
fn seal(version: u32, number: u8, mut payload: Vec<u8>) -> Vec<u8> {
    let family = candidates(version).last().expect("one at least");
    let material = Material::client(family, DESTINATION).expect("keys");
    let first = 0xc0 | if packet_type_is_1(version) { 0x10 } else { 0 };
    let length = 0x4000 | (payload.len() + 1 + TAG) as u16;
    let mut bytes = vec![first];
    bytes.extend(version.to_be_bytes());
    bytes.push(DESTINATION.len() as u8);
    bytes.extend(DESTINATION);
    bytes.extend([0, 0]);
    bytes.extend(length.to_be_bytes());
    let number_offset = bytes.len();
    bytes.push(number);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &material.key).expect("a key"));
    let mut nonce = material.iv;
    nonce[11] ^= number;
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(&bytes), &mut payload)
        .expect("room");
    bytes.extend(payload);
    let header =
        header_protection::HeaderProtectionKey::new(&header_protection::AES_128, &material.header);
    let sample = &bytes[number_offset + 4..number_offset + 20];
    let mask = header
        .and_then(|header| header.new_mask(sample))
        .expect("a mask");
    bytes[0] ^= mask[0] & 0x0f;
    bytes[number_offset] ^= mask[1];
    bytes
}

/// Only version 2 numbers its packet types otherwise (RFC 9369 section 3.2).
fn packet_type_is_1(version: u32) -> bool {
    version == patchspan::protocols::quic::version::NUMBER_OF_VERSION_2
}
