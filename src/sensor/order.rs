//! The total order of what a replay writes: the same for any number of workers.
//!
//! What a packet causes carries its tick and number; what a tick boundary causes (timeouts, closed windows) comes before the
//! packets of the tick that begins there. Workers hand over what they made in steps, and all of a step sorts before
//! the next one, so a merge looks at one step at a time.

use crate::records::Kind;
use crate::types::{Stamp, Tick, Timestamp};

/// Where a record or fact stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    tick: Tick,
    /// 0 at the boundary where the tick begins.
    packet: u64,
    kind: Kind,
    /// Tells apart what one packet, or one boundary, causes.
    ordinal: u64,
    /// The flow, where one packet belongs to two (outer and inner) and both cause something.
    flow: u64,
}

impl Key {
    /// Caused by a packet; `tick` is the tick in which it was processed.
    pub const fn of_packet(tick: Tick, stamp: Stamp, kind: Kind, ordinal: u64, flow: u64) -> Self {
        Self {
            tick,
            packet: stamp.number,
            kind,
            ordinal,
            flow,
        }
    }

    /// Caused by the tick boundary at `moment`; `ordinal` must not depend on the number of workers.
    pub const fn of_boundary(moment: Timestamp, kind: Kind, ordinal: u64, flow: u64) -> Self {
        Self {
            tick: Tick::boundary_at_or_after(moment),
            packet: 0,
            kind,
            ordinal,
            flow,
        }
    }

    /// The tick in which it happened.
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// The moment in packet time at which it was decided, or up to a tick before: the packet's tick, or the timer that was due.
    pub const fn decided(&self) -> Timestamp {
        let is_boundary = self.packet == 0;
        Tick(self.tick.0.saturating_sub(is_boundary as i64)).start()
    }

    /// The same place in the order for another kind.
    #[must_use]
    pub const fn for_kind(self, kind: Kind, ordinal: u64) -> Self {
        Self {
            kind,
            ordinal,
            ..self
        }
    }
}

/// Lines in the order of their making, to be sorted by their keys.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    index: Vec<(Key, std::ops::Range<usize>)>,
}

impl Lines {
    /// Adds the line that `write` appends.
    pub fn push(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.index.push((key, start..self.bytes.len()));
    }

    /// Keeps the place of a line that [`Self::fill`] writes.
    pub fn keep_place(&mut self, key: Key) -> usize {
        self.index.push((key, 0..0));
        self.index.len() - 1
    }

    /// Writes the line of a place that was kept.
    pub fn fill(&mut self, place: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        if let Some((_, range)) = self.index.get_mut(place) {
            *range = start..self.bytes.len();
        }
    }

    /// Hands every line to `write`, in the order of their making, with the moment at which it was decided.
    pub fn each(&self, mut write: impl FnMut(Kind, Timestamp, &[u8])) {
        for (key, range) in &self.index {
            let decided = key.decided();
            write(
                key.kind,
                decided,
                self.bytes.get(range.clone()).unwrap_or_default(),
            );
        }
    }

    /// Forgets every line, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }
}

/// Hands every line of all `parts` to `write`, in order.
pub fn merge<E>(parts: &[&Lines], mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut order: Vec<(Key, &[u8])> = parts
        .iter()
        .flat_map(|part| {
            part.index
                .iter()
                .map(|(key, range)| (*key, part.bytes.get(range.clone()).unwrap_or_default()))
        })
        .collect();
    order.sort_by_key(|(key, _)| *key);
    order.into_iter().try_for_each(|(_, line)| write(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u64) -> Stamp {
        Stamp {
            number,
            ..Stamp::default()
        }
    }

    #[test]
    fn a_boundary_comes_before_the_packets_of_its_tick() {
        let tick = Tick(5);
        let boundary = Key::of_boundary(tick.start(), Kind::Flow, 9, 0);
        assert!(boundary < Key::of_packet(tick, stamp(1), Kind::Dns, 0, 0));
        assert!(Key::of_packet(Tick(4), stamp(7), Kind::Flow, 0, 0) < boundary);
    }

    #[test]
    fn what_is_decided_is_never_told_late() {
        let due = Timestamp::from_seconds(10, 30_000_000);
        let boundary = Key::of_boundary(due, Kind::Flow, 0, 0).decided();
        assert!(boundary <= due && due.since(boundary).as_millis() < 100);
        let packet = Key::of_packet(due.tick(), stamp(1), Kind::Dns, 0, 0).decided();
        assert!(packet <= due && due.since(packet).as_millis() < 100);
    }

    #[test]
    fn parts_merge_to_one_order() {
        let line = |lines: &mut Lines, number: u64| {
            lines.push(
                Key::of_packet(Tick(0), stamp(number), Kind::Dns, 0, 0),
                |bytes| bytes.push(b'0' + number as u8),
            );
        };
        let (mut a, mut b) = (Lines::default(), Lines::default());
        line(&mut a, 3);
        line(&mut b, 2);
        line(&mut a, 1);
        assert_eq!(merged(&[&a, &b]), b"123");
    }

    #[test]
    fn a_line_that_is_written_later_has_the_place_that_was_kept() {
        let key = |number| Key::of_packet(Tick(0), stamp(number), Kind::Dns, 0, 0);
        let mut lines = Lines::default();
        let place = lines.keep_place(key(1));
        lines.push(key(2), |bytes| bytes.push(b'2'));
        lines.fill(place, |bytes| bytes.push(b'1'));
        let mut made = Vec::new();
        lines.each(|_, _, line| made.extend_from_slice(line));
        assert_eq!(
            (made.as_slice(), merged(&[&lines])),
            (b"12".as_slice(), b"12".to_vec())
        );
    }

    fn merged(parts: &[&Lines]) -> Vec<u8> {
        let mut merged = Vec::new();
        merge(parts, |line| {
            merged.extend_from_slice(line);
            Ok::<(), ()>(())
        })
        .unwrap();
        merged
    }
}
