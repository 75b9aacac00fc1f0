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
    /// Frames in all that had been dropped and received when somebody last asked.
    told: (u64, u64),
    looked: Timestamp,
}

impl Rings {
    pub fn new(counters: LiveCounters, now: Timestamp) -> Self {
        Self {
            dropped: vec![0; counters.names().count()],
            counters,
            told: (0, 0),
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

    /// Frames that found no room, and frames in all, on every interface since the last call.
    pub fn since_last(&mut self) -> (u64, u64) {
        let total = self.counters.total();
        let all = (total.dropped, total.received);
        let before = std::mem::replace(&mut self.told, all);
        (
            all.0.saturating_sub(before.0),
            all.1.saturating_sub(before.1),
        )
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
