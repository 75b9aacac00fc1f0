//! What the kernel's rings had no room for.

use std::time::Duration;

use crate::source::live::LiveCounters;
use crate::types::Timestamp;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the counters of the sockets.
#[derive(Debug)]
pub(super) struct Rings {
    counters: LiveCounters,
    /// Frames that each interface's rings had dropped at the last look.
    dropped: Vec<u64>,
    looked: Timestamp,
}

impl Rings {
    pub fn new(counters: LiveCounters, now: Timestamp) -> Self {
        Self {
            dropped: vec![0; counters.names().count()],
            counters,
            looked: now,
        }
    }

    /// The sockets' counters.
    pub const fn counters(&self) -> &LiveCounters {
        &self.counters
    }

    /// Whether it is time to look again.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.looked) >= INTERVAL
    }

    /// Tells of each interface how many frames were dropped since the last look: its name, how many, from when.
    pub fn look(&mut self, now: Timestamp, mut tell: impl FnMut(&str, u64, Timestamp)) {
        let since = std::mem::replace(&mut self.looked, now);
        let known = self.dropped.iter_mut();
        for (interface, (name, known)) in self.counters.names().zip(known).enumerate() {
            let dropped = self.counters.of_interface(interface).dropped;
            let more = dropped - std::mem::replace(known, dropped);
            if more > 0 {
                tell(name, more, since);
            }
        }
    }
}
