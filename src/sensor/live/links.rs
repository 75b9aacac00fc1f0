//! What the interfaces counted themselves since the run began: libpcap tells of less than is lost. And for how long one was down.

use std::time::{Duration, Instant};

use crate::sensor::metrics::InterfaceFigures;
use crate::source::live::{InterfaceCounters, InterfaceStatus, LiveCounters};

/// Watches the interfaces.
#[derive(Debug)]
pub(super) struct Links {
    counters: LiveCounters,
    links: Vec<Link>,
    looked: Instant,
}

/// One interface.
#[derive(Clone, Debug, Default)]
struct Link {
    /// The kernel's number of it; `None` before the first look.
    index: Option<u32>,
    last: InterfaceCounters,
    sum: InterfaceCounters,
    is_up: bool,
}

impl Links {
    /// Looks for the first time: what was counted before is left out.
    pub fn new(counters: LiveCounters) -> Self {
        let now = Instant::now();
        let mut links = Self {
            links: vec![Link::default(); counters.names().count()],
            counters,
            looked: now,
        };
        links.look(now);
        links
    }

    /// Asks the kernel. What it does not tell at the moment stays as it was. Gives for how long an interface was down, gone or without
    /// a carrier since the last look.
    pub fn look(&mut self, now: Instant) -> Duration {
        let since = now.duration_since(std::mem::replace(&mut self.looked, now));
        let Ok(statuses) = self.counters.interfaces() else {
            return Duration::ZERO;
        };
        for (link, status) in self.links.iter_mut().zip(statuses) {
            link.look(status);
        }
        let is_down = self.links.iter().any(|link| !link.is_up);
        if is_down { since } else { Duration::ZERO }
    }

    /// Every interface as it was at the last look.
    pub fn figures(&self) -> Vec<InterfaceFigures> {
        let named = self.counters.names().zip(&self.links).enumerate();
        let figures = named.map(|(at, (name, link))| InterfaceFigures {
            name: name.to_owned(),
            is_up: link.is_up,
            sockets: self.counters.of_interface(at),
            own: link.sum.clone(),
        });
        figures.collect()
    }

    /// The interfaces' own counters over all of them.
    pub fn total(&self) -> InterfaceCounters {
        let mut sum = InterfaceCounters::default();
        self.links.iter().for_each(|link| sum.add(&link.sum));
        sum
    }
}

impl Link {
    fn look(&mut self, status: Option<InterfaceStatus>) {
        self.is_up = status
            .as_ref()
            .is_some_and(|status| status.is_up && status.has_carrier != Some(false));
        let Some(status) = status else {
            return;
        };
        match self.index.replace(status.index) {
            None => {}
            Some(index) if index == status.index => {
                self.sum.add(&status.counters.since(&self.last));
            }
            // Made again: it counted from zero.
            Some(_) => self.sum.add(&status.counters),
        }
        self.last = status.counters;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interface_counted_before_is_left_out_and_one_made_again_counts_from_zero() {
        let status = |index, rx_dropped| {
            Some(InterfaceStatus {
                index,
                name: "span0".to_owned(),
                is_up: true,
                is_promiscuous: true,
                operstate: "up".to_owned(),
                has_carrier: None,
                mtu: 1_500,
                speed_mbps: None,
                counters: InterfaceCounters {
                    rx_dropped,
                    ..InterfaceCounters::default()
                },
            })
        };
        let mut link = Link::default();
        link.look(status(1, 100));
        assert_eq!((link.sum.rx_dropped, link.is_up), (0, true));
        link.look(status(1, 103));
        link.look(None);
        assert_eq!((link.sum.rx_dropped, link.is_up), (3, false));
        link.look(status(2, 5));
        assert_eq!((link.sum.rx_dropped, link.is_up), (8, true));
    }
}
