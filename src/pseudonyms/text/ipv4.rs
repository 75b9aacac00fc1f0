//! IPv4 addresses: four numbers.

use std::net::{IpAddr, Ipv4Addr};

use super::{Found, separator};
use crate::pseudonyms::Pseudonyms;

/// What may stand between the numbers of an IPv4 address.
const SEPARATORS: [&[u8]; 6] = [b".", b"-", b"_", b",", b"%2E", b"%2e"];

impl Pseudonyms {
    /// Four numbers, in either order.
    pub(super) fn quad(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        if before.is_some_and(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (first, mut at) = number(rest)?;
        let separator = separator(rest.get(at..)?, &SEPARATORS)?;
        let mut octets = [first, 0, 0, 0];
        for octet in octets.iter_mut().skip(1) {
            let after = rest.get(at..)?.strip_prefix(separator)?;
            let (next, length) = number(after)?;
            *octet = next;
            at += separator.len() + length;
        }
        let separator = std::str::from_utf8(separator).ok()?;
        let [a, b, c, d] = octets;
        let forward = self.instead(Ipv4Addr::from(octets));
        let backward = || self.instead(Ipv4Addr::new(d, c, b, a));
        let [a, b, c, d] = forward.map(|v4| v4.octets()).or_else(|| {
            let [a, b, c, d] = backward()?.octets();
            Some([d, c, b, a])
        })?;
        Some(Found {
            length: at,
            text: format!("{a}{separator}{b}{separator}{c}{separator}{d}"),
        })
    }

    pub(super) fn instead(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        match self.address(address.into()) {
            IpAddr::V4(v4) if v4 != address => Some(v4),
            _ => None,
        }
    }
}

/// A number up to 255, of one to three digits, and its length; further digits make it another one.
fn number(text: &[u8]) -> Option<(u8, usize)> {
    let length = text
        .iter()
        .take(4)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number: u16 = std::str::from_utf8(text.get(..length)?)
        .ok()?
        .parse()
        .ok()?;
    Some((u8::try_from(number).ok()?, length)).filter(|_| length <= 3)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{text, v4};

    #[test]
    fn an_ipv4_address_is_found_in_every_notation() {
        let (plain, [a, b, c, d]) = (v4().to_string(), v4().octets());
        for (original, expected) in [
            ("http://192.0.2.20/a", format!("http://{plain}/a")),
            ("?ip=192.0.2.20&n=1", format!("?ip={plain}&n=1")),
            ("192.000.002.020", plain.clone()),
            ("ip-192-0-2-20", format!("ip-{}", plain.replace('.', "-"))),
            ("host192_0_2_20", format!("host{}", plain.replace('.', "_"))),
            ("192%2E0%2e2%2E20", plain.clone()),
            ("?ip=%31%39%32.0.2.2%30", format!("?ip={plain}")),
            ("192%2E0%2E2%2E20", plain.replace('.', "%2E")),
            ("20.2.0.192", format!("{d}.{c}.{b}.{a}")),
            ("1.192.0.2.20", format!("1.{plain}")),
            ("::ffff:192.0.2.20", format!("::ffff:{plain}")),
            ("c0000214", format!("{:08x}", v4().to_bits())),
            ("0xC0000214", format!("0x{:08X}", v4().to_bits())),
            ("ip=3221226004;", format!("ip={};", v4().to_bits())),
            ("192.0.2.20,192.0.2.20", format!("{plain},{plain}")),
        ] {
            assert_eq!(text(original), expected, "{original}");
        }
    }
}
