//! What each stage goes by, out of the settings.

use super::Config;
use super::memory::Shares;
use crate::flows::FlowOptions;
use crate::names::NamesOptions;
use crate::names::table::LINE_BYTES;
use crate::source::live::LiveOptions;
use crate::updates::UpdateOptions;
use crate::updates::coverage::hours::CLIENT_BYTES;

/// Memory of a flow with what belongs to it beside its streams, and of its record: where time jumps, and at the end of input, all
/// flows end in one step, whose records are sorted before they are written.
const FLOW_BYTES: u64 = 2_048;
/// Memory of an open access, window or session with what it holds, as a rule, and of its record: see above.
const ACCESS_BYTES: u64 = 1_024;

impl Config {
    /// The flow table of one of `workers` workers. `seed`: fixed in replay, random live.
    pub fn flow_options(&self, workers: usize, seed: u64) -> FlowOptions {
        let shares = Shares::of(self.memory);
        let per_worker = |bytes: u64| bytes / workers.max(1) as u64;
        FlowOptions {
            tcp_incomplete: self.flows.tcp_incomplete,
            tcp_established: self.flows.tcp_established,
            tcp_closed: self.flows.tcp_closed,
            udp_one_way: self.flows.udp_oneway,
            udp_both_ways: self.flows.udp,
            udp_answered: self.flows.dns,
            icmp: self.flows.icmp,
            other: self.flows.other,
            max_flows: count(per_worker(shares.flows) / 8 * 7 / FLOW_BYTES),
            max_remembered: count(per_worker(shares.flows) / 8),
            max_waiting: count(per_worker(shares.streams) / 2),
            service_ports: self.flows.service_ports.clone(),
            key_vlan: self.flows.key_vlan,
            seed,
        }
    }

    /// Bytes that one of `workers` workers keeps for what is incomplete: heads, hellos, messages, and names of flows.
    pub fn max_buffered(&self, workers: usize) -> usize {
        count(Shares::of(self.memory).streams / 2 / workers.max(1) as u64)
    }

    /// The sockets of a live run: its share goes to their rings.
    pub fn live_options(&self) -> LiveOptions {
        let capture = &self.capture;
        let sockets = (capture.interfaces.len() * capture.workers.get()).max(1) as u64;
        LiveOptions {
            interfaces: capture.interfaces.clone(),
            workers: u16::try_from(capture.workers.get()).unwrap_or(u16::MAX),
            snap_length: capture.snap_length,
            buffer_bytes: Shares::of(self.memory).rings / sockets,
            promiscuous: capture.promiscuous,
            filter: capture.filter.clone(),
        }
    }

    /// The names table: three quarters of its share for entries, the rest for the text of names and its index.
    pub fn names_options(&self, seed: u64) -> NamesOptions {
        let share = Shares::of(self.memory).names;
        NamesOptions {
            entries: power_below(share / 4 * 3 / LINE_BYTES as u64),
            text_bytes: power_below(share / 5),
            retention: self.names.retention,
            seed,
        }
    }

    /// The engine: of its share, 18 % for what could be seen of clients; of the rest eight parts of twenty-three each for accesses and
    /// sessions, and for files, four for hosts, two for usual checks, one for what tells of operating systems.
    pub fn update_options(&self) -> UpdateOptions {
        let updates = Shares::of(self.memory).updates;
        UpdateOptions {
            local: self.local.clone(),
            window: self.updates.resolved_window,
            fallback: self.updates.unanswered_after,
            gap: self.updates.idle,
            longest: self.updates.longest,
            download_bytes: self.updates.download_bytes,
            max_open: count(updates / ACCESS_BYTES),
            max_bytes: count(updates / 100 * 82 / 23 * 8),
            coverage: self.coverage.limits,
            max_clients: count(updates / 100 * 18 / CLIENT_BYTES),
        }
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).max(1)
}

/// The greatest power of two that is not greater.
fn power_below(number: u64) -> usize {
    count(1 << number.max(1).ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_into_their_shares() {
        for memory in [64 << 20, 1 << 30, 100 << 30] {
            let config = Config {
                memory,
                ..Config::default()
            };
            let (shares, names) = (Shares::of(memory), config.names_options(0));
            let taken = (names.entries * LINE_BYTES) as u64 + names.text_bytes as u64 / 4 * 5;
            assert!(
                taken <= shares.names && taken > shares.names / 4,
                "{memory}"
            );
            let flows = config.flow_options(4, 0);
            let taken = flows.max_flows as u64 * FLOW_BYTES + flows.max_remembered as u64;
            assert!(taken * 4 <= shares.flows);
            let updates = config.update_options();
            let (bytes, clients) = (updates.max_bytes as u64, updates.max_clients as u64);
            let of_hosts = bytes / 2 + bytes / 4 + bytes / 8;
            let taken = bytes + bytes + of_hosts + clients * CLIENT_BYTES;
            assert!(taken <= shares.updates);
            assert!(memory < 1 << 30 || clients >= 100_000, "{clients}");
        }
    }
}
