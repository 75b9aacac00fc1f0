//! The shared table from (client, server) to the names that this client got for this server.
//!
//! Every worker writes what DNS answered and reads what a flow is called. Nobody waits: readers never retry, writers
//! only repeat a compare-and-swap that another writer won. Both stores are rings, so memory is fixed from the start, and
//! what falls out is the oldest that nobody asked for again:
//!
//! * [`table`]: entries in lists, newest first; [`key`]: what they are of, and by what they are found; [`times`]: when they were answered
//! * [`chains`]: the name asked for with its aliases, each chain stored once, in [`texts`]
//! * [`lines`]: the words of both, in lines of the cache; `used`: which were ever written
//! * [`answers`]: what a worker is about to write, a few answers at once; `crowds`: which servers it knows to have many names
//!
//! and [`kept`]: what of it the next run of the sensor takes up.
//!
//! An entry is believed *as of* a moment: what was answered later does not count, so the order in which workers
//! insert does not matter once all of them have left the tick of that moment. Entries do not expire at their TTL, because
//! clients go on using an address long after; they are forgotten after [`NamesOptions::retention`].
//!
//! What a client was answered for a server is one entry, which also tells what *some* client was answered there as long as no other was.
//! Then there is another entry, of anybody. Of a server's first few names these stand under the server, of further ones under server and
//! name: a server of many names is asked only whether it has a certain one.
//!
//! Blind spots: names resolved before the capture began, or over DoH and DoT, are not here.

pub mod answers;
pub mod chains;
mod crowds;
pub mod kept;
pub mod key;
pub mod lines;
pub mod table;
pub mod texts;
pub mod times;
mod used;

use std::cmp::Reverse;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::quality::FixedState;

use crate::types::Timestamp;
pub use answers::Answers;
use chains::{Chain, Chains, Hashes};
use key::{Key, Place, Subject};
use table::{Node, Table};
use texts::TextId;
use times::{Times, span_of};

/// Most live names of a server that are kept under the server alone; with more, the server alone says nothing.
const MAX_NAMES_OF_A_SERVER: usize = 4;

/// Sizes and times of the names table.
#[derive(Clone, Copy, Debug)]
pub struct NamesOptions {
    /// Most entries, as many as those of IPv6 take twice. One takes [`table::LINE_BYTES`] and two bits.
    pub entries: usize,
    /// Bytes for the text of names.
    pub text_bytes: usize,
    /// How long an answer names flows.
    pub retention: Duration,
    /// Key of the hashes: fixed in replay, random live.
    pub seed: u64,
}

impl Default for NamesOptions {
    fn default() -> Self {
        Self {
            entries: 1 << 20,
            text_bytes: 32 << 20,
            retention: Duration::from_secs(2 * 3_600),
            seed: 0,
        }
    }
}

/// The names of servers, shared by all workers.
#[derive(Debug)]
pub struct Names {
    table: Table,
    chains: Chains,
    retention: Duration,
    hasher: FixedState,
}

/// A name that a client was answered for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The name asked for, in lower-case presentation form.
    pub name: String,
    /// From the name asked for to the owner of the address; at least the name itself.
    pub chain: Vec<String>,
    /// When it was last answered before the moment looked at.
    pub answered: Timestamp,
}

/// A chain that is stored, as long as the store holds it.
#[derive(Clone, Copy, Debug)]
struct Stored<'a> {
    chain: &'a Chain,
    text: TextId,
    name_hash: u32,
}

impl Names {
    /// An empty table.
    pub fn new(options: NamesOptions) -> Self {
        Self {
            table: Table::new(options.entries, options.retention),
            chains: Chains::new(options.text_bytes, options.seed),
            retention: options.retention,
            hasher: FixedState::with_seed(options.seed),
        }
    }

    /// `client` was answered `server` for the first name of `chain`, through the others, at `time`.
    ///
    /// Names in lower-case presentation form. An empty chain teaches nothing.
    pub fn learn(
        &self,
        client: IpAddr,
        server: IpAddr,
        chain: &[impl AsRef<str>],
        time: Timestamp,
    ) {
        let chain = chain.iter().map(AsRef::as_ref);
        let mut answers = Answers::default();
        answers.push(self, (client, time), chain, std::iter::once(server));
        self.note_all(&mut answers);
    }

    fn store<'a>(&self, chain: &'a mut Chain, hash: u64, hashes: &Hashes) -> Option<Stored<'a>> {
        let text = self.chains.intern(chain, hashes)?;
        Some(Stored {
            chain,
            text,
            name_hash: upper(hash),
        })
    }

    /// Notes an answer under what the client may look for and among what is told of the server: in one entry as long as nobody else got
    /// it, then in two.
    fn note(
        &self,
        (client, server): (IpAddr, IpAddr),
        [of_client, of_server]: [&Place; 2],
        told: Option<Node>,
        stored: &Stored<'_>,
        time: Timestamp,
    ) {
        let own = self.find(of_client, stored);
        let insert = |subject, places, times| {
            let answered = (stored.text, stored.name_hash);
            self.table.insert(subject, places, answered, times);
        };
        let renew = |node: &Node, places| self.table.renew(node, places, stored.text, time);
        let subject = Subject::Client(client, server);
        match (own, told) {
            (None, None) => insert(subject, [Some(of_client), Some(of_server)], Times::of(time)),
            (Some(own), Some(told)) if own.is(&told) => {
                renew(&own, [Some(of_client), Some(of_server)]);
            }
            (own, told) => {
                match own {
                    Some(own) => renew(&own, [Some(of_client), None]),
                    None => insert(subject, [Some(of_client), None], Times::of(time)),
                }
                let subject = Subject::Anybody(server);
                match told {
                    Some(told) if told.subject() == subject => {
                        renew(&told, [None, Some(of_server)]);
                    }
                    told => {
                        let times = told.map(|told| told.times).unwrap_or_default();
                        insert(subject, [None, Some(of_server)], times.with(time));
                    }
                }
            }
        }
    }

    fn find(&self, place: &Place, stored: &Stored<'_>) -> Option<Node> {
        self.table.walk(place).find(|node| self.is(node, stored))
    }

    /// The names that `client` was answered for `server` before `moment`, newest first.
    pub fn of_client(&self, client: IpAddr, server: IpAddr, moment: Timestamp) -> Vec<Candidate> {
        self.of_client_by(client, server, [moment])
    }

    /// As [`Self::of_client`], as of the first of `moments` as of which there is anything.
    pub fn of_client_by<const MOMENTS: usize>(
        &self,
        client: IpAddr,
        server: IpAddr,
        moments: [Timestamp; MOMENTS],
    ) -> Vec<Candidate> {
        self.candidates(&self.place(Key::Client(client, server)), moments)
    }

    /// The names that anybody was answered for `server` before `moment`: complete up to a few names only.
    pub fn of_server(&self, server: IpAddr, moment: Timestamp) -> Vec<Candidate> {
        self.of_server_by(server, [moment])
    }

    /// As [`Self::of_server`], as of the first of `moments` as of which there is anything.
    pub fn of_server_by<const MOMENTS: usize>(
        &self,
        server: IpAddr,
        moments: [Timestamp; MOMENTS],
    ) -> Vec<Candidate> {
        self.candidates(&self.place(Key::Server(server)), moments)
    }

    /// Whether some client was answered `server` for `name` before `moment`.
    pub fn corroborates(&self, server: IpAddr, name: &str, moment: Timestamp) -> bool {
        let hash = self.name_hash(name.as_bytes());
        let mut keys = [Key::Server(server), Key::Name(server, hash)].into_iter();
        keys.any(|key| self.knows(&self.place(key), name, moment))
    }

    /// `client` received an ECH configuration with this public name and id (RFC 9849 section 4) at `time`.
    pub fn learn_ech(&self, client: IpAddr, public_name: &str, config_id: u8, time: Timestamp) {
        let mut chain = Chain::of(std::iter::once(public_name));
        let hash = self.hash(chain.name());
        let hashes = self.chains.hashes(&chain, hash);
        let Some(stored) = self.store(&mut chain, hash, &hashes) else {
            return;
        };
        let place = self.place(Key::Ech(client, config_id, stored.name_hash));
        let places = [Some(&place), None];
        match self.table.walk(&place).find(|node| self.is(node, &stored)) {
            Some(node) => self.table.renew(&node, places, stored.text, time),
            None => self.table.insert(
                Subject::Ech(client, config_id),
                places,
                (stored.text, stored.name_hash),
                Times::of(time),
            ),
        }
    }

    /// Whether `client` had received an ECH configuration with this public name and id before `moment`.
    pub fn knows_ech(
        &self,
        client: IpAddr,
        public_name: &str,
        config_id: u8,
        moment: Timestamp,
    ) -> bool {
        let hash = self.name_hash(public_name.as_bytes());
        let place = self.place(Key::Ech(client, config_id, hash));
        self.knows(&place, public_name, moment)
    }

    /// Entries that the ceiling took although they would still have named flows.
    pub fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Entries that are stored, also those that nobody wants any more.
    pub fn entries(&self) -> u64 {
        self.table.stored()
    }

    /// Most entries.
    pub fn ceiling(&self) -> u64 {
        self.table.capacity()
    }

    /// Whether `name` was answered at `place` before `moment`.
    fn knows(&self, place: &Place, name: &str, moment: Timestamp) -> bool {
        let hash = self.name_hash(name.as_bytes());
        let nodes = self.nodes(place);
        self.answered(&nodes, moment)
            .filter(|(node, _)| node.name_hash() == hash)
            .any(|(node, _)| self.chains.name(node.text).as_deref() == Some(name))
    }

    /// The names that were answered at `place` before the first of `moments` before which there are any, newest first.
    fn candidates<const MOMENTS: usize>(
        &self,
        place: &Place,
        moments: [Timestamp; MOMENTS],
    ) -> Vec<Candidate> {
        let nodes = self.nodes(place);
        if nodes.is_empty() {
            return Vec::new();
        }
        let candidates = moments
            .into_iter()
            .map(|moment| self.candidates_of(&nodes, moment));
        let mut found = candidates.skip_while(Vec::is_empty);
        found.next().unwrap_or_default()
    }

    fn candidates_of(&self, nodes: &[Node], moment: Timestamp) -> Vec<Candidate> {
        let mut told: Vec<Candidate> = self
            .answered(nodes, moment)
            .filter_map(|(node, answered)| self.candidate(node.text, answered))
            .collect();
        // Of half a second the earliest answer counts, as within an entry: there may be several of one name.
        told.sort_by(|a, b| {
            let place = |candidate: &Candidate| {
                let answered = candidate.answered;
                (Reverse(span_of(answered)), answered)
            };
            (place(a), &a.chain).cmp(&(place(b), &b.chain))
        });
        let mut candidates: Vec<Candidate> = Vec::with_capacity(told.len());
        for candidate in told {
            if candidates.iter().all(|known| known.name != candidate.name) {
                candidates.push(candidate);
            }
        }
        candidates.sort_by_key(|candidate| {
            (
                Reverse(candidate.answered),
                self.hash(candidate.name.as_bytes()),
            )
        });
        candidates
    }

    /// What was answered at `place`: each chain once, whoever noted it.
    fn nodes(&self, place: &Place) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for node in self.table.walk(place) {
            match nodes.iter_mut().find(|known| known.text == node.text) {
                Some(known) => known.times = known.times.and(&node.times),
                None => nodes.push(node),
            }
        }
        nodes
    }

    /// Those of `nodes` that were answered before `moment`, and when last.
    fn answered<'a>(
        &self,
        nodes: &'a [Node],
        moment: Timestamp,
    ) -> impl Iterator<Item = (&'a Node, Timestamp)> {
        let retention = self.retention;
        nodes
            .iter()
            .filter_map(move |node| Some((node, node.times.as_of(moment, retention)?)))
    }

    fn candidate(&self, text: TextId, answered: Timestamp) -> Option<Candidate> {
        let whole = self.chains.chain(text);
        let chain = whole.or_else(|| Some(vec![self.chains.name(text)?]))?;
        Some(Candidate {
            name: chain.first()?.clone(),
            chain,
            answered,
        })
    }

    /// Whether an entry tells of this chain.
    fn is(&self, node: &Node, stored: &Stored<'_>) -> bool {
        node.name_hash() == stored.name_hash
            && (node.text == stored.text || self.chains.is(node.text, stored.chain))
    }

    fn place(&self, key: Key) -> Place {
        Place::new(key, &self.hasher)
    }

    fn name_hash(&self, name: &[u8]) -> u32 {
        upper(self.hash(name))
    }

    fn hash(&self, name: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        hasher.finish()
    }
}

/// The half of a name's hash that entries bear.
const fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests;
