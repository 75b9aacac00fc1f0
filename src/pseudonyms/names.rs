//! Names: reverse lookups of clients' addresses, names of clients, names that hold an address.
//!
//! ```text
//! 20.2.0.192.in-addr.arpa         the reverse name of the pseudonym; so are zones of clients alone
//! pc1.clients.example.edu         p-<hash>.clients.example.edu, where the configuration names that domain
//! 192-0-2-20.dyn.example.net      the pseudonym in the same notation
//! ```
//!
//! The name that a reverse lookup of a client gives is the client's, whatever it is: outside of the domains named it becomes
//! `p-<hash>.invalid` (RFC 2606).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{NAME_HASH_BYTES, Pseudonyms};
use crate::types::text::push_label;

/// Whether a name, in lower-case presentation form, stays as it is although it lies in a domain of clients: servers of the house.
pub type Keep<'k> = &'k dyn Fn(&str) -> bool;

/// Longest label and name on the wire, without length bytes and root (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;

/// What became of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub labels: Vec<Vec<u8>>,
    /// It is the reverse name of a client, or of a zone of clients: what it leads to names them.
    pub is_reverse: bool,
}

/// A zone of reverse names.
struct Zone {
    /// Labels of the zone itself: `in-addr`, `arpa`.
    suffix: usize,
    /// Labels before it that say an address, from the left.
    digits: usize,
    prefix: IpNet,
}

impl Pseudonyms {
    /// What is written of a name given by its labels; `None`: the name itself.
    pub(super) fn name(&self, labels: &[&[u8]], keep: Keep<'_>) -> Option<Rewritten> {
        if labels.iter().any(|label| label.contains(&b'.')) {
            return self.name_of_dots(labels, keep);
        }
        if let Some(zone) = Zone::of(labels) {
            return self.reverse_name(labels, &zone);
        }
        let labels = self
            .name_in_domain(labels, keep)
            .or_else(|| self.name_with_text(labels, keep))?;
        Some(Rewritten {
            labels,
            is_reverse: false,
        })
    }

    /// A name with dots within labels: read as people would read it, and hidden as a whole.
    fn name_of_dots(&self, labels: &[&[u8]], keep: Keep<'_>) -> Option<Rewritten> {
        let text = labels.join(&b'.');
        let parts: Vec<&[u8]> = text.split(|byte| *byte == b'.').collect();
        let rewritten = self.name(&parts, keep)?;
        Some(Rewritten {
            labels: self.nowhere(labels),
            is_reverse: rewritten.is_reverse,
        })
    }

    /// What is written of a name to which a client's reverse name leads.
    pub(super) fn name_behind(&self, labels: &[&[u8]], keep: Keep<'_>) -> Vec<Vec<u8>> {
        let in_domain = self.name_in_domain(labels, keep);
        in_domain.unwrap_or_else(|| self.nowhere(labels))
    }

    /// A name of which nobody looked whose it is.
    pub(super) fn hidden_name(&self, labels: &[&[u8]]) -> Rewritten {
        Rewritten {
            labels: self.nowhere(labels),
            is_reverse: true,
        }
    }

    /// What is written of a host as a client names it: a name or an address, perhaps with a last dot, a port, or something odd around it.
    pub fn host(&self, host: &[u8], keep: Keep<'_>) -> Option<Vec<u8>> {
        let labels: Vec<&[u8]> = host.split(|byte| *byte == b'.').collect();
        let rewritten = self.name(&labels, keep)?;
        Some(rewritten.labels.join(&b'.'))
    }

    /// What stands for a client's name, whether or not it lies in a domain of theirs; `None`: that is no name.
    pub fn name_of_client(&self, name: &str) -> Option<String> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
        let is_name = labels
            .iter()
            .all(|label| !label.is_empty() && label.len() <= MAX_LABEL);
        let behind = is_name.then(|| self.name_behind(&labels, &|_| false))?;
        String::from_utf8(behind.join(&b'.')).ok()
    }

    fn reverse_name(&self, labels: &[&[u8]], zone: &Zone) -> Option<Rewritten> {
        let (before, suffix) = labels.split_at_checked(labels.len().checked_sub(zone.suffix)?)?;
        let (extra, digits) = before.split_at_checked(before.len().checked_sub(zone.digits)?)?;
        let is_clients = self
            .prefixes
            .iter()
            .any(|clients| clients.contains(&zone.prefix));
        let holds_clients = self
            .prefixes
            .iter()
            .any(|clients| zone.prefix.contains(clients));
        let hides = extra.iter().any(|label| !is_service(label));
        let is_rewritten = is_clients || (holds_clients && hides);
        if !is_rewritten {
            return None;
        }
        // What stands before the digits is a part of an address (RFC 2317), or a name.
        let mut rewritten: Vec<Vec<u8>> = extra.iter().map(|label| self.hidden(label)).collect();
        if is_clients {
            rewritten.extend(reversed(self.encrypt_prefix(zone.prefix)));
        } else {
            rewritten.extend(digits.iter().map(|label| label.to_vec()));
        }
        rewritten.extend(suffix.iter().map(|label| label.to_vec()));
        Some(Rewritten {
            labels: fitting(rewritten).unwrap_or_else(|| self.nowhere(labels)),
            is_reverse: true,
        })
    }

    /// A name below one of the domains: all that stands before the domain becomes one label, but for the names of services.
    pub(super) fn name_in_domain(&self, labels: &[&[u8]], keep: Keep<'_>) -> Option<Vec<Vec<u8>>> {
        let domain = self.domain_of(labels)?;
        let (before, domain) = labels.split_at_checked(labels.len() - domain)?;
        let services = services(before);
        let host = labels.get(services..)?;
        if services == before.len() || is_pseudonym(before) || keep(&presentation(host)) {
            return None;
        }
        let mut rewritten: Vec<Vec<u8>> = before
            .iter()
            .take(services)
            .map(|label| label.to_vec())
            .collect();
        rewritten.push(self.label(&host.join(&b'.')).into_bytes());
        rewritten.extend(domain.iter().map(|label| label.to_vec()));
        Some(fitting(rewritten).unwrap_or_else(|| self.nowhere(labels)))
    }

    /// How many labels the longest domain has in which the name lies.
    fn domain_of(&self, labels: &[&[u8]]) -> Option<usize> {
        let lengths = self.domains().iter().filter_map(|domain| {
            let of_domain = domain.as_str().as_bytes().split(|byte| *byte == b'.');
            let length = of_domain.clone().count();
            let tail = labels.get(labels.len().checked_sub(length)?..)?;
            let is_same = |(one, other): (&&[u8], &[u8])| one.eq_ignore_ascii_case(other);
            (length < labels.len() && tail.iter().zip(of_domain).all(is_same)).then_some(length)
        });
        lengths.max()
    }

    /// A name with an address in it, or with a name of a client: resolvers append domains to search in.
    fn name_with_text(&self, labels: &[&[u8]], keep: Keep<'_>) -> Option<Vec<Vec<u8>>> {
        let text = self.text(&labels.join(&b'.'), keep)?;
        let rewritten = text.split(|byte| *byte == b'.').map(<[u8]>::to_vec);
        Some(fitting(rewritten.collect()).unwrap_or_else(|| self.nowhere(labels)))
    }

    fn hidden(&self, label: &[u8]) -> Vec<u8> {
        if is_service(label) {
            label.to_vec()
        } else {
            self.label(label).into_bytes()
        }
    }

    /// A name that tells nothing of the original but whether two are the same.
    fn nowhere(&self, labels: &[&[u8]]) -> Vec<Vec<u8>> {
        vec![
            self.label(&labels.join(&b'.')).into_bytes(),
            b"invalid".to_vec(),
        ]
    }
}

impl Zone {
    fn of(labels: &[&[u8]]) -> Option<Self> {
        let [.., zone, top] = labels else {
            return None;
        };
        let is = |label: &[u8], word: &str| label.eq_ignore_ascii_case(word.as_bytes());
        let before = labels.iter().rev().skip(2);
        if is(top, "arpa") && is(zone, "in-addr") {
            let octets: Vec<u8> = before.take(4).map_while(|label| octet(label)).collect();
            return Self::new(&octets, 8, 32);
        }
        if is(zone, "ip6") && (is(top, "arpa") || is(top, "int")) {
            let nibbles: Vec<u8> = before.take(32).map_while(|label| nibble(label)).collect();
            return Self::new(&nibbles, 4, 128);
        }
        None
    }

    /// Of the first digits of an address, each of so many bits.
    fn new(digits: &[u8], bits: u8, all: u8) -> Option<Self> {
        let length = u8::try_from(digits.len()).ok()? * bits;
        let begin = digits
            .iter()
            .fold(0_u128, |begin, digit| begin << bits | u128::from(*digit));
        let address = begin
            .checked_shl(u32::from(all - length))
            .unwrap_or_default();
        let address = if all == 32 {
            IpAddr::from((address as u32).to_be_bytes())
        } else {
            IpAddr::from(address.to_be_bytes())
        };
        (length > 0).then_some(())?;
        Some(Self {
            suffix: 2,
            digits: digits.len(),
            prefix: IpNet::new(address, length).ok()?,
        })
    }
}

/// The labels of a zone, as many as its prefix has digits.
fn reversed(prefix: IpNet) -> Vec<Vec<u8>> {
    let length = usize::from(prefix.prefix_len());
    let digits: Vec<String> = match prefix.addr() {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            octets
                .iter()
                .take(length / 8)
                .map(ToString::to_string)
                .collect()
        }
        IpAddr::V6(v6) => {
            let nibbles = v6
                .octets()
                .into_iter()
                .flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles
                .take(length / 4)
                .map(|nibble| format!("{nibble:x}"))
                .collect()
        }
    };
    digits.into_iter().rev().map(String::into_bytes).collect()
}

/// The labels, where they make a name.
fn fitting(labels: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let all: usize = labels.iter().map(|label| label.len() + 1).sum();
    let fit = labels.iter().all(|label| label.len() <= MAX_LABEL);
    (fit && all <= MAX_NAME + 1).then_some(labels)
}

/// Names of services begin so (RFC 8552); they name no machine. More than one digit may be an address.
fn is_service(label: &[u8]) -> bool {
    let digits = label.iter().filter(|byte| byte.is_ascii_digit());
    label.first() == Some(&b'_') && digits.count() <= 1
}

/// What machines call themselves may begin like a service; only above one of these it is one.
const TRANSPORTS: [&[u8]; 4] = [b"_tcp", b"_udp", b"_sctp", b"_dccp"];

/// How many labels at the start name services, and no machine.
fn services(labels: &[&[u8]]) -> usize {
    let services = labels.iter().take_while(|label| is_service(label));
    let is_transport = |label: &&[u8]| {
        let mut transports = TRANSPORTS.iter();
        transports.any(|transport| label.eq_ignore_ascii_case(transport))
    };
    let transport = services
        .enumerate()
        .filter(|(_, label)| is_transport(label));
    transport.last().map_or(0, |(at, _)| at + 1)
}

/// Whether this is what [`Pseudonyms::label`] makes, so that what is kept over a restart is not hashed again. A machine that is called so
/// keeps its name.
fn is_pseudonym(before: &[&[u8]]) -> bool {
    let [label] = before else {
        return false;
    };
    let is_digit = |byte: &u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
    label
        .strip_prefix(b"p-")
        .is_some_and(|hash| hash.len() == NAME_HASH_BYTES * 8 / 5 && hash.iter().all(is_digit))
}

fn presentation(labels: &[&[u8]]) -> String {
    let mut text = String::new();
    for label in labels {
        if !text.is_empty() {
            text.push('.');
        }
        push_label(&mut text, &label.to_ascii_lowercase());
    }
    text
}

fn octet(label: &[u8]) -> Option<u8> {
    let is_number = (1..=3).contains(&label.len()) && label.iter().all(u8::is_ascii_digit);
    let number = label.iter().fold(0_u16, |number, digit| {
        number.wrapping_mul(10).wrapping_add(u16::from(digit & 15))
    });
    u8::try_from(number).ok().filter(|_| is_number)
}

fn nibble(label: &[u8]) -> Option<u8> {
    let [digit] = label else {
        return None;
    };
    char::from(*digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::super::tests::pseudonyms;
    use super::*;

    fn host(name: &str) -> String {
        let kept = |name: &str| name == "wsus.clients.example.edu";
        let rewritten = pseudonyms().host(name.as_bytes(), &kept);
        rewritten.map_or_else(|| name.to_owned(), |name| String::from_utf8(name).unwrap())
    }

    /// The reverse name of an address, as the textbooks have it.
    fn reverse(address: IpAddr) -> String {
        match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(v6) => {
                let digits = format!("{:032x}", v6.to_bits());
                let nibbles: Vec<String> = digits.chars().rev().map(String::from).collect();
                format!("{}.ip6.arpa", nibbles.join("."))
            }
        }
    }

    #[test]
    fn a_reverse_name_becomes_that_of_the_pseudonym() {
        for client in ["192.0.2.20", "10.21.3.4", "2001:db8:1:2::beef"] {
            let client: IpAddr = client.parse().unwrap();
            let expected = reverse(pseudonyms().address(client));
            assert_eq!(host(&reverse(client)), expected);
            let shouted = reverse(client).to_ascii_uppercase();
            assert!(host(&shouted).eq_ignore_ascii_case(&expected));
        }
        let other = "9.113.0.203.in-addr.arpa";
        assert_eq!(host(other), other);
    }

    #[test]
    fn a_zone_of_clients_is_rewritten_and_one_around_them_is_not() {
        let zone = |name: &str| reverse(pseudonyms().address(name.parse().unwrap()));
        let (_, of_pseudonym) = zone("192.0.2.0")
            .split_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert_eq!(host("2.0.192.in-addr.arpa"), of_pseudonym);
        let whole = zone("2001:db8:1::");
        assert_eq!(
            host("1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
            whole[whole.len() - 32..]
        );
        for around in [
            "0.192.in-addr.arpa",
            "192.in-addr.arpa",
            "in-addr.arpa",
            "8.b.d.0.1.0.0.2.ip6.arpa",
        ] {
            assert_eq!(host(around), around);
        }
    }

    #[test]
    fn what_stands_before_the_digits_is_hidden() {
        let classless = host("20.0/25.2.0.192.in-addr.arpa");
        assert!(
            classless.ends_with(".in-addr.arpa") && !classless.contains("0/25"),
            "{classless}"
        );
        assert!(!classless.starts_with("20."));
        let service = host("b._dns-sd._udp.0.2.0.192.in-addr.arpa");
        assert!(service.contains("._dns-sd._udp."), "{service}");
        // Only a part of 10.20.0.0/14 is clients'.
        let around = host("7.3/9.20.10.in-addr.arpa");
        assert!(
            !around.starts_with("7.") && around.ends_with(".in-addr.arpa"),
            "{around}"
        );
    }

    #[test]
    fn a_name_in_a_domain_of_clients_becomes_one_label() {
        let name = host("PC1.Lab.clients.example.edu");
        assert!(
            name.starts_with("p-") && name.ends_with(".clients.example.edu"),
            "{name}"
        );
        assert_eq!(name.split('.').count(), 4);
        assert_eq!(name, host("pc1.lab.clients.example.edu"));
        assert_ne!(name, host("pc2.lab.clients.example.edu"));
        assert_eq!(
            host("_ldap._tcp.pc1.lab.clients.example.edu"),
            format!("_ldap._tcp.{name}")
        );
    }

    #[test]
    fn what_was_hashed_once_stays() {
        let once = host("pc1.clients.example.edu");
        assert_eq!(host(&once), once);
        let longer = format!("pc1.{once}");
        assert_ne!(host(&longer), longer);
    }

    #[test]
    fn servers_domains_and_services_keep_their_names() {
        for kept in [
            "wsus.clients.example.edu",
            "WSUS.clients.example.edu",
            "clients.example.edu",
            "_ldap._tcp.clients.example.edu",
            "myclients.example.edu",
            "dl.example.net",
            "",
        ] {
            assert_eq!(host(kept), kept);
        }
    }

    #[test]
    fn a_last_dot_a_port_and_an_underscore_hide_nothing() {
        let name = host("pc1.clients.example.edu");
        for rest in [".", ":8080", ".:8080", "..", "\0", ".home.example.net"] {
            let given = format!("pc1.clients.example.edu{rest}");
            assert_eq!(host(&given), format!("{name}{rest}"));
        }
        assert_eq!(host("pc1.clients%2Eexample.edu"), name);
        let reverse = host("20.2.0.192.in-addr.arpa");
        assert_eq!(host("20.2.0.192.in-addr.arpa."), format!("{reverse}."));
        for given in [
            "_annas-laptop.clients.example.edu",
            "_192-0-2-20._tcp.clients.example.edu",
            "_192-0-2-20.2.0.192.in-addr.arpa",
        ] {
            let hidden = host(given);
            assert!(
                !hidden.contains("anna") && !hidden.contains("192-0"),
                "{hidden}"
            );
        }
    }

    #[test]
    fn dots_within_labels_hide_nothing() {
        let name = |labels: &[&[u8]]| pseudonyms().name(labels, &|_| false);
        let hides: [&[&[u8]]; 4] = [
            &[b"pc1.clients.example.edu"],
            &[b"pc1.clients", b"example", b"edu"],
            &[b"192.0", b"2", b"20", b"example", b"net"],
            &[b"20.2.0", b"192", b"in-addr", b"arpa"],
        ];
        for labels in hides {
            let rewritten = name(labels).unwrap();
            assert_eq!(rewritten.labels[1], b"invalid");
            assert_eq!(rewritten.is_reverse, labels.ends_with(&[b"arpa"]));
        }
        assert_eq!(name(&[b"a.b", b"example", b"net"]), None);
    }

    #[test]
    fn an_address_in_a_name_is_rewritten_in_its_notation() {
        let pseudonym = pseudonyms()
            .address("192.0.2.20".parse().unwrap())
            .to_string();
        let dashed = pseudonym.replace('.', "-");
        assert_eq!(
            host("192-0-2-20.dyn.example.net"),
            format!("{dashed}.dyn.example.net")
        );
        assert_eq!(
            host("ip192-0-2-20.example.net"),
            format!("ip{dashed}.example.net")
        );
        assert_eq!(
            host("192.0.2.20.nip.example"),
            format!("{pseudonym}.nip.example")
        );
        assert_eq!(host("192.0.2.20"), pseudonym);
        assert_eq!(
            host("203-0-113-9.dyn.example.net"),
            "203-0-113-9.dyn.example.net"
        );
    }

    #[test]
    fn a_name_that_would_grow_too_long_tells_nothing() {
        let long = format!("{}-192-0-2-1.example.net", "a".repeat(63 - 10));
        assert!(host(&long).ends_with(".invalid") || host(&long).len() <= long.len() + 6);
        let parts: Vec<String> = (0..40).map(|_| "192-0-2-1".to_owned()).collect();
        let rewritten = pseudonyms()
            .name(&[parts.join("-").as_bytes()], &|_| false)
            .unwrap();
        assert_eq!(rewritten.labels[1], b"invalid");
    }

    #[test]
    fn the_name_behind_a_reverse_name_is_hidden_wherever_it_lies() {
        let behind = |name: &str| {
            let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
            let rewritten = pseudonyms().name_behind(&labels, &|_| false);
            String::from_utf8(rewritten.join(&b'.')).unwrap()
        };
        assert!(behind("pc1.clients.example.edu").ends_with(".clients.example.edu"));
        assert!(behind("annas-laptop.example.org").ends_with(".invalid"));
    }
}
