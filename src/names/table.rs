//! Entries by key, newest first, in a ring of fixed size.
//!
//! ```text
//! heads[hash]  ->  entry at position p  ->  older entry of the bucket  ->  ...
//!
//! entry words: seal | key x4 | next | name hash | chain hash || name | chain | times x4 | moved | -
//! ```
//!
//! An entry begins where a line of the cache does: one line tells whether it is the one that is looked for.
//!
//! Positions only grow; an entry lies at its position modulo the ring's length, and `seal` names the position whose words these
//! are. A bucket's list runs from newer to older positions, so where it meets an entry that was overwritten, everything
//! behind is older and gone as well: a reader simply stops. Reads are wait-free: at most [`MAX_HOPS`] entries, each read once.
//! Inserts are lock-free: a reservation, and a compare-and-swap of the bucket's head that fails only when another insert won.
//!
//! A bucket that never held an entry is known by a bit, which is set before its first entry is published. A reader that comes after
//! that entry, by whatever orders threads, sees the bit too; one that does not may miss both.
//!
//! Memory order: as in [`super::texts`]; the seal is stored with release after the words, loaded with acquire before them, and
//! looked at again after an acquire fence.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use super::texts::{TextId, zeroed};
use crate::types::Timestamp;
use std::net::{IpAddr, Ipv6Addr};

/// Most entries of a bucket that a reader or writer looks at: bounds the work that a flood of names for one key can cause.
pub const MAX_HOPS: usize = 64;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = WORDS * 8;

const WORDS: usize = 16;
/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Bits of a word that tell which buckets were used.
const BUCKETS_A_WORD: usize = u64::BITS as usize;
const SEAL: usize = 0;
const KEY: usize = 1;
const NEXT: usize = 5;
const NAME_HASH: usize = 6;
const CHAIN_HASH: usize = 7;
const NAME: usize = 8;
const CHAIN: usize = 9;
const TIMES: usize = 10;
const MOVED: usize = 14;
/// The newest answers whose times an entry keeps, so that a look back *as of* a moment finds the one before it.
const KEPT_TIMES: usize = 4;

/// What an entry is found by: two addresses, or an address and a name's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u64; 4]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.iter().for_each(|word| hasher.write_u64(*word));
    }
}

impl Key {
    /// By client and server.
    pub fn new(client: IpAddr, server: IpAddr) -> Self {
        let ([a, b], [c, d]) = (address_words(client), address_words(server));
        Self([a, b, c, d])
    }

    /// By server and name.
    pub fn of_name(name_hash: u64, server: IpAddr) -> Self {
        let [c, d] = address_words(server);
        Self([OF_NAME, name_hash, c, d])
    }

    /// By client and ECH configuration.
    pub fn of_ech(name_hash: u64, config_id: u8, client: IpAddr) -> Self {
        let [c, d] = address_words(client);
        Self([OF_ECH | u64::from(config_id) << 16, name_hash, c, d])
    }
}

/// What a key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Client and server.
    Addresses(IpAddr, IpAddr),
    /// A server and a name.
    Name,
    /// A client, and the id of its ECH configuration.
    Ech(IpAddr, u8),
}

impl Key {
    /// What it is made of.
    pub fn parts(&self) -> Parts {
        const ECH_ID: u64 = 0xff << 16;
        let [first, second, c, d] = self.0;
        let last = address_of([c, d]);
        match first {
            OF_NAME => Parts::Name,
            _ if first & !ECH_ID == OF_ECH => Parts::Ech(last, (first >> 16) as u8),
            _ => Parts::Addresses(address_of([first, second]), last),
        }
    }
}

/// The first word of a key by name: no address's, it lies in the discard-only block (RFC 6666).
const OF_NAME: u64 = 0x0100_0000_0000_0001;
/// As above, with the configuration's id in it.
const OF_ECH: u64 = 0x0100_0000_0000_0100;

fn address_of([high, low]: [u64; 2]) -> IpAddr {
    let address = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    address.to_ipv4_mapped().map_or(address.into(), Into::into)
}

fn address_words(address: IpAddr) -> [u64; 2] {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

/// What is stored under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name asked for.
    pub name: TextId,
    /// Its hash, by which names are compared.
    pub name_hash: u64,
    /// The chain's ids, where it has more than the name.
    pub chain: Option<TextId>,
    /// Hash of the chain's text: two workers may have stored one text twice.
    pub chain_hash: u64,
}

impl Entry {
    fn is_same(&self, other: &Self) -> bool {
        self.name_hash == other.name_hash && self.chain_hash == other.chain_hash
    }
}

/// An entry that a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The entry.
    pub entry: Entry,
    /// Its newest answer at or before the moment looked at.
    pub answered: Timestamp,
}

/// A ring of entries and the heads of its buckets.
#[derive(Debug)]
pub struct Table {
    words: Box<[AtomicU64]>,
    /// Words before the first entry.
    skew: usize,
    /// Position of the newest entry of a bucket, plus one; 0 is none.
    heads: Box<[AtomicU64]>,
    /// A bit for each bucket that ever held an entry. They lie in a core's own cache, where the heads of many buckets do not: most
    /// look-ups find nothing, and in a flood of addresses that nobody asked for nearly all.
    used: Box<[AtomicU64]>,
    /// Next free position.
    head: AtomicU64,
    /// Entries that were overwritten although their last answer was younger than the retention: the ceiling took them.
    evicted: AtomicU64,
    retention: Duration,
    capacity: u64,
}

impl Table {
    /// An empty table of `entries` entries, rounded up to a power of two. `retention`: how long an answer is wanted.
    pub fn new(entries: usize, retention: Duration) -> Self {
        let capacity = entries.max(MAX_HOPS).next_power_of_two();
        let words = zeroed(capacity * WORDS + LINE / size_of::<AtomicU64>());
        Self {
            // At most a line, as the words themselves are aligned.
            skew: words
                .as_ptr()
                .align_offset(LINE)
                .min(LINE / size_of::<AtomicU64>()),
            words,
            heads: zeroed(capacity),
            used: zeroed(capacity.div_ceil(BUCKETS_A_WORD)),
            head: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            retention,
            capacity: capacity as u64,
        }
    }

    /// Stores `entry` under `key`, or notes that it was answered again at `time`.
    pub fn insert(&self, hash: u64, key: &Key, entry: Entry, time: Timestamp) {
        let known = self.walk(hash, key).find(|node| node.entry.is_same(&entry));
        match known {
            Some(node) if !self.in_older_half(node.position) => self.note_time(&node, time),
            Some(node) => {
                self.append(hash, key, entry, newest_times(node.times, time));
                self.mark_moved(&node);
            }
            None => self.append(hash, key, entry, newest_times([NO_TIME; KEPT_TIMES], time)),
        }
    }

    /// Entries under `key` that were answered at or before `moment`, at most `retention` earlier.
    pub fn find(
        &self,
        hash: u64,
        key: &Key,
        moment: Timestamp,
        retention: Duration,
    ) -> impl Iterator<Item = Found> + use<'_> {
        self.walk(hash, key).filter_map(move |node| {
            let times = node.times.into_iter().filter(|time| *time != NO_TIME);
            let answered = times.map(time_of).filter(|time| *time <= moment).max()?;
            (moment.since(answered) <= retention).then_some(Found {
                entry: node.entry,
                answered,
            })
        })
    }

    /// How many names other than `name_hash` were stored under `key` two ticks before `time` or earlier. What is newer does not count:
    /// workers may be that far apart.
    pub fn distinct(&self, hash: u64, key: &Key, name_hash: u64, time: Timestamp) -> usize {
        let settled = time.tick().0.saturating_sub(2);
        let is_settled = |word: &u64| *word != NO_TIME && time_of(*word).tick().0 <= settled;
        let (mut names, mut count) = ([0; MAX_HOPS], 0);
        for node in self.walk(hash, key) {
            let other = node.entry.name_hash;
            let is_new = other != name_hash
                && node.times.iter().any(is_settled)
                && !names.iter().take(count).any(|name| *name == other);
            if let Some(name) = names.get_mut(count).filter(|_| is_new) {
                *name = other;
                count += 1;
            }
        }
        count
    }

    /// Entries of the table, newest first, each with the times of its answers, oldest first. What other threads insert meanwhile may be
    /// missing.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Entry, Vec<Timestamp>)> {
        let newest = self.written();
        let positions = newest.saturating_sub(self.capacity)..newest;
        positions.rev().filter_map(|position| {
            let node = self.read(position, |_| true)?.node?;
            let was_moved = self.word(position, MOVED).load(Ordering::Relaxed) != 0;
            let times = node.times.into_iter().filter(|time| *time != NO_TIME);
            let mut times: Vec<Timestamp> = times.map(time_of).collect();
            times.sort_unstable();
            (!was_moved).then_some((node.key, node.entry, times))
        })
    }

    /// Entries that the ceiling took before their time.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Entries of the ring that hold something.
    pub fn stored(&self) -> u64 {
        self.written().min(self.capacity)
    }

    fn written(&self) -> u64 {
        self.head.load(Ordering::Relaxed)
    }

    /// Most entries.
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Brings what an insert or a look-up will look at into the core's cache; several at once cost hardly more than one.
    pub fn touch(&self, hashes: impl Iterator<Item = u64> + Clone) {
        let newest = |hash| self.bucket(hash).load(Ordering::Relaxed);
        let heads: u64 = hashes.clone().map(newest).fold(0, u64::wrapping_add);
        let seal = |hash| match newest(hash) {
            0 => 0,
            position => self.word(position - 1, SEAL).load(Ordering::Relaxed),
        };
        let seals = hashes.map(seal).fold(heads, u64::wrapping_add);
        std::hint::black_box(seals);
    }

    /// The entries under `key`, newest first.
    fn walk(&self, hash: u64, key: &Key) -> impl Iterator<Item = Node> + use<'_> {
        let (used, bit) = self.used(hash);
        let mut next = match used.load(Ordering::Relaxed) & bit {
            0 => 0,
            _ => self.bucket(hash).load(Ordering::Acquire),
        };
        let key = *key;
        let mut hops = 0;
        std::iter::from_fn(move || {
            while hops < MAX_HOPS {
                let step = self.read(next.checked_sub(1)?, |other| *other == key)?;
                next = step.next;
                hops += 1;
                if step.node.is_some() {
                    return step.node;
                }
            }
            None
        })
    }

    /// The entry at `position`, with its contents where its key is wanted; `None` where it was overwritten.
    fn read(&self, position: u64, is_wanted: impl Fn(&Key) -> bool) -> Option<Step> {
        if self.word(position, SEAL).load(Ordering::Acquire) != position + 1 {
            return None;
        }
        let word = |index: usize| self.word(position, index).load(Ordering::Relaxed);
        let key = Key(std::array::from_fn(|index| word(KEY + index)));
        let next = word(NEXT);
        let node = is_wanted(&key).then(|| Node {
            position,
            key,
            entry: Entry {
                name: TextId::from_word(word(NAME)),
                name_hash: word(NAME_HASH),
                chain: Some(word(CHAIN))
                    .filter(|chain| *chain != 0)
                    .map(TextId::from_word),
                chain_hash: word(CHAIN_HASH),
            },
            times: std::array::from_fn(|index| word(TIMES + index)),
        });
        fence(Ordering::Acquire);
        let whole =
            word(SEAL) == position + 1 && self.written().saturating_sub(position) <= self.capacity;
        whole.then_some(Step { next, node })
    }

    fn append(&self, hash: u64, key: &Key, entry: Entry, times: [u64; KEPT_TIMES]) {
        let position = self.head.fetch_add(1, Ordering::Relaxed);
        self.count_evicted(position, &times);
        fence(Ordering::Release);
        let store =
            |index: usize, value: u64| self.word(position, index).store(value, Ordering::Relaxed);
        store(SEAL, 0);
        for (index, word) in key.0.into_iter().enumerate() {
            store(KEY + index, word);
        }
        store(NAME, entry.name.to_word());
        store(NAME_HASH, entry.name_hash);
        store(MOVED, 0);
        store(CHAIN_HASH, entry.chain_hash);
        store(CHAIN, entry.chain.map_or(0, TextId::to_word));
        for (index, time) in times.into_iter().enumerate() {
            store(TIMES + index, time);
        }
        self.publish(hash, position);
    }

    /// The entry that is about to be overwritten is counted, where it would still have named flows.
    fn count_evicted(&self, position: u64, times: &[u64; KEPT_TIMES]) {
        let newest = |words: &[u64; KEPT_TIMES]| words.iter().copied().max().unwrap_or(NO_TIME);
        let old =
            std::array::from_fn(|index| self.word(position, TIMES + index).load(Ordering::Relaxed));
        let (old, new) = (newest(&old), newest(times));
        let was_moved = self.word(position, MOVED).load(Ordering::Relaxed) != 0;
        if old != NO_TIME && !was_moved && time_of(new).since(time_of(old)) < self.retention {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An entry was written anew elsewhere: its end is no loss. Its times stay, for readers that are on their way.
    fn mark_moved(&self, node: &Node) {
        self.word(node.position, MOVED).store(1, Ordering::Relaxed);
    }

    fn publish(&self, hash: u64, position: u64) {
        let (used, bit) = self.used(hash);
        if used.load(Ordering::Relaxed) & bit == 0 {
            used.fetch_or(bit, Ordering::Relaxed);
        }
        let bucket = self.bucket(hash);
        let mut newest = bucket.load(Ordering::Acquire);
        loop {
            self.word(position, NEXT).store(newest, Ordering::Relaxed);
            self.word(position, SEAL)
                .store(position + 1, Ordering::Release);
            match bucket.compare_exchange_weak(
                newest,
                position + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(other) => newest = other,
            }
        }
    }

    /// Notes a time in an entry; where another writer was faster, what it left is looked at again.
    fn note_time(&self, node: &Node, time: Timestamp) {
        for _ in 0..2 * KEPT_TIMES {
            let times: [u64; KEPT_TIMES] = std::array::from_fn(|index| {
                self.word(node.position, TIMES + index)
                    .load(Ordering::Relaxed)
            });
            let Some((index, old)) = slot_for(&times, time) else {
                return;
            };
            let slot = self.word(node.position, TIMES + index);
            let outcome =
                slot.compare_exchange(old, word_of(time), Ordering::Relaxed, Ordering::Relaxed);
            if outcome.is_ok() {
                return;
            }
        }
    }

    fn in_older_half(&self, position: u64) -> bool {
        self.written().saturating_sub(position) > self.capacity / 2
    }

    #[allow(clippy::indexing_slicing)] // The capacity is a power of two, and the mask keeps the entry below it; behind the last is a line.
    fn word(&self, position: u64, index: usize) -> &AtomicU64 {
        &self.words[self.skew + (position & (self.capacity - 1)) as usize * WORDS + index]
    }

    /// The word and the bit that tell whether a bucket was ever used.
    #[allow(clippy::indexing_slicing)] // As above: there are as many bits as buckets.
    fn used(&self, hash: u64) -> (&AtomicU64, u64) {
        let bucket = (hash & (self.capacity - 1)) as usize;
        let bit = 1 << (bucket % BUCKETS_A_WORD);
        (&self.used[bucket / BUCKETS_A_WORD], bit)
    }

    #[allow(clippy::indexing_slicing)] // As above.
    fn bucket(&self, hash: u64) -> &AtomicU64 {
        &self.heads[(hash & (self.capacity - 1)) as usize]
    }
}

/// An entry on the way through a bucket.
struct Step {
    next: u64,
    node: Option<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    position: u64,
    key: Key,
    entry: Entry,
    times: [u64; KEPT_TIMES],
}

/// A time slot that holds none: it sorts before every time.
const NO_TIME: u64 = 0;

/// Times as words that sort as the times do; the shift by half the range keeps times before 1970 in order.
const fn word_of(time: Timestamp) -> u64 {
    let word = (time.as_nanos() as u64) ^ (1 << 63);
    if word == NO_TIME { 1 } else { word }
}

const fn time_of(word: u64) -> Timestamp {
    Timestamp::from_nanos((word ^ (1 << 63)) as i64)
}

/// The slot that `time` belongs into, with what it holds; `None`: it is to be forgotten.
///
/// Of a tick the earliest time is kept, and of all times those of the newest ticks: whatever the order in which they come.
fn slot_for(times: &[u64; KEPT_TIMES], time: Timestamp) -> Option<(usize, u64)> {
    let new = word_of(time);
    let of_its_tick =
        |(_, word): &(usize, &u64)| **word != NO_TIME && time_of(**word).tick() == time.tick();
    let slots = || times.iter().enumerate();
    if let Some((index, known)) = slots().find(of_its_tick) {
        return (new < *known).then_some((index, *known));
    }
    let (index, oldest) = slots().min_by_key(|(_, word)| **word)?;
    (*oldest < new).then_some((index, *oldest))
}

fn newest_times(mut times: [u64; KEPT_TIMES], time: Timestamp) -> [u64; KEPT_TIMES] {
    if let Some((index, _)) = slot_for(&times, time)
        && let Some(slot) = times.get_mut(index)
    {
        *slot = word_of(time);
    }
    times
}
