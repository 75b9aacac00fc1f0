//! Everything that the sensor knows of itself at one moment, on its way from the conclusions thread to that of metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::config::metrics::HealthConfig;
use crate::sensor::delays::Delays;
use crate::sensor::outputs::OutputCounters;
use crate::sensor::statistics::Counts;
use crate::source::live::{InterfaceCounters, LiveFigures};
use crate::types::Timestamp;

/// The state of one moment.
#[derive(Clone, Debug)]
pub(in crate::sensor) struct Snapshot {
    pub taken: Instant,
    pub began: Timestamp,
    /// What `patchspan_stats` tells.
    pub counts: Counts,
    /// From a frame's stamp to the end of the turn that handled it.
    pub lag: Delays,
    pub interfaces: Vec<InterfaceFigures>,
    pub outputs: Vec<OutputCounters>,
    /// How long ago each worker was heard of; `None`: not yet.
    pub workers: Vec<Option<Duration>>,
    /// How far what every worker has left behind lies behind the clock.
    pub behind: Duration,
    pub limits: HealthConfig,
}

/// What is known of an interface at one moment.
#[derive(Clone, Debug, Default)]
pub(in crate::sensor) struct InterfaceFigures {
    pub name: String,
    /// It is raised, and has a link as far as the kernel says.
    pub is_up: bool,
    /// What its sockets counted.
    pub sockets: LiveFigures,
    /// What it counted itself since the run began.
    pub own: InterfaceCounters,
}

/// Holds the newest snapshot: whoever brings one throws the one before away. Nobody waits.
#[derive(Clone, Debug)]
pub(in crate::sensor) struct Mailbox {
    sender: Sender<Arc<Snapshot>>,
    receiver: Receiver<Arc<Snapshot>>,
}

impl Mailbox {
    /// An empty mailbox, and the end from which snapshots are taken.
    pub fn new() -> (Self, Receiver<Arc<Snapshot>>) {
        let (sender, receiver) = bounded(1);
        let taker = receiver.clone();
        (Self { sender, receiver }, taker)
    }

    /// Puts a snapshot in.
    pub fn put(&self, snapshot: Snapshot) {
        if let Err(TrySendError::Full(snapshot)) = self.sender.try_send(Arc::new(snapshot)) {
            let _ = self.receiver.try_recv();
            // There is one writer, so now there is room.
            let _ = self.sender.try_send(snapshot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::snapshot;
    use super::*;

    #[test]
    fn the_newest_snapshot_is_taken_and_those_before_are_gone() {
        let (mailbox, taker) = Mailbox::new();
        for behind in 1..=3 {
            let mut snapshot = snapshot();
            snapshot.behind = Duration::from_secs(behind);
            mailbox.put(snapshot);
        }
        assert_eq!(taker.try_recv().unwrap().behind, Duration::from_secs(3));
        assert!(taker.try_recv().is_err());
    }
}
