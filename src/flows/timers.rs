//! What is due when, in an order that depends on packets alone.
//!
//! A flow has one timer in the queue, or a few. Packets do not touch it: a timer that comes up too early is set again for when
//! the flow is really due.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::types::{Tick, Timestamp};

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

/// Ticks ahead for which a bucket is there: nearly two hours, longer than a flow waits unless it is set so.
const AHEAD: usize = 1 << 16;

/// A bucket for more timers is not kept for another one, which may be small and wait for long.
const MOST_SPARE: usize = 1 << 8;

/// Timers by due time. Of a million only those of the next boundary are kept in order: all others wait in the bucket of theirs.
#[derive(Debug)]
pub(super) struct Timers {
    /// What was due at or before `horizon` when that came up, the last first.
    next: Vec<Timer>,
    /// What was set since for then or before.
    late: BinaryHeap<Reverse<Timer>>,
    horizon: Tick,
    /// What is due less than [`AHEAD`] ticks after the horizon: a ring of buckets.
    soon: Vec<Vec<Timer>>,
    /// Which of them are not empty.
    filled: Vec<u64>,
    /// What is due later, by tick; none is empty.
    later: BTreeMap<Tick, Vec<Timer>>,
    /// A bucket that was emptied, for the next one.
    spare: Vec<Timer>,
    len: usize,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            next: Vec::new(),
            late: BinaryHeap::new(),
            horizon: Tick(i64::MIN),
            soon: vec![Vec::new(); AHEAD],
            filled: vec![0; AHEAD / 64],
            later: BTreeMap::new(),
            spare: Vec::new(),
            len: 0,
        }
    }
}

impl Timers {
    // Not inlined, it would read from the stack what was just put there in other portions, and wait for all stores before them.
    #[inline]
    pub fn set(&mut self, timer: Timer) {
        self.len += 1;
        let tick = timer.due.tick();
        let ahead = tick.0.saturating_sub(self.horizon.0);
        if ahead <= 0 {
            self.late.push(Reverse(timer));
        } else if ahead < AHEAD as i64 {
            let (place, bit) = (place(tick), tick.0 as usize % 64);
            if let (Some(bucket), Some(filled)) =
                (self.soon.get_mut(place), self.filled.get_mut(place / 64))
            {
                if bucket.capacity() == 0 {
                    *bucket = std::mem::take(&mut self.spare);
                }
                bucket.push(timer);
                *filled |= 1 << bit;
            }
        } else {
            self.later.entry(tick).or_default().push(timer);
        }
    }

    /// The flow of a timer that comes up soon: the one behind `others` others.
    pub fn upcoming(&self, others: usize) -> Option<u32> {
        let behind = self.next.len().checked_sub(others + 1)?;
        self.next.get(behind).map(|timer| timer.slot)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Forgets every timer that is not `wanted`.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Timer) -> bool) {
        self.next.retain(&mut wanted);
        self.late.retain(|Reverse(timer)| wanted(timer));
        self.len = self.next.len() + self.late.len();
        let mut retain = |bucket: &mut Vec<Timer>| {
            bucket.retain(&mut wanted);
            // What was there may have been a flood's, and the bucket may stay for an hour.
            bucket.shrink_to(2 * bucket.len());
            self.len += bucket.len();
            !bucket.is_empty()
        };
        for (filled, buckets) in self.filled.iter_mut().zip(self.soon.chunks_mut(64)) {
            let mut bits = *filled;
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let bucket = buckets.get_mut(bit as usize);
                if !bucket.is_some_and(&mut retain) {
                    *filled &= !(1 << bit);
                }
            }
        }
        self.later.retain(|_, bucket| retain(bucket));
    }

    /// The next timer that is due at or before `now`.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next.is_empty() && self.late.is_empty() {
            self.look_on(now.tick());
        }
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

    /// The timers of the next tick up to `now` that has any are put in order.
    fn look_on(&mut self, now: Tick) {
        let later = self.later.first_key_value().map(|(tick, _)| *tick);
        let later = later.filter(|tick| *tick <= now);
        let Some(tick) = self.next_filled(now).into_iter().chain(later).min() else {
            self.horizon = self.horizon.max(now);
            return;
        };
        self.horizon = tick;
        let mut bucket = self.take_bucket(tick);
        if later == Some(tick) {
            bucket.append(&mut self.later.remove(&tick).unwrap_or_default());
        }
        // Most were set in order, and this sort makes use of that.
        bucket.sort_by(|one, other| other.cmp(one));
        let emptied = std::mem::replace(&mut self.next, bucket);
        if (self.spare.capacity()..MOST_SPARE).contains(&emptied.capacity()) {
            self.spare = emptied;
        }
    }

    /// The first tick behind the horizon, up to `now`, whose bucket of the ring is not empty.
    fn next_filled(&self, now: Tick) -> Option<Tick> {
        let last = now.0.min(self.horizon.0.saturating_add(AHEAD as i64 - 1));
        let mut tick = self.horizon.0.saturating_add(1);
        while tick <= last {
            let (place, bit) = (place(Tick(tick)), tick as usize % 64);
            let filled = self.filled.get(place / 64)? >> bit;
            if filled != 0 {
                tick += i64::from(filled.trailing_zeros());
                return (tick <= last).then_some(Tick(tick));
            }
            tick += 64 - bit as i64;
        }
        None
    }

    fn take_bucket(&mut self, tick: Tick) -> Vec<Timer> {
        let place = place(tick);
        if let Some(filled) = self.filled.get_mut(place / 64) {
            *filled &= !(1 << (place % 64));
        }
        self.soon
            .get_mut(place)
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

/// Where the bucket of a tick is in the ring.
const fn place(tick: Tick) -> usize {
    tick.0.rem_euclid(AHEAD as i64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timer(due: i64, first_packet: u64) -> Timer {
        Timer {
            due: Tick(due).start(),
            first_packet,
            flow_id: 0,
            slot: 0,
        }
    }

    proptest! {
        /// Near ones, some before 1970, and some beyond the ring.
        #[test]
        fn timers_come_up_as_from_one_heap(
            steps in prop::collection::vec(
                (0..4_u8, prop_oneof![9 => -70..200_i64, 1 => 65_500..65_700_i64, 1 => Just(200_000)], 0..1_000_u64),
                0..400,
            )
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
                        let now = Tick(due).start();
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

    #[test]
    fn a_flood_that_is_swept_leaves_nothing_behind() {
        let mut timers = Timers::default();
        assert_eq!(timers.pop_due(Tick(0).start()), None);
        for tick in 600..700 {
            (0..1_000).for_each(|number| timers.set(timer(tick, number)));
        }
        timers.retain(|timer| timer.first_packet == 7);
        assert_eq!(timers.len(), 100);
        let kept: usize = timers.soon.iter().map(Vec::capacity).sum();
        assert!(kept <= 200, "{kept}");
    }
}
