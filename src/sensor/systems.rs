//! What tells of clients' operating systems, beside the names of the catalogue: SYNs, User-Agents, ClientHellos.
//!
//! Each thing is told once an hour of a client, so that it costs nothing but a look into a table. Another worker may tell the same: what
//! takes it in counts by the hour.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::annotation::Annotation;
use super::worker::Core;
use crate::flows::{Flow, Handshake};
use crate::protocols::http::Request;
use crate::protocols::syn::Shape;
use crate::types::packet::{TcpFlags, Transport};
use crate::types::{Packet, Timestamp};
use crate::updates::Fact;
use crate::updates::os::{Hour, OsEvidence, OsFact, RowId, Rules};

/// Most that is remembered within an hour; then it is forgotten, and told again.
const MOST: usize = 1 << 14;

/// What was told within the hour.
#[derive(Debug)]
pub(super) struct Sightings {
    rules: Arc<Rules>,
    hour: Hour,
    told: HashSet<(IpAddr, OsEvidence), FixedState>,
}

impl Default for Sightings {
    fn default() -> Self {
        Self {
            rules: Rules::embedded(),
            hour: Hour(i64::MIN),
            told: HashSet::default(),
        }
    }
}

impl Sightings {
    /// Whether `seen` is new within the hour of `now`; and whether everything else had to be forgotten for it.
    fn note(&mut self, client: IpAddr, seen: &OsEvidence, now: Timestamp) -> (bool, bool) {
        let hour = Hour::of(now);
        let is_full = self.told.len() >= MOST;
        if hour != self.hour || is_full {
            self.told.clear();
        }
        let was_forgotten = is_full && hour == self.hour;
        self.hour = hour;
        (self.told.insert((client, seen.clone())), was_forgotten)
    }
}

impl Core {
    /// A flow began with `packet`: where that is a SYN, it shows the client's stack.
    pub(super) fn opened_by(&self, flow: &mut Flow<Annotation>, packet: &Packet<'_>) {
        let Transport::Tcp(segment) = &packet.transport else {
            return;
        };
        let is_first = segment.flags.0 & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN;
        let shape = Shape::of(segment.options, packet.hop_limit).filter(|_| is_first);
        flow.annotation.stack = shape.and_then(|shape| self.sightings.rules.of_shape(&shape));
    }

    /// Its names were looked up: what the SYN shows counts where a connection came of it. Anyone can send SYNs with others' addresses.
    pub(super) fn tell_stack(&mut self, flow: &mut Flow<Annotation>) {
        if flow.annotation.stack.is_some() && flow.handshake() == Some(Handshake::Complete) {
            let row = flow.annotation.stack.take();
            self.sighted(flow, row.map(|row| (row, "")));
        }
    }

    /// The client sent a request over plain HTTP.
    pub(super) fn requested(&mut self, flow: &Flow<Annotation>, request: &Request) {
        let rules = &self.sightings.rules;
        let forwarding = rules.of_forwarding().filter(|_| request.is_forwarded);
        let agent = request.user_agent.as_deref();
        let agent = agent.and_then(|agent| rules.of_agent(agent));
        let agent = agent.map(OsEvidence::seen);
        self.sighted(flow, forwarding.map(|row| (row, "")));
        self.told_system(flow, agent);
    }

    /// The client sent a ClientHello.
    pub(super) fn greeted(&mut self, flow: &Flow<Annotation>, ja4: &str) {
        let row = self.sightings.rules.of_hello(ja4);
        self.sighted(flow, row.map(|row| (row, "")));
    }

    fn sighted(&mut self, flow: &Flow<Annotation>, seen: Option<(RowId, &str)>) {
        self.told_system(flow, seen.map(OsEvidence::seen));
    }

    /// Tells what was seen of the client, where it was not told within the hour.
    fn told_system(&mut self, flow: &Flow<Annotation>, evidence: Option<OsEvidence>) {
        let Some(evidence) = evidence else {
            return;
        };
        let (client, time) = (flow.client().address, self.now());
        let (is_new, was_forgotten) = self.sightings.note(client, &evidence, time);
        self.counters.sightings_full += u64::from(was_forgotten);
        if is_new {
            let fact = OsFact {
                client,
                time,
                evidence,
            };
            self.tell(flow, Fact::Os(fact));
        }
    }
}
