//! JA4, a fingerprint of a ClientHello.
//!
//! Source: FoxIO, JA4 technical details: transport, version, server name, counts and ALPN in clear, then truncated SHA-256 of the
//! sorted ciphers, and of the sorted extensions with the signature algorithms in their order. GREASE is left out.

use std::fmt;

use ring::digest;

use super::hello::{ALPN, SERVER_NAME, is_grease};

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
/// What stands for the hash of nothing.
const NO_HASH: &str = "000000000000";

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
    let signature_algorithms = without_grease(&inputs.signature_algorithms);
    let start = format!(
        "{}{}{}{:02}{:02}{}",
        if transport == Transport::Quic {
            'q'
        } else {
            't'
        },
        version_digits(inputs.version),
        if extensions.contains(&SERVER_NAME) {
            'd'
        } else {
            'i'
        },
        ciphers.len().min(99),
        extensions.len().min(99),
        alpn_ends(&inputs.alpn),
    );
    ciphers.sort_unstable();
    extensions.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
    extensions.sort_unstable();
    let mut listed = list(&extensions);
    if !signature_algorithms.is_empty() {
        listed = format!("{listed}_{}", list(&signature_algorithms));
    }
    let text = format!(
        "{start}_{}_{}",
        truncated_hash(&list(&ciphers)),
        truncated_hash(&listed)
    );
    let mut bytes = [b'0'; LENGTH];
    bytes
        .iter_mut()
        .zip(text.bytes())
        .for_each(|(slot, byte)| *slot = byte);
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

fn list(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len() * 5);
    for value in values {
        if !text.is_empty() {
            text.push(',');
        }
        value
            .to_be_bytes()
            .iter()
            .for_each(|byte| push_hex(&mut text, *byte));
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 0x0f] {
        text.extend(char::from_digit(digit.into(), 16));
    }
}

fn truncated_hash(text: &str) -> String {
    if text.is_empty() {
        return NO_HASH.to_owned();
    }
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut text = String::with_capacity(NO_HASH.len());
    let bytes = hash.as_ref().iter().take(NO_HASH.len() / 2);
    bytes.for_each(|byte| push_hex(&mut text, *byte));
    text
}

const fn version_digits(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character; of their hex form where one of them is not alphanumeric.
fn alpn_ends(alpn: &[u8]) -> String {
    let (Some(&first), Some(&last)) = (alpn.first(), alpn.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)].iter().collect();
    }
    let (first, last) = (format!("{first:02x}"), format!("{last:02x}"));
    first.chars().take(1).chain(last.chars().skip(1)).collect()
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
        assert_eq!(alpn_ends(b"\xab\xcd"), "ad");
        assert_eq!(alpn_ends(b"h"), "hh");
        assert_eq!(alpn_ends(b"0\xab"), "3b");
    }
}
