//! What is due when, in an order that depends on packets alone.
//!
//! A flow has one timer in the queue, or a few. Packets do not touch it: a timer that comes up too early is set again for when
//! the flow is really due.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

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

/// Timers by due time. Of a million only those of the next boundary are kept in order: all others wait in the bucket of theirs.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// What was due at or before `horizon` when that came up, the last first.
    next: Vec<Timer>,
    /// What was set since for then or before.
    late: BinaryHeap<Reverse<Timer>>,
    horizon: Option<Timestamp>,
    /// What is due later, by boundary; none is empty.
    later: BTreeMap<Timestamp, Vec<Timer>>,
    /// A bucket that was emptied, for the next one.
    spare: Vec<Timer>,
    len: usize,
}

impl Timers {
    // Not inlined, it would read from the stack what was just put there in other portions, and wait for all stores before them.
    #[inline]
    pub fn set(&mut self, timer: Timer) {
        self.len += 1;
        if self.horizon.is_some_and(|horizon| timer.due <= horizon) {
            self.late.push(Reverse(timer));
        } else {
            let bucket = self.later.entry(timer.due);
            let bucket = bucket.or_insert_with(|| std::mem::take(&mut self.spare));
            bucket.push(timer);
        }
    }

    /// The flow of a timer that comes up soon: the one behind `others` others.
    pub fn upcoming(&self, others: usize) -> Option<u32> {
        let behind = self.next.len().checked_sub(others + 1)?;
        self.next.get(behind).map(|timer| timer.slot)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Forgets every timer that is not `wanted`.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Timer) -> bool) {
        self.next.retain(&mut wanted);
        self.late.retain(|Reverse(timer)| wanted(timer));
        self.later.retain(|_, bucket| {
            bucket.retain(&mut wanted);
            !bucket.is_empty()
        });
        let later: usize = self.later.values().map(Vec::len).sum();
        self.len = self.next.len() + self.late.len() + later;
    }

    /// The next timer that is due at or before `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        self.look_on(now);
        let late = self.late.peek().map(|Reverse(timer)| *timer);
        let (timer, is_late) = match (self.next.last().copied(), late) {
            (Some(next), Some(late)) if late < next => (late, true),
            (Some(next), _) => (next, false),
            (None, late) => (late?, true),
        };
        if timer.due > now {
            return None;
        }
        if is_late {
            self.late.pop();
        } else {
            self.next.pop();
        }
        self.len -= 1;
        Some(timer)
    }

    /// Where nothing is left of what came up, the timers of the next boundary up to `now` are put in order.
    fn look_on(&mut self, now: Timestamp) {
        if !self.next.is_empty() || !self.late.is_empty() {
            return;
        }
        let next = self.later.first_entry();
        if let Some(entry) = next.filter(|entry| *entry.key() <= now) {
            let (due, mut bucket) = entry.remove_entry();
            self.horizon = Some(due);
            // Most were set in order, and this sort makes use of that.
            bucket.sort_by(|one, other| other.cmp(one));
            let emptied = std::mem::replace(&mut self.next, bucket);
            if emptied.capacity() > self.spare.capacity() {
                self.spare = emptied;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timer(due: i64, first_packet: u64) -> Timer {
        Timer {
            due: Timestamp::from_nanos(due),
            first_packet,
            flow_id: 0,
            slot: 0,
        }
    }

    proptest! {
        #[test]
        fn timers_come_up_as_from_one_heap(
            steps in prop::collection::vec((0..4_u8, 0..40_i64, 0..1_000_u64), 0..400)
        ) {
            let mut timers = Timers::default();
            let mut heap = BinaryHeap::new();
            for (what, due, first_packet) in steps {
                match what {
                    0 | 1 => {
                        timers.set(timer(due, first_packet));
                        heap.push(Reverse(timer(due, first_packet)));
                    }
                    2 => {
                        let now = Timestamp::from_nanos(due);
                        let is_due = heap.peek().is_some_and(|Reverse(timer)| timer.due <= now);
                        let expected = if is_due { heap.pop() } else { None };
                        prop_assert_eq!(timers.pop_due(now).map(Reverse), expected);
                    }
                    _ => {
                        let wanted = |timer: &Timer| !timer.first_packet.is_multiple_of(3);
                        timers.retain(wanted);
                        heap.retain(|Reverse(timer)| wanted(timer));
                    }
                }
                prop_assert_eq!(timers.len(), heap.len());
            }
        }
    }
}
