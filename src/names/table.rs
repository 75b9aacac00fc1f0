//! Entries in a ring of fixed size, each in one or two lists, newest first.
//!
//! ```text
//! by what a client asked:  heads[hash]  ->  entry at position p  ->  older entry of the bucket  ->  ...
//! by server:               heads[hash]  ->  entry at position p  ->  older entry of the bucket  ->  ...
//!
//! a line:    seal, next | both addresses | text, what it is | name hash, next by server | times x4
//! a second:  - | both addresses x4 | - x3
//! ```
//!
//! An entry takes one line of the cache; where an address is of IPv6 the addresses stand in a second.
//!
//! Positions count lines and only grow; they are kept modulo 2^32, and an entry lies at its position modulo the ring's length. `seal` names
//! the position, plus one, whose words these are. A bucket's list runs from newer to older positions, so where it meets an entry that was
//! overwritten, everything behind is older and gone as well: a reader simply stops. Reads are wait-free: at most [`MAX_HOPS`] entries, each
//! read once. Inserts are lock-free: a reservation, and for each list a compare-and-swap of its bucket's head that fails only when another
//! insert won. A head that nobody moved for 2^32 lines leads into a list of others, in which nothing bears its key.
//!
//! A bucket that never held an entry is known by a bit ([`super::used`]).
//!
//! Memory order: as in [`super::texts`]; the seal is stored with release after the words, loaded with acquire before them, and the ring's
//! head is looked at after an acquire fence.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use super::key::{IS_LONG, IS_MOVED, Label, List, Place, Subject};
use super::lines::{LINE, Lines, zeroed};
use super::texts::TextId;
use super::times::{KEPT_TIMES, Times};
use super::used::Used;
use crate::types::Timestamp;

/// Most entries of a bucket that a reader or writer looks at: bounds the work that a flood of names for one key can cause.
pub const MAX_HOPS: usize = 64;
/// Bytes of a line with its share of the heads.
pub const LINE_BYTES: usize = LINE * size_of::<u64>() + 2 * size_of::<u32>();

/// Bytes that the kernel gives at a time.
const PAGE: usize = 4_096;
/// Where words stand in a line.
const SEAL: usize = 0;
/// A text's id stands above the bits of the label.
const TEXT_SHIFT: u32 = 16;

/// An entry that was found.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    position: u32,
    label: Label,
    /// What was answered.
    pub text: TextId,
    /// When.
    pub times: Times,
}

impl Node {
    /// What it is of.
    pub fn subject(&self) -> Subject {
        self.label.subject()
    }

    /// The hash of the name that was asked for.
    pub const fn name_hash(&self) -> u32 {
        self.label.name_hash
    }

    /// Whether both are one entry.
    pub const fn is(&self, other: &Self) -> bool {
        self.position == other.position
    }
}

/// What stands at a place.
#[derive(Clone, Copy, Debug)]
pub enum Survey<const MOST: usize> {
    /// Few other names; and what was wanted, where it is there.
    Quiet(Option<Node>),
    /// Many other names.
    Crowded(Crowd<MOST>),
}

/// Names of a server that has many.
#[derive(Clone, Copy, Debug)]
pub struct Crowd<const MOST: usize> {
    /// Hashes of the names, which differ.
    pub names: [u32; MOST],
    /// The tick by which all of them were stored.
    pub since: i64,
    /// The number of lines ever reserved from which on one of them may be overwritten.
    pub until: u64,
}

/// The last tick whose answers every worker has noted, as of an answer at `time`.
pub const fn settled_at(time: Timestamp) -> i64 {
    time.tick().0.saturating_sub(2)
}

/// The newest entry of each bucket, as a position plus one; 0 is none.
#[derive(Debug)]
struct Heads {
    newest: Box<[AtomicU32]>,
    /// Those that ever held an entry.
    used: Used,
}

/// A ring of entries and the heads of its lists.
#[derive(Debug)]
pub struct Table {
    ring: Lines,
    of_clients: Heads,
    of_servers: Heads,
    /// Lines that were ever reserved: the next free position.
    head: AtomicU64,
    /// Entries that were overwritten although their last answer was younger than the retention: the ceiling took them.
    evicted: AtomicU64,
    retention: Duration,
}

impl Table {
    /// An empty table of `lines` lines, rounded up to a power of two. `retention`: how long an answer is wanted.
    pub fn new(lines: usize, retention: Duration) -> Self {
        let ring = Lines::ring(lines.clamp(MAX_HOPS, 1 << 31));
        let buckets = ring.count();
        Self {
            ring,
            of_clients: Heads::new(buckets),
            of_servers: Heads::new(buckets),
            head: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            retention,
        }
    }

    /// Entries at `place`, newest first.
    pub fn walk<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = Node> + use<'a> {
        let mut next = self.first(place);
        let mut hops = 0;
        std::iter::from_fn(move || {
            while next != 0 && hops < MAX_HOPS {
                let position = next.wrapping_sub(1);
                let step = self.read(position, place.list, |label| place.holds(label))?;
                next = step.next;
                hops += 1;
                if step.node.is_some() {
                    return step.node;
                }
            }
            None
        })
    }

    /// Looks at `place` for what is wanted of the name with `name_hash`, and whether `MOST` other names were stored there two ticks before
    /// `time` or earlier. What is newer does not count: workers may be that far apart.
    pub fn survey<const MOST: usize>(
        &self,
        place: &Place,
        (name_hash, time): (u32, Timestamp),
        is_wanted: impl Fn(&Node) -> bool,
    ) -> Survey<MOST> {
        let settled = settled_at(time);
        let (mut wanted, mut names, mut count, mut since) = (None, [0; MOST], 0, i64::MIN);
        for node in self.walk(place) {
            let other = node.name_hash();
            if other == name_hash {
                if wanted.is_none() && is_wanted(&node) {
                    wanted = Some(node);
                }
                continue;
            }
            let Some(first) = node.times.oldest().map(|time| time.tick().0) else {
                continue;
            };
            let is_new = first <= settled && !names.iter().take(count).any(|name| *name == other);
            if let Some(name) = names.get_mut(count).filter(|_| is_new) {
                (*name, since) = (other, since.max(first));
                count += 1;
            }
            if count == MOST {
                // Positions run back, so this is the first of them to be overwritten.
                // Another worker may write between two looks at how much was written.
                let age = u64::from(self.age(node.position));
                let until = self.written().saturating_sub(age) + self.capacity();
                return Survey::Crowded(Crowd {
                    names,
                    since,
                    until,
                });
            }
        }
        Survey::Quiet(wanted)
    }

    /// Stores an entry of `subject` under what a client may look for, and under what is told of its server; either may be missing.
    pub fn insert(
        &self,
        subject: Subject,
        [of_client, of_server]: [Option<&Place>; 2],
        (text, name_hash): (TextId, u32),
        times: Times,
    ) {
        let label = Label::new(subject, name_hash).listed(of_server);
        self.append(label, [of_client, of_server], text, times);
    }

    /// Notes that what `node` tells was answered again at `time`. Where it is about to be overwritten, or its text stands elsewhere now, it is
    /// written anew, at the places where it stood.
    pub fn renew(&self, node: &Node, places: [Option<&Place>; 2], text: TextId, time: Timestamp) {
        if node.text == text && self.age(node.position) <= self.ring.count() as u32 / 2 {
            return self.note_time(node, time);
        }
        let label = node.label.listed(places[1]);
        self.append(label, places, text, node.times.with(time));
        // Its end is no loss. Its times stay, for readers that are on their way.
        let [_, _, about, ..] = self.line(node.position);
        about.fetch_or(u64::from(IS_MOVED), Ordering::Relaxed);
    }

    /// Entries of the table, newest first. What other threads insert meanwhile may be missing.
    pub fn entries(&self) -> impl Iterator<Item = Node> {
        let newest = self.written();
        let positions = newest.saturating_sub(self.capacity())..newest;
        positions.rev().filter_map(|position| {
            let node = self.read(position as u32, List::Client, |_| true)?.node?;
            (node.label.bits & IS_MOVED == 0).then_some(node)
        })
    }

    /// Entries that the ceiling took before their time.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Lines of the ring that hold something.
    pub fn stored(&self) -> u64 {
        self.written().min(self.capacity())
    }

    /// Most lines.
    pub const fn capacity(&self) -> u64 {
        self.ring.count() as u64
    }

    /// Brings the head of a list into the core's cache; several at once cost hardly more than one. What it gives means nothing, but has to
    /// be used.
    pub fn touch_head(&self, place: &Place) -> u64 {
        let heads = self.heads(place.list);
        match heads.used.has_near(place.hash) {
            true => heads.bucket(place.hash).load(Ordering::Relaxed).into(),
            false => 0,
        }
    }

    /// The first entry of a list, whose head was touched, or 0: the seal of it.
    pub fn first(&self, place: &Place) -> u32 {
        self.heads(place.list).first(place.hash)
    }

    /// Brings the entry with `seal` into the core's cache; gives the one behind it in the list of a server, or 0.
    pub fn touch_entry(&self, seal: u32) -> u32 {
        if seal == 0 {
            return 0;
        }
        let [start, _, _, names, ..] = self.line(seal.wrapping_sub(1));
        let (known, _) = halves(start.load(Ordering::Relaxed));
        let (_, next) = halves(names.load(Ordering::Relaxed));
        if known == seal { next } else { 0 }
    }

    /// Brings the next lines to be written into the core's cache, up to the end of a page: behind it none may have been written yet, and then
    /// the kernel would have to make it twice, once to be read.
    pub fn touch_free(&self, lines: usize) -> u64 {
        let written = self.written() as u32;
        let lines = (0..lines).map(|line| self.line(written.wrapping_add(line as u32)));
        let lines = lines.take_while(|line| !line.as_ptr().addr().is_multiple_of(PAGE));
        lines.fold(0, |sum, line| sum ^ line[SEAL].load(Ordering::Relaxed))
    }

    /// Lines that were ever reserved: what lies until that many more are is not overwritten.
    pub fn written(&self) -> u64 {
        self.head.load(Ordering::Relaxed)
    }

    /// The entry at `position`, with its contents where its label is wanted; `None` where it was overwritten.
    fn read(&self, position: u32, list: List, is_wanted: impl Fn(&Label) -> bool) -> Option<Step> {
        let [start, addresses, about, names, times @ ..] = self.line(position);
        let start = start.load(Ordering::Acquire);
        let (seal, next) = halves(start);
        if seal != position.wrapping_add(1) {
            return None;
        }
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let (about, (name_hash, next_of_server)) = (load(about), halves(load(names)));
        let bits = about as u16;
        let (first, last) = if bits & IS_LONG == 0 {
            Label::addresses(load(addresses))
        } else {
            let [_, a, b, c, d, ..] = self.line(position.wrapping_add(1));
            ([load(a), load(b)], [load(c), load(d)])
        };
        let label = Label {
            bits,
            first,
            last,
            name_hash,
        };
        let node = is_wanted(&label).then(|| Node {
            position,
            label,
            text: TextId::from_bits(about >> TEXT_SHIFT),
            times: Times(times.each_ref().map(load)),
        });
        let next = match list {
            List::Client => next,
            List::Server => next_of_server,
        };
        fence(Ordering::Acquire);
        (self.age(position) <= self.ring.count() as u32).then_some(Step { next, node })
    }

    fn append(&self, label: Label, places: [Option<&Place>; 2], text: TextId, times: Times) {
        let lines = if label.bits & IS_LONG == 0 { 1 } else { 2 };
        let position = self.head.fetch_add(lines, Ordering::Relaxed);
        if position + lines > self.capacity() {
            self.count_evicted(position as u32, lines as u32, &times);
        }
        let position = position as u32;
        fence(Ordering::Release);
        let store = |word: &AtomicU64, value| word.store(value, Ordering::Relaxed);
        let [start, addresses, about, names, slots @ ..] = self.line(position);
        store(start, 0);
        if lines == 1 {
            store(addresses, label.short());
        } else {
            let [start, a, b, c, d, ..] = self.line(position.wrapping_add(1));
            let ([first, second], [third, fourth]) = (label.first, label.last);
            for (word, value) in [(start, 0), (a, first), (b, second), (c, third), (d, fourth)] {
                store(word, value);
            }
        }
        store(about, text.to_bits() << TEXT_SHIFT | u64::from(label.bits));
        store(names, joined(label.name_hash, 0));
        for (slot, time) in slots.iter().zip(times.0) {
            store(slot, time);
        }
        let seal = position.wrapping_add(1);
        start.store(joined(seal, 0), Ordering::Release);
        let [of_client, of_server] = places;
        if let Some(place) = of_client {
            let link = |next| start.store(joined(seal, next), Ordering::Release);
            self.of_clients.publish(place.hash, seal, link);
        }
        if let Some(place) = of_server {
            let link = |next| names.store(joined(label.name_hash, next), Ordering::Release);
            self.of_servers.publish(place.hash, seal, link);
        }
    }

    /// What is about to be overwritten is counted, where it would still have named flows.
    fn count_evicted(&self, position: u32, lines: u32, times: &Times) {
        for position in (0..lines).map(|line| position.wrapping_add(line)) {
            let [start, _, about, _, old @ ..] = self.line(position);
            let (seal, _) = halves(start.load(Ordering::Relaxed));
            let is_moved = about.load(Ordering::Relaxed) as u16 & IS_MOVED != 0;
            let old = Times(old.each_ref().map(|word| word.load(Ordering::Relaxed)));
            if seal != 0
                && !is_moved
                && let (Some(old), Some(new)) = (old.newest(), times.newest())
                && new.since(old) < self.retention
            {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Notes a time in an entry; where another writer was faster, what it left is looked at again.
    fn note_time(&self, node: &Node, time: Timestamp) {
        let [.., a, b, c, d] = self.line(node.position);
        let slots = [a, b, c, d];
        for _ in 0..2 * KEPT_TIMES {
            let times = Times(slots.map(|word| word.load(Ordering::Relaxed)));
            let Some((index, old, new)) = times.slot_for(time) else {
                return;
            };
            let noted = slots.get(index).is_none_or(|slot| {
                slot.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            });
            if noted {
                return;
            }
        }
    }

    /// Lines that were reserved since the one at `position`, which counts too.
    fn age(&self, position: u32) -> u32 {
        (self.written() as u32).wrapping_sub(position)
    }

    fn line(&self, position: u32) -> &[AtomicU64; LINE] {
        self.ring.line(position as usize)
    }

    const fn heads(&self, list: List) -> &Heads {
        match list {
            List::Client => &self.of_clients,
            List::Server => &self.of_servers,
        }
    }
}

impl Heads {
    /// Of so many buckets, a power of two.
    fn new(buckets: usize) -> Self {
        Self {
            newest: zeroed(buckets),
            used: Used::new(buckets),
        }
    }

    /// The newest entry of a bucket.
    fn first(&self, hash: u64) -> u32 {
        match self.used.has(hash) {
            true => self.bucket(hash).load(Ordering::Acquire),
            false => 0,
        }
    }

    /// Makes an entry the newest of its bucket, after `link` has led from it to the one before.
    fn publish(&self, hash: u64, seal: u32, link: impl Fn(u32)) {
        let bucket = self.bucket(hash);
        let mut newest = match self.used.note(hash) {
            true => bucket.load(Ordering::Acquire),
            false => 0,
        };
        loop {
            link(newest);
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match bucket.compare_exchange_weak(newest, seal, success, failure) {
                Ok(_) => return,
                Err(other) => newest = other,
            }
        }
    }

    #[allow(clippy::indexing_slicing)] // Their number is a power of two, and the mask keeps the bucket below it.
    fn bucket(&self, hash: u64) -> &AtomicU32 {
        &self.newest[hash as usize & (self.newest.len() - 1)]
    }
}

/// An entry on the way through a bucket.
struct Step {
    next: u32,
    node: Option<Node>,
}

/// Two numbers in a word.
const fn joined(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

const fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
