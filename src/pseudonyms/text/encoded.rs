//! Texts within texts: base64, base32 (RFC 4648) and hexadecimal digits.
//!
//! ```text
//! MTkyLjAuMi4yMA==   GE4TELRQFYZC4MRQ   64SJ4BHG5OP2SCHG   3139322e302e322e3230
//! ```
//!
//! Nobody says where such a text begins: something may be glued to it, and the address may stand anywhere within. So every run of digits is
//! decoded from each place that makes other bytes of it, and what can be printed of these is rewritten. The time is that of the text's
//! length: each digit is decoded four times as base64, eight times as base32, twice as hexadecimal.
//!
//! Neither `+`, `/`, `-` nor `_` is taken for a digit of base64, because they stand between words. Addresses and names need none of them: of
//! ASCII only `>`, `?`, `~` and DEL do. A longer pseudonym moves what stands behind it, so that behind such a character the token may no
//! longer decode to what it was.

use data_encoding::{BASE32_NOPAD, BASE32HEX_NOPAD, BASE64URL_NOPAD, Encoding, HEXUPPER};

use super::is_name_byte;
use super::replaced::{Replaced, runs};
use crate::pseudonyms::Pseudonyms;
use crate::pseudonyms::names::Keep;

/// Fewest bytes of a text that is looked into; a name below a short domain has no more (`a.b.c`).
const LEAST: usize = 5;
/// How what fills up the last group may be written.
const PADDING: [&[u8]; 3] = [b"=", b"%3D", b"%3d"];
/// Longest padding: base32 of one byte.
const MAX_PADDING: usize = 6;

/// A way to write bytes as digits.
struct Base {
    encoding: Encoding,
    /// Digits that make whole bytes.
    group: usize,
    zero: u8,
    /// Upper case is as good as lower case.
    folds: bool,
    is_digit: fn(u8) -> bool,
}

static BASES: [Base; 4] = [
    Base {
        encoding: BASE64URL_NOPAD,
        group: 4,
        zero: b'A',
        folds: false,
        is_digit: |byte| byte.is_ascii_alphanumeric(),
    },
    Base {
        encoding: BASE32_NOPAD,
        group: 8,
        zero: b'A',
        folds: true,
        is_digit: |byte| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7'),
    },
    Base {
        encoding: BASE32HEX_NOPAD,
        group: 8,
        zero: b'0',
        folds: true,
        is_digit: |byte| byte.is_ascii_digit() || matches!(byte, b'A'..=b'V' | b'a'..=b'v'),
    },
    Base {
        encoding: HEXUPPER,
        group: 2,
        zero: b'0',
        folds: true,
        is_digit: |byte| byte.is_ascii_hexdigit(),
    },
];

impl Pseudonyms {
    /// `bytes` with other texts within; `None`: the same. Within those, so many layers are looked into.
    pub(super) fn encoded_in(
        &self,
        bytes: &[u8],
        keep: Keep<'_>,
        layers: usize,
    ) -> Option<Vec<u8>> {
        let mut text: Option<Vec<u8>> = None;
        for base in &BASES {
            let next = self.digits_in(text.as_deref().unwrap_or(bytes), base, keep, layers);
            text = next.or(text);
        }
        text
    }

    fn digits_in(
        &self,
        bytes: &[u8],
        base: &Base,
        keep: Keep<'_>,
        layers: usize,
    ) -> Option<Vec<u8>> {
        let mut replaced = Replaced::new(bytes);
        for run in runs(bytes, base.digits_of(LEAST), base.is_digit) {
            let Some(other) = self.other_digits(bytes.get(run.clone())?, base, keep, layers) else {
                continue;
            };
            // Digits and padding together stay so many whole groups, even if the token began before the run.
            let (padding, times) = padding(bytes.get(run.end..)?);
            let end = run.end + padding.len() * times;
            let missing = if times > 0 {
                (run.len() + times + other.len() * (base.group - 1)) % base.group
            } else {
                0
            };
            replaced.put(
                run.start..end,
                &[&other, &*padding.repeat(missing)].concat(),
            );
        }
        replaced.finish()
    }

    /// A run read from every digit that makes other bytes of it. A pseudonym moves what stands behind by whole bytes, so that all of it is
    /// still seen from one of the digits that follow.
    fn other_digits(
        &self,
        digits: &[u8],
        base: &Base,
        keep: Keep<'_>,
        layers: usize,
    ) -> Option<Vec<u8>> {
        let mut text: Option<Vec<u8>> = None;
        let mut decoded = base.decoded(digits)?;
        for start in 0..base.group {
            if !may_hold_text(&decoded, base.bits_of(start)) {
                continue;
            }
            let (before, rest) = text.as_deref().unwrap_or(digits).split_at_checked(start)?;
            if let Some(other) = self.recoded(rest, base, keep, layers) {
                let other = [before, &other].concat();
                decoded = base.decoded(&other)?;
                text = Some(other);
            }
        }
        text
    }

    fn recoded(
        &self,
        digits: &[u8],
        base: &Base,
        keep: Keep<'_>,
        layers: usize,
    ) -> Option<Vec<u8>> {
        let mut decoded = base.decoded(digits)?;
        // What follows the last whole byte is nothing, or, where the run ends within a text, a part of a byte.
        let bits = base.bits_of(digits.len());
        let is_whole = decoded.get(bits / 8) == Some(&0);
        decoded.truncate(if is_whole { bits / 8 } else { bits.div_ceil(8) });
        let other = self.printable_in(&decoded, keep, layers)?;
        Some(base.encoded(&other, digits))
    }

    fn printable_in(&self, bytes: &[u8], keep: Keep<'_>, layers: usize) -> Option<Vec<u8>> {
        let mut replaced = Replaced::new(bytes);
        for text in runs(bytes, LEAST, |byte| matches!(byte, b' '..=b'~')) {
            if let Some(other) = self.layered(bytes.get(text.clone())?, keep, layers) {
                replaced.put(text, &other);
            }
        }
        replaced.finish()
    }
}

impl Base {
    /// All that the digits say, and at least one bit more, so that the last whole byte is followed by another one.
    fn decoded(&self, digits: &[u8]) -> Option<Vec<u8>> {
        let length = (digits.len() + 1).next_multiple_of(self.group);
        let mut filled = Vec::with_capacity(length);
        filled.extend_from_slice(digits);
        if self.folds {
            filled.make_ascii_uppercase();
        }
        filled.resize(length, self.zero);
        self.encoding.decode(&filled).ok()
    }

    /// In the case of the digits before.
    fn encoded(&self, bytes: &[u8], before: &[u8]) -> Vec<u8> {
        let mut digits = self.encoding.encode(bytes).into_bytes();
        if self.folds && before.iter().any(u8::is_ascii_lowercase) {
            digits.make_ascii_lowercase();
        }
        digits
    }

    fn bits_of(&self, digits: usize) -> usize {
        digits * self.encoding.bit_width()
    }

    fn digits_of(&self, bytes: usize) -> usize {
        (bytes * 8).div_ceil(self.encoding.bit_width())
    }
}

/// Whether bytes of which addresses and names are made stand together, so many bits behind the first.
fn may_hold_text(bytes: &[u8], skipped: usize) -> bool {
    let bytes = bytes.get(skipped / 8..).unwrap_or_default();
    let mut together = 0;
    bytes.windows(2).any(|pair| {
        let [one, other] = pair else {
            return false;
        };
        let shifted = u16::from_be_bytes([*one, *other]) << (skipped % 8) >> 8;
        let is_text = IS_TEXT.get(usize::from(shifted)).is_some_and(|is| *is);
        together = if is_text { together + 1 } else { 0 };
        together >= LEAST
    })
}

/// What addresses, names and their escapes are made of.
static IS_TEXT: [bool; 256] = {
    let mut is_text = [false; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        is_text[byte as usize] = is_name_byte(byte) || matches!(byte, b':' | b',' | b'%' | b'\\');
        byte += 1;
    }
    is_text
};

/// What fills up a last group in front of `text`: its sign, and how often it stands there.
pub(super) fn padding(text: &[u8]) -> (&'static [u8], usize) {
    let signs = PADDING.into_iter();
    let counted = signs.map(|sign| {
        let pieces = text.chunks(sign.len()).take(MAX_PADDING);
        (sign, pieces.take_while(|piece| *piece == sign).count())
    });
    counted.max_by_key(|(_, times)| *times).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE32, BASE64, HEXLOWER};

    use super::super::tests::{text, v4};
    use super::*;

    #[test]
    fn an_address_is_found_in_a_text_within_the_text() {
        let plain = v4().to_string();
        let base64 = BASE64.encode(plain.as_bytes());
        let hex = HEXLOWER.encode(plain.as_bytes());
        let base32 = BASE32_NOPAD.encode(plain.as_bytes());
        let json = BASE64URL_NOPAD.encode(format!("{{\"ip\":\"{plain}\",\"n\":1}}").as_bytes());
        for (original, expected) in [
            ("?t=MTkyLjAuMi4yMA==&n=1", format!("?t={base64}&n=1")),
            ("MTkyLjAuMi4yMA%3D%3D", base64.replace('=', "%3D")),
            ("/MTkyLjAuMi4yMA/", format!("/{}/", base64.replace('=', ""))),
            (
                "eyJpcCI6IjE5Mi4wLjIuMjAiLCJuIjoxfQ.sig",
                format!("{json}.sig"),
            ),
            ("GE4TELRQFYZC4MRQ", base32.clone()),
            (
                "ge4telrqfyzc4mrq.example",
                format!("{}.example", base32.to_lowercase()),
            ),
            ("64SJ4BHG5OP2SCHG", BASE32HEX_NOPAD.encode(plain.as_bytes())),
            ("3139322e302e322e3230", hex.clone()),
            (
                "0x3139322E302E322E3230",
                format!("0x{}", hex.to_uppercase()),
            ),
            ("%4dTkyLjAuMi4yMA==", base64.clone()),
        ] {
            assert_eq!(text(original), expected, "{original}");
        }
        // Padding comes and goes with the length.
        let nine = BASE32.encode(text("192.0.2.2").as_bytes());
        assert_eq!(text("GE4TELRQFYZC4MQ="), nine);
    }

    #[test]
    fn an_address_is_found_wherever_it_stands_in_the_token() {
        let plain = v4().to_string();
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", " ", " x", " xy"] {
                let inner = |address: &str| format!("{before} {address}{after}");
                for glued in ["", "A", "AB", "ABC", "x-", "x/", "2B"] {
                    let token = |address: &str| {
                        format!(
                            "{glued}{}",
                            BASE64URL_NOPAD.encode(inner(address).as_bytes())
                        )
                    };
                    assert_eq!(text(&token("192.0.2.20")), token(&plain));
                }
                let hex = |address: &str| HEXLOWER.encode(inner(address).as_bytes());
                assert_eq!(text(&hex("192.0.2.20")), hex(&plain));
                for glued in ["", "A", "ABCDE", "7777777"] {
                    let token = |address: &str| {
                        format!("{glued}{}", BASE32_NOPAD.encode(inner(address).as_bytes()))
                    };
                    assert_eq!(text(&token("192.0.2.20")), token(&plain));
                }
            }
        }
        // Two tokens without anything between, of which the second begins within a byte of the first.
        let two = text("MTkyLjAuMi4yMCAMTkyLjAuMi4yMA");
        let digits = two.as_bytes();
        let open: Vec<Vec<u8>> = (0..4)
            .filter_map(|start| BASES[0].decoded(&digits[start..]))
            .collect();
        let open: Vec<_> = open
            .iter()
            .map(|text| String::from_utf8_lossy(text))
            .collect();
        assert!(
            !open.iter().any(|text| text.contains("192.0.2.20")),
            "{open:?}"
        );
        let times = open.iter().map(|text| text.matches(&plain).count());
        assert_eq!(times.sum::<usize>(), 2, "{open:?}");
    }

    #[test]
    fn layers_are_looked_through_up_to_three() {
        let twice = |address: &str| BASE64.encode(BASE64.encode(address.as_bytes()).as_bytes());
        let plain = v4().to_string();
        assert_eq!(text(&twice("192.0.2.20")), twice(&plain));
        let of_escapes = BASE64.encode(b"%31%39%32.0.2.20");
        assert_eq!(text(&of_escapes), BASE64.encode(plain.as_bytes()));
        let four = BASE64.encode(twice(&BASE64.encode(b"192.0.2.20")).as_bytes());
        assert_eq!(text(&four), four);
    }

    #[test]
    fn a_mac_address_and_a_name_are_found_as_well() {
        for (original, inner) in [
            ("MDI6MDA6NWU6MDA6NTM6MTc=", "02:00:5e:00:53:17"),
            (
                "cGMxLmNsaWVudHMuZXhhbXBsZS5lZHU=",
                "pc1.clients.example.edu",
            ),
        ] {
            assert_eq!(BASE64.encode(inner.as_bytes()), original);
            assert_eq!(text(original), BASE64.encode(text(inner).as_bytes()));
        }
    }

    #[test]
    fn the_bytes_of_no_text_are_kept() {
        // A part of a byte at the end, and bytes around that nobody can print.
        let inner = |address: &str| [&[0xff, 0, 0x9a][..], address.as_bytes(), &[0xc3]].concat();
        let token = |address: &str| BASE64.encode(&inner(address)).replace('=', "");
        let plain = v4().to_string();
        assert!(
            token("192.0.2.20")
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'/')
        );
        let other = text(&token("192.0.2.20"));
        assert_eq!(other, token(&plain));
        assert_eq!(
            text("MTkyLjAuMi4yMF").len(),
            text("MTkyLjAuMi4yMA").len() + 1
        );
    }
}
