//! The engine: facts in time order to accesses and sessions.
//!
//! It keeps what belongs to a client and crosses flows. Timers run by their due time and key, so the result does not depend
//! on how often [`Engine::advance`] is called. Every table is bounded: at its ceiling what would end first ends early, and is counted.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;

use super::access::{AccessKey, Asked, FilePart, KnownFile, OpenAccess};
use super::catalogue::{Catalogue, EndpointId, ProductId, Role, RoleOf};
use super::fact::{
    Activity, Answer, Contact, Ended, Exchange, Fact, Failure, NameSource, Question,
};
use super::options::UpdateOptions;
use super::output::{Access, Output};
use super::payload;
use super::session::OpenSession;
use super::verdict::{Confidence, Evidence, Verdict};
use crate::counters;
use crate::types::{Endpoint, Tick, Timestamp};

/// How long the parts of a file are remembered.
const FILE_MEMORY: Duration = Duration::from_secs(6 * 3_600);
/// Most files of which parts are remembered.
const MAX_FILES: usize = 1 << 14;

counters! {
    /// What the engine saw and refused.
    pub struct UpdateCounters {
        /// Facts.
        facts: "updates.facts",
        /// Final accesses.
        accesses: "updates.accesses",
        /// Sessions.
        sessions: "updates.sessions",
        /// Accesses, windows and sessions that ended early because there were too many.
        evicted: "updates.evicted",
        /// Facts about clients outside the local networks.
        not_local: "updates.not_local",
    }
}

/// What causes an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The fact that was just taken in.
    Fact,
    /// A tick boundary.
    Boundary(Timestamp),
}

/// Receives outputs.
pub type OutputSink<'s> = dyn FnMut(Cause, Output) + 's;

/// Everything that crosses flows.
#[derive(Debug)]
pub struct Engine {
    catalogue: Arc<Catalogue>,
    options: UpdateOptions,
    accesses: HashMap<AccessKey, OpenAccess>,
    windows: HashMap<(IpAddr, EndpointId), Window>,
    failures: HashMap<(IpAddr, EndpointId), PendingFailure>,
    sessions: HashMap<(IpAddr, ProductId), OpenSession>,
    files: HashMap<u64, KnownFile>,
    file_order: VecDeque<(Timestamp, u64)>,
    timers: BTreeSet<(Timestamp, TimerKey)>,
    counters: UpdateCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKey {
    Access(AccessKey),
    Failure(IpAddr, EndpointId),
    Window(IpAddr, EndpointId),
    Session(IpAddr, ProductId),
}

/// A name that was asked.
#[derive(Debug)]
struct Window {
    question: Question,
    asked: Asked,
    last: Timestamp,
    was_contacted: bool,
    /// When the name was last reached.
    reached: Option<Timestamp>,
    armed: Timestamp,
}

/// A contact that failed and may yet be a fallback.
#[derive(Debug)]
struct PendingFailure {
    failure: Failure,
    due: Timestamp,
}

impl Engine {
    /// An engine without history.
    pub fn new(catalogue: Arc<Catalogue>, options: UpdateOptions) -> Self {
        Self {
            catalogue,
            options,
            accesses: HashMap::new(),
            windows: HashMap::new(),
            failures: HashMap::new(),
            sessions: HashMap::new(),
            files: HashMap::new(),
            file_order: VecDeque::new(),
            timers: BTreeSet::new(),
            counters: UpdateCounters::default(),
        }
    }

    /// Takes in a fact; facts come in the order of their times.
    pub fn fact(&mut self, fact: &Fact, out: &mut OutputSink<'_>) {
        self.counters.facts += 1;
        self.advance(fact.time(), out);
        match fact {
            Fact::Asked(question) if self.is_local(question.client.address) => self.asked(question),
            Fact::Answered(answer) if self.is_local(answer.question.client.address) => {
                self.answered(answer)
            }
            Fact::Failed(failure) if self.is_local(failure.contact.client.address) => {
                self.failed(failure)
            }
            Fact::Activity(activity) if self.is_local(activity.contact.client.address) => {
                self.activity(activity, out)
            }
            Fact::Ended(ended) if self.is_local(ended.contact.client.address) => self.ended(ended),
            _ => self.counters.not_local += 1,
        }
        while self.timers.len() > self.options.max_open {
            self.counters.evicted += 1;
            self.run_first(fact.time(), true, out);
        }
    }

    /// Runs what is due up to `now`.
    pub fn advance(&mut self, now: Timestamp, out: &mut OutputSink<'_>) {
        while self
            .timers
            .first()
            .is_some_and(|(due, _)| Tick::boundary_at_or_after(*due).start() <= now)
        {
            self.run_first(now, false, out);
        }
        while self
            .file_order
            .front()
            .is_some_and(|(last, _)| now.since(*last) > FILE_MEMORY)
            || self.files.len() > MAX_FILES
        {
            self.forget_file(now);
        }
    }

    /// The end of input: everything that is open ends.
    pub fn finish(&mut self, at: Timestamp, out: &mut OutputSink<'_>) {
        let mut keys: Vec<TimerKey> = self.timers.iter().map(|(_, key)| *key).collect();
        keys.sort_unstable();
        for key in keys {
            match key {
                TimerKey::Access(key) => self.close_access(key, Cause::Boundary(at), at, out),
                TimerKey::Window(client, endpoint) => {
                    self.close_window(client, endpoint, at, true, out)
                }
                TimerKey::Failure(client, endpoint) => {
                    self.close_failure(client, endpoint, at, out)
                }
                TimerKey::Session(client, product) => self.close_session(client, product, at, out),
            }
        }
        self.timers.clear();
    }

    /// What was seen and refused so far.
    pub const fn counters(&self) -> &UpdateCounters {
        &self.counters
    }

    fn is_local(&self, client: IpAddr) -> bool {
        self.options.local.is_empty() || self.options.local.contains(client)
    }

    fn run_first(&mut self, now: Timestamp, force: bool, out: &mut OutputSink<'_>) {
        let Some((due, key)) = self.timers.pop_first() else {
            return;
        };
        let boundary = if force {
            now
        } else {
            Tick::boundary_at_or_after(due).start()
        };
        match key {
            TimerKey::Access(key) => {
                let Some(access) = self
                    .accesses
                    .get_mut(&key)
                    .filter(|access| access.armed == due)
                else {
                    return;
                };
                let real = access.due(key.role, &self.options);
                if real > due && !force {
                    access.armed = real;
                    self.timers.insert((real, TimerKey::Access(key)));
                } else {
                    self.close_access(key, Cause::Boundary(boundary), boundary, out);
                }
            }
            TimerKey::Window(client, endpoint) => {
                let Some(window) = self
                    .windows
                    .get_mut(&(client, endpoint))
                    .filter(|window| window.armed == due)
                else {
                    return;
                };
                let real = window.last.plus(self.options.window);
                if real > due && !force {
                    window.armed = real;
                    self.timers.insert((real, key));
                } else {
                    self.close_window(client, endpoint, boundary, false, out);
                }
            }
            TimerKey::Failure(client, endpoint) => {
                self.close_failure(client, endpoint, boundary, out)
            }
            TimerKey::Session(client, product) => {
                let Some(session) = self
                    .sessions
                    .get_mut(&(client, product))
                    .filter(|session| session.armed == due)
                else {
                    return;
                };
                let real = if session.open_accesses > 0 {
                    session.due().max(due.plus(self.options.gap))
                } else {
                    session.due()
                };
                if real > due && !force {
                    session.armed = real;
                    self.timers.insert((real, key));
                } else {
                    self.close_session(client, product, boundary, out);
                }
            }
        }
    }

    fn asked(&mut self, question: &Question) {
        let role = self
            .catalogue
            .endpoint(question.endpoint)
            .map(|endpoint| endpoint.role);
        let Some(role) = role.filter(|role| *role != Role::Ignore) else {
            return;
        };
        let client = question.client.address;
        let key = (client, question.endpoint);
        if let Some(window) = self.windows.get_mut(&key) {
            window.last = window.last.max(question.time);
            return;
        }
        if role == Role::Download
            && let Some(session) = self
                .product(question.endpoint)
                .and_then(|product| self.sessions.get_mut(&(client, product)))
        {
            session.download_asked();
        }
        let asked = Asked {
            time: Some(question.time),
            ..Asked::default()
        };
        let armed = question.time.plus(self.options.window);
        let window = Window {
            question: question.clone(),
            asked,
            last: question.time,
            was_contacted: false,
            reached: None,
            armed,
        };
        self.windows.insert(key, window);
        self.timers
            .insert((armed, TimerKey::Window(client, question.endpoint)));
    }

    fn answered(&mut self, answer: &Answer) {
        const MOST_ADDRESSES: usize = 16;
        self.asked(&answer.question);
        let Some(window) = self
            .windows
            .get_mut(&(answer.question.client.address, answer.question.endpoint))
        else {
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
    }

    fn failed(&mut self, failure: &Failure) {
        let key = (failure.contact.client.address, failure.contact.endpoint);
        if self.role(&failure.contact, None).role == Role::Ignore {
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
        let first = keys_of(key)
            .filter(|key| self.accesses.contains_key(key))
            .min_by_key(|key| self.accesses.get(key).map(|open| open.start));
        if let Some(open) = first.and_then(|key| self.accesses.get_mut(&key)) {
            return open.note(Evidence::Fallback);
        }
        if !was_reached && !self.failures.contains_key(&key) {
            let due = failure.time.max(tried.plus(fallback));
            self.timers.insert((due, TimerKey::Failure(key.0, key.1)));
            self.failures.insert(
                key,
                PendingFailure {
                    failure: failure.clone(),
                    due,
                },
            );
        }
    }

    fn activity(&mut self, activity: &Activity, out: &mut OutputSink<'_>) {
        let path = activity
            .exchange
            .as_ref()
            .map(|exchange| exchange.path.as_slice());
        let mut role = self.role(&activity.contact, path);
        if role.role == Role::Ignore {
            return;
        }
        let threshold = self
            .catalogue
            .product_of(activity.contact.endpoint)
            .and_then(|product| product.download_threshold)
            .unwrap_or(self.options.download_bytes);
        let by_volume = self
            .catalogue
            .endpoint(activity.contact.endpoint)
            .is_some_and(|endpoint| endpoint.by_volume);
        if activity.exchange.is_none() && by_volume && activity.largest_burst > threshold {
            role.role = Role::Download;
        }
        let key = AccessKey {
            client: activity.contact.client.address,
            endpoint: activity.contact.endpoint,
            role: role.role,
            is_guess: self.is_guess(&activity.contact),
        };
        if activity.is_ongoing {
            return self.ongoing(key, activity, role, threshold, out);
        }
        let is_apart = self.accesses.get(&key).is_some_and(|open| {
            !key.role.is_hourly() && activity.start.since(open.end) >= self.options.gap
        });
        if is_apart {
            self.close_access(key, Cause::Fact, activity.time, out);
        }
        self.open(key, &activity.contact, activity.start);
        let part = activity.exchange.as_ref().and_then(|exchange| {
            self.file_part(
                key,
                &activity.contact,
                exchange,
                role,
                threshold,
                activity.end,
            )
        });
        if let Some(open) = self.accesses.get_mut(&key) {
            open.take_in(activity, role, threshold);
            if part.is_none() && is_small_file(role, activity.exchange.as_deref()) {
                open.note(Evidence::BelowThreshold);
            }
            if let (Some((part, ranged)), Some(exchange)) = (part, &activity.exchange) {
                open.take_in_file(part, &exchange.path, exchange.body_missing > 0);
                if ranged {
                    open.note(Evidence::RangesCovered);
                }
            }
        }
        self.touch_session(key, activity.end);
        self.rearm_access(key);
    }

    /// Something goes on: an access that is open stays so; a large one is told as a download that goes on.
    fn ongoing(
        &mut self,
        key: AccessKey,
        activity: &Activity,
        role: RoleOf,
        threshold: u64,
        out: &mut OutputSink<'_>,
    ) {
        let is_file = activity.exchange.as_ref().is_none_or(|exchange| {
            exchange.method != b"HEAD" && matches!(exchange.status, Some(200..=299))
        });
        let is_large = is_file && activity.largest_burst > threshold && key.role == Role::Download;
        if !is_large {
            if let Some(open) = self
                .accesses
                .get_mut(&key)
                .filter(|open| activity.start.since(open.end) < self.options.gap)
                && !open.ongoing.contains(&activity.contact.flow_id)
            {
                open.ongoing.push(activity.contact.flow_id);
            }
            return;
        }
        self.open(key, &activity.contact, activity.start);
        let Some(open) = self.accesses.get_mut(&key) else {
            return;
        };
        open.end = open.end.max(activity.end);
        if open.begins_download(activity.contact.flow_id) {
            open.note_role(role);
            let verdict = Verdict::Downloading;
            let mut record = open.record(key.role, &self.catalogue, verdict, false, activity.time);
            if activity.exchange.is_none() {
                record.evidence.push(Evidence::BurstVolume);
            }
            record.largest_burst = record.largest_burst.max(activity.largest_burst);
            record.delivered_toclient += activity.delivered_toclient;
            record.bytes_toserver += activity.bytes_toserver;
            record.bytes_toclient += activity.bytes_toclient;
            out(Cause::Fact, Output::Access(Box::new(record)));
        }
        self.rearm_access(key);
    }

    fn ended(&mut self, ended: &Ended) {
        let (client, endpoint, flow) = (
            ended.contact.client.address,
            ended.contact.endpoint,
            ended.contact.flow_id,
        );
        let mut owned: Vec<AccessKey> = keys_of((client, endpoint))
            .filter(|key| {
                self.accesses
                    .get(key)
                    .is_some_and(|open| open.has_flow(flow) || open.ongoing.contains(&flow))
            })
            .collect();
        owned.sort_by_key(|key| self.accesses.get(key).map(|open| open.end));
        for key in &owned {
            if let Some(open) = self.accesses.get_mut(key) {
                open.ongoing.retain(|other| *other != flow);
                if ended.was_reset && key.role == Role::Download {
                    open.note(Evidence::Reset);
                }
            }
            self.rearm_access(*key);
        }
        if let Some(open) = owned.last().and_then(|key| self.accesses.get_mut(key)) {
            open.take_in_rest(ended.rest_toserver, ended.rest_toclient);
        }
    }

    fn role(&self, contact: &Contact, path: Option<&[u8]>) -> RoleOf {
        self.catalogue.endpoint(contact.endpoint).map_or(
            RoleOf {
                role: Role::Ignore,
                by_path: false,
            },
            |endpoint| endpoint.role_for(path),
        )
    }

    /// Whether the name of a contact is only one of several candidates, of different products.
    fn is_guess(&self, contact: &Contact) -> bool {
        let own = self.product(contact.endpoint);
        let others = contact.alternatives.iter();
        others
            .map(|other| self.product(*other))
            .any(|other| other != own)
    }

    /// A contact may have been one with these endpoints: none of them is only resolved.
    fn contact_alternatives(&mut self, client: IpAddr, endpoints: &[EndpointId]) {
        for endpoint in endpoints {
            if let Some(window) = self.windows.get_mut(&(client, *endpoint)) {
                window.was_contacted = true;
            }
        }
    }

    fn product(&self, endpoint: EndpointId) -> Option<ProductId> {
        self.catalogue
            .endpoint(endpoint)
            .map(|endpoint| endpoint.product)
    }

    /// Opens an access where there is none.
    fn open(&mut self, key: AccessKey, contact: &Arc<Contact>, start: Timestamp) {
        if self.accesses.contains_key(&key) {
            return;
        }
        let window = self.windows.get_mut(&(key.client, key.endpoint));
        let asked = window.map_or_else(Asked::default, |window| {
            window.was_contacted = true;
            window.reached = Some(start);
            window.asked.clone()
        });
        let rule = self
            .catalogue
            .endpoint(key.endpoint)
            .map(|endpoint| endpoint.rule.as_str())
            .unwrap_or_default();
        let mut open = OpenAccess::new(
            hash(&(key.client, rule, key.role.as_str(), key.is_guess, start)),
            contact,
            start,
            asked,
        );
        if self.failures.remove(&(key.client, key.endpoint)).is_some() {
            open.note(Evidence::Fallback);
        }
        if key.is_guess {
            self.contact_alternatives(key.client, &contact.alternatives);
        }
        if key.role.opens_session() && !key.is_guess {
            open.session = self.join_session(key, start);
        }
        self.accesses.insert(key, open);
        self.rearm_access(key);
    }

    fn join_session(&mut self, key: AccessKey, start: Timestamp) -> Option<u64> {
        let product = self.product(key.endpoint)?;
        let product_name = self
            .catalogue
            .product(product)
            .map(|product| (product.vendor.as_str(), product.id.as_str()));
        let id = hash(&(key.client, product_name, start, "session"));
        let session = self
            .sessions
            .entry((key.client, product))
            .or_insert_with(|| {
                let mut session = OpenSession::new(id, key.client, key.endpoint, start);
                session.armed = session.due();
                session
            });
        session.open_accesses += 1;
        self.timers
            .insert((session.armed, TimerKey::Session(key.client, product)));
        Some(session.id)
    }

    fn touch_session(&mut self, key: AccessKey, end: Timestamp) {
        if let Some(session) = self
            .product(key.endpoint)
            .and_then(|product| self.sessions.get_mut(&(key.client, product)))
        {
            session.end = session.end.max(end);
        }
    }

    fn rearm_access(&mut self, key: AccessKey) {
        let Some(open) = self.accesses.get_mut(&key) else {
            return;
        };
        let due = open.due(key.role, &self.options);
        if due < open.armed {
            self.timers.remove(&(open.armed, TimerKey::Access(key)));
            open.armed = due;
            self.timers.insert((due, TimerKey::Access(key)));
        }
    }

    /// What an exchange with a download endpoint brought of a file, and whether in ranges. `None`: it is no download.
    fn file_part(
        &mut self,
        key: AccessKey,
        contact: &Contact,
        exchange: &Exchange,
        role: RoleOf,
        threshold: u64,
        now: Timestamp,
    ) -> Option<(FilePart, bool)> {
        let is_file = role.role == Role::Download
            && exchange.method != b"HEAD"
            && matches!(exchange.status, Some(200..=299));
        if !is_file {
            return None;
        }
        let got = exchange.body_bytes.saturating_add(exchange.body_missing);
        let range = exchange
            .content_range
            .as_ref()
            .and_then(|range| range.range);
        let size = exchange
            .content_range
            .as_ref()
            .and_then(|range| range.size)
            .or_else(|| exchange.content_length.filter(|_| range.is_none()));
        let is_known = role.by_path || payload::of_path(&exchange.path).is_some();
        if !is_known && got.max(size.unwrap_or(0)) <= threshold {
            return None;
        }
        let query = memchr::memchr(b'?', &exchange.path).unwrap_or(exchange.path.len());
        let file = hash(&(
            key.client,
            contact.name.as_str(),
            exchange.path.get(..query),
            size,
        ));
        let known = self.files.entry(file).or_insert_with(|| {
            self.file_order.push_back((now, file));
            KnownFile::default()
        });
        let start = range.map_or(0, |(start, _)| start);
        known.ranges.add(start, start.saturating_add(got));
        known.last = now;
        let covered = known.ranges.covered();
        let ended =
            exchange.is_complete && exchange.content_length.is_none_or(|length| got >= length);
        Some((
            FilePart {
                key: file,
                covered,
                size,
                ended,
            },
            range.is_some(),
        ))
    }

    fn forget_file(&mut self, now: Timestamp) {
        let Some((_, file)) = self.file_order.pop_front() else {
            return;
        };
        match self.files.get(&file) {
            Some(known)
                if now.since(known.last) <= FILE_MEMORY && self.files.len() <= MAX_FILES =>
            {
                self.file_order.push_back((known.last, file));
            }
            _ => {
                self.files.remove(&file);
            }
        }
    }

    fn close_access(
        &mut self,
        key: AccessKey,
        cause: Cause,
        at: Timestamp,
        out: &mut OutputSink<'_>,
    ) {
        let Some(open) = self.accesses.remove(&key) else {
            return;
        };
        self.timers.remove(&(open.armed, TimerKey::Access(key)));
        let access = open.close(key.role, &self.catalogue, at);
        self.give(cause, access, out);
    }

    fn give(&mut self, cause: Cause, access: Access, out: &mut OutputSink<'_>) {
        self.counters.accesses += 1;
        if access.session.is_some()
            && let Some(session) = self
                .product(access.endpoint)
                .and_then(|product| self.sessions.get_mut(&(access.client.address, product)))
        {
            session.open_accesses = session.open_accesses.saturating_sub(1);
            session.take_in(&access);
        }
        out(cause, Output::Access(Box::new(access)));
    }

    fn close_window(
        &mut self,
        client: IpAddr,
        endpoint: EndpointId,
        at: Timestamp,
        is_end: bool,
        out: &mut OutputSink<'_>,
    ) {
        let Some(window) = self
            .windows
            .remove(&(client, endpoint))
            .filter(|window| !window.was_contacted)
        else {
            return;
        };
        if self
            .catalogue
            .endpoint(endpoint)
            .is_some_and(|endpoint| endpoint.role.is_hourly())
        {
            return;
        }
        let mut evidence = Vec::new();
        if window.asked.addresses.is_empty() && !window.asked.is_cut {
            evidence.push(Evidence::NoAddress);
        }
        if is_end {
            evidence.push(Evidence::CaptureEnd);
        }
        let question = &window.question;
        let address = window
            .asked
            .addresses
            .first()
            .copied()
            .unwrap_or(question.resolver.address);
        let contact = Contact {
            flow_id: question.flow_id,
            client: question.client,
            server: Endpoint {
                address,
                port: question.resolver.port,
            },
            protocol: question.protocol,
            start: question.time,
            endpoint,
            name: question.name.clone(),
            source: NameSource::Dns,
            corroborated: false,
            chain: window.asked.chain.clone(),
            answered: None,
            alternatives: Vec::new(),
        };
        self.give_uncontacted(
            &Arc::new(contact),
            window.asked,
            Verdict::Resolved,
            (question.time, window.last),
            (0, 0),
            &evidence,
            at,
            out,
        );
    }

    fn close_failure(
        &mut self,
        client: IpAddr,
        endpoint: EndpointId,
        at: Timestamp,
        out: &mut OutputSink<'_>,
    ) {
        let Some(pending) = self.failures.remove(&(client, endpoint)) else {
            return;
        };
        let failure = pending.failure;
        let verdict = if failure.refused {
            Verdict::Refused
        } else {
            Verdict::Unanswered
        };
        let asked = self
            .windows
            .get(&(client, endpoint))
            .map(|window| window.asked.clone())
            .unwrap_or_default();
        let span = (failure.contact.start, failure.time.min(pending.due));
        self.give_uncontacted(
            &failure.contact,
            asked,
            verdict,
            span,
            (failure.bytes_toserver, failure.bytes_toclient),
            &[Evidence::Role],
            at,
            out,
        );
    }

    /// A record of an access that never came to payload.
    #[allow(clippy::too_many_arguments)] // Each is a field of the one record; a struct for one call would say no more.
    fn give_uncontacted(
        &mut self,
        contact: &Arc<Contact>,
        asked: Asked,
        verdict: Verdict,
        span: (Timestamp, Timestamp),
        bytes: (u64, u64),
        evidence: &[Evidence],
        at: Timestamp,
        out: &mut OutputSink<'_>,
    ) {
        let role = self.role(contact, None).role;
        if role == Role::Ignore {
            return;
        }
        let rule = self
            .catalogue
            .endpoint(contact.endpoint)
            .map(|endpoint| endpoint.rule.as_str())
            .unwrap_or_default();
        let id = hash(&(contact.client.address, rule, verdict.as_str(), span.0));
        let mut open = OpenAccess::new(id, contact, span.0, asked);
        open.end = span.1;
        open.take_in_rest(bytes.0, bytes.1);
        evidence.iter().for_each(|evidence| open.note(*evidence));
        let mut access = open.record(role, &self.catalogue, verdict, true, at);
        access.flow_ids.push(contact.flow_id);
        access.confidence = access.confidence.min(Confidence::Medium);
        self.give(Cause::Boundary(at), access, out);
    }

    fn close_session(
        &mut self,
        client: IpAddr,
        product: ProductId,
        at: Timestamp,
        out: &mut OutputSink<'_>,
    ) {
        if let Some(session) = self.sessions.remove(&(client, product)) {
            self.counters.sessions += 1;
            out(
                Cause::Boundary(at),
                Output::Session(Box::new(session.close(at))),
            );
        }
    }
}

/// The keys of all roles of one client and endpoint.
fn keys_of((client, endpoint): (IpAddr, EndpointId)) -> impl Iterator<Item = AccessKey> {
    let roles = Role::WORDS.iter().map(|(role, _)| *role);
    roles.flat_map(move |role| {
        [false, true].map(|is_guess| AccessKey {
            client,
            endpoint,
            role,
            is_guess,
        })
    })
}

/// Whether a download endpoint gave something that is too small to be an update.
fn is_small_file(role: RoleOf, exchange: Option<&Exchange>) -> bool {
    role.role == Role::Download
        && exchange.is_some_and(|exchange| {
            exchange.method != b"HEAD" && matches!(exchange.status, Some(200..=299))
        })
}

/// A hash with a fixed seed: ids are equal in every replay.
fn hash(value: &impl Hash) -> u64 {
    const SEED: u64 = 0x7570_6461_7465_7321;

    FixedState::with_seed(SEED).hash_one(value)
}

#[cfg(test)]
mod tests;
