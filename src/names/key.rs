//! What entries of the table are of, and what they are looked for by.

use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::quality::FixedState;

/// What an entry is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A client was answered a server.
    Client(IpAddr, IpAddr),
    /// Anybody was answered a server.
    Anybody(IpAddr),
    /// A client received an ECH configuration with this id.
    Ech(IpAddr, u8),
}

/// What an entry is looked for by: each is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// What a client was answered for a server.
    Client(IpAddr, IpAddr),
    /// A configuration that a client received: its id, and the hash of its public name.
    Ech(IpAddr, u8, u32),
    /// What anybody was answered for a server: of the first few names.
    Server(IpAddr),
    /// What anybody was answered for a server and a name with this hash, where the server has more.
    Name(IpAddr, u32),
}

/// Which of its two links leads on from an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Client,
    Server,
}

/// A key, with all that a look-up needs of it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(super) hash: u64,
    pub(super) list: List,
    /// Bits that count, and what they are.
    pub(super) bits: [u16; 2],
    first: Option<Words>,
    last: Words,
    name_hash: Option<u32>,
}

/// An address: one of IPv4 as an IPv6 address that is mapped.
pub(super) type Words = [u64; 2];

/// An entry's own account of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) bits: u16,
    pub(super) first: Words,
    pub(super) last: Words,
    pub(super) name_hash: u32,
}

/// Bits of a label that tell its subject; the upper eight hold the id of an ECH configuration.
const SUBJECT: u16 = 0xff03;
const CLIENT: u16 = 0;
const ANYBODY: u16 = 1;
const ECH: u16 = 2;
/// Bits that tell in which of its server's lists it stands: in none, that of the server, or that of the server and the name.
const LISTED: u16 = 0x0c;
const BY_SERVER: u16 = 0x04;
const BY_NAME: u16 = 0x08;
/// Its addresses take a second line.
pub(super) const IS_LONG: u16 = 0x10;
/// It was written anew elsewhere.
pub(super) const IS_MOVED: u16 = 0x20;

impl Place {
    /// Where entries of `key` stand.
    pub fn new(key: Key, hasher: &FixedState) -> Self {
        let (list, bits, first, last, name_hash) = match key {
            Key::Client(client, server) => {
                let bits = [SUBJECT, CLIENT];
                (List::Client, bits, Some(words(client)), words(server), None)
            }
            Key::Ech(client, id, hash) => {
                let bits = [SUBJECT, ECH | u16::from(id) << 8];
                (List::Client, bits, None, words(client), Some(hash))
            }
            Key::Server(server) => (List::Server, [LISTED, BY_SERVER], None, words(server), None),
            Key::Name(server, hash) => {
                let bits = [LISTED, BY_NAME];
                (List::Server, bits, None, words(server), Some(hash))
            }
        };
        let [_, value] = bits;
        let ([a, b], [c, d]) = (first.unwrap_or_default(), last);
        let told = u64::from(value) << 32 | u64::from(name_hash.unwrap_or_default());
        let mut hash = hasher.build_hasher();
        for word in [told, a, b, c, d] {
            hash.write_u64(word);
        }
        Self {
            hash: hash.finish(),
            list,
            bits,
            first,
            last,
            name_hash,
        }
    }

    /// Whether an entry with this label belongs here.
    pub(super) fn holds(&self, label: &Label) -> bool {
        let [mask, bits] = self.bits;
        label.bits & mask == bits
            && label.last == self.last
            && self.first.is_none_or(|first| first == label.first)
            && self.name_hash.is_none_or(|hash| hash == label.name_hash)
    }
}

impl Label {
    /// Of an entry that stands in no list of its server.
    pub(super) fn new(subject: Subject, name_hash: u32) -> Self {
        let (bits, first, last) = match subject {
            Subject::Client(client, server) => (CLIENT, client, server),
            Subject::Anybody(server) => (ANYBODY, NOBODY, server),
            Subject::Ech(client, id) => (ECH | u16::from(id) << 8, NOBODY, client),
        };
        let (first, last) = (words(first), words(last));
        let is_long = !(is_v4(first) && is_v4(last));
        Self {
            bits: bits | if is_long { IS_LONG } else { 0 },
            first,
            last,
            name_hash,
        }
    }

    /// It stands at `place` among what is told of its server; `None`: nowhere there.
    #[must_use]
    pub(super) fn listed(mut self, place: Option<&Place>) -> Self {
        let [_, listed] = place.map_or([LISTED, 0], |place| place.bits);
        self.bits = self.bits & !(LISTED | IS_MOVED) | listed;
        self
    }

    pub(super) fn subject(&self) -> Subject {
        let last = address(self.last);
        match self.bits & SUBJECT & 0xff {
            CLIENT => Subject::Client(address(self.first), last),
            ANYBODY => Subject::Anybody(last),
            _ => Subject::Ech(last, (self.bits >> 8) as u8),
        }
    }

    /// Both addresses in a word, where they are of IPv4.
    pub(super) const fn short(&self) -> u64 {
        let ([_, first], [_, last]) = (self.first, self.last);
        first << 32 | last & 0xffff_ffff
    }

    /// The addresses of [`Self::short`].
    pub(super) const fn addresses(short: u64) -> (Words, Words) {
        ([0, MAPPED | short >> 32], [0, MAPPED | short & 0xffff_ffff])
    }
}

/// In the place of a client: the label tells that there is none.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// What stands before an IPv4 address that is mapped (RFC 4291 section 2.5.5.2).
const MAPPED: u64 = 0xffff << 32;

pub(super) fn words(address: IpAddr) -> Words {
    match address {
        IpAddr::V4(address) => [0, MAPPED | u64::from(address.to_bits())],
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            [(bits >> 64) as u64, bits as u64]
        }
    }
}

const fn is_v4([high, low]: Words) -> bool {
    high == 0 && low >> 32 == MAPPED >> 32
}

fn address([high, low]: Words) -> IpAddr {
    let address = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    address.to_ipv4_mapped().map_or(address.into(), Into::into)
}
