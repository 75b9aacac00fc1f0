//! All that is judged: figures of packets, flows, names and interfaces, and which prefixes the clients have.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::clock::ClockFigures;
use super::flows::{ClientFigures, FlowFigures};
use super::packets::PacketFigures;

/// Prefixes that are told.
pub(super) const MOST_PREFIXES: usize = 8;
/// A smaller part of the connections makes no prefix of clients, in parts of a million.
const LEAST_SHARE_PPM: u64 = 10_000;

/// What was seen, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub packets: PacketFigures,
    pub flows: FlowFigures,
    pub clock: ClockFigures,
    pub names: NameFigures,
    pub askers: AskerFigures,
    /// Connections of each /24 and /64 of clients, most first.
    pub prefixes: Vec<(String, u64)>,
    /// Packets that a mirror showed twice.
    pub duplicates: u64,
    /// Frames of link types that are not decoded, and which.
    pub unknown_link_types: u64,
    pub link_types: Vec<String>,
    /// Frames whose headers make no sense or are cut.
    pub broken: u64,
    /// `None`: a file was read.
    pub local: Option<LocalFigures>,
}

/// What DNS and the naming of flows gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameFigures {
    pub queries: u64,
    pub responses: u64,
    /// Responses whose query was not seen.
    pub unasked: u64,
    /// Flows with a name, and without.
    pub named: u64,
    pub unnamed: u64,
}

/// Who asks DNS, and who connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskerFigures {
    /// Questions, and those of addresses that open no connection of their own.
    pub questions: u64,
    pub questions_of_resolvers: u64,
    /// Addresses that ask and open no connection.
    pub resolvers: u64,
    /// Clients with connections, and those of them that asked.
    pub connecting: u64,
    pub connecting_and_asking: u64,
}

/// What the sockets and the interfaces counted between the beginning and the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalFigures {
    /// As named.
    pub interfaces: Vec<String>,
    /// Frames that the kernel had for us, and those for which the ring had no room.
    pub received: u64,
    pub ring_dropped: u64,
    /// Frames that the interface or the kernel dropped before that.
    pub interface_dropped: u64,
    /// Frames longer than the interface's MTU.
    pub merged: u64,
    /// Interfaces that are down, or went away; and that have no link.
    pub down: Vec<String>,
    pub without_link: Vec<String>,
    /// Seconds that were listened.
    pub seconds: u64,
}

impl AskerFigures {
    /// Out of what each client did.
    pub fn of(clients: &HashMap<IpAddr, ClientFigures>) -> Self {
        let mut figures = Self::default();
        for client in clients.values() {
            figures.questions += client.questions;
            match (client.questions > 0, client.connections > 0) {
                (true, false) => {
                    figures.resolvers += 1;
                    figures.questions_of_resolvers += client.questions;
                }
                (asks, true) => {
                    figures.connecting += 1;
                    figures.connecting_and_asking += u64::from(asks);
                }
                (false, false) => {}
            }
        }
        figures
    }
}

impl NameFigures {
    /// Queries that got no answer.
    pub const fn unanswered(&self) -> u64 {
        let answered = self.responses.saturating_sub(self.unasked);
        self.queries.saturating_sub(answered)
    }
}

/// Connections by prefix: /24 of IPv4, /64 of IPv6; most first.
pub(super) fn prefixes(clients: &HashMap<IpAddr, ClientFigures>) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (address, client) in clients {
        if client.connections > 0 && !is_local_to_its_link(*address) {
            *sums.entry(prefix(*address)).or_default() += client.connections;
        }
    }
    let mut sums: Vec<(String, u64)> = sums.into_iter().collect();
    sums.sort_by(|(_, a), (_, b)| b.cmp(a));
    let all: u64 = sums.iter().map(|(_, connections)| connections).sum();
    sums.retain(|(_, connections)| ppm(*connections, all) >= LEAST_SHARE_PPM);
    sums
}

fn prefix(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            format!("{}/64", std::net::Ipv6Addr::from(network))
        }
    }
}

const fn is_local_to_its_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// `part` of `all` in parts of a million; 0 of nothing.
pub(super) fn ppm(part: u64, all: u64) -> u64 {
    let share = u128::from(part) * 1_000_000 / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(list: &[(&str, u64, u64)]) -> HashMap<IpAddr, ClientFigures> {
        list.iter()
            .map(|(address, questions, connections)| {
                let figures = ClientFigures {
                    questions: *questions,
                    connections: *connections,
                };
                (address.parse().unwrap(), figures)
            })
            .collect()
    }

    #[test]
    fn resolvers_are_told_from_clients_that_ask_themselves() {
        let figures = AskerFigures::of(&clients(&[
            ("192.0.2.53", 90, 0),
            ("192.0.2.1", 0, 3),
            ("192.0.2.2", 10, 3),
            ("192.0.2.3", 0, 0),
        ]));
        let expected = AskerFigures {
            questions: 100,
            questions_of_resolvers: 90,
            resolvers: 1,
            connecting: 2,
            connecting_and_asking: 1,
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn prefixes_come_by_their_connections_without_strays() {
        let found = prefixes(&clients(&[
            ("192.0.2.7", 0, 50),
            ("192.0.2.8", 0, 60),
            ("2001:db8:0:1::9", 0, 300),
            ("198.51.100.1", 0, 1),
            ("fe80::1", 0, 900),
            ("203.0.113.1", 8, 0),
        ]));
        let expected = [
            ("2001:db8:0:1::/64".to_owned(), 300),
            ("192.0.2.0/24".to_owned(), 110),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_query_counts_as_answered_only_by_its_own_answer() {
        let names = NameFigures {
            queries: 10,
            responses: 9,
            unasked: 4,
            ..NameFigures::default()
        };
        assert_eq!(names.unanswered(), 5);
    }
}
