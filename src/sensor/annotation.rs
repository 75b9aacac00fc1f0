//! What a worker keeps with each flow.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::application::{AppProtocol, Application};
use super::presence::Seen;
use super::presence::tunnels::Probe;
use crate::records::community_id::CommunityId;
use crate::types::kept::figure;
use crate::types::{Stamp, Timestamp};
use crate::updates::fact::{Activity, Contact, NameSource};
use crate::updates::os::RowId;

/// A worker's state of one flow. What many packets touch stands in front.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Annotation {
    pub burst: Burst,
    /// Payload toward the client that belongs to a burst or an activity.
    pub counted: u64,
    pub application: Application,
    pub protocol: Option<AppProtocol>,
    /// Whether a claimed name was compared with those of DNS.
    pub is_compared: bool,
    /// Whether names were looked up.
    pub is_resolved: bool,
    /// A failed connection was told.
    pub is_failure_told: bool,
    /// QUIC: what the client sent shows that the server answered, though nothing of it is on the mirror.
    pub answered_unseen: bool,
    /// QUIC: the client sent nothing yet that it can send only behind the handshake. Not where that could not be seen.
    pub is_shaking_hands: bool,
    /// A TLS record was written.
    pub tls_told: bool,
    /// A TLS record is complete, and waits for the names of its flow.
    pub tls_waits: bool,
    /// An earlier run of the sensor followed the flow: what is inherited is its own name.
    pub is_resumed: bool,
    /// That it goes on was not told in this run.
    pub is_unannounced: bool,
    /// An ICMP error quoted a packet of it.
    pub is_quoted: bool,
    /// DNS messages so far.
    pub dns_messages: u32,
    /// Bytes that were last counted for this flow: see [`Annotation::memory`].
    pub weight: u32,
    /// Payload toward the server up to the end of a ClientHello; 0: none was seen.
    pub hello_end: u32,
    /// What the client's SYN tells of its system, until it was told.
    pub stack: Option<RowId>,
    /// What its first messages look like.
    pub tunnel: Probe,
    /// Encrypted ClientHello was accepted.
    pub has_ech: bool,
    /// Its name is still to be told of its client.
    pub is_young: bool,
    /// DNS queries that wait for their answers, where any do.
    pub queries: Option<Box<Queries>>,
    /// The name that the client itself sent.
    pub claimed: Option<Box<Claimed>>,
    /// What the flow is called, once that was looked up.
    pub naming: Option<Box<Naming>>,
    /// Inherited from an earlier flow on the 5-tuple.
    pub inherited: Option<Box<Naming>>,
    /// The contact with a catalogue name.
    pub contact: Option<Arc<Contact>>,
    /// How far TLS or HTTP was read, where they are.
    pub conversation: Option<Box<Conversation>>,
    /// What was told of the flow's bytes so far, where something was.
    pub told: Option<Box<Told>>,
    /// What went over before the name was known.
    pub pending: Option<Box<Pending>>,
    /// Once it was needed.
    pub community_id: Option<Box<CommunityId>>,
    /// What was told of it as of one of a client's, in a minute in which it did not end.
    pub seen: Option<Box<Seen>>,
}

/// A longer name is given up where too much is kept of all flows together; hardly any true name is longer.
const LONG_NAME: usize = 128;

impl Annotation {
    /// What was told of the flow's bytes so far.
    pub fn was_told(&self) -> Told {
        self.told.as_deref().copied().unwrap_or_default()
    }

    /// As [`Self::was_told`], to be changed.
    pub fn told(&mut self) -> &mut Told {
        self.told.get_or_insert_default()
    }

    /// Until when a TLS record waits for more.
    pub fn tls_due(&self) -> Option<Timestamp> {
        self.conversation.as_ref()?.tls_due
    }

    /// Bytes of what is incomplete, of names and questions, and of what waits for a name.
    pub fn memory(&self) -> usize {
        let names = [&self.naming, &self.inherited];
        let names: usize = names
            .into_iter()
            .flatten()
            .map(|naming| naming.memory())
            .sum();
        let claimed = self.claimed.as_ref().map_or(0, |claimed| claimed.memory());
        let queries = self.queries.as_ref();
        let queries = queries.map_or(0, |queries| queries.memory());
        let pending = self.pending.as_ref();
        let pending = pending.map_or(0, |pending| pending.memory());
        self.application.memory() + names + claimed + queries + pending
    }

    /// Counts it anew among that of all flows; gives it.
    pub fn weigh(&mut self, all: &mut usize) -> usize {
        let weight = u32::try_from(self.memory()).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut self.weight, weight);
        *all = *all + weight as usize - before as usize;
        weight as usize
    }

    /// Gives up what can grow: what is incomplete, questions, aliases and long names.
    pub fn give_up(&mut self) {
        self.application = Application::Done;
        self.is_shaking_hands = false;
        self.pending = None;
        self.queries = None;
        self.claimed
            .take_if(|claimed| claimed.name.len() > LONG_NAME);
        for naming in [&mut self.naming, &mut self.inherited] {
            naming.take_if(|naming| naming.name.len() > LONG_NAME);
            if let Some(naming) = naming {
                naming.chain = Vec::new();
                naming.alternatives = Vec::new();
            }
        }
    }
}

/// A name that the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub name: String,
    pub source: NameSource,
    /// The id in an Encrypted ClientHello extension.
    pub ech_config: Option<u8>,
    /// It was said to a proxy: the server's address is not the name's.
    pub is_proxied: bool,
}

impl Claimed {
    fn memory(&self) -> usize {
        size_of::<Self>() + self.name.len()
    }
}

/// What a flow is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Naming {
    pub name: String,
    pub source: NameSource,
    pub corroborated: bool,
    pub chain: Vec<String>,
    pub answered: Option<Timestamp>,
    pub alternatives: Vec<String>,
    pub inherited: bool,
    /// The claimed name was only the public name of an accepted ECH.
    pub ech_accepted: bool,
    /// The client claimed the name, and was answered the address for other names alone.
    pub is_contradicted: bool,
}

impl Naming {
    /// By the first of the other candidates that `is_meant`, where DNS alone names it; the name in front of them is one of the others then.
    pub fn with_another_name(&self, is_meant: impl Fn(&str) -> bool) -> Option<Self> {
        let mut alternatives = self.alternatives.iter();
        let by_dns = self.source == NameSource::Dns;
        let at = by_dns.then(|| alternatives.position(|name| is_meant(name)))??;
        let mut other = Self {
            chain: Vec::new(),
            answered: None,
            ..self.clone()
        };
        std::mem::swap(other.alternatives.get_mut(at)?, &mut other.name);
        Some(other)
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        let others = self.chain.iter().chain(&self.alternatives);
        size_of::<Self>()
            + self.name.len()
            + others
                .map(|name| size_of::<String>() + name.len())
                .sum::<usize>()
    }
}

/// Activities that wait for the flow's name, the oldest first. Nearly always there is one.
#[derive(Debug)]
pub(super) struct Pending {
    first: PendingActivity,
    others: Vec<PendingActivity>,
}

impl Pending {
    /// One waits.
    pub const fn new(first: PendingActivity) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }

    /// Another does, where there are no `most` of them yet; whether there is room.
    pub fn push(&mut self, activity: PendingActivity, most: usize) -> bool {
        let has_room = self.others.len() + 1 < most;
        if has_room {
            self.others.push(activity);
        }
        has_room
    }

    /// All of them.
    pub fn into_all(self) -> impl Iterator<Item = PendingActivity> {
        std::iter::once(self.first).chain(self.others)
    }

    fn memory(&self) -> usize {
        let all = std::iter::once(&self.first).chain(&self.others);
        all.map(PendingActivity::memory).sum()
    }
}

/// An activity whose contact is not known yet.
#[derive(Clone, Debug)]
pub(super) struct PendingActivity {
    /// The name of its own, on plain HTTP.
    pub name: Option<String>,
    pub activity: ActivityParts,
}

impl PendingActivity {
    fn memory(&self) -> usize {
        let exchange = self.activity.exchange.as_ref();
        size_of::<Self>() + exchange.map_or(0, |exchange| exchange.memory())
    }
}

/// An activity without its contact.
#[derive(Clone, Debug)]
pub(super) struct ActivityParts {
    pub start: Timestamp,
    pub end: Timestamp,
    pub delivered_toclient: u64,
    pub inferred_toclient: u64,
    pub largest_burst: u64,
    pub bytes_toserver: u64,
    pub bytes_toclient: u64,
    pub is_ongoing: bool,
    pub exchange: Option<Box<crate::updates::fact::Exchange>>,
}

impl ActivityParts {
    /// With its contact, told at `time`.
    pub fn with(self, contact: Arc<Contact>, time: Timestamp) -> Activity {
        Activity {
            contact,
            start: self.start,
            end: self.end,
            time,
            delivered_toclient: self.delivered_toclient,
            inferred_toclient: self.inferred_toclient,
            largest_burst: self.largest_burst,
            bytes_toserver: self.bytes_toserver,
            bytes_toclient: self.bytes_toclient,
            is_ongoing: self.is_ongoing,
            exchange: self.exchange,
        }
    }
}

/// Payload toward the client without a long pause.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Burst {
    pub start: Timestamp,
    pub last: Timestamp,
    #[serde(deserialize_with = "figure")]
    pub bytes: u64,
    /// More than this is told while the burst goes on; doubled each time.
    pub large: u64,
}

/// How far TLS or HTTP was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conversation {
    /// The packet that last brought something.
    pub last: Stamp,
    /// A TLS record waits for more of the handshake, until then.
    pub tls_due: Option<Timestamp>,
    /// The packet that completed that record, as far as it has come.
    pub tls_stamp: Stamp,
}

/// What was told of a flow's bytes so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// HTTP transactions.
    pub transactions: u64,
    pub bytes_toserver: u64,
    pub bytes_toclient: u64,
    /// Bytes on the wire that an earlier run of the sensor saw and did not tell.
    pub untold_toserver: u64,
    pub untold_toclient: u64,
    /// Payload since the last activity, bursts that ended included.
    pub delivered: u64,
    /// Bytes toward the client that acknowledgements alone tell.
    pub inferred: u64,
    /// Those that an earlier run of the sensor inferred and did not tell.
    pub untold_inferred: u64,
    pub largest_burst: u64,
    /// The last payload of the bursts that ended.
    pub last: Timestamp,
    /// HTTP: the volume of a request without a response was told.
    pub without_response: bool,
}

impl Told {
    /// Bytes on the wire toward the server that were not told, of `all` that this run saw.
    pub const fn rest_toserver(&self, all: u64) -> u64 {
        all.saturating_sub(self.bytes_toserver) + self.untold_toserver
    }

    /// Toward the client.
    pub const fn rest_toclient(&self, all: u64) -> u64 {
        all.saturating_sub(self.bytes_toclient) + self.untold_toclient
    }

    /// Payload toward the client that is inferred.
    pub const fn rest_inferred(&self, all: u64) -> u64 {
        all.saturating_sub(self.inferred) + self.untold_inferred
    }
}

/// A query that waits for its response.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Query {
    pub id: u16,
    /// Hash of the question.
    pub question: u64,
    /// A truncated response came, or one to another copy of it.
    pub is_answered: bool,
}

impl Query {
    /// Whether it asks the same under the same id.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.id, self.question) == (other.id, other.question)
    }
}

/// Queries that wait, the oldest first. Nearly always there is one, which takes no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Queries {
    first: Option<Query>,
    /// None where there is no first.
    others: VecDeque<Query>,
}

impl Queries {
    /// The last one. Where there are `most` before it, gives the oldest, which waits no more.
    pub fn push(&mut self, query: Query, most: usize) -> Option<Query> {
        let is_full = self.iter().count() >= most;
        let oldest = is_full.then(|| self.remove(0)).flatten();
        match self.first {
            None => self.first = Some(query),
            Some(_) => self.others.push_back(query),
        }
        oldest
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Queries without a response.
    pub fn unanswered(&self) -> u64 {
        self.iter().filter(|query| !query.is_answered).count() as u64
    }

    /// A response came; gives whether its query was seen. After a truncated one the query waits on: another may come.
    pub fn answer(&mut self, answered: &Query, is_truncated: bool) -> bool {
        let asked = self.iter().position(|query| query.is_same(answered));
        if let Some(asked) = asked.filter(|_| !is_truncated) {
            let _ = self.remove(asked);
        }
        let copies = self.first.iter_mut().chain(&mut self.others);
        for copy in copies.filter(|query| query.is_same(answered)) {
            copy.is_answered = true;
        }
        asked.is_some()
    }

    fn remove(&mut self, place: usize) -> Option<Query> {
        match place.checked_sub(1) {
            None => std::mem::replace(&mut self.first, self.others.pop_front()),
            Some(place) => self.others.remove(place),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Query> {
        self.first.iter().chain(&self.others)
    }

    fn memory(&self) -> usize {
        self.others.capacity() * size_of::<Query>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(name: String) -> Naming {
        Naming {
            name,
            source: NameSource::Dns,
            corroborated: true,
            chain: vec!["a".repeat(1_000); 16],
            answered: None,
            alternatives: Vec::new(),
            inherited: false,
            ech_accepted: false,
            is_contradicted: false,
        }
    }

    #[test]
    fn of_candidates_by_dns_another_one_may_be_meant() {
        let by_dns = Naming {
            alternatives: ["b", "c", "d"].map(str::to_owned).to_vec(),
            ..naming("a".to_owned())
        };
        let other = by_dns.with_another_name(|name| name > "b").unwrap();
        assert_eq!(
            (other.name.as_str(), other.alternatives),
            ("c", vec!["b".to_owned(), "a".to_owned(), "d".to_owned()])
        );
        assert_eq!(by_dns.with_another_name(|name| name == "a"), None);
        let claimed = Naming {
            source: NameSource::Tls,
            ..by_dns
        };
        assert_eq!(claimed.with_another_name(|_| true), None);
    }

    #[test]
    fn what_can_grow_counts_and_can_be_given_up() {
        let claimed = Claimed {
            name: "b".repeat(1_000),
            source: NameSource::Tls,
            ech_config: None,
            is_proxied: false,
        };
        let mut queries = Queries::default();
        for _ in 0..64 {
            assert!(queries.push(Query::default(), 64).is_none());
        }
        let mut annotation = Annotation {
            claimed: Some(Box::new(claimed)),
            naming: Some(Box::new(naming("dl.example.net".to_owned()))),
            inherited: Some(Box::new(naming("c".repeat(200)))),
            queries: Some(Box::new(queries)),
            ..Annotation::default()
        };
        assert!(annotation.memory() > 2 * 16_000 + 1_000 + 64 * 16);
        annotation.give_up();
        assert!(annotation.memory() < 300, "{}", annotation.memory());
        assert_eq!(annotation.naming.unwrap().name, "dl.example.net");
    }

    #[test]
    fn a_flow_takes_seven_lines_of_the_cache() {
        assert_eq!(size_of::<crate::flows::Flow<Annotation>>(), 7 * 64);
    }

    #[test]
    fn a_query_is_unanswered_until_it_or_its_copy_is_answered() {
        let query = |id| Query {
            id,
            ..Query::default()
        };
        let mut queries = Queries::default();
        for id in [1, 1, 2, 3] {
            assert!(queries.push(query(id), 4).is_none());
        }
        assert!(queries.answer(&query(1), false));
        assert_eq!((queries.iter().count(), queries.unanswered()), (3, 2));
        assert!(queries.answer(&query(2), true), "a truncated answer is one");
        assert_eq!((queries.iter().count(), queries.unanswered()), (3, 1));
        assert!(!queries.answer(&query(4), false));
        assert_eq!(queries.unanswered(), 1);
        assert!(queries.push(query(5), 3).is_some(), "the oldest");
        for id in [2, 3, 5] {
            assert!(queries.answer(&query(id), false), "{id}");
        }
        assert!(queries.is_empty());
    }
}
