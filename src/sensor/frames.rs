//! Frames on their way from who reads to all workers: copied once, into a buffer that is used again.

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
    /// A plain frame of a flow of this worker.
    Own(StoredFrame),
    /// A frame that is not plain: for all workers.
    Other(StoredFrame),
}

/// A frame without its bytes.
#[derive(Clone, Debug)]
pub(super) struct StoredFrame {
    stamp: Stamp,
    link_type: u16,
    wire_length: u32,
    /// Where its bytes begin, and how many there are.
    data: (u32, u32),
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
        let data = (self.bytes.len() as u32, frame.data.len() as u32);
        self.bytes.extend_from_slice(frame.data);
        let stored = StoredFrame {
            stamp: frame.stamp,
            link_type: frame.link_type,
            wire_length: frame.wire_length,
            data,
        };
        match owner {
            Some(owner) => {
                if let Some(items) = self.items.get_mut(owner) {
                    items.push(Item::Own(stored));
                }
            }
            None => {
                for items in &mut self.items {
                    items.push(Item::Other(stored.clone()));
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
        let (start, length) = (stored.data.0 as usize, stored.data.1 as usize);
        FrameInput {
            stamp: stored.stamp,
            link_type: stored.link_type,
            wire_length: stored.wire_length,
            data: self.bytes.get(start..start + length).unwrap_or_default(),
        }
    }

    /// That of an item, where it is one.
    pub fn frame_of(&self, item: &Item) -> Option<FrameInput<'_>> {
        match item {
            Item::Own(stored) | Item::Other(stored) => Some(self.frame(stored)),
            Item::Tick(_) => None,
        }
    }

    /// Frames that are looked at soon: what their headers take is fetched. It was written by another core, and lies in no order that this one
    /// could guess.
    pub fn prefetch(&self, items: &[Item]) {
        for item in items {
            if let Some(frame) = self.frame_of(item) {
                prefetch(frame.data, HEADER_LINES);
            }
        }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.items.iter_mut().for_each(Vec::clear);
        self.bytes.clear();
    }
}
