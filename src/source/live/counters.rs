//! What the sockets counted, readable by any thread while the workers go on.
//!
//! libpcap's figures are 32 bits wide, and reading them resets the kernel's: each socket's worker alone reads them, once a second
//! and when it stops, and keeps the sums here in 64 bits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::interface::{self, InterfaceStatus};

crate::counters! {
    /// What a socket counted since the start, over all its reopenings.
    pub struct LiveFigures {
        /// Frames that passed the filter, those included that found no room.
        received: "live.received",
        /// Frames that found no room in the ring. `received - dropped - frames` lie in the ring.
        dropped: "live.dropped",
        /// Frames handed on.
        frames: "live.frames",
        /// Frames handed on that are longer than the interface's MTU: segments that the card or the kernel merged (LRO, GRO).
        merged: "live.merged",
        /// Frames handed on that the snap length cut.
        cut: "live.cut",
        /// Times that the socket was opened again.
        reopened: "live.reopened",
    }
}

/// What the sockets and interfaces of a capture count.
#[derive(Clone, Debug)]
pub struct LiveCounters {
    /// As named.
    interfaces: Arc<[Interface]>,
}

#[derive(Debug)]
struct Interface {
    name: String,
    /// One a worker.
    sockets: Vec<Arc<SocketCounters>>,
}

/// One socket's figures. The worker that owns the socket is the only writer; a reader may see them from the middle of a turn, so
/// sums agree only once the worker has stopped.
/// On cache lines of its own: the sockets of other workers count at the same time.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct SocketCounters {
    pub(super) received: Figure,
    pub(super) dropped: Figure,
    pub(super) frames: Figure,
    pub(super) merged: Figure,
    pub(super) cut: Figure,
    pub(super) reopened: Figure,
}

/// A sum with one writer. Nothing else is ordered by it.
#[derive(Debug, Default)]
pub(super) struct Figure(AtomicU64);

impl LiveCounters {
    pub(super) fn new(names: &[String], workers: u16) -> Self {
        let interface = |name: &String| Interface {
            name: name.clone(),
            sockets: (0..workers).map(|_| Arc::default()).collect(),
        };
        Self {
            interfaces: names.iter().map(interface).collect(),
        }
    }

    pub(super) fn socket(&self, interface: usize, worker: usize) -> Arc<SocketCounters> {
        let interface = self.interfaces.get(interface);
        let socket = interface.and_then(|interface| interface.sockets.get(worker));
        socket.cloned().unwrap_or_default()
    }

    /// The interfaces as named; a frame's `origin` is an index into them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.interfaces
            .iter()
            .map(|interface| interface.name.as_str())
    }

    /// The figures of every socket: index of its interface, of its worker, and what it counted.
    pub fn sockets(&self) -> impl Iterator<Item = (usize, usize, LiveFigures)> {
        let interfaces = self.interfaces.iter().enumerate();
        interfaces.flat_map(|(interface, held)| {
            let sockets = held.sockets.iter().enumerate();
            sockets.map(move |(worker, socket)| (interface, worker, socket.figures()))
        })
    }

    /// The figures of an interface over all workers.
    pub fn of_interface(&self, interface: usize) -> LiveFigures {
        self.sum(|(of, _, _)| *of == interface)
    }

    /// The figures over all interfaces and workers.
    pub fn total(&self) -> LiveFigures {
        self.sum(|_| true)
    }

    /// What the kernel tells of the interfaces now, as named; `None` for one that does not exist at the moment.
    pub fn interfaces(&self) -> io::Result<Vec<Option<InterfaceStatus>>> {
        self.names().map(interface::status).collect()
    }

    fn sum(&self, is_wanted: impl Fn(&(usize, usize, LiveFigures)) -> bool) -> LiveFigures {
        let mut sum = LiveFigures::default();
        let wanted = self.sockets().filter(is_wanted);
        wanted.for_each(|(_, _, figures)| sum.add(&figures));
        sum
    }
}

impl SocketCounters {
    pub(super) fn figures(&self) -> LiveFigures {
        LiveFigures {
            received: self.received.sum(),
            dropped: self.dropped.sum(),
            frames: self.frames.sum(),
            merged: self.merged.sum(),
            cut: self.cut.sum(),
            reopened: self.reopened.sum(),
        }
    }
}

impl Figure {
    /// By its one writer.
    pub(super) fn add(&self, more: u64) {
        let sum = self.sum().wrapping_add(more);
        self.0.store(sum, Ordering::Relaxed);
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A 32-bit sum of libpcap, from which what came since the last reading is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Narrow(u32);

impl Narrow {
    /// What came since; right as long as it is less than 2^32.
    pub(super) const fn since(&mut self, now: u32) -> u64 {
        let more = now.wrapping_sub(self.0);
        self.0 = now;
        more as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_wraps_around_goes_on() {
        let mut narrow = Narrow::default();
        assert_eq!(narrow.since(u32::MAX - 1), u64::from(u32::MAX) - 1);
        assert_eq!(narrow.since(3), 5);
        assert_eq!(narrow.since(3), 0);
    }

    #[test]
    fn figures_are_summed_over_workers_and_interfaces() {
        let counters = LiveCounters::new(&["lo".to_owned(), "gone-0".to_owned()], 2);
        for (interface, worker, frames) in [(0, 0, 1), (0, 1, 10), (1, 1, 100)] {
            counters.socket(interface, worker).frames.add(frames);
        }
        assert_eq!(counters.of_interface(0).frames, 11);
        assert_eq!(counters.of_interface(1).frames, 100);
        assert_eq!(counters.total().frames, 111);
        assert_eq!(counters.sockets().count(), 4);
        let status = counters.interfaces().unwrap();
        assert_eq!(status[0].as_ref().unwrap().name, "lo");
        assert_eq!(status[1], None);
    }
}
