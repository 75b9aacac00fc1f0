//! DNS messages, written anew with pseudonyms in the place of clients' addresses and names.
//!
//! What is read of a message afterwards is read of the new one, so no record and no table can hold what stood in the old one. Names
//! are written without compression. A record type that is not decoded keeps its name, its type and nothing else; of EDNS options
//! the client's subnet (RFC 7871) stays. Where the old message breaks off, so does the new one.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Pseudonyms;
use super::names::{Keep, Rewritten};
use crate::protocols::dns::svcb::{IPV4_HINT, IPV6_HINT, ServiceBinding};
use crate::protocols::dns::{Data, HEADER, Message, Name, Resource, words};

/// EDNS option: the subnet of the client that asked (RFC 7871 section 6).
const CLIENT_SUBNET: u16 = 8;
/// Records of a section that are rewritten; nobody reads more. Those behind keep their types alone.
const MAX_REWRITTEN: usize = 512;
/// Names of a message that are remembered: owners are mostly the target before, or the same again.
const REMEMBERED: usize = 4;
/// Bytes of different names that are looked into beyond twice the message's: pointers make short messages of long names.
const LOOKED_INTO: usize = 1_024;
/// Longest string of a TXT record.
const MAX_STRING: usize = 255;

/// A message that is being written.
struct Rewriting<'r> {
    pseudonyms: &'r Pseudonyms,
    keep: Keep<'r>,
    out: &'r mut Vec<u8>,
    /// Names seen last, with what became of them.
    names: VecDeque<(Vec<u8>, Option<Rewritten>)>,
    /// Bytes of names that may still be looked into.
    budget: usize,
}

impl Pseudonyms {
    /// Writes the message in `bytes` into `out`, which is emptied before; `None` where there is no message.
    pub fn message(&self, bytes: &[u8], keep: Keep<'_>, out: &mut Vec<u8>) -> Option<()> {
        let message = Message::parse(bytes).ok()?;
        out.clear();
        out.extend_from_slice(bytes.get(..HEADER)?);
        let mut rewriting = Rewriting {
            pseudonyms: self,
            keep,
            out,
            names: VecDeque::new(),
            budget: LOOKED_INTO + 2 * bytes.len(),
        };
        for question in message.questions() {
            rewriting.name(question.name);
            rewriting.integer(question.kind);
            rewriting.integer(question.class);
        }
        for section in [
            message.answers(),
            message.authorities(),
            message.additionals(),
        ] {
            for (at, record) in section.enumerate() {
                rewriting.record(&record, at < MAX_REWRITTEN);
            }
        }
        Some(())
    }

    /// The subnet of a client, as an EDNS option says it: family, lengths, as many bytes as the first length needs.
    fn subnet(&self, option: &[u8]) -> Option<Vec<u8>> {
        let ([high, family, source, scope], address) = option.split_first_chunk::<4>()?;
        let network = match (*high, *family) {
            (0, 1) => IpNet::new(Ipv4Addr::from(filled::<4>(address)?).into(), *source),
            (0, 2) => IpNet::new(Ipv6Addr::from(filled::<16>(address)?).into(), *source),
            _ => return None,
        };
        // A prefix that is only partly clients' says nothing of one of them.
        let network = network.ok()?.trunc();
        let rewritten = match self.prefix(network).as_slice() {
            [rewritten] => *rewritten,
            _ => network,
        };
        let octets = match rewritten.addr() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let length = usize::from(*source).div_ceil(8);
        Some([&[0, *family, *source, *scope], octets.get(..length)?].concat())
    }
}

impl Rewriting<'_> {
    fn record(&mut self, record: &Resource<'_>, is_read: bool) {
        let owner = Some(record.name).filter(|_| is_read);
        let leads_to_client =
            owner.map(|name| self.name(name)) == Some(true) && record.kind == words::PTR;
        if !is_read {
            self.out.push(0);
        }
        self.integer(record.kind);
        self.integer(record.class);
        self.out.extend(record.ttl.to_be_bytes());
        let length_at = self.out.len();
        self.integer(0);
        match record.data() {
            _ if !is_read => {}
            Data::Name(target) if leads_to_client => self.hidden_name(target),
            data => self.data(record, data),
        }
        self.end_data(length_at);
    }

    fn data(&mut self, record: &Resource<'_>, data: Data<'_>) {
        match data {
            Data::A(address) => self.address(address.into()),
            Data::Aaaa(address) => self.address(address.into()),
            Data::Name(name) => {
                self.name(name);
            }
            Data::Mx(name) => {
                self.first(record, 2);
                self.name(name);
            }
            Data::Txt(strings) => self.text(&strings.iter().collect::<Vec<_>>()),
            Data::Soa(first, second, numbers) => {
                self.name(first);
                self.name(second);
                numbers
                    .iter()
                    .for_each(|number| self.out.extend(number.to_be_bytes()));
            }
            Data::Srv(.., target) => {
                self.first(record, 6);
                self.name(target);
            }
            Data::Sshfp(..) => self.out.extend_from_slice(record.bytes()),
            Data::Service(service) => self.service(&service),
            Data::Other if record.kind == words::OPT => self.options(record.bytes()),
            Data::Other => {}
        }
    }

    /// The length of what was written behind it; what is too long is left out.
    fn end_data(&mut self, length_at: usize) {
        let start = length_at + 2;
        let length = u16::try_from(self.out.len() - start).unwrap_or_default();
        self.out.truncate(start + usize::from(length));
        if let Some(place) = self.out.get_mut(length_at..start) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Gives whether the name is a client's reverse name. One that is broken becomes the root, which names nothing.
    fn name(&mut self, name: Name<'_>) -> bool {
        let labels: Vec<&[u8]> = name.labels().collect::<Option<_>>().unwrap_or_default();
        // Labels with their lengths, so that no two names look the same.
        let key: Vec<u8> = labels
            .iter()
            .flat_map(|label| [&[label.len() as u8], *label].concat())
            .collect();
        let place = self.names.iter().position(|(name, _)| *name == key);
        let known = place.and_then(|place| self.names.remove(place));
        let (key, rewritten) = known.unwrap_or_else(|| {
            let rewritten = self.looked_into(&labels);
            (key, rewritten)
        });
        match &rewritten {
            Some(rewritten) => self.labels(&rewritten.labels),
            None => self.labels(&labels),
        }
        let is_reverse = rewritten.as_ref().is_some_and(|name| name.is_reverse);
        self.names.truncate(REMEMBERED - 1);
        self.names.push_front((key, rewritten));
        is_reverse
    }

    /// What becomes of a name; one too many is hidden without a look.
    fn looked_into(&mut self, labels: &[&[u8]]) -> Option<Rewritten> {
        let length = labels.iter().map(|label| label.len() + 1).sum();
        let Some(rest) = self.budget.checked_sub(length) else {
            return Some(self.pseudonyms.hidden_name(labels));
        };
        self.budget = rest;
        self.pseudonyms.name(labels, self.keep)
    }

    fn hidden_name(&mut self, name: Name<'_>) {
        let labels: Vec<&[u8]> = name.labels().collect::<Option<_>>().unwrap_or_default();
        let hidden = self.pseudonyms.name_behind(&labels, self.keep);
        self.labels(&hidden);
    }

    /// Empty labels, which a name within a text may have, would end it.
    fn labels(&mut self, labels: &[impl AsRef<[u8]>]) {
        let labels = labels.iter().map(AsRef::as_ref);
        for label in labels.filter(|label| !label.is_empty()) {
            let Ok(length) = u8::try_from(label.len()) else {
                continue;
            };
            self.out.push(length);
            self.out.extend_from_slice(label);
        }
        self.out.push(0);
    }

    /// Strings are one text, which was cut wherever 255 bytes were full.
    fn text(&mut self, strings: &[&[u8]]) {
        match self.pseudonyms.text(&strings.concat(), self.keep) {
            Some(text) => text
                .chunks(MAX_STRING)
                .for_each(|string| self.string(string)),
            None => strings.iter().for_each(|string| self.string(string)),
        }
    }

    fn string(&mut self, string: &[u8]) {
        let string = string.get(..MAX_STRING).unwrap_or(string);
        self.out.extend(u8::try_from(string.len()));
        self.out.extend_from_slice(string);
    }

    fn service(&mut self, service: &ServiceBinding<'_>) {
        self.integer(service.priority);
        self.name(service.target);
        for (key, value) in service.parameters() {
            let Ok(length) = u16::try_from(value.len()) else {
                continue;
            };
            self.integer(key);
            self.integer(length);
            match key {
                IPV4_HINT => self.hints::<4>(value),
                IPV6_HINT => self.hints::<16>(value),
                _ => self.out.extend_from_slice(value),
            }
        }
    }

    fn hints<const OCTETS: usize>(&mut self, value: &[u8])
    where
        IpAddr: From<[u8; OCTETS]>,
    {
        let (hints, rest) = value.as_chunks::<OCTETS>();
        hints
            .iter()
            .for_each(|hint| self.address(IpAddr::from(*hint)));
        self.out.extend_from_slice(rest);
    }

    /// EDNS options (RFC 6891 section 6.1.2): each a code, a length and a value.
    fn options(&mut self, mut options: &[u8]) {
        while let Some(([a, b, c, d], rest)) = options.split_first_chunk::<4>() {
            let Some((value, after)) =
                rest.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))
            else {
                return;
            };
            options = after;
            if u16::from_be_bytes([*a, *b]) != CLIENT_SUBNET {
                continue;
            }
            let subnet = self.pseudonyms.subnet(value).unwrap_or_default();
            self.integer(CLIENT_SUBNET);
            self.integer(u16::try_from(subnet.len()).unwrap_or_default());
            self.out.extend(subnet);
        }
    }

    fn address(&mut self, address: IpAddr) {
        match self.pseudonyms.address(address) {
            IpAddr::V4(v4) => self.out.extend(v4.octets()),
            IpAddr::V6(v6) => self.out.extend(v6.octets()),
        }
    }

    fn first(&mut self, record: &Resource<'_>, count: usize) {
        let bytes = record.bytes().get(..count).unwrap_or_default();
        self.out.extend_from_slice(bytes);
    }

    fn integer(&mut self, number: u16) {
        self.out.extend(number.to_be_bytes());
    }
}

/// `bytes`, and zeros up to the length.
fn filled<const LENGTH: usize>(bytes: &[u8]) -> Option<[u8; LENGTH]> {
    let mut filled = [0; LENGTH];
    filled.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::super::tests::pseudonyms;
    use super::*;

    fn name(text: &str) -> Vec<u8> {
        let labels = text.split('.').filter(|label| !label.is_empty());
        let mut bytes: Vec<u8> = labels
            .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
            .collect();
        bytes.push(0);
        bytes
    }

    fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = name(owner);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    /// A response with one question, these answers and these additional records.
    fn response(
        question: &str,
        kind: u16,
        answers: &[Vec<u8>],
        additionals: &[Vec<u8>],
    ) -> Vec<u8> {
        let mut bytes = vec![
            0x12,
            0x34,
            0x81,
            0x80,
            0,
            1,
            0,
            answers.len() as u8,
            0,
            0,
            0,
            additionals.len() as u8,
        ];
        bytes.extend(name(question));
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes.extend(answers.concat());
        bytes.extend(additionals.concat());
        bytes
    }

    fn rewritten(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        pseudonyms().message(bytes, &|_| false, &mut out).unwrap();
        out
    }

    fn pseudonym(address: &str) -> IpAddr {
        pseudonyms().address(address.parse().unwrap())
    }

    fn contains(bytes: &[u8], piece: &[u8]) -> bool {
        bytes.windows(piece.len()).any(|window| window == piece)
    }

    #[test]
    fn addresses_of_clients_are_rewritten_and_those_of_servers_are_not() {
        let hints = [0, 1, 0, 0, 4, 0, 8, 192, 0, 2, 9, 203, 0, 113, 9];
        let mut client6 = [0; 16];
        client6[..6].copy_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 1]);
        let answers = [
            record("dl.example.net", words::A, &[203, 0, 113, 9]),
            record("dl.example.net", words::A, &[192, 0, 2, 9]),
            record("dl.example.net", words::AAAA, &client6),
            record("dl.example.net", words::HTTPS, &hints),
        ];
        let bytes = rewritten(&response("dl.example.net", words::A, &answers, &[]));
        let message = Message::parse(&bytes).unwrap();
        let data: Vec<Data<'_>> = message.answers().map(|record| record.data()).collect();
        assert!(matches!(data[0], Data::A(v4) if v4 == Ipv4Addr::new(203, 0, 113, 9)));
        assert!(matches!(data[1], Data::A(v4) if IpAddr::from(v4) == pseudonym("192.0.2.9")));
        assert!(matches!(data[2], Data::Aaaa(v6) if IpAddr::from(v6) == pseudonym("2001:db8:1::")));
        let Data::Service(service) = &data[3] else {
            panic!()
        };
        let hints: Vec<IpAddr> = service.ipv4_hints().map(IpAddr::from).collect();
        assert_eq!(
            hints,
            [pseudonym("192.0.2.9"), "203.0.113.9".parse().unwrap()]
        );
        assert!(!message.is_cut() && message.id() == 0x1234);
    }

    #[test]
    fn a_reverse_lookup_of_a_client_tells_neither_address_nor_name() {
        let owner = "9.2.0.192.in-addr.arpa";
        let answers = [record(owner, words::PTR, &name("annas-laptop.example.org"))];
        let bytes = rewritten(&response(owner, words::PTR, &answers, &[]));
        assert!(!contains(&bytes, b"annas") && !contains(&bytes, b"\x03192\x07in-addr"));
        let message = Message::parse(&bytes).unwrap();
        let question = message.questions().next().unwrap().name.to_fqdn().unwrap();
        let IpAddr::V4(v4) = pseudonym("192.0.2.9") else {
            panic!()
        };
        let [a, b, c, d] = v4.octets();
        assert_eq!(question.as_str(), format!("{d}.{c}.{b}.{a}.in-addr.arpa"));
        let Data::Name(target) = message.answers().next().unwrap().data() else {
            panic!()
        };
        assert!(target.to_fqdn().unwrap().as_str().ends_with(".invalid"));
    }

    #[test]
    fn a_reverse_lookup_of_a_server_stays() {
        let owner = "9.113.0.203.in-addr.arpa";
        let original = response(
            owner,
            words::PTR,
            &[record(owner, words::PTR, &name("dl.example.net"))],
            &[],
        );
        assert_eq!(rewritten(&original), original);
    }

    #[test]
    fn a_client_s_subnet_is_rewritten_and_other_options_are_left_out() {
        let cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2];
        let option = record("", words::OPT, &[&cookie[..], &subnet].concat());
        let bytes = rewritten(&response("dl.example.net", words::A, &[], &[option]));
        let message = Message::parse(&bytes).unwrap();
        let option = message.additionals().next().unwrap();
        let IpAddr::V4(network) = pseudonym("192.0.2.0") else {
            panic!()
        };
        let [a, b, c, _] = network.octets();
        assert_eq!(option.bytes(), [0, 8, 0, 7, 0, 1, 24, 0, a, b, c]);
        for kept in [[0, 1, 24, 0, 203, 0, 113], [0, 1, 16, 0, 192, 0, 0]] {
            let length = 4 + usize::from(kept[2]) / 8;
            assert_eq!(
                pseudonyms().subnet(&kept[..length]).unwrap(),
                kept[..length]
            );
        }
        assert_eq!(pseudonyms().subnet(&[0, 1, 33, 0, 1, 2, 3, 4, 5]), None);
    }

    #[test]
    fn names_in_every_record_are_rewritten() {
        let client = name("pc1.clients.example.edu");
        let answers = [
            record("pc1.clients.example.edu", words::CNAME, &client),
            record(
                "a.example",
                words::MX,
                &[&[0, 10], client.as_slice()].concat(),
            ),
            record(
                "a.example",
                words::SRV,
                &[&[0, 1, 0, 2, 1, 187], client.as_slice()].concat(),
            ),
            record(
                "a.example",
                words::SOA,
                &[&client[..], &client, &[0; 20]].concat(),
            ),
            record(
                "a.example",
                words::TXT,
                b"\x0cip=192.0.2.20\x17pc1.clients.example.edu",
            ),
            record("a.example", 13, b"\x03pc1"),
        ];
        let bytes = rewritten(&response(
            "pc1.clients.example.edu",
            words::A,
            &answers,
            &[],
        ));
        assert!(!contains(&bytes, b"pc1") && !contains(&bytes, b"192.0.2.2"));
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.answers().count(), answers.len());
        let kinds: Vec<u16> = message.answers().map(|record| record.kind).collect();
        assert_eq!(
            kinds,
            [
                words::CNAME,
                words::MX,
                words::SRV,
                words::SOA,
                words::TXT,
                13
            ]
        );
        let Data::Srv(1, 2, 443, target) = message.answers().nth(2).unwrap().data() else {
            panic!()
        };
        let question = message.questions().next().unwrap().name.to_fqdn();
        assert_eq!(target.to_fqdn(), question);
    }

    #[test]
    fn pointers_to_long_names_are_not_followed_for_ever() {
        // Each record has another name, of five bytes in the message and 150 in full.
        let long = "192-0-2-1.".repeat(15);
        let mut bytes = response(&long, words::A, &[], &[]);
        for at in 0..200_u8 {
            bytes.extend([2, b'0' + at / 20, b'a' + at % 20, 0xc0, 12]);
            bytes.extend([0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 203, 0, 113, at]);
        }
        bytes[7] = 200;
        let message = rewritten(&bytes);
        let message = Message::parse(&message).unwrap();
        let names = message.answers().filter_map(|record| record.name.to_fqdn());
        let (looked_into, hidden): (Vec<_>, Vec<_>) =
            names.partition(|name| !name.as_str().ends_with(".invalid"));
        assert!(looked_into.len() * 150 <= 2 * bytes.len() + LOOKED_INTO);
        assert!(!looked_into.is_empty() && looked_into.len() + hidden.len() == 200);
        assert!(
            hidden
                .iter()
                .all(|name| !name.as_str().contains("192-0-2-1"))
        );
        // One name again and again is looked into once.
        let same: Vec<_> = (0..200)
            .map(|at| record("192-0-2-1.a.example", words::A, &[203, 0, 113, at]))
            .collect();
        let message = rewritten(&response("192-0-2-1.a.example", words::A, &same, &[]));
        assert!(!contains(&message, b"invalid") && !contains(&message, b"192-0-2-1"));
    }

    #[test]
    fn a_message_that_breaks_off_breaks_off_as_well() {
        let answers = [
            record("a.example", words::A, &[192, 0, 2, 9]),
            record("a.example", words::A, &[192, 0, 2, 10]),
        ];
        let whole = response("a.example", words::A, &answers, &[]);
        for length in 0..whole.len() {
            let mut out = Vec::new();
            let cut = &whole[..length];
            let is_message = pseudonyms().message(cut, &|_| false, &mut out).is_some();
            assert_eq!(is_message, Message::parse(cut).is_ok(), "{length}");
            if is_message {
                let (old, new) = (Message::parse(cut).unwrap(), Message::parse(&out).unwrap());
                assert_eq!(
                    (old.answers().count(), old.is_cut()),
                    (new.answers().count(), new.is_cut()),
                    "{length}"
                );
            }
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let _ = pseudonyms().message(&changed, &|_| false, &mut Vec::new());
            }
        }
    }

    #[test]
    fn the_largest_message_costs_no_more_than_one_that_is_read() {
        // Many pointers to one long name.
        let mut bytes = vec![0, 1, 0x80, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0];
        let long: Vec<String> = (0..4).map(|_| "a".repeat(60)).collect();
        bytes.extend(name(&long.join(".")));
        bytes.extend([0, 1, 0, 1]);
        while bytes.len() + 12 < 65_535 {
            bytes.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 12]);
        }
        assert!(rewritten(&bytes).len() < 1 << 20);
    }
}
