//! The bytes of an address in base64 or base32 (RFC 4648), and nothing else in the token.
//!
//! ```text
//! wAACFA==   wAACFA   YAAAEFA=   IAENuAABAAAAAAAAAAC-7w
//! ```
//!
//! Six and seven digits are the length of words, so where no padding follows, what reads as one stays: `String` would be an address. The
//! bytes of a MAC address have eight digits and no padding, as has every word of eight letters, so nobody looks for them. Bytes of an
//! address among others are not found either: of any 4 bytes of nothing in particular some are an address.

use std::net::IpAddr;

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, BASE64URL_NOPAD, Encoding};

use super::Found;
use super::encoded::padding;
use super::ipv6::is_chance;
use crate::pseudonyms::Pseudonyms;

/// How the bytes of an address are written.
struct Token {
    encoding: Encoding,
    /// Upper case is as good as lower case.
    folds: bool,
    digits: usize,
    padding: usize,
}

static TOKENS: [Token; 6] = [
    Token::new(BASE64URL_NOPAD, false, 22, 2),
    Token::new(BASE64_NOPAD, false, 22, 2),
    Token::new(BASE32_NOPAD, true, 26, 6),
    Token::new(BASE64URL_NOPAD, false, 6, 2),
    Token::new(BASE64_NOPAD, false, 6, 2),
    Token::new(BASE32_NOPAD, true, 7, 1),
];

impl Pseudonyms {
    /// A token that is the bytes of an address.
    pub(super) fn raw(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        TOKENS.iter().find_map(|token| {
            let address = token.address(rest)?;
            let pseudonym = self.address(address);
            (pseudonym != address).then(|| token.found(pseudonym, rest))
        })
    }
}

impl Token {
    const fn new(encoding: Encoding, folds: bool, digits: usize, padding: usize) -> Self {
        Self {
            encoding,
            folds,
            digits,
            padding,
        }
    }

    fn address(&self, rest: &[u8]) -> Option<IpAddr> {
        let (digits, after) = rest.split_at_checked(self.digits)?;
        if after.first().is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        let mut bytes = [0; 16];
        let length = self.encoding.decode_len(digits.len()).ok()?;
        let out = bytes.get_mut(..length)?;
        if self.folds {
            let upper = digits.to_ascii_uppercase();
            self.encoding.decode_mut(&upper, out).ok()?;
        } else {
            self.encoding.decode_mut(digits, out).ok()?;
        }
        let address = match length {
            4 if padding(after).1 != self.padding && is_word(digits) => return None,
            4 => IpAddr::from(*bytes.first_chunk::<4>()?),
            _ => IpAddr::from(bytes),
        };
        let is_chance = matches!(address, IpAddr::V6(v6) if is_chance(v6));
        (!is_chance).then_some(address)
    }

    fn found(&self, address: IpAddr, rest: &[u8]) -> Found {
        let text = match address {
            IpAddr::V4(v4) => self.encoding.encode(&v4.octets()),
            IpAddr::V6(v6) => self.encoding.encode(&v6.octets()),
        };
        let mut before = rest.iter().take(self.digits);
        let is_lower = self.folds && before.any(u8::is_ascii_lowercase);
        Found {
            length: self.digits,
            text: if is_lower {
                text.to_ascii_lowercase()
            } else {
                text
            },
        }
    }
}

/// Neither a digit, nor a capital within a word.
fn is_word(token: &[u8]) -> bool {
    let has_digit = token.iter().any(u8::is_ascii_digit);
    let mut pairs = token.windows(2);
    let is_hump = |pair: &[u8]| matches!(pair, [b'a'..=b'z', b'A'..=b'Z']);
    !has_digit && !pairs.any(is_hump)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{text, v4, v6};
    use super::*;

    #[test]
    fn the_bytes_of_an_address_are_found_where_they_are_all_of_a_token() {
        let (v4, v6) = (v4().octets(), v6().octets());
        let four = BASE64_NOPAD.encode(&v4);
        let sixteen = BASE64_NOPAD.encode(&v6);
        let four32 = BASE32_NOPAD.encode(&v4);
        for (original, expected) in [
            ("wAACFA", four.clone()),
            ("/wAACFA/x", format!("/{four}/x")),
            ("?ip=wAACFA==&n=1", format!("?ip={four}==&n=1")),
            ("wAACFA%3D%3D", format!("{four}%3D%3D")),
            ("IAENuAABAAAAAAAAAAC+7w", sixteen.clone()),
            ("IAENuAABAAAAAAAAAAC+7w==", format!("{sixteen}==")),
            ("IAENuAABAAAAAAAAAAC-7w", BASE64URL_NOPAD.encode(&v6)),
            ("YAAAEFA=", format!("{four32}=")),
            ("yaaaefa=", format!("{}=", four32.to_lowercase())),
            ("EAAQ3OAAAEAAAAAAAAAAAAF654", BASE32_NOPAD.encode(&v6)),
        ] {
            assert_eq!(text(original), expected, "{original}");
        }
    }

    #[test]
    fn words_and_what_is_glued_to_more_stay() {
        // Without padding seven letters of base32 are a word.
        for same in ["YAAAEFA", "xwAACFA", "wAACFAx", "wAACFB==", "ywEBFA=="] {
            assert_eq!(text(same), same);
        }
        assert!(is_word(b"String") && is_word(b"nothing") && is_word(b"NOTHING"));
        assert!(!is_word(b"wAACFA") && !is_word(b"kb2234"));
        // Ten bits of a hash are those of link-local addresses.
        for (token, is_client) in [
            ("_oAAAAAAAAAAAAAAAAC-7w", true),
            ("_oAAAAAAAAEAAAAAAAC-7w", false),
        ] {
            assert_eq!(text(token) != token, is_client, "{token}");
        }
    }
}
