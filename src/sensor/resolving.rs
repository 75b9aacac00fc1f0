//! DNS messages to names, to facts and to records.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::FixedState;

use super::annotation::{Annotation, Query};
use super::worker::{Core, Way};
use crate::flows::{Chunk, ClientEvidence, Flow};
use crate::protocols::dns::{self, Data, Framer, Message, svcb, words};
use crate::records::Kind;
use crate::types::flow_key::Side;
use crate::types::{Fqdn, Stamp, Timestamp};
use crate::updates::fact::{Answer, Fact, Question};

/// Queries of one flow that wait for their answers.
const MAX_QUERIES: usize = 64;
/// Answer records that are looked at for names.
const MAX_ANSWERS: usize = 256;
/// Most that a frame is believed to lie behind the clock of its worker.
const MOST_BEHIND: Duration = Duration::from_secs(1);
/// Longest chain of aliases.
const MAX_ALIASES: usize = 16;

impl Core {
    /// A piece of DNS over TCP.
    pub(super) fn dns_stream(
        &mut self,
        flow: &mut Flow<Annotation>,
        framer: &mut Framer,
        side: Side,
        chunk: Chunk<'_>,
        stamp: Stamp,
    ) {
        match chunk {
            Chunk::Bytes(bytes) => framer.push(bytes, |message| {
                self.dns_message(flow, side, message, stamp)
            }),
            Chunk::Gap(_) | Chunk::Restart => framer.gap(),
            Chunk::End => {}
        }
    }

    /// A message, over UDP or TCP.
    pub(super) fn dns_message(
        &mut self,
        flow: &mut Flow<Annotation>,
        side: Side,
        bytes: &[u8],
        stamp: Stamp,
    ) {
        let written = self.reworded_message(bytes);
        self.read_dns_message(flow, side, written.as_deref().unwrap_or(bytes), stamp);
        self.message = written.unwrap_or_default();
    }

    fn read_dns_message(
        &mut self,
        flow: &mut Flow<Annotation>,
        side: Side,
        bytes: &[u8],
        stamp: Stamp,
    ) {
        let Some(message) = Message::parse(bytes)
            .ok()
            .filter(|_| dns::is_plausible(bytes))
        else {
            self.counters.dns_malformed += 1;
            return;
        };
        let client = if message.is_response() {
            side.reversed()
        } else {
            side
        };
        flow.set_client(client, ClientEvidence::Protocol);
        let state = flow.annotation.dns.get_or_insert_default();
        let tx_id = state.messages;
        state.messages += 1;
        let (source, destination) = (flow.key().sender(side), flow.key().receiver(side));
        self.write(
            Kind::Dns,
            flow,
            Some(stamp),
            Way::Packet(source, destination),
            |line, style, _, _| {
                crate::records::dns::write(line, &message, tx_id, style);
            },
        );
        if message.is_response() {
            self.counters.dns_responses += 1;
            self.dns_response(flow, &message, stamp);
        } else {
            self.counters.dns_queries += 1;
            self.dns_query(flow, &message, stamp);
        }
    }

    fn dns_query(&mut self, flow: &mut Flow<Annotation>, message: &Message<'_>, stamp: Stamp) {
        let Some((question, kind)) = first_question(message) else {
            return;
        };
        let query = Query {
            id: message.id(),
            question: question_hash(&question, kind),
            is_answered: false,
        };
        let state = flow.annotation.dns.get_or_insert_default();
        if state.queries.len() >= MAX_QUERIES {
            let forgotten = state.queries.pop_front();
            let is_unanswered = forgotten.is_some_and(|query| !query.is_answered);
            self.counters.dns_unanswered += u64::from(is_unanswered);
        }
        state.queries.push_back(query);
        if is_address_question(kind)
            && let Some(question) = self.catalogue_question(flow, &question, stamp)
        {
            self.tell(flow, Fact::Asked(question));
        }
    }

    fn dns_response(&mut self, flow: &mut Flow<Annotation>, message: &Message<'_>, stamp: Stamp) {
        let Some((question, kind)) = first_question(message) else {
            return;
        };
        let answered = Query {
            id: message.id(),
            question: question_hash(&question, kind),
            is_answered: true,
        };
        let resolver = flow.server().address;
        let state = flow.annotation.dns.get_or_insert_default();
        if !state.answer(&answered, message.is_truncated()) {
            if !self.settings.resolvers.contains(&resolver) {
                self.counters.dns_unasked += 1;
                return;
            }
            self.counters.dns_unasked_believed += 1;
        }
        let found = resolved(message, &question);
        let (client, time) = (flow.client().address, self.message_time(stamp));
        self.counters.names_answered += found.addresses.len() as u64;
        for (address, chain) in &found.addresses {
            self.names.learn(client, *address, chain, time);
        }
        for (public_name, config_id) in &found.ech {
            self.names.learn_ech(client, public_name, *config_id, time);
        }
        if is_address_question(kind)
            && !message.is_truncated()
            && let Some(question) = self.catalogue_question(flow, &question, stamp)
        {
            let usable = found
                .addresses
                .iter()
                .filter(|(address, _)| is_usable(*address));
            let addresses: Vec<IpAddr> = usable.clone().map(|(address, _)| *address).collect();
            let chain = usable
                .map(|(_, chain)| chain)
                .next()
                .cloned()
                .unwrap_or(found.aliases);
            self.tell(
                flow,
                Fact::Answered(Answer {
                    question,
                    chain,
                    addresses,
                    is_cut: message.is_cut(),
                }),
            );
        }
    }

    /// When a message was on the wire. Live, a worker's clock may be ahead of a frame of another interface, or of one that another
    /// worker handed over; in a replay what counts is the order of the frames.
    fn message_time(&self, stamp: Stamp) -> Timestamp {
        if !self.settings.style.live {
            return stamp.timestamp;
        }
        let earliest = stamp.timestamp.minus(MOST_BEHIND);
        stamp.recorded.clamp(earliest, stamp.timestamp)
    }

    fn catalogue_question(
        &self,
        flow: &Flow<Annotation>,
        name: &Fqdn,
        stamp: Stamp,
    ) -> Option<Question> {
        Some(Question {
            time: self.message_time(stamp),
            flow_id: flow.id(),
            client: flow.client(),
            resolver: flow.server(),
            protocol: flow.key().protocol(),
            endpoint: self.catalogue.find(name.as_str())?,
            name: name.as_str().to_owned(),
        })
    }
}

/// What a response says of the name asked for.
#[derive(Debug, Default)]
struct Resolved {
    /// Addresses, each with the chain that led to it.
    addresses: Vec<(IpAddr, Vec<String>)>,
    /// From the name asked for to the last alias.
    aliases: Vec<String>,
    /// Public names and ids of ECH configurations.
    ech: Vec<(String, u8)>,
}

/// Follows the aliases from the name asked for, in whatever order the records stand. The answer section only: glue names servers.
fn resolved(message: &Message<'_>, question: &Fqdn) -> Resolved {
    let mut found = Resolved {
        aliases: vec![question.as_str().to_owned()],
        ..Resolved::default()
    };
    let records: Vec<_> = message.answers().take(MAX_ANSWERS).collect();
    let aliases: Vec<(Fqdn, Fqdn)> = records
        .iter()
        .filter(|record| record.kind == words::CNAME)
        .filter_map(|record| match record.data() {
            Data::Name(target) => Some((record.name.to_fqdn()?, target.to_fqdn()?)),
            _ => None,
        })
        .collect();
    while found.aliases.len() <= MAX_ALIASES {
        let last = found.aliases.last().map(String::as_str).unwrap_or_default();
        let next = aliases
            .iter()
            .find(|(owner, _)| owner.as_str() == last)
            .map(|(_, target)| target.as_str().to_owned());
        match next.filter(|next| !found.aliases.contains(next)) {
            Some(next) => found.aliases.push(next),
            None => break,
        }
    }
    for record in &records {
        let Some(owner) = record.name.to_fqdn() else {
            continue;
        };
        let Some(at) = found.aliases.iter().position(|name| name == owner.as_str()) else {
            continue;
        };
        let chain: Vec<String> = found.aliases.iter().take(at + 1).cloned().collect();
        match record.data() {
            Data::A(address) => found.addresses.push((address.into(), chain)),
            Data::Aaaa(address) => found.addresses.push((address.into(), chain)),
            Data::Service(service) => {
                let v4 = service.ipv4_hints().map(IpAddr::from);
                let hints = v4
                    .chain(service.ipv6_hints().map(IpAddr::from))
                    .take(MAX_ANSWERS);
                found
                    .addresses
                    .extend(hints.map(|hint| (hint, chain.clone())));
                let configs = service.ech().map(svcb::ech_configs).into_iter().flatten();
                let named = configs.filter_map(|config| {
                    Some((
                        Fqdn::from_claim(config.public_name)?.as_str().to_owned(),
                        config.config_id,
                    ))
                });
                found.ech.extend(named);
            }
            _ => {}
        }
    }
    found
}

fn first_question(message: &Message<'_>) -> Option<(Fqdn, u16)> {
    let question = message.questions().next()?;
    Some((question.name.to_fqdn()?, question.kind))
}

const fn is_address_question(kind: u16) -> bool {
    matches!(kind, words::A | words::AAAA | words::HTTPS)
}

/// An address that one can connect to: sinkholes answer 0.0.0.0 or a loopback address.
fn is_usable(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_loopback()
}

fn question_hash(name: &Fqdn, kind: u16) -> u64 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write(name.as_str().as_bytes());
    hasher.write_u16(kind);
    hasher.finish()
}
