//! Names that were asked, and contacts that failed: what never came to payload.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::access::{Asked, OpenAccess};
use super::super::catalogue::{EndpointId, Role};
use super::super::fact::{Answer, Contact, Failure, NameSource, Question};
use super::super::hosts::HostKey;
use super::super::verdict::{Confidence, Evidence, Verdict};
use super::timers::{Closing, TimerKey};
use super::{ENTRY_BYTES, Engine, OutputSink, hash, of_endpoint, reweigh};
use crate::types::{Endpoint, Timestamp};

/// A name that was asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) question: Question,
    pub(super) asked: Asked,
    pub(super) last: Timestamp,
    pub(super) was_contacted: bool,
    /// The sensor was restarted since the question: a contact may not have been seen.
    pub(super) was_blind: bool,
    /// Revisions that an earlier run of the sensor may have told already.
    pub(super) told_before: u32,
    /// Bytes that it was last counted with.
    #[serde(skip)]
    pub(super) weight: usize,
    /// When the name was last reached.
    pub(super) reached: Option<Timestamp>,
    #[serde(skip)]
    pub(super) armed: Timestamp,
}

/// A contact that failed and may yet be a fallback.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PendingFailure {
    pub(super) failure: Failure,
    pub(super) due: Timestamp,
    /// As in [`Window`].
    pub(super) told_before: u32,
}

/// An access that never came to payload.
struct Uncontacted {
    contact: Arc<Contact>,
    asked: Asked,
    verdict: Verdict,
    /// Begin and end.
    span: (Timestamp, Timestamp),
    /// Bytes on the wire, toward the server and toward the client.
    bytes: (u64, u64),
    evidence: Vec<Evidence>,
    told_before: u32,
}

impl PendingFailure {
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + ENTRY_BYTES + self.failure.contact.memory()
    }
}

impl Window {
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + ENTRY_BYTES + self.question.name.len() + self.asked.memory()
    }

    /// The contact that did not come: its server is the first address answered, of the client's family where there is one.
    fn as_contact(&self) -> Contact {
        let question = &self.question;
        let addresses = &self.asked.addresses;
        let is_v4 = question.client.address.is_ipv4();
        let of_family = addresses.iter().find(|address| address.is_ipv4() == is_v4);
        let first = of_family.or(addresses.first()).copied();
        Contact {
            flow_id: question.flow_id,
            client: question.client,
            server: Endpoint {
                address: first.unwrap_or(question.resolver.address),
                port: question.resolver.port,
            },
            protocol: question.protocol,
            start: question.time,
            endpoint: question.endpoint,
            name: question.name.clone(),
            source: NameSource::Dns,
            corroborated: false,
            chain: self.asked.chain.clone(),
            answered: None,
            alternatives: Vec::new(),
            is_doubtful: false,
        }
    }
}

impl Engine {
    pub(super) fn asked(&mut self, question: &Question) {
        let role = self
            .catalogue
            .endpoint(question.endpoint)
            .map(|endpoint| endpoint.role);
        let Some(role) = role.filter(|role| *role != Role::Ignore) else {
            return;
        };
        let host = self.hosts.key_of(question.client.address, question.time);
        let key = (host, question.endpoint);
        if role == Role::Download {
            self.note_download_asked(host, question.endpoint);
        }
        if let Some(window) = self.windows.get_mut(&key) {
            window.last = window.last.max(question.time);
            return;
        }
        let asked = Asked {
            time: Some(question.time),
            ..Asked::default()
        };
        let armed = question.time.plus(self.options.window);
        let mut window = Window {
            question: question.clone(),
            asked,
            last: question.time,
            was_contacted: false,
            was_blind: false,
            told_before: 0,
            weight: 0,
            reached: None,
            armed,
        };
        let memory = window.memory();
        reweigh(&mut self.bytes, &mut window.weight, memory);
        self.windows.insert(key, window);
        self.timers
            .insert((armed, TimerKey::Window(host, question.endpoint)));
    }

    pub(super) fn answered(&mut self, answer: &Answer) {
        const MOST_ADDRESSES: usize = 16;
        self.asked(&answer.question);
        let question = &answer.question;
        let host = self.hosts.key_of(question.client.address, question.time);
        let Some(window) = self.windows.get_mut(&(host, question.endpoint)) else {
            return;
        };
        window.last = window.last.max(answer.question.time);
        window.asked.is_cut |= answer.is_cut;
        if window.asked.chain.len() < answer.chain.len() {
            window.asked.chain.clone_from(&answer.chain);
        }
        for address in &answer.addresses {
            if window.asked.addresses.len() < MOST_ADDRESSES
                && !window.asked.addresses.contains(address)
            {
                window.asked.addresses.push(*address);
            }
        }
        let memory = window.memory();
        reweigh(&mut self.bytes, &mut window.weight, memory);
    }

    pub(super) fn failed(&mut self, failure: &Failure) {
        let client = failure.contact.client.address;
        let key = (self.host_of(&failure.contact), failure.contact.endpoint);
        if self.role(&failure.contact, None, None).role == Role::Ignore {
            return;
        }
        let tried = failure.contact.start;
        let fallback = self.options.fallback;
        let was_reached = self.windows.get_mut(&key).is_some_and(|window| {
            window.was_contacted = true;
            window.reached.is_some_and(|reached| {
                reached.since(tried) <= fallback && tried.since(reached) <= fallback
            })
        });
        let reached = self.products.reached_from(key.1);
        let first = reached
            .flat_map(|endpoint| of_endpoint(&self.accesses, (key.0, client, endpoint)))
            .min_by_key(|(_, open)| open.start)
            .map(|(key, _)| *key);
        if let Some(open) = first.and_then(|key| self.accesses.get_mut(&key)) {
            return open.note(Evidence::Fallback);
        }
        if !was_reached && !self.failures.contains_key(&key) {
            let due = failure.time.max(tried.plus(fallback));
            self.timers.insert((due, TimerKey::Failure(key.0, key.1)));
            let pending = PendingFailure {
                failure: failure.clone(),
                due,
                told_before: 0,
            };
            self.bytes += pending.memory();
            self.failures.insert(key, pending);
        }
    }

    /// A contact may have been one with these endpoints: none of them is only resolved.
    pub(super) fn contact_alternatives(&mut self, host: HostKey, endpoints: &[EndpointId]) {
        for endpoint in endpoints {
            if let Some(window) = self.windows.get_mut(&(host, *endpoint)) {
                window.was_contacted = true;
            }
        }
    }

    /// The name was not contacted in time; roles that are told once an hour are told by their contacts alone.
    pub(super) fn close_window(
        &mut self,
        host: HostKey,
        endpoint: EndpointId,
        closing: Closing,
        out: &mut OutputSink<'_>,
    ) {
        let window = self.windows.remove(&(host, endpoint));
        self.bytes -= window.as_ref().map_or(0, |window| window.weight);
        let role = self
            .catalogue
            .endpoint(endpoint)
            .map(|endpoint| endpoint.role);
        let is_told = role.is_some_and(|role| !role.is_hourly());
        let Some(window) = window.filter(|window| is_told && !window.was_contacted) else {
            return;
        };
        let mut evidence = Vec::new();
        if window.asked.addresses.is_empty() && !window.asked.is_cut {
            evidence.push(Evidence::NoAddress);
        }
        if closing.is_end || window.was_blind {
            evidence.push(Evidence::CaptureEnd);
        }
        let uncontacted = Uncontacted {
            contact: Arc::new(window.as_contact()),
            span: (window.question.time, window.last),
            asked: window.asked,
            verdict: Verdict::Resolved,
            bytes: (0, 0),
            evidence,
            told_before: window.told_before,
        };
        self.give_uncontacted(uncontacted, closing, out);
    }

    /// Whether a client that had not asked contacted an entry since `asked`: hosts have several addresses, and ask over one of them.
    fn may_be_reached_elsewhere(&self, endpoint: EndpointId, asked: Timestamp) -> bool {
        let contacted = self.unasked.get(&endpoint);
        contacted.is_some_and(|contacted| *contacted >= asked)
    }

    /// No other way led to the name.
    pub(super) fn close_failure(
        &mut self,
        host: HostKey,
        endpoint: EndpointId,
        closing: Closing,
        out: &mut OutputSink<'_>,
    ) {
        let Some(pending) = self.failures.remove(&(host, endpoint)) else {
            return;
        };
        self.bytes -= pending.memory();
        let failure = pending.failure;
        let window = self.windows.get(&(host, endpoint));
        let uncontacted = Uncontacted {
            asked: window
                .map(|window| window.asked.clone())
                .unwrap_or_default(),
            verdict: if failure.refused {
                Verdict::Refused
            } else {
                Verdict::Unanswered
            },
            span: (failure.contact.start, failure.end),
            bytes: (failure.bytes_toserver, failure.bytes_toclient),
            evidence: std::iter::once(Evidence::Role)
                .chain(failure.evidence)
                .collect(),
            told_before: pending.told_before,
            contact: failure.contact,
        };
        self.give_uncontacted(uncontacted, closing, out);
    }

    /// A record of an access that never came to payload.
    fn give_uncontacted(&mut self, what: Uncontacted, closing: Closing, out: &mut OutputSink<'_>) {
        let (contact, start) = (&what.contact, what.span.0);
        let role = self.role(contact, None, None).role;
        if role == Role::Ignore {
            return;
        }
        let rule = self
            .catalogue
            .endpoint(contact.endpoint)
            .map(|endpoint| endpoint.rule.as_str())
            .unwrap_or_default();
        let id = hash(&(contact.client.address, rule, what.verdict.as_str(), start));
        let mut open = OpenAccess::new(id, contact, start, what.asked);
        open.host = self.hosts.key_of(contact.client.address, contact.start);
        open.end = what.span.1;
        open.told_before = what.told_before;
        open.take_in_rest(what.bytes.0, what.bytes.1);
        what.evidence
            .iter()
            .for_each(|evidence| open.note(*evidence));
        let mut access = open.record(role, &self.catalogue, what.verdict, true, closing.at);
        access.flow_ids.push(contact.flow_id);
        let is_resolved = what.verdict == Verdict::Resolved;
        let is_open = is_resolved && self.may_be_reached_elsewhere(contact.endpoint, start);
        let most = if is_open {
            Confidence::Low
        } else {
            Confidence::Medium
        };
        access.confidence = access.confidence.min(most);
        self.give(closing.cause, access, out);
    }
}
