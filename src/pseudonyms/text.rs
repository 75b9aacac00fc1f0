//! Addresses of clients, MAC addresses and names of clients within any text: URLs, names that programs give themselves, TXT records.
//!
//! ```text
//! 192.0.2.20   192.000.002.020   192-0-2-20   192_0_2_20   192%2E0%2E2%2E20   20.2.0.192   c0000214   3221226004
//! 2001:db8::1  2001%3Adb8%3A%3A1  2001-db8--1  20010db8000000000000000000000001  1.0.0.0.[...].8.b.d.0.1.0.0.2
//! 02:00:5e:00:53:17   02-00-5e-00-53-17   0200.5e00.5317   02005e005317
//! ```
//!
//! An address that is no client's stays; of MAC addresses nobody can tell, so all are hashed. Twelve digits without a letter are
//! taken for a time, and the end of a UUID for no MAC address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Pseudonyms;
use super::names::Keep;

/// What may stand between the numbers of an IPv4 address.
const SEPARATORS: [&[u8]; 6] = [b".", b"-", b"_", b",", b"%2E", b"%2e"];
/// What may stand between the bytes of a MAC address.
const MAC_SEPARATORS: [&[u8]; 5] = [b":", b"-", b"_", b"%3A", b"%3a"];
/// Longest IPv6 address that is looked at, with what may be glued to it.
const MAX_RUN: usize = 64;

/// What was found at a place: how long it is, and what is written instead.
struct Found {
    length: usize,
    text: String,
}

impl Pseudonyms {
    /// What is written instead of `bytes`; `None`: the same.
    pub fn text(&self, bytes: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
        let plain = self.text_as_it_stands(bytes, keep);
        // Letters may be escaped that need not be (RFC 3986 section 2.3).
        let open = unescaped(bytes).and_then(|open| self.text_as_it_stands(&open, keep));
        let is_found_as_it_stands = plain.as_deref().and_then(unescaped) == open;
        open.filter(|_| !is_found_as_it_stands).or(plain)
    }

    fn text_as_it_stands(&self, bytes: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
        // A name may hold an address, so names go first.
        let named = self.names_in(bytes, keep);
        let text = self.addresses_in(named.as_deref().unwrap_or(bytes));
        text.or(named)
    }

    /// What is written instead of a URL: its user, where it names one, is hashed besides.
    pub fn url(&self, url: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
        let Some((start, end)) = user_of(url) else {
            return self.text(url, keep);
        };
        let (user, rest) = (url.get(start..end)?, url.get(end..)?);
        let rest = self.text(rest, keep).unwrap_or_else(|| rest.to_vec());
        Some([url.get(..start)?, self.label(user).as_bytes(), &rest].concat())
    }

    /// `bytes` with other addresses; `None`: the same.
    pub(super) fn addresses_in(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut rewritten = Vec::new();
        let (mut at, mut copied) = (0, 0);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let before = at
                .checked_sub(1)
                .and_then(|before| bytes.get(before))
                .copied();
            let Some(found) = self.found(before, rest) else {
                at += 1;
                continue;
            };
            rewritten.extend_from_slice(bytes.get(copied..at)?);
            rewritten.extend_from_slice(found.text.as_bytes());
            at += found.length;
            copied = at;
        }
        if copied == 0 {
            return None;
        }
        rewritten.extend_from_slice(bytes.get(copied..)?);
        Some(rewritten)
    }

    /// Names below the domains of clients, however far they reach to the left.
    fn names_in(&self, bytes: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
        let mut rewritten: Option<Vec<u8>> = None;
        for domain in self.domains() {
            let text = rewritten.as_deref().unwrap_or(bytes);
            let next = self.names_of(text, domain.as_str().as_bytes(), keep);
            rewritten = next.or(rewritten);
        }
        rewritten
    }

    fn names_of(&self, bytes: &[u8], domain: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
        let mut rewritten = Vec::new();
        // `start`: of the name that is looked at. Each byte is looked at once, however often the domain stands there.
        let (mut from, mut copied, mut start) = (1, 0, 0);
        let mut looked = 0;
        while let Some(at) = find(bytes, domain, from) {
            from = at + domain.len();
            let new = bytes.get(looked..at)?;
            if let Some(outside) = new.iter().rposition(|byte| !is_name_byte(*byte)) {
                start = looked + outside + 1;
            }
            looked = at;
            let is_below = bytes.get(at - 1) == Some(&b'.') && at - 1 > start;
            let goes_on = bytes
                .get(from)
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
            if !is_below || goes_on {
                continue;
            }
            let name = bytes.get(start..from)?.split(|byte| *byte == b'.');
            let Some(new) = self.name_in_domain(&name.collect::<Vec<_>>(), keep) else {
                start = from;
                continue;
            };
            rewritten.extend_from_slice(bytes.get(copied..start)?);
            rewritten.extend(new.join(&b'.'));
            (copied, start) = (from, from);
        }
        if copied == 0 {
            return None;
        }
        rewritten.extend_from_slice(bytes.get(copied..)?);
        Some(rewritten)
    }

    fn found(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        let first = rest.first()?;
        if !first.is_ascii_hexdigit() && !matches!(first, b':' | b'-' | b'_' | b'%') {
            return None;
        }
        self.mac_in(before, rest)
            .or_else(|| self.quad(before, rest))
            .or_else(|| self.mixed(before, rest))
            .or_else(|| self.groups(before, rest))
            .or_else(|| self.digits(before, rest))
            .or_else(|| self.nibbles(before, rest))
    }

    /// Four numbers, in either order.
    fn quad(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
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

    /// IPv6 whose last 32 bits are written as IPv4 is (RFC 4291 section 2.2).
    fn mixed(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
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
    fn groups(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
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

    /// An address as one number: decimal, or hexadecimal of 8 or 32 digits; or a MAC address of 12.
    fn digits(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        if before.is_some_and(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let hex = rest
            .iter()
            .take(33)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let text = std::str::from_utf8(rest.get(..hex)?).ok()?;
        let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
        let cased = |lower: String| {
            if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                lower.to_ascii_uppercase()
            } else {
                lower
            }
        };
        let found = |text: String| Some(Found { length: hex, text });
        let is_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            || rest.get(hex).is_some_and(u8::is_ascii_alphanumeric);
        match hex {
            12 if !is_decimal && !is_word => {
                let bits = u64::from_str_radix(text, 16).ok()?;
                let [_, _, mac @ ..] = bits.to_be_bytes();
                return found(cased(in_hex(&self.mac(mac), "")));
            }
            32 => {
                let address = Ipv6Addr::from_bits(u128::from_str_radix(text, 16).ok()?);
                let pseudonym = self.address(address.into());
                let IpAddr::V6(pseudonym) = pseudonym else {
                    return None;
                };
                return (pseudonym != address)
                    .then(|| found(cased(format!("{:032x}", pseudonym.to_bits()))))?;
            }
            8 => {
                let address = Ipv4Addr::from_bits(u32::from_str_radix(text, 16).ok()?);
                if let Some(pseudonym) = self.instead(address) {
                    return found(cased(format!("{:08x}", pseudonym.to_bits())));
                }
            }
            _ => {}
        }
        let number: u32 = Some(text).filter(|_| is_decimal)?.parse().ok()?;
        let pseudonym = self.instead(Ipv4Addr::from_bits(number))?;
        found(pseudonym.to_bits().to_string())
    }

    /// The 32 nibbles of an IPv6 address, in either order, between dots.
    fn nibbles(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
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

    /// Six bytes between colons, hyphens or underscores, or three times two between dots.
    fn mac_in(&self, before: Option<u8>, rest: &[u8]) -> Option<Found> {
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':') {
            return None;
        }
        let width = rest
            .iter()
            .take(5)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let separators: &[&[u8]] = match width {
            2 => &MAC_SEPARATORS,
            4 => &[b"."],
            _ => return None,
        };
        let separator = separator(rest.get(width..)?, separators)?;
        let (mut digits, mut at) = (String::with_capacity(12), 0);
        while digits.len() < 12 {
            let group = rest.get(at..at + width)?;
            group.iter().all(u8::is_ascii_hexdigit).then_some(())?;
            digits.push_str(std::str::from_utf8(group).ok()?);
            at += width;
            if digits.len() < 12 {
                rest.get(at..)?.strip_prefix(separator)?;
                at += separator.len();
            }
        }
        let after = rest.get(at..)?;
        let goes_on = after.first().is_some_and(u8::is_ascii_hexdigit)
            || after
                .strip_prefix(separator)
                .is_some_and(|after| after.first().is_some_and(u8::is_ascii_hexdigit));
        let is_dotted_number = width == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if goes_on || is_dotted_number {
            return None;
        }
        let [_, _, mac @ ..] = u64::from_str_radix(&digits, 16).ok()?.to_be_bytes();
        let hashed = in_hex(&self.mac(mac), "");
        let groups: Vec<&str> = (0..12)
            .step_by(width)
            .filter_map(|at| hashed.get(at..at + width))
            .collect();
        Some(Found {
            length: at,
            text: groups.join(std::str::from_utf8(separator).ok()?),
        })
    }

    fn instead(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        match self.address(address.into()) {
            IpAddr::V4(v4) if v4 != address => Some(v4),
            _ => None,
        }
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

fn separator<'s>(text: &[u8], separators: &[&'s [u8]]) -> Option<&'s [u8]> {
    separators
        .iter()
        .find(|separator| text.starts_with(separator))
        .copied()
}

fn in_hex(bytes: &[u8], between: &str) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(between)
}

/// Where `domain` stands in `bytes`, at `from` or behind.
fn find(bytes: &[u8], domain: &[u8], from: usize) -> Option<usize> {
    let windows = bytes.get(from..)?.windows(domain.len().max(1));
    let mut windows = windows.enumerate();
    let (at, _) = windows.find(|(_, window)| window.eq_ignore_ascii_case(domain))?;
    Some(from + at)
}

/// The text without escapes of letters, digits, and what stands between parts of names and addresses; `None`: there are none.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let escape = |rest: &[u8]| {
        let [b'%', high, low, ..] = rest else {
            return None;
        };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        (is_name_byte(byte) || byte == b':').then_some(byte)
    };
    let mut text = Vec::new();
    let mut has_escapes = false;
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let byte = escape(rest);
        has_escapes |= byte.is_some();
        text.push(byte.unwrap_or(*first));
        rest = byte.and_then(|_| rest.get(3..)).unwrap_or(after);
    }
    has_escapes.then_some(text)
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Where the user of an absolute URL stands (RFC 3986 section 3.2.1).
fn user_of(url: &[u8]) -> Option<(usize, usize)> {
    let start = find(url.get(..url.len().min(16))?, b"://", 0)? + 3;
    let authority = url.get(start..)?;
    let end = authority
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let authority = authority.get(..end.unwrap_or(authority.len()))?;
    let user = authority.iter().rposition(|byte| *byte == b'@')?;
    Some((start, start + user))
}

#[cfg(test)]
mod tests {
    use super::super::tests::pseudonyms;
    use super::*;

    fn text(original: &str) -> String {
        let rewritten = pseudonyms().text(original.as_bytes(), &|_| false);
        rewritten.map_or_else(
            || original.to_owned(),
            |text| String::from_utf8(text).unwrap(),
        )
    }

    fn v4() -> Ipv4Addr {
        match pseudonyms().address("192.0.2.20".parse().unwrap()) {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => panic!(),
        }
    }

    fn v6() -> Ipv6Addr {
        match pseudonyms().address("2001:db8:1::beef".parse().unwrap()) {
            IpAddr::V6(v6) => v6,
            IpAddr::V4(_) => panic!(),
        }
    }

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

    #[test]
    fn a_mac_address_is_hashed_in_its_notation() {
        let mac = pseudonyms().mac([2, 0, 0x5e, 0, 0x53, 0x17]);
        let plain = in_hex(&mac, "");
        for (original, expected) in [
            (
                "?mac=02:00:5e:00:53:17",
                format!("?mac={}", in_hex(&mac, ":")),
            ),
            ("02-00-5E-00-53-17", in_hex(&mac, "-")),
            ("02%3A00%3A5e%3A00%3A53%3A17", in_hex(&mac, "%3A")),
            (
                "0200.5e00.5317",
                format!("{}.{}.{}", &plain[..4], &plain[4..8], &plain[8..]),
            ),
            ("m=02005e005317&", format!("m={plain}&")),
            ("02005E005317", plain.to_uppercase()),
            ("02_00_5e_00_53_17", in_hex(&mac, "_")),
        ] {
            assert_eq!(text(original), expected, "{original}");
        }
    }

    #[test]
    fn what_is_no_client_s_stays() {
        for same in [
            "http://203.0.113.9/windows10.0-kb4343899-x64_5d4fb4b6.cab?P1=1534282200",
            "Windows-Update-Agent/10.0.10011.16384 Client-Protocol/1.40",
            "550e8400-e29b-41d4-a716-446655440000",
            "202611242301",
            "1.2.3.4.5.6.7.8.9",
            "a:b:c:d",
            "2026-11-24T23:01:02",
            "aa:bb:cc:dd:ee:ff:00:11:22:33",
            "192.0.2.256",
            "192.0.2",
            "::::::::",
            "",
        ] {
            assert_eq!(text(same), same);
        }
    }

    #[test]
    fn a_name_of_a_client_is_found_within_a_text() {
        let name = String::from_utf8(
            pseudonyms()
                .host(b"pc1.clients.example.edu", &|_| false)
                .unwrap(),
        )
        .unwrap();
        assert_eq!(
            text("/a?h=pc1.CLIENTS.example.edu&b=pc1.clients.example.edu:80"),
            format!("/a?h={}&b={name}:80", name.replace("clients", "CLIENTS"))
        );
        for escaped in [
            "/?h=pc1%2Eclients%2eexample.edu",
            "/?h=pc1%2eclients.example.edu",
            "/?h=%70c1.clients.ex%61mple.edu",
        ] {
            assert_eq!(text(escaped), format!("/?h={name}"));
        }
        for same in [
            "clients.example.edu",
            "/clients.example.edu",
            "pc1.clients.example.education",
            ".clients.example.edu",
        ] {
            assert_eq!(text(same), same);
        }
    }

    #[test]
    fn the_user_of_a_url_is_hashed() {
        let url = |url: &str| {
            String::from_utf8(
                pseudonyms()
                    .url(url.as_bytes(), &|_| false)
                    .unwrap_or(url.into()),
            )
            .unwrap()
        };
        let hashed = url("http://anna:secret@dl.example.net/a@b");
        assert!(
            hashed.starts_with("http://p-") && hashed.ends_with("@dl.example.net/a@b"),
            "{hashed}"
        );
        assert!(!hashed.contains("anna") && !hashed.contains("secret"));
        assert_eq!(url("/a?b=anna@c"), "/a?b=anna@c");
    }

    #[test]
    fn a_long_hostile_text_takes_no_longer_than_its_length() {
        let names = [
            "clients.example.edu0",
            "a.clients.example.edu0",
            "wsus.clients.example.edu.",
        ];
        let kept = |name: &str| name.starts_with("wsus.");
        let begun = std::time::Instant::now();
        for piece in [":", "1:", "1.", "f", "1-", "%3A", "192.0.2.20", "00:"]
            .into_iter()
            .chain(names)
        {
            let long = piece.repeat(65_536 / piece.len());
            let _ = pseudonyms().text(long.as_bytes(), &kept);
        }
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}
