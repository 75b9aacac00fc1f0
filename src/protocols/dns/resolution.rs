//! What a response says of the name asked for: addresses, each with the aliases that led to it, in whatever order the records stand.
//!
//! The answer section only: glue names servers. A name is read once, however many records point to it, and all of it lies in one buffer
//! that the next message uses again.

use std::net::IpAddr;
use std::ops::Range;

use super::name::Space;
use super::{Data, Message, Name, Resource, svcb, words};
use crate::types::Fqdn;

/// Answer records that are looked at.
const MAX_ANSWERS: usize = 256;
/// Longest chain of aliases.
const MAX_ALIASES: usize = 16;

/// The names of one message, and what they lead to.
#[derive(Debug, Default)]
pub struct Resolution {
    names: Texts,
    /// From the name asked for to the last alias.
    chain: Vec<Id>,
    /// Owners and what they stand for.
    aliases: Vec<(Id, Id)>,
    /// Owners and their addresses.
    hosts: Vec<(Id, IpAddr)>,
    /// Owners and their ECH configurations.
    configs: Vec<(Id, (Fqdn, u8))>,
    /// Addresses, each with how many names of the chain led to it.
    addresses: Vec<(IpAddr, usize)>,
    /// Public names and ids of ECH configurations.
    ech: Vec<(Fqdn, u8)>,
}

impl Resolution {
    /// Reads the name asked for alone; gives the type asked for. `None` where there is none, or it is the root.
    pub fn read_question(&mut self, message: &Message<'_>) -> Option<u16> {
        self.names.clear();
        self.chain.clear();
        self.addresses.clear();
        self.ech.clear();
        let question = message.question()?;
        self.chain.push(self.names.id(&question.name)?);
        Some(question.kind)
    }

    /// Reads the answers to the question that was read.
    pub fn read_answers(&mut self, message: &Message<'_>) {
        self.aliases.clear();
        self.hosts.clear();
        self.configs.clear();
        for record in message.answers().take(MAX_ANSWERS) {
            self.take_in(&record);
        }
        self.follow_aliases();
        let (names, chain) = (&self.names, &self.chain);
        let place = |owner| {
            let same = chain.iter().position(|name| *name == owner);
            same.or_else(|| chain.iter().position(|name| names.are_same(*name, owner)))
        };
        // A record may bring hundreds: its owner is looked for once.
        for hosts in self.hosts.chunk_by(|(one, _), (other, _)| one == other) {
            let owner = hosts.first().map(|(owner, _)| *owner);
            if let Some(place) = owner.and_then(place) {
                let addresses = hosts.iter().map(|(_, address)| (*address, place + 1));
                self.addresses.extend(addresses);
            }
        }
        let mut last = None;
        for (owner, config) in self.configs.drain(..) {
            if last.is_none_or(|(known, _)| known != owner) {
                last = Some((owner, place(owner).is_some()));
            }
            if last.is_some_and(|(_, is_in_chain)| is_in_chain) {
                self.ech.push(config);
            }
        }
    }

    /// The name asked for, in lower-case presentation form; empty where none was read.
    pub fn question(&self) -> &str {
        self.chain(1).next().unwrap_or_default()
    }

    /// The first `length` names from the name asked for on, in lower-case presentation form.
    pub fn chain(&self, length: usize) -> impl ExactSizeIterator<Item = &str> + Clone {
        let names = self.chain.get(..length).unwrap_or(&self.chain);
        names.iter().map(|id| self.names.text(*id))
    }

    /// Every name from the one asked for to the last alias.
    pub fn aliases(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.chain(self.chain.len())
    }

    /// Addresses, each with the length of the chain that led to it.
    pub fn addresses(&self) -> &[(IpAddr, usize)] {
        &self.addresses
    }

    /// Public names and ids of ECH configurations.
    pub fn ech(&self) -> &[(Fqdn, u8)] {
        &self.ech
    }

    fn follow_aliases(&mut self) {
        while self.chain.len() <= MAX_ALIASES {
            let (names, chain) = (&self.names, &self.chain);
            let last = chain.last().copied().unwrap_or(Id(0));
            let mut aliases = self.aliases.iter();
            let next = aliases.find(|(owner, _)| names.are_same(*owner, last));
            let is_new = |target| !chain.iter().any(|name| names.are_same(*name, target));
            match next.filter(|(_, target)| is_new(*target)) {
                Some((_, target)) => self.chain.push(*target),
                None => break,
            }
        }
    }

    /// Keeps what a record says of its owner.
    fn take_in(&mut self, record: &Resource<'_>) -> Option<()> {
        if record.kind != words::CNAME && !is_of_hosts(record.kind) {
            return None;
        }
        let owner = self.names.id(&record.name)?;
        match record.data() {
            Data::A(address) => self.hosts.push((owner, address.into())),
            Data::Aaaa(address) => self.hosts.push((owner, address.into())),
            Data::Name(target) => self.aliases.push((owner, self.names.id(&target)?)),
            Data::Service(service) => {
                let v4 = service.ipv4_hints().map(IpAddr::from);
                let hints = v4.chain(service.ipv6_hints().map(IpAddr::from));
                let hints = hints.take(MAX_ANSWERS).map(|hint| (owner, hint));
                self.hosts.extend(hints);
                let configs = service.ech().map(svcb::ech_configs).into_iter().flatten();
                let named = configs.filter_map(|config| {
                    let name = Fqdn::from_claim(config.public_name)?;
                    Some((owner, (name, config.config_id)))
                });
                self.configs.extend(named);
            }
            _ => {}
        }
        Some(())
    }
}

const fn is_of_hosts(kind: u16) -> bool {
    matches!(kind, words::A | words::AAAA | words::HTTPS | words::SVCB)
}

/// A name of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(usize);

/// Names in lower-case presentation form, those that begin at one place once.
#[derive(Debug, Default)]
struct Texts {
    text: String,
    ranges: Vec<Range<usize>>,
    /// Where names stand in the message, and which those are.
    places: Vec<(usize, Id)>,
    space: Space,
}

impl Texts {
    /// Most places that are remembered; a name elsewhere is read again.
    const MAX_PLACES: usize = 32;

    fn clear(&mut self) {
        self.text.clear();
        self.ranges.clear();
        self.places.clear();
    }

    /// Which name it is; `None` for the root and broken ones.
    fn id(&mut self, name: &Name<'_>) -> Option<Id> {
        let place = name.place();
        let known = self.places.iter().find(|(known, _)| *known == place);
        if let Some((_, id)) = known {
            return Some(*id);
        }
        let id = self.read(name)?;
        if self.places.len() < Self::MAX_PLACES {
            self.places.push((place, id));
        }
        Some(id)
    }

    fn read(&mut self, name: &Name<'_>) -> Option<Id> {
        let start = self.text.len();
        name.push_lowered(&mut self.text, &mut self.space)?;
        self.ranges.push(start..self.text.len());
        Some(Id(self.ranges.len() - 1))
    }

    fn are_same(&self, one: Id, other: Id) -> bool {
        one == other || self.bytes(one) == self.bytes(other)
    }

    fn bytes(&self, Id(index): Id) -> &[u8] {
        let range = self.ranges.get(index).cloned();
        let bytes = range.and_then(|range| self.text.as_bytes().get(range));
        bytes.unwrap_or_default()
    }

    fn text(&self, Id(index): Id) -> &str {
        let range = self.ranges.get(index).cloned();
        range
            .and_then(|range| self.text.get(range))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response to `www.example.net A?`.
    fn response(records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0x81, 0x80, 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
        bytes.extend(b"\x03www\x07eXample\x03net\x00\x00\x01\x00\x01");
        bytes.extend(records.concat());
        bytes
    }

    /// Owner and target in full, so that records may stand in any order.
    const TO_EDGE: &[u8] =
        b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x12\x04edge\x07example\x03net\x00";
    const TO_CDN: &[u8] =
        b"\x04EDGE\x07example\x03net\x00\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03cdn\xc0\x10";
    const OF_CDN: &[u8] =
        b"\x03cdn\x07example\x03net\x00\x00\x01\x00\x01\x00\x00\x00\x14\x00\x04\xcb\x00\x71\x09";
    const OF_WWW: &[u8] = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x14\x00\x04\xcb\x00\x71\x0a";
    const OF_OTHER: &[u8] =
        b"\x05other\xc0\x10\x00\x01\x00\x01\x00\x00\x00\x14\x00\x04\xcb\x00\x71\x0b";
    const BACK: &[u8] = b"\x03cdn\xc0\x10\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c";

    fn read(records: &[&[u8]]) -> (Vec<String>, Vec<(IpAddr, usize)>) {
        let bytes = response(records);
        let message = Message::parse(&bytes).unwrap();
        let mut resolution = Resolution::default();
        assert_eq!(resolution.read_question(&message), Some(words::A));
        assert_eq!(resolution.question(), "www.example.net");
        resolution.read_answers(&message);
        let aliases = resolution.aliases().map(str::to_owned).collect();
        let mut addresses = resolution.addresses().to_vec();
        addresses.sort_unstable();
        (aliases, addresses)
    }

    #[test]
    fn aliases_are_followed_in_whatever_order_they_stand() {
        let orders: [[&[u8]; 5]; 3] = [
            [TO_EDGE, TO_CDN, OF_CDN, OF_WWW, OF_OTHER],
            [OF_OTHER, OF_CDN, TO_CDN, TO_EDGE, OF_WWW],
            [OF_WWW, TO_CDN, OF_OTHER, TO_EDGE, OF_CDN],
        ];
        for records in orders {
            let (aliases, addresses) = read(&records);
            assert_eq!(
                aliases,
                ["www.example.net", "edge.example.net", "cdn.example.net"]
            );
            let expected: [(IpAddr, usize); 2] =
                [([203, 0, 113, 9].into(), 3), ([203, 0, 113, 10].into(), 1)];
            assert_eq!(addresses, expected);
        }
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let (aliases, addresses) = read(&[TO_EDGE, TO_CDN, BACK]);
        assert_eq!(aliases.len(), 3);
        assert_eq!(addresses, []);
    }
}
