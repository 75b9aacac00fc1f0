//! What a worker makes: lines and facts, each with its place in the order.

use super::annotation::Annotation;
use super::order::Key;
use super::worker::{Cause, Core};
use crate::flows::Flow;
use crate::records::community_id::CommunityId;
use crate::records::header::FlowKeys;
use crate::records::line::write_line;
use crate::records::time::TimeText;
use crate::records::{Header, Kind, Line, Style};
use crate::types::flow_key::Side;
use crate::types::{Endpoint, Stamp};
use crate::updates::Fact;

/// Which way a record points.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    FromClient,
    Packet(Endpoint, Endpoint),
}

impl Core {
    /// The place in the order of the next record or fact of `flow`.
    fn key(&mut self, kind: Kind, flow: &Flow<Annotation>) -> Key {
        /// More records of one flow at one boundary would share a place.
        const MOST_AT_A_BOUNDARY: u64 = 1 << 12;
        self.ordinal += 1;
        match self.cause {
            Cause::Packet(stamp) => Key::of_packet(self.tick, stamp, kind, self.ordinal, flow.id()),
            Cause::Boundary(at) => {
                let ordinal = flow.first().number.saturating_mul(MOST_AT_A_BOUNDARY)
                    + self.ordinal.min(MOST_AT_A_BOUNDARY - 1);
                Key::of_boundary(at, kind, ordinal, flow.id())
            }
        }
    }

    /// Tells the updates stage a fact.
    pub fn tell(&mut self, flow: &Flow<Annotation>, fact: Fact) {
        let key = self.key(Kind::Update, flow);
        self.made.facts.push((key, fact));
    }

    /// Tells the updates stage who is behind an address, before anything else of the packet at hand.
    pub fn tell_host(&mut self, flow: u64, fact: Fact) {
        self.ordinal += 1;
        let key = match self.cause {
            Cause::Packet(stamp) => Key::of_packet(self.tick, stamp, Kind::Dns, self.ordinal, flow),
            Cause::Boundary(at) => Key::of_boundary(at, Kind::Dns, self.ordinal, flow),
        };
        self.made.facts.push((key, fact));
    }

    /// Tells a fact that belongs to no flow.
    pub fn tell_at(&mut self, key: Key, fact: Fact) {
        self.made.facts.push((key, fact));
    }

    /// Writes a record of a flow, where its kind is wanted. `stamp`: the packet that completed it; `way`: source and destination.
    pub fn write(
        &mut self,
        kind: Kind,
        flow: &mut Flow<Annotation>,
        stamp: Option<Stamp>,
        way: Way,
        mut fields: impl FnMut(&mut Line<'_>, &Style, &mut TimeText, &Flow<Annotation>),
    ) {
        if !self.settings.kinds.has(kind) {
            return;
        }
        let header = self.header(kind, flow, stamp, way);
        let key = self.key(kind, flow);
        let (style, scratch, time) = (&self.settings.style, &mut self.scratch, &mut self.time);
        self.made.lines.push(key, |buffer| {
            write_line(buffer, scratch, |line| {
                header.write(line, style, time);
                fields(line, style, time, flow);
            });
        });
    }

    /// As [`Self::write`], of a DNS message that can be read: its line may be written later.
    pub fn write_message(
        &mut self,
        flow: &mut Flow<Annotation>,
        side: Side,
        (bytes, tx_id): (&[u8], u64),
        stamp: Stamp,
    ) {
        if !self.settings.kinds.has(Kind::Dns) {
            return;
        }
        let way = Way::Packet(flow.key().sender(side), flow.key().receiver(side));
        let header = self.header(Kind::Dns, flow, Some(stamp), way);
        let key = self.key(Kind::Dns, flow);
        let place = self.made.lines.keep_place(key);
        self.postponed.push(place, header, tx_id, bytes);
        if self.postponed.is_full() {
            self.write_postponed();
        }
    }

    /// Writes the lines of all messages that wait.
    pub fn write_postponed(&mut self) {
        let (style, scratch, time) = (&self.settings.style, &mut self.scratch, &mut self.time);
        let lines = &mut self.made.lines;
        self.postponed.take(|place, header, tx_id, message| {
            lines.fill(place, |buffer| {
                write_line(buffer, scratch, |line| {
                    header.write(line, style, time);
                    crate::records::dns::write(line, message, tx_id, style);
                });
            });
        });
    }

    fn header(
        &self,
        kind: Kind,
        flow: &mut Flow<Annotation>,
        stamp: Option<Stamp>,
        way: Way,
    ) -> Header {
        let is_wanted = self.settings.style.community_id;
        if is_wanted && flow.annotation.community_id.is_none() {
            flow.annotation.community_id = Some(Box::new(community_id(flow)));
        }
        let (source, destination) = match way {
            Way::FromClient => (flow.client(), flow.server()),
            Way::Packet(source, destination) => (source, destination),
        };
        Header {
            timestamp: stamp.map_or(self.now(), |stamp| stamp.recorded),
            kind,
            flow: Some(FlowKeys {
                id: flow.id(),
                source,
                destination,
                protocol: flow.key().protocol(),
                icmp: flow.icmp(),
                vlan: *flow.vlan(),
                tunnel: flow.tunnel().copied(),
                community_id: flow
                    .annotation
                    .community_id
                    .as_deref()
                    .filter(|_| is_wanted)
                    .copied(),
            }),
            packet: stamp.map(|stamp| (stamp.number_in_origin, stamp.origin)),
        }
    }
}

fn community_id(flow: &Flow<Annotation>) -> CommunityId {
    let (mut client, mut server) = (flow.client(), flow.server());
    if let Some((kind, code)) = flow.icmp() {
        (client.port, server.port) = (kind.into(), code.into());
    }
    crate::records::community_id::community_id(client, server, flow.key().protocol())
}
