//! What is kept of facts and outputs until the lines are made: little of each, within ceilings.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::LOOKUP;
use crate::types::{Endpoint, Protocol, Timestamp};
use crate::updates::catalogue::EndpointId;
use crate::updates::fact::{Answer, Contact, Ended, Failure, NameSource, Question};
use crate::updates::output::Access;
use crate::updates::verdict::{Confidence, Verdict};

/// What one client asked for one name in one go.
#[derive(Debug)]
pub(super) struct Lookup {
    /// Its place in the order of arrival.
    pub(super) number: u32,
    pub(super) client: IpAddr,
    pub(super) name: Arc<str>,
    /// Its first fact: the question, or the answer where only that was seen.
    pub(super) start: Timestamp,
    /// Whether a question was seen.
    pub(super) was_asked: bool,
    /// Whether any answer was seen.
    pub(super) was_answered: bool,
    /// When the first address came.
    pub(super) resolved: Option<Timestamp>,
    /// From the name to the owner of the addresses; empty without an answer.
    pub(super) chain: Box<[String]>,
    pub(super) addresses: Vec<IpAddr>,
    /// Addresses that there was no room for.
    pub(super) left_out: usize,
}

/// A flow to a catalogue name.
#[derive(Debug)]
pub(super) struct Visit {
    /// Its place in the order of arrival.
    pub(super) number: u32,
    pub(super) flow_id: u64,
    pub(super) client: IpAddr,
    pub(super) server: Endpoint,
    pub(super) protocol: Protocol,
    /// `tls`, `http`, `quic`, as far as it is known.
    pub(super) application: Option<&'static str>,
    pub(super) endpoint: EndpointId,
    pub(super) name: Arc<str>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// On the wire, both directions together.
    pub(super) bytes: u64,
    /// Whether and how the contact failed.
    pub(super) failure: Option<Verdict>,
}

/// An access, as far as lines tell of it.
#[derive(Debug)]
pub(super) struct Step {
    /// Its place in the order of arrival.
    pub(super) number: u32,
    pub(super) client: IpAddr,
    pub(super) server: Endpoint,
    pub(super) protocol: Protocol,
    pub(super) source: NameSource,
    pub(super) endpoint: EndpointId,
    pub(super) name: Arc<str>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// On the wire, both directions together.
    pub(super) bytes: u64,
    pub(super) verdict: Verdict,
    pub(super) confidence: Confidence,
    pub(super) flow_ids: Box<[u64]>,
    /// What was answered, kept only where no contact followed.
    pub(super) answer: Option<Box<Addressed>>,
}

/// What DNS told of a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Addressed {
    chain: Box<[String]>,
    addresses: Vec<IpAddr>,
}

/// Everything that is kept.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) lookups: Vec<Lookup>,
    pub(super) visits: Vec<Visit>,
    pub(super) steps: Vec<Step>,
    /// The newest lookup of each client and name.
    newest: HashMap<(IpAddr, Arc<str>), usize>,
    /// Flows that failed and whose end was not told yet.
    failing: HashMap<u64, usize>,
    /// Accesses of which another revision comes.
    unfinished: HashMap<u64, usize>,
    room: Room,
}

/// What may still come.
#[derive(Debug)]
struct Room {
    events: usize,
    bytes: usize,
    next: u32,
    dropped: u64,
}

impl Gathered {
    /// Room for so many events and bytes of text.
    pub(super) fn new(events: usize, bytes: usize) -> Self {
        Self {
            lookups: Vec::new(),
            visits: Vec::new(),
            steps: Vec::new(),
            newest: HashMap::new(),
            failing: HashMap::new(),
            unfinished: HashMap::new(),
            room: Room {
                events,
                bytes,
                next: 0,
                dropped: 0,
            },
        }
    }

    /// A name was asked.
    pub(super) fn asked(&mut self, question: &Question) {
        let key = (question.client.address, Arc::from(question.name.as_str()));
        let newest = self.newest.get(&key).and_then(|at| self.lookups.get(*at));
        if newest.is_none_or(|lookup| question.time.since(lookup.start) > LOOKUP) {
            self.begin(key, question, true);
        }
    }

    /// A name was answered.
    pub(super) fn answered(&mut self, answer: &Answer) {
        let question = &answer.question;
        let key = (question.client.address, Arc::from(question.name.as_str()));
        let newest = self.newest.get(&key).copied();
        let belongs =
            |lookup: &Lookup| !lookup.was_answered || question.time.since(lookup.start) <= LOOKUP;
        let at = newest.filter(|at| self.lookups.get(*at).is_some_and(belongs));
        let Some(at) = at.or_else(|| self.begin(key, question, false)) else {
            return;
        };
        if let Some(lookup) = self.lookups.get_mut(at) {
            lookup.take_in(answer, &mut self.room);
        }
    }

    /// A contact came to nothing.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let contact = &failure.contact;
        let Some(mut visit) = self.visit(contact) else {
            return;
        };
        visit.end = failure.time;
        visit.failure = Some(if failure.refused {
            Verdict::Refused
        } else {
            Verdict::Unanswered
        });
        self.failing.insert(contact.flow_id, self.visits.len());
        self.visits.push(visit);
    }

    /// A flow ended.
    pub(super) fn ended(&mut self, ended: &Ended) {
        let at = self.failing.remove(&ended.contact.flow_id);
        let at = at.or_else(|| {
            let visit = self.visit(&ended.contact)?;
            self.visits.push(visit);
            Some(self.visits.len() - 1)
        });
        if let Some(visit) = at.and_then(|at| self.visits.get_mut(at)) {
            visit.end = ended.end;
            visit.bytes = ended.bytes_toserver.saturating_add(ended.bytes_toclient);
            visit.application = ended.application;
        }
    }

    /// An access, or a later revision of one.
    pub(super) fn access(&mut self, access: &Access) {
        let earlier = self.unfinished.remove(&access.id);
        let number = match earlier.and_then(|at| self.steps.get(at)) {
            Some(step) => step.number,
            None => match self.room.event(access.flow_ids.len() * size_of::<u64>()) {
                Some(number) => number,
                None => return,
            },
        };
        let at = earlier.unwrap_or(self.steps.len());
        if !access.is_final {
            self.unfinished.insert(access.id, at);
        }
        let step = self.step(access, number);
        match self.steps.get_mut(at) {
            Some(earlier) => *earlier = step,
            None => self.steps.push(step),
        }
    }

    /// Events that came when there was no room.
    pub(super) const fn dropped(&self) -> u64 {
        self.room.dropped
    }

    fn begin(
        &mut self,
        key: (IpAddr, Arc<str>),
        question: &Question,
        was_asked: bool,
    ) -> Option<usize> {
        let number = self.room.event(question.name.len())?;
        self.lookups.push(Lookup {
            number,
            client: key.0,
            name: Arc::clone(&key.1),
            start: question.time,
            was_asked,
            was_answered: false,
            resolved: None,
            chain: Box::default(),
            addresses: Vec::new(),
            left_out: 0,
        });
        let at = self.lookups.len() - 1;
        self.newest.insert(key, at);
        Some(at)
    }

    fn visit(&mut self, contact: &Contact) -> Option<Visit> {
        Some(Visit {
            number: self.room.event(contact.name.len())?,
            flow_id: contact.flow_id,
            client: contact.client.address,
            server: contact.server,
            protocol: contact.protocol,
            application: None,
            endpoint: contact.endpoint,
            name: contact.name.as_str().into(),
            start: contact.start,
            end: contact.start,
            bytes: 0,
            failure: None,
        })
    }

    fn step(&mut self, access: &Access, number: u32) -> Step {
        let answer_bytes = texts_size(&access.chain) + addresses_size(&access.addresses);
        let is_kept = access.verdict == Verdict::Resolved && self.room.grow(answer_bytes);
        Step {
            number,
            client: access.client.address,
            server: access.server,
            protocol: access.protocol,
            source: access.source,
            endpoint: access.product_endpoint(),
            name: Arc::clone(&access.name),
            start: access.start,
            end: access.end,
            bytes: access.bytes_toserver.saturating_add(access.bytes_toclient),
            verdict: access.verdict,
            confidence: access.confidence,
            flow_ids: if access.flow_ids.is_empty() {
                [access.flow_id].into()
            } else {
                access.flow_ids.as_slice().into()
            },
            answer: is_kept.then(|| {
                Box::new(Addressed {
                    chain: access.chain.clone().into_boxed_slice(),
                    addresses: access.addresses.clone(),
                })
            }),
        }
    }
}

impl Lookup {
    /// A lookup that only an access tells of.
    pub(super) fn of(step: &Step) -> Self {
        let Addressed { chain, addresses } = step.answer.as_deref().cloned().unwrap_or_default();
        Self {
            number: step.number,
            client: step.client,
            name: Arc::clone(&step.name),
            start: step.start,
            was_asked: true,
            was_answered: !chain.is_empty(),
            resolved: (!addresses.is_empty()).then_some(step.start),
            chain,
            addresses,
            left_out: 0,
        }
    }

    fn take_in(&mut self, answer: &Answer, room: &mut Room) {
        self.was_answered = true;
        let is_better = self.resolved.is_none() && answer.chain.len() >= self.chain.len();
        if is_better && room.grow(texts_size(&answer.chain)) {
            self.chain = answer.chain.clone().into_boxed_slice();
        }
        for address in &answer.addresses {
            if self.addresses.contains(address) {
                continue;
            }
            if self.addresses.len() < MAX_ADDRESSES && room.grow(size_of::<IpAddr>()) {
                self.addresses.push(*address);
            } else {
                self.left_out += 1;
            }
        }
        if self.resolved.is_none() && !self.addresses.is_empty() {
            self.resolved = Some(answer.question.time);
        }
    }
}

impl Visit {
    /// A visit that only an access tells of.
    pub(super) fn of(step: &Step) -> Self {
        Self {
            number: step.number,
            flow_id: step.flow_ids.first().copied().unwrap_or_default(),
            client: step.client,
            server: step.server,
            protocol: step.protocol,
            application: step.source.is_claimed().then(|| step.source.as_str()),
            endpoint: step.endpoint,
            name: Arc::clone(&step.name),
            start: step.start,
            end: step.end,
            bytes: step.bytes,
            failure: None,
        }
    }
}

/// Most addresses of a lookup.
const MAX_ADDRESSES: usize = 256;

impl Room {
    /// The number of the next event, if there is room for it and `bytes` of what it holds.
    fn event(&mut self, bytes: usize) -> Option<u32> {
        if self.events == 0 || !self.grow(bytes) {
            self.dropped += 1;
            return None;
        }
        self.events -= 1;
        self.next = self.next.saturating_add(1);
        Some(self.next)
    }

    /// Whether there was room for so many bytes more.
    const fn grow(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(rest) => {
                self.bytes = rest;
                true
            }
            None => false,
        }
    }
}

fn texts_size(texts: &[String]) -> usize {
    texts
        .iter()
        .map(|text| text.len() + size_of::<String>())
        .sum()
}

const fn addresses_size(addresses: &[IpAddr]) -> usize {
    std::mem::size_of_val(addresses)
}
