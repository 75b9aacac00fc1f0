//! DNS messages to names, to facts and to records.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::FixedState;

use super::annotation::{Annotation, Query};
use super::worker::Core;
use crate::flows::{Chunk, ClientEvidence, Flow};
use crate::protocols::dns::{Framer, Message, Resolution, words};
use crate::types::flow_key::Side;
use crate::types::{Stamp, Timestamp};
use crate::updates::fact::{Answer, Fact, Question};

/// Queries of one flow that wait for their answers.
const MAX_QUERIES: usize = 64;
/// Empty lists of queries that are kept for others.
const MAX_SPARE: usize = 256;
/// Most that a frame is believed to lie behind the clock of its worker.
const MOST_BEHIND: Duration = Duration::from_secs(1);

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
        let Some(message) = Message::parse(bytes).ok().filter(Message::is_plausible) else {
            self.counters.dns_malformed += 1;
            return;
        };
        let client = if message.is_response() {
            side.reversed()
        } else {
            side
        };
        flow.set_client(client, ClientEvidence::Protocol);
        let tx_id = u64::from(flow.annotation.dns_messages);
        flow.annotation.dns_messages = flow.annotation.dns_messages.wrapping_add(1);
        self.write_message(flow, side, (bytes, tx_id), stamp);
        let mut resolution = self.resolution.take().unwrap_or_default();
        if message.is_response() {
            self.counters.dns_responses += 1;
            let time = self.message_time(stamp);
            self.dns_response(flow, (bytes, &message), &mut resolution, (stamp, time));
        } else {
            self.counters.dns_queries += 1;
            self.dns_query(flow, &message, &mut resolution, stamp);
        }
        self.resolution = Some(resolution);
    }

    fn dns_query(
        &mut self,
        flow: &mut Flow<Annotation>,
        message: &Message<'_>,
        resolution: &mut Resolution,
        stamp: Stamp,
    ) {
        let Some((query, kind)) = read_query(message, resolution) else {
            return;
        };
        let spare = &mut self.spare_queries;
        let waiting = &mut flow.annotation.queries;
        let waiting = waiting.get_or_insert_with(|| spare.pop().unwrap_or_default());
        let forgotten = waiting.push(query, MAX_QUERIES);
        flow.set_answered(false);
        let is_unanswered = forgotten.is_some_and(|query| !query.is_answered);
        self.counters.dns_unanswered += u64::from(is_unanswered);
        if is_address_question(kind)
            && let Some(question) = self.catalogue_question(flow, resolution.question(), stamp)
        {
            self.tell(flow, Fact::Asked(question));
        }
        let Some((response, since)) = self.early.take(flow.id(), &query, stamp.timestamp) else {
            return;
        };
        if let Ok(message) = Message::parse(&response) {
            // What counted in an earlier tick would be seen by some of the other workers alone.
            let time = since.max(self.tick.start()).min(self.message_time(stamp));
            self.dns_response(flow, (&response, &message), resolution, (stamp, time));
        }
        self.early.give_back(response);
    }

    fn dns_response(
        &mut self,
        flow: &mut Flow<Annotation>,
        (bytes, message): (&[u8], &Message<'_>),
        resolution: &mut Resolution,
        (stamp, time): (Stamp, Timestamp),
    ) {
        let Some((answered, kind)) = read_query(message, resolution) else {
            return;
        };
        let resolver = flow.server().address;
        if !self.was_asked(flow, &answered, message.is_truncated()) {
            if !self.settings.resolvers.contains(&resolver) {
                let now = stamp.timestamp;
                let driven_out = self.early.keep(flow.id(), answered, bytes, now);
                self.counters.dns_unasked += driven_out;
                return;
            }
            self.counters.dns_unasked_believed += 1;
        }
        resolution.read_answers(message);
        self.learn(flow.client().address, resolution, time);
        if is_address_question(kind)
            && !message.is_truncated()
            && let Some(question) = self.catalogue_question(flow, resolution.question(), stamp)
        {
            let answer = answer(question, resolution, message.is_cut());
            self.tell(flow, Fact::Answered(answer));
        }
    }

    /// Whether the query of a response was seen. Where no other waits their list is given back: a lookup is a flow of its own, which stays
    /// for long.
    fn was_asked(
        &mut self,
        flow: &mut Flow<Annotation>,
        answered: &Query,
        is_truncated: bool,
    ) -> bool {
        let waiting = &mut flow.annotation.queries;
        let Some(queries) = waiting else {
            return false;
        };
        let was_asked = queries.answer(answered, is_truncated);
        let empty = waiting.take_if(|queries| queries.is_empty());
        let empty = empty.filter(|_| self.spare_queries.len() < MAX_SPARE);
        self.spare_queries.extend(empty);
        flow.set_answered(flow.annotation.queries.is_none());
        was_asked
    }

    /// `client` knows now what a response says.
    fn learn(&mut self, client: IpAddr, resolution: &Resolution, time: Timestamp) {
        let addresses = resolution.addresses();
        self.counters.names_answered += addresses.len() as u64;
        // Nearly always one chain led to them all.
        for addresses in addresses.chunk_by(|(_, one), (_, other)| one == other) {
            let length = addresses.first().map_or(0, |(_, length)| *length);
            let chain = resolution.chain(length);
            let servers = addresses.iter().map(|(address, _)| *address);
            self.answers
                .push(&self.names, (client, time), chain, servers);
        }
        for (public_name, config_id) in resolution.ech() {
            self.names
                .learn_ech(client, public_name.as_str(), *config_id, time);
        }
    }

    /// What was answered up to now is in the names table from now on: before a tick is left, and before anything is looked up.
    pub fn note_answers(&mut self) {
        self.names.note_all(&mut self.answers);
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
        name: &str,
        stamp: Stamp,
    ) -> Option<Question> {
        let endpoint = self.catalogue.find(name)?;
        Some(Question {
            time: self.message_time(stamp),
            flow_id: flow.id(),
            client: flow.client(),
            resolver: flow.server(),
            protocol: flow.key().protocol(),
            endpoint,
            name: name.to_owned(),
        })
    }
}

/// What a message asks, or answers, and the type that it asks for.
fn read_query(message: &Message<'_>, resolution: &mut Resolution) -> Option<(Query, u16)> {
    let kind = resolution.read_question(message)?;
    let query = Query {
        id: message.id(),
        question: question_hash(resolution.question(), kind),
        is_answered: message.is_response(),
    };
    Some((query, kind))
}

/// What was answered, with the chain of the first address that one can connect to.
fn answer(question: Question, resolution: &Resolution, is_cut: bool) -> Answer {
    let usable = resolution.addresses().iter().copied();
    let usable = usable.filter(|(address, _)| is_usable(*address));
    let length = usable.clone().map(|(_, length)| length).next();
    let chain = length.map_or_else(
        || resolution.aliases().map(str::to_owned).collect(),
        |length| resolution.chain(length).map(str::to_owned).collect(),
    );
    Answer {
        question,
        chain,
        addresses: usable.map(|(address, _)| address).collect(),
        is_cut,
    }
}

const fn is_address_question(kind: u16) -> bool {
    matches!(kind, words::A | words::AAAA | words::HTTPS)
}

/// An address that one can connect to: sinkholes answer 0.0.0.0 or a loopback address.
fn is_usable(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_loopback()
}

fn question_hash(name: &str, kind: u16) -> u64 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write(name.as_bytes());
    hasher.write_u16(kind);
    hasher.finish()
}
