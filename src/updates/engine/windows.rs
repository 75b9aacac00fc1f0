//! Names that were asked, and contacts that failed: what never came to payload.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::access::{AccessKey, Asked, Doubt, OpenAccess};
use super::super::catalogue::{EndpointId, Role};
use super::super::fact::{Answer, Contact, Failure, NameSource, Question};
use super::super::hosts::HostKey;
use super::super::verdict::{Confidence, Evidence, Verdict};
use super::timers::{Closing, TimerKey};
use super::{ENTRY_BYTES, Engine, OutputSink, hash, reweigh};
use crate::types::{Endpoint, Timestamp};

/// Names of one endpoint that are told apart.
const MOST_NAMES: usize = 16;
/// Addresses that are told of what was answered.
const MOST_ADDRESSES: usize = 16;

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
    /// Names that were asked.
    names: Vec<Name>,
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

/// A name among those of an endpoint that were asked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Name {
    hash: u64,
    /// When it was last asked.
    asked: Timestamp,
    /// It was contacted since for something that is no file of products that share the server: see [`Engine::note_purpose`].
    is_closed: bool,
}

/// A name's hash: equal in every run.
pub(super) fn name_hash(name: &str) -> u64 {
    hash(&name)
}

impl Window {
    pub(super) fn memory(&self) -> usize {
        let names = self.names.capacity() * size_of::<Name>();
        let text = self.question.name.len();
        size_of::<Self>() + ENTRY_BYTES + text + names + self.asked.memory()
    }

    /// One of its names was asked; of very many the last ones count, and those of which it is not known what for.
    fn ask(&mut self, hash: u64, asked: Timestamp) {
        let known = self.names.iter().position(|name| name.hash == hash);
        let is_full = self.names.len() >= MOST_NAMES;
        let oldest = || {
            let names = self.names.iter().enumerate();
            let oldest = names.min_by_key(|(_, name)| (!name.is_closed, name.asked));
            oldest.map(|(place, _)| place)
        };
        let place = known.or_else(|| oldest().filter(|_| is_full));
        let before = place.map(|place| self.names.swap_remove(place));
        let before = before.filter(|_| known.is_some());
        self.names.push(Name {
            hash,
            asked: before.map_or(asked, |before| before.asked.max(asked)),
            is_closed: false,
        });
    }

    /// What one of its names was asked for turned out to be something else.
    pub(super) fn close(&mut self, hash: u64) {
        let mut names = self.names.iter_mut();
        if let Some(name) = names.find(|name| name.hash == hash) {
            name.is_closed = true;
        }
    }

    /// Whether a name was asked; of more names than are told apart any may have been.
    fn may_know(&self, hash: u64) -> bool {
        let is_full = self.names.len() >= MOST_NAMES;
        is_full || self.names.iter().any(|name| name.hash == hash)
    }

    /// Names that were asked at `since` or later, of which it is not known what for.
    pub(super) fn open_since(&self, since: Timestamp) -> impl Iterator<Item = u64> {
        let names = self.names.iter();
        let open = names.filter(move |name| name.asked >= since && !name.is_closed);
        open.map(|name| name.hash)
    }

    /// Takes in what was answered.
    fn take_in(&mut self, chain: &[String], addresses: &[IpAddr]) {
        if self.asked.chain.len() < chain.len() {
            chain.clone_into(&mut self.asked.chain);
        }
        for address in addresses {
            let known = &mut self.asked.addresses;
            if known.len() < MOST_ADDRESSES && !known.contains(address) {
                known.push(*address);
            }
        }
    }

    /// The same host asked for it over another of its addresses.
    fn merge(&mut self, mut other: Self) {
        if other.question.time < self.question.time {
            std::mem::swap(self, &mut other);
        }
        self.take_in(&other.asked.chain, &other.asked.addresses);
        self.asked.is_cut |= other.asked.is_cut;
        self.last = self.last.max(other.last);
        self.was_contacted |= other.was_contacted;
        self.was_blind |= other.was_blind;
        for name in other.names {
            self.ask(name.hash, name.asked);
        }
        self.told_before = self.told_before.max(other.told_before);
        self.reached = self.reached.max(other.reached);
        self.armed = self.armed.min(other.armed);
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
            is_elsewhere: false,
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
        let name = name_hash(&question.name);
        if role == Role::Download {
            self.note_download_asked(host, (question.endpoint, name));
        }
        if let Some(window) = self.windows.get_mut(&key) {
            window.last = window.last.max(question.time);
            window.ask(name, question.time);
            let memory = window.memory();
            reweigh(&mut self.bytes, &mut window.weight, memory);
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
            names: Vec::new(),
            weight: 0,
            reached: None,
            armed,
        };
        window.ask(name, question.time);
        self.put_window(host, window);
    }

    /// A name that was asked is this host's question; asked by it in two ways it is one.
    pub(super) fn put_window(&mut self, host: HostKey, mut window: Window) {
        let key = (host, window.question.endpoint);
        if let Some(known) = self.take_window(key) {
            window.merge(known);
        }
        let memory = window.memory();
        reweigh(&mut self.bytes, &mut window.weight, memory);
        let timer = TimerKey::Window(host, key.1);
        self.timers.insert((window.armed, timer));
        self.windows.insert(key, window);
    }

    pub(super) fn take_window(&mut self, key: (HostKey, EndpointId)) -> Option<Window> {
        let mut window = self.windows.remove(&key)?;
        reweigh(&mut self.bytes, &mut window.weight, 0);
        let timer = TimerKey::Window(key.0, key.1);
        self.timers.remove(&(window.armed, timer));
        Some(window)
    }

    pub(super) fn answered(&mut self, answer: &Answer) {
        let question = &answer.question;
        let host = self.hosts.key_of(question.client.address, question.time);
        let window = self.windows.get(&(host, question.endpoint));
        // A late answer, as that for the other family, asks nothing anew.
        if !window.is_some_and(|window| window.may_know(name_hash(&question.name))) {
            self.asked(question);
        }
        let Some(window) = self.windows.get_mut(&(host, question.endpoint)) else {
            return;
        };
        window.last = window.last.max(answer.question.time);
        window.asked.is_cut |= answer.is_cut;
        window.take_in(&answer.chain, &answer.addresses);
        let memory = window.memory();
        reweigh(&mut self.bytes, &mut window.weight, memory);
    }

    pub(super) fn failed(&mut self, failure: &Failure) {
        let key = (self.host_of(&failure.contact), failure.contact.endpoint);
        if self.role(&failure.contact, None, None).role == Role::Ignore {
            return;
        }
        if failure.contact.is_elsewhere {
            // Nobody asked for a name of the entry.
        } else if let Some(window) = self.windows.get_mut(&key) {
            window.was_contacted = true;
        } else if self.first_reached(key).is_none() {
            self.note_unasked(&failure.contact, failure.contact.start);
        }
        let latest = failure.contact.start.plus(self.options.fallback);
        let pending = PendingFailure {
            failure: failure.clone(),
            due: failure.time.max(latest),
            told_before: 0,
        };
        self.put_failure(key.0, pending);
    }

    /// Where another way of the host's leads to the name, a failure is a fallback; else it waits for one. Of several the first is told.
    pub(super) fn put_failure(&mut self, host: HostKey, pending: PendingFailure) {
        let key = (host, pending.failure.contact.endpoint);
        if let Some(open) = self
            .first_reached(key)
            .and_then(|first| self.accesses.get_mut(&first))
        {
            return open.note(Evidence::Fallback);
        }
        if self.failures.contains_key(&key) {
            return;
        }
        let timer = TimerKey::Failure(host, key.1);
        self.timers.insert((pending.due, timer));
        self.bytes += pending.memory();
        self.failures.insert(key, pending);
    }

    pub(super) fn take_failure(&mut self, key: (HostKey, EndpointId)) -> Option<PendingFailure> {
        let pending = self.failures.remove(&key)?;
        self.bytes -= pending.memory();
        let timer = TimerKey::Failure(key.0, key.1);
        self.timers.remove(&(pending.due, timer));
        Some(pending)
    }

    /// The first access of the host that a contact with the names of an endpoint came to.
    fn first_reached(&self, (host, endpoint): (HostKey, EndpointId)) -> Option<AccessKey> {
        let reached: Vec<EndpointId> = self.products.reached_from(endpoint).collect();
        let accesses = self.accesses.range(AccessKey::first_of(host)..);
        let accesses = accesses.take_while(|(key, _)| key.host == host);
        let accesses = accesses.filter(|(key, _)| reached.contains(&key.endpoint));
        let first = accesses.min_by_key(|(_, open)| open.start);
        first.map(|(key, _)| *key)
    }

    /// Whether the host reached an entry shortly before or after a contact with it failed.
    fn was_reached(&self, key: (HostKey, EndpointId), pending: &PendingFailure) -> bool {
        let fallback = self.options.fallback;
        let tried = pending.failure.contact.start;
        let reached = self.windows.get(&key).and_then(|window| window.reached);
        reached.is_some_and(|reached| {
            reached.since(tried) <= fallback && tried.since(reached) <= fallback
        })
    }

    /// The host reached an entry: its name was not only asked.
    pub(super) fn reach(&mut self, key: &AccessKey, contact: &Contact, start: Timestamp) {
        if contact.is_elsewhere {
            return;
        }
        if let Some(window) = self.windows.get_mut(&(key.host, contact.endpoint)) {
            window.was_contacted = true;
            window.reached = window.reached.max(Some(start));
        } else if !self.is_open(key) {
            self.note_unasked(contact, start);
        }
        if key.doubt != Doubt::None {
            self.contact_alternatives(key.host, &contact.alternatives);
        }
    }

    /// Whether an access is open, sure or not.
    fn is_open(&self, key: &AccessKey) -> bool {
        let doubts = [Doubt::None, Doubt::Guess, Doubt::Weak];
        let mut keys = doubts.map(|doubt| AccessKey { doubt, ..*key }).into_iter();
        keys.any(|key| self.accesses.contains_key(&key))
    }

    /// A host that had not asked for the name reached it, or tried to.
    fn note_unasked(&mut self, contact: &Contact, start: Timestamp) {
        let latest = self.unasked.entry(contact.endpoint).or_insert(start);
        *latest = start.max(*latest);
    }

    /// A contact may have been one with these endpoints: none of them is only resolved.
    fn contact_alternatives(&mut self, host: HostKey, endpoints: &[EndpointId]) {
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
        let key = (host, endpoint);
        let failed = self.failures.get(&key);
        if failed.is_some_and(|failed| self.was_reached(key, failed)) {
            // The window alone knows of the other way.
            self.take_failure(key);
        }
        let window = self.take_window(key);
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
        let key = (host, endpoint);
        let Some(pending) = self.take_failure(key) else {
            return;
        };
        if self.was_reached(key, &pending) {
            return;
        }
        let failure = pending.failure;
        let window = self.windows.get(&key);
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
        let is_cut = what.asked.is_cut;
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
        let is_open = is_cut || self.may_be_reached_elsewhere(contact.endpoint, start);
        let most = if is_resolved && is_open {
            Confidence::Low
        } else {
            Confidence::Medium
        };
        access.confidence = access.confidence.min(most);
        self.give(closing.cause, access, out);
    }
}
