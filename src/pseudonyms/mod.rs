//! Pseudonyms of clients: what stands for their addresses, MAC addresses and names wherever something is written.
//!
//! An address becomes another one by ipcrypt-pfx (draft-denis-ipcrypt), which keeps prefixes: two addresses that share their first n
//! bits, and no more, have pseudonyms that share their first n bits, and no more. Who has the key can turn it around. MAC addresses
//! and names become keyed hashes (HMAC-SHA256), which nobody can turn around. All keys are derived from one (HKDF, RFC 5869).
//!
//! * this file: the keys, which addresses are clients', addresses and prefixes there and back
//! * [`rewriter`]: a worker's part: packets, with what was worked out before
//! * [`names`]: names: reverse lookups, names of clients, names with addresses in them
//! * [`text`]: addresses and MAC addresses within any text, and within texts that it encodes
//! * [`dns`]: DNS messages
//!
//! Blind spots: an address that a text holds encrypted, compressed or in words is not found, nor one in an encoding of which [`text`] does not
//! know. A server elsewhere may have the address that is a client's pseudonym.

pub mod dns;
pub mod names;
pub mod rewriter;
pub mod text;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipcrypt_rs::IpcryptPfx;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ring::{hkdf, hmac};

use crate::types::{Fqdn, Networks};

pub use rewriter::Rewriter;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a hash that stand in a name: 80 bits, 16 letters.
const NAME_HASH_BYTES: usize = 10;
/// Every machine has such addresses, and many hold its MAC address (RFC 3927, RFC 4291 section 2.5.6).
const LINK_LOCAL: [&str; 2] = ["169.254.0.0/16", "fe80::/10"];
/// Where nobody's address may come to lie: readers would take it for no machine's.
const NOBODY: [&str; 3] = ["0.0.0.0/8", "127.0.0.0/8", "::/64"];

/// The secret that pseudonyms are made with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

/// Which clients there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Their addresses.
    pub networks: Networks,
    /// Domains whose names are theirs.
    pub domains: Vec<Fqdn>,
}

/// Tells whether two runs call clients by the same addresses and names. It says nothing of the key to whoever lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// Clients have their own addresses.
    pub const NONE: Self = Self([0; 16]);
}

/// Why no pseudonyms can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PseudonymError {
    /// The text is no key.
    #[error("a key is 64 hexadecimal digits, as `openssl rand -hex 32` prints them")]
    NoKey,
    /// A pseudonym could be the address of a client.
    #[error(
        "with this key pseudonyms of {client} are addresses of {other}: make another key (`openssl rand -hex 32`), or name smaller networks"
    )]
    Overlap {
        /// A prefix of clients.
        client: IpNet,
        /// What its pseudonyms lie in, or the other way round.
        other: IpNet,
    },
}

/// Makes pseudonyms.
pub struct Pseudonyms {
    clients: Clients,
    /// With those that every machine has.
    addresses: Networks,
    prefixes: Vec<IpNet>,
    cipher: IpcryptPfx,
    macs: hmac::Key,
    names: hmac::Key,
    fingerprint: Fingerprint,
}

impl Key {
    /// 64 hexadecimal digits, and nothing else but space around them.
    pub fn parse(text: &str) -> Result<Self, PseudonymError> {
        let digits = text.trim_ascii().as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != KEY_BYTES || !rest.is_empty() {
            return Err(PseudonymError::NoKey);
        }
        let mut key = [0; KEY_BYTES];
        for (byte, [high, low]) in key.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                return Err(PseudonymError::NoKey);
            };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(key))
    }

    /// A key for one use alone.
    fn derive(&self, salt: &hkdf::Salt, purpose: &'static str) -> Option<[u8; KEY_BYTES]> {
        let mut derived = [0; KEY_BYTES];
        let purpose = [purpose.as_bytes()];
        let pseudorandom = salt.extract(&self.0);
        let output = pseudorandom.expand(&purpose, hkdf::HKDF_SHA256).ok()?;
        output.fill(&mut derived).ok()?;
        Some(derived)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// Those of `clients`. Link-local addresses are always clients'.
    ///
    /// Errors: a pseudonym would be another client's address, or no machine's.
    pub fn new(key: &Key, clients: Clients) -> Result<Self, PseudonymError> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"patchspan pseudonyms 1");
        let derive = |purpose| key.derive(&salt, purpose).ok_or(PseudonymError::NoKey);
        let (addresses, macs, names) = (derive("addresses")?, derive("macs")?, derive("names")?);
        let fingerprint = fingerprint(derive("fingerprint")?, &clients);
        // ipcrypt-pfx takes no key of two equal halves, which would encrypt nothing; HKDF gives one in 2^128.
        let (first, second) = addresses.split_at(KEY_BYTES / 2);
        if first == second {
            return Err(PseudonymError::NoKey);
        }
        let link_local = LINK_LOCAL.iter().filter_map(|prefix| prefix.parse().ok());
        let prefixes = clients.networks.prefixes().into_iter().chain(link_local);
        let networks: Networks = prefixes.collect();
        let pseudonyms = Self {
            prefixes: networks.prefixes(),
            addresses: networks,
            clients,
            cipher: IpcryptPfx::new(addresses),
            macs: hmac::Key::new(hmac::HMAC_SHA256, &macs),
            names: hmac::Key::new(hmac::HMAC_SHA256, &names),
            fingerprint,
        };
        pseudonyms.check()?;
        Ok(pseudonyms)
    }

    /// The pseudonym of `address`, where it is a client's; else the address itself.
    ///
    /// Addresses that hold a client's are rewritten within: IPv4 in IPv6 (mapped, NAT64, 6to4, Teredo, ISATAP), and the groups to which
    /// neighbours are asked for (RFC 4291 section 2.7.1), which hold the last 24 bits of an address.
    pub fn address(&self, address: IpAddr) -> IpAddr {
        if self.is_client(address) {
            return self.encrypt(address);
        }
        match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => self.holding(address).into(),
        }
    }

    /// The address whose pseudonym is `pseudonym`; `None` where that is no client's.
    pub fn reverse(&self, pseudonym: IpAddr) -> Option<IpAddr> {
        let address = match pseudonym.to_canonical() {
            IpAddr::V4(v4) => self.cipher.decrypt_ipaddr(v4.into()),
            v6 => self.cipher.decrypt_ipaddr(v6),
        };
        self.is_client(address).then_some(address)
    }

    /// Whether this is an address that gets a pseudonym of its own.
    pub fn is_client(&self, address: IpAddr) -> bool {
        self.addresses.contains(address) && is_a_machines(address.to_canonical())
    }

    /// That of the key, and of whose pseudonyms these are.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What a set of prefixes becomes: the pseudonyms of its clients, and all else as it is.
    pub fn networks(&self, networks: &Networks) -> Networks {
        let prefixes = networks.prefixes().into_iter();
        prefixes.flat_map(|prefix| self.prefix(prefix)).collect()
    }

    /// What a prefix becomes: itself, the prefix of its pseudonyms, or, where only some of it is clients', the parts of it.
    pub fn prefix(&self, prefix: IpNet) -> Vec<IpNet> {
        let mut parts = Vec::new();
        let mut open = vec![prefix.trunc()];
        while let Some(part) = open.pop() {
            if self.prefixes.iter().any(|clients| clients.contains(&part)) {
                parts.push(self.encrypt_prefix(part));
            } else if self.prefixes.iter().any(|clients| part.contains(clients)) {
                open.extend(halves(part).into_iter().flatten());
            } else {
                parts.push(part);
            }
        }
        parts
    }

    /// The prefixes of clients, each with that of its pseudonyms.
    pub fn images(&self) -> impl Iterator<Item = (IpNet, IpNet)> {
        let clients = self.clients.networks.prefixes().into_iter();
        clients.map(|prefix| (prefix, self.encrypt_prefix(prefix)))
    }

    /// What stands for a MAC address: locally administered, and to a group where the original is.
    pub fn mac(&self, mac: [u8; 6]) -> [u8; 6] {
        let tag = hmac::sign(&self.macs, &mac);
        let mut hashed = mac;
        for (byte, hash) in hashed.iter_mut().zip(tag.as_ref()) {
            *byte = *hash;
        }
        let ([first, ..], [original, ..]) = (&mut hashed, mac);
        *first = (*first & 0xfc) | 0x02 | (original & 0x01);
        hashed
    }

    /// What stands for a name: a label of letters and digits. Case does not matter.
    pub fn label(&self, name: &[u8]) -> String {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let tag = hmac::sign(&self.names, &name.to_ascii_lowercase());
        let mut label = String::from("p-");
        let hash = tag.as_ref().get(..NAME_HASH_BYTES).unwrap_or_default();
        for five in hash.as_chunks::<5>().0 {
            let bits = five
                .iter()
                .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            let digits = (0..8).rev().map(|at| (bits >> (at * 5) & 31) as usize);
            label.extend(
                digits
                    .filter_map(|digit| DIGITS.get(digit))
                    .map(|digit| char::from(*digit)),
            );
        }
        label
    }

    /// Domains whose names are clients'.
    pub fn domains(&self) -> &[Fqdn] {
        &self.clients.domains
    }

    fn encrypt(&self, address: IpAddr) -> IpAddr {
        match (address, self.cipher.encrypt_ipaddr(address.to_canonical())) {
            (IpAddr::V6(_), IpAddr::V4(v4)) => v4.to_ipv6_mapped().into(),
            (_, encrypted) => encrypted,
        }
    }

    /// Prefix-preserving: what all addresses of a prefix share is known from any of them.
    fn encrypt_prefix(&self, prefix: IpNet) -> IpNet {
        let network = self.cipher.encrypt_ipaddr(prefix.network());
        IpNet::new(network, prefix.prefix_len()).map_or(prefix, |prefix| prefix.trunc())
    }

    fn holding(&self, address: Ipv6Addr) -> Ipv6Addr {
        let bits = address.to_bits();
        match address.segments() {
            // Solicited-node multicast, and that of node information, which holds a hash of a name (RFC 4620 section 5).
            [0xff02, 0, 0, 0, 0, 1 | 2, 0xff00..=0xffff, _] => {
                let tag = hmac::sign(&self.macs, &address.octets());
                let hash = tag
                    .as_ref()
                    .first_chunk()
                    .map_or(0, |hash| u32::from_be_bytes(*hash));
                Ipv6Addr::from_bits(bits & !0xff_ffff | u128::from(hash >> 8))
            }
            // NAT64 (RFC 6052, RFC 8215), translated (RFC 2765 section 2.1), compatible (RFC 4291 section 2.5.5.1).
            [0x64, 0xff9b, 0 | 1, ..] | [0, 0, 0, 0, 0 | 0xffff, 0, _, _] => {
                self.within(bits, 0, 0)
            }
            // Teredo: client behind exclusive or (RFC 4380 section 4).
            [0x2001, 0, ..] => self.within(bits, 0, u32::MAX),
            // 6to4: client, network, and an interface that often holds the client again (RFC 3056).
            [0x2002, ..] => {
                let outer = self.within(bits, 80, 0);
                if outer == address {
                    return address;
                }
                let tag = hmac::sign(&self.macs, &address.octets());
                let hash = tag
                    .as_ref()
                    .first_chunk()
                    .map_or(0, |hash| u64::from_be_bytes(*hash));
                Ipv6Addr::from_bits(outer.to_bits() >> 64 << 64 | u128::from(hash))
            }
            // ISATAP (RFC 5214 section 6.1).
            [.., 0 | 0x200, 0x5efe, _, _] => self.within(bits, 0, 0),
            _ => address,
        }
    }

    /// The IPv4 address that stands `shift` bits from the end, behind an exclusive or with `mask`.
    fn within(&self, bits: u128, shift: u32, mask: u32) -> Ipv6Addr {
        let held = (bits >> shift) as u32 ^ mask;
        let IpAddr::V4(pseudonym) = self.address(Ipv4Addr::from_bits(held).into()) else {
            return Ipv6Addr::from_bits(bits);
        };
        let changed = u128::from(pseudonym.to_bits() ^ held) << shift;
        Ipv6Addr::from_bits(bits ^ changed)
    }

    fn check(&self) -> Result<(), PseudonymError> {
        let nobody = NOBODY.iter().filter_map(|prefix| prefix.parse().ok());
        let forbidden: Vec<IpNet> = self.prefixes.iter().copied().chain(nobody).collect();
        for client in &self.prefixes {
            let image = self.encrypt_prefix(*client);
            let meets = |other: &&IpNet| image.contains(*other) || other.contains(&image);
            if let Some(other) = forbidden.iter().find(meets) {
                return Err(PseudonymError::Overlap {
                    client: *client,
                    other: *other,
                });
            }
        }
        Ok(())
    }
}

/// A hash of the clients under a key of its own: they decide who has a pseudonym.
fn fingerprint(key: [u8; KEY_BYTES], clients: &Clients) -> Fingerprint {
    let prefixes = clients.networks.prefixes().into_iter();
    let mut domains: Vec<String> = clients.domains.iter().map(ToString::to_string).collect();
    domains.sort_unstable();
    domains.dedup();
    // Neither a prefix nor a name holds a line feed.
    let lines: Vec<String> = prefixes
        .map(|prefix| prefix.to_string())
        .chain([String::new()])
        .chain(domains)
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, lines.join("\n").as_bytes());
    let hash = tag.as_ref().first_chunk();
    hash.map_or(Fingerprint::NONE, |hash| Fingerprint(*hash))
}

/// Whether one machine may have it: groups and what stands for no machine keep their addresses.
fn is_a_machines(address: IpAddr) -> bool {
    let is_broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !address.is_multicast() && !address.is_unspecified() && !address.is_loopback() && !is_broadcast
}

fn halves(prefix: IpNet) -> [Option<IpNet>; 2] {
    let length = prefix.prefix_len() + 1;
    let upper: Option<IpNet> = match prefix {
        IpNet::V4(v4) => {
            let bit = 1_u32
                .checked_shl(u32::from(32 - length.min(32)))
                .unwrap_or_default();
            let upper = Ipv4Addr::from_bits(v4.network().to_bits() | bit);
            Ipv4Net::new(upper, length).ok().map(IpNet::from)
        }
        IpNet::V6(v6) => {
            let bit = 1_u128
                .checked_shl(u32::from(128 - length.min(128)))
                .unwrap_or_default();
            let upper = Ipv6Addr::from_bits(v6.network().to_bits() | bit);
            Ipv6Net::new(upper, length).ok().map(IpNet::from)
        }
    };
    [IpNet::new(prefix.network(), length).ok(), upper]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Clients and a key for tests.
    pub(crate) fn pseudonyms() -> Pseudonyms {
        let key = Key::parse(&"07".repeat(KEY_BYTES)).unwrap();
        let clients = Clients {
            networks: "192.0.2.0/24,10.20.0.0/15,2001:db8:1::/48".parse().unwrap(),
            domains: vec![Fqdn::from_presentation("clients.example.edu").unwrap()],
        };
        Pseudonyms::new(&key, clients).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn shared_bits(one: IpAddr, other: IpAddr) -> u32 {
        match (one, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => panic!("{one} {other}"),
        }
    }

    #[test]
    fn the_package_gives_what_the_draft_s_vectors_say() {
        let cipher = |key: &str| IpcryptPfx::new(Key::parse(key).unwrap().0);
        let basic = "0123456789abcdeffedcba98765432101032547698badcfeefcdab8967452301";
        let prefixes = "2b7e151628aed2a6abf7158809cf4f3ca9f5ba40db214c3798f2e1c23456789a";
        for (key, plain, encrypted) in [
            (basic, "0.0.0.0", "151.82.155.134"),
            (basic, "255.255.255.255", "94.185.169.89"),
            (basic, "192.0.2.1", "100.115.72.131"),
            (
                basic,
                "2001:db8::1",
                "c180:5dd4:2587:3524:30ab:fa65:6ab6:f88",
            ),
            (prefixes, "10.0.0.47", "19.214.210.244"),
            (prefixes, "10.0.0.129", "19.214.210.80"),
            (prefixes, "172.16.5.193", "210.78.229.136"),
            (prefixes, "172.16.97.42", "210.78.179.241"),
            (
                prefixes,
                "2001:db8::a5c9:4e2f:bb91:5a7d",
                "7cec:702c:1243:f70:1956:125:b9bd:1aba",
            ),
            (
                prefixes,
                "2001:db8:d8b4::193c:a5e7:8b2f:46d1",
                "7cec:702c:f840:aa67:1b8:e84f:ac9d:77fb",
            ),
        ] {
            assert_eq!(
                cipher(key).encrypt_ipaddr(address(plain)),
                address(encrypted),
                "{plain}"
            );
            assert_eq!(
                cipher(key).decrypt_ipaddr(address(encrypted)),
                address(plain),
                "{encrypted}"
            );
        }
    }

    #[test]
    fn a_client_gets_an_address_of_its_family_that_leads_back_to_it() {
        let pseudonyms = pseudonyms();
        for client in [
            "192.0.2.1",
            "10.21.255.255",
            "2001:db8:1:2::3",
            "fe80::1",
            "169.254.1.2",
        ] {
            let pseudonym = pseudonyms.address(address(client));
            assert_ne!(pseudonym, address(client));
            assert_eq!(pseudonym.is_ipv4(), address(client).is_ipv4());
            assert_eq!(
                pseudonyms.reverse(pseudonym),
                Some(address(client)),
                "{client}"
            );
            assert!(!pseudonyms.is_client(pseudonym), "{pseudonym}");
        }
        let mapped = pseudonyms.address(address("::ffff:192.0.2.1"));
        assert_eq!(
            mapped.to_canonical(),
            pseudonyms.address(address("192.0.2.1"))
        );
    }

    #[test]
    fn everybody_else_and_groups_keep_their_addresses() {
        let pseudonyms = pseudonyms();
        for other in [
            "192.0.3.1",
            "10.22.0.1",
            "2001:db8:2::1",
            "224.0.0.251",
            "ff02::fb",
            "::",
            "127.0.0.1",
        ] {
            assert_eq!(pseudonyms.address(address(other)), address(other));
        }
        assert_eq!(pseudonyms.reverse(address("203.0.113.9")), None);
    }

    #[test]
    fn two_clients_stay_two_and_prefixes_are_kept() {
        let pseudonyms = pseudonyms();
        let clients: Vec<IpAddr> = (0..=255)
            .map(|last| IpAddr::from([192, 0, 2, last]))
            .collect();
        for one in &clients {
            for other in &clients {
                let (a, b) = (pseudonyms.address(*one), pseudonyms.address(*other));
                assert_eq!(shared_bits(*one, *other), shared_bits(a, b));
            }
        }
    }

    #[test]
    fn an_address_that_holds_a_client_s_is_rewritten_within() {
        let pseudonyms = pseudonyms();
        let IpAddr::V4(pseudonym) = pseudonyms.address(address("192.0.2.20")) else {
            panic!();
        };
        let [a, b, c, d] = pseudonym.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        let text = |text: &str| pseudonyms.address(address(text)).to_string();
        assert_eq!(
            address(&text("64:ff9b::192.0.2.20")),
            address(&format!("64:ff9b::{high:x}:{low:x}"))
        );
        let teredo = format!("2001:0:cb00:7101:0:1234:{:x}:{:x}", !high, !low);
        assert_eq!(
            address(&text("2001:0:cb00:7101:0:1234:3fff:fdeb")),
            address(&teredo)
        );
        let six_to_four = text("2002:c000:214:1::c000:214");
        assert!(
            six_to_four.starts_with(&format!("2002:{high:x}:{low:x}:1:")),
            "{six_to_four}"
        );
        assert!(!six_to_four.ends_with("c000:214"));
        assert_eq!(text("2002:cb00:7109::1"), "2002:cb00:7109::1");
        for before in ["64:ff9b:1::", "::ffff:0:", "2001:db8:ffff::5efe:"] {
            let held = address(&format!("{before}{high:x}:{low:x}"));
            assert_eq!(address(&text(&format!("{before}c000:214"))), held);
        }
        assert_eq!(text("::cb00:7109"), address("::203.0.113.9").to_string());
        assert_ne!(text("::c000:214"), address("::192.0.2.20").to_string());
        let group = text("ff02::1:ff5e:5301");
        assert!(
            group.starts_with("ff02::1:ff") && !group.ends_with("5e:5301"),
            "{group}"
        );
    }

    #[test]
    fn a_prefix_becomes_that_of_its_pseudonyms_and_the_rest_of_it_stays() {
        let pseudonyms = pseudonyms();
        let networks = |text: &str| pseudonyms.networks(&text.parse().unwrap());
        let inside = networks("192.0.2.64/26");
        for last in 0..=255 {
            let client = IpAddr::from([192, 0, 2, last]);
            let is_inside = (64..128).contains(&last);
            assert_eq!(
                inside.contains(pseudonyms.address(client)),
                is_inside,
                "{client}"
            );
        }
        let around = networks("192.0.0.0/16");
        assert!(around.contains(pseudonyms.address(address("192.0.2.7"))));
        assert!(around.contains(address("192.0.3.7")) && !around.contains(address("192.0.2.7")));
        let outside = networks("203.0.113.0/24");
        assert_eq!(outside, "203.0.113.0/24".parse().unwrap());
        assert!(networks("::/0").contains(pseudonyms.address(address("2001:db8:1::9"))));
    }

    #[test]
    fn a_mac_address_is_hashed_to_a_locally_administered_one() {
        let pseudonyms = pseudonyms();
        let (one, other) = (
            pseudonyms.mac([0, 1, 2, 3, 4, 5]),
            pseudonyms.mac([0, 1, 2, 3, 4, 6]),
        );
        assert_ne!(one, other);
        assert_eq!(one, pseudonyms.mac([0, 1, 2, 3, 4, 5]));
        assert_eq!(one[0] & 3, 2);
        assert_eq!(pseudonyms.mac([0x33, 0x33, 0, 0, 0, 1])[0] & 3, 3);
    }

    #[test]
    fn each_use_has_a_key_of_its_own() {
        let key = Key::parse(&"07".repeat(KEY_BYTES)).unwrap();
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"patchspan pseudonyms 1");
        let keys = ["addresses", "macs", "names", "fingerprint"]
            .map(|purpose| key.derive(&salt, purpose).unwrap());
        for (at, one) in keys.iter().enumerate() {
            assert!(*one != key.0 && !keys[..at].contains(one));
        }
        assert_eq!(format!("{key:?} {:?}", pseudonyms()), "Key Pseudonyms");
    }

    #[test]
    fn another_key_gives_other_pseudonyms() {
        let key = Key::parse(&"08".repeat(KEY_BYTES)).unwrap();
        let clients = pseudonyms().clients;
        let other = Pseudonyms::new(&key, clients).unwrap();
        let client = address("192.0.2.1");
        assert_ne!(other.address(client), pseudonyms().address(client));
        assert_ne!(other.label(b"pc1"), pseudonyms().label(b"pc1"));
        assert_ne!(other.mac([1; 6]), pseudonyms().mac([1; 6]));
    }

    #[test]
    fn a_label_does_not_know_case_and_is_one_of_a_host() {
        let pseudonyms = pseudonyms();
        let label = pseudonyms.label(b"PC1.clients.example.edu");
        assert_eq!(label, pseudonyms.label(b"pc1.CLIENTS.example.edu"));
        assert_ne!(label, pseudonyms.label(b"pc2.clients.example.edu"));
        assert_eq!(label.len(), 18);
        assert!(
            label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }

    #[test]
    fn what_is_no_key_and_what_overlaps_is_refused() {
        for wrong in [
            "",
            "07",
            &"0g".repeat(32),
            &"07".repeat(33),
            &"é".repeat(32),
        ] {
            assert_eq!(Key::parse(wrong), Err(PseudonymError::NoKey), "{wrong}");
        }
        assert!(Key::parse(&format!("\n{}\n", "aB".repeat(32))).is_ok());
        let key = Key::parse(&"07".repeat(32)).unwrap();
        let everybody = Clients {
            networks: "0.0.0.0/0".parse().unwrap(),
            domains: Vec::new(),
        };
        let error = Pseudonyms::new(&key, everybody).unwrap_err();
        assert!(error.to_string().contains("make another key"), "{error}");
    }
}
