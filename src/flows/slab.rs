//! Flows where they lie: by slot, in chunks.

use super::flow::Flow;
use crate::types::FlowKey;
use crate::types::hints::{large_pages, prefetch};

/// Flows of a chunk: the slab grows by chunks and never moves a flow. A chunk takes memory as it is filled.
const CHUNK: usize = 1 << 15;

/// Flows by slot, in chunks that never move.
#[derive(Debug)]
pub(super) struct Slab<A> {
    chunks: Vec<Vec<Option<Flow<A>>>>,
    free: Vec<u32>,
}

impl<A> Default for Slab<A> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<A> Slab<A> {
    /// Puts a flow into a place that is free; gives its slot.
    #[inline]
    pub fn insert(&mut self, flow: Flow<A>) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| self.new_place());
        if let Some(place) = self.place(slot) {
            *place = Some(flow);
        }
        slot
    }

    /// A place that no flow had so far.
    fn new_place(&mut self) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            let mut chunk = Vec::with_capacity(CHUNK);
            large_pages(chunk.spare_capacity_mut());
            self.chunks.push(chunk);
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let Some(chunk) = self.chunks.last_mut() else {
            return 0;
        };
        chunk.push(None);
        (before + chunk.len() - 1) as u32
    }

    /// The flow at a slot, to be changed.
    pub fn flow(&mut self, slot: u32) -> Option<&mut Flow<A>> {
        self.place(slot)?.as_mut()
    }

    /// The flow at a slot.
    pub fn get(&self, slot: u32) -> Option<&Flow<A>> {
        self.looked_at(slot)?.as_ref()
    }

    /// The core fetches the first lines of a flow. Whether there is one is not looked at: that would wait for it.
    pub fn prefetch(&self, slot: u32, lines: usize) {
        if let Some(place) = self.looked_at(slot) {
            prefetch(place, lines);
        }
    }

    /// Its key.
    pub fn key(&self, slot: u32) -> Option<&FlowKey> {
        self.get(slot).map(Flow::key)
    }

    /// The flow at a slot ended.
    pub fn free(&mut self, slot: u32) {
        if let Some(place) = self.place(slot) {
            *place = None;
            self.free.push(slot);
        }
    }

    /// Every flow with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Flow<A>)> {
        let flows = self.chunks.iter().flatten().zip(0_u32..);
        flows.filter_map(|(flow, slot)| flow.as_ref().map(|flow| (slot, flow)))
    }

    fn looked_at(&self, slot: u32) -> Option<&Option<Flow<A>>> {
        let chunk = self.chunks.get(slot as usize / CHUNK)?;
        chunk.get(slot as usize % CHUNK)
    }

    fn place(&mut self, slot: u32) -> Option<&mut Option<Flow<A>>> {
        self.chunks
            .get_mut(slot as usize / CHUNK)?
            .get_mut(slot as usize % CHUNK)
    }
}
