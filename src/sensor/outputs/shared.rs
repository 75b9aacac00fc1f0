//! What feeders and the thread of an output count together: all of it counters, nobody waits for anybody.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use super::LANES;
use crate::records::Kind;
use crate::sensor::delays::{Delays, SharedDelays};
use crate::types::Timestamp;

const KINDS: usize = Kind::ALL.len();
/// What a block costs beside its bytes: its place in the queue, what the allocator adds.
const OVERHEAD: u64 = 96;

/// Whole lines on their way through a queue.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Box<[u8]>,
    pub(super) lines: u64,
    /// Lines whose delay counts.
    pub(super) timed: Option<Timed>,
}

/// How many lines, and when the oldest of them was decided: a block is handed over at the end of a turn, so they are of one age.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    pub(super) lines: u64,
    pub(super) oldest: Timestamp,
}

impl Default for Timed {
    fn default() -> Self {
        Self {
            lines: 0,
            oldest: Timestamp::MAX,
        }
    }
}

impl Timed {
    pub(super) fn add(&mut self, decided: Timestamp) {
        self.lines += 1;
        self.oldest = self.oldest.min(decided);
    }
}

impl Block {
    const fn cost(&self) -> u64 {
        self.bytes.len() as u64 + OVERHEAD
    }
}

/// Counters of one output.
#[derive(Debug)]
pub(super) struct Shared {
    /// Most bytes of each lane.
    capacity: u64,
    queued: [AtomicU64; LANES],
    /// Lines in the queues and in the writer's hands.
    waiting: AtomicU64,
    dropped: [AtomicU64; KINDS],
    gap: Gap,
    lines: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    unread: AtomicU64,
    /// Lines whose loss is known and could not be written.
    untold: AtomicU64,
    is_open: AtomicBool,
    /// Nobody will ever read it again. Written by the output's thread.
    has_ended: AtomicBool,
    /// From the deciding moment to the write, by lane. Written by the output's thread.
    delays: [SharedDelays; LANES],
}

/// Lines that feeders dropped since the writer last told of it.
#[derive(Debug, Default)]
struct Gap {
    lines: AtomicU64,
    /// Nanoseconds of wall-clock time; 0: nothing dropped.
    start: AtomicI64,
    end: AtomicI64,
}

/// A gap: how many lines, from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) lines: u64,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

/// What an output has counted since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputCounters {
    /// Its name.
    pub name: String,
    /// Lines written, `loss` records of its own included.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines dropped because a queue was full, by lane: conclusions, full logs.
    pub dropped: [u64; 2],
    /// The same by kind; only kinds that were dropped.
    pub dropped_by_kind: Vec<(Kind, u64)>,
    /// Lines that a reader had not read when it went away, as far as the kernel tells.
    pub unread: u64,
    /// Attempts to write, open or connect that failed.
    pub errors: u64,
    /// Bytes that wait, by lane.
    pub queued: [u64; 2],
    /// Most bytes that may wait in each lane.
    pub capacity: u64,
    /// Whether it is open, or connected.
    pub is_open: bool,
    /// From the moment at which a record was decided to its write, by lane: accesses and sessions; full logs.
    pub delays: [Delays; 2],
}

impl Shared {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            queued: Default::default(),
            waiting: AtomicU64::default(),
            dropped: Default::default(),
            gap: Gap::default(),
            lines: AtomicU64::default(),
            bytes: AtomicU64::default(),
            errors: AtomicU64::default(),
            unread: AtomicU64::default(),
            untold: AtomicU64::default(),
            is_open: AtomicBool::default(),
            has_ended: AtomicBool::default(),
            delays: Default::default(),
        }
    }

    /// Whether the lane has room for the block, which then counts as waiting.
    pub(super) fn admit(&self, lane: usize, block: &Block) -> bool {
        let Some(queued) = self.queued.get(lane) else {
            return false;
        };
        let add = |held: u64| {
            let sum = held.saturating_add(block.cost());
            (sum <= self.capacity).then_some(sum)
        };
        let has_room = queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        if has_room.is_ok() {
            self.waiting.fetch_add(block.lines, Ordering::AcqRel);
        }
        has_room.is_ok()
    }

    /// The block was not put into the queue after all.
    pub(super) fn reject(&self, lane: usize, block: &Block) {
        self.release(lane, block);
        self.waiting.fetch_sub(block.lines, Ordering::AcqRel);
    }

    /// The memory of a block is free again.
    pub(super) fn release(&self, lane: usize, block: &Block) {
        if let Some(queued) = self.queued.get(lane) {
            queued.fetch_sub(block.cost(), Ordering::AcqRel);
        }
    }

    /// Bytes that wait in the lane.
    pub(super) fn queued(&self, lane: usize) -> u64 {
        self.queued
            .get(lane)
            .map_or(0, |queued| queued.load(Ordering::Acquire))
    }

    /// Lines of these kinds were dropped at `now`.
    pub(super) fn drop_lines(&self, counts: &[u64; KINDS], now: Timestamp) {
        for (dropped, count) in self.dropped.iter().zip(counts) {
            dropped.fetch_add(*count, Ordering::Relaxed);
        }
        // The times before the count: whoever sees the count sees a time.
        let now = now.as_nanos();
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let _ = self.gap.start.compare_exchange(0, now, order.0, order.1);
        self.gap.end.store(now, Ordering::Release);
        let lines = counts.iter().sum();
        self.gap.lines.fetch_add(lines, Ordering::AcqRel);
    }

    /// What was dropped since the last call.
    pub(super) fn take_dropped(&self) -> Option<Dropped> {
        let lines = self.gap.lines.swap(0, Ordering::AcqRel);
        if lines == 0 {
            return None;
        }
        let start = self.gap.start.swap(0, Ordering::AcqRel);
        let end = self.gap.end.load(Ordering::Acquire);
        // A feeder may be between its time and its count: its lines are told in the next gap, which then begins at its end.
        let start = if start == 0 { end } else { start.min(end) };
        Some(Dropped {
            lines,
            start: Timestamp::from_nanos(start),
            end: Timestamp::from_nanos(end),
        })
    }

    /// `lines` of those that waited were written.
    pub(super) fn written(&self, lines: u64) {
        self.waiting.fetch_sub(lines, Ordering::AcqRel);
    }

    /// A whole block was written at `now`.
    pub(super) fn note_delay(&self, lane: usize, block: &Block, now: Timestamp) {
        if let (Some(timed), Some(delays)) = (block.timed, self.delays.get(lane)) {
            delays.add(now.since(timed.oldest), timed.lines);
        }
    }

    /// Whole lines went out.
    pub(super) fn wrote(&self, lines: u64, bytes: u64) {
        self.lines.fetch_add(lines, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_unread(&self, lines: u64) {
        self.unread.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn add_untold(&self, lines: u64) {
        self.untold.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Lines that were neither written nor told as lost.
    pub(super) fn untold(&self) -> u64 {
        self.waiting.load(Ordering::Acquire)
            + self.gap.lines.load(Ordering::Acquire)
            + self.untold.load(Ordering::Acquire)
    }

    pub(super) fn counters(&self, name: &str) -> OutputCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_kind = Kind::ALL.into_iter().zip(self.dropped.iter().map(read));
        let mut dropped = [0; LANES];
        for (kind, count) in by_kind.clone() {
            if let Some(sum) = dropped.get_mut(super::lane(kind)) {
                *sum += count;
            }
        }
        OutputCounters {
            name: name.to_owned(),
            lines: read(&self.lines),
            bytes: read(&self.bytes),
            dropped,
            dropped_by_kind: by_kind.filter(|(_, count)| *count > 0).collect(),
            unread: read(&self.unread),
            errors: read(&self.errors),
            queued: [0, 1].map(|lane| self.queued.get(lane).map_or(0, read)),
            capacity: self.capacity,
            is_open: self.is_open.load(Ordering::Relaxed),
            delays: [0, 1].map(|lane| {
                self.delays
                    .get(lane)
                    .map_or_else(Delays::default, SharedDelays::read)
            }),
        }
    }
}
