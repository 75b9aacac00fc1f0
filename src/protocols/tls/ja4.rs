//! JA4, a fingerprint of a ClientHello.
//!
//! Source: FoxIO, JA4 technical details: transport, version, server name, counts and ALPN in clear, then truncated SHA-256 of the
//! sorted ciphers, and of the sorted extensions with the signature algorithms in their order. GREASE is left out.

use std::fmt;

use ring::digest;

use super::hello::{ALPN, SERVER_NAME, is_grease};
use crate::types::text::hex_digit;

/// What carries the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS over TCP.
    Tcp,
    /// TLS in QUIC.
    Quic,
}

/// Length of a fingerprint.
const LENGTH: usize = 36;
/// Length of each of the two hashes in it; of nothing it is zeros.
const HASH: usize = 12;

/// A JA4 fingerprint: 36 ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ja4([u8; LENGTH]);

/// What the fingerprint is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Inputs {
    /// The highest number offered, GREASE left out: that of a draft of TLS 1.3 is higher than its own, and has no digits.
    pub version: u16,
    pub ciphers: Vec<u16>,
    pub extensions: Vec<u16>,
    pub signature_algorithms: Vec<u16>,
    /// The first protocol offered.
    pub alpn: Vec<u8>,
}

/// The fingerprint of `inputs`.
pub(super) fn ja4(transport: Transport, inputs: &Inputs) -> Ja4 {
    let mut ciphers = without_grease(&inputs.ciphers);
    let mut extensions = without_grease(&inputs.extensions);
    let carrier = if transport == Transport::Quic {
        b'q'
    } else {
        b't'
    };
    let name = if extensions.contains(&SERVER_NAME) {
        b'd'
    } else {
        b'i'
    };
    let [a, b] = version_digits(inputs.version);
    let [c, d] = two_digits(ciphers.len());
    let [e, f] = two_digits(extensions.len());
    let [g, h] = alpn_ends(&inputs.alpn);
    ciphers.sort_unstable();
    extensions.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
    extensions.sort_unstable();
    let mut text = Vec::with_capacity(5 * (extensions.len() + inputs.signature_algorithms.len()));
    push_list(&mut text, ciphers.iter());
    let ciphers = truncated_hash(&text);
    text.clear();
    push_list(&mut text, extensions.iter());
    let is_told = |value: &&u16| !is_grease(**value);
    let mut algorithms = inputs
        .signature_algorithms
        .iter()
        .filter(is_told)
        .peekable();
    if algorithms.peek().is_some() {
        text.push(b'_');
        push_list(&mut text, algorithms);
    }
    let start = [carrier, a, b, name, c, d, e, f, g, h, b'_'];
    let whole = start.iter().chain(&ciphers).chain(b"_");
    let extensions = truncated_hash(&text);
    let mut bytes = [b'0'; LENGTH];
    for (place, byte) in bytes.iter_mut().zip(whole.chain(&extensions)) {
        *place = *byte;
    }
    Ja4(bytes)
}

impl Ja4 {
    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for Ja4 {
    fn default() -> Self {
        Self([b'0'; LENGTH])
    }
}

impl fmt::Debug for Ja4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn without_grease(values: &[u16]) -> Vec<u16> {
    values
        .iter()
        .copied()
        .filter(|value| !is_grease(*value))
        .collect()
}

/// Appends values in hexadecimal digits, with commas between them.
fn push_list<'v>(text: &mut Vec<u8>, values: impl Iterator<Item = &'v u16>) {
    let mut comma = false;
    for value in values {
        if comma {
            text.push(b',');
        }
        comma = true;
        let [upper, lower] = value.to_be_bytes();
        text.extend([upper >> 4, upper, lower >> 4, lower].map(hex_digit));
    }
}

/// The first half of a hash, in hexadecimal digits.
fn truncated_hash(text: &[u8]) -> [u8; HASH] {
    let mut digits = [b'0'; HASH];
    if text.is_empty() {
        return digits;
    }
    let hash = digest::digest(&digest::SHA256, text);
    let (pairs, _) = digits.as_chunks_mut();
    for ([upper, lower], byte) in pairs.iter_mut().zip(hash.as_ref()) {
        (*upper, *lower) = (hex_digit(byte >> 4), hex_digit(*byte));
    }
    digits
}

/// A count, 99 at most.
const fn two_digits(count: usize) -> [u8; 2] {
    let count = if count < 99 { count as u8 } else { 99 };
    [b'0' + count / 10, b'0' + count % 10]
}

const fn version_digits(version: u16) -> [u8; 2] {
    *match version {
        0x0304 => b"13",
        0x0303 => b"12",
        0x0302 => b"11",
        0x0301 => b"10",
        0x0300 => b"s3",
        0x0002 => b"s2",
        _ => b"00",
    }
}

/// First and last character; of their hex form where one of them is not alphanumeric.
const fn alpn_ends(alpn: &[u8]) -> [u8; 2] {
    let (Some(&first), Some(&last)) = (alpn.first(), alpn.last()) else {
        return [b'0'; 2];
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        [first, last]
    } else {
        [hex_digit(first >> 4), hex_digit(last)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the makers: Chrome over TCP, with GREASE added.
    fn example() -> Inputs {
        Inputs {
            version: 0x0304,
            ciphers: vec![
                0x5a5a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
                0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x3a3a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005,
                0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x4a4a,
            ],
            signature_algorithms: vec![
                0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
            ],
            alpn: b"h2".to_vec(),
        }
    }

    #[test]
    fn the_published_example_holds() {
        assert_eq!(
            ja4(Transport::Tcp, &example()).as_str(),
            "t13d1516h2_8daaf6152771_e5627efa2ab1"
        );
    }

    #[test]
    fn a_draft_has_no_digits() {
        let draft = Inputs {
            version: 0x7f1c,
            ..example()
        };
        assert!(
            ja4(Transport::Tcp, &draft)
                .as_str()
                .starts_with("t00d1516h2_")
        );
    }

    #[test]
    fn nothing_offered_hashes_to_zeros() {
        let inputs = Inputs {
            version: 0x0301,
            ..Inputs::default()
        };
        assert_eq!(
            ja4(Transport::Quic, &inputs).as_str(),
            "q10i000000_000000000000_000000000000"
        );
    }

    #[test]
    fn an_odd_protocol_name_is_told_in_hex() {
        assert_eq!(alpn_ends(b"\xab\xcd"), *b"ad");
        assert_eq!(alpn_ends(b"h"), *b"hh");
        assert_eq!(alpn_ends(b"0\xab"), *b"3b");
    }
}
