//! The hello of Google's QUIC before it took up TLS: a CHLO message in clear (versions up to Q046), or in CRYPTO frames (Q050).
//!
//! ```text
//! "CHLO" entries(2, little-endian) padding(2)  { tag(4) end(4, little-endian) } ...  values
//! ```
//!
//! Source: Google's QUIC Crypto document, section "Client hello".

use super::Hello;
use crate::protocols::tls::ClientHello;

/// Most entries of a hello.
const MAX_ENTRIES: u16 = 128;
/// How far into a datagram the hello may begin.
const MAX_START: usize = 128;

/// The hello in `datagram`, where it carries one of a Google version.
pub fn client_hello(datagram: &[u8]) -> Option<Hello> {
    let version = version(datagram)?;
    let start = memchr::memmem::find(datagram.get(..MAX_START.min(datagram.len()))?, b"CHLO")?;
    let client_hello = parse(datagram.get(start..)?)?;
    Some(Hello {
        version,
        client_hello,
    })
}

/// The hello that `message` begins with, as the CRYPTO frames of Q050 carry it. `None`: it is none, or not whole yet.
pub fn whole_hello(message: &[u8]) -> Option<ClientHello> {
    let entries = usize::from(u16::from_le_bytes(*message.get(4..)?.first_chunk()?));
    let last_end = message.get(entries.checked_mul(8)? + 4..)?.first_chunk()?;
    let length = 8 + entries * 8 + u32::from_le_bytes(*last_end) as usize;
    parse(message.get(..length)?)
}

fn parse(message: &[u8]) -> Option<ClientHello> {
    if !message.starts_with(b"CHLO") {
        return None;
    }
    let entries = u16::from_le_bytes(*message.get(4..)?.first_chunk()?);
    if entries > MAX_ENTRIES {
        return None;
    }
    let values = message.get(8 + usize::from(entries) * 8..)?;
    let sni = value(message, values, entries, b"SNI\0").filter(|name| !name.is_empty());
    Some(ClientHello {
        sni: sni.map(<[u8]>::to_vec),
        ..ClientHello::default()
    })
}

/// The version of a Google packet: behind a long header's first byte, or behind the public flags and connection id.
fn version(datagram: &[u8]) -> Option<u32> {
    let word = |offset: usize| datagram.get(offset..)?.first_chunk().copied();
    [1, 9]
        .into_iter()
        .filter_map(word)
        .find(|word| matches!(word, [b'Q', b'0', digit, _] if digit.is_ascii_digit()))
        .map(u32::from_be_bytes)
}

fn value<'a>(message: &[u8], values: &'a [u8], entries: u16, tag: &[u8; 4]) -> Option<&'a [u8]> {
    let mut start = 0;
    for entry in message
        .get(8..)?
        .as_chunks::<8>()
        .0
        .iter()
        .take(usize::from(entries))
    {
        let [a, b, c, d, end @ ..] = *entry;
        let end = u32::from_le_bytes(end) as usize;
        if [a, b, c, d] == *tag {
            return values.get(start..end);
        }
        start = end;
    }
    None
}
