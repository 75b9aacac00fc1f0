//! The engine: facts in time order to accesses and sessions.
//!
//! * this file: activities to accesses
//! * `sessions`: accesses to sessions
//! * `windows`: names that were asked, contacts that failed
//! * `products`: what a client did for a product elsewhere
//! * `files`: which parts of a file a client has
//! * `hosts`: whose doing it is
//! * `timers`: what is due when
//! * [`kept`]: all of it, out of one run of the sensor into the next
//!
//! It keeps what belongs to a client and crosses flows. Timers run by their due time and key, so the result does not depend
//! on how often [`Engine::advance`] is called. Every table is bounded: at its ceiling what would end first ends early, and is counted.

mod files;
mod hosts;
pub mod kept;
mod products;
mod sessions;
mod timers;
mod whose;
mod windows;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;
use hashbrown::HashMap;

use super::access::{AccessKey, Doubt, KnownFile, OpenAccess};
use super::catalogue::{Catalogue, EndpointId, Product, ProductId, Role, RoleOf};
use super::coverage::hours::Coverage;
use super::fact::{Activity, Contact, Ended, Exchange, Fact, NameSource};
use super::hosts::{HostKey, Hosts, Listed};
use super::options::UpdateOptions;
use super::os::{Guesses, OsCounters, Rules};
use super::output::Output;
use super::verdict::{Evidence, Verdict};
use crate::counters;
use crate::types::Timestamp;
use files::{FileKey, is_small_file};
use products::{Products, UsualCheck};
use sessions::Sessions;
use timers::TimerKey;
use windows::{PendingFailure, Window};

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
    accesses: BTreeMap<AccessKey, OpenAccess>,
    windows: BTreeMap<(HostKey, EndpointId), Window>,
    failures: BTreeMap<(HostKey, EndpointId), PendingFailure>,
    /// When an entry was last contacted by a client that had not asked for its name.
    unasked: HashMap<EndpointId, Timestamp>,
    sessions: Sessions,
    files: BTreeMap<FileKey, KnownFile>,
    /// In the order in which they are forgotten.
    file_order: BTreeSet<(Timestamp, FileKey)>,
    products: Products,
    usual: BTreeMap<(HostKey, ProductId), UsualCheck>,
    usual_order: VecDeque<(Timestamp, (HostKey, ProductId))>,
    hosts: Hosts,
    systems: Guesses,
    coverage: Coverage,
    timers: BTreeSet<(Timestamp, TimerKey)>,
    /// The time of the last fact: nothing that follows is reported earlier.
    now: Timestamp,
    /// Bytes of accesses, windows, failures and sessions.
    bytes: usize,
    /// Bytes of what is known of files.
    file_bytes: usize,
    counters: UpdateCounters,
}

/// Memory of a timer and of a table's entry, beside what it holds.
const ENTRY_BYTES: usize = 192;

/// Counts what something takes now instead of what it took before.
fn reweigh(bytes: &mut usize, weight: &mut usize, memory: usize) {
    *bytes = *bytes + memory - std::mem::replace(weight, memory);
}

impl Engine {
    /// An engine without history.
    pub fn new(catalogue: Arc<Catalogue>, options: UpdateOptions) -> Self {
        Self {
            products: Products::of(&catalogue),
            usual: BTreeMap::new(),
            usual_order: VecDeque::new(),
            systems: Guesses::new(Rules::embedded()),
            coverage: Coverage::new(options.coverage, options.max_clients),
            catalogue,
            accesses: BTreeMap::new(),
            windows: BTreeMap::new(),
            failures: BTreeMap::new(),
            unasked: HashMap::new(),
            sessions: Sessions::default(),
            files: BTreeMap::new(),
            file_order: BTreeSet::new(),
            hosts: Hosts::new(options.max_bytes / 2),
            timers: BTreeSet::new(),
            now: Timestamp::MIN,
            bytes: 0,
            file_bytes: 0,
            counters: UpdateCounters::default(),
            options,
        }
    }

    /// From now on this catalogue counts, and these options; `catalogue` succeeds the one before ([`Catalogue::succeeding`]). What is
    /// open stays open.
    pub fn renew(&mut self, catalogue: Arc<Catalogue>, options: UpdateOptions) {
        self.products = Products::of(&catalogue);
        self.catalogue = catalogue;
        self.hosts.renew(options.max_bytes / 2);
        self.coverage.renew(options.coverage, options.max_clients);
        self.options = options;
    }

    /// From now on the list of hosts says this of addresses and MAC addresses.
    pub fn list(&mut self, rows: Vec<Listed>) {
        self.hosts.list(rows);
    }

    /// Whose doing things are.
    pub const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Takes in a fact; facts come in the order of their times.
    pub fn fact(&mut self, fact: &Fact, out: &mut OutputSink<'_>) {
        self.advance(fact.time(), out);
        self.now = self.now.max(fact.time());
        match fact {
            Fact::Neighbour(evidence) => return self.neighbour(evidence, out),
            Fact::Presence(minute) => return self.presence(minute, out),
            _ => {}
        }
        let Some(client) = fact.client() else {
            return;
        };
        let is_local = self.is_local(client);
        if is_local {
            self.systems.fact(fact, self.options.max_bytes / 8);
        }
        // Each worker tells of a client's system: how often says nothing.
        let is_of_system = matches!(fact, Fact::Os(_));
        self.counters.facts += u64::from(!is_of_system);
        if let Some(begin) = fact.begin().filter(|_| is_local) {
            self.meet(client, begin, out);
        }
        match fact {
            Fact::Os(_) => {}
            _ if !is_local => self.counters.not_local += 1,
            Fact::Asked(question) => self.asked(question),
            Fact::Answered(answer) => self.answered(answer),
            Fact::Failed(failure) => self.failed(failure),
            Fact::Activity(activity) => self.activity(activity, out),
            Fact::Ended(ended) => self.ended(ended),
            Fact::Neighbour(_) | Fact::Presence(_) => {}
        }
        self.evict(fact.time(), out);
    }

    /// Accesses, windows and sessions that are open.
    pub fn open_entries(&self) -> usize {
        self.accesses.len() + self.windows.len() + self.failures.len() + self.sessions.len()
    }

    /// What was seen and refused so far.
    pub const fn counters(&self) -> &UpdateCounters {
        &self.counters
    }

    /// What was seen of clients' operating systems, and forgotten.
    pub const fn os_counters(&self) -> &OsCounters {
        self.systems.counters()
    }

    /// What is known of clients' operating systems.
    pub const fn systems(&self) -> &Guesses {
        &self.systems
    }

    /// What could be seen of clients.
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The rings had no room for `dropped` of `frames` frames since the last call.
    pub const fn dropped(&mut self, dropped: u64, frames: u64) {
        self.coverage.dropped(dropped, frames);
    }

    /// For so long, up to now, an interface was down.
    pub fn blinded(&mut self, time: Duration) {
        self.coverage.blinded(time);
    }

    fn is_local(&self, client: IpAddr) -> bool {
        self.options.local.is_empty() || self.options.local.contains(client)
    }

    fn activity(&mut self, activity: &Activity, out: &mut OutputSink<'_>) {
        let client = activity.contact.client.address;
        let host = self.host_of(&activity.contact);
        let threshold = self.threshold(host, activity.contact.endpoint);
        let role = self.role_of(activity, threshold);
        if role.role == Role::Ignore {
            return;
        }
        let key = AccessKey {
            host,
            client,
            endpoint: role.endpoint.unwrap_or(activity.contact.endpoint),
            role: role.role,
            doubt: self.doubt(&activity.contact),
        };
        if activity.is_ongoing {
            return self.ongoing(key, activity, role, threshold, out);
        }
        let is_apart = self.accesses.get(&key).is_some_and(|open| {
            !key.role.is_hourly() && activity.start.since(open.reach()) >= self.options.gap
        });
        if is_apart {
            self.close_access(key, Cause::Fact, activity.time, out);
        }
        self.open(key, &activity.contact, activity.start, role);
        if key.doubt != Doubt::Guess {
            self.note_purpose(host, &activity.contact, role);
        }
        let part = self.file_part(key, activity, role, threshold);
        let is_large_check = self.is_large_check(activity, role);
        if let Some(open) = self.accesses.get_mut(&key) {
            open.take_in(activity, role, threshold);
            if is_large_check {
                open.note_large_check();
            }
            open.note_server(&activity.contact, &self.catalogue);
            open.note_answer(activity);
            if part.is_none() && is_small_file(role, activity.exchange.as_deref()) {
                open.note(Evidence::BelowThreshold);
            }
            if let (Some(part), Some(exchange)) = (part, &activity.exchange) {
                open.take_in_file(part, exchange);
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
        let exchange = activity.exchange.as_deref();
        let is_by_volume = exchange.is_none_or(Exchange::is_known_by_volume);
        let is_file = is_by_volume || exchange.is_some_and(Exchange::is_file);
        let is_large = is_file && activity.largest_burst > threshold && key.role == Role::Download;
        if !is_large {
            // It may be long before it is told.
            self.reach(&key, &activity.contact, activity.start);
            if let Some(open) = self
                .accesses
                .get_mut(&key)
                .filter(|open| activity.start.since(open.reach()) < self.options.gap)
            {
                open.ongoing.insert(activity.contact.flow_id);
            }
            self.weigh_access(&key);
            return;
        }
        self.open(key, &activity.contact, activity.start, role);
        let decided = self.accesses.get(&key).and_then(|open| open.decided);
        let is_supported = self.is_supported(&key, decided);
        let Some(open) = self.accesses.get_mut(&key) else {
            return;
        };
        open.is_supported = is_supported;
        open.end = open.end.max(activity.end);
        if open.begins_download(activity.contact.flow_id) {
            open.note_role(role);
            let verdict = Verdict::Downloading;
            let mut record = open.record(key.role, &self.catalogue, verdict, false, activity.time);
            if is_by_volume {
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
        let host = self.host_of(&ended.contact);
        let reached = self.products.reached_from(endpoint);
        let mut owned: Vec<AccessKey> = reached
            .flat_map(|endpoint| of_endpoint(&self.accesses, (host, client, endpoint)))
            .filter(|(_, open)| {
                open.has_flow(flow) || open.has_part_of(flow) || open.ongoing.contains(&flow)
            })
            .map(|(key, _)| *key)
            .collect();
        owned.sort_by_key(|key| self.accesses.get(key).map(|open| open.end));
        for key in &owned {
            if let Some(open) = self.accesses.get_mut(key) {
                open.ongoing.remove(&flow);
                if ended.is_cut {
                    open.note_cut(flow);
                }
                if ended.was_reset && key.role == Role::Download {
                    open.note(Evidence::Reset);
                }
                let taken = ended.acknowledged.map(|up_to| open.take_back(flow, up_to));
                self.take_back(host, taken.unwrap_or_default());
            }
            self.rearm_access(*key);
        }
        if let Some(open) = owned.last().and_then(|key| self.accesses.get_mut(key)) {
            open.take_in_rest(ended.rest_toserver, ended.rest_toclient);
        }
    }

    /// The role of an activity: by its path, else by the endpoint, where check and payload share a name by volume.
    fn role_of(&self, activity: &Activity, threshold: u64) -> RoleOf {
        let contact = &activity.contact;
        let exchange = activity.exchange.as_deref();
        // Of a request that was not seen nothing is known, whatever a rule takes.
        let path = exchange.map(|exchange| exchange.path.as_slice());
        let path = path.filter(|path| !path.is_empty());
        let agent = exchange.and_then(|exchange| exchange.agent.as_deref());
        let role = self.role(contact, path, agent);
        let endpoint = self.catalogue.endpoint(contact.endpoint);
        let by_volume = endpoint.is_some_and(|endpoint| endpoint.by_volume);
        let body = exchange.map_or(0, |exchange| exchange.body_bytes);
        if !role.by_path && by_volume && activity.largest_burst.max(body) > threshold {
            return RoleOf {
                role: Role::Download,
                by_volume: true,
                ..role
            };
        }
        role
    }

    /// Whether a burst is a check only by what the product's checks are like, where files come from the same server.
    fn is_large_check(&self, activity: &Activity, role: RoleOf) -> bool {
        let endpoint = self.catalogue.endpoint(activity.contact.endpoint);
        let is_by_volume = endpoint.is_some_and(|endpoint| endpoint.by_volume) && !role.by_path;
        let is_large = activity.largest_burst > self.options.download_bytes;
        is_by_volume && is_large && role.role == Role::Check
    }

    fn role(&self, contact: &Contact, path: Option<&[u8]>, agent: Option<&[u8]>) -> RoleOf {
        self.catalogue.endpoint(contact.endpoint).map_or(
            RoleOf {
                role: Role::Ignore,
                by_path: false,
                by_volume: false,
                endpoint: None,
            },
            |endpoint| endpoint.role_for(path, agent),
        )
    }

    /// Whether the name of a contact is only one of several candidates, of different products.
    fn is_guess(&self, contact: &Contact) -> bool {
        let own = self.product(contact.endpoint);
        let others = contact.alternatives.iter();
        let is_doubtful = contact.is_doubtful && !contact.source.is_claimed();
        is_doubtful
            || others
                .map(|other| self.product(*other))
                .any(|other| other != own)
    }

    fn doubt(&self, contact: &Contact) -> Doubt {
        let is_of_others = contact.source == NameSource::DnsShared;
        let is_known = || {
            self.catalogue
                .is_source_at(contact.endpoint, contact.server)
        };
        if self.is_guess(contact) {
            Doubt::Guess
        } else if contact.is_doubtful || (is_of_others && !is_known()) {
            Doubt::Weak
        } else {
            Doubt::None
        }
    }

    fn product(&self, endpoint: EndpointId) -> Option<ProductId> {
        self.catalogue
            .endpoint(endpoint)
            .map(|endpoint| endpoint.product)
    }

    /// Opens an access where there is none.
    fn open(&mut self, key: AccessKey, contact: &Arc<Contact>, start: Timestamp, role: RoleOf) {
        self.reach(&key, contact, start);
        if self.accesses.contains_key(&key) {
            return;
        }
        // No name of the entry was asked for it.
        let window = self.windows.get(&(key.host, contact.endpoint));
        let asked = window
            .filter(|_| !contact.is_elsewhere)
            .map(|window| window.asked.clone())
            .unwrap_or_default();
        let rule = self
            .catalogue
            .endpoint(key.endpoint)
            .map(|endpoint| endpoint.rule.as_str())
            .unwrap_or_default();
        let product = self.catalogue.product_of(key.endpoint);
        let is_told = role.by_path && !product.is_some_and(Product::is_unknown);
        let decided = self.decide(&key, None).filter(|_| !is_told);
        let id = hash(&(key.client, rule, key.role.as_str(), key.doubt as u8, start));
        let mut open = OpenAccess::new(id, contact, start, asked);
        open.id = self.id_apart(id, open.due(key.role, &self.options));
        if self.take_failure((key.host, contact.endpoint)).is_some() {
            open.note(Evidence::Fallback);
        }
        open.endpoint = key.endpoint;
        open.is_doubtful = key.doubt != Doubt::None;
        open.host = key.host;
        open.decided = decided;
        if key.role.opens_session() && key.doubt != Doubt::Guess {
            open.session = self.join_session(key, decided.unwrap_or(key.endpoint), start);
        }
        self.accesses.insert(key, open);
        self.rearm_access(key);
    }

    /// The id of what opens now and would have been over at `due`: another one that began at the same time may be over already.
    fn id_apart(&self, id: u64, due: Timestamp) -> u64 {
        if self.now < due {
            id
        } else {
            hash(&(id, self.now))
        }
    }

    /// Counts what an access takes now.
    fn weigh_access(&mut self, key: &AccessKey) {
        if let Some(open) = self.accesses.get_mut(key) {
            let memory = open.memory() + ENTRY_BYTES;
            reweigh(&mut self.bytes, &mut open.weight, memory);
        }
    }

    /// Its timer may come up earlier now, and it may take more.
    fn rearm_access(&mut self, key: AccessKey) {
        self.weigh_access(&key);
        let Some(open) = self.accesses.get_mut(&key) else {
            return;
        };
        // What is told late may be over already: it ends at the next boundary.
        let next = self.now.plus(Duration::from_nanos(1));
        let due = open.due(key.role, &self.options).max(next);
        if due < open.armed {
            self.timers.remove(&(open.armed, TimerKey::Access(key)));
            open.armed = due;
            self.timers.insert((due, TimerKey::Access(key)));
        }
    }

    fn close_access(
        &mut self,
        key: AccessKey,
        cause: Cause,
        at: Timestamp,
        out: &mut OutputSink<'_>,
    ) {
        let Some(mut open) = self.accesses.remove(&key) else {
            return;
        };
        self.decide_late(key, &mut open);
        open.is_supported = self.is_supported(&key, open.decided);
        self.bytes -= open.weight;
        self.timers.remove(&(open.armed, TimerKey::Access(key)));
        let access = open.close(key.role, &self.catalogue, at);
        self.give(cause, access, out);
    }
}

/// The accesses of all roles of one client and endpoint, role by role.
fn of_endpoint(
    accesses: &BTreeMap<AccessKey, OpenAccess>,
    (host, client, endpoint): (HostKey, IpAddr, EndpointId),
) -> impl Iterator<Item = (&AccessKey, &OpenAccess)> {
    let first = AccessKey {
        client,
        endpoint,
        ..AccessKey::first_of(host)
    };
    let at_endpoint = move |(key, _): &(&AccessKey, _)| {
        (key.host, key.client, key.endpoint) == (host, client, endpoint)
    };
    accesses.range(first..).take_while(at_endpoint)
}

/// A hash with a fixed seed: ids are equal in every replay.
fn hash(value: &impl Hash) -> u64 {
    const SEED: u64 = 0x7570_6461_7465_7321;

    FixedState::with_seed(SEED).hash_one(value)
}

#[cfg(test)]
mod tests;
