//! What ended flows show: which directions are there, what was lost of them, who asked and who connected.

use std::collections::HashMap;
use std::net::IpAddr;

use super::super::annotation::Annotation;
use super::super::application::AppProtocol;
use super::super::mirror::MirrorCounters;
use crate::flows::Flow;
use crate::types::{Direction, Protocol, Timestamp};

/// Clients that the doctor tells apart; those that come later are not looked at.
const MAX_CLIENTS: usize = 1 << 18;

/// What is gathered.
#[derive(Debug)]
pub struct FlowWatch {
    pub figures: FlowFigures,
    pub clients: HashMap<IpAddr, ClientFigures>,
    /// Most clients that are told apart.
    most_clients: usize,
}

/// What was counted over flows that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFigures {
    /// TCP: directions, and what was lost of them.
    pub mirror: MirrorCounters,
    /// Flows other than DNS that carried something: TCP with payload, UDP both ways.
    pub connections: u64,
}

/// What one client did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientFigures {
    /// Packets that it sent to DNS servers.
    pub questions: u64,
    /// Connections of its own, DNS left out.
    pub connections: u64,
    /// When the last one of them began.
    pub last: Timestamp,
}

impl Default for FlowWatch {
    fn default() -> Self {
        Self::of_at_most(MAX_CLIENTS)
    }
}

impl FlowWatch {
    /// One that tells so many clients apart.
    pub fn of_at_most(most_clients: usize) -> Self {
        Self {
            figures: FlowFigures::default(),
            clients: HashMap::new(),
            most_clients,
        }
    }

    /// A flow ended.
    pub fn ended(&mut self, flow: &Flow<Annotation>) {
        let [to_server, to_client] =
            [Direction::ToServer, Direction::ToClient].map(|way| flow.packets(way));
        let is_both_ways = to_server > 0 && to_client > 0;
        let carried = match flow.key().protocol() {
            Protocol::TCP => self.figures.mirror.ended(flow),
            Protocol::UDP => is_both_ways,
            _ => false,
        };
        let is_dns = flow.annotation.protocol == Some(AppProtocol::Dns);
        if is_dns {
            self.client(flow.client().address).questions += to_server;
        } else if carried {
            self.figures.connections += 1;
            let client = self.client(flow.client().address);
            client.connections += 1;
            client.last = client.last.max(flow.first().timestamp);
        }
    }

    /// Each client with its connections.
    pub fn connections(&self) -> impl Iterator<Item = (IpAddr, u64)> + '_ {
        let clients = self.clients.iter();
        clients.map(|(address, client)| (*address, client.connections))
    }

    fn client(&mut self, address: IpAddr) -> &mut ClientFigures {
        if self.clients.len() >= self.most_clients && !self.clients.contains_key(&address) {
            // All that is too many is one client, who is nobody.
            return self.clients.entry(IpAddr::from([0; 4])).or_default();
        }
        self.clients.entry(address).or_default()
    }
}
