//! QUIC against the RFCs' vectors and on Initials sealed here.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic as header_protection};

use super::keys::Material;
use super::*;
use crate::protocols::tls::tests::client_hello_body;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hello_message() -> Vec<u8> {
    let body = client_hello_body(b"dl.example.net");
    [&[1, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat()
}

fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let varint = |value: usize| (value as u16 | 0x4000).to_be_bytes();
    [&[6][..], &varint(offset), &varint(data.len()), data].concat()
}

/// Seals frames as a client's Initial to `destination`, with the keys of `key_id`.
fn seal(version: u32, destination: &[u8], key_id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let family = version::candidates(version)[0];
    let material = Material::client(&family, key_id).unwrap();
    let mut payload = frames.to_vec();
    payload.resize(payload.len().max(100), 0);
    let first = 0xc0 | if family.is_version_2 { 0x10 } else { 0 };
    let mut header = vec![first];
    header.extend(version.to_be_bytes());
    header.push(destination.len() as u8);
    header.extend(destination);
    header.extend([0, 0]);
    header.extend((0x4000 | (payload.len() + 17) as u16).to_be_bytes());
    let number_offset = header.len();
    header.push(number);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &material.key).unwrap());
    let mut nonce = material.iv;
    nonce[11] ^= number;
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(&header),
        &mut payload,
    )
    .unwrap();
    let mut packet = [header, payload].concat();
    let protection =
        header_protection::HeaderProtectionKey::new(&header_protection::AES_128, &material.header)
            .unwrap();
    let mask = protection
        .new_mask(&packet[number_offset + 4..number_offset + 20])
        .unwrap();
    packet[0] ^= mask[0] & 0x0f;
    packet[number_offset] ^= mask[1];
    packet
}

fn name(connection: &Connection) -> &[u8] {
    connection
        .hello()
        .unwrap()
        .client_hello
        .sni
        .as_deref()
        .unwrap()
}

#[test]
fn the_keys_of_rfc_9001_appendix_a_hold() {
    let material = Material::client(&version::candidates(1)[0], &hex("8394c8f03e515708")).unwrap();
    assert_eq!(
        material.key.to_vec(),
        hex("1f369613dd76d5467730efcbe3b1a22d")
    );
    assert_eq!(material.iv.to_vec(), hex("fa044b2f42a3fd3b46fb255c"));
    assert_eq!(
        material.header.to_vec(),
        hex("9f50449e04a0e810283a1e9933adedd2")
    );
}

#[test]
fn the_keys_of_rfc_9369_appendix_a_hold() {
    let material = Material::client(
        &version::candidates(0x6b33_43cf)[0],
        &hex("8394c8f03e515708"),
    )
    .unwrap();
    assert_eq!(
        material.key.to_vec(),
        hex("8b1a0bc121284290a29e0971b5cd045d")
    );
    assert_eq!(material.iv.to_vec(), hex("91f73e2351d8fa91660e909f"));
    assert_eq!(
        material.header.to_vec(),
        hex("45b95e15235d6f45a6b19cbcb0294ba9")
    );
}

#[test]
fn a_hello_is_read_in_every_version() {
    for version in [
        1,
        0x6b33_43cf,
        0xff00_001d,
        0xff00_001b,
        0xff00_0016,
        0x1a2a_3a4a,
    ] {
        let packet = seal(
            version,
            b"12345678",
            b"12345678",
            0,
            &crypto(0, &hello_message()),
        );
        assert!(probe(&packet));
        let mut connection = Connection::new();
        assert_eq!(
            connection.datagram(&packet),
            Progress::Hello,
            "version {version:x}"
        );
        assert_eq!(name(&connection), b"dl.example.net");
        assert_eq!(connection.hello().unwrap().version, version);
        assert!(
            connection
                .hello()
                .unwrap()
                .client_hello
                .ja4
                .as_str()
                .starts_with('q')
        );
    }
}

#[test]
fn pieces_come_in_any_order_over_datagrams_to_another_id() {
    let message = hello_message();
    let (first, rest) = message.split_at(70);
    let (second, third) = rest.split_at(60);
    let late = [
        &[1, 0, 0][..],
        &crypto(130, third),
        &[0; 30],
        &crypto(0, first),
    ]
    .concat();
    let early = crypto(70, second);
    let mut connection = Connection::new();
    let one = seal(1, b"first-id", b"first-id", 0, &late);
    assert_eq!(connection.datagram(&one), Progress::Nothing);
    assert_eq!(
        connection.datagram(&one),
        Progress::Nothing,
        "a copy changes nothing"
    );
    let two = seal(1, b"chosen", b"first-id", 1, &early);
    assert_eq!(connection.datagram(&two), Progress::Hello);
    assert_eq!(name(&connection), b"dl.example.net");
    assert_eq!(
        connection.datagram(&two),
        Progress::Nothing,
        "the hello is told once"
    );
}

#[test]
fn after_a_retry_the_new_id_gives_the_keys() {
    let mut connection = Connection::new();
    let message = hello_message();
    connection.datagram(&seal(
        1,
        b"original",
        b"original",
        0,
        &crypto(0, &message[..50]),
    ));
    assert_eq!(
        connection.datagram(&seal(1, b"retried!", b"retried!", 1, &crypto(0, &message))),
        Progress::Hello
    );
}

#[test]
fn coalesced_packets_are_all_looked_at() {
    let message = hello_message();
    let (first, second) = message.split_at(90);
    let datagram = [
        seal(1, b"12345678", b"12345678", 0, &crypto(0, first)),
        seal(1, b"12345678", b"12345678", 1, &crypto(90, second)),
    ]
    .concat();
    assert_eq!(Connection::new().datagram(&datagram), Progress::Hello);
}

#[test]
fn a_flood_of_initials_is_given_up() {
    let mut connection = Connection::new();
    let mut packet = seal(1, b"12345678", b"other-id", 0, &crypto(0, &hello_message()));
    let mut progress = Progress::Nothing;
    for round in 0..MAX_FAILURES {
        packet[6] = round;
        progress = connection.datagram(&packet);
    }
    assert_eq!(progress, Progress::Done);
    assert!(connection.derivations <= MAX_DERIVATIONS);
}

fn google_hello() -> Vec<u8> {
    let mut datagram = vec![0x0d];
    datagram.extend(b"12345678Q043\x01");
    datagram.extend([0; 16]);
    datagram.extend(b"CHLO\x02\x00\x00\x00PAD\0\x04\0\0\0SNI\0\x12\0\0\0....dl.example.net");
    datagram
}

#[test]
fn the_old_google_hello_is_read() {
    let datagram = google_hello();
    let mut connection = Connection::new();
    assert_eq!(connection.datagram(&datagram), Progress::Hello);
    assert_eq!(
        (name(&connection), connection.hello().unwrap().version),
        (&b"dl.example.net"[..], 0x5130_3433)
    );
}

/// A CRYPTO frame with the type that Google's versions give it.
fn google_crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let mut frame = crypto(offset, data);
    frame[0] = 8;
    frame
}

#[test]
fn hellos_in_frames_of_googles_versions_are_read() {
    let chlo = google_hello().split_off(30);
    assert!(chlo.starts_with(b"CHLO"));
    for (version, message) in [
        (0x5430_3530, hello_message()),
        (0x5430_3531, hello_message()),
        (0x5130_3530, chlo),
    ] {
        let (first, second) = message.split_at(20);
        let seal = |number, frame: &[u8]| seal(version, b"12345678", b"12345678", number, frame);
        let mut connection = Connection::new();
        let early = connection.datagram(&seal(1, &google_crypto(20, second)));
        assert_eq!(early, Progress::Nothing, "version {version:x}");
        let whole = connection.datagram(&seal(2, &google_crypto(0, first)));
        assert_eq!(whole, Progress::Hello, "version {version:x}");
        assert_eq!(name(&connection), b"dl.example.net");
    }
}

#[test]
fn every_prefix_and_every_changed_byte_is_harmless() {
    let sealed = seal(1, b"12345678", b"12345678", 0, &crypto(0, &hello_message()));
    for whole in [sealed, google_hello()] {
        for length in 0..whole.len() {
            Connection::new().datagram(&whole[..length]);
        }
        for at in 0..whole.len() {
            let byte = whole[at];
            for value in [
                0,
                1,
                0x3f,
                0x40,
                0x7f,
                0x80,
                0xc0,
                0xff,
                byte ^ 1,
                byte ^ 0x80,
            ] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = (probe(&changed), Connection::new().datagram(&changed));
            }
        }
    }
    let frames = [
        crypto(0, &hello_message()),
        vec![2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ]
    .concat();
    for at in 0..frames.len() {
        for value in 0..=255 {
            let mut changed = frames.clone();
            changed[at] = value;
            Crypto::default().take_in(&changed);
        }
    }
}
