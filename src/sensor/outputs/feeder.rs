//! Lines to blocks, blocks to queues; never waits while frames come in.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::shared::{Block, Shared, Timed};
use super::{Clock, LANES, lane};
use crate::records::{Kind, Kinds};
use crate::types::Timestamp;

/// A block goes over by itself before it grows larger.
const BLOCK_BYTES: usize = 64 << 10;

/// Between two looks at a queue that is full.
const MOMENT: Duration = Duration::from_millis(2);
/// A reader that takes nothing for so long is not waited for.
const STANDSTILL: Duration = Duration::from_millis(500);

/// Hands the lines of one thread to every output that wants them.
///
/// Lines wait in blocks until [`Feeder::flush`], or until a block is full. A feeder that is dropped flushes.
pub struct Feeder {
    feeds: Vec<Feed>,
    clock: Clock,
}

/// What goes to one output.
#[derive(Debug)]
pub(super) struct Feed {
    kinds: Kinds,
    shared: Arc<Shared>,
    lanes: [Sender<Block>; LANES],
    blocks: [Gathered; LANES],
    /// Until then a full queue is waited for.
    waits_until: Option<Instant>,
}

/// A block that grows.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    counts: [u64; Kind::ALL.len()],
    /// Lines whose delay counts, and when the oldest of them was decided.
    timed: Option<Timed>,
}

impl Feeder {
    pub(super) const fn new(feeds: Vec<Feed>, clock: Clock) -> Self {
        Self { feeds, clock }
    }

    /// Gives a whole line, with its newline, to each output that wants its kind. `decided`: the packet time of what it tells.
    pub fn line(&mut self, kind: Kind, decided: Timestamp, line: &[u8]) {
        for feed in &mut self.feeds {
            if feed.kinds.has(kind) {
                feed.line(kind, decided, line, &self.clock);
            }
        }
    }

    /// From now on, for at most `longest`, an output whose queue is full is waited for while it writes: capture is over.
    pub fn wait_for_readers(&mut self, longest: Duration) {
        let until = Instant::now() + longest;
        self.feeds
            .iter_mut()
            .for_each(|feed| feed.waits_until = Some(until));
    }

    /// Hands everything over. What does not fit into an output's queue is dropped.
    pub fn flush(&mut self) {
        for feed in &mut self.feeds {
            (0..LANES).for_each(|lane| feed.hand_over(lane, &self.clock));
        }
    }
}

/// How long a full queue is waited for.
struct Patience {
    until: Option<Instant>,
    /// Bytes in the queue, and since when they are as many.
    seen: (u64, Instant),
}

impl Patience {
    fn new(until: Option<Instant>) -> Self {
        Self {
            until,
            seen: (u64::MAX, Instant::now()),
        }
    }

    /// Waits a moment; whether another try is worth it.
    fn lasts(&mut self, queued: impl FnOnce() -> u64) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        thread::sleep(MOMENT);
        let (now, queued) = (Instant::now(), queued());
        if queued != self.seen.0 {
            self.seen = (queued, now);
        }
        now < until && now.duration_since(self.seen.1) < STANDSTILL
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Feeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.feeds).finish()
    }
}

impl Feed {
    pub(super) fn new(kinds: Kinds, lanes: [Sender<Block>; LANES], shared: Arc<Shared>) -> Self {
        Self {
            kinds,
            shared,
            lanes,
            blocks: Default::default(),
            waits_until: None,
        }
    }

    fn line(&mut self, kind: Kind, decided: Timestamp, line: &[u8], clock: &Clock) {
        debug_assert!(line.ends_with(b"\n"));
        let lane = lane(kind);
        let held = self.blocks.get(lane).map_or(0, |block| block.bytes.len());
        if held + line.len() > BLOCK_BYTES {
            self.hand_over(lane, clock);
        }
        let Some(block) = self.blocks.get_mut(lane) else {
            return;
        };
        block.bytes.extend_from_slice(line);
        if let Some(count) = block.counts.get_mut(kind as usize) {
            *count += 1;
        }
        if is_timed(kind) {
            block.timed.get_or_insert_default().add(decided);
        }
    }

    fn hand_over(&mut self, lane: usize, clock: &Clock) {
        let Some(gathered) = self.blocks.get_mut(lane) else {
            return;
        };
        if gathered.bytes.is_empty() {
            return;
        }
        // A copy of just this size: the queue's bytes are its memory.
        let block = Block {
            bytes: gathered.bytes.as_slice().into(),
            lines: gathered.counts.iter().sum(),
            timed: gathered.timed.take(),
        };
        gathered.bytes.clear();
        let counts = std::mem::take(&mut gathered.counts);
        let mut refused = self.offer(lane, block);
        let mut patience = Patience::new(self.waits_until);
        while let Some(block) = refused {
            if !patience.lasts(|| self.shared.queued(lane)) {
                // An output that stands still is not waited for again.
                self.waits_until = None;
                self.shared.drop_lines(&counts, clock());
                return;
            }
            refused = self.offer(lane, block);
        }
    }

    /// Gives the block back where the queue has no room.
    fn offer(&self, lane: usize, block: Block) -> Option<Block> {
        if !self.shared.admit(lane, &block) {
            return Some(block);
        }
        let sender = self.lanes.get(lane)?;
        let refused = sender.try_send(block).err()?.into_inner();
        self.shared.reject(lane, &refused);
        Some(refused)
    }
}

/// What the sensor says of itself waits for no packet.
const fn is_timed(kind: Kind) -> bool {
    !matches!(kind, Kind::Stats | Kind::PatchspanStats | Kind::Loss)
}
