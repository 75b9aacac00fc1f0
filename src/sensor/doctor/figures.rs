//! All that is judged: figures of packets, flows, names and interfaces, and which prefixes the clients have.

use std::collections::HashMap;
use std::net::IpAddr;

use super::clock::ClockFigures;
use super::flows::{ClientFigures, FlowFigures};
use super::hosts::HostFigures;
use super::packets::PacketFigures;
use crate::sensor::clients::ClientNetworks;
pub(super) use crate::sensor::clients::ppm;

/// What was seen, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub packets: PacketFigures,
    pub flows: FlowFigures,
    pub clock: ClockFigures,
    pub names: NameFigures,
    pub askers: AskerFigures,
    /// Where the clients are.
    pub networks: ClientNetworks,
    /// Who of a list of hosts is there; `None`: there is no list.
    pub hosts: Option<HostFigures>,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(list: &[(&str, u64, u64)]) -> HashMap<IpAddr, ClientFigures> {
        list.iter()
            .map(|(address, questions, connections)| {
                let figures = ClientFigures {
                    questions: *questions,
                    connections: *connections,
                    ..ClientFigures::default()
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
