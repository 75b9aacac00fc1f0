//! ClientHello (RFC 8446 section 4.1.2), ServerHello, and QUIC Initials that can be opened (RFC 9001 section 5).

use fastrand::Rng;
use ring::aead::quic::{AES_128, HeaderProtectionKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;

/// A datagram with an Initial is at least so long (RFC 9000 section 14.1).
const INITIAL_BYTES: usize = 1_250;
/// Of QUIC version 1 (RFC 9001 section 5.2).
const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const TAG: usize = 16;

/// `bytes` behind its length in `width` bytes.
fn counted(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32).to_be_bytes();
    [&length[4 - width..], bytes].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &counted(2, content)].concat()
}

/// A handshake message of a client. `is_long`: with a post-quantum key share, so that it needs two packets. `source`: the
/// connection id that a QUIC client tells in its transport parameters.
pub(super) fn client_hello(name: &str, is_long: bool, source: Option<&[u8]>) -> Vec<u8> {
    let alpn: &[u8] = if source.is_some() {
        b"\x02h3"
    } else {
        b"\x02h2\x08http/1.1"
    };
    let share = vec![7; if is_long { 1_216 } else { 32 }];
    let group: u16 = if is_long { 0x11ec } else { 0x001d };
    let entry = [&group.to_be_bytes()[..], &counted(2, &share)].concat();
    let server_name = counted(2, &[&[0][..], &counted(2, name.as_bytes())].concat());
    let mut extensions = [
        extension(0, &server_name),
        extension(23, &[]),
        extension(10, &counted(2, &[0x11, 0xec, 0, 0x1d, 0, 0x17])),
        extension(16, &counted(2, alpn)),
        extension(13, &counted(2, &[4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1])),
        extension(51, &counted(2, &entry)),
        extension(45, &[1, 1]),
        extension(43, &counted(1, &[3, 4, 3, 3])),
        extension(0xfe0d, &[9; 186]),
    ]
    .concat();
    if let Some(source) = source {
        let parameters = [&[1, 2, 0x67, 0x10, 15][..], &counted(1, source)].concat();
        extensions.extend_from_slice(&extension(57, &parameters));
    }
    let suites = [
        0x1301_u16, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
    ];
    let suites: Vec<u8> = suites
        .iter()
        .flat_map(|suite| suite.to_be_bytes())
        .collect();
    let body = [
        &[3, 3][..],
        &[5; 32],
        &counted(1, &[6; 32]),
        &counted(2, &suites),
        &[1, 0],
        &counted(2, &extensions),
    ]
    .concat();
    [&[1][..], &counted(3, &body)].concat()
}

/// A handshake message of a server that speaks TLS 1.3.
pub(super) fn server_hello() -> Vec<u8> {
    let entry = [&[0, 0x1d][..], &counted(2, &[8; 32])].concat();
    let extensions = [extension(43, &[3, 4]), extension(51, &entry)].concat();
    let body = [
        &[3, 3][..],
        &[5; 32],
        &counted(1, &[6; 32]),
        &[0x13, 1, 0],
        &counted(2, &extensions),
    ]
    .concat();
    [&[2][..], &counted(3, &body)].concat()
}

/// A handshake message in a record of its own; the version of the record is what stacks send first.
pub(super) fn tls_record(version: u8, message: &[u8]) -> Vec<u8> {
    [&[22, 3, version][..], &counted(2, message)].concat()
}

/// The Initials of a client: one datagram, or two where the hello is long.
pub(super) fn initials(rng: &mut Rng, name: &str, is_long: bool) -> Vec<Vec<u8>> {
    let [destination, source]: [[u8; 8]; 2] =
        [rng.u64(..).to_be_bytes(), rng.u64(..).to_be_bytes()];
    let hello = client_hello(name, is_long, Some(&source));
    let keys = Keys::of(&destination);
    let mut offset = 0;
    hello
        .chunks(1_150)
        .zip(0..)
        .map(|(chunk, number)| {
            let frame = [&[6][..], &variable(offset), &variable(chunk.len()), chunk].concat();
            offset += chunk.len();
            keys.seal(&destination, &source, number, &frame)
        })
        .collect()
}

/// A variable-length integer of two bytes (RFC 9000 section 16).
fn variable(value: usize) -> [u8; 2] {
    (0x4000 | value as u16).to_be_bytes()
}

/// What a client protects its Initials with.
struct Keys {
    key: LessSafeKey,
    iv: [u8; 12],
    header: HeaderProtectionKey,
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label (RFC 8446 section 7.1) without context.
fn expand<const N: usize>(secret: &hkdf::Prk, label: &str) -> [u8; N] {
    let label = counted(1, format!("tls13 {label}").as_bytes());
    let info = [&(N as u16).to_be_bytes()[..], &label, &[0]];
    let mut bytes = [0; N];
    secret
        .expand(&info, Length(N))
        .unwrap()
        .fill(&mut bytes)
        .unwrap();
    bytes
}

impl Keys {
    fn of(destination: &[u8]) -> Self {
        let initial = hkdf::Salt::new(hkdf::HKDF_SHA256, &SALT).extract(destination);
        let client: [u8; 32] = expand(&initial, "client in");
        let client = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &client);
        let key: [u8; 16] = expand(&client, "quic key");
        let header: [u8; 16] = expand(&client, "quic hp");
        Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap()),
            iv: expand(&client, "quic iv"),
            header: HeaderProtectionKey::new(&AES_128, &header).unwrap(),
        }
    }

    /// A datagram with one Initial, padded.
    fn seal(&self, destination: &[u8], source: &[u8], number: u8, frame: &[u8]) -> Vec<u8> {
        let ids = [counted(1, destination), counted(1, source)].concat();
        let mut header = [&[0xc0, 0, 0, 0, 1][..], &ids, &[0]].concat();
        let content = INITIAL_BYTES - header.len() - 3;
        header.extend_from_slice(&variable(content + 1));
        header.push(number);
        let mut payload = frame.to_vec();
        payload.resize(content - TAG, 0);
        let mut nonce = self.iv;
        nonce[11] ^= number;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(&header), &mut payload)
            .unwrap();
        // The sample begins four bytes behind the packet number (RFC 9001 section 5.4.2).
        let mask = self.header.new_mask(&payload[3..19]).unwrap();
        header[0] ^= mask[0] & 0x0f;
        let last = header.len() - 1;
        header[last] ^= mask[1];
        [header, payload].concat()
    }
}
