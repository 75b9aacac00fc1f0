//! The clock of a capture: does it run back, and what do servers say of the time?

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::protocols::wall;
use crate::types::packet::Transport;
use crate::types::{Packet, Timestamp};

/// The stamps of one card run back by less where its queues are read in turns.
const STEP: Duration = Duration::from_secs(1);
/// Servers whose time is kept.
const MAX_SERVERS: usize = 4_096;
const HTTP: u16 = 80;
const NTP: u16 = 123;

/// What is known of the clock.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    /// The newest stamp of each file or interface.
    newest: HashMap<u16, Timestamp>,
    steps_back: u64,
    largest_step: Duration,
    servers: HashMap<IpAddr, Said>,
}

/// What one server said.
#[derive(Clone, Copy, Debug)]
struct Said {
    answers: u64,
    /// Nanoseconds by which the capture's clock is ahead, by the answer that says least: answers that waited in a cache say more.
    ahead: i64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockFigures {
    /// Times that the stamps ran back by more than a second.
    pub steps_back: u64,
    /// By how much at most.
    pub largest_step_ms: u64,
    /// Dated answers of servers.
    pub dated: u64,
    /// Servers that gave them.
    pub servers: u64,
    /// By how much the capture's clock is ahead of those of the servers (their median); negative: behind.
    pub ahead_ms: i64,
}

impl ClockWatch {
    /// A frame's own stamp.
    pub fn stamp(&mut self, origin: u16, recorded: Timestamp) {
        let newest = self.newest.entry(origin).or_insert(recorded);
        let step = newest.since(recorded);
        if step > STEP {
            self.steps_back += 1;
            self.largest_step = self.largest_step.max(step);
            // What follows is compared with the clock as it stands now.
            *newest = recorded;
        }
        *newest = (*newest).max(recorded);
    }

    /// A packet that may tell the time.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let said = match packet.transport {
            Transport::Tcp(segment) if segment.source_port == HTTP => {
                wall::http_date(segment.payload)
            }
            Transport::Udp(datagram) if datagram.source_port == NTP => {
                wall::ntp_time(datagram.payload)
            }
            _ => None,
        };
        let Some(said) = said else {
            return;
        };
        let ahead = packet.recorded.as_nanos().saturating_sub(said.as_nanos());
        if self.servers.len() >= MAX_SERVERS && !self.servers.contains_key(&packet.source) {
            return;
        }
        let server = self
            .servers
            .entry(packet.source)
            .or_insert(Said { answers: 0, ahead });
        server.answers += 1;
        server.ahead = server.ahead.min(ahead);
    }

    /// What came of it.
    pub fn figures(&self) -> ClockFigures {
        let mut aheads: Vec<i64> = self.servers.values().map(|said| said.ahead).collect();
        aheads.sort_unstable();
        let median = aheads.get(aheads.len() / 2).copied().unwrap_or_default();
        ClockFigures {
            steps_back: self.steps_back,
            largest_step_ms: u64::try_from(self.largest_step.as_millis()).unwrap_or(u64::MAX),
            dated: self.servers.values().map(|said| said.answers).sum(),
            servers: self.servers.len() as u64,
            ahead_ms: median / 1_000_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds, 0)
    }

    #[test]
    fn a_step_back_counts_once_and_small_disorder_never() {
        let mut watch = ClockWatch::default();
        for seconds in [100, 101, 100, 103, 3, 4, 5] {
            watch.stamp(0, at(seconds));
        }
        watch.stamp(1, at(1));
        let figures = watch.figures();
        assert_eq!((figures.steps_back, figures.largest_step_ms), (1, 100_000));
    }

    #[test]
    fn the_median_of_the_servers_stands_and_caches_do_not_move_it() {
        let mut watch = ClockWatch::default();
        for (server, aheads) in [(1, vec![90, 7]), (2, vec![8, 5_000]), (3, vec![-4_000])] {
            for ahead in aheads {
                let ahead: i64 = ahead * 1_000_000;
                let address = IpAddr::from([192, 0, 2, server]);
                let said = watch
                    .servers
                    .entry(address)
                    .or_insert(Said { answers: 0, ahead });
                said.answers += 1;
                said.ahead = said.ahead.min(ahead);
            }
        }
        let figures = watch.figures();
        assert_eq!(
            (figures.dated, figures.servers, figures.ahead_ms),
            (5, 3, 7)
        );
    }
}
