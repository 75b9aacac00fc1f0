//! The shared table from (client, server) to the names that this client got for this server.
//!
//! Every worker writes what DNS answered and reads what a flow is called. Nobody waits: readers never retry, writers
//! only repeat a compare-and-swap that another writer won. Both stores are rings, so memory is fixed from the start, and
//! what falls out is the oldest that nobody asked for again:
//!
//! * [`texts`]: names and chains, each stored once
//! * [`table`]: entries by key, newest first
//!
//! and [`kept`]: what of it the next run of the sensor takes up.
//!
//! An entry is believed *as of* a moment: what was answered later does not count, so the order in which workers
//! insert does not matter once all of them have left the tick of that moment. Entries do not expire at their TTL, because
//! clients go on using an address long after; they are forgotten after [`NamesOptions::retention`].
//!
//! Three kinds of key share the table: (client, server); the server alone; and (server, name), which tells whether *some*
//! client was answered this address for this name.
//!
//! Blind spots: names resolved before the capture began, or over DoH and DoT, are not here.

pub mod kept;
pub mod table;
pub mod texts;

use std::cmp::Reverse;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use foldhash::quality::FixedState;

use crate::types::Timestamp;
use table::{Entry, Key, Table};
use texts::{TextId, Texts};

/// Most names of a chain that are kept: the name asked for and the last ones.
pub const MAX_CHAIN: usize = 16;
/// Most live names of a server that are kept under the server alone; with more, the server alone says nothing.
const MAX_NAMES_OF_A_SERVER: usize = 4;

/// Servers of an answer that are looked up at once.
const AT_ONCE: usize = 8;

/// Sizes and times of the names table.
#[derive(Clone, Copy, Debug)]
pub struct NamesOptions {
    /// Most entries; one takes [`table::ENTRY_BYTES`], and a bucket 8 bytes and a bit.
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
    texts: Texts,
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
pub struct Stored(Entry);

impl Names {
    /// An empty table.
    pub fn new(options: NamesOptions) -> Self {
        Self {
            table: Table::new(options.entries, options.retention),
            texts: Texts::new(options.text_bytes, options.seed),
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
        if let Some(answered) = self.store(chain) {
            self.learn_stored(client, std::iter::once(server), &answered, time);
        }
    }

    /// Stores a chain, for [`Self::learn_stored`]: an answer may lead to many addresses. `None` where it is empty, or a name too long.
    pub fn store<'a>(
        &self,
        chain: impl ExactSizeIterator<Item = &'a str> + Clone,
    ) -> Option<Stored> {
        let name = chain.clone().next()?;
        Some(Stored(Entry {
            name: self.texts.intern(name.as_bytes())?,
            name_hash: self.hash(name),
            chain_hash: self.chain_hash(chain.clone()),
            chain: self.intern_chain(chain),
        }))
    }

    /// As [`Self::learn`], of a chain that is stored and led to several servers.
    pub fn learn_stored(
        &self,
        client: IpAddr,
        mut servers: impl Iterator<Item = IpAddr>,
        Stored(entry): &Stored,
        time: Timestamp,
    ) {
        loop {
            let keys: [_; AT_ONCE] = std::array::from_fn(|_| {
                let server = servers.next()?;
                Some(self.keys_of(client, server, entry))
            });
            let keys = keys.iter().map_while(Option::as_ref);
            self.table
                .touch(keys.clone().flatten().map(|(hash, _)| *hash));
            for [of_client, of_name, (hash, alone)] in keys.clone() {
                for (hash, key) in [of_client, of_name] {
                    self.table.insert(*hash, key, *entry, time);
                }
                let others = self.table.distinct(*hash, alone, entry.name_hash, time);
                if others < MAX_NAMES_OF_A_SERVER {
                    self.table.insert(*hash, alone, *entry, time);
                }
            }
            if keys.count() < AT_ONCE {
                return;
            }
        }
    }

    /// Under what an entry stands: the client's key, the name's, and that of the server alone.
    fn keys_of(&self, client: IpAddr, server: IpAddr, entry: &Entry) -> [(u64, Key); 3] {
        let keys = [
            Key::new(client, server),
            Key::of_name(entry.name_hash, server),
            Key::new(NOBODY, server),
        ];
        keys.map(|key| (self.table_hash(&key), key))
    }

    /// The names that `client` was answered for `server` before `moment`, newest first.
    pub fn of_client(&self, client: IpAddr, server: IpAddr, moment: Timestamp) -> Vec<Candidate> {
        self.candidates(&Key::new(client, server), moment)
    }

    /// The names that anybody was answered for `server` before `moment`: complete up to a few names only.
    pub fn of_server(&self, server: IpAddr, moment: Timestamp) -> Vec<Candidate> {
        self.candidates(&Key::new(NOBODY, server), moment)
    }

    /// Whether some client was answered `server` for `name` before `moment`.
    pub fn corroborates(&self, server: IpAddr, name: &str, moment: Timestamp) -> bool {
        let key = Key::of_name(self.hash(name), server);
        self.table
            .find(self.table_hash(&key), &key, moment, self.retention)
            .any(|found| self.texts.is(found.entry.name, name.as_bytes()))
    }

    /// `client` received an ECH configuration with this public name and id (RFC 9849 section 4) at `time`.
    pub fn learn_ech(&self, client: IpAddr, public_name: &str, config_id: u8, time: Timestamp) {
        let name_hash = self.hash(public_name);
        if let Some(name) = self.texts.intern(public_name.as_bytes()) {
            self.insert(
                Key::of_ech(name_hash, config_id, client),
                Entry {
                    name,
                    name_hash,
                    chain: None,
                    chain_hash: 0,
                },
                time,
            );
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
        let key = Key::of_ech(self.hash(public_name), config_id, client);
        self.table
            .find(self.table_hash(&key), &key, moment, self.retention)
            .any(|found| self.texts.is(found.entry.name, public_name.as_bytes()))
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

    fn insert(&self, key: Key, entry: Entry, time: Timestamp) {
        self.table.insert(self.table_hash(&key), &key, entry, time);
    }

    fn candidates(&self, key: &Key, moment: Timestamp) -> Vec<Candidate> {
        let mut found: Vec<_> = self
            .table
            .find(self.table_hash(key), key, moment, self.retention)
            .collect();
        // Of one tick the earliest answer counts, as within an entry: there may be several of one name.
        let place = |found: &table::Found| {
            let tick = found.answered.tick();
            let entry = &found.entry;
            (
                Reverse(tick),
                found.answered,
                entry.name_hash,
                entry.chain_hash,
            )
        };
        found.sort_by_key(place);
        let mut seen = Vec::with_capacity(found.len());
        found.retain(|found| {
            let new = !seen.contains(&found.entry.name_hash);
            seen.push(found.entry.name_hash);
            new
        });
        found.sort_by_key(|found| (Reverse(found.answered), found.entry.name_hash));
        found
            .iter()
            .filter_map(|found| self.candidate(found))
            .collect()
    }

    fn candidate(&self, found: &table::Found) -> Option<Candidate> {
        let name = self.texts.text(found.entry.name)?;
        let chain = found.entry.chain.and_then(|chain| self.chain(chain));
        let chain = chain.unwrap_or_else(|| vec![name.clone()]);
        Some(Candidate {
            name,
            chain,
            answered: found.answered,
        })
    }

    /// A chain is stored as the ids of its names; a chain of one name needs none.
    fn intern_chain<'a>(
        &self,
        chain: impl ExactSizeIterator<Item = &'a str> + Clone,
    ) -> Option<TextId> {
        if chain.len() < 2 {
            return None;
        }
        let skipped = chain.len().saturating_sub(MAX_CHAIN);
        let kept = chain.clone().take(1).chain(chain.skip(skipped + 1));
        let mut ids = [[0; 8]; MAX_CHAIN];
        let mut length = 0;
        for (id, name) in ids.iter_mut().zip(kept) {
            *id = self.texts.intern(name.as_bytes())?.to_bytes();
            length += 1;
        }
        self.texts.intern(ids.get(..length)?.as_flattened())
    }

    fn chain(&self, chain: TextId) -> Option<Vec<String>> {
        let ids = self.texts.bytes(chain)?;
        ids.as_chunks::<8>()
            .0
            .iter()
            .map(|id| self.texts.text(TextId::from_bytes(*id)))
            .collect()
    }

    fn chain_hash<'a>(&self, chain: impl Iterator<Item = &'a str>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for name in chain {
            name.hash(&mut hasher);
        }
        hasher.finish()
    }

    fn hash(&self, name: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name.as_bytes());
        hasher.finish()
    }

    fn table_hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// Stands for any client in keys of the server alone: the unspecified address asks nothing.
const NOBODY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 20));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 21));
    const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(second, 0)
    }

    fn small() -> Names {
        Names::new(NamesOptions {
            entries: 64,
            text_bytes: 4_096,
            ..NamesOptions::default()
        })
    }

    #[test]
    fn a_name_outlives_its_ttl_but_not_its_retention() {
        let names = small();
        names.learn(
            CLIENT,
            SERVER,
            &["dl.example.net", "edge.example.org"],
            at(10),
        );
        let found = names.of_client(CLIENT, SERVER, at(7_000));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].chain, ["dl.example.net", "edge.example.org"]);
        assert_eq!(found[0].answered, at(10));
        assert!(names.of_client(CLIENT, SERVER, at(10 + 7_201)).is_empty());
    }

    #[test]
    fn what_was_answered_later_does_not_count() {
        let names = small();
        names.learn(CLIENT, SERVER, &["a.example"], at(10));
        names.learn(CLIENT, SERVER, &["b.example"], at(20));
        names.learn(CLIENT, SERVER, &["a.example"], at(30));
        let as_of_15 = names.of_client(CLIENT, SERVER, at(15));
        assert_eq!(as_of_15.len(), 1);
        assert_eq!(
            (as_of_15[0].name.as_str(), as_of_15[0].answered),
            ("a.example", at(10))
        );
        let order: Vec<_> = names
            .of_client(CLIENT, SERVER, at(25))
            .into_iter()
            .map(|c| c.name)
            .collect();
        assert_eq!(order, ["b.example", "a.example"]);
    }

    #[test]
    fn another_client_corroborates_but_does_not_name() {
        let names = small();
        names.learn(OTHER, SERVER, &["dl.example.net"], at(10));
        assert!(names.of_client(CLIENT, SERVER, at(11)).is_empty());
        assert_eq!(names.of_server(SERVER, at(11)).len(), 1);
        assert!(names.corroborates(SERVER, "dl.example.net", at(11)));
        assert!(!names.corroborates(SERVER, "dl.example.net", at(9)));
        assert!(!names.corroborates(SERVER, "evil.example", at(11)));
    }

    #[test]
    fn a_name_asked_for_again_survives_a_flood() {
        let names = small();
        for round in 0..200_i64 {
            names.learn(CLIENT, SERVER, &["kept.example"], at(round));
            let flood = IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + round as u32));
            names.learn(OTHER, flood, &[format!("flood-{round}.example")], at(round));
        }
        assert_eq!(names.of_client(CLIENT, SERVER, at(200)).len(), 1);
        assert!(
            names
                .of_client(OTHER, "10.0.0.0".parse().unwrap(), at(200))
                .is_empty(),
            "the oldest are forgotten"
        );
    }

    #[test]
    fn an_ech_configuration_belongs_to_its_client_and_id() {
        let names = small();
        names.learn_ech(CLIENT, "public.example", 7, at(1));
        assert!(names.knows_ech(CLIENT, "public.example", 7, at(2)));
        assert!(!names.knows_ech(CLIENT, "public.example", 8, at(2)));
        assert!(!names.knows_ech(OTHER, "public.example", 7, at(2)));
    }
}
