//! Addresses of clients, MAC addresses and names of clients within any text: URLs, names that programs give themselves, TXT records.
//!
//! ```text
//! 192.0.2.20   192.000.002.020   192-0-2-20   192_0_2_20   192%2E0%2E2%2E20   20.2.0.192   c0000214   3221226004
//! 2001:db8::1  2001%3Adb8%3A%3A1  2001-db8--1  20010db8000000000000000000000001  1.0.0.0.[...].8.b.d.0.1.0.0.2
//! 02:00:5e:00:53:17   02-00-5e-00-53-17   0200.5e00.5317   02005e005317
//! ```
//!
//! * `ipv4`, `ipv6`, `mac`: numbers and what stands between them; `digits`: a single number
//! * `numbers`: IPv4 in octal and hexadecimal numbers, and in fewer than four
//! * `escapes`: letters and digits escaped as in URLs and JSON, also twice
//! * `encoded`: texts in base64, base32 and hexadecimal digits; `raw`: the bytes of an address in base64 and base32
//!
//! An address that is no client's stays; of MAC addresses nobody can tell, so all are hashed. Twelve digits without a letter are
//! taken for a time, and the end of a UUID for no MAC address. Each notation stays as it is, but what was escaped without need may come out
//! open.
//!
//! Not found: the bytes of a MAC address in base64 (eight letters, as a word has them); an address whose bytes stand among others before
//! they are encoded; more than three layers; base58, base85, UTF-16, digits with something between them that is no separator; whatever is
//! compressed, encrypted or cut into pieces.

mod digits;
mod encoded;
mod escapes;
mod ipv4;
mod ipv6;
mod mac;
mod numbers;
#[cfg(test)]
mod properties;
mod raw;
mod replaced;

use super::Pseudonyms;
use super::names::Keep;
use escapes::unescaped;
use replaced::Replaced;

/// What was found at a place: how long it is, and what is written instead.
struct Found {
    length: usize,
    text: String,
}

/// Layers of escapes, and of texts within texts, that are looked through.
const LAYERS: usize = 3;

impl Pseudonyms {
    /// What is written instead of `bytes`; `None`: the same.
    pub fn text(&self, bytes: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
        self.layered(bytes, keep, LAYERS)
    }

    /// Looks through so many layers.
    fn layered(&self, bytes: &[u8], keep: Keep<'_>, layers: usize) -> Option<Vec<u8>> {
        let Some(within) = layers.checked_sub(1) else {
            return self.as_it_stands(bytes, keep);
        };
        let decoded = self.encoded_in(bytes, keep, within);
        let plain = self
            .as_it_stands(decoded.as_deref().unwrap_or(bytes), keep)
            .or(decoded);
        let opened = |text| unescaped(text).and_then(|open| self.layered(&open, keep, within));
        let open = opened(bytes);
        let Some(plain) = plain else {
            return open;
        };
        if unescaped(&plain) == open {
            return Some(plain);
        }
        // Some of it stands there as it is, and some escaped.
        opened(&plain).or(Some(plain))
    }

    fn as_it_stands(&self, bytes: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
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
    fn addresses_in(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut replaced = Replaced::new(bytes);
        let mut at = 0;
        while at < bytes.len() {
            let (before, rest) = bytes.split_at_checked(at)?;
            let Some(found) = self.found(before, rest) else {
                at += 1;
                continue;
            };
            let end = at + found.length;
            replaced.put(at..end, found.text.as_bytes());
            at = end;
        }
        replaced.finish()
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
        let mut replaced = Replaced::new(bytes);
        // `start`: of the name that is looked at. Each byte is looked at once, however often the domain stands there.
        let (mut from, mut start, mut looked) = (1, 0, 0);
        while let Some(at) = find(bytes, domain, from) {
            from = at + domain.len();
            let new = bytes.get(looked..at)?;
            if let Some(outside) = new.iter().rposition(|byte| !is_name_byte(*byte)) {
                let outside = looked + outside;
                let length = escapes::length(bytes.get(outside..at)?).unwrap_or(1);
                start = outside + length;
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
            replaced.put(start..from, &new.join(&b'.'));
            start = from;
        }
        replaced.finish()
    }

    fn found(&self, before: &[u8], rest: &[u8]) -> Option<Found> {
        let (last, first) = (escapes::last(before), rest.first()?);
        if !first.is_ascii_hexdigit() && !matches!(first, b':' | b'-' | b'_' | b'%') {
            return self.raw(last, rest);
        }
        self.mac_in(last, rest)
            .or_else(|| self.quad(last, rest))
            .or_else(|| self.numbers(before, rest))
            .or_else(|| self.mixed(last, rest))
            .or_else(|| self.groups(last, rest))
            .or_else(|| self.digits(last, rest))
            .or_else(|| self.nibbles(last, rest))
            .or_else(|| self.raw(last, rest))
    }
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
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::super::tests::pseudonyms;

    pub(super) fn text(original: &str) -> String {
        let rewritten = pseudonyms().text(original.as_bytes(), &|_| false);
        rewritten.map_or_else(
            || original.to_owned(),
            |text| String::from_utf8(text).unwrap(),
        )
    }

    pub(super) fn v4() -> Ipv4Addr {
        match pseudonyms().address("192.0.2.20".parse().unwrap()) {
            IpAddr::V4(v4) => v4,
            IpAddr::V6(_) => panic!(),
        }
    }

    pub(super) fn v6() -> Ipv6Addr {
        match pseudonyms().address("2001:db8:1::beef".parse().unwrap()) {
            IpAddr::V6(v6) => v6,
            IpAddr::V4(_) => panic!(),
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
            "MjAzLjAuMTEzLjk=",
            "3230332e302e3131332e39",
            "feb19283745566778899aabbccddeeff",
            "%2531%2539",
            "::::::::",
            "",
        ] {
            assert_eq!(text(same), same);
        }
    }

    #[test]
    fn escapes_are_opened_layer_by_layer() {
        let plain = v4().to_string();
        for escaped in [
            "%31%39%32%2e0.2.20",
            "%2531%25392.0.2.20",
            "%25253192.0.2.20",
            "\\u003192.0.2.20",
            "\\u0031\\u0039\\u0032\\u002e0.2.20",
            "\\x3192.0.2.20",
            "%5Cu003192.0.2.20",
        ] {
            assert_eq!(text(escaped), plain, "{escaped}");
        }
        // What ends an escape is no part of what follows it.
        let client = pseudonyms().address("2001:db8:1::beef".parse().unwrap());
        for before in ["%3D", "%20", "%3d", "\\u003d", "\\x3d"] {
            for (address, expected) in [
                ("192.0.2.20", plain.clone()),
                ("2001:db8:1::beef", client.to_string()),
                ("c0000214", format!("{:08x}", v4().to_bits())),
            ] {
                let other = text(&format!("{before}{address}"));
                assert!(other.ends_with(&expected), "{before}{address}: {other}");
            }
            assert!(!text(&format!("{before}02:00:5e:00:53:17")).contains("53:17"));
            let name = text(&format!("{before}pc1.clients.example.edu"));
            assert!(name.ends_with(&text("pc1.clients.example.edu")), "{name}");
        }
        assert_eq!(text("%2520192.0.2.20"), format!("%20{plain}"));
        // One as it is and one escaped.
        assert_eq!(
            text("192.0.2.20;%3192.0.2.20;c0000214%41"),
            format!("{plain};{plain};{:08x}A", v4().to_bits())
        );
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
        let pieces = [
            ":",
            "1:",
            "1.",
            "f",
            "1-",
            "%3A",
            "192.0.2.20",
            "00:",
            "0x1.",
            "01.",
            "%25",
            "%2531",
        ];
        // What is a text in several bases, from several places, or layer upon layer.
        let encoded = [
            "VVVV",
            "3535",
            "33313333",
            "MTkyLjAuMi4yMA",
            "GE4TELRQFYZC4MRQ",
            "TVRreUxqQXVNaTR5TUNB",
            "Y2xpZW50cy5leGFtcGxlLmVkdS4",
            "wAACFA-",
        ];
        for piece in pieces.into_iter().chain(encoded).chain(names) {
            let long = piece.repeat(65_536 / piece.len());
            let _ = pseudonyms().text(long.as_bytes(), &kept);
        }
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }
}
