//! Initial keys (RFC 9001 section 5.2) and the opening of a client's Initial packets (sections 5.3 and 5.4).

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};
use ring::hkdf;

use super::packet::{ConnectionId, Initial};
use super::version::Family;

const KEY: usize = 16;
const IV: usize = 12;
/// Where the sample for header protection begins, behind the packet number's offset.
const SAMPLE_OFFSET: usize = 4;
const SAMPLE: usize = 16;

/// What a client protects its Initial packets with.
pub struct InitialKeys {
    packet: LessSafeKey,
    header: quic::HeaderProtectionKey,
    iv: [u8; IV],
}

/// Key material as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Material {
    /// AEAD key.
    pub key: [u8; KEY],
    /// AEAD initialisation vector.
    pub iv: [u8; IV],
    /// Header protection key.
    pub header: [u8; KEY],
}

/// The length of an HKDF output, as ring wants it told.
#[derive(Clone, Copy, Debug)]
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Material {
    /// What the client derives from its first destination connection id.
    pub fn client(family: &Family, destination: &[u8]) -> Option<Self> {
        let initial = hkdf::Salt::new(hkdf::HKDF_SHA256, family.salt).extract(destination);
        let secret: [u8; 32] = expand_label(&initial, "client in")?;
        let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &secret);
        let labels = if family.is_version_2 {
            ["quicv2 key", "quicv2 iv", "quicv2 hp"]
        } else {
            ["quic key", "quic iv", "quic hp"]
        };
        let [key, iv, header] = labels;
        Some(Self {
            key: expand_label(&secret, key)?,
            iv: expand_label(&secret, iv)?,
            header: expand_label(&secret, header)?,
        })
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1).
fn expand_label<const N: usize>(secret: &hkdf::Prk, label: &str) -> Option<[u8; N]> {
    const PREFIX: &[u8] = b"tls13 ";
    let length = (N as u16).to_be_bytes();
    let label_length = [(PREFIX.len() + label.len()) as u8];
    let info: [&[u8]; 5] = [&length, &label_length, PREFIX, label.as_bytes(), &[0]];
    let mut output = [0; N];
    secret
        .expand(&info, Length(N))
        .ok()?
        .fill(&mut output)
        .ok()?;
    Some(output)
}

impl InitialKeys {
    /// The client's keys for `destination`.
    pub fn derive(family: &Family, destination: &ConnectionId) -> Option<Self> {
        let material = Material::client(family, destination.as_bytes())?;
        Some(Self {
            packet: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &material.key).ok()?),
            header: quic::HeaderProtectionKey::new(&quic::AES_128, &material.header).ok()?,
            iv: material.iv,
        })
    }

    /// The frames of `initial`; `None` where these are not its keys, or it was cut or changed.
    pub fn open(&self, initial: &Initial<'_>) -> Option<Vec<u8>> {
        let sample = initial
            .bytes
            .get(initial.number_offset + SAMPLE_OFFSET..)?
            .get(..SAMPLE)?;
        let mask = self.header.new_mask(sample).ok()?;
        let mut bytes = initial.bytes.to_vec();
        let first = bytes.first_mut()?;
        *first ^= mask[0] & 0x0f;
        let number_length = usize::from(*first & 3) + 1;
        let payload = initial.number_offset + number_length;
        let number = bytes.get_mut(initial.number_offset..payload)?;
        number
            .iter_mut()
            .zip(mask.iter().skip(1))
            .for_each(|(byte, mask)| *byte ^= mask);
        let nonce = self.nonce(number);
        let (header, rest) = bytes.split_at_mut_checked(payload)?;
        let opened = self
            .packet
            .open_in_place(nonce, Aad::from(&*header), rest)
            .ok()?
            .len();
        bytes.drain(..payload);
        bytes.truncate(opened);
        Some(bytes)
    }

    fn nonce(&self, number: &[u8]) -> Nonce {
        let mut nonce = self.iv;
        nonce
            .iter_mut()
            .rev()
            .zip(number.iter().rev())
            .for_each(|(slot, byte)| *slot ^= byte);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl std::fmt::Debug for InitialKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InitialKeys")
    }
}
