//! What is due when, in an order that depends on packets alone.
//!
//! A flow has one timer in the queue, or a few. Packets do not touch it: a timer that comes up too early is set again for when
//! the flow is really due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::types::Timestamp;

/// A timer of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    /// The tick boundary at which it comes up.
    pub due: Timestamp,
    /// Number of the flow's first packet: the order of what is due at one boundary.
    pub first_packet: u64,
    /// Tells flows apart that one packet began (outer and inner).
    pub flow_id: u64,
    pub slot: u32,
}

/// Timers by due time.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<Timer>>);

impl Timers {
    pub fn set(&mut self, timer: Timer) {
        self.0.push(Reverse(timer));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets every timer that is not `wanted`.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Timer) -> bool) {
        self.0.retain(|Reverse(timer)| wanted(timer));
    }

    /// The next timer that is due at or before `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        self.0.peek().filter(|Reverse(timer)| timer.due <= now)?;
        self.pop()
    }

    /// The next timer, due or not.
    pub fn pop(&mut self) -> Option<Timer> {
        self.0.pop().map(|Reverse(timer)| timer)
    }
}
