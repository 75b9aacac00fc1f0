//! Frames on their way from who reads to all workers: copied once, into a buffer that is used again.

use std::ops::Range;

use crate::decode::FrameInput;
use crate::types::hints::prefetch;
use crate::types::{Stamp, Tick};

/// Lines of the cache in which a frame's headers lie.
const HEADER_LINES: usize = 2;

/// What workers are told, in the order of the frames.
#[derive(Debug)]
pub(super) enum Item {
    /// A tick begins.
    Tick(Tick),
    /// A frame.
    Frame(StoredFrame),
}

/// A frame without its bytes.
#[derive(Clone, Debug)]
pub(super) struct StoredFrame {
    stamp: Stamp,
    link_type: u16,
    wire_length: u32,
    data: Range<usize>,
}

/// The items of each worker, and the bytes of their frames.
#[derive(Debug)]
pub(super) struct Frames {
    items: Vec<Vec<Item>>,
    bytes: Vec<u8>,
}

impl Frames {
    /// None, for so many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            items: (0..workers).map(|_| Vec::new()).collect(),
            bytes: Vec::new(),
        }
    }

    /// A tick begins.
    pub fn push_tick(&mut self, tick: Tick) {
        for items in &mut self.items {
            items.push(Item::Tick(tick));
        }
    }

    /// Copies a frame, for its worker; `None`: for all.
    pub fn push(&mut self, frame: &FrameInput<'_>, owner: Option<usize>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame.data);
        let stored = StoredFrame {
            stamp: frame.stamp,
            link_type: frame.link_type,
            wire_length: frame.wire_length,
            data: start..self.bytes.len(),
        };
        match owner {
            Some(owner) => {
                if let Some(items) = self.items.get_mut(owner) {
                    items.push(Item::Frame(stored));
                }
            }
            None => {
                for items in &mut self.items {
                    items.push(Item::Frame(stored.clone()));
                }
            }
        }
    }

    /// The items of a worker, in order.
    pub fn items(&self, worker: usize) -> &[Item] {
        self.items.get(worker).map_or(&[], Vec::as_slice)
    }

    /// A frame with its bytes.
    pub fn frame(&self, stored: &StoredFrame) -> FrameInput<'_> {
        FrameInput {
            stamp: stored.stamp,
            link_type: stored.link_type,
            wire_length: stored.wire_length,
            data: self.bytes.get(stored.data.clone()).unwrap_or_default(),
        }
    }

    /// Frames that are looked at soon: what their headers take is fetched. It was written by another core, and lies in no order that this one
    /// could guess.
    pub fn prefetch(&self, items: &[Item]) {
        for item in items {
            if let Item::Frame(stored) = item {
                prefetch(self.frame(stored).data, HEADER_LINES);
            }
        }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.items.iter_mut().for_each(Vec::clear);
        self.bytes.clear();
    }
}
