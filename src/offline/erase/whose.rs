//! Which lines are a client's.
//!
//! A line is a client's where a string in it, as a whole, is
//!
//! ```text
//! 192.0.2.20   2001:db8::7   2001:0db8:0000:0000:0000:0000:0000:0007   ::ffff:192.0.2.20      its address in any notation
//! [2001:db8::7]   192.0.2.20:8080   fe80::1%eth0   192.0.2.20/32                              with what may stand around it
//! 64:ff9b::c000:214   2002:c000:214::1   2001:0:…                                             IPv6 that holds it (NAT64, 6to4, Teredo)
//! 20.2.0.192.in-addr.arpa   b._dns-sd._udp.20.2.0.192.in-addr.arpa                            its reverse name, or one below it
//! ```
//!
//! It does not matter in which field: source, destination, ends of a tunnel, `client`, an answer of DNS, a host of HTTP. So a line
//! of another client goes too where it tells of this one.
//!
//! A binding of an address to a MAC address is a line with the address. A host has several addresses: each has to be named.
//!
//! Blind spots: an address within a longer text (`/?ip=192.0.2.20`, `192-0-2-20.dyn.example.net`), and names, MAC addresses and ids of
//! a host list in lines without the address.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::pseudonyms::Fingerprint;

/// The longest text that is looked at: a reverse name with much before it.
const LONGEST: usize = 1_024;

/// Whose lines are meant.
#[derive(Clone, Debug)]
pub struct Whose {
    addresses: HashSet<IpAddr>,
    clients: Fingerprint,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A JSON object that tells of the client.
    OfClient,
    /// Any other JSON object.
    OfOthers,
    /// Something else.
    Unreadable,
}

impl Whose {
    /// Lines with any of these addresses. `clients`: the pseudonyms among them are by this key.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>, clients: Fingerprint) -> Self {
        let addresses = addresses.into_iter();
        Self {
            addresses: addresses.map(|address| address.to_canonical()).collect(),
            clients,
        }
    }

    /// The addresses that are looked for.
    pub fn addresses(&self) -> impl Iterator<Item = &IpAddr> {
        self.addresses.iter()
    }

    /// What clients with pseudonyms are called by.
    pub const fn clients(&self) -> Fingerprint {
        self.clients
    }

    /// Judges a line, with or without its line feed.
    pub fn judge(&self, line: &[u8]) -> Line {
        let mut is_found = false;
        let mut json = serde_json::Deserializer::from_slice(line);
        let search = Search {
            whose: self,
            is_found: &mut is_found,
            is_top: true,
        };
        let whole = search.deserialize(&mut json).and_then(|()| json.end());
        match (whole, is_found) {
            (Err(_), _) => Line::Unreadable,
            (Ok(()), true) => Line::OfClient,
            (Ok(()), false) => Line::OfOthers,
        }
    }

    /// Whether a string tells of the client.
    pub fn is_told_by(&self, text: &str) -> bool {
        if text.len() > LONGEST {
            return false;
        }
        let found = address(text).or_else(|| reverse(text));
        found.is_some_and(|found| self.has(found))
    }

    fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_within =
            |address| within(address).is_some_and(|v4| self.addresses.contains(&v4.into()));
        self.addresses.contains(&address) || matches!(address, IpAddr::V6(v6) if is_within(v6))
    }
}

/// The address that a text is.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let text = bare.unwrap_or(text);
    let begin = text.split(['%', '/']).next()?;
    let is_alone = |length: &str, address: IpAddr| match address {
        IpAddr::V4(_) => length == "32",
        IpAddr::V6(_) => length == "128",
    };
    let parsed = begin.parse::<IpAddr>().ok();
    let parsed = parsed.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    match text.split_once('/') {
        Some((_, length)) => is_alone(length, parsed).then_some(parsed),
        None => Some(parsed),
    }
}

/// The address whose reverse name a text is, or lies below (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse(text: &str) -> Option<IpAddr> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if let Some(before) = before_zone(text, ".in-addr.arpa") {
        let mut octets = [0_u8; 4];
        let mut labels = before.rsplit('.');
        for octet in &mut octets {
            let label = labels.next()?;
            let is_number = label.bytes().all(|byte| byte.is_ascii_digit());
            *octet = label.parse().ok().filter(|_| is_number)?;
        }
        return Some(octets.into());
    }
    let before = before_zone(text, ".ip6.arpa").or_else(|| before_zone(text, ".ip6.int"))?;
    let mut bits = 0_u128;
    let mut labels = before.rsplit('.');
    for _ in 0..32 {
        let mut label = labels.next()?.chars();
        let (Some(digit), None) = (label.next(), label.next()) else {
            return None;
        };
        bits = bits << 4 | u128::from(digit.to_digit(16)?);
    }
    Some(Ipv6Addr::from_bits(bits).into())
}

/// What stands before the end of a name, whatever its case.
fn before_zone<'t>(name: &'t str, zone: &str) -> Option<&'t str> {
    let at = name.len().checked_sub(zone.len())?;
    let (before, end) = name.split_at_checked(at)?;
    end.eq_ignore_ascii_case(zone).then_some(before)
}

/// The IPv4 address of a machine that an IPv6 address holds.
const fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    match address.segments() {
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(Ipv4Addr::from_bits(bits as u32)),
        // 6to4 (RFC 3056).
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        // Teredo: the client stands behind an exclusive or (RFC 4380 section 4).
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!(bits as u32))),
        _ => None,
    }
}

/// Goes over all strings of a value.
struct Search<'s> {
    whose: &'s Whose,
    is_found: &'s mut bool,
    is_top: bool,
}

impl Search<'_> {
    const fn within(&mut self) -> Search<'_> {
        Search {
            whose: self.whose,
            is_found: self.is_found,
            is_top: false,
        }
    }

    fn simple<E: serde::de::Error>(self) -> Result<(), E> {
        if self.is_top {
            return Err(E::custom("no object"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        *self.is_found |= !*self.is_found && self.whose.is_told_by(text);
        self.simple()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.simple()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.simple()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.simple()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.simple()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.simple()
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        if self.is_top {
            return Err(A::Error::custom("no object"));
        }
        while list.next_element_seed(self.within())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(self.within())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(addresses: &[&str]) -> Whose {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        Whose::new(addresses, Fingerprint::NONE)
    }

    #[test]
    fn an_address_is_known_in_every_notation() {
        let v4 = whose(&["192.0.2.20"]);
        for text in [
            "192.0.2.20",
            "::ffff:192.0.2.20",
            "0000:0000:0000:0000:0000:ffff:c000:0214",
            "192.0.2.20:8080",
            "192.0.2.20/32",
            "64:ff9b::192.0.2.20",
            "2002:c000:214:1::9",
            "2001:0:cb00:7101:0:1234:3fff:fdeb",
            "20.2.0.192.in-addr.arpa",
            "20.2.0.192.IN-ADDR.ARPA.",
            "b._dns-sd._udp.20.2.0.192.in-addr.arpa",
        ] {
            assert!(v4.is_told_by(text), "{text}");
        }
        let v6 = whose(&["2001:db8::7"]);
        let reverse = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
        for text in [
            "2001:db8::7",
            "2001:0DB8:0000:0000:0000:0000:0000:0007",
            "2001:db8::7%eth0",
            "[2001:db8::7]",
            "[2001:db8::7]:443",
            "2001:db8::7/128",
            &format!("{reverse}.ip6.arpa"),
            &format!("{}.IP6.INT", reverse.to_uppercase()),
        ] {
            assert!(v6.is_told_by(text), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_somebody_else() {
        let whose = whose(&["192.0.2.2", "2001:db8::7"]);
        for text in [
            "",
            "192.0.2.20",
            "192.0.2.200",
            "92.0.2.2",
            "192.0.2",
            "192.0.2.2.",
            "x192.0.2.2",
            "192.0.2.2 192.0.2.3",
            "192.0.2.0/24",
            "192.0.2.2/24",
            "192.0.2.2:",
            "12.2.0.192.in-addr.arpa",
            "2.0.192.in-addr.arpa",
            "2.+2.0.192.in-addr.arpa",
            "2.2.0.192.in-addr.arpa.example",
            "20.2.0.192.in-addr.arpa",
            "2001:db8::70",
            "2001:db8:7::",
            "2001:db8::7:0",
            "64:ff9b::192.0.2.20",
            "7.0.8.b.d.0.1.0.0.2.ip6.arpa",
            "in-addr.arpa",
            ".ip6.arpa",
        ] {
            assert!(!whose.is_told_by(text), "{text}");
        }
    }

    #[test]
    fn a_line_is_the_client_s_wherever_its_address_stands() {
        let whose = whose(&["192.0.2.2"]);
        for line in [
            r#"{"src_ip":"192.0.2.2"}"#,
            r#" {"a":{"b":[1,true,null,-1.5,{"c":["x","192.0.2.2"]}]}} "#,
            r#"{"a":"192\u002e0.2.2"}"#,
            r#"{"a":"192.0.2.2","a":"twice"}"#,
        ] {
            assert_eq!(whose.judge(line.as_bytes()), Line::OfClient, "{line}");
        }
        for line in ["{}", r#"{"192.0.2.2":1}"#, r#"{"a":"192.0.2.20"}"#] {
            assert_eq!(whose.judge(line.as_bytes()), Line::OfOthers, "{line}");
        }
    }

    #[test]
    fn what_is_no_object_or_not_whole_is_no_record() {
        let whose = whose(&["192.0.2.2"]);
        let deep = "{\"a\":".repeat(5_000);
        for line in [
            &b"\"192.0.2.2\""[..],
            b"[\"192.0.2.2\"]",
            b"1",
            b"null",
            b"192.0.2.2",
            b"{\"a\":\"192.0.2.2\"",
            b"{\"a\":\"192.0.2.2\"}{}",
            b"{\"a\":\"192.0.2.2\",\"b\":\"\xff\"}",
            b"\0\0\0",
            deep.as_bytes(),
        ] {
            assert_eq!(whose.judge(line), Line::Unreadable);
        }
    }
}
