//! Lines to blocks, blocks to queues; never waits.

use std::fmt;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::shared::{Block, Shared};
use super::{Clock, LANES, lane};
use crate::records::{Kind, Kinds};

/// A block goes over by itself before it grows larger.
const BLOCK_BYTES: usize = 64 << 10;

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
}

/// A block that grows.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    counts: [u64; Kind::ALL.len()],
}

impl Feeder {
    pub(super) const fn new(feeds: Vec<Feed>, clock: Clock) -> Self {
        Self { feeds, clock }
    }

    /// Gives a whole line, with its newline, to each output that wants its kind.
    pub fn line(&mut self, kind: Kind, line: &[u8]) {
        for feed in &mut self.feeds {
            if feed.kinds.has(kind) {
                feed.line(kind, line, &self.clock);
            }
        }
    }

    /// Hands everything over. What does not fit into an output's queue is dropped.
    pub fn flush(&mut self) {
        for feed in &mut self.feeds {
            (0..LANES).for_each(|lane| feed.hand_over(lane, &self.clock));
        }
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
        }
    }

    fn line(&mut self, kind: Kind, line: &[u8], clock: &Clock) {
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
    }

    fn hand_over(&mut self, lane: usize, clock: &Clock) {
        let (Some(gathered), Some(sender)) = (self.blocks.get_mut(lane), self.lanes.get(lane))
        else {
            return;
        };
        if gathered.bytes.is_empty() {
            return;
        }
        // A copy of just this size: the queue's bytes are its memory.
        let block = Block {
            bytes: gathered.bytes.as_slice().into(),
            lines: gathered.counts.iter().sum(),
        };
        gathered.bytes.clear();
        let counts = std::mem::take(&mut gathered.counts);
        if !self.shared.admit(lane, &block) {
            self.shared.drop_lines(&counts, clock());
        } else if let Err(refused) = sender.try_send(block) {
            self.shared.reject(lane, &refused.into_inner());
            self.shared.drop_lines(&counts, clock());
        }
    }
}
