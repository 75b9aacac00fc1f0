//! Frames on their way from the reader to all workers: copied once, into a buffer that is used again.

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
#[derive(Debug)]
pub(super) struct StoredFrame {
    stamp: Stamp,
    link_type: u16,
    wire_length: u32,
    data: Range<usize>,
}

/// Items and the bytes of their frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    items: Vec<Item>,
    bytes: Vec<u8>,
}

impl Frames {
    /// A tick begins.
    pub fn push_tick(&mut self, tick: Tick) {
        self.items.push(Item::Tick(tick));
    }

    /// Copies a frame.
    pub fn push(&mut self, frame: &FrameInput<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame.data);
        self.items.push(Item::Frame(StoredFrame {
            stamp: frame.stamp,
            link_type: frame.link_type,
            wire_length: frame.wire_length,
            data: start..self.bytes.len(),
        }));
    }

    /// The items, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
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
        self.items.clear();
        self.bytes.clear();
    }
}
