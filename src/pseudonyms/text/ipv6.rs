//! IPv6 addresses: in groups, with dots at the end, nibble by nibble.

use std::net::{IpAddr, Ipv6Addr};

use super::{Found, separator};
use crate::pseudonyms::Pseudonyms;

/// Longest IPv6 address that is looked at, with what may be glued to it.
const MAX_RUN: usize = 64;

impl Pseudonyms {
    /// IPv6 whose last 32 bits are written as IPv4 is (RFC 4291 section 2.2).
    pub(super) fn mixed(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        if before.is_some_and(|byte| byte.is_ascii_hexdigit() || byte == b':') {
            return None;
        }
        let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let length = rest.iter().take(MAX_RUN).take_while(is_part).count();
        let text = std::str::from_utf8(rest.get(..length)?).ok()?;
        let text = text.trim_end_matches(['.', ':']);
        text.contains('.').then_some(())?;
        let address: Ipv6Addr = text.parse().ok()?;
        let pseudonym = self.address(address.into());
        (address.to_ipv4().is_none() && pseudonym != address).then(|| Found {
            length: text.len(),
            text: pseudonym.to_string(),
        })
    }

    /// IPv6 in groups, between colons, their escapes, hyphens, or underscores.
    pub(super) fn groups(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        let stands_between = |separator: u8| {
            let run = rest.iter().take(MAX_RUN);
            let run = run.take_while(|byte| byte.is_ascii_hexdigit() || **byte == separator);
            run.filter(|byte| **byte == separator).count() >= 2
        };
        let separators: &[&[u8]] = if stands_between(b'-') {
            &[b"-"]
        } else if stands_between(b'_') {
            &[b"_"]
        } else {
            &[b":", b"%3A", b"%3a"]
        };
        let last = separators.first()?.first()?;
        if before.is_some_and(|byte| byte.is_ascii_hexdigit() || byte == *last) {
            return None;
        }
        let run = Run::of(rest, separators)?;
        let (start, end, address) = run.candidates().find_map(|(start, end)| {
            let address: Ipv6Addr = run.text.get(start..end)?.parse().ok()?;
            let pseudonym = self.address(address.into());
            (pseudonym != IpAddr::V6(address)).then_some((start, end, pseudonym))
        })?;
        let kept = rest.get(..run.place(start)?)?;
        let address = match address {
            // Written by its groups, so that no dots come in.
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
                let [.., high, low] = v6.segments();
                format!("::ffff:{high:x}:{low:x}")
            }
            other => other.to_string(),
        };
        let separator = run.separator();
        Some(Found {
            length: run.place(end)?,
            text: String::from_utf8_lossy(kept).into_owned() + &address.replace(':', separator),
        })
    }

    /// The 32 nibbles of an IPv6 address, in either order, between dots.
    pub(super) fn nibbles(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        const LENGTH: usize = 63;
        let digits = rest.get(..LENGTH)?;
        let is_nibbles = digits.chunks(2).all(|pair| match pair {
            [digit, b'.'] | [digit] => digit.is_ascii_hexdigit(),
            _ => false,
        });
        let is_glued = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
        if !is_nibbles || is_glued(before.as_ref()) || is_glued(rest.get(LENGTH)) {
            return None;
        }
        let digits = digits.iter().step_by(2);
        let joined = |bits: u128, digit: &u8| {
            let digit = char::from(*digit).to_digit(16).unwrap_or_default();
            bits << 4 | u128::from(digit)
        };
        let pseudonym = |bits: u128| {
            let address = Ipv6Addr::from_bits(bits);
            match self.address(address.into()) {
                IpAddr::V6(v6) if v6 != address => Some(format!("{:032x}", v6.to_bits())),
                _ => None,
            }
        };
        let instead: String = pseudonym(digits.clone().rev().fold(0, joined))
            .map(|text| text.chars().rev().collect())
            .or_else(|| pseudonym(digits.fold(0, joined)))?;
        let nibbles: Vec<String> = instead.chars().map(String::from).collect();
        Some(Found {
            length: LENGTH,
            text: nibbles.join("."),
        })
    }
}

/// Hexadecimal digits with something between them, as they stand, and as IPv6 would have them.
struct Run {
    /// With colons.
    text: String,
    /// Where each character of `text` begins in the original; one more for the end.
    places: Vec<usize>,
    separator: &'static str,
}

impl Run {
    fn of(rest: &[u8], separators: &[&[u8]]) -> Option<Self> {
        let mut run = Self {
            text: String::new(),
            places: vec![0],
            separator: ":",
        };
        let (mut at, mut colons) = (0, 0);
        while let Some((first, _)) = rest.get(at..).and_then(<[u8]>::split_first) {
            if run.text.len() > MAX_RUN {
                return None;
            }
            let between = separator(rest.get(at..)?, separators);
            match between {
                Some(between) => {
                    run.text.push(':');
                    colons += 1;
                    at += between.len();
                    run.separator = match between {
                        b"-" => "-",
                        b"_" => "_",
                        b":" => ":",
                        _ => "%3A",
                    };
                }
                None if first.is_ascii_hexdigit() => {
                    run.text.push(char::from(*first));
                    at += 1;
                }
                None => break,
            }
            run.places.push(at);
        }
        (colons >= 2).then_some(run)
    }

    /// Where an address may be in it: something with a colon, such as a port, may be glued to either end.
    fn candidates(&self) -> impl Iterator<Item = (usize, usize)> {
        let (all, text) = (self.text.len(), self.text.as_str());
        let starts = [Some(0), text.find(':').map(|at| at + 1)];
        let ends = [Some(all), text.rfind(':')];
        let pairs = starts
            .into_iter()
            .flat_map(move |start| ends.map(|end| (start, end)));
        pairs.filter_map(|(start, end)| Some((start?, end?)))
    }

    fn place(&self, at: usize) -> Option<usize> {
        self.places.get(at).copied()
    }

    const fn separator(&self) -> &str {
        self.separator
    }
}

/// Whether 128 bits look like a link-local address by chance, as one hash of 1,024 does: behind the prefix stand 54 zeros (RFC 4291 section
/// 2.5.6).
pub(super) const fn is_chance(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local() && !matches!(address.segments(), [0xfe80, 0, 0, 0, ..])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{text, v4, v6};

    #[test]
    fn an_ipv6_address_is_found_in_every_notation() {
        let plain = v6().to_string();
        let hex = format!("{:032x}", v6().to_bits());
        let nibbles: Vec<String> = hex.chars().rev().map(String::from).collect();
        for (original, expected) in [
            (
                "http://[2001:db8:1::beef]:80/",
                format!("http://[{plain}]:80/"),
            ),
            ("2001:0DB8:0001:0000:0000:0000:0000:BEEF", plain.clone()),
            (
                "ip=2001%3Adb8%3A1%3A%3Abeef",
                format!("ip={}", plain.replace(':', "%3A")),
            ),
            (
                "h-2001-db8-1--beef.example",
                format!("h-{}.example", plain.replace(':', "-")),
            ),
            ("20010db800010000000000000000beef", hex.clone()),
            (
                "f.e.e.b.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example",
                format!("{}.bl.example", nibbles.join(".")),
            ),
            ("add:2001:db8:1::beef", format!("add:{plain}")),
            ("[2001:db8:1::0.0.190.239].", format!("[{plain}].")),
            (
                "h_2001_db8_1__beef.example",
                format!("h_{}.example", plain.replace(':', "_")),
            ),
        ] {
            assert_eq!(text(original), expected, "{original}");
        }
        let mapped = text("[::ffff:c000:214]");
        assert_eq!(
            mapped,
            format!(
                "[::ffff:{:x}:{:x}]",
                v4().to_bits() >> 16,
                v4().to_bits() & 0xffff
            )
        );
    }
}
