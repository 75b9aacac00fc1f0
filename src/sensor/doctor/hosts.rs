//! A list of hosts against who is there: which entries were seen, who is in none, and whether MAC addresses tell hosts apart.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::flows::ClientFigures;
use crate::config::hosts::HostList;
use crate::types::{Networks, Packet};
use crate::updates::hosts::{Hops, Mac};

/// Addresses whose MAC address is kept; of those that come later none is.
const MAX_ADDRESSES: usize = 1 << 18;
/// A MAC address with so many client addresses is a router's: a host has a few, of both families.
pub const ADDRESSES_OF_A_ROUTER: u64 = 8;

/// Who sent from which MAC address.
#[derive(Debug, Default)]
pub(super) struct MacWatch {
    /// The newest of each address, and whether its packet came with fewer hops.
    senders: HashMap<IpAddr, (Mac, bool)>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostFigures {
    /// Entries, those that were seen, and those that have a MAC address and no address.
    pub entries: u64,
    pub seen: u64,
    pub mac_only: u64,
    /// Clients with connections, those of them in no entry, and those in entries that were not valid.
    pub clients: u64,
    pub unlisted: u64,
    pub outside: u64,
    /// Clients whose MAC address was seen, those whose one is a router's, and how many such there are.
    pub with_mac: u64,
    pub behind_routers: u64,
    pub routers: u64,
}

impl MacWatch {
    /// A packet; what came in a tunnel has the MAC address of who made the tunnel.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let Some(mac) = packet.source_mac.filter(|_| packet.tunnel.is_none()) else {
            return;
        };
        if self.senders.len() < MAX_ADDRESSES || self.senders.contains_key(&packet.source) {
            let is_routed = matches!(Hops::of(packet.hop_limit), Hops::Less(_));
            self.senders.insert(packet.source, (mac, is_routed));
        }
    }
}

impl MacWatch {
    /// MAC addresses that are routers': many of these clients share one, or packets come from it with fewer hops.
    fn routers<'c>(&self, clients: impl Iterator<Item = &'c IpAddr>) -> HashSet<Mac> {
        let mut by_mac: HashMap<Mac, (u64, bool)> = HashMap::new();
        for (mac, is_routed) in clients.filter_map(|client| self.senders.get(client)) {
            let (addresses, routed) = by_mac.entry(*mac).or_default();
            *addresses += 1;
            *routed |= is_routed;
        }
        let is_router = |(addresses, routed): (u64, bool)| {
            addresses >= ADDRESSES_OF_A_ROUTER || (routed && addresses > 1)
        };
        let routers = by_mac.into_iter().filter(|(_, of_mac)| is_router(*of_mac));
        routers.map(|(mac, _)| mac).collect()
    }
}

impl HostFigures {
    /// Of the clients inside `local` (all, where that is empty).
    pub fn of(
        list: &HostList,
        clients: &HashMap<IpAddr, ClientFigures>,
        local: &Networks,
        macs: &MacWatch,
    ) -> Self {
        let mut figures = Self {
            entries: list.hosts().len() as u64,
            mac_only: list
                .hosts()
                .iter()
                .filter(|host| host.prefix.is_none())
                .count() as u64,
            ..Self::default()
        };
        let is_meant = |address: IpAddr| local.is_empty() || local.contains(address);
        let clients = || {
            let meant = clients.iter();
            meant.filter(|(address, client)| client.connections > 0 && is_meant(**address))
        };
        let routers = macs.routers(clients().map(|(address, _)| address));
        let mut seen = HashSet::new();
        for (address, client) in clients() {
            figures.clients += 1;
            let mac = macs.senders.get(address).map(|(mac, _)| *mac);
            figures.with_mac += u64::from(mac.is_some());
            let own = mac.filter(|mac| !routers.contains(mac));
            figures.behind_routers += u64::from(mac.is_some() && own.is_none());
            match list.find_row(*address, own, client.last) {
                Some(row) => _ = seen.insert(row),
                None if list.has(*address, own) => figures.outside += 1,
                None => figures.unlisted += 1,
            }
        }
        figures.seen = seen.len() as u64;
        figures.routers = routers.len() as u64;
        figures
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::types::Timestamp;

    /// Clients of 192.0.2.0/24 by their last byte; `mac`: of each.
    fn figures(list: &str, clients: std::ops::Range<u8>, mac: impl Fn(u8) -> u8) -> HostFigures {
        let list = HostList::parse(list, Path::new("hosts.csv")).unwrap();
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let client = ClientFigures {
            connections: 1,
            last: Timestamp::EPOCH,
            ..ClientFigures::default()
        };
        let found = clients
            .clone()
            .map(|last| (address(last), client))
            .collect();
        let senders = clients.map(|last| (address(last), ([2, 0, 0, 0, 0, mac(last)], false)));
        let macs = MacWatch {
            senders: senders.collect(),
        };
        HostFigures::of(&list, &found, &"192.0.2.0/25".parse().unwrap(), &macs)
    }

    #[test]
    fn entries_are_counted_by_the_clients_that_are_there() {
        let list = "id,address,mac,valid_until\na,192.0.2.1,,\nb,192.0.2.2,,1969-01-01\nc,192.0.2.100,,\nd,,02:00:00:00:00:01,\n";
        let found = figures(list, 1..4, |last| last);
        let expected = HostFigures {
            entries: 4,
            // By its MAC address, which says more than its address.
            seen: 1,
            mac_only: 1,
            clients: 3,
            unlisted: 1,
            outside: 1,
            with_mac: 3,
            ..HostFigures::default()
        };
        assert_eq!(found, expected);
        assert_eq!(figures(list, 200..210, |last| last).clients, 0, "not local");
    }

    #[test]
    fn a_mac_address_before_many_clients_is_a_router_s() {
        let found = figures("id,address\na,192.0.2.1\n", 1..20, |last| last / 10);
        assert_eq!(
            (found.with_mac, found.behind_routers, found.routers),
            (19, 19, 2)
        );
        let found = figures("id,address\na,192.0.2.1\n", 1..20, |last| last / 4);
        assert_eq!(
            (found.with_mac, found.behind_routers, found.routers),
            (19, 0, 0)
        );
    }
}
