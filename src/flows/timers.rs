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
    /// Everything that is due at or before `horizon`.
    next: BinaryHeap<Reverse<Timer>>,
    horizon: Option<Timestamp>,
    /// What is due later, by boundary; none is empty.
    later: BTreeMap<Timestamp, Vec<Reverse<Timer>>>,
    len: usize,
}

impl Timers {
    pub fn set(&mut self, timer: Timer) {
        self.len += 1;
        if self.horizon.is_some_and(|horizon| timer.due <= horizon) {
            self.next.push(Reverse(timer));
        } else {
            self.later
                .entry(timer.due)
                .or_default()
                .push(Reverse(timer));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Forgets every timer that is not `wanted`.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Timer) -> bool) {
        self.next.retain(|Reverse(timer)| wanted(timer));
        self.later.retain(|_, bucket| {
            bucket.retain(|Reverse(timer)| wanted(timer));
            !bucket.is_empty()
        });
        self.len = self.next.len() + self.later.values().map(Vec::len).sum::<usize>();
    }

    /// The next timer that is due at or before `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        self.look_on();
        self.next.peek().filter(|Reverse(timer)| timer.due <= now)?;
        self.pop()
    }

    /// The next timer, due or not.
    pub fn pop(&mut self) -> Option<Timer> {
        self.look_on();
        let Reverse(timer) = self.next.pop()?;
        self.len -= 1;
        Some(timer)
    }

    /// Where nothing is left of one boundary, the next one's timers are put in order.
    fn look_on(&mut self) {
        if self.next.is_empty()
            && let Some((due, bucket)) = self.later.pop_first()
        {
            self.horizon = Some(due);
            self.next = bucket.into();
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
                    _ if first_packet < 100 => {
                        let wanted = |timer: &Timer| !timer.first_packet.is_multiple_of(3);
                        timers.retain(wanted);
                        heap.retain(|Reverse(timer)| wanted(timer));
                    }
                    _ => prop_assert_eq!(timers.pop().map(Reverse), heap.pop()),
                }
                prop_assert_eq!(timers.len(), heap.len());
            }
        }
    }
}
