//! Which worker a packet belongs to, and how it gets there.
//!
//! All packets between two addresses belong to one worker, told by a symmetric hash of the addresses alone: so do fragments, which
//! carry no ports, and the copies of a flow inside and outside a tunnel. The kernel hands most frames to the right worker by the
//! same hash; what it cannot look into (tunnels, labels) goes over a bounded queue. Nobody waits: where a queue is full, the packets
//! are dropped and counted.

use std::net::IpAddr;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::counters;
use crate::sensor::batch::{Batch, Item};
use crate::sensor::worker::Worker;
use crate::source::live::home;
use crate::types::flow_key::Side;
use crate::types::{FlowKey, Packet, Transport};

/// Batches that wait for a worker, from each other worker.
const QUEUE: usize = 64;
/// A batch of so many packets goes over before the turn ends.
const BATCH_PACKETS: usize = 256;

counters! {
    /// Packets that came to another worker than their own.
    pub struct RouterCounters {
        /// Packets handed over.
        handed_over: "capture.handed_over",
        /// Packets dropped because their worker was behind.
        dropped: "capture.handover_drops",
    }
}

/// A worker's part in it.
#[derive(Debug)]
pub(super) struct Router {
    key_vlan: bool,
    /// To each worker; none to itself.
    links: Vec<Option<Link>>,
    inbox: Receiver<Batch>,
    counters: RouterCounters,
}

/// The way to another worker.
#[derive(Debug)]
struct Link {
    batch: Batch,
    to: Sender<Batch>,
}

impl Router {
    /// One for each of `workers` workers, tied to each other.
    pub fn all(workers: usize, key_vlan: bool) -> Vec<Self> {
        let queues: Vec<_> = (0..workers).map(|_| bounded(QUEUE * workers)).collect();
        let links = |index: usize| {
            let link = |(to, (sender, _)): (usize, &(Sender<Batch>, _))| {
                (to != index).then(|| Link {
                    batch: Batch::default(),
                    to: sender.clone(),
                })
            };
            queues.iter().enumerate().map(link).collect()
        };
        let router = |(index, (_, inbox)): (usize, &(_, Receiver<Batch>))| Self {
            key_vlan,
            links: links(index),
            inbox: inbox.clone(),
            counters: RouterCounters::default(),
        };
        queues.iter().enumerate().map(router).collect()
    }

    /// Whether VLANs belong to the keys of flows.
    pub const fn key_vlan(&self) -> bool {
        self.key_vlan
    }

    /// The packet of a plain frame, whose flow has `key`, goes to its worker.
    #[inline]
    pub fn plain(&mut self, worker: &mut Worker, packet: &Packet<'_>, key: &FlowKey, side: Side) {
        match self.link_of(packet.source, packet.destination) {
            None => worker.packet_of(packet, key, side),
            Some(_) => self.packet(worker, packet),
        }
    }

    /// A packet goes to its worker; an ICMP error is told to that of the flow that it quotes as well.
    pub fn packet(&mut self, worker: &mut Worker, packet: &Packet<'_>) {
        if matches!(packet.transport, Transport::Arp(_)) {
            // Of no flow, and perhaps a flood of a broken network: whoever captured it reads it.
            return worker.packet(packet);
        }
        match self.link_of(packet.source, packet.destination) {
            None => worker.packet(packet),
            Some(link) => {
                link.batch.push(packet);
                self.send_if_full(packet.source, packet.destination);
            }
        }
        if let Some(key) = packet.quoted_key(self.key_vlan) {
            self.quoted(worker, key);
        }
    }

    /// What other workers handed over.
    pub fn received(&self) -> Option<Batch> {
        self.inbox.try_recv().ok()
    }

    /// Hands over what was gathered.
    pub fn flush(&mut self) {
        for link in self.links.iter_mut().flatten() {
            link.send(&mut self.counters);
        }
    }

    /// What went over.
    pub const fn counters(&self) -> &RouterCounters {
        &self.counters
    }

    fn quoted(&mut self, worker: &mut Worker, key: FlowKey) {
        let (one, other) = (key.sender(Side::LowToHigh), key.receiver(Side::LowToHigh));
        match self.link_of(one.address, other.address) {
            None => worker.quoted(&key),
            Some(link) => link.batch.push_quoted(key),
        }
    }

    fn send_if_full(&mut self, source: IpAddr, destination: IpAddr) {
        let home = home(source, destination, self.links.len());
        if let Some(Some(link)) = self.links.get_mut(home)
            && link.batch.items().len() >= BATCH_PACKETS
        {
            link.send(&mut self.counters);
        }
    }

    /// The way to the worker of two addresses; `None` where that is this one.
    fn link_of(&mut self, one: IpAddr, other: IpAddr) -> Option<&mut Link> {
        if self.links.len() <= 1 {
            return None;
        }
        let home = home(one, other, self.links.len());
        self.links.get_mut(home)?.as_mut()
    }
}

impl Link {
    fn send(&mut self, counters: &mut RouterCounters) {
        let packets = self.batch.items().iter();
        let packets = packets
            .filter(|item| matches!(item, Item::Packet(_)))
            .count() as u64;
        if self.batch.items().is_empty() {
            return;
        }
        match self.to.try_send(std::mem::take(&mut self.batch)) {
            Ok(()) => counters.handed_over += packets,
            Err(_) => counters.dropped += packets,
        }
    }
}
