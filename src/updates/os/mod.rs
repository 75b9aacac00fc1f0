//! Which operating system a client has: what was seen of it, and what that comes to.
//!
//! * [`system`]: operating systems, as a tree
//! * [`rules`]: the table of evidence that comes with the program
//! * [`agent`]: patterns of texts that name a program
//! * [`weigh`]: from what was seen to a guess
//! * this file: what was seen of each client
//!
//! Evidence counts by the hour: what is seen once more within an hour changes nothing. So it does not matter which worker saw it, and
//! how often. What is older than [`weigh::FADES`] hours counts no more.

pub mod agent;
pub mod rules;
pub mod system;
pub mod weigh;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

pub use rules::{RowId, Rules};
pub use system::System;
pub use weigh::OsGuess;

use super::fact::{Activity, Contact, Fact, NameSource, Question};
use super::hosts::{Evidence, HostKey, Neighbour};
use crate::counters;
use crate::types::Timestamp;

/// Most different things that are remembered of a client.
const MOST_SEEN: usize = 48;
/// Memory of a client with its place in the queue.
const HOST_BYTES: usize = 160;
/// Memory of one thing seen.
const SEEN_BYTES: usize = size_of::<Seen>() + agent::MAX_VERSION;

counters! {
    /// What was seen of operating systems, and forgotten.
    pub struct OsCounters {
        /// Things that were seen of a client for the first time.
        evidence: "os.evidence",
        /// Things that were forgotten early, because a client had too many.
        crowded: "os.crowded",
        /// Clients whose evidence was forgotten early, because there were too many.
        evicted: "os.evicted",
    }
}

/// An hour of packet time, numbered from the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hour(pub i64);

/// One thing that tells of a client's system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OsEvidence {
    /// The row of the table that it fits.
    pub row: RowId,
    /// The version that the text says; empty without.
    pub version: Box<str>,
    /// Whether the client did something; else it only asked for a name.
    pub is_contact: bool,
}

/// Evidence that a worker saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsFact {
    /// Whose it is.
    pub client: IpAddr,
    /// When.
    pub time: Timestamp,
    /// What.
    pub evidence: OsEvidence,
}

/// What was seen of a client, and when last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What.
    pub evidence: OsEvidence,
    /// The hour in which it was seen last.
    pub last: Hour,
}

/// What was seen of a client, as the state of a run keeps it: rows by their texts, which outlive a change of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSeen {
    row: String,
    version: Box<str>,
    is_contact: bool,
    last: Hour,
}

/// What was seen of all clients: by their addresses, and by their MAC addresses what they say before they have one.
#[derive(Debug)]
pub struct Guesses {
    rules: Arc<Rules>,
    hosts: HashMap<HostKey, Vec<Seen>, FixedState>,
    /// Clients, by the hour in which something was last seen when they were put here.
    order: VecDeque<(Hour, HostKey)>,
    bytes: usize,
    counters: OsCounters,
}

impl Hour {
    /// The hour of a moment.
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.seconds_and_nanos().0.div_euclid(3_600))
    }

    /// Hours since `earlier`; none where that is later.
    pub const fn since(self, earlier: Self) -> u64 {
        let hours = self.0.saturating_sub(earlier.0);
        if hours > 0 { hours as u64 } else { 0 }
    }
}

impl OsEvidence {
    /// What the client did.
    pub fn seen((row, version): (RowId, &str)) -> Self {
        Self {
            row,
            version: version.into(),
            is_contact: true,
        }
    }
}

impl Guesses {
    /// Nothing seen yet.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            hosts: HashMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            counters: OsCounters::default(),
        }
    }

    /// The table that rows are of.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What was seen and forgotten.
    pub const fn counters(&self) -> &OsCounters {
        &self.counters
    }

    /// The system of a host that goes by `keys`, as far as it is known at `now`.
    pub fn of(&self, keys: impl Iterator<Item = HostKey>, now: Timestamp) -> Option<OsGuess> {
        let seen: Vec<Seen> = keys
            .filter_map(|key| self.hosts.get(&key))
            .flatten()
            .cloned()
            .collect();
        weigh::guess(&self.rules, &seen, Hour::of(now))
    }

    /// Takes in what a fact tells; everything together takes at most `max_bytes`.
    pub fn fact(&mut self, fact: &Fact, max_bytes: usize) {
        let evidence = match fact {
            Fact::Os(fact) => Some(fact.evidence.clone()),
            Fact::Asked(question) => self.asked(question),
            Fact::Activity(activity) => self.contacted(activity),
            Fact::Failed(failure) => self.named(&failure.contact, None, None),
            Fact::Answered(_) | Fact::Ended(_) | Fact::Neighbour(_) | Fact::Presence(_) => None,
        };
        if let (Some(evidence), Some(client)) = (evidence, fact.client()) {
            self.note(HostKey::Address(client), evidence, fact.time(), max_bytes);
        }
    }

    /// What a client says of itself when it asks for an address.
    pub fn neighbour(&mut self, said: &Neighbour, max_bytes: usize) {
        let Evidence::Asks { class, options } = &said.what else {
            return;
        };
        let named = self.rules.of_vendor_class(class).map(OsEvidence::seen);
        let listed = self.rules.of_option_list(options);
        let listed = listed.map(|row| OsEvidence::seen((row, "")));
        for evidence in named.into_iter().chain(listed).collect::<Vec<_>>() {
            self.note(HostKey::Mac(said.mac), evidence, said.time, max_bytes);
        }
    }

    fn asked(&self, question: &Question) -> Option<OsEvidence> {
        let row = self.rules.of_name(&question.name, None, None)?;
        Some(OsEvidence {
            is_contact: false,
            ..OsEvidence::seen((row, ""))
        })
    }

    fn contacted(&self, activity: &Activity) -> Option<OsEvidence> {
        let exchange = activity.exchange.as_deref();
        let path = exchange.map(|exchange| exchange.path.as_slice());
        let agent = exchange.and_then(|exchange| exchange.agent.as_deref());
        self.named(&activity.contact, path, agent)
    }

    /// What a contact with a name tells, if it is the client's own: another's answer, or one of several names, tells less.
    fn named(
        &self,
        contact: &Contact,
        path: Option<&[u8]>,
        agent: Option<&[u8]>,
    ) -> Option<OsEvidence> {
        let row = self.rules.of_name(&contact.name, path, agent)?;
        let is_own = !matches!(contact.source, NameSource::Address | NameSource::DnsShared);
        let is_sure = contact.alternatives.is_empty() && !contact.is_doubtful;
        Some(OsEvidence {
            is_contact: is_own && is_sure,
            ..OsEvidence::seen((row, ""))
        })
    }

    /// Notes what was seen of a client.
    fn note(&mut self, client: HostKey, evidence: OsEvidence, time: Timestamp, max_bytes: usize) {
        let hour = Hour::of(time);
        let (bytes, order) = (&mut self.bytes, &mut self.order);
        let host = self.hosts.entry(client).or_insert_with(|| {
            *bytes += HOST_BYTES;
            order.push_back((hour, client));
            Vec::new()
        });
        if let Some(known) = host.iter_mut().find(|seen| seen.evidence == evidence) {
            known.last = known.last.max(hour);
            return;
        }
        self.counters.evidence += 1;
        if host.len() >= MOST_SEEN
            && let Some(oldest) =
                (0..host.len()).min_by_key(|at| host.get(*at).map(|seen| seen.last))
        {
            host.remove(oldest);
            *bytes -= SEEN_BYTES;
            self.counters.crowded += 1;
        }
        host.push(Seen {
            evidence,
            last: hour,
        });
        *bytes += SEEN_BYTES;
        self.make_room(client, max_bytes);
    }

    /// Forgets clients of whom nothing was seen for long, as long as there are too many; `newest` stays.
    fn make_room(&mut self, newest: HostKey, max_bytes: usize) {
        while self.bytes > max_bytes
            && let Some((noted, client)) = self.order.pop_front()
        {
            let last = self.hosts.get(&client).and_then(|host| last(host));
            match last {
                Some(last) if last > noted => self.order.push_back((last, client)),
                _ if client == newest && self.hosts.len() > 1 => {
                    self.order.push_back((noted, client));
                }
                _ => self.forget(client),
            }
        }
    }

    fn forget(&mut self, client: HostKey) {
        if let Some(host) = self.hosts.remove(&client) {
            self.bytes -= HOST_BYTES + host.len() * SEEN_BYTES;
            self.counters.evicted += 1;
        }
    }

    /// What goes on in the next run of the sensor, client by client, in the order in which they are forgotten.
    pub fn kept(&self) -> impl Iterator<Item = (HostKey, Vec<KeptSeen>)> + '_ {
        self.order.iter().filter_map(|(_, client)| {
            let host = self.hosts.get(client)?;
            Some((
                *client,
                host.iter().filter_map(|seen| self.keep(seen)).collect(),
            ))
        })
    }

    fn keep(&self, seen: &Seen) -> Option<KeptSeen> {
        Some(KeptSeen {
            row: self.rules.row(seen.evidence.row)?.key.clone(),
            version: seen.evidence.version.clone(),
            is_contact: seen.evidence.is_contact,
            last: seen.last,
        })
    }

    /// Takes in what an earlier run kept of a client, where nothing is known of it yet; what was seen after `latest` is not believed.
    pub fn take_up(
        &mut self,
        client: HostKey,
        kept: Vec<KeptSeen>,
        latest: Timestamp,
        max_bytes: usize,
    ) -> bool {
        if self.hosts.contains_key(&client) || self.bytes + HOST_BYTES > max_bytes {
            return false;
        }
        let latest = Hour::of(latest);
        let find = |key: &str| self.rules.rows().find(|(_, row)| row.key == key);
        let host: Vec<Seen> = kept
            .into_iter()
            .filter(|kept| kept.last <= latest && agent::is_version(&kept.version))
            .take(MOST_SEEN)
            .filter_map(|kept| {
                let evidence = OsEvidence {
                    row: find(&kept.row)?.0,
                    version: kept.version,
                    is_contact: kept.is_contact,
                };
                Some(Seen {
                    evidence,
                    last: kept.last,
                })
            })
            .collect();
        let Some(hour) = last(&host) else {
            return false;
        };
        self.bytes += HOST_BYTES + host.len() * SEEN_BYTES;
        self.order.push_back((hour, client));
        self.hosts.insert(client, host);
        true
    }
}

fn last(host: &[Seen]) -> Option<Hour> {
    host.iter().map(|seen| seen.last).max()
}

#[cfg(test)]
mod tests;
